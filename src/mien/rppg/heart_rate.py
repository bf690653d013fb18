"""Heart rate of a recording or a part of it from one posterior, or the reason to abstain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.core.observations import Window
from mien.core.results import Measurement
from mien.rppg.evidence import Evidence, pulse_evidence
from mien.rppg.noise_floor import middle
from mien.rppg.nuisance import CleanTraces, remove_nuisance
from mien.rppg.plausibility import blood_share, may_be_harmonic, prior_share, segments_of
from mien.rppg.rate_posterior import NEAR, RatePosterior, rate_posterior
from mien.rppg.rgb_traces import Traces, rgb_runs

METHOD = "posterior of all skin regions and colours"
"""The estimator's name in the measurements."""

# No paper states the following. All are our choice, made on traces without pictures and on the tuning videos of
# benchmarks/pulse_photographs.py; no reported figure uses these.

SURE = 0.8
"""Least probability of an answer: that there is a pulse, and that its rate is within `rate_posterior.NEAR`."""

BLAME = 0.7
"""Share of the green power explained by light and movement above which they are the reason. Simulated people who nod or
talk without a pulse show 0.8 and more, people at rest 0.4 to 0.6."""

STRONG = 8.0
"""Nats for a pulse over noise in some piece, at which something periodic is there, whatever it is."""

STEPPED = 0.5
"""Typical over mean change of red against green from frame to frame, below which a codec hides the pulse. Noise has 1;
a codec that renews the colour only now and then has less: x264 at crf 20 shows 0.8 where the picture is sharp."""


@dataclass(frozen=True, eq=False)
class PulseReading:
    """What the traces of a recording say about the pulse: rows, summary and report are read from it.

    Attributes:
        posterior: the posterior of the rate.
        traces: each run of traces.
        clean: log colour of each run without light and motion.
        evidence: the evidence of each run.
        lit: 0..1, share of the green power explained by the light of the background.
        moved: 0..1, share explained by the movement of the head.
        stepped: typical over mean change of red against green from frame to frame (see `STEPPED`).
        hidden: whether a sure rate may be the harmonic of a pulse that was removed (see `plausibility.LEFT`).
    """

    posterior: RatePosterior
    traces: tuple[Traces, ...]
    clean: tuple[CleanTraces, ...]
    evidence: tuple[Evidence, ...]
    lit: float
    moved: float
    stepped: float
    hidden: bool

    @property
    def grey(self) -> bool:
        """Whether the camera has no colour."""
        return all(run.grey for run in self.evidence)

    def heart_rate(self) -> Measurement:
        """Compute the heart rate of the whole recording.

        Returns:
            The mean over the windows that show a pulse, in bpm, or the reason why there is none.
        """
        return self._measurement(self.posterior)

    def heart_rate_between(self, start: float, end: float) -> Measurement:
        """Compute the heart rate of a part of the recording.

        A part has no rate where the whole recording has none, so that the two cannot contradict each other.

        Args:
            start: s.
            end: s.

        Returns:
            The mean over the windows inside the part, in bpm, or the reason why there is none.
        """
        half = self.posterior.length / 2
        margin = float(min(half, default=0.0))
        part = self.posterior.between(start + margin - 1e-6, end - margin + 1e-6)
        overall = self.heart_rate()
        if not len(part.starts):
            first = float(self.posterior.starts[0] + self.posterior.length[0])
            return _abstained("no_face" if end > first else "too_short")
        measured = self._measurement(part)
        if overall.value is None and measured.value is not None:
            return overall
        return measured

    def _measurement(self, part: RatePosterior) -> Measurement:
        rate, probability = part.answer()
        if probability >= SURE and not part.outside() > 1 - SURE:
            return Measurement(rate, "bpm", probability, METHOD)
        return _abstained(self._reason(part))

    def _reason(self, part: RatePosterior) -> str:
        """Why the rate is not sure."""
        disturbed = "flicker" if self.lit >= self.moved else "motion"
        if part.outside() > 1 - SURE:
            return "edge_of_band"
        if self.hidden or self.lit + self.moved > BLAME:
            return disturbed
        if self.grey:
            return "no_colour"
        if part.present > SURE:
            return "disagree"
        if max(float(run.alone.max()) for run in self.evidence) > STRONG:
            return "disagree" if self._regions_disagree() else "not_blood"
        if self.stepped < STEPPED:
            return "compressed"
        return "low_snr"

    def _regions_disagree(self) -> bool:
        """Whether two regions show a pulse, each on its own, of rates that differ."""
        rates = []
        for first in range(0, self.clean[0].values.shape[1], 3):
            part = slice(first, first + 3)
            alone = [pulse_evidence(replace(run, values=run.values[:, part], removed=run.removed[:, part]))
                     for run in self.clean]
            rate, probability = rate_posterior(alone).answer()
            if probability >= SURE:
                rates.append(rate)
        return len(rates) > 1 and max(rates) - min(rates) > NEAR


def read_pulse(window: Window) -> PulseReading | str:
    """Compute the posterior of a person's heart rate over a window of any length.

    Args:
        window: `rgb_traces.SHORTEST` s with a face, or longer.

    Returns:
        What the traces say, or a reason of `results.REASONS` why there are none.
    """
    runs = rgb_runs(window)
    if isinstance(runs, str):
        return runs
    clean = tuple(remove_nuisance(run) for run in runs)
    evidence = tuple(pulse_evidence(run) for run in clean)
    sizes = np.array([len(run.skin) for run in runs])
    lit, moved = sizes @ np.array([[run.lit, run.moved] for run in clean]) / sizes.sum()
    posterior = rate_posterior(evidence)
    segments = segments_of(posterior, clean, evidence)
    harmonic = may_be_harmonic(segments)
    share = blood_share(posterior, clean, evidence, segments) * (prior_share(posterior) if harmonic else 1.0)
    return PulseReading(posterior.weighed(share), tuple(runs), clean, evidence, float(lit), float(moved),
                        float(np.mean([stepped(run) for run in runs])), harmonic and posterior.answer()[1] >= SURE)


def heart_rate(window: Window) -> Measurement:
    """Estimate the heart rate of a person, or abstain with a reason.

    Args:
        window: `rgb_traces.SHORTEST` s with a face, or longer.

    Returns:
        The mean rate in bpm. Its quality is the probability that there is a pulse and that this is its rate.
    """
    reading = read_pulse(window)
    if isinstance(reading, str):
        return _abstained(reading)
    return reading.heart_rate()


def _abstained(reason: str) -> Measurement:
    return Measurement(None, "bpm", 0.0, METHOD, reason)


def stepped(traces: Traces) -> float:
    """Typical over mean change of red against green, the mean of the regions; 1 where nothing changes."""
    change = np.diff(np.log(np.maximum(traces.skin[..., 0], 1.0) / np.maximum(traces.skin[..., 1], 1.0)), axis=0)
    spread = change.std(axis=0)
    typical = middle(np.abs(change).T) / 0.6745  # of normal noise: its standard deviation
    return float(np.mean(np.where(spread > 0, typical / np.maximum(spread, 1e-12), 1.0)))
