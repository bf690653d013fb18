"""The model, the optimiser and the memory plan of a training."""

from __future__ import annotations

from typing import Any

import torch

from mien import checkpoints
from mien.backbones.tower import Tower
from mien.datasets.labels import Targets
from mien.preprocessing.data_loader import TrialDataset
from mien.preprocessing.model_inputs import collate
from mien.recipes.recipe import Recipe, Schedule
from mien.training.memory import WHOLE_BATCH, MemoryPlan, plan_memory


def new_model(recipe: Recipe, train: Targets, parts: checkpoints.ClipEncoders | None, seed: int, about: dict[str, Any]
           ) -> tuple[Any, checkpoints.Card]:
    """A new model of the recipe, and its card; `about`: the description of the data."""
    people = {(trial.dataset, trial.subject) for trial in train.trials}
    model = checkpoints.build_model(recipe, recipe.task, parts, seed, len(people))
    return model, checkpoints.make_card(recipe, recipe.task, model, _hashes(parts), seed=seed, data=about)


def choose_memory(model: Any, clips: TrialDataset, device: torch.device, rows: int) -> MemoryPlan:
    """The plan for this process's rows of a batch on a GPU; elsewhere the whole batch at once."""
    if device.type != "cuda" or len(clips) < 2 or rows < 2:
        return WHOLE_BATCH
    batch = collate([clips[0, row] for row in range(2)]).to(device)
    return plan_memory(model.train(), batch, rows, torch.cuda.mem_get_info(device)[0])


def compile_towers(model: Any) -> None:
    """Compile the blocks of the towers."""
    for tower in model.children():
        if isinstance(tower, Tower):
            for block in tower.blocks:
                block.compile()


def make_optimiser(schedule: Schedule, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of the schedule for the parameters that learn."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[schedule.optimiser]
    return kind(parameters, schedule.rate, weight_decay=schedule.weight_decay)


def _hashes(parts: checkpoints.ClipEncoders | None) -> tuple[str, str]:
    """The hashes of the image and the text tower, "" for a missing tower."""
    if not parts:
        return "", ""
    if parts.text is None:
        return parts.image.hash, ""
    return parts.image.hash, parts.text.hash
