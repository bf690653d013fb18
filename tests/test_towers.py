"""Open towers against `transformers` on the same random weights, in every layout that weights are published in."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers
from torch.nn.functional import cosine_similarity

from mien import backbones
from mien.backbones.config import CLIP, VIDEOMAE_B, VIT_B16, BackboneConfig
from mien.backbones.load import load
from mien.backbones.tokenizer import tokenize
from mien.backbones.tower import Tower, weights_digest
from mien.core.plain_text import hub_reason

WORDS = ["<|startoftext|>", "<|endoftext|>"]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference, relative to the scale of the output."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def shake(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every parameter moved away from its start, so that a swapped bias or norm shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.02 * torch.randn(value.shape, generator=generator))
    return model.eval()


def clip(
    image: BackboneConfig, text: BackboneConfig, layers: int = 2, act: str = "quick_gelu"
) -> transformers.CLIPModel:
    """A random CLIP of these widths with few layers."""
    common = {"num_hidden_layers": layers, "hidden_act": act, "projection_dim": image.out}
    config = transformers.CLIPConfig(
        projection_dim=image.out,
        vision_config={**common, "hidden_size": image.width, "num_attention_heads": image.heads,
                       "intermediate_size": image.inner, "image_size": image.size, "patch_size": image.patch},
        text_config={**common, "hidden_size": text.width, "num_attention_heads": text.heads,
                     "intermediate_size": text.inner, "vocab_size": text.vocab,
                     "max_position_embeddings": text.context, "eos_token_id": text.vocab - 1})
    return shake(transformers.CLIPModel(config))


SMALL_IMAGE = BackboneConfig("clip-image", 32, 3, 4, 64, "quick_gelu", out=16, size=32, patch=8)
SMALL_TEXT = BackboneConfig("clip-text", 24, 3, 2, 48, "quick_gelu", out=16, vocab=99, context=20, pool="end")


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    model = clip(SMALL_IMAGE, SMALL_TEXT, layers=3)
    model.save_pretrained(folder)
    return model, folder


def texts(vocab: int, length: int, count: int = 3) -> torch.Tensor:
    """Random texts that end at different places; the end token has the highest id."""
    ids = torch.randint(1, vocab - 1, (count, length), generator=torch.Generator().manual_seed(1))
    for row, end in enumerate(torch.linspace(2, length - 1, count).int().tolist()):
        ids[row, end] = vocab - 1
        ids[row, end + 1:] = 0
    return ids


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


# ---------------------------------------------------------------------------------------------- parity, true widths

@pytest.mark.parametrize("size", sorted(CLIP))
def test_clip_of_true_width_equals_transformers(size, tmp_path):
    image, text = CLIP[size]["image"], replace(CLIP[size]["text"], vocab=512)
    model = clip(image, text, layers=1)
    model.save_pretrained(tmp_path)
    ours = load(tmp_path, "clip-image")
    assert ours.plan == replace(image, layers=1)
    x = pictures(2, 3, 224, 224)
    with torch.inference_mode():
        theirs = model.vision_model(x)
        tokens = ours.embed(x)
        for block in ours.blocks:
            tokens = tokens + block.attend(tokens)
            tokens = tokens + block.mlp(tokens)
        assert close(tokens, theirs.last_hidden_state) <= 1e-5
        assert close(ours(x), model.get_image_features(x).pooler_output) <= 1e-5
    words = load(tmp_path, "clip-text")
    assert words.plan == replace(text, layers=1, end=511, mean=image.mean, std=image.std)
    with torch.inference_mode():
        for length in (5, 77):
            ids = texts(512, length)
            assert close(words(ids), model.get_text_features(ids).pooler_output) <= 1e-5


@pytest.mark.parametrize("extra", [1, 4, 8])
@pytest.mark.parametrize("size", ["B/32", "B/16", "L/14"])
def test_blocks_equal_transformers_with_prompts_between_the_tokens(size, extra):
    """Sequences of 54, 201, 261 (4 prompts) and others: the layers alone, on tokens that no door made."""
    image, text = CLIP[size]["image"], CLIP[size]["text"]
    for plan, length in ((image, 1 + image.patches + extra), (text, 30 + extra)):
        part = "vision" if plan is image else "text"
        config = getattr(transformers, f"CLIP{part.title()}Config")(
            hidden_size=plan.width, num_hidden_layers=1, num_attention_heads=plan.heads, intermediate_size=plan.inner,
            attn_implementation="eager")
        layer = shake(transformers.models.clip.modeling_clip.CLIPEncoderLayer(config))
        block = backbones.Block(plan)
        names = [n for n, _ in layer.named_parameters()]
        assert len(names) == 16
        block.load_state_dict(by_hand(layer.state_dict()))
        x = pictures(1, length, plan.width)
        hidden = torch.full((length, length), float("-inf")).triu(1) if part == "text" else torch.zeros(length, length)
        with torch.inference_mode():
            assert close(block(x), layer(x, attention_mask=hidden[None, None])) <= 1e-5


def by_hand(layer: dict) -> dict:
    """A CLIP layer of transformers -> names of our block, written out once more, apart from `layouts`."""
    new = {}
    for end in ("weight", "bias"):
        new[f"attend.norm.{end}"], new[f"mlp.norm.{end}"] = layer[f"layer_norm1.{end}"], layer[f"layer_norm2.{end}"]
        new[f"attend.qkv.{end}"] = torch.cat([layer[f"self_attn.{p}_proj.{end}"] for p in "qkv"])
        new[f"attend.out.{end}"] = layer[f"self_attn.out_proj.{end}"]
        new[f"mlp.up.{end}"], new[f"mlp.down.{end}"] = layer[f"mlp.fc1.{end}"], layer[f"mlp.fc2.{end}"]
    return new


def test_vit_of_true_width_equals_transformers(tmp_path):
    model = shake(transformers.ViTModel(transformers.ViTConfig(num_hidden_layers=2)))
    model.save_pretrained(tmp_path)
    tower = load(tmp_path, "vit")
    assert tower.plan == replace(VIT_B16, layers=2)
    x = pictures(2, 3, 224, 224)
    with torch.inference_mode():
        theirs = model(x).last_hidden_state
        tokens = tower.embed(x)
        for block in tower.blocks:
            tokens = block(tokens)
        assert close(tower.finish.norm(tokens), theirs) <= 1e-5
        assert close(tower(x), theirs[:, 0]) <= 1e-5


@pytest.mark.parametrize("mean_pooling", [True, False])
def test_videomae_of_true_width_equals_transformers(mean_pooling, tmp_path):
    config = transformers.VideoMAEConfig(num_hidden_layers=1, use_mean_pooling=mean_pooling)
    model = shake(transformers.VideoMAEForVideoClassification(config))
    model.save_pretrained(tmp_path)
    tower = load(tmp_path, "videomae")
    pool = "mean-norm" if mean_pooling else "norm-mean"
    assert tower.plan == replace(VIDEOMAE_B, layers=1, pool=pool, last_eps=1e-5 if mean_pooling else None)
    x = pictures(1, 16, 3, 224, 224)
    with torch.inference_mode():
        theirs = model.videomae(x).last_hidden_state
        assert theirs.shape[1] == tower.plan.patches == 1568
        pooled = model.fc_norm(theirs.mean(1)) if mean_pooling else theirs.mean(1)
        assert close(tower(x), pooled) <= 1e-5


@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
def test_activation_comes_from_the_config(act, tmp_path):
    model = clip(SMALL_IMAGE, SMALL_TEXT, act=act)
    model.save_pretrained(tmp_path)
    x, other = pictures(1, 3, 32, 32), {"gelu": "quick_gelu", "quick_gelu": "gelu"}[act]
    with torch.inference_mode():
        theirs = model.get_image_features(x).pooler_output
        assert close(load(tmp_path, "clip-image")(x), theirs) <= 1e-5
        assert close(load(tmp_path, "clip-image", act=other)(x), theirs) > 1e-4


def test_old_configs_find_the_end_token_by_the_highest_id(tmp_path):
    model = clip(SMALL_IMAGE, SMALL_TEXT)
    model.config.text_config.eos_token_id = 2
    model.save_pretrained(tmp_path)
    again = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    ids = texts(99, 20)
    tower = load(tmp_path, "clip-text")
    assert tower.plan.end is None
    with torch.inference_mode():
        assert close(tower(ids), again.get_text_features(ids).pooler_output) <= 1e-5


def test_gradients_equal_transformers(small_clip):
    model, folder = small_clip
    tower = load(folder, "clip-image")
    x, y = pictures(2, 3, 32, 32).requires_grad_(), pictures(2, 3, 32, 32).requires_grad_()
    tower(x).square().sum().backward()
    model.get_image_features(y).pooler_output.square().sum().backward()
    assert close(x.grad, y.grad) <= 1e-5
    assert all(value.grad is None for value in tower.parameters())


# ---------------------------------------------------------------------------------------------- the other layouts

def open_clip_names(model: transformers.CLIPModel) -> dict[str, torch.Tensor]:
    """The same weights as open_clip and OpenAI's CLIP name them."""
    old, new = model.state_dict(), {"logit_scale": model.logit_scale.detach()}
    for part, prefix, layers in (("vision", "visual.", model.vision_model), ("text", "", model.text_model)):
        for i in range(len(layers.encoder.layers)):
            layer = {k.split(f"layers.{i}.", 1)[1]: v for k, v in old.items()
                     if k.startswith(f"{part}_model.encoder.layers.{i}.")}
            at = f"{prefix}transformer.resblocks.{i}."
            for end in ("weight", "bias"):
                new[f"{at}attn.in_proj_{end}"] = torch.cat([layer[f"self_attn.{p}_proj.{end}"] for p in "qkv"])
                new[f"{at}attn.out_proj.{end}"] = layer[f"self_attn.out_proj.{end}"]
                for ours, theirs in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                                     ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                    new[f"{at}{ours}.{end}"] = layer[f"{theirs}.{end}"]
    for end in ("weight", "bias"):
        new[f"visual.ln_pre.{end}"] = old[f"vision_model.pre_layrnorm.{end}"]
        new[f"visual.ln_post.{end}"] = old[f"vision_model.post_layernorm.{end}"]
        new[f"ln_final.{end}"] = old[f"text_model.final_layer_norm.{end}"]
    new["visual.class_embedding"] = old["vision_model.embeddings.class_embedding"]
    new["visual.positional_embedding"] = old["vision_model.embeddings.position_embedding.weight"]
    new["visual.conv1.weight"] = old["vision_model.embeddings.patch_embedding.weight"]
    new["visual.proj"] = old["visual_projection.weight"].T.contiguous()
    new["token_embedding.weight"] = old["text_model.embeddings.token_embedding.weight"]
    new["positional_embedding"] = old["text_model.embeddings.position_embedding.weight"]
    new["text_projection"] = old["text_projection.weight"].T.contiguous()
    return new


