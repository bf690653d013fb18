"""SigLIP 2 against `transformers` on the same random weights and tokenizer: towers, tokens, scores, and a picture."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from torch.nn.functional import normalize

import mien
from mien import checkpoints
from mien.backbones.config import HALF
from mien.backbones.load import load
from mien.backbones.siglip_tokenizer import tokenize_siglip
from mien.checkpoints.feature_cache import FeatureCache
from mien.core.observations import Window
from mien.core.settings import Settings
from mien.core.tasks import make_task
from mien.inference.analyze import load_model
from mien.inference.expression_card import read_card
from mien.inference.onnx_model import load_onnx
from mien.inference.onnx_pins import pin_file
from mien.simulation.datasets.expression_sets import LabelledPerson

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {"happy": "A Happy face.", "sad": "a sad face | lips that sink", "angry": "a frown"}
LABELS = make_task(TEXTS)
CONTEXT = 24


def shake(model: nn.Module) -> nn.Module:
    """Every parameter moved away from its start, so that a swapped bias or norm shows."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return model.eval()


def siglip(vocab: int, **image: int) -> transformers.SiglipModel:
    """A random SigLIP with layers of other widths in both towers, and the scale and bias of a training."""
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80,
             "image_size": 32, "patch_size": 8} | image
    text = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40,
            "vocab_size": vocab, "max_position_embeddings": CONTEXT, "projection_size": sizes["hidden_size"]}
    torch.manual_seed(5)
    model = shake(transformers.SiglipModel(transformers.SiglipConfig(vision_config=sizes, text_config=text)))
    with torch.no_grad():
        model.logit_scale.fill_(np.log(3.0))
        model.logit_bias.fill_(-1.5)
    return model


def write_tokenizer(folder: Path) -> transformers.Siglip2Tokenizer:
    """A small vocabulary with merges and bytes, set as SigLIP 2 is published: end token, padding at the right.

    The file on disk does not lower the case, as that of Gemma's vocabulary; transformers' class does.
    """
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz.\N{LOWER ONE EIGHTH BLOCK}",
              "ha", "pp", "happ", "happy", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = transformers.Siglip2Tokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[("h", "a"), ("p", "p"), ("ha", "pp"), ("happ", "y")], add_bos_token=False, add_eos_token=True,
        padding_side="right", model_input_names=["input_ids"])
    tokenizer.save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    lower, spaces = content["normalizer"]["normalizers"]
    assert lower["type"] == "Lowercase"  # published files lack it: it belongs to the class
    edit(folder, "tokenizer.json", normalizer=spaces)
    return tokenizer


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[transformers.SiglipModel, transformers.Siglip2Tokenizer, Path]:
    folder = tmp_path_factory.mktemp("siglip")
    tokenizer = write_tokenizer(folder)
    model = siglip(len(tokenizer))
    model.save_pretrained(folder)
    return model, tokenizer, folder


