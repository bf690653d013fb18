"""Load the expression model of a live session."""

from __future__ import annotations

from mien.core.settings import Settings
from mien.inference.analyze import load_model
from mien.inference.prediction import ExpressionModel


def load_live_model(settings: Settings, reuse: bool = False) -> ExpressionModel:
    """Load the expression model, as `analyze.load_model` does.

    Args:
        settings: Settings that name the model.
        reuse: Whether to keep the features of a frame for later windows (`FeatureCache`).

    Returns:
        The model.

    Raises:
        ValueError: The model cannot be loaded, or it has no features to keep.
    """
    model = load_model(settings)
    if not reuse:
        return model
    if settings.model == "facs":
        raise ValueError("--reuse: expected a checkpoint whose frames are read one by one, clip: or siglip:, got facs, "
                         "which needs nothing kept: leave it out")
    from mien.checkpoints.feature_cache import FeatureCache

    return FeatureCache(model)
