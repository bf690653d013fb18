"""From windows to batches: planted numbers in the pictures say which clip and which frame came out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.preprocessing.augmentation import Augmenter
from mien.preprocessing.data_loader import TrialDataset, evaluation_loader, training_loader
from mien.preprocessing.model_inputs import collate, prepare_batch
from mien.preprocessing.samplers import EpochSampler, class_balanced_rows
from mien.recipes.recipe import AugmentOptions

NEEDS = ModelRequirements(frames=16, size=8)


def window(count: int, clip: int = 0, side: int = 8) -> Window:
    """A window whose pictures hold the number of the clip in red and of the frame in green."""
    faces = np.zeros((count, side, side, 3), np.uint8)
    faces[..., 0], faces[..., 1] = clip, np.arange(count)[:, None, None]
    nothing = np.zeros((0, len(ACTION_UNITS)))
    return Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), nothing[:, :3], nothing, nothing[:, :3], nothing[:, :2],
                  faces=faces, pictured=np.arange(count) / 25)


def source(trial: Trial, pick) -> Window:
    full = window(int(trial.entry), int(trial.id))
    if pick is None:
        return full
    rows = pick(len(full.faces))
    return replace(full, faces=full.faces[rows], pictured=full.pictured[rows])


def clips(count: int = 12, length: int = 40, seed: int | None = None) -> TrialDataset:
    trials = [Trial(str(number), "planted", subject=f"s{number // 3}", entry=str(length)) for number in range(count)]
    return TrialDataset(trials, source, NEEDS, {str(number): number % 7 for number in range(count)}, seed)


def numbers(batch, channel: int) -> list:
    """(B, T) of the planted numbers."""
    return batch.frames[:, :, channel, 0, 0].tolist()


def test_scoring_takes_the_middle_of_sixteen_segments():
    result = prepare_batch([window(48, 3)], NEEDS)
    assert result.frames.shape == (1, 16, 3, 8, 8)
    assert result.frames.dtype == torch.uint8
    assert numbers(result, 1) == [list(range(1, 48, 3))]
    assert numbers(result, 0) == [[3] * 16]


@pytest.mark.parametrize(("count", "expected"), [(1, [0] * 16), (3, [0, 1, *[2] * 14]), (16, list(range(16)))])
def test_a_short_clip_repeats_its_last_frame(count, expected):
    assert numbers(prepare_batch([window(count)], NEEDS), 1) == [expected]
    assert numbers(prepare_batch([window(count)], NEEDS, np.random.default_rng(0)), 1) == [expected]


def test_training_takes_any_frame_of_each_segment():
    drawn = np.array(
        [numbers(prepare_batch([window(48)], NEEDS, np.random.default_rng(seed)), 1)[0] for seed in range(60)]
    )
    assert (drawn // 3 == np.arange(16)).all()
    assert {tuple(np.unique(column % 3)) for column in drawn.T} == {(0, 1, 2)}


def test_other_sizes_are_brought_to_the_models_own():
    result = prepare_batch([window(20, 9, side=32), window(20, 7, side=5)], NEEDS)
    assert result.frames.shape == (2, 16, 3, 8, 8)
    assert numbers(result, 0) == [[9] * 16, [7] * 16]


def test_windows_without_pictures_and_needs_that_cannot_be_met_are_refused():
    with pytest.raises(ValueError, match="expected one or more windows, got none"):
        prepare_batch([], NEEDS)
    for bad in (window(0), replace(window(2), faces=None, pictured=None)):
        with pytest.raises(ValueError, match=r"expected pictures of a face between 0 and 1 s, got none"):
            prepare_batch([bad], NEEDS)
    with pytest.raises(ValueError, match=r"expected needs\.seconds with signals"):
        prepare_batch([window(3)], ModelRequirements(signals=("ppg",), rate=64.0))


def test_three_at_once_equal_three_one_by_one():
    windows = [window(30, number) for number in range(3)]
    at_once, single = prepare_batch(windows, NEEDS), collate([prepare_batch([item], NEEDS) for item in windows])
    assert torch.equal(at_once.frames, single.frames)


def test_batches_hold_each_trial_with_its_own_target_and_subject():
    result = list(evaluation_loader(clips(5), 2))
    assert [batch.trial for batch in result] == [("0", "1"), ("2", "3"), ("4",)]
    assert torch.cat([batch.target for batch in result]).tolist() == [0, 1, 2, 3, 4]
    assert torch.cat([batch.subject for batch in result]).tolist() == [0, 0, 0, 1, 1]
    assert [row[0] for batch in result for row in numbers(batch, 0)] == [0, 1, 2, 3, 4]
    assert numbers(result[2], 1) == numbers(prepare_batch([window(40, 4)], NEEDS), 1)


def test_an_epoch_takes_every_trial_at_most_once_and_every_epoch_in_another_order():
    steps = EpochSampler(12, 5, epochs=40, seed=1)
    drawn = [place for batch in steps for place in batch]
    epochs = [[row for epoch, row, _ in drawn if epoch == expected] for expected in range(40)]
    assert all(len(set(epoch)) == 10 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 40
    assert {row for epoch in epochs for row in epoch} == set(range(12))
    assert len(steps) == len(list(steps)) == 80


def test_devices_share_a_batch_without_a_rest():
    full = list(EpochSampler(13, 6, epochs=2, seed=1))
    parts = [list(EpochSampler(13, 6, epochs=2, seed=1, rank=rank, ranks=2)) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in full]
    for size, count in ((5, 13), (6, 4)):
        with pytest.raises(ValueError, match="2 devices share evenly"):
            EpochSampler(count, size, epochs=1, seed=1, ranks=2)


def test_classes_are_drawn_equally_often_and_the_epoch_stays_as_long():
    """Of 60 rows 50, 8 and 2: 20 of each in an epoch; none of the common class twice, each rare one as often."""
    classes = (0,) * 50 + (1,) * 8 + (2,) * 2
    steps = EpochSampler(60, 6, epochs=4, seed=3, classes=classes)
    assert len(steps) == len(EpochSampler(60, 6, epochs=4, seed=3)) == 40
    batches = list(steps)
    assert all(Counter(classes[row] for _, row, _ in batch) == {0: 2, 1: 2, 2: 2} for batch in batches)
    common = []
    for epoch in range(4):
        counts = Counter(row for batch in batches for when, row, _ in batch if when == epoch)
        assert {counts[row] for row in range(50, 58)} == {2, 3}
        assert [counts[58], counts[59]] == [10, 10]
        assert {counts[row] for row in range(50)} == {0, 1}
        common.append({row for row in range(50) if counts[row]})
    assert len(set.union(*common)) > 35  # not the same twenty every time
    again = [place for batch in batches for place in batch if place[:2] == (0, 59)]
    assert sorted(again) == [(0, 59, times) for times in range(10)]
    assert list(replace(steps, start=13)) == batches[13:]
    assert batches != list(replace(steps, seed=4))
    with pytest.raises(ValueError, match="the class of each of 60 rows, got 3"):
        replace(steps, classes=(0, 1, 2))


def test_a_round_has_one_of_each_class_in_another_order_each_time():
    rows = np.arange(100, 130)
    result = class_balanced_rows(rows, np.array([0] * 24 + [1] * 3 + [4] * 3), np.random.default_rng(0))
    assert result.shape == (30,)
    kinds = np.searchsorted([124, 127], result, side="right").reshape(10, 3)
    assert (np.sort(kinds) == [0, 1, 2]).all()
    assert len(np.unique(kinds, axis=0)) > 3


def test_a_trial_that_comes_again_in_an_epoch_shows_other_frames():
    result = clips(seed=5)
    assert torch.equal(result[0, 3, 0].frames, result[0, 3].frames)
    assert not torch.equal(result[0, 3, 0].frames, result[0, 3, 1].frames)
    assert torch.equal(clips()[0, 3, 0].frames, clips()[0, 3, 1].frames)  # not where they are judged


def test_processes_change_their_rows_as_one_would():
    frames = torch.randint(0, 255, (6, 3, 3, 24, 24), dtype=torch.uint8)
    change = Augmenter(24, AugmentOptions())
    full = change(frames, 5)
    for ranks in (2, 3):
        for rank in range(ranks):
            torch.testing.assert_close(change(frames[rank::ranks], 5, rank, ranks), full[rank::ranks], rtol=0,
                                       atol=1e-6)
    assert not torch.allclose(change(frames[1::2], 5), full[1::2], atol=0.01)


@pytest.mark.parametrize("start", [0, 3, 4, 7])
def test_from_any_step_on_the_same_batches_follow_whatever_the_workers(start):
    full = list(training_loader(clips(seed=5), EpochSampler(12, 3, epochs=2, seed=5)))
    assert len(full) == 8
    rest = list(
        training_loader(
            clips(seed=5), EpochSampler(12, 3, epochs=2, seed=5, start=start), workers=2 if start == 3 else 0
        )
    )
    assert [batch.trial for batch in rest] == [batch.trial for batch in full[start:]]
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(rest, full[start:], strict=True))


def test_another_epoch_draws_other_frames():
    result = clips(seed=5)
    assert not torch.equal(result[0, 3].frames, result[1, 3].frames)
    assert torch.equal(clips()[0, 3].frames, clips()[1, 3].frames)


def test_a_trial_without_a_target_or_a_picture_is_named():
    with pytest.raises(ValueError, match=r"none for 1: \['x9'\]"):
        TrialDataset([Trial("x9", "planted")], source, NEEDS, {})
    with pytest.raises(ValueError, match="trial 0: prepare: expected pictures"):
        list(evaluation_loader(TrialDataset([Trial("0", "p", entry="0")], lambda *_: window(0), NEEDS, {"0": 1}), 1))


def test_augmentation_is_one_for_a_clip_another_for_each_and_decided_by_the_seed():
    clip = torch.randint(0, 256, (1, 1, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    frames = clip.expand(4, 6, 3, 24, 24)
    change = Augmenter(24, AugmentOptions())
    before = torch.get_rng_state()
    result = change(frames, seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    assert result.shape == frames.shape
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(result, result[:, :1].expand_as(result))
    assert all((result[i] - result[j]).abs().max() > 0.05 for i in range(4) for j in range(i))
    assert torch.equal(change(frames, seed=7), result)
    assert not torch.equal(change(frames, seed=8), result)


def test_each_kind_of_augmentation_does_what_it_says():
    none = AugmentOptions(area=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, rotation=0.0, brightness=0.0, contrast=0.0,
                          saturation=0.0, hue=0.0)
    frames = torch.randint(0, 256, (8, 2, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = frames.float() / 255
    torch.testing.assert_close(Augmenter(24, none)(frames, 1), plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(Augmenter(24, replace(none, flip=1.0))(frames, 1), plain.flip(-1), atol=1e-5, rtol=0)
    ramp = torch.linspace(0, 255, 24).round().to(torch.uint8).expand(8, 2, 3, 24, 24)
    turned = Augmenter(24, replace(none, rotation=45.0))(ramp, 1)[:, :, :, 8:16, 8:16]  # always inside
    slope = turned.diff(dim=-2).mean((1, 2, 3, 4))
    assert slope.abs().max() > 0.01
    assert ((slope**2 + turned.diff(dim=-1).mean((1, 2, 3, 4)) ** 2).sqrt() == pytest.approx(1 / 23, rel=0.1))
    near = Augmenter(24, replace(none, area=(0.25, 0.25)))(ramp, 1)
    assert near.diff(dim=-1).mean((1, 2, 3, 4)) == pytest.approx(0.5 / 23, rel=0.15)
    dim = Augmenter(24, replace(none, brightness=0.5))(frames, 1)
    factors = dim.mean((1, 2, 3, 4)) / plain.mean((1, 2, 3, 4))
    assert len(factors.unique()) == 8
    assert ((factors > 0.45) & (factors < 1.5)).all()
    assert Augmenter(24, replace(none, on=False))(frames, 1) is frames
    with pytest.raises(ValueError, match=r"AugmentOptions\.area"):
        AugmentOptions(area=(0.5, 1.5))
