"""SCPT: what it is at first, what its losses reach, and that the tower stays as it was."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.backbones.config import VIT_B16, BackboneConfig
from mien.backbones.tower import Tower, normalise_pixels
from mien.core.batch import Batch
from mien.metrics.classification import average_windows_per_trial
from mien.models import scpt
from mien.models.scpt.config import ABLATIONS, BASELINES, KERNEL, WITHOUT_FACE, SCPTConfig
from mien.models.scpt.dssa import Adapter, Lora
from mien.models.scpt.encoder import ENCODERS, CnnEncoder
from mien.models.scpt.losses import (
    GradientReversal,
    adversarial,
    orthogonality,
    outside_subspace,
    reversal_strength,
    sparsity,
    subject_mmd_loss,
)
from mien.models.scpt.model import SCPT
from mien.models.scpt.prompts import Mcp, position_embedding_2d
from mien.training.step import gradient_norms
from moved_weights import stir

PLAN = BackboneConfig("vit", 32, 3, 4, 64, size=32, patch=8)
SUBJECTS, CLASSES = 3, 2
QUIET = {"dropout": 0.0, "drop_pulse": 0.0, "lora_dropout": 0.0}
FULL = SCPTConfig(**QUIET, bottleneck=16, rank=8)
KERNELS = replace(KERNEL, **QUIET, bottleneck=16, rank=8)
FORMS = {"digest": FULL, "kernel": KERNELS}
EVERY = BASELINES | ABLATIONS
NO_PULSE = ("face only", "full fine-tuning")


def tower(plan: BackboneConfig = PLAN) -> Tower:
    torch.manual_seed(0)
    made = Tower(plan)
    for value in made.parameters():
        value.data.add_(0.1 * torch.randn(value.shape))
    return made


def build(options: SCPTConfig = FULL, subjects: int = SUBJECTS) -> SCPT:
    made = tower()
    torch.manual_seed(1)
    return SCPT(made, CLASSES, subjects, options)


def batch(count: int = 6, frames: int = 4, quality: float | None = 1.0) -> Batch:
    generator = torch.Generator().manual_seed(3)
    return Batch(
        frames=torch.randint(0, 256, (count, frames, 3, 32, 32), dtype=torch.uint8, generator=generator),
        tfr=torch.rand(count, 1, 32, 32, generator=generator),
        pulse_quality=None if quality is None else torch.full((count,), quality),
        target=torch.arange(count) // 3 % CLASSES, subject=torch.arange(count) % SUBJECTS)


def learning(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def part(name: str) -> str:
    """To which part of the model a parameter belongs."""
    if name.startswith("adapters"):
        return "specific" if ".specific." in name else "shared"
    return name.split(".")[0]


def reached(model: SCPT, loss: Tensor) -> set[str]:
    names = learning(model)
    result = torch.autograd.grad(loss, list(names.values()), retain_graph=True, allow_unused=True)
    return {part(name) for name, value in zip(names, result, strict=True) if value is not None and value.any()}


# ---------------------------------------------------------------------------------------------- at first

@pytest.mark.parametrize("prompts", ["mcp", "xattn"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("read", ["shared", "stream"])
@pytest.mark.parametrize("form", ["lora", "bottleneck"])
def test_at_first_it_is_the_plain_tower_exactly(prompts, training, read, form):
    model = build(replace(FULL, prompts=prompts, read=read, form=form)).train(training)
    given = batch()
    with torch.no_grad():
        plain = model.tower(normalise_pixels(given.frames.flatten(0, 1), PLAN)).unflatten(0, (6, 4)).mean(dim=1)
        answer = model.infer(given)
        assert torch.equal(answer.feature, plain)
        assert read == "shared" or torch.equal(answer.logits, model.head(plain))
        assert not torch.equal(stir(model).infer(given).feature, plain)


def test_prepended_tokens_change_the_tower_from_the_start():
    model = build(replace(FULL, prompts="vpt")).eval()
    given = batch()
    with torch.no_grad():
        plain = model.tower(normalise_pixels(given.frames.flatten(0, 1), PLAN)).unflatten(0, (6, 4)).mean(dim=1)
        assert not torch.allclose(model.infer(given).feature, plain)
        once = stir(model).infer(given).feature
        other = replace(given, tfr=given.tfr.flip(2))  # the same cells at other frequencies
        assert not torch.allclose(model.infer(other).feature, once, atol=1e-4)


def test_the_prompter_and_the_adapters_have_the_published_sizes():
    with torch.device("meta"):
        def count(made: nn.Module) -> int:
            return sum(value.numel() for value in made.parameters())

        assert count(Mcp(VIT_B16, SCPTConfig(encoder="patch"))) == 839_628  # ViPT's trainable count
        assert count(Adapter(768, 64)) == 99_136  # AdaptFormer's
        assert count(Lora(768, SCPTConfig())) == 4 * 8 * 768  # r (D + D) for queries and for values
        prompter = 839_628 - count(ENCODERS["patch"](VIT_B16)) + count(CnnEncoder(VIT_B16))
        assert count(CnnEncoder(VIT_B16)) < count(ENCODERS["patch"](VIT_B16))  # light
        kernel = replace(KERNEL, encoder="patch")
        full = SCPT(Tower(VIT_B16), 2, 20)
        sizes = {name: count(getattr(full, name)) for name in ("prompts", "adapters", "head", "who_specific")}
        assert sizes == {"prompts": prompter, "adapters": 12 * (4 * 8 * 768 + 99_136), "head": 2 * 769,
                         "who_specific": 20 * 65}
        ours = SCPT(Tower(VIT_B16), 2, 20, kernel)
        assert [count(getattr(ours, name)) for name in ("adapters", "head", "decoder")] == [
            12 * (2 * 99_136 + 1), 2 * (12 * 64 + 1), 768 * 769]
        assert count(SCPT(Tower(VIT_B16), 2, 20, replace(kernel, adversary="head")).who_shared) == 64 * 65 + 40 * 65
        assert sum(value.numel() for value in learning(full).values()) == sum(sizes.values()) + 224 * 224
        assert sum(value.numel() for value in learning(full.remove_training_heads()).values()) == (
            prompter + 12 * 4 * 8 * 768 + 2 * 769 + 224 * 224)
        assert count(SCPT(Tower(VIT_B16), 2, 0)) == count(full)


@pytest.mark.parametrize("patch", [4, 8, 14, 16, 32])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_makes_one_token_for_each_patch_of_any_tower(name, patch):
    plan = BackboneConfig("vit", 48, 1, 4, 96, size=4 * patch, patch=patch)
    torch.manual_seed(0)
    encoder, image = ENCODERS[name](plan), torch.rand(3, 3, 4 * patch, 4 * patch)
    tokens = encoder(image)
    assert tokens.shape == (3, 16, 48)
    torch.testing.assert_close(tokens, torch.cat([encoder(image[row : row + 1]) for row in range(3)]))


@pytest.mark.parametrize(("name", "linear"), [("patch", True), ("mlp", False), ("cnn", False)])
def test_only_patches_are_a_linear_reading_of_the_image(name, linear):
    torch.manual_seed(0)
    encoder = ENCODERS[name](PLAN)
    a, b = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        half, mean = encoder((a + b) / 2), (encoder(a) + encoder(b)) / 2
    assert torch.allclose(half, mean, atol=1e-5) == linear


def test_lora_is_the_equation_written_out():
    """Queries and values get (alpha / r) B A u; keys stay."""
    model = stir(build()).eval()
    block, adapter = model.tower.blocks[0], model.adapters[0]
    tokens = torch.randn(4, 17, 32, generator=torch.Generator().manual_seed(5))
    u = block.attend.norm(tokens)
    q, k, v = block.attend.qkv(u).chunk(3, dim=-1)
    lora = adapter.shared
    q = q + 32 / 8 * u @ lora.down.weight[:8].T @ lora.up[0].weight.T
    v = v + 32 / 8 * u @ lora.down.weight[8:].T @ lora.up[1].weight.T
    heads = [value.unflatten(-1, (4, 8)).transpose(1, 2) for value in (q, k, v)]
    weights = (heads[0] @ heads[1].transpose(-1, -2) / 8**0.5).softmax(dim=-1)
    attended = tokens + block.attend.out((weights @ heads[2]).transpose(1, 2).flatten(2))
    out, codes = adapter(block, tokens, 4, False)
    torch.testing.assert_close(out, attended + block.mlp(attended), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(codes.shared, (u[:, 0] @ lora.down.weight.T).mean(dim=0, keepdim=True))


def test_projected_codes_lie_in_the_first_directions_of_the_map_and_pass_their_gradient():
    model = stir(build(replace(FULL, svd="project", dimension=3))).eval()
    shared, _ = model.codes(batch(12))
    for layer, adapter in enumerate(model.adapters):
        left = torch.linalg.svd(adapter.shared.down.weight)[0]
        assert (shared[:, layer] @ left[:, 3:]).abs().max() < 1e-5 < (shared[:, layer] @ left[:, :3]).abs().max()
    down, code = model.adapters[0].shared.down, torch.randn(5, 16, requires_grad=True)
    model.adapters[0].constrain(code, down).sum().backward()
    assert torch.equal(code.grad, torch.ones(5, 16))


def test_the_subspace_loss_is_the_energy_outside_it():
    torch.manual_seed(0)
    flat = torch.randn(64, 3) @ torch.randn(3, 16)
    assert float(outside_subspace(flat + 5, 3)) == pytest.approx(0, abs=1e-5)
    assert float(outside_subspace(flat, 2)) > 0.02
    full = torch.randn(64, 16)
    values = torch.linalg.svdvals(full - full.mean(dim=0)).square()
    assert float(outside_subspace(full, 5)) == pytest.approx(float(values[5:].sum() / values.sum()), rel=1e-4)
    assert float(outside_subspace(7 * full + 3, 5)) == pytest.approx(float(outside_subspace(full, 5)), rel=1e-4)
    assert outside_subspace(full[:1], 5) == outside_subspace(torch.zeros(4, 16), 5) == 0
    assert sparsity(torch.tensor([[1.0, -3.0], [0.0, 0.0]])) == 1.0


@pytest.mark.parametrize("prompts", ["mcp", "xattn", "vpt"])
def test_an_image_moved_to_other_frequencies_makes_other_prompts(prompts):
    """A row of patches moved up by one whole patch: its content is the same, its frequency is not."""
    model = stir(build(replace(FULL, prompts=prompts))).eval()
    image = torch.zeros(2, 1, 32, 32)
    image[0, :, 8:16] = image[1, :, 16:24] = batch(1).tfr[0, :, :8]
    same = torch.cat([batch(1).frames, batch(1).frames]) * 0 + 128  # every patch of the face is alike
    with torch.no_grad():
        model.tower.embed.positions.zero_()
        low, high = model.infer(Batch(frames=same, tfr=image)).logits
    assert (low - high).abs().max() > 1e-3


def test_places_are_those_of_row_and_column():
    result = position_embedding_2d(PLAN).reshape(4, 4, 32)
    assert torch.equal(result[:, 0, :16], result[:, 3, :16])
    assert torch.equal(result[0, :, 16:], result[2, :, 16:])
    torch.testing.assert_close(result[3, 1, [0, 1, 16, 17]],
                               torch.tensor([np.sin(3), np.cos(3), np.sin(1), np.cos(1)], dtype=torch.float32))
    assert len({tuple(row) for row in result.flatten(0, 1).tolist()}) == 16


def test_the_fovea_is_the_equation_written_out():
    from mien.models.scpt.prompts import Prompter

    torch.manual_seed(2)
    layer = Prompter(6, SCPTConfig(hidden=2, begin="xavier"))
    x, p = torch.randn(1, 5, 6), torch.randn(1, 5, 6)
    m0, m1 = x @ layer.face.weight.T, p @ layer.pulse.weight.T
    weight = torch.stack([torch.exp(10 * m0[..., c]) / torch.exp(10 * m0[..., c]).sum() for c in range(2)], dim=-1)
    torch.testing.assert_close(layer(x, p), (m0 * weight + m1) @ layer.out.weight.T)


# ---------------------------------------------------------------------------------------------- what holds

@pytest.mark.parametrize("name", EVERY)
def test_every_ablation_reads_three_as_three_of_one_and_learns(name):
    options = replace(EVERY[name], **QUIET, bottleneck=16, rank=8)
    model = stir(build(options)).eval()
    given = batch(3)
    with torch.no_grad():
        complete = model(given)
        each = torch.cat([model(given[row : row + 1]) for row in range(3)])
    assert complete.shape == (3, CLASSES)
    torch.testing.assert_close(complete, each, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        other = model(replace(given, tfr=given.tfr.flip(2)))
    assert torch.allclose(other, complete) == (name in NO_PULSE)
    assert (model.needs.tfr is None) == (name in NO_PULSE)
    with torch.no_grad():
        other = model(replace(given, frames=255 - given.frames))
    assert torch.allclose(other, complete) == (options.fusion in WITHOUT_FACE)
    assert ("face" in model.predict(given).modalities) == (name not in NO_PULSE and options.fusion not in WITHOUT_FACE)
    torch.stack(list(model.train().loss(batch()).values())).sum().backward()
    assert sum(float(value.grad.abs().sum()) for value in learning(model).values() if value.grad is not None) > 0


@pytest.mark.parametrize("prompts", ["mcp", "xattn", "vpt"])
@pytest.mark.parametrize("form", FORMS)
def test_frozen_weights_stay_bit_for_bit_and_all_that_learns_moves(prompts, form):
    model = build(replace(FORMS[form], prompts=prompts)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adam = torch.optim.AdamW(learning(model).values(), 1e-2)
    for quality in (1.0, 0.0, 1.0):
        adam.zero_grad()
        torch.stack(list(model.loss(batch(quality=quality)).values())).sum().backward()
        adam.step()
    after = model.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("tower.")} <= same
    # with the shared codes as the classifier's input, nothing reads the stream after the last of them
    unread = {"adapters.2.scale"} if form == "kernel" else {
        f"adapters.{layer}.specific.up.{kind}" for layer in range(3) for kind in ("weight", "bias")}
    assert same - {name for name in before if name.startswith("tower.")} == unread


def test_full_fine_tuning_moves_the_tower():
    model = build(replace(BASELINES["full fine-tuning"], **QUIET)).train()
    model.loss(batch())["cross_entropy"].backward()
    assert all(value.grad is not None for value in model.tower.parameters())


@pytest.mark.parametrize("form", FORMS)
def test_without_the_training_parts_the_answers_are_the_same(form):
    model = stir(build(FORMS[form])).eval()
    given = batch()
    with torch.no_grad():
        before = model(given)
        kept = {name for name in learning(model.remove_training_heads())
                if "specific" in name or "who" in name or "decoder" in name}
        assert kept == set()
        assert torch.equal(model(given), before)
        small = build(FORMS[form], subjects=0).eval()
        small.load_state_dict(model.state_dict())
        assert torch.equal(small(given), before)


# ---------------------------------------------------------------------------------------------- losses

@pytest.mark.parametrize("adversary", ["kernel", "head"])
def test_each_loss_reaches_what_it_should_and_only_that(adversary):
    model = stir(build(replace(KERNELS, adversary=adversary))).train()
    losses = model.loss(batch(12))
    stream = {"prompts", "shared"}
    assert {name: reached(model, loss) for name, loss in losses.items()} == {
        "cross_entropy": stream | {"head"},
        "adversarial": stream | ({"who_shared"} if adversary == "head" else set()),
        "specific": {"specific", "who_specific"},  # subject information does not reach the stream
        "orthogonal": stream | {"specific"},
        "reconstruct": stream | {"specific", "decoder"},
    }
    norms = gradient_norms(losses, model.parameters())
    assert norms.keys() == losses.keys()
    assert all(value > 0 for value in norms.values())


@pytest.mark.parametrize("sparse_on", ["code", "gate"])
def test_the_losses_of_the_digest_reach_what_they_should(sparse_on):
    model = stir(build(replace(FULL, sparse_on=sparse_on))).train()
    losses = model.loss(batch(12))
    stream = {"prompts", "shared"}
    assert {name: reached(model, loss) for name, loss in losses.items()} == {
        "cross_entropy": stream | {"head"},
        "specific": {"specific", "who_specific"},
        "orthogonal": stream | {"specific"},
        "sparse": stream if sparse_on == "code" else {"specific"},
        "subspace": stream,
    }
    assert set(build(replace(FULL, sparse=0, svd="none", orthogonal=0)).train().loss(batch(12))) == {
        "cross_entropy", "specific"}


def test_the_gradient_is_reversed_and_ramped():
    value = torch.ones(2, requires_grad=True)
    GradientReversal.apply(value, 0.3).sum().backward()
    torch.testing.assert_close(value.grad, torch.full((2,), -0.3))
    assert [round(reversal_strength(at), 4) for at in (0.0, 0.1, 0.5, 1.0)] == [0.0, 0.4621, 0.9866, 0.9999]
    for adversary, head in (("head", {"who_shared"}), ("kernel", set())):
        model = stir(build(replace(KERNELS, adversary=adversary))).train()
        result = {}
        for model.progress in (0.0, 1.0):
            result[model.progress] = reached(model, model.loss(batch(12))["adversarial"])
        assert result[0.0] == head
        assert result[1.0] == head | {"prompts", "shared"}


def test_orthogonality_tells_equal_from_independent_codes():
    torch.manual_seed(0)
    a, b = torch.randn(512, 64), torch.randn(512, 64)
    equal, independent = orthogonality(a, a), orthogonality(a, b)
    assert equal == pytest.approx(512 / 64, rel=0.1)
    assert abs(independent) < equal / 50
    # as a mean over the entries of codes as wide as the tower, from a batch of 16, it would say nothing
    wide = [nn.functional.normalize(torch.randn(16, 768), dim=1) for _ in range(2)]
    means = [float((wide[0].T @ other).square().mean()) for other in wide]
    assert max(means) < 3e-5
    assert max(means) / min(means) < 3
    # a batch of 4 people x 4 windows whose codes say who it is
    people = torch.randn(4, 64).repeat_interleave(4, 0)
    reported = [people + 0.1 * torch.randn(16, 64) for _ in range(2)]
    assert orthogonality(*reported) > 3
    assert abs(orthogonality(reported[0], torch.randn(16, 64))) < 0.3
    assert orthogonality(a[:1], b[:1]) == 0
    c = b.clone().requires_grad_()
    for _ in range(50):
        orthogonality(a, a + c).backward()
        c.data -= 100 * c.grad
        c.grad = None
    assert orthogonality(a, a + c) < orthogonality(a, a + b) / 5


def people(count: int = 6, each: int = 8, shift: float = 0.0, lean: float = 0.5) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (B, 4) with a step of the class in the first number and `shift`s of people in the others."""
    generator = torch.Generator().manual_seed(7)
    subject = torch.arange(count).repeat_interleave(each)
    often = torch.where(subject % 2 == 0, lean, 1 - lean)
    target = (torch.arange(count * each) % each < (often * each).round()).long()
    code = torch.randn(count * each, 4, generator=generator)
    code[:, 0] += 4 * target
    code[:, 1:] += shift * torch.randn(count, 3, generator=generator)[subject]
    return code, subject, target