def timm_names(old: dict[str, torch.Tensor], layers: int, split_bias: bool = False) -> dict[str, torch.Tensor]:
    """A ViT or VideoMAE as timm and VideoMAE's own code name it."""
    new = {"patch_embed.proj.weight": old["embeddings.patch_embeddings.projection.weight"],
           "patch_embed.proj.bias": old["embeddings.patch_embeddings.projection.bias"]}
    if "embeddings.cls_token" in old:
        new |= {"cls_token": old["embeddings.cls_token"], "pos_embed": old["embeddings.position_embeddings"]}
    for i in range(layers):
        theirs, at = f"encoder.layer.{i}.", f"blocks.{i}."
        new[f"{at}attn.qkv.weight"] = torch.cat(
            [old[f"{theirs}attention.attention.{p}.weight"] for p in ("query", "key", "value")])
        if split_bias:
            new |= {f"{at}attn.{p}_bias": old[f"{theirs}attention.attention.{p}_bias"] for p in "qv"}
        else:
            new[f"{at}attn.qkv.bias"] = torch.cat(
                [old[f"{theirs}attention.attention.{p}.bias"] for p in ("query", "key", "value")])
        for end in ("weight", "bias"):
            new[f"{at}attn.proj.{end}"] = old[f"{theirs}attention.output.dense.{end}"]
            new[f"{at}norm1.{end}"], new[f"{at}norm2.{end}"] = (
                old[f"{theirs}layernorm_before.{end}"], old[f"{theirs}layernorm_after.{end}"])
            new[f"{at}mlp.fc1.{end}"], new[f"{at}mlp.fc2.{end}"] = (
                old[f"{theirs}intermediate.dense.{end}"], old[f"{theirs}output.dense.{end}"])
    for end in ("weight", "bias"):
        if f"layernorm.{end}" in old:
            new[f"norm.{end}"] = old[f"layernorm.{end}"]
    return new


