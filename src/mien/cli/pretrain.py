"""`mien train clip/synthetic`: pretrain a small CLIP on pictures of synthetic people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.console import exit_on_error, print_line, progress_bar, run_folder, settings
from mien.core.plain_text import listed_after

if TYPE_CHECKING:
    from mien.recipes.clip import Pretraining
    from mien.training.pretrain_clip import Pretrained


def pretrain(name: str, root: Path | None, out: str, device: str, seed: int, workers: int, tiny: bool,
             changes: Sequence[str], quiet: bool, debug: bool) -> None:
    """Run `mien train` for a recipe that needs no dataset. The parameters are the options of `mien train`."""
    with exit_on_error(debug, "nothing is kept; the same command starts again from the beginning"):
        recipe = _recipe(name, tiny, changes)
        if root is not None:
            raise ValueError(f"--data: expected none for {name}, which draws its people, got {root}: remove --data")
        from mien import training
        from mien.core.folder_lock import folder_lock

        folder = run_folder(out, name, tiny=tiny, tail=f"-seed{seed}")
        alone = folder_lock(folder, "training", sibling=True, log=print_line)
        with alone, progress_bar(f"training {name}", 1, quiet) as (progress, _):
            result = training.pretrain(recipe, folder, seed=seed, device=device, workers=max(workers, 1),
                                       progress=progress)
    if not quiet:
        print(_sum(recipe, result))


def _recipe(name: str, tiny: bool, changes: Sequence[str]) -> Pretraining:
    from mien import recipes
    from mien.recipes import clip

    if name not in recipes.PRETRAINING:
        raise ValueError(f"recipe: expected {', '.join(recipes.PRETRAINING)}, got {name!r}")
    recipe = recipes.PRETRAINING[name]
    if tiny:
        recipe = clip.tiny_pretraining(recipe)
    return recipes.override(recipe, settings(changes))


def _sum(recipe: Pretraining, result: Pretrained) -> str:
    auc = result.auc
    ordered = sorted(auc, key=auc.__getitem__)
    lines = [f"{recipe.name}, {recipe.steps} steps on {recipe.people * recipe.pictures} pictures of {recipe.people} "
             f"people{listed_after(', ', recipe.doubt)}"]
    if len(ordered) > 1:
        mean, worst, best = sum(auc.values()) / len(ordered), ordered[0], ordered[-1]
        lines.append(f"  held-out people: mean area under the ROC curve {mean:.2f} over {len(ordered)} phrases, "
                     f"from {auc[worst]:.2f} ({worst}) to {auc[best]:.2f} ({best})")
    place = result.folder
    lines.append(f"see {place}; use it: --set tower={place}, or mien analyze --model clip:{place}")
    return "\n".join(lines)
