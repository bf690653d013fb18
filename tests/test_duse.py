"""DuSE against its equations written out a second time, and what must hold whatever the weights."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from mien.backbones.config import CLIP, BackboneConfig
from mien.backbones.load import load
from mien.backbones.save import save
from mien.backbones.tower import Tower, normalise_pixels, sinusoids
from mien.core.batch import Batch
from mien.models import duse
from mien.models.duse.config import AS_PRINTED, DuSEConfig
from mien.models.duse.lsea import Lsea, similarity
from mien.models.duse.model import DuSE
from moved_weights import stir

IMAGE = BackboneConfig("clip-image", 32, 6, 4, 64, "quick_gelu", out=16, size=32, patch=16)
TEXT = BackboneConfig("clip-text", 24, 4, 2, 48, "quick_gelu", out=16, vocab=60, context=24, pool="end")
TOKENS = torch.tensor([[1, 7, 8, 9, 59, 0, 0, 0], [1, 5, 6, 59, 0, 0, 0, 0], [1, 4, 3, 9, 11, 59, 0, 0]])
DEFAULT = DuSEConfig()
CONFIGURATIONS = {"default": DEFAULT, "literal": AS_PRINTED, "kept": DuSEConfig(after="keep", depth="deep"),
                  "coop": DuSEConfig(htpc=False), "average": DuSEConfig(lsea=False),
                  "neither": DuSEConfig(htpc=False, lsea=False)}


def build(options: DuSEConfig = DEFAULT) -> DuSE:
    """The same towers each time, their values moved away from zeros and ones."""
    torch.manual_seed(0)
    image, text = Tower(IMAGE), Tower(TEXT)
    for tower in (image, text):
        for value in tower.parameters():
            value.data.add_(0.1 * torch.randn(value.shape))
    return DuSE(image, text, TOKENS, options)


def batch(count: int = 3, frames: int = 5, seed: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, frames, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Batch(frames=pictures, target=torch.arange(count) % 3)


def trainable(model: DuSE) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


# ---------------------------------------------------------------------------------------------- class texts


def test_features_of_several_texts_of_a_class_are_averaged():
    """Two texts of the first class, one of the second: directions are averaged, lengths too."""
    both = build()
    one_each = both.text_features()
    grouped = DuSE(both.image, both.text, TOKENS, DEFAULT, (2, 1)).eval()
    grouped.htpc.load_state_dict(both.htpc.state_dict())
    with torch.no_grad():
        features = grouped.text_features()
    length = one_each[:2].norm(dim=1)
    direction = (one_each[0] / length[0] + one_each[1] / length[1]) / 2
    expected = length.mean() * direction / direction.norm()
    torch.testing.assert_close(features[0], expected)
    torch.testing.assert_close(features[1], one_each[2], rtol=1e-6, atol=1e-6)
    assert grouped(batch()).shape == (3, 2)
    assert grouped.cache_text_features().shape == (2, 16)


# ---------------------------------------------------------------------------------------------- plain CLIP

def test_without_prompts_the_towers_are_plain_clip(tmp_path):
    config = transformers.CLIPConfig(
        projection_dim=16,
        vision_config={"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
                       "image_size": 32, "patch_size": 16},
        text_config={"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48,
                     "vocab_size": 60, "max_position_embeddings": 24, "eos_token_id": 59})
    clip = transformers.CLIPModel(config).eval()
    clip.save_pretrained(tmp_path)
    image, text = load(tmp_path, "clip-image"), load(tmp_path, "clip-text")
    model = DuSE(image, text, TOKENS, DuSEConfig(prompts=0, lsea=False, score_temperature=1.0))
    frames = batch().frames
    with torch.inference_mode():
        x = normalise_pixels(frames.flatten(0, 1), image.plan)
        assert torch.equal(model.frame_features(frames).flatten(0, 1), image(x))
        assert torch.equal(model.text_features(), text(TOKENS[:, :6]))
        torch.testing.assert_close(model.text_features(), text(TOKENS))
        video = F.normalize(clip.get_image_features(x).pooler_output.unflatten(0, (3, 5)).mean(1), dim=-1)
        words = F.normalize(clip.get_text_features(TOKENS).pooler_output, dim=-1)
        torch.testing.assert_close(model(batch()), video @ words.T, rtol=1e-5, atol=1e-5)
    assert not trainable(model)


# ---------------------------------------------------------------------------------------------- HTPC, (2) to (8)

def attention(x: Tensor, attend, causal: bool) -> Tensor:
    """Multi-head attention by torch's own module, apart from `towers`."""
    module = torch.nn.MultiheadAttention(x.shape[-1], attend.heads, batch_first=True)
    module.load_state_dict({"in_proj_weight": attend.qkv.weight, "in_proj_bias": attend.qkv.bias,
                            "out_proj.weight": attend.out.weight, "out_proj.bias": attend.out.bias})
    mask = torch.full((x.shape[1],) * 2, float("-inf")).triu(1) if causal else None
    return module(x, x, x, attn_mask=mask, need_weights=False)[0]


