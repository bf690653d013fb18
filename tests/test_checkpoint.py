"""Checkpoints: what is saved reads the same when it is loaded, and nothing else can be taken for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import mien
from mien import checkpoints
from mien.backbones.config import CLIP
from mien.backbones.tower import Tower
from mien.checkpoints.card import CARD, WEIGHTS
from mien.checkpoints.factory import build_model, load_clip
from mien.checkpoints.predictor import Predictor, make_card
from mien.core.class_texts import class_texts
from mien.core.observations import Window
from mien.core.tasks import ACTION_UNITS, EXPRESSION, make_task, read_labels
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE
from mien.models.method import trainable
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override

TINY = tiny_recipe(RECIPES["duse/dfew"])


def window(seed: int = 0, count: int = 20) -> Window:
    """Twenty pictures of large coloured squares."""
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, 256, (count, 2, 2, 3), dtype=np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    nothing = np.zeros((0, len(ACTION_UNITS)))
    return Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), nothing[:, :3], nothing, nothing[:, :3], nothing[:, :2],
                  faces=faces, pictured=np.arange(count) / 25)


def stirred(recipe=TINY, task=EXPRESSION) -> Predictor:
    """A model whose trained values are somewhere else than at their beginning."""
    parts = load_clip(recipe.tower)
    model = build_model(recipe, task, parts)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in trainable(model).values():
            value.add_(0.03 * torch.randn(value.shape, generator=generator))
    card = make_card(recipe, task, model, (parts.image.hash, parts.text.hash), step=7, scores={"val": {"uar": 0.5}})
    return Predictor(model, task, recipe.seconds, card)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return stirred().save_pretrained(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_loaded_model_predicts_as_the_saved_one(saved):
    before, after = stirred(), mien.load(saved, precision="32")
    windows = [window(seed) for seed in range(3)]
    np.testing.assert_allclose(after.predict_proba(windows), before.predict_proba(windows), rtol=1e-5, atol=1e-7)
    single = [after.predict_window(item) for item in windows]
    assert np.ptp(np.log(single), axis=0).max() > 0.1  # it does look at the pictures
    np.testing.assert_allclose(after.predict_proba(windows), single, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after.predict_proba(windows).sum(1), 1, atol=1e-12)
    assert after.task == EXPRESSION
    assert after.seconds == TINY.seconds
    assert after.card.recipe == TINY
    assert after.model.text is None
    assert not after.model.training


@pytest.mark.parametrize("kind", ["names", "averaged"])
def test_the_texts_of_the_recipe_go_with_the_checkpoint(tmp_path, kind):
    recipe = override(TINY, {"texts": kind})
    before = stirred(recipe, recipe.task)
    after = mien.load(before.save_pretrained(tmp_path), precision="32")
    windows = [window(seed) for seed in range(2)]
    np.testing.assert_allclose(after.predict_proba(windows), before.predict_proba(windows), rtol=1e-5, atol=1e-7)
    assert after.task.texts == class_texts(kind)
    others = np.log([result.predict_proba(windows) for result in (after, stirred())])
    assert np.abs(others[0] - others[1]).max() > 0.1  # other texts, other answers
    again = mien.load(tmp_path, precision="32", labels=LABELS)  # the text tower is read again
    assert again.predict_window(windows[0]).shape == (len(LABELS.classes),)


def test_only_trained_tensors_and_the_text_features_are_saved(saved):
    with safe_open(saved / WEIGHTS, framework="pt") as file:
        names = set(file.keys())
    assert names == {*trainable(stirred().model), "text_features"}
    reported = json.loads((saved / CARD).read_text())
    assert reported["tiny"] is True
    assert reported["licence"].startswith("research only")
    assert reported["scores"] == {"val": {"uar": 0.5}}
    assert reported["classes"] == list(EXPRESSION.classes)
    assert reported["preprocessing"]["size"] == 32
    assert len(reported["image"]) == 64
    assert reported["recipe"]["options"]["beta"] == 0.7
    assert "Tiny: it only tests the pipeline, its scores are meaningless." in (saved / "README.md").read_text()
    assert sorted(file.name for file in saved.iterdir()) == sorted([CARD, WEIGHTS, "README.md"])


def test_the_largest_checkpoint_has_less_than_40_mb():
    with torch.device("meta"):
        model = DuSE(Tower(CLIP["L/14"]["image"]), Tower(CLIP["L/14"]["text"]),
                     torch.zeros((7, 9), dtype=torch.long, device="cpu"), DuSEConfig())
    size = sum(value.numel() * 4 for value in trainable(model).values()) + 7 * 768 * 4
    assert 26e6 < size < 28e6


def test_from_pretrained_and_save_pretrained_go_round(saved, tmp_path):
    again = Predictor.from_pretrained(str(saved), precision="32").save_pretrained(tmp_path / "again")
    assert (again / CARD).read_text() == (saved / CARD).read_text()
    first, second = load_file(saved / WEIGHTS), load_file(again / WEIGHTS)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_push_to_hub_uploads_the_three_files(saved, monkeypatch):
    seen = {}

    class Api:
        def __init__(self, token=None):
            seen["token"] = token

        def create_repo(self, repo_id, private=None, exist_ok=False):
            seen["private"] = private

            class Address(str):
                pass

            address = Address(f"https://hub.example/{repo_id}")
            address.repo_id = repo_id
            return address

        def upload_folder(self, repo_id, folder_path, commit_message):
            seen.update(repo=repo_id, files=sorted(file.name for file in Path(folder_path).iterdir()))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert mien.load(saved).push_to_hub("me/model", private=True) == "https://hub.example/me/model"
    assert seen == {"token": None, "private": True, "repo": "me/model", "files": ["README.md", CARD, WEIGHTS]}


# ---------------------------------------------------------------------------------------------- refusals

def test_another_label_map_is_refused(saved):
    other = replace(EXPRESSION, classes=EXPRESSION.classes[::-1], texts=None)
    assert mien.load(saved, task=EXPRESSION).task == EXPRESSION
    with pytest.raises(ValueError, match=r"expected the labels fear, disgust.*got a checkpoint for happy, sad"):
        mien.load(saved, task=other)


def test_another_tower_is_refused(saved, tmp_path):
    small_clip(tmp_path)
    with pytest.raises(ValueError, match=r"expected the clip-image tower with sha256 \w{16}\.\.\., got"):
        mien.load(saved, clip=str(tmp_path))


def test_truncated_weights_are_refused(copy):
    data = (copy / WEIGHTS).read_bytes()
    for keep in (5, 100, len(data) // 2, len(data) - 1):
        (copy / WEIGHTS).write_bytes(data[:keep])
        with pytest.raises(ValueError, match="expected a whole safetensors file"):
            mien.load(copy)
    (copy / WEIGHTS).unlink()
    with pytest.raises(ValueError, match="expected a whole safetensors file"):
        mien.load(copy)


@pytest.mark.parametrize(("content", "got"), [
    (b"", "an empty file"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "the pointer of Git LFS"),
    (b"<html>404</html>", "a web page")])
def test_other_files_in_place_of_the_weights_are_named(copy, content, got):
    (copy / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=f"expected weights, got {got}"):
        mien.load(copy)


@pytest.mark.parametrize(("change", "reported"), [
    (lambda card: card.update(classes=card["classes"][::-1]), "they differ in classes"),
    (lambda card: card.update(step=8), "they differ in step"),
    (lambda card: card.update(image="0" * 64), "they differ in image"),
    (lambda card: card.update(schema="mien.checkpoint/9"), r"expected the schema mien\.checkpoint/1"),
    (lambda card: card.pop("texts"), "missing or unknown: texts"),
    (lambda card: card["recipe"].update(colour=1), "got colour: install a newer mien"),
    (lambda card: card["recipe"]["options"].update(heads=2), "these differ: lsea"),
])  # fmt: skip
def test_a_card_that_does_not_belong_is_refused(copy, change, reported):
    card = json.loads((copy / CARD).read_text())
    change(card)
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(ValueError, match=reported):
        mien.load(copy)


def test_weights_that_are_not_finite_are_refused(copy):
    with safe_open(copy / WEIGHTS, framework="pt") as file:
        bond = file.metadata()
    tensors = load_file(copy / WEIGHTS)
    tensors["htpc.phase"] = torch.tensor(float("nan"))
    save_file(tensors, copy / WEIGHTS, bond)
    with pytest.raises(ValueError, match=r"NaN or infinity in htpc\.phase"):
        mien.load(copy)


def test_load_refuses_folders_without_a_checkpoint(tmp_path, saved, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"got no card\.json"):
        mien.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="got nothing: check the spelling"):
        mien.load(tmp_path / "none" / "at" / "all")
    with pytest.raises(FileNotFoundError, match="got a file"):
        mien.load(saved / WEIGHTS)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(ValueError, match="expected JSON"):
        mien.load(tmp_path)


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    model = stirred()
    model.save_pretrained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mien.checkpoints.predictor.save_file", full)
    with pytest.raises(OSError, match="space"):
        model.save_pretrained(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_device_that_is_not_there_is_reported(saved):
    with pytest.raises(ValueError, match="expected auto, cpu"):
        mien.load(saved, device="toaster")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"of this machine \(cpu"):
            mien.load(saved, device="cuda")


# ---------------------------------------------------------------------------------------------- labels, zero-shot

LABELS = make_task({"bored": "a dull look", "amused": "a faint smile", "tired": "heavy eyelids"})


def test_other_labels_are_read_by_the_text_tower_with_the_trained_prompts(saved):
    result = mien.load(saved, labels=LABELS, precision="32")
    expected = stirred()
    model = build_model(TINY, LABELS, load_clip(TINY.tower))
    model.load_state_dict(trainable(expected.model), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(result.model.cached_text, model.text_features())
    assert result.task.classes == ("bored", "amused", "tired")
    assert result.predict_window(window()).shape == (3,)
    with pytest.raises(ValueError, match="expected the labels of the training"):
        result.save_pretrained("nowhere")


@pytest.mark.parametrize(("text", "reported"), [
    ("", "got an empty file"), ("# nothing\n", "got an empty file"), ("bored: dull", "expected two or more labels"),
    ("bored: dull\namused:\n", r"line 2: .*a label without text \('amused'\)"),
    ("bored: dull\nbored: x\n", "line 2: .*the same label twice"), ("- bored\n- tired\n", "got something else"),
    ("a: [1, 2]\nb: c\n", "line 1: .*a label without text"), ("a: 'x\n", "expected YAML"),
    ("a|b: x\nc: y\n", r"expected names without '\|'"), ("a: ''\nb: c\n", "a label without text"),
])  # fmt: skip
def test_label_files_that_say_nothing_are_refused(tmp_path, text, reported):
    (tmp_path / "labels.yaml").write_text(text)
    with pytest.raises(ValueError, match=reported):
        read_labels(tmp_path / "labels.yaml")
    with pytest.raises(FileNotFoundError, match="labels: expected a YAML file"):
        read_labels(tmp_path / "none.yaml")


def test_a_label_file_becomes_a_task_in_its_order(tmp_path):
    (tmp_path / "labels.yaml").write_text('\ufefftired: "heavy eyelids"\nno: it says no\namused: >\n a faint\n smile\n')
    result = read_labels(tmp_path / "labels.yaml")
    assert result.classes == ("tired", "no", "amused")
    assert result.texts == ("heavy eyelids", "it says no", "a faint smile")


def small_clip(folder: Path) -> transformers.CLIPModel:
    """A random CLIP in the published format, with a tokenizer of single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz,.:"
    vocab = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    ids = {word: number for number, word in enumerate(vocab)}
    config = transformers.CLIPConfig(
        projection_dim=16,
        vision_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                       "image_size": 32, "patch_size": 16},
        text_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                     "vocab_size": len(vocab), "max_position_embeddings": 120, "eos_token_id": len(vocab) - 1,
                     "bos_token_id": len(vocab) - 2})
    torch.manual_seed(3)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return model