@pytest.mark.parametrize("form", ["folder", "safetensors", "pth", "wrapped", "half"])
def test_open_clip_layout_equals_transformers(form, small_clip, tmp_path):
    model, folder = small_clip
    weights, changes = open_clip_names(model), {"act": "quick_gelu", "heads": 4}
    place = tmp_path / "weights.pth"
    if form == "folder":
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {
            "embed_dim": 16, "quick_gelu": True, "vision_cfg": {"head_width": 8}, "text_cfg": {"heads": 2}}}))
        place, changes = tmp_path, {}
        save_file(weights, tmp_path / "open_clip_model.safetensors")
    elif form == "safetensors":
        place = tmp_path / "weights.safetensors"
        save_file(weights, place)
    elif form == "half":
        torch.save({name: value.half() for name, value in weights.items()}, place)
    else:
        wrapped = {"state_dict": {f"module.{name}": value for name, value in weights.items()}}
        torch.save(wrapped if form == "wrapped" else weights, place)
    image = load(place, "clip-image", **changes)
    text = load(place, "clip-text", **(changes and changes | {"heads": 2}))
    x, ids = pictures(2, 3, 32, 32), texts(99, 20)
    bar = 1e-2 if form == "half" else 1e-5
    with torch.inference_mode():
        assert close(image(x), model.get_image_features(x).pooler_output) <= bar
        assert close(text(ids), model.get_text_features(ids).pooler_output) <= bar
    if form != "half":
        assert image.hash == load(folder, "clip-image").hash
        assert text.hash == load(folder, "clip-text").hash


