"""One loop for all methods: from a recipe and the two sides of a fold that may be learnt from to a checkpoint."""

from mien.train.devices import exact, expect_learning, expect_shared, leads
from mien.train.figures import write as drawn
from mien.train.logs import expect_tensorboard
from mien.train.loop import Fitted, fit
from mien.train.material import Material, gather
from mien.train.pretraining import Pretrained, pretrain

__all__ = ["Fitted", "Material", "Pretrained", "drawn", "exact", "expect_learning", "expect_shared",
           "expect_tensorboard", "fit", "gather", "leads", "pretrain"]
