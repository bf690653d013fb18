"""MVP: what is masked cannot speak, what is missing is left out, and every part is as large as is said."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien.core.batch import Batch
from mien.models import mvp as mvp_package
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.encoders import EncoderLayer, modality_dropout, normalise_channels, time_embedding
from mien.models.mvp.fusion import joint_logits
from mien.models.mvp.model import MVP

SMALL = MVPConfig(signals=("ecg", "eda"), rate=16.0, seconds=20.0, features=5, width=16, layers=2, video_layers=1,
                fusion_layers=2, attention_heads=2, inner=32)
FUSIONS = ("cross", "swapped", "both", "concat", "late")
KINDS = [replace(SMALL, fusion=fusion) for fusion in FUSIONS]
KINDS += [replace(SMALL, modality="physio"), replace(SMALL, modality="video"), replace(SMALL, channels="separate"),
          replace(SMALL, heads="two"), replace(SMALL, video="tower")]


def named(options: MVPConfig) -> str:
    return f"{options.modality}-{options.fusion}-{options.channels}-{options.heads}-{options.video}"


def model(options: MVPConfig = SMALL, seed: int = 0) -> MVP:
    torch.manual_seed(seed)
    return MVP(options).eval()


def trial(seconds: float, seed: int, options: MVPConfig = SMALL) -> Batch:
    """One trial of random numbers, all of it known."""
    draw = torch.Generator().manual_seed(seed)
    samples, rows = round(seconds * options.rate), round(seconds / options.step)
    return Batch(signals=5 + 3 * torch.randn(1, len(options.signals), samples, generator=draw),
                 signals_mask=torch.ones(1, samples, dtype=torch.bool),
                 video=torch.rand(1, rows, options.features, generator=draw),
                 video_mask=torch.ones(1, rows, dtype=torch.bool), target=torch.tensor([seed % 2]))


def padded(trials: list[Batch], fill: float = 0.0) -> Batch:
    """Side by side, the shorter ones filled up with `fill` under a mask."""
    samples, rows = (max(getattr(item, name).shape[1] for item in trials) for name in ("signals_mask", "video_mask"))
    return Batch(
        signals=torch.cat([F.pad(item.signals, (0, samples - item.signals.shape[2]), value=fill) for item in trials]),
        signals_mask=torch.cat([F.pad(item.signals_mask, (0, samples - item.signals.shape[2])) for item in trials]),
        video=torch.cat([F.pad(item.video, (0, 0, 0, rows - item.video.shape[1]), value=fill) for item in trials]),
        video_mask=torch.cat([F.pad(item.video_mask, (0, rows - item.video.shape[1])) for item in trials]),
        target=torch.cat([item.target for item in trials]))


@pytest.mark.parametrize("options", KINDS, ids=named)
@torch.no_grad()
def test_a_batch_of_mixed_lengths_is_each_alone(options):
    mvp, trials = model(options), [trial(seconds, k, options) for k, seconds in enumerate((20.0, 11.3, 5.0))]
    alone = [mvp.infer(first) for first in trials]
    for fill in (0.0, 1e6, float("nan")):
        result = mvp.infer(padded(trials, fill))
        torch.testing.assert_close(result.logits, torch.cat([first.logits for first in alone]), atol=1e-5, rtol=0)
        torch.testing.assert_close(result.signals, torch.cat([first.signals for first in alone]))
        for name in ("face", "body"):
            weights = getattr(result, name)
            for k, first in enumerate(alone):
                mine = getattr(first, name)
                assert (mine is None) == (weights is None)
                if mine is not None:
                    torch.testing.assert_close(weights[k, ..., : mine.shape[-1]], mine[0], atol=1e-6, rtol=1e-5)
                    assert weights[k, ..., mine.shape[-1] :].abs().sum() == 0
    assert result.logits.shape == (3, 4 if options.heads == "two" else 2)


def gradient_reaches(mvp: MVP, batch: Batch, name: str) -> bool:
    value = getattr(batch, name).clone().requires_grad_()
    mvp(replace(batch, **{name: value})).sum().backward()
    return value.grad is not None and bool(value.grad.abs().sum() > 0)


@pytest.mark.parametrize("options", KINDS, ids=named)
def test_every_modality_that_is_asked_for_counts(options):
    batch = trial(10, 0, options)
    assert gradient_reaches(model(options), batch, "video") == (options.modality != "physio")
    assert gradient_reaches(model(options), batch, "signals") == (options.modality != "video")


@pytest.mark.parametrize("options", KINDS[:5], ids=named)
@torch.no_grad()
def test_a_missing_modality_is_masked_and_not_zeros(options):
    mvp, full = model(options), trial(10, 0, options)
    off = {"video": {"video_mask": torch.zeros_like(full.video_mask)},
           "signals": {"signals_mask": torch.zeros_like(full.signals_mask)}}
    for name, masked in off.items():
        without = mvp.infer(replace(full, **{name: None, f"{name}_mask": None}))
        torch.testing.assert_close(mvp.infer(replace(full, **masked)).logits, without.logits, atol=1e-6, rtol=0)
        zeros = mvp.infer(replace(full, **{name: torch.zeros_like(getattr(full, name))}))
        assert not torch.allclose(zeros.logits, without.logits, atol=1e-4)
        assert not torch.allclose(mvp.infer(full).logits, without.logits, atol=1e-4)
        used = {"video": float(without.video), "signals": float(without.signals.sum())}
        assert used.pop(name) == 0
        assert min(used.values()) == 10.0 * (1 if name == "signals" else 2)


@torch.no_grad()
def test_late_fusion_with_one_modality_is_that_one_alone():
    mvp, full = model(replace(SMALL, fusion="late")), trial(10, 0)
    body, face = (mvp(replace(full, **{name: None, f"{name}_mask": None})) for name in ("video", "signals"))
    torch.testing.assert_close(mvp(full), (body + face) / 2)


@torch.no_grad()
def test_a_bad_stretch_of_one_channel_leaves_the_other():
    mvp, full = model(), trial(10, 0)
    signals = full.signals.clone()
    signals[0, 0, 50:60] = float("nan")  # patches of 8 samples: 6 and 7 are touched
    result = mvp.infer(replace(full, signals=signals))
    assert result.signals.tolist() == [[9.0, 10.0]]
    assert torch.isfinite(result.logits).all()
    signals[0, :, 50:60] = float("nan")
    mask = full.signals_mask.clone()
    mask[0, 50:60] = False
    reported, hidden = mvp.infer(replace(full, signals=signals)), mvp.infer(replace(full, signals_mask=mask))
    torch.testing.assert_close(reported.logits, hidden.logits)
    assert reported.body is None
    assert mvp.infer(replace(full, video=full.video.index_fill(2, torch.tensor([1]), float("nan")))).video == 10.0


@torch.no_grad()
def test_mvp_marks_trials_without_any_input():
    batch = padded([trial(10, 0), trial(5, 1)])
    mask = batch.signals_mask.clone()
    mask[0] = False
    result = model().infer(replace(batch, signals_mask=mask, video=None, video_mask=None))
    assert result.nothing.tolist() == [True, False]
    assert torch.isfinite(result.logits).all()
    short = replace(trial(10, 0), signals=torch.zeros(1, 2, 7), signals_mask=None, video=None, video_mask=None)
    assert bool(model().infer(short).nothing)  # less than a patch


def test_trials_of_which_nothing_is_known_teach_nothing():
    mvp, batch = model(), padded([trial(10, 0), trial(10, 1)])
    hidden = {name: getattr(batch, name).clone() for name in ("signals_mask", "video_mask")}
    for mask in hidden.values():
        mask[1] = False
    torch.testing.assert_close(mvp.loss(replace(batch, **hidden))["cross_entropy"],
                               mvp.loss(trial(10, 0))["cross_entropy"], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="got none in 1: leave these trials out"):
        mvp.loss(replace(trial(10, 0), signals_mask=torch.zeros(1, 160, dtype=torch.bool), video=None, video_mask=None))


@torch.no_grad()
def test_attention_is_a_share_of_the_time_and_finds_what_is_asked_for():
    for options in KINDS[:4]:
        result = model(options).infer(trial(10, 0))
        rows = {"face": 50, "body": 20}
        total = 0.0
        for name, count in rows.items():
            weights = getattr(result, name)
            looked = {"cross": ("face",), "swapped": ("body",)}.get(options.fusion, ("face", "body"))
            assert (weights is not None) == (name in looked)
            if weights is not None:
                assert weights.shape[-1] == count
                assert (weights >= 0).all()
                total += float(weights.sum())
        assert 0.5 < total < (2 if options.fusion == "both" else 1)
    assert model(replace(SMALL, channels="separate", fusion="both")).infer(trial(10, 0)).body.shape == (1, 2, 20)
    assert model().infer(trial(10, 0), attention=False).face is None


@torch.no_grad()
def test_attention_is_the_one_that_the_answer_came_from():
    """The table of weights times the values is what fused attention gave."""
    torch.manual_seed(0)
    layer = EncoderLayer(SMALL, cross=True).eval()
    x, keys, stored = torch.randn(2, 6, 16), torch.randn(2, 9, 16), torch.rand(2, 9) > 0.3
    asks = torch.zeros(2, 6, dtype=torch.bool)
    asks[:, 2] = True
    weights = layer.received_attention(x, asks, stored, keys)
    q, k, v = layer._parts(x, keys)
    mixed = F.scaled_dot_product_attention(q, k, torch.eye(9).expand(2, 2, 9, 9), attn_mask=stored[:, None, None])
    torch.testing.assert_close(weights, mixed.mean(dim=1)[:, 2])
    assert v.shape == (2, 2, 9, 8)


def layer_size(width: int, inner: int, cross: bool) -> int:
    norms = 2 * width * (3 if cross else 2)
    return norms + 4 * (width * width + width) + 2 * width * inner + inner + width


def stream_size(channels: int, samples: int, width: int, layers: int, inner: int) -> int:
    return channels * samples * width + width + channels * width + width + layers * layer_size(width, inner, False)


def head_size(width: int, classes: int) -> int:
    return 2 * width + width * classes + classes


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, stream_size(3, 64, 256, 4, 1024) + stream_size(18, 1, 256, 2, 1024) + 2 * layer_size(256, 1024, True)
      + head_size(256, 2)),
     ({"channels": "separate"}, 3 * stream_size(1, 64, 256, 4, 1024) + stream_size(18, 1, 256, 2, 1024)
      + 2 * layer_size(256, 1024, True) + head_size(256, 2)),
     ({"fusion": "both"}, stream_size(3, 64, 256, 4, 1024) + stream_size(18, 1, 256, 2, 1024)
      + 4 * layer_size(256, 1024, True) + head_size(512, 2)),
     ({"fusion": "concat"}, stream_size(3, 64, 256, 4, 1024) + stream_size(18, 1, 256, 2, 1024)
      + 2 * layer_size(256, 1024, False) + head_size(256, 2)),
     ({"fusion": "late"}, stream_size(3, 64, 256, 4, 1024) + stream_size(18, 1, 256, 2, 1024) + 2 * head_size(256, 2)),
     ({"modality": "physio"}, stream_size(3, 64, 256, 4, 1024) + head_size(256, 2)),
     ({"modality": "video", "heads": "two"}, stream_size(18, 1, 256, 2, 1024) + head_size(256, 4))],
)  # fmt: skip
def test_as_many_parameters_as_the_parts_have(change, expected):
    mvp = MVP(MVPConfig(**change))
    assert sum(value.numel() for value in mvp.parameters()) == expected
    if not change:
        assert expected == 6_380_290  # docs/methods.md


def test_every_parameter_learns():
    for options in KINDS:
        mvp = model(options)
        signals = padded([trial(10, k, options) for k in (0, 1)]).signals.clone()
        signals[0, 0, :80] = signals[1, 1, :80] = float("nan")
        batch = replace(padded([trial(10, k, options) for k in (0, 1)]), signals=signals)
        batch = replace(batch, video=batch.video.index_fill(1, torch.tensor([3]), float("nan")))
        batch.video[:, 0, :] = float("nan")
        batch.video[:, 1, 0] = float("nan")
        mvp.loss(batch)["cross_entropy"].backward()
        still = [name for name, value in mvp.named_parameters() if value.grad is None or not value.grad.abs().sum()]
        assert [name for name in still if not name.endswith("missing")] == []


def test_two_heads_are_the_sum_of_two_losses():
    values, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 3, 0])
    both = F.cross_entropy(values[:, :2], target // 2) + F.cross_entropy(values[:, 2:], target % 2)
    torch.testing.assert_close(F.cross_entropy(joint_logits(values), target), both)


def test_a_channel_has_mean_0_and_deviation_1_over_what_is_known():
    rng = np.random.default_rng(0)
    values = np.stack([5e6 + 1e3 * rng.standard_normal(500), 1e-5 * rng.standard_normal(500), np.full(500, 3.3)])
    known = np.ones((3, 500), dtype=bool)
    known[:, 400:] = False
    values[:, 400:] = np.nan
    result = normalise_channels(torch.from_numpy(values[None].astype(np.float32)), torch.from_numpy(known[None]))[
        0
    ].numpy()
    single = values.astype(np.float32).astype(np.float64)[:2, :400]
    reference = (single - single.mean(axis=1, keepdims=True)) / single.std(axis=1, keepdims=True)
    np.testing.assert_allclose(result[:2, :400], reference, atol=2e-3)
    assert np.abs(result[2]).max() < 1
    assert (result[:, 400:] == 0).all()


def test_the_clock_is_the_same_for_both_modalities():
    """At 0.5 s a row of the signals, at 0.1 s five rows of the video: the middle one is at the same time."""
    slow, fast = time_embedding(10, 0.5, 16), time_embedding(50, 0.1, 16)
    torch.testing.assert_close(fast[2::5], slow)
    expected = [np.sin(3.5), np.cos(3.5), np.sin(3.5 / 10000 ** (2 / 16)), np.cos(3.5 / 10000 ** (2 / 16))]
    np.testing.assert_allclose(slow[3, :4].numpy(), expected, rtol=1e-5)


def test_forgetting_hides_at_random_and_never_everything():
    received, seen = torch.ones(4000, 2, 40, dtype=torch.bool), torch.ones(4000, 3, 20, dtype=torch.bool)
    torch.manual_seed(0)
    some, others = modality_dropout(received, seen, 0.2)
    gone, blind = ~some.any(dim=2), ~others.flatten(1).any(dim=1)
    nothing = 0.2 * (0.2 + 0.8 * 0.2**2)  # the video, and all signals or both channels: then all is kept
    assert float(gone.float().mean()) == pytest.approx(1 - 0.8**2 - nothing, abs=0.02)
    assert float(blind.float().mean()) == pytest.approx(0.2 - nothing, abs=0.02)
    assert not (gone.all(dim=1) & blind).any()
    assert 0.0 < float((some.any(dim=2) & ~some.all(dim=2)).float().mean()) < 0.2  # stretches
    assert (others == others[:, :1]).all()
    lone = torch.zeros_like(received)
    assert modality_dropout(lone, seen, 0.9)[1].flatten(1).any(dim=1).all()
    for before, after in zip((received, seen), modality_dropout(received, seen, 0.0), strict=True):
        assert torch.equal(before, after)


def test_only_in_training_it_forgets_and_hears_noise():
    for change in ({"forget": 0.5}, {"noise": 0.1}):
        mvp = model(replace(SMALL, **{"dropout": 0.0, "head_dropout": 0.0, "forget": 0.0, "noise": 0.0, **change}))
        batch = padded([trial(10, k) for k in (0, 1)])
        assert torch.equal(mvp(batch), mvp(batch))
        mvp.train()
        torch.manual_seed(0)
        assert not torch.equal(mvp(batch), mvp(batch))


def test_it_asks_for_what_it_looks_at():
    needs = MVP(SMALL).needs
    assert (needs.signals, needs.rate, needs.aus, needs.clips, needs.seconds) == (("ecg", "eda"), 16.0, 5.0, None, 20.0)
    assert MVP(replace(SMALL, modality="video")).needs.signals is None
    assert MVP(replace(SMALL, modality="physio")).needs.aus is None
    assert MVP(replace(SMALL, video="here")).needs.clips == "here"


def test_mvp_refuses_inputs_of_another_shape():
    mvp, full = model(), trial(10, 0)
    with pytest.raises(ValueError, match="expected 2 channels of signals, got 3"):
        mvp(replace(full, signals=torch.zeros(1, 3, 160)))
    with pytest.raises(ValueError, match="expected 5 features of video, got 4"):
        mvp(replace(full, video=torch.zeros(1, 50, 4)))
    with pytest.raises(ValueError, match="expected signals or video in the batch, got none"):
        mvp(Batch(trial=("a",)))
    with pytest.raises(ValueError, match="expected signals in the batch, got none"):
        model(replace(SMALL, modality="physio"))(replace(full, signals=None, signals_mask=None))
    with pytest.raises(ValueError, match=r"expected a target \(B,\), got none"):
        mvp.loss(replace(full, target=None))


@pytest.mark.parametrize(
    ("change", "reported"),
    [({"signals": ()}, "one or more different channels"), ({"signals": ("ecg", "ecg")}, "different channels"),
     ({"rate": 0.0}, "more than 0 Hz"), ({"seconds": 0.1}, "a patch or more"), ({"patch": 0.001}, "a sample or more"),
     ({"attention_heads": 3}, "a divisor of the width"), ({"forget": 1.0}, "less than 1"),
     ({"features": 0}, "1 or more"), ({"fusion_layers": 0}, "1 or more")],
)  # fmt: skip
def test_options_check_themselves(change, reported):
    with pytest.raises(ValueError, match=reported):
        replace(SMALL, **change)


def test_the_documentation_names_the_function_that_holds_the_equation():
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
    module, name = re.search(r"^\| attention \|.*`mvp/(\w+)\.py`, `([\w.]+)` \|$", page, re.MULTILINE).groups()
    result = attrgetter(name)(import_module(f"{mvp_package.__name__}.{module}"))
    assert re.search(r"#.*\(1\)", inspect.getsource(result)), f"expected the comment (1) in {name}, got none"


def test_attention_takes_the_fused_way():
    """No T x T table: with the mask as it is passed, torch's fused kernel runs and the plain one is not needed."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    mvp, batch = model(), padded([trial(20, 0), trial(7, 1)])
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        mvp.loss(batch)["cross_entropy"].backward()
