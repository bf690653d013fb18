"""Each fold's own VideoMAE: it sees the training side and nobody else, whatever is asked of it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from mien import checkpoints
from mien.backbones.load import load
from mien.backbones.save import save_videomae
from mien.backbones.tiny import tiny_tower
from mien.backbones.tower import weights_digest
from mien.core.trials import Trial
from mien.datasets.labels import RULES
from mien.datasets.splits.clips import dfew
from mien.datasets.splits.fingerprint import split_hash
from mien.datasets.splits.subjects import kfold, leave_one_subject_out
from mien.inference import recording
from mien.preprocessing.cache import Cache
from mien.preprocessing.clip_feature_cache import ClipFeatureCache
from mien.preprocessing.trial_dataset import TrialSource
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.training import finetune_videomae, trial_sources
from mien.training.data_module import load_fold
from test_scpt_data import write

pytestmark = pytest.mark.slow

RULE = RULES["mvp/arousal"]
RECIPE = override(tiny_recipe(RECIPES["mvp/deap-arousal"]), {"options.seconds": "8", "options.video": "tiny",
                                                    "options.features": "32"})
LOOKS = {f"s{who}": who for who in range(6)}


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [Trial(f"s{who}/{number}", "deap", subject=f"s{who}", labels={"arousal": 3.0 + 4 * number})
            for who in range(6) for number in range(2)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory, trials):
    return write(tmp_path_factory.mktemp("tuning") / "cache", trials, {trial.id: 9.0 for trial in trials}, looks=LOOKS)


class Spying(TrialSource):
    """Remembers whose pictures were looked at."""

    seen: ClassVar[set[str]] = set()

    def clip(self, trial, rows, size):
        self.seen.add(trial.subject)
        return super().clip(trial, rows, size)


def run(cache, fold, folder, targets=None, start=None, **change):
    return finetune_videomae.finetune_videomae(
        start or tiny_tower("videomae"),
        fold,
        Spying(cache),
        targets or RULE(fold.train),
        folder,
        **{"pretrain": 1, "finetune": 1, **change},
    )


@pytest.mark.parametrize("protocol", [kfold, leave_one_subject_out])
def test_only_the_training_side_is_looked_at(cache, trials, tmp_path, protocol):
    towers = set()
    for fold in protocol(trials)[:2]:
        Spying.seen = set()
        result = run(cache, fold, tmp_path)
        judged = {trial.subject for trial in (*fold.val, *fold.test)}
        assert Spying.seen == {trial.subject for trial in fold.train}
        assert not Spying.seen & judged
        assert {name for _, name in result.provenance.people} == Spying.seen
        assert set(result.losses) == {"pretrain", "finetune"}
        towers.add(weights_digest(result.tower))
    assert len(towers) == 2
    assert weights_digest(tiny_tower("videomae")) not in towers


def test_there_is_no_way_to_learn_from_the_judged(cache, trials, tmp_path):
    first, second = kfold(trials)[:2]
    with pytest.raises(ValueError, match="expected training trials only"):
        run(cache, first, tmp_path, RULE((*first.train, *first.test)))
    with pytest.raises(ValueError, match="expected training trials only"):
        run(cache, first, tmp_path, RULE(first.val), pretrain=0)
    mixed = dfew([replace(trial, dataset="dfew", side=str(1 + k % 5)) for k, trial in enumerate(trials)])[0]
    with pytest.raises(ValueError, match="expected a fold that keeps subjects apart"):
        run(cache, mixed, tmp_path)
    result = run(cache, first, tmp_path)
    with pytest.raises(ValueError, match="expected a tower that was trained on this fold's training set"):
        ClipFeatureCache(tmp_path, result.tower, second, result.provenance)


@pytest.mark.parametrize("copied", ["as it is", "all", "weights and config", "weights alone", "reported beside"])
def test_a_tower_of_a_fold_is_never_taken_for_published_weights(cache, trials, tmp_path, copied):
    first, second = kfold(trials)[:2]
    result = run(cache, first, tmp_path / "towers")
    place = result.folder if copied == "as it is" else Path(shutil.copytree(result.folder, tmp_path / "copy"))
    if copied.startswith("weights"):
        (place / finetune_videomae.PROGRESS_LOG).unlink()
    if copied == "reported beside":  # as kept before weights said it of themselves
        save_videomae(result.tower, place)
    given = place / "model.safetensors" if copied == "weights alone" else place
    start = load(given, "videomae")
    for fold, stages in ((second, (0, 0)), (second, (1, 1)), (second, (1, 0))):
        with pytest.raises(ValueError, match="expected a tower that was trained on this fold's training set"):
            run(cache, fold, tmp_path / "towers", start=start, pretrain=stages[0], finetune=stages[1])
    with pytest.raises(ValueError, match=r"which saw \d of its validation or test subjects"):
        ClipFeatureCache(tmp_path, start, second)
    recipe = override(RECIPE, {"options.video": str(given), "options.pretrain": "0", "options.finetune": "0"})
    with pytest.raises(ValueError, match="another fold"):
        load_fold(recipe, second, cache, len(trials))
    reported = load_fold(recipe, first, cache, len(trials)).notes
    assert any(f"trained on {len(result.provenance.people)} people of the training side" in note for note in reported)
    half, targets = sorted({trial.subject for trial in first.train})[:1], RULE(first.train)
    only = RULE([trial for trial in first.train if trial.subject in half])
    again = run(cache, first, tmp_path / "towers", only, start=start, pretrain=0)
    assert again.provenance.people == {(trial.dataset, trial.subject) for trial in targets.trials}  # the past is kept


def test_device_and_seed_reach_the_tower(cache, trials, monkeypatch):
    requests = []
    monkeypatch.setattr(
        trial_sources,
        "finetune_videomae",
        lambda *given: requests.append(given[-2:]) or finetune_videomae.finetune_videomae(*given),
    )
    load_fold(RECIPE, kfold(trials)[0], cache, len(trials), "cpu", 7)
    assert requests == [("cpu", 7)]


def test_the_seed_decides_a_tower_and_people_who_are_judged_do_not(cache, trials, tmp_path):
    fold = kfold(trials)[0]
    judged, learnt = ({trial.subject for trial in side} for side in ((*fold.val, *fold.test), fold.train))
    others = {}
    for name, whose in (("judged", judged), ("learnt", set(sorted(learnt)[:1]))):
        looks = {who: seed + 100 * (who in whose) for who, seed in LOOKS.items()}
        others[name] = write(tmp_path / name, trials, {trial.id: 9.0 for trial in trials}, looks=looks)
    requests = {"first": (cache, 3), "again": (cache, 3), "judged": (others["judged"], 3), 
                "learnt": (others["learnt"], 3),
             "seed": (cache, 4)}
    result = {}
    for number, (name, (stored, seed)) in enumerate(requests.items()):
        torch.manual_seed(number)  # whatever was drawn before
        result[name] = weights_digest(run(stored, fold, tmp_path / f"towers {name}", seed=seed).tower)
    assert result["first"] == result["again"] == result["judged"]
    assert len({result["first"], result["learnt"], result["seed"]}) == 3


def test_finetuning_reuses_finished_weights_by_their_settings(cache, trials, tmp_path):
    fold = kfold(trials)[0]
    result = run(cache, fold, tmp_path)
    Spying.seen = set()
    again = run(cache, fold, tmp_path)
    assert Spying.seen == set()
    assert weights_digest(again.tower) == weights_digest(result.tower)
    assert (again.provenance, again.losses) == (result.provenance, result.losses)
    other = run(cache, fold, tmp_path, finetune=2)
    assert other.folder != result.folder
    assert other.losses["pretrain"] == result.losses["pretrain"]
    assert (run(cache, fold, tmp_path, pretrain=0, finetune=0).provenance, len(list(tmp_path.iterdir()))) == (None, 3)
    reported = json.loads((result.folder / finetune_videomae.PROGRESS_LOG).read_text())
    assert reported["split"] == result.provenance.split


@pytest.mark.parametrize("pool", ["norm-mean", "mean-norm"])
def test_a_saved_tower_is_the_one_that_is_loaded(tmp_path, pool):
    from mien.backbones.tower import Tower

    torch.manual_seed(0)
    tower = Tower(replace(tiny_tower("videomae").plan, pool=pool, heads=4, eps=1e-6)).eval()
    save_videomae(tower, tmp_path)
    back = load(tmp_path, "videomae")
    assert weights_digest(back) == weights_digest(tower)
    frames = torch.rand(2, 4, 3, 32, 32)
    # the eps of a published fc_norm is torch's own, 1e-5
    torch.testing.assert_close(back(frames), tower(frames), atol=1e-4 if pool == "mean-norm" else 1e-6, rtol=0)


def test_a_fold_is_gathered_with_its_own_tower_and_crop(cache, trials):
    folds, keys = kfold(trials), set()
    for fold, crop in ((folds[0], "large"), (folds[0], "tight"), (folds[1], "large")):
        result = load_fold(override(RECIPE, {"options.crop": crop}), fold, cache, len(trials))
        reported = result.data["tower"]
        assert any("people of the training side" in note for note in result.notes)
        assert load(reported["source"], "videomae", expect=reported["sha256"]) is not None
        features = result.source.features
        assert features.split == split_hash(fold)
        keys.add(features.key(trials[0], "content"))
        window = result.source(trials[0])
        assert np.isfinite(window.clips).any()
    assert len(keys) == 3
    with pytest.raises(ValueError, match=r"options\.features: expected 32"):
        load_fold(override(RECIPE, {"options.features": "18"}), folds[0], cache, len(trials))


@pytest.mark.parametrize("linked", [True, False])
def test_a_checkpoint_keeps_the_tower_of_its_fold(cache, trials, tmp_path, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, "link", fails)
    alone = shutil.copytree(cache.path, tmp_path / "cache")
    result = load_fold(RECIPE, kfold(trials)[0], Cache(alone), len(trials))
    sha = result.data["tower"]["sha256"]
    model = checkpoints.build_model(RECIPE, RECIPE.task, None)
    card = checkpoints.make_card(RECIPE, RECIPE.task, model, ("", ""), data=result.data)
    made = checkpoints.Predictor(model, RECIPE.task, 8.0, card).save_pretrained(tmp_path / "run/chosen")
    assert (made / "tower/model.safetensors").stat().st_nlink == 1 + linked
    shutil.rmtree(alone)
    moved = shutil.move(tmp_path / "run", tmp_path / "elsewhere") / "chosen"
    opened = checkpoints.load(moved, precision="32")
    assert weights_digest(opened.videomae()) == sha
    assert recording.make_clip_buffer(opened)[0].make().tower.hash == sha
    again = opened.save_pretrained(tmp_path / "again")  # as push_to_hub does
    assert weights_digest(checkpoints.load(again, precision="32").videomae()) == sha
    shutil.move(moved / "tower", tmp_path / "weights")
    lost = checkpoints.load(moved, precision="32")
    with pytest.raises(FileNotFoundError, match=rf"--tower.*sha256 {sha[:16]}"):
        recording.make_clip_buffer(lost)
    given = checkpoints.load(moved, precision="32", clip=str(tmp_path / "weights"))
    assert recording.make_clip_buffer(given)[0].make().tower.hash == sha
    save_videomae(tiny_tower("videomae"), other := tmp_path)
    with pytest.raises(ValueError, match=f"expected the videomae tower with sha256 {sha[:16]}"):
        recording.make_clip_buffer(checkpoints.load(moved, precision="32", clip=str(other)))


def fails(*given):
    raise OSError("no links here")


def test_a_tight_crop_is_the_middle_of_the_large_one(cache, trials):
    rows = np.arange(4)
    large, tight = (TrialSource(cache, crop=crop).clip(trials[0], rows, 32) for crop in ("large", "tight"))
    assert large.shape == tight.shape == (4, 3, 32, 32)
    gradient = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    pictured = np.repeat(gradient[None, :, :, None], 3, axis=3)

    class Painted(TrialSource):
        pass

    stored = Painted(cache, crop="tight")
    window = cache.window(trials[0].id, 0.0, 0.0, pictures=np.arange(1))
    painted = replace(window, faces=pictured.astype(np.uint8))
    object.__setattr__(stored, "cache", type("One", (), {"window": lambda *a, **k: painted})())
    row = stored.clip(trials[0], np.arange(1), 32)[0, 0, 16].numpy()
    assert row[0] == pytest.approx(8 * 32 * (1 - 1 / 1.3) / 2, abs=10)
    assert row[-1] == pytest.approx(8 * 32 * (1 + 1 / 1.3) / 2, abs=14)


def test_a_trial_without_a_face_is_learnt_from_by_its_signals(tmp_path, trials):
    unseen = write(tmp_path / "cache", trials, {trial.id: 9.0 for trial in trials}, hidden=(0.0, 99.0))
    fold = kfold(trials)[0]
    recipe = override(tiny_recipe(RECIPES["mvp/deap-arousal"]), {"options.seconds": "8"})
    for modality in ("both", "physio"):
        result = load_fold(override(recipe, {"options.modality": modality}), fold, unseen, len(trials))
        assert len(result.train.trials) == len(fold.train)
        assert not any("are left out" in note for note in result.notes)
    with pytest.raises(ValueError, match="none with a picture of a face"):
        load_fold(override(recipe, {"options.modality": "video"}), fold, unseen, len(trials))
    window = load_fold(override(recipe, {"options.modality": "both"}), fold, unseen, len(trials)).source(trials[0])
    assert window.signals.values.shape[1] > 8 * 64
