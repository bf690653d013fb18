"""What MVP is fed: planted signals and units come out where they were put, and what is bad is masked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Tower
from mien.core.observations import Signal, Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.datasets.splits.subjects import kfold
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.model import MVP
from mien.models.videomae import CLIP_SECONDS
from mien.preprocessing.cache import Cache
from mien.preprocessing.clip_feature_cache import ClipFeatureCache, training_trials
from mien.preprocessing.data_loader import TrialDataset, evaluation_loader
from mien.preprocessing.model_inputs import collate, prepare_batch
from mien.preprocessing.trial_dataset import TrialSource
from test_scpt_data import write

NEEDS = ModelRequirements(seconds=20.0, signals=("ecg", "eda"), rate=128.0, aus=5.0)


def window(seconds: float = 20.0, rate: float = 128.0, fps: float = 25.0, event: float = 7.0, before: float = 0.0,
           names: tuple[str, ...] = ("temperature", "eda", "ecg")) -> Window:
    """Units and signals with noise; at `event` s for 1 s all units are 5 and all signals 100 higher."""
    rng = np.random.default_rng(0)
    times = np.arange(round(seconds * fps)) / fps
    aus = rng.uniform(0, 1, (len(times), len(ACTION_UNITS))) + 4 * ((times >= event) & (times < event + 1))[:, None]
    wire = -before + np.arange(round((seconds + before) * rate)) / rate
    values = rng.standard_normal((len(names), len(wire))) + 100 * ((wire >= event) & (wire < event + 1))
    rows = np.zeros((len(times), 4, 3))
    return Window(0.0, seconds, times, rows, rows[:, 0], aus, rows[:, 0], rows[:, 0, :2],
                  signals=Signal(values, rate, names, ("",) * len(names), -before))


def test_signals_come_by_name_and_time():
    single = window(before=5.0)
    result = prepare_batch([single], NEEDS)
    assert (result.signals.shape, result.signals_mask.shape) == ((1, 2, 2560), (1, 2560))
    assert result.signals_mask.all()
    for row, channel in ((0, 2), (1, 1)):
        np.testing.assert_array_equal(result.signals[0, row].numpy(), single.signals.values[channel, 640 : 640 + 2560])
    missing = prepare_batch([replace(single, signals=None)], NEEDS)
    assert not missing.signals_mask.any()
    lone = prepare_batch([single], replace(NEEDS, signals=("ppg", "eda")))
    assert lone.signals_mask.all()
    assert lone.signals[0, 0].isnan().all()


@pytest.mark.parametrize(("rate", "error"), [(128.0, 1e-6), (100.0, 2e-3), (512.0, 5e-3), (1000.0, 5e-3)])
def test_another_rate_is_brought_to_the_one_asked_for(rate, error):
    times = -1.3 + np.arange(round(25 * rate)) / rate
    signal = Signal(np.stack([np.sin(2 * np.pi * 1.3 * times)] * 2), rate, ("ecg", "eda"), ("", ""), -1.3)
    result = prepare_batch([replace(window(), signals=signal)], NEEDS).signals[0, 0].numpy()
    # 1.3 s is no whole number of samples at 128 Hz: linear between neighbours costs (1.3 pi / 128)^2 / 2
    np.testing.assert_allclose(result, np.sin(2 * np.pi * 1.3 * np.arange(2560) / 128), atol=max(error, 6e-4))


def test_to_series_masks_bad_samples_only():
    single = window()
    values = single.signals.values.copy()
    values[2, 100:200] = np.nan
    values[2, 1000:1300] = values[2, 1000]  # an ECG that does not move for 2.3 s
    clipped = values[1].copy()
    values[1] = np.clip(clipped, -1, 1.5)
    quality = np.ones(2560)
    quality[2000:] = 0
    result = prepare_batch([replace(single, signals=replace(single.signals, values=values, quality=quality))], NEEDS)
    ecg, eda = result.signals[0].isfinite().numpy()
    expected = np.ones(2560, dtype=bool)
    expected[100:200] = expected[1000:1300] = expected[2000:] = False
    np.testing.assert_array_equal(ecg, expected)
    assert 0 < eda[:2000].mean() < 1
    assert not eda[(clipped > 1.5) & (np.arange(2560) >= 7 * 128) & (np.arange(2560) < 8 * 128)].any()
    np.testing.assert_array_equal(result.signals_mask[0].numpy(), ecg | eda)


def test_units_are_the_means_of_each_fifth_of_a_second():
    single = window()
    aus = single.aus.copy()
    aus[100:150] = np.nan  # 4 to 6 s without a face
    aus[:, 3] = np.nan  # a unit that nobody reads
    result = prepare_batch([replace(single, aus=aus)], NEEDS)
    table = pd.DataFrame(aus).groupby(np.floor(single.times * 5 + 1e-6).astype(int)).mean()
    np.testing.assert_allclose(result.video[0].numpy(), table.to_numpy(), rtol=1e-6)
    assert result.video_mask[0].tolist() == [not 20 <= row < 30 for row in range(100)]
    assert result.video[0, 40, 3].isnan()


def test_uneven_and_slow_frames_leave_gaps_and_do_not_move_others():
    single = window()
    kept = np.r_[0:50, 200:210, 215:500]
    some = {name: getattr(single, name)[kept] for name in ("times", "skin", "position", "aus", "pose", "gaze")}
    result = prepare_batch([replace(single, **some)], NEEDS)
    gone = [row for row, present in enumerate(result.video_mask[0].tolist()) if not present]
    assert gone == [*range(10, 40), 42]
    np.testing.assert_allclose(result.video[0, 60].numpy(), single.aus[300:305].mean(axis=0), rtol=1e-6)


def test_shorter_is_masked_and_of_longer_the_end_is_taken():
    short = prepare_batch([window(8.0)], NEEDS)
    assert short.signals_mask.sum() == 8 * 128
    assert short.video_mask.sum() == 40
    long = prepare_batch([window(50.0, event=35.0)], NEEDS)
    assert long.signals_mask.all()
    assert set((long.signals[0, 0] > 50).nonzero().flatten().tolist()) == set(range(5 * 128, 6 * 128))
    assert (long.video[0, :, 0] > 3).nonzero().flatten().tolist() == [*range(25, 30)]
    joined = collate([short, long])
    assert joined.signals.shape == (2, 2, 2560)
    wire = replace(window(), signals=window(8.0).signals)  # signals shorter than the video
    assert prepare_batch([wire], NEEDS).signals_mask.sum() == 8 * 128


def test_in_training_both_modalities_are_cut_at_the_same_time():
    starts = set()
    for seed in range(8):
        result = prepare_batch([window(30.0, event=14.0)], NEEDS, np.random.default_rng(seed))
        sound = float((result.signals[0, 0] > 50).nonzero().float().mean()) / 128
        seen = float(result.video[0, :, 0].nan_to_num().gt(2.5).nonzero().float().mean() + 0.5) / 5
        assert abs(sound - seen) < 0.2
        starts.add(round(sound, 2))
    assert len(starts) > 4


def test_the_model_takes_what_it_asked_for():
    options = MVPConfig(signals=("ecg", "eda"), seconds=20.0, width=16, layers=1, video_layers=1, fusion_layers=1,
                      attention_heads=2, inner=32)
    model = MVP(options).eval()
    full, short, blind = window(), window(8.0), replace(window(), aus=np.full((500, len(ACTION_UNITS)), np.nan))
    with torch.no_grad():
        result = model.infer(prepare_batch([full, short, replace(blind, signals=None)], model.needs))
    assert result.signals.tolist() == [[20.0, 20.0], [8.0, 8.0], [0.0, 0.0]]
    assert result.video.tolist() == pytest.approx([20.0, 8.0, 0.0])
    assert result.nothing.tolist() == [False, False, True]
    with pytest.raises(ValueError, match=r"expected needs\.seconds"):
        prepare_batch([full], ModelRequirements(aus=5.0))
    with pytest.raises(ValueError, match="expected features of clips by tower, got none"):
        prepare_batch([full], ModelRequirements(seconds=20.0, clips="tower"))


# ---------------------------------------------------------------------------------------------- whole trials

PLAN = BackboneConfig("videomae", 24, 1, 2, 48, size=16, patch=8, frames=4, pool="norm-mean")


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [Trial(f"s{who}/{number}", "deap", subject=f"s{who}") for who in range(6) for number in range(1)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory, trials) -> Cache:
    lengths = {trial.id: 12.0 + k for k, trial in enumerate(trials)}
    return write(tmp_path_factory.mktemp("wholes") / "cache", trials, lengths, hidden=(5.0, 7.8))


def test_whole_trials_bring_their_signals(cache, trials):
    needs = ModelRequirements(seconds=15.0, signals=("ppg",), rate=64.0, aus=5.0)
    batch = next(
        iter(evaluation_loader(TrialDataset(trials, TrialSource(cache), needs, {trial.id: 0 for trial in trials}), 6))
    )
    assert batch.signals_mask.sum(dim=1).tolist() == pytest.approx([12 * 64, 13 * 64, 14 * 64, *[15 * 64] * 3], abs=4)
    times = np.arange(12 * 64 - 4) / 64
    np.testing.assert_allclose(batch.signals[0, 0, : len(times)].numpy(), np.sin(2 * np.pi * 1.5 * times), atol=1e-5)


def test_clips_become_rows_and_hidden_ones_are_masked(cache, trials, tmp_path):
    fold = kfold(trials, k=3)[0]
    torch.manual_seed(0)
    features = ClipFeatureCache(tmp_path, Tower(PLAN), fold, training_trials(fold)[1])
    full_files, needs = TrialSource(cache, features), ModelRequirements(seconds=15.0, clips="tower")
    seen = full_files(trials[0])
    count = int(np.ceil(12 / CLIP_SECONDS))
    assert seen.clips.shape == (count, 24)
    assert np.isfinite(seen.clips).all(axis=1).tolist() == [True, True, False, True, True]  # 5.12 to 7.68 s is hidden
    batch = prepare_batch([seen], needs)
    assert batch.video.shape == (1, 6, 24)
    assert batch.video_mask[0].tolist() == [True, True, False, True, True, False]
    assert len(list(tmp_path.iterdir())) == 1
    mvp = MVP(MVPConfig(modality="video", video="tower", features=24, seconds=15.0, width=16, attention_heads=2)).eval()
    with torch.no_grad():
        assert float(mvp.infer(batch).video) == pytest.approx(4 * CLIP_SECONDS)