@pytest.mark.parametrize("condition", ["label", "balance", "none"])
def test_the_kernel_adversary_is_the_sum_written_out(condition):
    code, subject, target = people(3, 4, 1.0, 0.75)
    standard = (code - code.mean(0)) / ((code - code.mean(0)).square().mean(0) + 1e-5).sqrt()
    far = {(i, j): float((standard[i] - standard[j]).square().sum()) for i in range(12) for j in range(12) if i != j}
    middle = sorted(far.values())[(len(far) - 1) // 2]
    kernel = {pair: sum(np.exp(-first / (width * middle)) for width in (0.25, 0.5, 1.0, 2.0)) / 4
              for pair, first in far.items()}
    result = []
    compared = {"none": [(None, None)], "label": [(0, 0), (1, 1)], "balance": list(product((0, 1), (0, 1)))}
    for a, b in compared[condition]:
        kinds = [(i, j) for i, j in far if a is None or (target[i], target[j]) == (a, b)]
        means = []
        for including_self in (True, False):
            blocks = {}
            for i, j in kinds:
                if bool(subject[i] == subject[j]) == including_self:
                    who = (int(subject[i]), int(subject[j])) if condition == "balance" else ()
                    blocks.setdefault(who, []).append(kernel[i, j])
            means.append(np.mean([np.mean(block) for block in blocks.values()]) if blocks else None)
        if None not in means:
            result.append(means[0] - means[1])
    assert float(subject_mmd_loss(code, subject, target, condition)) == pytest.approx(np.mean(result), rel=1e-4)


@pytest.mark.parametrize("condition", ["label", "balance"])
@pytest.mark.parametrize("leaning", [(0.95, 0.3, 0.3, 0.3), (0.05, 0.7, 0.7, 0.7), (0.5, 0.5, 0.5, 0.5)])
def test_people_who_lean_to_a_class_of_another_spread_are_not_apart(condition, leaning):
    rng, result = np.random.default_rng(0), []
    subject = torch.arange(4).repeat_interleave(4)
    for _ in range(300):
        target = torch.from_numpy((rng.random(16) < np.repeat(leaning, 4)).astype(np.int64))
        spread = np.where(target.numpy(), 3.0, 0.5)[:, None]
        code = torch.from_numpy((spread * rng.standard_normal((16, 6))).astype(np.float32))
        result.append(float(subject_mmd_loss(code, subject, target, condition)))
    assert abs(np.mean(result)) < 3.5 * np.std(result) / len(result) ** 0.5


def test_the_kernel_adversary_sees_people_and_not_their_classes():
    same, leaning, shifted = (people(12, 16, *how) for how in ((0.0, 0.5), (0.0, 0.9375), (2.0, 0.5)))
    assert abs(float(subject_mmd_loss(*same, "label"))) < 0.01
    assert (
        abs(float(subject_mmd_loss(*leaning, "label"))) < 0.01
    )  # that one shows a class more often is no trace of a person
    assert float(subject_mmd_loss(*leaning, "none")) > 0.05
    assert float(subject_mmd_loss(*shifted, "label")) > 0.05
    code, subject, target = shifted
    assert float(subject_mmd_loss(1000 * code + 7, subject, target, "label")) == pytest.approx(
        float(subject_mmd_loss(code, subject, target, "label")), rel=1e-2)  # shrinking fools nobody
    for rows in ([0], [0, 1], [0, 16]):  # nothing to compare, or people alone, or no two of one
        assert float(subject_mmd_loss(code[rows], subject[rows], target[rows], "label")) == 0.0
    assert float(subject_mmd_loss(torch.zeros(8, 4), torch.arange(8) % 2, torch.zeros(8), "label")) == 0.0


def test_descending_it_takes_people_out_and_leaves_the_class():
    linear = pytest.importorskip("sklearn.linear_model").LogisticRegression
    code, subject, target = people(6, 32, 3.0)
    taught, reported = torch.arange(192) % 2 == 0, torch.arange(192) % 2 == 1

    def read(codes: Tensor, what: Tensor) -> float:
        return linear(max_iter=2000).fit(codes[taught], what[taught]).score(codes[reported], what[reported])

    torch.manual_seed(0)
    way = nn.Linear(4, 3, bias=False)
    adam = torch.optim.Adam(way.parameters(), 0.05)
    before = way(code).detach()
    for _ in range(150):
        adam.zero_grad()
        rows = torch.randperm(192)[:48]
        subject_mmd_loss(way(code[rows]), subject[rows], target[rows], "label").backward()
        adam.step()
    after = way(code).detach()
    assert read(before, subject) > 0.6 > 0.4 > read(after, subject)  # chance 0.17
    assert read(after, target) > 0.9


def test_the_adversary_takes_account_of_the_label():
    logits = torch.randn(6, SUBJECTS, generator=torch.Generator().manual_seed(1))
    subject, target = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 1, 0])
    each = nn.functional.cross_entropy(logits, subject, reduction="none")
    cells = [each[:2].mean(), each[2], each[3:5].mean(), each[5]]
    assert adversarial(logits, subject, target, "balance") == pytest.approx(float(torch.stack(cells).mean()), rel=1e-6)
    assert adversarial(logits, subject, target, "none") == pytest.approx(float(each.mean()))
    by_class = torch.randn(6, CLASSES, SUBJECTS)
    chosen = torch.stack([by_class[row, label] for row, label in enumerate(target)])
    assert adversarial(by_class, subject, target, "label") == nn.functional.cross_entropy(chosen, subject)


