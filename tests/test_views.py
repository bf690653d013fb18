"""Test-time views: the frames that each view takes, mirrored pictures, and the mean of their logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.evaluation.predict import VIEWS, _averaged_outputs
from mien.models.method import Output
from mien.preprocessing.data_loader import TrialDataset
from mien.recipes import RECIPES
from mien.recipes.overrides import override
from mien.video import pick_frames

TRIALS = [Trial(str(number), "folder", f"p{number}") for number in range(3)]
COUNT, FRAMES = 32, 4


class BrightnessModel(torch.nn.Module):
    """Logits: the mean brightness of the left half, which is the frame's number, and that of the right half, 200."""

    needs = ModelRequirements(frames=FRAMES, size=4)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def predict(self, batch) -> Output:
        frames = batch.frames.float()
        halves = torch.stack([frames[..., :2].mean((1, 2, 3, 4)), frames[..., 2:].mean((1, 2, 3, 4))], dim=1)
        return Output(halves, halves)


def source(trial: Trial, pick) -> Window:
    faces = np.full((COUNT, 4, 4, 3), 200, np.uint8)
    faces[:, :, :2] = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    nothing = np.zeros((0, len(ACTION_UNITS)))
    rows = pick(COUNT)
    return Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), nothing[:, :3], nothing, nothing[:, :3], nothing[:, :2],
                  faces=faces[rows], pictured=rows / 25)


def dataset(at: float) -> TrialDataset:
    return TrialDataset(TRIALS, source, BrightnessModel.needs, {trial.id: 0 for trial in TRIALS}, at=at)


@pytest.mark.parametrize(("views", "left"), [
    (1, 3 + 12), (2, (3 + 12 + 200) / 2),  # segments of 8 frames begin at 0, 8, 16 and 24: 12 on average
    (4, ((1 + 5) / 2 + 12 + 200) / 2)])
def test_logits_are_the_mean_of_the_views(views, left):
    result = _averaged_outputs(BrightnessModel(), dataset, views, 2, 0)
    np.testing.assert_allclose(result.logits[:, 0], left)
    np.testing.assert_allclose(result.features[:, 0], left)
    assert result.names == ["0", "1", "2"]


def test_a_place_in_each_segment_is_picked():
    assert pick_frames(COUNT, FRAMES, at=0.0).tolist() == [0, 8, 16, 24]
    assert pick_frames(COUNT, FRAMES).tolist() == [3, 11, 19, 27]
    assert pick_frames(COUNT, FRAMES, at=1.0).tolist() == [7, 15, 23, 31]
    for count in range(1, 50):  # whatever the length, a view takes frames of its own segments, in order
        for at, _ in VIEWS[4]:
            index = pick_frames(count, FRAMES, at=at)
            assert ((index >= 0) & (index < count)).all()
            assert (np.diff(index) >= 0).all()


def test_views_are_a_setting_of_recipes_with_frames():
    assert override(RECIPES["duse/dfew"], {"views": "4"}).views == 4
    with pytest.raises(ValueError, match="expected 1, 2"):
        override(RECIPES["duse/dfew"], {"views": "3"})
    model = BrightnessModel()
    model.needs = ModelRequirements(signals=("ecg",), rate=128.0, seconds=10.0)
    with pytest.raises(ValueError, match="expected 1 for a model without frames"):
        _averaged_outputs(model, dataset, 2, 2, 0)
