"""A step in parts and with checkpointing has the gradients of the whole batch, and the plan follows the memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mien import checkpoints
from mien.core.batch import Batch
from mien.recipes import RECIPES, tiny_recipe
from mien.training.memory import (
    WHOLE_BATCH,
    MemoryPlan,
    expect_parts,
    plan_memory,
    saved_bytes,
    set_checkpointing,
    split_batch,
)
from moved_weights import stir

ROWS = 6


def model_of(name: str):
    recipe = tiny_recipe(RECIPES[name])
    parts = checkpoints.load_towers(recipe)
    return stir(checkpoints.build_model(recipe, recipe.task, parts, 0, 3)).train()


def batch_of(model, rows: int = ROWS) -> Batch:
    generator, size = torch.Generator().manual_seed(0), model.needs.size
    given = Batch(frames=torch.randint(0, 256, (rows, 4, 3, size, size), dtype=torch.uint8, generator=generator),
                  target=torch.arange(rows) % 2, subject=torch.arange(rows) % 3)
    if model.needs.tfr:
        given = replace(given, tfr=torch.rand(rows, 1, size, size, generator=generator),
                        pulse_quality=torch.ones(rows))
    return given


def gradients(model, batch: Batch, plan: MemoryPlan) -> dict[str, Tensor]:
    set_checkpointing(model, plan.checkpointing)
    model.zero_grad()
    torch.manual_seed(7)
    for part, share in split_batch(batch, plan.part, lambda value: value):
        (share * torch.stack(list(model.loss(part).values())).sum()).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("plan", [MemoryPlan(checkpointing=True), MemoryPlan(2), MemoryPlan(4, True)])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_and_checkpointing_give_the_gradients_of_the_whole_batch(plan, weighted):
    model = model_of("duse/dfew")
    batch = batch_of(model)
    if weighted:
        batch = replace(batch, weight=torch.tensor([0.2, 3.0, 1.0, 0.5, 2.0, 1.0]))
    full, result = gradients(model, batch, WHOLE_BATCH), gradients(model, batch, plan)
    assert result.keys() == full.keys()
    largest = max(float(value.abs().max()) for value in full.values())
    assert max(float((result[name] - full[name]).abs().max()) for name in full) < 1e-6 * max(largest, 1)


def test_checkpointing_of_adapters_draws_the_same_dropout():
    model = model_of("scpt/deap-arousal")
    batch = batch_of(model)
    full, result = (gradients(model, batch, MemoryPlan(checkpointing=on)) for on in (False, True))
    assert max(float((result[name] - full[name]).abs().max()) for name in full) < 1e-6


def test_checkpointing_keeps_less_and_parts_keep_their_share():
    model = model_of("duse/dfew")
    kept = {}
    for on in (False, True):
        set_checkpointing(model, on)
        kept[on] = [saved_bytes(model, batch_of(model, rows)) for rows in (1, 2, 3)]
    assert kept[True][2] < kept[False][2]
    for sizes in kept.values():
        assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], rel=0.2)
        assert sizes[1] > sizes[0]


def test_the_plan_is_the_fastest_that_fits():
    model = model_of("duse/dfew")
    batch = batch_of(model, 2)
    set_checkpointing(model, False)
    needed = saved_bytes(model, batch_of(model, 16))
    assert plan_memory(model, batch, 16, 2 * needed) == WHOLE_BATCH
    set_checkpointing(model, True)
    less = saved_bytes(model, batch_of(model, 16))
    again = needed / 2  # one of the tiny tower's two blocks
    assert needed > 1.1 * (less + again)
    assert plan_memory(model, batch, 16, int(1.1 * (less + again) / 0.8)) == MemoryPlan(0, True)
    small = plan_memory(model, batch, 16, int(0.8 * (less + again) / 0.8))
    assert small.checkpointing
    assert small.part == 8
    with pytest.raises(ValueError, match="GiB of activations, the least that a step needs"):
        plan_memory(model, batch, 16, 1000)


def test_a_method_whose_losses_compare_rows_is_never_split():
    expect_parts("duse", MemoryPlan(4))
    expect_parts("scpt", MemoryPlan(0, True))
    with pytest.raises(ValueError, match="--micro-batch: expected 0 for scpt"):
        expect_parts("scpt", MemoryPlan(4))
    model = model_of("scpt/deap-arousal")
    set_checkpointing(model, True)
    sizes = [saved_bytes(model, batch_of(model, rows)) for rows in (1, 2)]
    with pytest.raises(ValueError, match=r"lower schedule\.batch"):
        plan_memory(model, batch_of(model, 2), 64, sizes[1] + 40 * (sizes[1] - sizes[0]))