# ---------------------------------------------------------------------------------------------- the pulse

@pytest.mark.parametrize("prompts", ["mcp", "xattn", "vpt"])
def test_a_bad_pulse_is_the_null_image_and_the_answer_says_so(prompts):
    model = stir(build(replace(FULL, prompts=prompts))).eval()
    given = batch()
    with torch.no_grad():
        bad = model.infer(replace(given, pulse_quality=torch.zeros(6)))
        none = model.infer(replace(given, tfr=None, pulse_quality=None))
        null = model.infer(replace(given, tfr=model.null.expand(6, 1, -1, -1)))
        mixed = model.infer(replace(given, pulse_quality=torch.tensor([0.0, 1, 0, 1, 1, 1])))
        good = model.infer(given)
    assert torch.equal(bad.logits, none.logits)
    torch.testing.assert_close(bad.logits, null.logits)
    assert bad.logits.isfinite().all()
    assert not bad.pulse.any()
    assert good.pulse.all()
    assert mixed.pulse.tolist() == [False, True, False, True, True, True]
    torch.testing.assert_close(mixed.logits[0], bad.logits[0])
    torch.testing.assert_close(mixed.logits[1], good.logits[1])
    assert not torch.allclose(good.logits, bad.logits, atol=1e-4)


def test_training_hides_the_pulse_now_and_then():
    model = build(replace(FULL, drop_pulse=0.5)).train()
    torch.manual_seed(0)
    kept = torch.cat([model.infer(batch()).pulse for _ in range(40)])
    assert 0.35 < kept.float().mean() < 0.65
    assert model.eval().infer(batch()).pulse.all()


