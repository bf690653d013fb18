"""The whole: two backbones, the fusion, and what the answer rests on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mien.batch import Batch
from mien.models.mvp.fusion import Fusion, Paid
from mien.models.mvp.options import AU_RATE, Options
from mien.models.mvp.rating import costs
from mien.models.mvp.streams import Stream, forget, standardise, whole
from mien.models.shared import ALONE, cross_entropy
from mien.types import Needs


@dataclass(frozen=True, eq=False)
class Evidence:
    """`logits` (B, K), and what they rest on.

    `signals` (B, C) and `video` (B,): s of each that were there and were used; `nothing` (B,): none of any, then the
    logits are worth nothing. `face` (B, S), `body` (B, C or 1, P): attention that each row of the video and each patch
    of the signals got in fusion, mean over layers, heads and queries; with a learnt token that stands for "nothing
    there" each sums to 1. None where nobody looks at them. `heard` (B, C, P), `seen` (B, S): which patches and rows.
    """

    logits: Tensor
    signals: Tensor
    video: Tensor
    nothing: Tensor
    face: Tensor | None = None
    body: Tensor | None = None
    heard: Tensor | None = None
    seen: Tensor | None = None


class MVP(nn.Module):
    """All of it learns, from the first step on."""

    share = ALONE

    def __init__(self, options: Options):
        super().__init__()
        self.options = options
        joint = options.channels == "joint"
        each = len(options.signals) if joint else 1
        count = (1 if joint else len(options.signals)) if options.modality != "video" else 0
        self.body = nn.ModuleList(Stream(each, options.samples, options.patch, options.layers, options)
                                  for _ in range(count))
        self.face = (Stream(options.features, 1, options.step, options.video_layers, options)
                     if options.modality != "physio" else None)
        self.fusion = Fusion(options)

    @property
    def needs(self) -> Needs:
        options = self.options
        face = options.modality != "physio"
        return Needs(seconds=options.seconds,
                     signals=options.signals if len(self.body) else None, rate=options.rate if len(self.body) else None,
                     aus=AU_RATE if face and options.video == "aus" else None,
                     clips=options.video if face and options.video != "aus" else None)

    def read(self, batch: Batch, watch: bool = True) -> Evidence:
        """-> logits and what they rest on; without `watch` nothing is told of attention.

        Raises ValueError where the batch has neither signals nor video, or others than asked for.
        """
        signals, heard, video, seen = self._sources(batch)
        if self.training and self.options.forget:
            heard, seen = forget(heard, seen, self.options.forget, self.share)
        patches, rows = whole(heard, self.options.samples), seen.any(dim=1)
        used = patches.sum(dim=-1), rows.sum(dim=-1)
        there = torch.stack([used[0].sum(dim=1), used[1]], dim=1) > 0
        body = face = None
        if len(self.body):
            found = [stream(*way) for stream, way in zip(self.body, self._ways(signals, heard), strict=True)]
            body = torch.cat([tokens for tokens, _ in found], dim=1), torch.cat([held for _, held in found], dim=1)
        if self.face is not None:
            face = self.face(video, seen)
        paid = Paid() if watch else None
        logits = self.fusion(body, face, there, paid)
        looked = [torch.stack(got).mean(dim=0) if got else None
                  for got in ((paid.body, paid.face) if paid else ((), ()))]
        return Evidence(logits, used[0] * self.options.patch, used[1] * self.options.step, ~there.any(dim=1),
                        face=None if looked[1] is None else looked[1][:, 1:],
                        body=None if looked[0] is None else looked[0].unflatten(1, (len(self.body), -1))[:, :, 1:],
                        heard=patches, seen=rows)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits (B, K); with a head for the rating the rating itself (B, 1), its scale as -1..1."""
        return self.read(batch, watch=False).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-> what is to be minimised, by name. Trials of which nothing is known teach nothing.

        With two heads a target is 2 valence + arousal, see `fusion.pairs`; of a rating a number, -1..1.
        """
        if batch.target is None:
            raise ValueError("MVP.loss: expected a target (B,), got none: train on trials with labels")
        found = self.read(batch, watch=False)
        known = ~found.nothing
        every = self.share.gather(known)
        if not bool(every.any()):
            raise ValueError(f"MVP.loss: expected signals or video in some trial, got none in {len(every)}: leave "
                             "these trials out")
        if self.options.heads == "rating":
            rated, target = (self.share.gather(value)[every] for value in (found.logits[:, 0], batch.target))
            return costs(rated, target, self.options.squared)
        return {"cross_entropy": cross_entropy(found.logits, batch, self.share, self.options.smoothing, known)}

    def _ways(self, signals: Tensor, heard: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What each backbone of physiology is given."""
        signals = standardise(signals, heard)
        if self.training and self.options.noise:
            signals = signals + self.options.noise * self.share.draw(torch.randn, *signals.shape, device=signals.device)
        if self.options.channels == "joint":
            return [(signals, heard)]
        return list(zip(signals.split(1, dim=1), heard.split(1, dim=1), strict=True))

    def _sources(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Signals (B, C, N) and video (B, D, S), each with what of it is known; empty where the batch has none."""
        options = self.options
        given = {"signals": (batch.signals if len(self.body) else None, batch.signals_mask, len(options.signals)),
                 "video": (batch.video.mT if batch.video is not None and self.face is not None else None,
                           batch.video_mask, options.features)}
        if all(value is None for value, _, _ in given.values()):
            wanted = {"both": "signals or video", "physio": "signals", "video": "video"}[options.modality]
            raise ValueError(f"MVP: expected {wanted} in the batch, got none: prepare it by `needs`")
        out: list[Tensor] = []
        for name, (value, mask, count) in given.items():
            if value is None:
                value, mask = next(self.parameters()).new_zeros(len(batch), count, 0), None
            if value.shape[1] != count:
                raise ValueError(f"MVP: expected {count} {'channels' if name == 'signals' else 'features'} of {name}, "
                                 f"got {value.shape[1]}: prepare the batch by `needs`")
            known = torch.isfinite(value)
            out += [value, known if mask is None else known & mask[:, None]]
        return out[0], out[1], out[2], out[3]