@pytest.mark.parametrize("form", ["timm folder", "pth with options", "in memory"])
def test_vit_layouts_equal_transformers(form, tmp_path):
    config = transformers.ViTConfig(hidden_size=64, num_hidden_layers=3, num_attention_heads=1, intermediate_size=96,
                                    image_size=32, patch_size=8, layer_norm_eps=1e-6)
    model = shake(transformers.ViTModel(config))
    model.save_pretrained(tmp_path / "hf")
    reference = load(tmp_path / "hf", "vit")
    weights = timm_names(load_file(tmp_path / "hf" / "model.safetensors"), 3)
    place = tmp_path / "weights.pth"
    if form == "timm folder":
        place = tmp_path / "timm"
        place.mkdir()
        weights |= {"head.weight": torch.zeros(5, 64), "head.bias": torch.zeros(5)}
        save_file(weights, place / "model.safetensors")
        said = {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}
        (place / "config.json").write_text(json.dumps({"architecture": "vit_base_patch16", "pretrained_cfg": said}))
    elif form == "pth with options":
        torch.save({"model": weights, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}, place)
    else:
        torch.save(model.state_dict(), place)
    tower = load(place, "vit", **({"eps": 1e-6} if form == "in memory" else {}))
    x = pictures(2, 3, 32, 32)
    with torch.inference_mode():
        assert close(tower(x), model(x).last_hidden_state[:, 0]) <= 1e-5
    assert tower.hash == reference.hash
    assert tower.plan.std == ((0.2,) * 3 if form == "timm folder" else backbones.config.IMAGENET_STD
                              if form == "pth with options" else (0.5,) * 3)


