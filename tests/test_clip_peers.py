"""The peers of DuSE: each against its equations, and what must hold for all."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.backbones.tower import Tower, normalise_pixels
from mien.checkpoints.factory import build_model, load_towers
from mien.core.batch import Batch
from mien.core.tasks import EXPRESSION
from mien.models.clip_peers import ClipPeer, ClipPeerConfig
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE
from mien.recipes import CLIP_PEERS, RECIPES, tiny_recipe
from mien.recipes.ablations import ABLATIONS
from moved_weights import stir
from test_duse import IMAGE, TEXT, TOKENS, batch

KINDS = (*CLIP_PEERS, "duse")


def towers() -> tuple[Tower, Tower]:
    torch.manual_seed(0)
    pair = Tower(IMAGE), Tower(TEXT)
    for tower in pair:
        for value in tower.parameters():
            value.data.add_(0.1 * torch.randn(value.shape))
    return pair


def build(kind: str, **options: int) -> ClipPeer:
    torch.manual_seed(1)
    model = ClipPeer(*towers(), TOKENS, ClipPeerConfig(kind, depth=2, **options))
    stir(model)
    return model


def test_the_probe_is_a_linear_map_of_the_mean_feature_and_reads_no_text():
    model, given = build("probe"), batch()
    image = towers()[0]
    with torch.inference_mode():
        x = normalise_pixels(given.frames.flatten(0, 1), image.plan)
        feature = F.normalize(image(x).unflatten(0, (3, 5)).mean(1), dim=-1) * 4  # sqrt of 16
        torch.testing.assert_close(model(given), feature @ model.probe.weight.T + model.probe.bias)
    with pytest.raises(ValueError, match="whose classes are those of its training"):
        model.restore(model.export_state(), EXPRESSION)


def test_coop_is_duse_without_its_modules():
    model = build("coop", prompts=5)
    torch.manual_seed(1)
    same = DuSE(*towers(), TOKENS, DuSEConfig(prompts=5, htpc=False, lsea=False))
    stir(same)
    torch.testing.assert_close(model(batch()), same(batch()))


def _maple_image(model: ClipPeer, image: Tower, frames: Tensor) -> Tensor:
    """MaPLe's image tower, written out: new prompts in layers 1 and 2, those of layer 2 go on through the others."""
    tokens = image.embed(normalise_pixels(frames.flatten(0, 1), image.plan))
    length = tokens.shape[1]
    for number, block in enumerate(image.blocks):
        if number < 2:
            couple = model.htpc.couplings[number]
            prompt = model.htpc.text[number] @ couple.weight.T + couple.bias
            if number == 0:
                prompt = image.embed.pre(prompt)
            tokens = torch.cat([tokens[:, :length], prompt.expand(len(tokens), -1, -1)], dim=1)
        tokens = block(tokens)
    return image.finish(tokens[:, :length])


def test_maple_couples_each_layer_by_a_map_of_its_own():
    model, given = build("maple"), batch()
    with torch.inference_mode():
        expected = _maple_image(model, towers()[0], given.frames).unflatten(0, (3, 5))
        torch.testing.assert_close(model.frame_features(given.frames), expected, rtol=1e-4, atol=1e-5)
    assert model.frames_independent


def test_only_the_transformer_over_frames_sees_their_order():
    given = batch()
    turned = Batch(frames=given.frames.flip(1), target=given.target)
    with torch.inference_mode():
        for kind in ("probe", "coop", "maple", "dfer-clip"):
            model = build(kind)
            same = torch.allclose(model(given), model(turned), rtol=1e-4, atol=1e-4)
            assert same == (kind != "dfer-clip"), kind


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_changes_all_that_is_trained_and_nothing_else(kind):
    model, given = build(kind), batch()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    learned = [value for value in model.parameters() if value.requires_grad]
    model.loss(given)["cross_entropy"].backward()
    torch.optim.SGD(learned, 0.1).step()
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {name for name, value in model.named_parameters() if value.requires_grad}
    assert not any(name.startswith(("image.", "text.")) for name in changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_equals_its_rows_and_a_checkpoint_and_the_exported_graph_predict_the_same(kind):
    model, given = build(kind).eval(), batch()
    other = ClipPeer(*towers(), TOKENS, ClipPeerConfig(kind, depth=2)).eval()
    other.restore(model.export_state())
    with torch.inference_mode():
        full = model(given)
        rows = torch.cat([model(Batch(frames=given.frames[k : k + 1])) for k in range(3)])
        torch.testing.assert_close(full, rows, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(other(given), full)
        torch.testing.assert_close(other.export_graph()(given.frames[:1])[0], full[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("clip/")])
def test_every_recipe_has_a_tiny_model(name):
    recipe = tiny_recipe(RECIPES[name])
    model = build_model(recipe, recipe.task, load_towers(recipe))
    frames = torch.zeros(2, 4, 3, 32, 32, dtype=torch.uint8)
    assert model(Batch(frames=frames)).shape == (2, 7)


def test_the_table_of_peers_has_every_peer_and_duse():
    kinds = [row.settings["options.kind"] for row in ABLATIONS["clip/peers"].rows]
    assert tuple(kinds) == KINDS


@pytest.mark.parametrize(("options", "expected"), [
    ({"kind": "x"}, "expected one of probe"), ({"kind": "probe", "prompts": 2}, "which has no prompts"),
    ({"depth": 0}, "1 or more")])
def test_wrong_settings_are_refused(options, expected):
    with pytest.raises(ValueError, match=expected):
        ClipPeerConfig(**options)