def test_windows_are_pooled_to_trials():
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.4, 0.6]])
    names, result = average_windows_per_trial(probs, ("b", "a", "b", "a"))
    assert names == ("b", "a")
    np.testing.assert_allclose(result, [[0.7, 0.3], [0.3, 0.7]])
    with pytest.raises(ValueError, match="of each of 4 windows, got 1"):
        average_windows_per_trial(probs, ("a",))


# ---------------------------------------------------------------------------------------------- refusals

def test_with_one_subject_the_adversary_is_off_and_says_so():
    with pytest.warns(UserWarning, match="expected two or more subjects"):
        model = build(subjects=1)
    given = replace(batch(), subject=torch.zeros(6, dtype=torch.int64))
    assert set(model.train().loss(given)) == {"cross_entropy"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(subjects=0)
        build(replace(FULL, decouple=False), subjects=1)


def test_scpt_refuses_incomplete_batches():
    model = build().train()
    for change, reported in (({"frames": None}, "without a face cannot be read"), ({"target": None}, "a target"),
                         ({"subject": None}, "the subject")):
        with pytest.raises(ValueError, match=reported):
            model.loss(replace(batch(), **change))
    with pytest.raises(ValueError, match="a model cannot learn a single class"):
        SCPT(tower(), 1, 3, FULL)
    with pytest.raises(ValueError, match="kind vit or clip-image, got videomae"):
        SCPT(Tower(BackboneConfig("videomae", 32, 1, 2, 64, size=32, patch=16, pool="norm-mean")), 2)
    for bad, reported in (({"rank": 0}, "rank: expected 1 or more"), ({"dropout": 1.0}, "dropout"),
                      ({"fusion": "late"}, "prompts=none"), ({"adapter": "none", "read": "shared"}, "read: expected"),
                      ({"adapter": "single", "stream": "both"}, "stream: expected"),
                      ({"fusion": "rate", "prompts": "none"}, "adapter: expected none with fusion=rate"),
                      ({"reconstruct": 0.1}, "reconstruct: expected 0 unless form=bottleneck"),
                      ({"dimension": 17}, "dimension: expected at most 16"), ({"lora_alpha": 0.0}, "lora_alpha")):
        with pytest.raises(ValueError, match=reported):
            SCPTConfig(**bad)
    with pytest.raises(ValueError, match=r"Batch\.tfr"):
        replace(batch(), tfr=torch.zeros(6, 3, 32, 32))


@pytest.mark.parametrize(("form", "width"), [("digest", 16), ("kernel", 16)])
def test_shared_codes_alone_may_be_read(form, width):
    model = stir(build(replace(FORMS[form], read="shared"))).train()
    losses = model.loss(batch())
    assert reached(model, losses["cross_entropy"]) >= {"head", "shared"}
    shared, specific = model.eval().codes(batch())
    assert shared.shape == (6, PLAN.layers, width)
    assert specific.shape == (6, PLAN.layers, 16)
    assert not model.adapters[0].training


def test_the_linear_reading_and_the_rate_are_those_of_the_image():
    image = torch.zeros(2, 1, 32, 32)
    image[0, 0, 5], image[1, 0, 31, ::2] = 1.0, 0.5
    given = replace(batch(2), tfr=image)
    spectrum, rate = (build(replace(EVERY[name], **QUIET)).eval().infer(given).read
                      for name in ("linear reading of the spectrum", "rate alone"))
    assert torch.equal(spectrum, image[:, 0].mean(dim=2))
    torch.testing.assert_close(rate, torch.tensor([[2 * 5 / 31 - 1], [1.0]]))


def test_the_options_that_the_digest_names_are_the_defaults():
    options = SCPTConfig()
    assert (options.image, options.encoder, options.prompts, options.form) == ("cwt", "cnn", "mcp", "lora")
    assert options.svd != "none"
    assert min(options.sparse, options.orthogonal, options.specific) > 0
    assert options.adversarial == options.reconstruct == 0
    assert scpt.SCPTConfig().read == "stream"
