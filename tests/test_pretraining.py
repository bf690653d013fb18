"""The recipe that makes a small CLIP: its words are true of its pictures, what it writes is a CLIP, and it learns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from mien import backbones, checkpoints, cli, simulation
from mien.backbones.bpe import END, START, train_bpe
from mien.backbones.save import save
from mien.core.tasks import EXPRESSION
from mien.recipes import RECIPES
from mien.recipes.clip import PRETRAINING, AugmentConfig, tiny_pretraining
from mien.recipes.overrides import override
from mien.simulation import captioned_pictures
from mien.simulation.captioned_pictures import FACE, FIRST, MIRRORED, PHRASES, Pictures
from mien.training.caption_sampler import CaptionSampler
from mien.training.clip_init import RIDGE_PENALTY, Regression, content_channels, whiten
from mien.training.pretrain_clip import PretrainModule, auc, random_view
from mien.training.pretrain_clip import towers as new_towers

pytestmark = pytest.mark.slow

SMALL = tiny_pretraining(PRETRAINING["clip/synthetic"])
CPU = torch.device("cpu")


def phrase(words: str) -> int:
    return next(k for k, ways in enumerate(PHRASES) if words in ways)


def reported(units=(), yaw=0.0, pitch=0.0, light=1.0) -> set[str]:
    """What is said of one face that shows these units."""
    shown = np.array([[name in units for name in simulation.ACTION_UNITS]])
    holds = captioned_pictures.holds(shown, np.array([[pitch, yaw, 0.0]]), np.array([light]))[0]
    return {PHRASES[k][0] for k in np.flatnonzero(holds)}


# --- pictures and their words -----------------------------------------------------------------------------------------

def test_words_say_what_is_planted():
    rest = reported()
    assert {"a calm face at rest", "brows level", "lips closed", "lips closed and straight"} <= rest
    assert rest & {"parted lips", "closed eyes", "in the dark"} == set()
    smile = reported(("AU06", "AU12", "AU25"))
    assert {"lip corners pulled up", "lifted cheeks", "parted lips", "brows level"} <= smile
    assert smile & {"a calm face at rest", "lips closed", "lips closed and straight"} == set()
    assert "brows high and arched" in reported(("AU01", "AU02"))
    assert "brows high and arched" not in reported(("AU02",))
    assert "brows raised and drawn together" in reported(("AU01", "AU04"))
    assert "brows level" not in reported(("AU04",))
    assert "parted lips" in reported(("AU26",))
    assert "turned to the left" in reported(yaw=12)
    assert "turned to the right" in reported(yaw=-12)
    assert "the head raised" in reported(pitch=8)
    assert "in the dark" in reported(light=0.7)


def test_every_movement_has_words_and_none_names_an_expression():
    said = {unit for item in FACE for unit in (*item.every, *item.some)}
    assert said == set(simulation.ACTION_UNITS)
    words = {word for ways in PHRASES for way in ways for word in way.lower().split()}
    named = {
        *EXPRESSION.classes,
        *simulation.PROTOTYPES,
        "smile",
        "frown",
        "anger",
        "happiness",
        "sadness",
        "surprised",
        "afraid",
        "disgusted",
    }
    assert words & named == set()
    assert len({way for ways in PHRASES for way in ways}) == sum(map(len, PHRASES))


def test_pictures_are_of_people_that_no_lookalike_has_and_always_the_same():
    single = captioned_pictures.draw(FIRST + 3, 4, 32)
    again = captioned_pictures.draw(FIRST + 3, 4, 32)
    assert single.rgb.shape == (4, 32, 32, 3)
    assert single.rgb.dtype == np.uint8
    assert single.holds.shape == (4, len(PHRASES))
    assert np.array_equal(single.rgb, again.rgb)
    assert np.array_equal(single.holds, again.holds)
    with pytest.raises(ValueError, match="from 1000 on, got 39"):
        captioned_pictures.draw(39, 4, 32)


def test_dark_pictures_are_dark():
    seen = captioned_pictures.draw(FIRST + 1, 30, 32)
    dark, face = seen.holds[:, phrase("in the dark")], seen.rgb[:, 10:22, 12:20].mean(axis=(1, 2, 3))
    assert 5 < dark.sum() < 25
    assert roc_auc_score(dark, -face) > 0.9


# --- views ------------------------------------------------------------------------------------------------------------

def test_views_that_change_nothing_and_mirrors():
    rng = np.random.default_rng(0)
    frames, holds = torch.rand(3, 3, 16, 16), rng.random((3, len(PHRASES))) < 0.5
    none = AugmentConfig(shift=0, zoom=0, turn=0, light=0, tint=0, mirror=0)
    same, still = random_view(frames, holds, none, rng)
    assert torch.allclose(same, frames, atol=1e-5)
    assert np.array_equal(still, holds)
    turned, exchanged = random_view(frames, holds, replace(none, mirror=1.0), rng)
    assert torch.allclose(turned, frames.flip(-1), atol=1e-5)
    left, right = phrase("turned to the left"), phrase("turned to the right")
    assert np.array_equal(exchanged[:, left], holds[:, right])
    assert np.array_equal(exchanged[:, right], holds[:, left])
    assert np.array_equal(exchanged[:, : len(FACE)], holds[:, : len(FACE)])
    assert sorted(MIRRORED) == list(range(len(PHRASES)))


# --- words as tokens --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    train_bpe([way for ways in PHRASES for way in ways], folder)
    return folder


def test_the_tokenizer_is_read_by_transformers_and_spells_any_word(words):
    read = transformers.CLIPTokenizer.from_pretrained(words)
    texts = ["Lip corners pulled up, parted lips", "zygomaticus: a quick jolt; 17 times"]
    assert [read.decode(read(text)["input_ids"], skip_special_tokens=True).strip().replace(" ,", ",")
            for text in texts[:1]] == [texts[0].lower()]
    known, unknown = (read(text)["input_ids"] for text in texts)
    assert known[0] == unknown[0] == read.convert_tokens_to_ids(START)
    assert known[-1] == read.convert_tokens_to_ids(END) not in unknown[1:-1]  # no letter is unknown
    assert known[-1] == len(read) - 1


def test_composed_captions_hold_for_what_they_are_said_of(words):
    rng = np.random.default_rng(0)
    holds = rng.random((40, len(PHRASES))) < 0.3
    wording, read = CaptionSampler(words, holds), transformers.CLIPTokenizer.from_pretrained(words)
    ids, true, prior = wording.draw(holds[:10], 6, rng)
    assert ids.shape[0] == true.shape[1] == len(prior) == len(PHRASES) + 6
    assert torch.equal(true[:, : len(PHRASES)], torch.from_numpy(holds[:10]).float())
    for k, row in enumerate(ids.tolist()):
        said = [part.strip() for part in read.decode(row, skip_special_tokens=True).split(",")]
        chosen = [phrase(part) for part in said]
        assert np.array_equal(true[:, k].numpy() > 0, holds[:10][:, chosen].all(axis=1))
        share = np.clip(holds[:, chosen].all(axis=1).mean(), 0.01, 0.99)
        assert float(prior[k].sigmoid()) == pytest.approx(share, abs=1e-5)
    assert true[:, len(PHRASES) :].any(dim=0).all()


# --- towers -----------------------------------------------------------------------------------------------------------

def test_saved_towers_are_a_clip_to_transformers_and_come_back_bit_for_bit(words, tmp_path):
    train_bpe([way for ways in PHRASES for way in ways], tmp_path)
    wording = CaptionSampler(words, np.ones((1, len(PHRASES)), bool))
    image, text = new_towers(SMALL, wording.end)
    save(image, text, tmp_path, start=wording.start, scale=2.0)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    pictures, ids = torch.randn(2, 3, 32, 32), wording.rows([np.array([0, 3]), np.array([5])], np.random.default_rng(0))
    with torch.no_grad():
        like = theirs(pixel_values=pictures, input_ids=ids)
        for mine, his in ((image(pictures), like.image_embeds), (text(ids), like.text_embeds)):
            assert torch.allclose(torch.nn.functional.normalize(mine, dim=-1), his, atol=1e-5)
    assert backbones.load(tmp_path, "clip-image").hash == backbones.weights_digest(image)
    assert backbones.load(tmp_path, "clip-text").hash == backbones.weights_digest(text)
    assert theirs.logit_scale.item() == 2.0
    with pytest.raises(ValueError, match="image and the text tower"):
        save(text, image, tmp_path, start=0, scale=1.0)


def test_patches_begin_white():
    rgb = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (400, 3, 32, 32), dtype=np.uint8))
    rgb = (rgb // 4 + rgb[..., :1, :1] // 4).contiguous()  # pixels that go together
    image, _ = new_towers(SMALL, 9)
    whiten(image, rgb)
    count = content_channels(SMALL.width)
    with torch.no_grad():
        patches = image.embed.patch(backbones.normalise_pixels(rgb, image.plan)).flatten(2).transpose(1, 2)
        tokens = patches + image.embed.positions[1:]
    assert torch.allclose(tokens[..., :count].mean(dim=0), torch.zeros(4, count), atol=1e-3)
    white = np.cov(tokens[..., :count].flatten(0, 1).numpy().T)
    assert np.abs(white - np.diag(np.diag(white))).max() < 0.01
    assert np.abs(np.diag(white) - 0.95).max() < 0.1


def test_the_tower_begins_as_the_regression():
    """What it then says of new pictures is what scikit-learn's ridge says of the same patches."""
    seen = planted(600, 0)
    rgb, image = torch.from_numpy(seen.rgb).permute(0, 3, 1, 2), new_towers(SMALL, 9)[0]
    whiten(image, rgb)
    regression = Regression(image)
    regression.add(rgb[:500].float() / 255, seen.holds[:500])
    with torch.no_grad():
        given = image.blocks[0].attend.norm(image.embed(backbones.normalise_pixels(rgb, image.plan)))
        rows = given[:, 1:, : content_channels(SMALL.width)].flatten(1).double().numpy()
        regression.plant()
        said = image(backbones.normalise_pixels(rgb[500:], image.plan)).numpy()[:, : len(PHRASES)]
    share = seen.holds[:500].mean(axis=0)
    full = np.column_stack([rows[:500], np.ones(500)])
    ridge = Ridge(alpha=RIDGE_PENALTY * (full**2).sum(axis=0).mean(), fit_intercept=False)
    theirs = ridge.fit(full, seen.holds[:500] - share).predict(np.column_stack([rows[500:], np.ones(100)]))
    theirs = theirs / (share * (1 - share))
    assert min(np.corrcoef(said[:, k], theirs[:, k])[0, 1] for k in range(len(PHRASES))) > 0.97