def close(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference, relative to the scale of the output."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def test_both_towers_equal_transformers(small):
    model, _, folder = small
    image, text = load(folder, "siglip-image"), load(folder, "siglip-text")
    assert (image.plan.heads, image.plan.act, image.plan.eps, image.plan.size) == (4, "gelu_tanh", 1e-6, 32)
    assert image.plan.mean == image.plan.std == HALF
    assert (text.plan.context, text.plan.features) == (CONTEXT, 48)
    x = pictures(3, 3, 32, 32)
    assert close(image(x), model.get_image_features(x).pooler_output) <= 1e-5
    ids = torch.randint(0, text.plan.vocab, (3, CONTEXT), generator=torch.Generator().manual_seed(1))
    assert close(text(ids), model.get_text_features(ids).pooler_output) <= 1e-5
    assert (image.scale, image.bias) == pytest.approx((3.0, -1.5))
    x = x.clone()
    x[:, :, :8, :8] = 0  # no token is left out
    assert close(image(x), model.get_image_features(x).pooler_output) <= 1e-5


@torch.inference_mode()
def test_heads_as_wide_as_those_of_so400m_equal_transformers(tmp_path):
    """The heads of google/siglip2-so400m-patch16-384 are 72 wide, not 64 as those of CLIP; only the config says so."""
    model = siglip(64, hidden_size=144, num_attention_heads=2, intermediate_size=538, image_size=64, patch_size=16)
    model.save_pretrained(tmp_path)
    x = pictures(1, 3, 64, 64)
    assert close(load(tmp_path, "siglip-image")(x), model.get_image_features(x).pooler_output) <= 1e-5


def test_gradients_equal_transformers(small):
    model, _, folder = small
    x, y = pictures(2, 3, 32, 32).requires_grad_(), pictures(2, 3, 32, 32).requires_grad_()
    load(folder, "siglip-image")(x).square().sum().backward()
    model.get_image_features(y).pooler_output.square().sum().backward()
    assert close(x.grad, y.grad) <= 1e-5


def test_sharded_folders_hold_the_same_towers(small, tmp_path):
    model, _, folder = small
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    for kind in ("siglip-image", "siglip-text"):
        assert load(tmp_path, kind).hash == load(folder, kind).hash


def test_tokens_equal_transformers(small):
    _, tokenizer, folder = small
    texts = ["A Happy face.", "one", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "  two  spaces "]
    theirs = tokenizer(texts, padding="max_length", max_length=CONTEXT, return_tensors="pt")["input_ids"]
    ours = tokenize_siglip(texts, folder, CONTEXT)
    assert torch.equal(ours, theirs)
    assert (ours == tokenizer.eos_token_id).sum(dim=1).tolist() == [1, 1, 1, 1]
    assert tokenizer.convert_tokens_to_ids("happy") in ours[0].tolist()  # merged, and in lower case
    with pytest.raises(ValueError, match=r"expected at most 24 tokens, got 31 for 'abcdefghij"):
        tokenize_siglip(["abcdefghij" * 3], folder, CONTEXT)


def window(count: int, size: int = 32) -> Window:
    rng = np.random.default_rng(4)
    none = np.zeros((count, 4, 3), np.float32)
    return Window(0.0, 2.0, np.linspace(0, 2, count), none, none[:, 0], np.zeros((count, 18), np.float32), none[:, 0],
                  none[:, 0, :2], faces=rng.integers(0, 256, (count, size, size, 3), np.uint8))


@torch.inference_mode()
def test_scores_equal_transformers_and_probabilities_are_their_shares(small):
    """One picture, with transformers' image processor, tokenizer and logits; `sad` has two texts."""
    model, tokenizer, folder = small
    single = window(1)
    processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    pixels = processor(images=list(single.faces), return_tensors="pt")["pixel_values"]
    words = ["A Happy face.", "a sad face", "lips that sink", "a frown"]
    ids = tokenizer(words, padding="max_length", max_length=CONTEXT, return_tensors="pt")["input_ids"]
    theirs = model(input_ids=ids, pixel_values=pixels)
    both = normalize(theirs.text_embeds[1:3].mean(dim=0), dim=0)
    texts = torch.stack([theirs.text_embeds[0], both, theirs.text_embeds[3]])
    logits = model.logit_scale.exp() * theirs.image_embeds @ texts.T + model.logit_bias
    torch.testing.assert_close(logits[0, [0, 2]], theirs.logits_per_image[0, [0, 3]])
    expected = logits[0].sigmoid().numpy()
    result = checkpoints.zero_shot(str(folder), LABELS, precision="32", backbone="siglip")
    np.testing.assert_allclose(result.predict([single]).details[0], expected, rtol=1e-4)
    np.testing.assert_allclose(result.predict_window(single), expected / expected.sum(), rtol=1e-4)
    assert np.ptp(expected) > 0.01


def test_features_of_frames_may_be_kept(small):
    result = checkpoints.zero_shot(str(small[2]), LABELS, precision="32", backbone="siglip")
    cache = FeatureCache(result)
    assert cache.exact
    seen = window(20)
    np.testing.assert_allclose(cache.predict_proba([seen, seen])[1], result.predict_window(seen), atol=1e-6)
    assert cache.fresh == 16


def test_from_a_picture_to_a_row(small, tmp_path):
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "happy")
    (tmp_path / "labels.yaml").write_text("\n".join(f'{name}: "{text}"' for name, text in TEXTS.items()))
    (row,) = mien.analyze(tmp_path / "face.png", model=f"siglip:{small[2]}", labels=str(tmp_path / "labels.yaml"),
                          pictures=False).emotions
    assert row.label in TEXTS
    assert row.probs.sum() == pytest.approx(1)


