"""One loop for all methods: from a recipe and the two sides of a fold that may be learnt from to a checkpoint."""

from mien.train.loop import Fitted, fit
from mien.train.material import Material, gather

__all__ = ["Fitted", "Material", "fit", "gather"]