@torch.inference_mode()
def test_zero_shot_is_clip_as_transformers_has_it(tmp_path):
    model = small_clip(tmp_path)
    result = checkpoints.zero_shot(str(tmp_path), LABELS, precision="32")
    single = window(count=1)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (result.needs.mean, result.needs.std))
    picture = (torch.from_numpy(single.faces).permute(0, 3, 1, 2) / 255 - mean) / std
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    words = tokenizer(list(LABELS.texts), padding=True, return_tensors="pt")
    image = torch.nn.functional.normalize(model.get_image_features(picture).pooler_output, dim=-1)
    text = torch.nn.functional.normalize(model.get_text_features(**words).pooler_output, dim=-1)
    scale = model.logit_scale.exp().detach()
    reference = (scale * image @ text.T).softmax(-1)[0].detach().numpy()
    np.testing.assert_allclose(result.predict_window(single), reference, rtol=1e-3,
                               atol=1e-5)
    with pytest.raises(ValueError, match="got zero-shot CLIP"):
        result.save_pretrained(tmp_path / "x")


def test_labels_without_texts_are_refused():
    with pytest.raises(ValueError, match="expected a text for each class"):
        checkpoints.zero_shot("tiny", replace(EXPRESSION, texts=None))


def test_the_class_texts_begin_with_their_class_and_fit():
    words = [text.split(":")[0] for text in EXPRESSION.texts]
    assert tuple(words) == EXPRESSION.classes
    assert max(len(text.split()) for text in EXPRESSION.texts) < 30  # at most 77 tokens, with prompts
