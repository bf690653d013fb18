"""Set up Lightning Fabric: devices, precision, batches shared over processes, and deterministic algorithms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn

from mien.backbones.tower import Tower, fast_dtype
from mien.checkpoints.factory import Precision
from mien.core.folder_lock import FolderLockedError, folder_lock
from mien.models.distributed_loss import SINGLE_PROCESS, DistributedBatch
from mien.models.registry import method
from mien.recipes.recipe import Recipe


class _UnconvertedInput(MixedPrecision):
    """Fabric's mixed precision without a conversion of the batch, which is frozen and has uint8 frames."""

    def convert_input(self, data: Any) -> Any:
        """Return the batch unchanged."""
        return data


def fabric_on(kind: str, devices: int, nodes: int, strategy: str, precision: Precision, *, unread: bool = False
              ) -> Fabric:
    """Set up Fabric and start its processes.

    Args:
        kind: device such as `cpu` or `cuda:1`.
        devices: number of devices; a device with an index is used alone.
        nodes: number of machines.
        strategy: as in Fabric.
        precision: "16" for float16 autocast; otherwise float32, see `cast`.
        unread: whether some trainable parameters may have no part in the losses of a step.
    """
    device = torch.device(kind)
    which: Any = devices
    if device.index is not None:
        which = [device.index]
    how: dict[str, Any] = {"precision": "32-true"}
    if precision == "16":
        how = {"plugins": _UnconvertedInput("16-mixed", device.type)}
    plan: Any = strategy
    if unread and devices * nodes > 1 and strategy in ("auto", "ddp"):
        plan = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=device.type, devices=which, num_nodes=nodes, strategy=plan, **how)
    fabric.launch()
    return fabric


class _Gathered(torch.autograd.Function):
    """Gather (b, ...) of each process to (B, ...) in the order of the global batch.

    In the backward pass each process gets the sum of all processes' gradients for its rows. Fabric then averages the
    gradients over processes, so a loss of gathered values counts once.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        parts = [torch.empty_like(value) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, value.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total[torch.distributed.get_rank() :: torch.distributed.get_world_size()]


def _gather(value: Tensor) -> Tensor:
    """Gather a tensor of any type; booleans are sent as bytes."""
    if value.dtype == torch.bool:
        return _gather(value.byte()).bool()
    return _Gathered.apply(value.contiguous())


@contextmanager
def own_folder(fabric: Fabric, out: Path, log: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the folder of a training. The first process takes the lock, and all processes stop if it is refused.

    Raises:
        FolderLockedError: another training is under way in the folder.
    """
    refused = ""
    with ExitStack() as stack:
        if fabric.global_rank == 0:
            try:
                stack.enter_context(folder_lock(out, "training", log=log))
            except FolderLockedError as error:
                refused = str(error)
        if fabric.world_size > 1:
            refused = fabric.broadcast(refused)
        if refused:
            raise FolderLockedError(refused)
        yield


def share_batch(fabric: Fabric, model: nn.Module) -> None:
    """Set `share`, the rows of the global batch that this process has, in every module with this attribute."""
    share = SINGLE_PROCESS
    if fabric.world_size > 1:
        share = DistributedBatch(fabric.global_rank, fabric.world_size, _gather)
    for part in model.modules():
        if hasattr(part, "share"):
            part.share = share  # type: ignore[assignment]


def gather_names(fabric: Fabric, names: tuple[str, ...]) -> tuple[str, ...]:
    """Gather the names of each process's rows to those of the global batch, in its order."""
    if fabric.world_size == 1:
        return names
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, names)
    return tuple(name for row in zip(*parts, strict=True) for name in row)


@contextmanager
def deterministic_algorithms(how: bool | Literal["warn"]) -> Iterator[None]:
    """Use deterministic algorithms of torch inside the context, and restore the previous settings afterwards.

    cuBLAS reads CUBLAS_WORKSPACE_CONFIG at its first use, so enter this context first or set the variable yourself.

    Args:
        how: False changes nothing; True raises RuntimeError for an operation without a deterministic algorithm; "warn"
            warns instead.
    """
    if not how:
        yield
        return
    cudnn = torch.backends.cudnn
    before = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
              cudnn.deterministic, cudnn.benchmark, os.environ.get(_CUBLAS))
    try:
        os.environ.setdefault(_CUBLAS, ":4096:8")
        cudnn.deterministic, cudnn.benchmark = True, False
        torch.use_deterministic_algorithms(True, warn_only=how == "warn")
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before[2:4]
        if before[4] is None:
            os.environ.pop(_CUBLAS, None)


_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""docs.nvidia.com/cuda/cublas, "Results reproducibility": :4096:8 or :16:8; PyTorch requires one of them."""


def is_first_process() -> bool:
    """Whether this is the first of the processes that train together; it writes files and prints."""
    return not getattr(rank_zero_only, "rank", 0)  # Fabric reads it from the environment at its import


def cast_towers(model: nn.Module, kind: str, precision: Precision) -> str:
    """Cast frozen towers to `precision`; trainable parameters stay float32.

    Returns:
        The precision in use, such as "bfloat16", "float32" or "16".
    """
    dtype = {"auto": fast_dtype(kind), "bf16": torch.bfloat16}.get(precision, torch.float32)
    for part in model.children():
        if isinstance(part, Tower) and not any(value.requires_grad for value in part.parameters()):
            part.to(dtype)
    return "16" if precision == "16" else str(dtype).removeprefix("torch.")


def expect_learning(name: str, model: nn.Module) -> list[nn.Parameter]:
    """Return the trainable parameters of a model.

    Args:
        name: name of the recipe, for the message.
        model: the model.

    Returns:
        The parameters, at least one.

    Raises:
        ValueError: there are none.
    """
    parameters = [value for value in model.parameters() if value.requires_grad]
    if not parameters:
        raise ValueError(f"{name}: expected trainable parameters, got a model with all trainable parts switched "
                         "off: leave options.prompts or options.lsea on")
    return parameters


def check_batch_size(recipe: Recipe, devices: int, nodes: int) -> None:
    """Check the batch size.

    Args:
        recipe: the recipe.
        devices: number of devices on each machine.
        nodes: number of machines.

    Raises:
        ValueError: the batch is not a multiple of the number of devices, or too small for the method's losses, which
            use the global batch.
    """
    schedule, count = recipe.schedule, devices * nodes
    if schedule.batch % count:
        raise ValueError(f"schedule.batch: expected a multiple of the {count} devices, got {schedule.batch}")
    method(recipe.method).check_batch(recipe.options, schedule.batch, schedule.people)
