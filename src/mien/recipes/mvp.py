"""Recipes of MVP on AMIGOS and DEAP (arXiv 2501.03103); docs/methods.md lists the parts that we read, and all reasons.
"""

from __future__ import annotations

from dataclasses import replace

from mien.models import mvp
from mien.recipes.recipe import AugmentOptions, Recipe, Schedule

_SCHEDULE = Schedule(
    epochs=50, batch=16, rate=1e-4, optimiser="adamw", weight_decay=0.01, curve="cosine",
    choose="macro_f1")  # EEGain: cosine; its rate 1e-3 is for EEG networks that are a hundred times smaller

_SIGNALS = {"amigos": ("ecg", "ecg_left", "eda"), "deap": ("ppg", "eda")}  # EEGain's channels
_SECONDS = {"amigos": 120.0, "deap": 60.0}  # "1-2 minutes"; DEAP's trials have 60 s

MVP: dict[str, Recipe] = {
    f"mvp/{dataset}-{label}": Recipe(
        f"mvp/{dataset}-{label}", "mvp", dataset, "kfold", tower="", seconds=_SECONDS[dataset], rule=f"mvp/{label}",
        options=mvp.MVPConfig(signals=_SIGNALS[dataset], seconds=_SECONDS[dataset],
                            heads="two" if label == "both" else "one"), augment=AugmentOptions(on=False),
        schedule=_SCHEDULE, licence=f"research only: the agreement of {title} binds what is trained on it")
    for dataset, title in (("amigos", "AMIGOS"), ("deap", "DEAP")) for label in ("valence", "arousal", "both")
}
"""One model for each dimension, or one model with a head for each of `both`.

`--set protocol=eegain` uses EEGain's fixed subjects, `--set protocol=loso` leaves one subject out."""

MVP |= {
    f"{name}-rating": replace(
        recipe, name=f"{name}-rating", rule=recipe.rule.replace("mvp/", "rating/"),
        options=replace(recipe.options, heads="rating"), schedule=replace(_SCHEDULE, choose="ccc"))
    for name, recipe in MVP.items() if recipe.options.heads == "one"
}
"""One model for each dimension that predicts the rating itself, 1 to 9. The paper has no such model; our choice."""
