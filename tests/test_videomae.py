"""VideoMAE: the loss is transformers', the hidden is hidden, and no feature of one fold is read in another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from mien.backbones.config import VIDEOMAE_B, BackboneConfig
from mien.backbones.load import load
from mien.backbones.tower import Tower, normalise_pixels
from mien.core.batch import Batch
from mien.core.trials import Trial
from mien.datasets.splits.clips import dfew
from mien.datasets.splits.subjects import kfold
from mien.models.videomae import (
    MaskedVideoMAE,
    VideoMAEClassifier,
    clip_features,
    pixel_targets,
    pretrain_step,
    random_tubes,
)
from mien.preprocessing.clip_feature_cache import ClipFeatureCache, training_trials

PLAN = BackboneConfig("videomae", 24, 2, 2, 48, eps=1e-12, size=32, patch=8, frames=4, pool="norm-mean")


def clips(count: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, PLAN.frames, 3, PLAN.size, PLAN.size), generator=draw, dtype=torch.uint8)


def tower(seed: int = 0) -> Tower:
    torch.manual_seed(seed)
    return Tower(PLAN)


def masked(**options) -> MaskedVideoMAE:
    return MaskedVideoMAE(tower(), **{"share": 0.75, "width": 16, "layers": 1, "heads": 2, **options})


def copy_decoder(model: MaskedVideoMAE, theirs: transformers.VideoMAEForPreTraining) -> None:
    """The decoder of transformers, put together by hand."""
    result = theirs.state_dict()
    ours = {"enter.weight": result["encoder_to_decoder.weight"], "mask": result["mask_token"].flatten()}
    for end in ("weight", "bias"):
        ours |= {f"norm.{end}": result[f"decoder.norm.{end}"], f"paint.{end}": result[f"decoder.head.{end}"]}
    for k in range(len(model.blocks)):
        layer = f"decoder.decoder_layers.{k}."
        q, key, v = (result[f"{layer}attention.attention.{name}.weight"] for name in ("query", "key", "value"))
        bias = result[f"{layer}attention.attention.query.bias"], result[f"{layer}attention.attention.value.bias"]
        ours[f"blocks.{k}.attend.qkv.weight"] = torch.cat([q, key, v])
        ours[f"blocks.{k}.attend.qkv.bias"] = torch.cat([bias[0], torch.zeros_like(bias[0]), bias[1]])
        for end in ("weight", "bias"):
            for name, other in (("attend.norm", "layernorm_before"), ("attend.out", "attention.output.dense"),
                                ("mlp.norm", "layernorm_after"), ("mlp.up", "intermediate.dense"),
                                ("mlp.down", "output.dense")):
                ours[f"blocks.{k}.{name}.{end}"] = result[f"{layer}{other}.{end}"]
    left = model.load_state_dict(ours, strict=False)
    assert left.unexpected_keys == []
    assert all(name.startswith("tower.") for name in left.missing_keys)


def test_loss_and_painting_equal_transformers(tmp_path):
    config = transformers.VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, tubelet_size=2, hidden_size=64, num_hidden_layers=2,
        num_attention_heads=1, intermediate_size=96, decoder_hidden_size=32, decoder_num_hidden_layers=2,
        decoder_num_attention_heads=2, decoder_intermediate_size=128, use_mean_pooling=False, norm_pix_loss=True)
    torch.manual_seed(0)
    theirs = transformers.VideoMAEForPreTraining(config).eval()
    with torch.no_grad():
        for value in theirs.parameters():
            value.add_(0.05 * torch.randn_like(value))
    theirs.save_pretrained(tmp_path)
    ours = MaskedVideoMAE(load(tmp_path, "videomae"), share=0.75, width=32, layers=2, heads=2).eval()
    copy_decoder(ours, theirs)
    frames, plan = clips(3), ours.tower.plan
    torch.manual_seed(1)
    hidden = random_tubes(plan, 3, 0.75)
    torch.manual_seed(1)
    with torch.no_grad():
        reported = theirs(normalise_pixels(frames, plan), bool_masked_pos=hidden)
        torch.testing.assert_close(ours(frames, hidden), reported.logits, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(ours.loss(Batch(frames=frames))["pixels"], reported.loss, atol=1e-5, rtol=1e-5)


def test_tubes_hide_nine_tenths_of_a_frame_in_all_frames():
    torch.manual_seed(0)
    hidden = random_tubes(VIDEOMAE_B, 500, 0.9)
    assert hidden.shape == (500, 1568)
    assert (hidden.sum(dim=1) == 8 * 176).all()  # 176 of 196, as VideoMAE rounds
    frames = hidden.unflatten(1, (8, 196))
    assert (frames == frames[:, :1]).all()
    assert 0.8 < float(frames[:, 0].float().mean(dim=0).min()) < float(frames[:, 0].float().mean(dim=0).max()) < 0.98


def test_targets_are_the_pixels_of_a_place_standardised():
    frames = clips(1)
    result = pixel_targets(frames, PLAN).unflatten(2, (2, 8, 8, 3))
    pictures = frames[0].numpy().astype(np.float64) / 255
    for place, (time, row, column) in {0: (0, 0, 0), 6: (0, 1, 2), 16 + 11: (1, 2, 3)}.items():
        cube = pictures[2 * time : 2 * time + 2, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        for colour in range(3):
            expected = (cube[:, colour] - cube[:, colour].mean()) / (cube[:, colour].std(ddof=1) + 1e-6)
            np.testing.assert_allclose(result[0, place, ..., colour].numpy(), expected, atol=1e-5)


def test_masked_patches_do_not_reach_the_encoder():
    model, frames = masked().eval(), clips(2)
    hidden = random_tubes(PLAN, 2, 0.75)
    other = clips(2, seed=1)
    places = hidden.unflatten(1, (2, 4, 4))[:, :1].repeat_interleave(4, dim=1)  # frames
    cover = places.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)[:, :, None]
    with torch.no_grad():
        first, second = model(frames, hidden), model(torch.where(cover, other, frames), hidden)
        third = model(torch.where(cover, frames, other), hidden)
    assert torch.equal(first, second)
    assert not torch.allclose(first, third, atol=1e-3)
    assert first.shape == (2, 2 * 12, 3 * 2 * 64)


def test_every_part_of_pretraining_learns():
    model = masked()
    model.loss(Batch(frames=clips(2)))["pixels"].backward()
    still = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    assert still == []


def moving(count: int, seed: int) -> Batch:
    """A bright bar that moves to the right or to the left; the label says where to."""
    rng = np.random.default_rng(seed)
    target = np.arange(count) % 2
    frames = rng.integers(0, 40, (count, 4, 3, 32, 32))
    for k in range(count):
        start = rng.integers(0, 32)
        for time in range(4):
            frames[k, time, :, :, (start + (time if target[k] else -time) * 4 + np.arange(6)) % 32] += 180
    return Batch(frames=torch.from_numpy(frames.astype(np.uint8)), target=torch.from_numpy(target))


def test_reconstruction_gets_better_and_labels_are_learnt():
    model = masked()
    batches = (moving(16, seed) for seed in range(1000))
    torch.manual_seed(0)
    losses = pretrain_step(model, batches, 50, 3e-3)
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    judging = VideoMAEClassifier(model.tower)
    pretrain_step(judging, batches, 90, 3e-3, beta=0.999)
    test = moving(64, 5000)
    with torch.no_grad():
        assert float((judging(test).argmax(dim=1) == test.target).float().mean()) > 0.9


def test_features_are_the_plain_walk_of_the_tower():
    single, frames = tower().eval(), clips(3)
    with torch.no_grad():
        torch.testing.assert_close(clip_features(single, frames), single(normalise_pixels(frames, PLAN)))
    assert clip_features(single, []).shape == (0, 24)


def trials(subjects: int = 10) -> list[Trial]:
    return [Trial(f"s{k:02d}/{n}", "deap", subject=f"s{k:02d}") for k in range(1, subjects + 1) for n in range(2)]


def test_features_are_kept_by_content_and_fold(tmp_path):
    single, (first, second, *_) = tower(), kfold(trials())
    calls = []

    def cut():
        calls.append(1)
        return clips(2)

    here = ClipFeatureCache(tmp_path, single, first)
    result = here(first.train[0], "abc", cut)
    np.testing.assert_array_equal(here(first.train[0], "abc", cut), result)
    np.testing.assert_array_equal(ClipFeatureCache(tmp_path, single, first)(first.train[0], "abc", cut), result)
    assert len(calls) == 1
    for other in (ClipFeatureCache(tmp_path, single, second), ClipFeatureCache(tmp_path, tower(1), first)):
        other(first.train[0], "abc", cut)
    here(first.train[1], "abc", cut)
    here(first.train[0], "abd", cut)
    assert len(calls) == len(list(tmp_path.glob("*.npy"))) == 5


def test_training_trials_exclude_validation_and_test_people(tmp_path):
    first, second, *_ = kfold(trials())
    chosen, learnt = training_trials(first)
    judged = {trial.subject for trial in (*first.val, *first.test)}
    assert {trial.subject for trial in chosen} & judged == set()
    assert {name for _, name in learnt.people} & judged == set()
    for side in (first.test, first.val):
        with pytest.raises(ValueError, match="expected training trials only"):
            training_trials(first, (*first.train, side[0]))
    with pytest.raises(ValueError, match="expected training trials only, got none"):
        training_trials(first, ())
    ClipFeatureCache(tmp_path, tower(), first, learnt)
    with pytest.raises(ValueError, match=r"which saw \d+ of its validation or test subjects"):
        ClipFeatureCache(tmp_path, tower(), second, learnt)
    with pytest.raises(ValueError, match="one of another fold: start from published weights"):
        ClipFeatureCache(tmp_path, tower(), second, replace(learnt, people=frozenset()))
    films = dfew([Trial(f"{k:03d}", "dfew", side=str(1 + k % 5)) for k in range(50)], block=2)
    with pytest.raises(ValueError, match="expected a fold that keeps subjects apart"):
        training_trials(films[0])


def test_videomae_refuses_bad_options_and_inputs():
    with pytest.raises(ValueError, match="expected 1 or more of 16 places hidden, 1 or more visible, got 0"):
        masked(share=0.01)
    with pytest.raises(ValueError, match="kind videomae, got vit"):
        VideoMAEClassifier(Tower(BackboneConfig("vit", 24, 1, 2, 48, size=32, patch=8)))
    for model in (masked(), VideoMAEClassifier(tower())):
        with pytest.raises(ValueError, match=r"expected frames \(B, T, 3, S, S\)"):
            model.loss(Batch(trial=("a",), target=torch.zeros(1, dtype=torch.long)))
    with pytest.raises(ValueError, match=r"expected a target \(B,\), got none"):
        VideoMAEClassifier(tower()).loss(Batch(frames=clips(1)))
    with pytest.raises(ValueError, match="expected batches for 3 steps, got 1"):
        pretrain_step(masked(), [moving(2, 0)], 3, 1e-3)
    broken = masked()
    broken.mask.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="expected a finite loss, got nan"):
        pretrain_step(broken, [moving(2, 0)], 1, 1e-3)