def test_videomae_pth_equals_transformers(tmp_path):
    config = transformers.VideoMAEConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96, image_size=32, patch_size=8,
        num_frames=4, decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=32, use_mean_pooling=False, layer_norm_eps=1e-6)
    model = shake(transformers.VideoMAEForPreTraining(config))
    model.save_pretrained(tmp_path)
    old = load_file(tmp_path / "model.safetensors")
    inner = {name.removeprefix("videomae."): value for name, value in old.items() if name.startswith("videomae.")}
    new = {f"encoder.{name}": value for name, value in timm_names(inner, 2, split_bias=True).items()}
    new |= {"decoder.blocks.0.attn.qkv.weight": torch.zeros(96, 32), "mask_token": torch.zeros(1, 1, 32)}
    torch.save({"model": new}, tmp_path / "pretrain.pth")
    x = pictures(2, 4, 3, 32, 32)
    ours, again = load(tmp_path, "videomae"), load(tmp_path / "pretrain.pth", "videomae", size=32, frames=4)
    with torch.inference_mode():
        theirs = model.videomae(x).last_hidden_state.mean(1)
        assert close(ours(x), theirs) <= 1e-5
        assert close(again(x), theirs) <= 1e-5
    assert ours.hash == again.hash


def test_standalone_sharded_and_pickled_folders(small_clip, tmp_path):
    model, folder = small_clip
    reference = load(folder, "clip-text")
    model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    text = transformers.CLIPTextModelWithProjection(model.config.text_config)
    text.load_state_dict({k: v for k, v in model.state_dict().items() if k.startswith("text")})
    text.save_pretrained(tmp_path / "alone")
    (tmp_path / "pickled").mkdir()
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    (tmp_path / "pickled" / "config.json").write_text((folder / "config.json").read_text())
    for name in ("shards", "alone", "pickled"):
        tower = load(tmp_path / name, "clip-text")
        assert tower.hash == reference.hash
        assert tower.plan == reference.plan


# ---------------------------------------------------------------------------------------------- identity and the hub

def test_hash_knows_weights_and_function_but_not_the_format(small_clip):
    _, folder = small_clip
    tower = load(folder, "clip-image")
    assert tower.hash == weights_digest(tower) == load(folder, "clip-image", expect=tower.hash).hash
    assert tower.hash != load(folder, "clip-text").hash
    assert tower.hash != load(folder, "clip-image", act="gelu").hash
    assert tower.hash != load(folder, "clip-image", heads=2).hash
    with torch.no_grad():
        tower.blocks[2].mlp.down.bias[5] += 1e-6
    assert tower.hash != weights_digest(tower)
    with pytest.raises(ValueError, match="expected the clip-image tower with sha256 000"):
        load(folder, "clip-image", expect="0" * 64)


def hub_cache(root, folder, name: str) -> None:
    """The files of `folder` as the hub's cache keeps them."""
    repo = root / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    for file in folder.iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())


def test_hub_id_is_served_from_the_cache_when_off_line(small_clip, tmp_path):
    _, folder = small_clip
    hub_cache(tmp_path, folder, "someone/clip")
    tower = load("someone/clip", "clip-image", offline=True, cache=tmp_path)
    assert tower.hash == load(folder, "clip-image").hash
    assert tower.source == "someone/clip"
    with pytest.raises(FileNotFoundError, match="expected a folder here or a repository on the hub"):
        load("someone/else", "clip-image", offline=True, cache=tmp_path)


@pytest.mark.parametrize(("error", "reason"), [
    (OSError("Got: ConnectError: Name or service not known.\nMore lines"), "ConnectError: Name or service not known"),
    (OSError("\n404 Client Error.  "), "404 Client Error"), (TimeoutError(), "TimeoutError")])
def test_the_reason_of_the_hub_is_a_phrase(error, reason):
    assert hub_reason(error) == reason


# ---------------------------------------------------------------------------------------------- bad input

