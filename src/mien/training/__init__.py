"""Training of all methods: from a recipe and the training and validation sides of a fold to a checkpoint."""

from mien.training.data_module import DataModule, load_data
from mien.training.fabric import check_batch_size, deterministic_algorithms, expect_learning, is_first_process
from mien.training.loggers import expect_loggers
from mien.training.loop import TrainingResult, fit
from mien.training.memory import MemoryPlan, expect_parts
from mien.training.plots import write_plots
from mien.training.pretrain_clip import Pretrained, pretrain

__all__ = [
           "DataModule",
           "MemoryPlan",
           "Pretrained",
           "TrainingResult",
           "check_batch_size",
           "deterministic_algorithms",
           "expect_learning",
           "expect_loggers",
           "expect_parts",
           "fit",
           "is_first_process",
           "load_data",
           "pretrain",
           "write_plots",
]
