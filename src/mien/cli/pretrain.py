"""`mien train clip/synthetic`: a small CLIP that learns from people who are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.telling import bar, one_line, settings

if TYPE_CHECKING:
    from mien.recipes import Pretraining
    from mien.train import Pretrained


def pretrain(name: str, root: Path | None, out: str, device: str, seed: int, workers: int, tiny: bool,
             changes: Sequence[str], quiet: bool, debug: bool) -> None:
    """As `mien train`, for recipes that need no dataset."""
    with one_line(debug, "nothing is kept; the same command begins anew"):
        recipe = _recipe(name, tiny, changes)
        if root is not None:
            raise ValueError(f"--data: expected none for {name}, which draws its people, got {root}: leave it out")
        from mien import train

        place = out or f"runs/{name.replace('/', '-')}{'-tiny' * tiny}-seed{seed}"
        with bar(f"training {name}", 1, quiet) as (tick, _):
            found = train.pretrain(recipe, place, seed=seed, device=device, workers=max(workers, 1), tick=tick)
    if not quiet:
        print(_sum(recipe, found))


def _recipe(name: str, tiny: bool, changes: Sequence[str]) -> Pretraining:
    from mien import recipes
    from mien.recipes import clip

    if name not in recipes.PRETRAINING:
        raise ValueError(f"recipe: expected {', '.join(recipes.PRETRAINING)}, got {name!r}")
    found = recipes.PRETRAINING[name]
    return recipes.change(clip.small(found) if tiny else found, settings(changes))


def _sum(recipe: Pretraining, found: Pretrained) -> str:
    ordered = sorted(found.auc, key=found.auc.__getitem__)
    tail = ", tiny: it knows nothing" if recipe.tiny else ""
    lines = [f"{recipe.name}, {recipe.steps} steps on {recipe.people * recipe.pictures} pictures of {recipe.people} "
             f"people{tail}"]
    if len(ordered) > 1:
        mean, (worst, *_, best) = sum(found.auc.values()) / len(ordered), ordered
        lines.append(f"  people not learnt from: area under the curve {mean:.2f} over {len(ordered)} phrases, "
                     f"from {found.auc[worst]:.2f} ({worst}) to {found.auc[best]:.2f} ({best})")
    lines.append(f"see {found.folder}; use it: --set tower={found.folder}, or mien analyze --model clip:{found.folder}")
    return "\n".join(lines)