@pytest.mark.parametrize(("change", "message"), [
    (lambda f: cut(f / "model.safetensors"), "expected a whole"),
    (lambda f: (f / "model.safetensors").write_bytes(b""), "expected weights, got an empty file"),
    (lambda f: (f / "model.safetensors").unlink(), "in this folder, .*got none"),
    (lambda f: (f / "config.json").write_text("{"), "expected JSON"),
    (lambda f: (f / "config.json").unlink(), "say act="),
    (lambda f: edit(f, lambda s: s.pop("vision_model.encoder.layers.1.mlp.fc2.bias")), "blocks.1.mlp.down.bias"),
    (lambda f: edit(f, lambda s: s.update({"vision_model.encoder.layers.0.ls1": torch.ones(1)})), "it does not have"),
    (lambda f: edit(f, lambda s: s.update({"vision_model.post_layernorm.weight": torch.ones(3)})), "got \\(3,\\)"),
    (lambda f: save_file({"a": torch.ones(2)}, f / "model.safetensors"), "expected a clip-image tower"),
    (lambda f: config(f, "vision_config", hidden_act="relu"), "expected hidden_act"),
    (lambda f: config(f, "vision_config", num_attention_heads=5), "expected a divisor"),
])
def test_bad_checkpoints_are_refused_with_a_reason(change, message, small_clip, tmp_path):
    for file in small_clip[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    change(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(tmp_path, "clip-image")


def cut(file) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def edit(folder, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def config(folder, part: str, **values) -> None:
    result = json.loads((folder / "config.json").read_text())
    result[part] |= values
    (folder / "config.json").write_text(json.dumps(result))


@pytest.mark.parametrize(("content", "message"), [
    (b"not a pickle", "whole file of tensors"),
    (b"", "expected weights, got an empty file"),
    (None, "expected a dict of tensors"),
])
def test_bad_pickles_are_refused_with_a_reason(content, message, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save([1, 2], file) if content is None else file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(file, "vit")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(ValueError, match="expected a dict of tensors, got a whole model"):
        load(tmp_path / "whole.pth", "vit")


def test_wrong_shapes_options_and_places_are_refused(small_clip, tmp_path):
    _, folder = small_clip
    image, text = load(folder, "clip-image"), load(folder, "clip-text")
    with pytest.raises(ValueError, match=r"expected pictures .* got \(1, 3, 64, 64\)"):
        image(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="L <= 20"):
        text(torch.zeros(1, 21, dtype=torch.long))
    with pytest.raises(ValueError, match="place of the end token"):
        text.finish(torch.zeros(1, 3, 24))
    with pytest.raises(ValueError, match="expected fields of a tower's plan"):
        load(folder, "clip-image", activation="gelu")
    with pytest.raises(FileNotFoundError, match="found none"):
        load(tmp_path / "nothing here", "vit")
    with pytest.raises(ValueError, match="expected a vit tower"):
        load(folder, "vit")


# ---------------------------------------------------------------------------------------------- pixels, words, speed

def test_pixels_are_the_same_from_bytes_and_from_floats():
    frames = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8)
    mean, std = torch.tensor(SMALL_IMAGE.mean).view(3, 1, 1), torch.tensor(SMALL_IMAGE.std).view(3, 1, 1)
    target_value = (frames / 255 - mean) / std
    torch.testing.assert_close(backbones.normalise_pixels(frames, SMALL_IMAGE), target_value)
    torch.testing.assert_close(backbones.normalise_pixels(frames / 255, SMALL_IMAGE), target_value)
    assert backbones.normalise_pixels(frames, SMALL_IMAGE, torch.bfloat16).dtype == torch.bfloat16


def write_tokenizer(folder) -> dict[str, int]:
    """A vocabulary of single letters and one merge, in CLIP's own files."""
    letters = "abcdefghijklmnopqrstuvwxyz,."
    vocab = [*letters, *(f"{letter}</w>" for letter in letters), "ha", "ha</w>", *WORDS]
    ids = {word: number for number, word in enumerate(vocab)}
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\nh a\nh a</w>\n")
    return ids


def test_texts_become_ids_between_start_and_end(tmp_path):
    ids = write_tokenizer(tmp_path)
    result = tokenize(["Ha ha", "sad."], tmp_path)
    start, end = ids[WORDS[0]], ids[WORDS[1]]
    assert result.tolist() == [[start, ids["ha</w>"], ids["ha</w>"], end, end, end],
                              [start, ids["s"], ids["a"], ids["d</w>"], ids[".</w>"], end]]
    assert backbones.end_positions(result, end).tolist() == backbones.end_positions(result, None).tolist() == [3, 5]


def test_bad_texts_are_refused(tmp_path):
    write_tokenizer(tmp_path)
    for bad in ([], ["happy", " "]):
        with pytest.raises(ValueError, match="expected one or more texts"):
            tokenize(bad, tmp_path)
    with pytest.raises(ValueError, match="expected at most 77 tokens, got 82"):
        tokenize(["x " * 80], tmp_path)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected tokenizer\.json"):
        tokenize(["happy"], tmp_path)


def test_bf16_weights_stay_near_float32(small_clip):
    tower = load(small_clip[1], "clip-image")
    x = pictures(4, 3, 32, 32)
    with torch.inference_mode():
        exact = tower(x)
        rough = tower.to(torch.bfloat16)(x.to(torch.bfloat16)).float()
    assert tower.dtype == torch.bfloat16
    assert cosine_similarity(exact, rough).min() > 0.999
    assert backbones.fast_dtype("cpu") in (torch.bfloat16, torch.float32)


def test_full_sizes_have_the_published_numbers_of_parameters():
    """CLIP: 86.2 M (B/16 image incl. projection), 63.4 M text; ViT-B/16: 85.8 M without its head."""
    with torch.device("meta"):
        counts = {name: sum(p.numel() for p in Tower(plan).parameters()) for name, plan in {
            "B/16 image": CLIP["B/16"]["image"], "B/32 image": CLIP["B/32"]["image"], "text": CLIP["B/16"]["text"],
            "L/14 image": CLIP["L/14"]["image"], "vit": VIT_B16}.items()}
        reference = {}
        for size, patch, width in (("B/16", 16, 768), ("B/32", 32, 768), ("L/14", 14, 1024)):
            layers = 24 if width == 1024 else 12
            model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(
                hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64, patch_size=patch,
                intermediate_size=4 * width, projection_dim=CLIP[size]["image"].out))
            reference[f"{size} image"] = sum(p.numel() for p in model.parameters())
        reference["text"] = sum(p.numel() for p in transformers.CLIPTextModelWithProjection(
            transformers.CLIPTextConfig()).parameters())
        reference["vit"] = sum(p.numel() for p in transformers.ViTModel(
            transformers.ViTConfig(), add_pooling_layer=False).parameters())
    assert counts == reference


HARD_TEXTS = [
    "A photo of a Face, smiling.",
    "it's he'll they've I'm we'd don't",
    "caf\u00e9 cafe\u0301 \u00c9T\u00c9 stra\u00dfe \u0130",
    "a\tb\n\nc   d",
    "17 times, 3.5 %, \u00bd\u00b2 \u0663",
    "\u4f60\u597d \u3053\u3093 \ud55c\uad6d\uc5b4",
    "\U0001f600\U0001f44d\U0001f3fd!!",
    "a <|endoftext|> b <|startoftext|>c",
    "x_y-z/(w) [v] \u2014 \u2026",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "e" * 60,
    "\u200b zero\u00a0width",
]  # fmt: skip


def clip_tokenizer(folder, form: str) -> transformers.CLIPTokenizer:
    """CLIP's tokenizer with a learnt vocabulary over all 256 bytes, as `vocab` (two files) or `whole` (one file)."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [("h", "a</w>"), ("f", "a"), ("fa", "c"), ("fac", "e</w>"), ("e", "e"), ("ee", "ee"), ("i", "t</w>"),
             ("1", "7</w>")]
    windows = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in pairs)]
    vocabulary = {piece: number for number, piece in enumerate([*windows, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, pairs)]) + "\n")
    reference = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    if form == "whole":
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        reference(["cut"], padding="max_length", truncation=True, max_length=5)  # a saved file may say so
        reference.save_pretrained(folder)
    return reference


@pytest.mark.parametrize("form", ["vocab", "whole"])
def test_token_ids_are_those_of_transformers(form, tmp_path):
    clip_tokenizer(tmp_path, form)
    reference = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    expected = [reference(text)["input_ids"] for text in HARD_TEXTS]
    result = [tokenize([text], tmp_path)[0].tolist() for text in HARD_TEXTS]
    assert result == expected
    assert len({tuple(row) for row in result}) == len(HARD_TEXTS)


@pytest.mark.parametrize(("broken", "message"), [
    ({"tokenizer.json": "{"}, "expected the files of a tokenizer"),
    ({"vocab.json": '{"a": 0}', "merges.txt": "#version: 0.2\n"}, "in the vocabulary of CLIP's tokenizer"),
])
def test_a_broken_tokenizer_is_refused(broken, message, tmp_path):
    for file, text in broken.items():
        (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        tokenize(["happy"], tmp_path)