@pytest.mark.parametrize(("change", "backbone", "text"), [
    (lambda folder: None, "clip", r"expected the towers of clip, got those of siglip: name it siglip:"),
    (lambda folder: edit(folder, "config.json", model_type="clip"), "siglip", "got those of clip: name it clip:"),
    (lambda folder: edit(folder, "config.json", model_type="siglip2"), "siglip", "got a NaFlex SigLIP 2"),
    (lambda folder: (folder / "config.json").unlink(), "siglip", "expected the config.json of the SigLIP"),
    (lambda folder: edit(folder, "tokenizer_config.json", tokenizer_class="SiglipTokenizer"), "siglip",
     "got that of SigLIP, which drops punctuation"),
    (lambda folder: edit(folder, "tokenizer_config.json", eos_token="</s>"), "siglip", "expected </s> in the vocab"),
    (lambda folder: (folder / "tokenizer.json").write_text("{"), "siglip", "expected the file of a tokenizer"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "siglip", "expected tokenizer.json of SigLIP 2, got none"),
])
def test_other_folders_are_refused_in_one_sentence(change, backbone, text, small, tmp_path):
    for file in small[2].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    change(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=text) as caught:
        checkpoints.zero_shot(str(tmp_path), LABELS, backbone=backbone)
    assert "\n" not in str(caught.value)


def edit(folder: Path, name: str, **values: object) -> None:
    """Change fields of a JSON file."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def test_towers_that_do_not_belong_together_are_refused(small):
    image, text = load(small[2], "siglip-image"), load(small[2], "siglip-text")
    kind = checkpoints.zero_shot_towers.SiglipZeroShot
    tokens = torch.zeros(2, CONTEXT, dtype=torch.long)
    with pytest.raises(ValueError, match="expected the image and the text tower of one SigLIP"):
        kind(text, image, tokens)
    with pytest.raises(ValueError, match=r"expected token ids \(R, 24\), got \(2, 5\)"):
        kind(image, text, tokens[:, :5])
    image.scale = 0.0
    with pytest.raises(ValueError, match="expected logit_scale and logit_bias"):
        kind(image, text, tokens)
    with pytest.raises(ValueError, match="got the random CLIP of dry runs: name it clip:tiny"):
        checkpoints.zero_shot("tiny", LABELS, backbone="siglip")
    with pytest.raises(ValueError, match="expected a text for each class"):
        checkpoints.zero_shot(str(small[2]), replace(LABELS, texts=None), backbone="siglip")
    with pytest.raises(ValueError, match="expected siglip:FOLDER_OR_HUB_ID, got siglip: alone"):
        load_model(Settings(model="siglip:"))


def test_empathic_insight_is_one_onnx_file_with_its_card(small, tmp_path):
    """Forty random heads in files as they are published, on a small SigLIP; every score is that of its own head."""
    spec = importlib.util.spec_from_file_location("empathic_insight", ROOT / "examples" / "empathic_insight.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    card = read_card(tmp_path / "empathic_insight_face_large.onnx")
    torch.manual_seed(7)
    heads = [nn.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1)) for _ in card.labels]
    for number, head in enumerate(heads):
        state = {f"layers.{name}": value for name, value in head.state_dict().items()}
        torch.save(state, tmp_path / f"model_{number:02d}_best.pth")
    path = example.write(str(small[2]), tmp_path, tmp_path)
    with pytest.raises(ValueError, match="expected its licence to be accepted"):
        load_onnx(f"onnx:{path}")
    pin_file(path, accept=True)
    read, single = load_onnx(f"onnx:{path}"), window(1)
    with torch.inference_mode():
        pixels = (torch.from_numpy(single.faces).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
        feature = small[0].get_image_features(pixels).pooler_output
        scores = torch.cat([head.eval()(feature) for head in heads], dim=1)[0].clamp(min=0).numpy()
    assert (scores > 0).sum() > 5
    np.testing.assert_allclose(read.predict_window(single), scores / scores.sum(), atol=1e-5)
    (tmp_path / "model_00_best.pth").unlink()
    with pytest.raises(SystemExit, match="expected 40 files"):
        example.write(str(small[2]), tmp_path, tmp_path)
