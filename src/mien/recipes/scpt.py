"""SCPT on MAHNOB-HCI and DEAP: arXiv 2605.05694 gives the two datasets and nothing else; reasons in docs/methods.md."""

from __future__ import annotations

from mien.models import scpt
from mien.recipes.recipe import Augment, Recipe, Schedule

_VIT = "google/vit-base-patch16-224-in21k"
"""Our choice: the ViT-B/16 that anybody may load. One that has learnt from faces (AffectNet, as S2D's) serves better:
`--set tower=FOLDER`."""

_AUGMENT = Augment(area=(0.8, 1.0), ratio=(1.0, 1.0), rotation=0.0, brightness=0.0)
"""No mixing of pictures and no change of colour: both would touch whose face it is."""

_SCHEDULE = Schedule(
    epochs=30, batch=16, people=4, rate=1e-4,  # between S2D (1e-5 x batch / 8, 100 epochs) and ViPT (4e-4, 60 epochs)
    optimiser="adamw", weight_decay=0.05, curve="cosine", warmup=2,  # S2D
    clip=1.0)  # MISA, SSM

SCPT: dict[str, Recipe] = {
    f"scpt/{dataset}-{label}": Recipe(
        f"scpt/{dataset}-{label}", "scpt", dataset, "loso", _VIT, seconds=scpt.SECONDS, rule=f"scpt/{label}",
        options=scpt.Options(), augment=_AUGMENT, schedule=_SCHEDULE,
        licence=f"research only: the agreement of {title} binds what is trained on it")
    for dataset, title in (("mahnob", "MAHNOB-HCI"), ("deap", "DEAP")) for label in ("valence", "arousal")
}
"""One model a dimension, as is usual on both; `--set protocol=kfold10` for ten folds over subjects."""
