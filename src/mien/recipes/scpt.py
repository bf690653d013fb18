"""Recipes of SCPT on MAHNOB-HCI and DEAP, which arXiv 2605.05694 names; docs/methods.md has the reasons."""

from __future__ import annotations

from mien.models import scpt
from mien.recipes.recipe import AugmentOptions, Recipe, Schedule

_VIT = "google/vit-base-patch16-224-in21k"
"""Our choice: a freely available ViT-B/16. A tower pre-trained on faces (on AffectNet, as S2D's) should work better:
`--set tower=FOLDER`."""

_AUGMENT = AugmentOptions(area=(0.8, 1.0), ratio=(1.0, 1.0), rotation=0.0, brightness=0.0, contrast=0.0,
                          saturation=0.0, hue=0.0)
"""No mixing of pictures and no change of colour, since both would change the identity of the face."""

_SCHEDULE = Schedule(
    epochs=30, batch=16, people=4, rate=1e-4,  # between S2D (1e-5 x batch / 8, 100 epochs) and ViPT (4e-4, 60 epochs)
    optimiser="adamw", weight_decay=0.05, curve="cosine", warmup=2,  # S2D
    clip=1.0)  # MISA, SSM

SCPT: dict[str, Recipe] = {
    f"scpt/{dataset}-{label}": Recipe(
        f"scpt/{dataset}-{label}", "scpt", dataset, "loso", _VIT, seconds=scpt.SECONDS, rule=f"scpt/{label}",
        options=scpt.SCPTConfig(), augment=_AUGMENT, schedule=_SCHEDULE,
        licence=f"research only: the agreement of {title} binds what is trained on it")
    for dataset, title in (("mahnob", "MAHNOB-HCI"), ("deap", "DEAP")) for label in ("valence", "arousal")
}
"""One model for each dimension, as usual on both datasets; `--set protocol=kfold10` for ten folds over subjects."""
