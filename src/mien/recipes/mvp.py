"""MVP on AMIGOS and DEAP: arXiv 2501.03103; what of it is public, and every reason, stands in docs/methods.md."""

from __future__ import annotations

from dataclasses import replace

from mien.models import mvp
from mien.recipes.recipe import Augment, Recipe, Schedule

_SCHEDULE = Schedule(
    epochs=50, batch=16, rate=1e-4, optimiser="adamw", weight_decay=0.01, curve="cosine",
    choose="macro_f1")  # EEGain: cosine; its rate 1e-3 is for networks of EEG that are a hundred times smaller

_SIGNALS = {"amigos": ("ecg", "ecg_left", "eda"), "deap": ("ppg", "eda")}  # EEGain's channels
_SECONDS = {"amigos": 120.0, "deap": 60.0}  # "1-2 minutes"; DEAP's trials have 60 s

MVP: dict[str, Recipe] = {
    f"mvp/{dataset}-{label}": Recipe(
        f"mvp/{dataset}-{label}", "mvp", dataset, "kfold", tower="", seconds=_SECONDS[dataset], rule=f"mvp/{label}",
        options=mvp.Options(signals=_SIGNALS[dataset], seconds=_SECONDS[dataset],
                            heads="two" if label == "both" else "one"), augment=Augment(on=False),
        schedule=_SCHEDULE, licence=f"research only: the agreement of {title} binds what is trained on it")
    for dataset, title in (("amigos", "AMIGOS"), ("deap", "DEAP")) for label in ("valence", "arousal", "both")
}
"""One model a dimension, or one with a head for each of `both`;
`--set protocol=eegain` or `loso` for the fixed subjects or one at a time."""

MVP |= {
    f"{name}-rating": replace(
        recipe, name=f"{name}-rating", rule=recipe.rule.replace("mvp/", "rating/"),
        options=replace(recipe.options, heads="rating"), schedule=replace(_SCHEDULE, choose="ccc"))
    for name, recipe in MVP.items() if isinstance(recipe.options, mvp.Options) and recipe.options.heads == "one"
}
"""One model a dimension that guesses the rating itself, 1 to 9. The paper has none; all else is as in its own."""


def small(options: mvp.Options) -> mvp.Options:
    """The same question to a model that trains in a moment."""
    return replace(options, width=16, layers=1, video_layers=1, fusion_layers=1, attention_heads=2, inner=32,
                   pretrain=1, finetune=1)