def test_area_under_the_curve_is_scikit_learns():
    rng = np.random.default_rng(0)
    score, true = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.3
    assert auc(score, true) == pytest.approx(roc_auc_score(true, score))


# --- learning ---------------------------------------------------------------------------------------------------------

def planted(count: int, seed: int) -> Pictures:
    """Two phrases are a bright square each, at a place of its own, on noise; the others hold at random."""
    rng = np.random.default_rng(seed)
    rgb = rng.integers(60, 140, (count, 32, 32, 3), dtype=np.uint8)
    holds = rng.random((count, len(PHRASES))) < 0.5
    for k, (row, column) in enumerate(((4, 4), (22, 20))):
        rgb[holds[:, k], row : row + 8, column : column + 8] += 70
    return Pictures(rgb, holds, np.arange(count) // 4)


def test_pretraining_learns_visible_phrases_only(words):
    how = override(SMALL, {"steps": "40", "batch": "32", "views.mirror": "0", "views.shift": "0", "rate": "0.003"})
    learner = PretrainModule(how, words, planted(800, 0), CPU, 0)
    learner.learn(lambda share: None)
    result = learner.evaluate()
    names = [ways[0] for ways in PHRASES]
    assert min(result[name] for name in names[:2]) > 0.85
    assert 0.3 < np.mean([result[name] for name in names[2:]]) < 0.7


# --- the command ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "clip"
    result = CliRunner().invoke(cli.app, ["train", "clip/synthetic", "--tiny", "--out", str(folder), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_command_writes_a_clip_that_everything_loads(made):
    folder, output = made
    assert "tiny: it only tests the pipeline, its scores are meaningless" in output
    assert str(folder) in output
    card = json.loads((folder / "pretraining.json").read_text())
    assert card["recipe"]["tiny"]
    assert card["seed"] == 0
    assert set(card["auc"]) <= {ways[0] for ways in PHRASES}
    zero = checkpoints.zero_shot(folder, precision="32")
    assert zero.task == EXPRESSION
    recipe = override(RECIPES["duse/dfew"], {"tower": str(folder)})
    model = checkpoints.build_model(recipe, EXPRESSION, checkpoints.load_clip(str(folder)))
    assert torch.isfinite(model.infer(torch.zeros(1, 16, 3, 32, 32, dtype=torch.uint8)).logits).all()
    assert not [path for path in folder.parent.iterdir() if path != folder]  # nothing half is left


@pytest.mark.parametrize(("arguments", "said"), [
    (["--data", "somewhere"], "expected none for clip/synthetic"), (["--set", "stps=3"], "did you mean steps"),
    (["--set", "name=x"], "got 'name'"), (["--set", "patch=5"], "divisor of the size"),
])  # fmt: skip
def test_wrong_wishes_are_refused_before_anything_is_drawn(tmp_path, arguments, said):
    result = CliRunner().invoke(cli.app, ["train", "clip/synthetic", "--tiny", "--out", str(tmp_path / "x"),
                                           *arguments])
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "x").exists()


def test_a_folder_with_files_in_it_is_left_alone(made):
    result = CliRunner().invoke(cli.app, ["train", "clip/synthetic", "--tiny", "--out", str(made[0])])
    assert result.exit_code == 1
    assert "new or empty folder" in result.output


def test_other_recipes_still_want_their_data():
    result = CliRunner().invoke(cli.app, ["train", "duse/dfew", "--tiny"])
    assert result.exit_code == 1
    assert "--data: expected the folder" in result.output