def layer(x: Tensor, block, causal: bool) -> Tensor:
    def norm(part):
        return F.layer_norm(x, x.shape[-1:], part.norm.weight, part.norm.bias)

    x = x + attention(norm(block.attend), block.attend, causal)
    inner = block.mlp.up(norm(block.mlp))
    return x + block.mlp.down(inner * torch.sigmoid(1.702 * inner))


@pytest.mark.parametrize("after", ["drop", "keep"])
@pytest.mark.parametrize("place", ["start", "end"])
@torch.inference_mode()
def test_text_prompts_follow_2_and_3(place, after):
    model = stir(build(DuSEConfig(place=place, after=after, depth=2)))
    n, text, result = 4, model.text, []
    for ids in TOKENS:
        end = ids.tolist().index(59)
        ids = ids[: 6]
        at = 1 if place == "start" else 6
        words, where = text.embed.words(ids), text.embed.positions
        last = words[:0]
        before, behind = words[:at] + where[:at], words[at:] + where[at + n : at + n + len(words) - at]
        for i, block in enumerate(text.blocks):
            if i < 2:
                prompts = model.htpc.text[i] + (where[at : at + n] if i == 0 else 0)
                row = torch.cat([before, prompts, behind])
            elif after == "drop":
                row = torch.cat([before, behind])
            else:
                row = torch.cat([before, last, behind])
            out = layer(row[None], block, causal=True)[0]
            extra = len(row) - 6
            before, last, behind = out[:at], out[at : at + extra], out[at + extra :]
        tokens = torch.cat([before, behind])
        result.append(text.finish(tokens[None], torch.tensor([end]))[0])
    torch.testing.assert_close(model.text_features(), torch.stack(result), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mlp", "after"), [("hidden", "drop"), ("relu", "drop"), ("hidden", "keep")])
@torch.inference_mode()
def test_visual_prompts_follow_4_to_6(mlp, after):
    model = stir(build(DuSEConfig(mlp=mlp, after=after, depth=3, phase=0.7)))
    frames, htpc, image, n = batch(2).frames, model.htpc, model.image, 4
    weights = [w for w in htpc.mlp.parameters()]
    result = []
    for clip in frames:
        for number, picture in enumerate(clip):
            tokens = image.embed(normalise_pixels(picture[None], image.plan))
            for i, block in enumerate(image.blocks):
                if i < 3:
                    prompt = htpc.text[i]
                    if mlp == "hidden":
                        prompt = torch.relu(prompt @ weights[0].T + weights[1]) @ weights[2].T + weights[3]
                    else:
                        prompt = torch.relu(prompt @ weights[0].T + weights[1])
                    if i == 0:
                        angle = number / 10000 ** (torch.arange(0, 32, 2) / 32)
                        wave = torch.stack([angle.sin(), angle.cos()], dim=1).flatten()
                        prompt = image.embed.pre(prompt + htpc.phase * wave)
                    tokens = torch.cat([tokens[:, :5], prompt[None]], dim=1)
                elif after == "drop":
                    tokens = tokens[:, :5]
                tokens = layer(tokens, block, causal=False)
            assert tokens.shape[1] == (5 if after == "drop" else 5 + n)
            result.append(image.finish(tokens))
    reference = torch.cat(result).unflatten(0, frames.shape[:2])
    torch.testing.assert_close(model.frame_features(frames), reference, rtol=1e-4, atol=1e-5)


def test_prompts_behind_the_end_token_get_no_gradient_from_the_text():
    """The trap: a causal tower does not look back from the end token to what stands behind it."""
    for options, looked_at in ((DuSEConfig(place="end", depth=3), False), (DuSEConfig(place="start", depth=3), True)):
        model = stir(build(options))
        features = model.text_features()
        result = torch.autograd.grad((features * torch.randn(features.shape)).sum(), model.htpc.text)[0]
        assert bool((result != 0).flatten(1).all()) == looked_at
        assert bool((result == 0).all()) != looked_at
    plain = build(DuSEConfig(prompts=0))
    torch.testing.assert_close(stir(build(AS_PRINTED)).text_features(), plain.text_features())


@torch.inference_mode()
def test_the_sinusoid_stands_on_the_first_layer_only():
    model = stir(build(DuSEConfig(depth=3, phase=0.5)))
    shallow, *deep = model.htpc.visual(range(7))
    assert shallow.shape == (7, 4, 32)
    assert [tuple(prompt.shape) for prompt in deep] == [(1, 4, 32)] * 2
    shared = shallow - model.htpc.phase * sinusoids(7, 32)[:, None]
    torch.testing.assert_close(shared, shared[:1].expand_as(shared), rtol=0, atol=1e-6)
    still = batch(1, frames=1).frames.expand(1, 5, 3, 32, 32)
    features = model.frame_features(still)[0]
    assert all(not torch.allclose(features[0], other, atol=1e-4) for other in features[1:])
    model.htpc.phase.zero_()
    features = model.frame_features(still)[0]
    torch.testing.assert_close(features, features[:1].expand_as(features), rtol=0, atol=1e-6)


# ---------------------------------------------------------------------------------------------- LSEA, (9) to (13)

@pytest.mark.parametrize("name", ["default", "literal"])
@pytest.mark.parametrize("heads", [2, 4, 6])
@torch.inference_mode()
def test_lsea_follows_9_to_13(name, heads):
    options = replace(CONFIGURATIONS[name], heads=heads, beta=0.3)
    model = stir(build(options))
    lsea, d = model.lsea, 16
    torch.manual_seed(1)
    video, text = torch.randn(2, 5, d), torch.randn(3, d)
    v_g, weights, classes = lsea(video, text)
    for b in range(2):
        x = video[b : b + 1]
        normed = F.layer_norm(x, (d,), lsea.attend.norm.weight, lsea.attend.norm.bias) if options.residual else x
        mixed = attention(normed, lsea.attend, causal=False)
        v_m = lsea.linear(x + mixed if options.residual else mixed)[0]
        w = torch.exp(v_m @ lsea.score.weight[0])
        w = w / w.sum()
        v_o = sum(w[i] * v_m[i] for i in range(5))
        total = torch.zeros(d)
        for i in range(heads):
            part = slice(i * d, (i + 1) * d)
            v = lsea.heads.weight[part] @ v_o + lsea.heads.bias[part]
            t = text @ lsea.heads.weight[part].T + lsea.heads.bias[part]
            like = t @ v if options.match == "dot" else F.cosine_similarity(t, v[None]) / 0.1
            like = like.softmax(0)
            torch.testing.assert_close(classes[b, i], like, rtol=1e-3, atol=1e-4)
            total += 0.3 * v + 0.7 * like @ t
        torch.testing.assert_close(weights[b], w)
        torch.testing.assert_close(v_g[b], total / heads, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
@torch.inference_mode()
def test_evidence_sums_to_one(name):
    result = stir(build(CONFIGURATIONS[name])).infer(batch().frames)
    assert result.logits.shape == (3, 3)
    torch.testing.assert_close(result.frames.sum(1), torch.ones(3))
    assert (result.classes is None) == ("average" in name or "neither" in name)
    if result.classes is not None:
        torch.testing.assert_close(result.classes.sum(-1), torch.ones(3, 4))


@torch.inference_mode()
def test_attention_pooling_finds_the_frame_that_is_scored_high():
    model = stir(build(DuSEConfig(prompts=0)))
    frames = batch(1).frames
    v_m = model.lsea.linear(model.frame_features(frames) + model.lsea.attend(model.frame_features(frames)))
    away = v_m[0, 3] - v_m[0].mean(0)
    model.lsea.score.weight.copy_(200 * away / away.norm() ** 2)
    weights = model.infer(frames).frames[0]
    assert weights.argmax() == 3
    assert weights[3] > 0.99


@torch.inference_mode()
def test_training_begins_at_the_average_of_clips_features():
    model = build(DuSEConfig(prompts=0))
    frames = batch().frames
    video, text = model.frame_features(frames), model.text_features()
    v_m = model.lsea.linear(video + model.lsea.attend(video))
    assert torch.equal(v_m, video)
    torch.testing.assert_close(model.infer(frames).frames, torch.full((3, 5), 0.2))
    zero_shot = F.normalize(video.mean(1), dim=-1)
    begun, _, _ = build(DuSEConfig(prompts=0, beta=1.0)).lsea(video, text)
    assert F.cosine_similarity(begun, zero_shot).min() > 0.98
    random, _, _ = build(DuSEConfig(prompts=0, beta=1.0, begin="random")).lsea(video, text)
    assert F.cosine_similarity(random, zero_shot).max() < 0.9


# ---------------------------------------------------------------------------------------------- loss, training, batches

@torch.inference_mode()
def test_loss_is_1():
    for name in ("default", "literal"):
        model = stir(build(CONFIGURATIONS[name]))
        given = batch()
        v_g, _, _ = model.lsea(model.frame_features(given.frames), model.text_features())
        text = model.text_features()
        if name == "default":
            v_g, text = F.normalize(v_g, dim=-1) / 0.01, F.normalize(text, dim=-1)
        logits = v_g @ text.T
        each = [logits[b].logsumexp(0) - logits[b, cls] for b, cls in enumerate(given.target)]
        torch.testing.assert_close(model.loss(given)["cross_entropy"], torch.stack(each).mean(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_every_trainable_value_learns_and_the_towers_stay(name):
    model = build(CONFIGURATIONS[name])
    free, given = trainable(model), batch()
    before = {key: value.detach().clone() for key, value in model.state_dict().items()}
    optimiser, seen = torch.optim.Adam(free.values(), lr=1e-3), dict.fromkeys(free, False)
    for _ in range(4):
        optimiser.zero_grad()
        sum(model.loss(given).values()).backward()
        for key, value in free.items():
            seen[key] |= value.grad is not None and bool((value.grad != 0).any())
        optimiser.step()
    assert all(seen.values()), [key for key, value in seen.items() if not value]
    after = model.state_dict()
    assert all(not torch.equal(before[key], after[key]) for key in free)
    frozen = {key: value for key, value in after.items() if key not in free}
    assert frozen.keys() == {key for key in after if key.startswith(("image.", "text."))}
    assert all(torch.equal(before[key], value) for key, value in frozen.items())
    assert all(value.grad is None for key, value in model.named_parameters() if key not in free)


def test_colours_are_distinguished_after_a_few_steps():
    """Clips of one colour and a little noise: learnt on some, distinguished on others."""
    def clips(seed: int) -> Batch:
        noise = 20 * torch.randn(6, 2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        target = torch.arange(6) % 3
        colour = 180 * torch.eye(3)[target][:, None, :, None, None]
        return Batch(frames=(colour + noise).clamp(0, 255).to(torch.uint8), target=target)

    model = build()
    optimiser = torch.optim.Adam(trainable(model).values(), lr=3e-3)
    for step in range(25):
        optimiser.zero_grad()
        model.loss(clips(step))["cross_entropy"].backward()
        optimiser.step()
    with torch.inference_mode():
        assert torch.equal(model(clips(99)).argmax(1), clips(99).target)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
@torch.inference_mode()
def test_a_batch_of_three_equals_three_of_one(name):
    model, given = stir(build(CONFIGURATIONS[name])), batch()
    alone = torch.cat([model(given[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(given), alone, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------------------------------- ablations

@torch.inference_mode()
def test_htpc_off_is_coop_and_leaves_frames_and_lsea_alone():
    full, coop, plain = stir(build()), stir(build(DuSEConfig(htpc=False))), build(DuSEConfig(prompts=0))
    frames = batch().frames
    assert torch.equal(coop.frame_features(frames), plain.frame_features(frames))
    assert not torch.allclose(full.frame_features(frames), plain.frame_features(frames), atol=1e-3)
    assert set(trainable(full)) - set(trainable(coop)) == {f"htpc.{n}" for n in (
        "phase", "mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias")}
    assert coop.htpc.text.shape == (1, 4, 24)
    # CoOp: learned vectors in the places of words behind the start token, and nothing else
    ids = torch.cat([TOKENS[:, :1], torch.zeros(3, 4, dtype=torch.long), TOKENS[:, 1:6]], dim=1)
    tokens = coop.text.embed.words(ids)
    tokens[:, 1:5] = coop.htpc.text[0]
    tokens = tokens + coop.text.embed.positions[:10]
    for block in coop.text.blocks:
        tokens = block(tokens)
    reference = coop.text.finish(tokens, (ids == 59).int().argmax(1))
    torch.testing.assert_close(coop.text_features(), reference, rtol=1e-4, atol=1e-5)
    full.lsea.load_state_dict(coop.lsea.state_dict())
    video, text = torch.randn(2, 5, 16), torch.randn(3, 16)
    assert torch.equal(full.lsea(video, text)[0], coop.lsea(video, text)[0])


@torch.inference_mode()
def test_lsea_off_is_the_average_and_leaves_both_features_alone():
    full, average = stir(build()), build(DuSEConfig(lsea=False))
    average.htpc.load_state_dict(full.htpc.state_dict())
    given = batch()
    video, text = average.frame_features(given.frames), average.text_features()
    assert torch.equal(video, full.frame_features(given.frames))
    assert torch.equal(text, full.text_features())
    reference = F.cosine_similarity(video.mean(1)[:, None], text[None], dim=-1) / 0.01
    torch.testing.assert_close(average(given), reference, rtol=1e-4, atol=1e-4)
    assert {name for name in trainable(full) if name.startswith("htpc.")} == set(trainable(average))


@torch.inference_mode()
def test_beta_weighs_picture_against_words():
    video, text, result = torch.randn(2, 5, 16), torch.randn(3, 16), {}
    for beta in (0.0, 0.3, 0.5, 0.7, 0.9, 1.0):
        result[beta] = stir(build(DuSEConfig(beta=beta))).lsea(video, text)[0]
    for beta, v_g in result.items():
        torch.testing.assert_close(v_g, beta * result[1.0] + (1 - beta) * result[0.0], rtol=1e-4, atol=1e-5)


def test_depth_and_number_of_prompts():
    for depth, layers in (("shallow", 1), ("normal", 2), ("deep", 4), (3, 3)):
        assert build(DuSEConfig(depth=depth)).htpc.text.shape == (layers, 4, 24)
    assert build(DuSEConfig(prompts=7)).htpc.text.shape == (2, 7, 24)
    with pytest.raises(ValueError, match="expected 1 to 4 layers"):
        build(DuSEConfig(depth=5))


def test_temperature_and_similarity_change_the_logits_and_nothing_else():
    given = batch()
    cold, warm, dot = (stir(build(o)) for o in (
        DuSEConfig(), DuSEConfig(score_temperature=1.0), DuSEConfig(score="dot", score_temperature=1.0)))
    with torch.inference_mode():
        torch.testing.assert_close(cold(given) / 100, warm(given), rtol=1e-4, atol=1e-5)
        assert warm(given).abs().max() <= 1
        v_g, text = dot.lsea(dot.frame_features(given.frames), dot.text_features())[0], dot.text_features()
        torch.testing.assert_close(dot(given), v_g @ text.T, rtol=1e-4, atol=1e-4)
        # a temperature of 1 spreads the weights over the classes, 0.01 picks: the reason for the default
        vague, sharp = (stir(build(DuSEConfig(match_temperature=t))).infer(given.frames).classes for t in (1.0, 0.01))
        assert vague.max() < 0.8 < sharp.amax(-1).mean()


def clip_features(clips: int = 210, width: int = 512) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features (B, T, d), texts (K, d) and classes with CLIP's geometry: texts alike, pictures with cosines near 0.2.

    The cosines of one picture differ by 0.04, and a third of the pictures are nearest to their class.
    """
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> torch.Tensor:
        return F.normalize(torch.randn(*shape, generator=generator), dim=-1)

    common, by_class, target = unit(width), unit(7, width), torch.arange(clips) % 7
    text = F.normalize(0.9 * common + 0.4 * by_class, dim=-1)
    lean = 0.08 * torch.randn(clips, 7, generator=generator) + 0.06 * F.one_hot(target, 7)
    video = 0.22 * common + (lean @ by_class)[:, None] + 0.9 * unit(clips, 1, width) + 0.35 * unit(clips, 16, width)
    return 10 * F.normalize(video, dim=-1), 10 * text, target


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lsea_starts_at_the_answer_of_zero_shot(seed):
    """At a match temperature of 0.01 T_o repeats the first guess, and the loss rises."""
    video, text, target = clip_features()
    cosines = similarity(video.mean(dim=1), text, "cosine", 1.0)
    assert float(cosines.mean()) == pytest.approx(0.2, abs=0.03)
    assert float(cosines.std(dim=1).mean()) == pytest.approx(0.04, abs=0.01)
    zero_shot, result = F.cross_entropy(100 * cosines, target), {}
    for temperature in (DuSEConfig().match_temperature, 0.01):
        torch.manual_seed(seed)
        lsea = Lsea(512, DuSEConfig(match_temperature=temperature))
        with torch.no_grad():
            logits = similarity(lsea(video, text)[0], text, "cosine", 0.01)
        result[temperature] = float(F.cross_entropy(logits, target))
    assert result[0.1] == pytest.approx(float(zero_shot), rel=0.05)
    assert result[0.01] > 1.3 * zero_shot


def test_the_logit_scale_of_a_tower_is_read_and_a_set_temperature_wins(tmp_path):
    scores = {}
    for name, logarithm in (("15", math.log(15.0)), ("100", math.log(100.0))):
        (tmp_path / name).mkdir()
        torch.manual_seed(0)
        save(Tower(IMAGE), Tower(replace(TEXT, end=59)), tmp_path / name, start=1, scale=logarithm)
        loaded = load(tmp_path / name, "clip-image")
        assert loaded.scale == pytest.approx(float(name), rel=1e-5)
        for options in (DuSEConfig(prompts=0, lsea=False), DuSEConfig(prompts=0, lsea=False, score_temperature=0.5)):
            model = DuSE(loaded, load(tmp_path / name, "clip-text"), TOKENS, options).eval()
            with torch.inference_mode():
                scores[name, options.score_temperature] = model(batch())
    torch.testing.assert_close(scores["15", None] / 15, scores["100", None] / 100, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores["15", 0.5], scores["100", 0.5])


# ---------------------------------------------------------------------------------------------- sizes

@pytest.mark.parametrize(("size", "named", "layers"), [
    ("B/32", "shallow", 1), ("B/32", "normal", 4), ("B/32", "deep", 8), ("B/16", "normal", 4), ("B/16", "deep", 8),
    ("L/14", "shallow", 1), ("L/14", "normal", 8)])
def test_trainable_parameters_are_those_of_the_formula(size, named, layers):
    image, text = CLIP[size]["image"], CLIP[size]["text"]
    n, heads, d_t, d_v, d = 4, 4, text.width, image.width, image.out
    with torch.device("meta"):
        towers = Tower(image), Tower(text)
    for options, mlp, norm in ((DuSEConfig(depth=named), d_t * d_t + d_t + d_t * d_v + d_v + 1, 2 * d),
                               (replace(AS_PRINTED, depth=named), d_t * d_v + d_v, 0)):
        model = DuSE(*towers, TOKENS % 50 + 49409 * (TOKENS == 59), options)
        counts = {name: value.numel() for name, value in trainable(model).items()}
        assert counts["htpc.text"] == layers * n * d_t
        assert sum(v for k, v in counts.items() if "mlp" in k or "phase" in k) == mlp
        assert sum(v for k, v in counts.items() if "attend" in k) == 4 * (d * d + d) + norm
        assert counts["lsea.linear.weight"] + counts["lsea.linear.bias"] == d * d + d
        assert counts["lsea.score.weight"] == d
        assert counts["lsea.heads.weight"] + counts["lsea.heads.bias"] == heads * (d * d + d)
        lsea = 4 * (d * d + d) + norm + (d * d + d) + d + heads * (d * d + d)
        assert sum(counts.values()) == layers * n * d_t + mlp + lsea
        if size == "L/14" and named == "normal" and options.mlp == "hidden":  # methods.md, paper 3
            assert counts["htpc.text"] == 24_576
            assert mlp - 1 == 1_378_048
            assert 4 * (d * d + d) == 2_362_368
            assert sum(counts.values()) == 6_720_257
            assert 4 * sum(counts.values()) < 40e6  # bytes of a checkpoint


def test_deep_does_not_exist_for_the_largest_clip():
    with torch.device("meta"):
        towers = Tower(CLIP["L/14"]["image"]), Tower(CLIP["L/14"]["text"])
    with pytest.raises(ValueError, match="expected 1 to 12 layers"):
        DuSE(*towers, TOKENS, DuSEConfig(depth="deep"))


# ---------------------------------------------------------------------------------------------- inference

@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
@torch.inference_mode()
def test_cached_text_features_replace_the_text_tower(name):
    model, given = stir(build(CONFIGURATIONS[name])), batch()
    reference, learned = model(given), {k: v.clone() for k, v in trainable(model).items()}
    features = model.cache_text_features()
    assert features.shape == (3, 16)
    assert model.text is None
    assert torch.equal(model(given), reference)
    with torch.device("meta"):
        empty = Tower(TEXT)
    again = DuSE(build().image, empty, TOKENS, CONFIGURATIONS[name])
    again.load_state_dict(learned, strict=False)
    again.cache_text_features(features)
    assert torch.equal(again(given), reference)
    assert not any(value.is_meta for value in again.parameters())


def test_a_model_of_cached_text_features_refuses_training_and_other_labels():
    model = build()
    with pytest.raises(ValueError, match=r"expected text features \(3, 16\), got \(2, 16\)"):
        model.cache_text_features(torch.zeros(2, 16))
    model.cache_text_features()
    with pytest.raises(ValueError, match="cached text features"):
        model.loss(batch())


@torch.inference_mode()
def test_bf16_towers_stay_near_float32():
    given = batch()
    exact = stir(build())
    reference = exact(given).softmax(1)
    exact.image.to(torch.bfloat16)
    exact.text.to(torch.bfloat16)
    result = exact(given)
    assert result.dtype == torch.float32
    assert (result.softmax(1) - reference).abs().max() < 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert stir(build())(given).dtype == torch.float32


def test_a_model_of_cached_text_features_exports_with_a_free_number_of_clips():
    class Answer(torch.nn.Module):
        def __init__(self, model: DuSE):
            super().__init__()
            self.model = model

        def forward(self, frames: Tensor) -> Tensor:
            return self.model.infer(frames).logits

    model = stir(build())
    model.cache_text_features()
    with torch.no_grad():
        free = {"frames": {0: torch.export.Dim("clips", min=1, max=64)}}
        program = torch.export.export(Answer(model), (batch(2).frames,), dynamic_shapes=free).module()
        torch.testing.assert_close(program(batch(3).frames), model(batch(3)))


def test_needs_come_from_the_tower():
    needs = build().needs
    assert (needs.frames, needs.size, needs.mean, needs.std) == (16, 32, IMAGE.mean, IMAGE.std)
    assert needs.signals is needs.seconds is needs.aus is None


# ---------------------------------------------------------------------------------------------- bad input, docs

@pytest.mark.parametrize(("values", "message"), [
    ({"prompts": -1}, "0 or more"), ({"heads": 0}, "1 or more"), ({"beta": 1.2}, r"0\.\.1"),
    ({"depth": "deeper"}, "shallow, normal, deep"), ({"match_temperature": 0}, "more than 0"),
    ({"score_temperature": -1}, "more than 0")])
def test_options_check_themselves(values, message):
    with pytest.raises(ValueError, match=message):
        DuSEConfig(**values)


def test_parts_that_do_not_fit_are_refused():
    image, text = build().image, build().text
    with pytest.raises(ValueError, match="of one CLIP"):
        DuSE(text, image, TOKENS)
    with pytest.raises(ValueError, match="of one CLIP"):
        DuSE(image, Tower(replace(TEXT, out=8)), TOKENS)
    with pytest.raises(ValueError, match="two or more class texts"):
        DuSE(image, text, TOKENS[:1])
    long = torch.full((2, 24), 5)
    long[:, -1] = 59
    with pytest.raises(ValueError, match="at most 24 tokens together, got 28"):
        DuSE(image, text, long)
    with pytest.raises(ValueError, match="expected frames"):
        build()(Batch(target=torch.zeros(2, dtype=torch.long)))
    with pytest.raises(ValueError, match="no target"):
        build().loss(Batch(frames=batch().frames))
    with pytest.raises(ValueError, match="at most 64"):
        build()(Batch(frames=torch.zeros(1, 65, 3, 32, 32, dtype=torch.uint8)))


@pytest.mark.parametrize(("values", "message"), [
    ({"frames": torch.zeros(2, 3, 3, 8, 4, dtype=torch.uint8)}, "frames"),
    ({"frames": torch.zeros(2, 3, 3, 8, 8, dtype=torch.int64)}, "uint8"),
    ({"frames": torch.full((1, 1, 3, 8, 8), float("nan"))}, "finite pixels"),
    ({"frames": torch.zeros(2, 3, 3, 8, 8), "target": torch.zeros(3)}, r"target: expected \(2\)"),
    ({"signals": torch.zeros(2, 1, 9), "signals_mask": torch.zeros(2, 9, 1)}, "signals_mask"),
    ({"target": torch.zeros(2), "trial": ("a",)}, r"expected \(1\), got \(2,\)"),
])
def test_a_batch_checks_itself(values, message):
    with pytest.raises(ValueError, match=message):
        Batch(**values)


def test_a_batch_is_cut_and_moved_as_one():
    given = Batch(frames=torch.zeros(3, 2, 3, 8, 8), target=torch.arange(3), trial=("a", "b", "c"))
    part = given[1:]
    assert (len(given), len(part), part.trial, part.target.tolist()) == (3, 2, ("b", "c"), [1, 2])
    assert given.to("meta").frames.is_meta


def test_the_documentation_names_the_function_that_holds_each_equation():
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \((\d+)\) \|.*\| `duse/(\w+)\.py`, `([\w.]+)` \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 14))
    for number, module, name in rows:
        source = inspect.getsource(attrgetter(name)(import_module(f"{duse.__name__}.{module}")))
        assert re.search(rf"#.*\({number}\)", source), f"expected the comment ({number}) in {name}, got none"
