"""The decoupled shared-specific adapter, and the losses that keep its two branches apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.scpt.options import Options


class Adapter(nn.Module):
    """Bottleneck beside a tower's MLP: Chen et al. 2022, AdaptFormer, arXiv 2205.13535; its way up begins at zero."""

    def __init__(self, width: int, rank: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, width)
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        for value in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(value)

    def code(self, u: Tensor) -> Tensor:
        """(..., D) -> (..., r)."""
        return F.gelu(self.down(u))


WIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Of the kernels, squared, in median squared distances. Our choice, after Long et al. 2015, arXiv 1502.02791: several
widths, so that none has to be the right one."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Of one layer's class token, mean over the frames: `shared` and `specific` (B, r), `both` (B, D), what the two
    branches make of it together, and `u` (B, D), what they were given; None where there is no specific branch."""

    shared: Tensor
    specific: Tensor | None = None
    both: Tensor | None = None
    u: Tensor | None = None


class Dssa(nn.Module):
    """One layer: u (B T, L, D), normalised tokens -> what is added to the stream, and the codes of the class token.

    The specific branch sees u without its gradient, unless it feeds the stream: what it learns of a person must not
    reach the layers before it.
    """

    def __init__(self, width: int, options: Options, specific: bool):
        super().__init__()
        self.both = options.stream == "both"
        self.shared = Adapter(width, options.bottleneck)
        self.specific = Adapter(width, options.bottleneck) if specific else None
        self.scale = nn.Parameter(torch.tensor(options.scale))

    def forward(self, u: Tensor, frames: int, join: bool) -> tuple[Tensor, Codes]:
        """`join`: the specific branch feeds the stream in this step."""
        code = self.shared.code(u)
        out = self.shared.up(code)
        shared = _mean(code, frames)
        if self.specific is None or not self.training:
            return self.scale * out, Codes(shared)
        if self.both and join:
            own = self.specific.code(u)
            added = self.specific.up(own)
        else:
            own = self.specific.code(u[:, :1].detach())
            added = self.specific.up(own)
        codes = Codes(shared, _mean(own, frames), _mean(out, frames) + _mean(added, frames), _mean(u, frames).detach())
        return self.scale * (out + added if self.both and join else out), codes


def _mean(values: Tensor, frames: int) -> Tensor:
    """(B T, L, C) -> (B, C): the class token, mean over frames."""
    return values[:, 0].unflatten(0, (-1, frames)).mean(dim=1)


class Reverse(torch.autograd.Function):
    """The value itself; its gradient turned round, times `strength`: Ganin et al. 2016, JMLR 17(59)."""

    @staticmethod
    def forward(ctx, value: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return value.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        return -ctx.strength * gradients[0], None


def ramp(progress: float) -> float:
    """Share of the training that is done, 0..1 -> strength of the reversed gradient: Ganin et al. 2016, section 5.2.2.
    """
    return float(2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1)


def standard(code: Tensor) -> Tensor:
    """(B, r) -> mean 0 and deviation 1 over the batch. Our choice: codes that only shrink fool no subject head then."""
    centred = code - code.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + 1e-5).sqrt()


def orthogonality(shared: Tensor, specific: Tensor) -> Tensor:
    """Codes (B, r) -> (|| Hs' Hp ||^2 - B) / B, Frobenius; rows of H are centred over the batch and of length 1.

    Bousmalis et al. 2016, Domain Separation Networks, arXiv 1608.06019, (5). B is the part of the sum that each row has
    with itself: a constant. Without it independent codes are at 0 whatever the batch, equal ones of effective dimension
    k at about B / k. Divided by B, so that the loss of a window does not grow with the batch. Not a mean over r x r
    entries: at 768 x 768 that is 2e-6, whether codes are equal or independent.
    """
    if len(shared) < 2:
        return shared.sum() * 0.0
    rows = [F.normalize(code - code.mean(dim=0), dim=1, eps=1e-6) for code in (shared, specific)]
    own = (rows[0].square().sum(dim=1) * rows[1].square().sum(dim=1)).sum()  # B, less where a row is zero
    return ((rows[0].T @ rows[1]).square().sum() - own) / len(shared)


def apart(code: Tensor, subject: Tensor, target: Tensor, condition: str) -> Tensor:
    """How far people's codes (B, r) lie apart: mean kernel within a person less that between two; where codes hold no
    person it is 0 on average, and may be negative.

    That is half the mean squared MMD between two people, without bias: what the best adversary among the functions of
    the kernel's space gains, in closed form (Gretton et al. 2012, A Kernel Two-Sample Test, JMLR 13). Gaussians whose
    widths are multiples of the median distance. `label`: windows of one class are compared, each class by itself;
    `balance`: also windows of two classes, each two classes by themselves, each person in each class weighing the same;
    so people who lean to a class of another spread are not taken apart for that. 0 where there is no pair to compare.
    """
    code = standard(code)
    far = torch.cdist(code, code).square()
    others = ~torch.eye(len(code), dtype=torch.bool, device=code.device)
    if len(code) < 2:
        return code.sum() * 0.0
    middle = far[others].detach().median().clamp_min(1e-6)
    kernel = torch.stack([torch.exp(-far / (width * middle)) for width in WIDTHS]).mean(dim=0)
    same, weight = subject[:, None] == subject, others.float()
    if condition == "balance":
        cell = same & (target[:, None] == target)
        count = cell.sum(dim=1)
        weight = others / (count[:, None] * (count - cell.int())).clamp_min(1)
    kinds = target.unique().tolist() if condition != "none" else []
    kinds_of_pairs = [(a, b) for a in kinds for b in kinds if a == b or condition == "balance"]
    found = []
    for pairs in [(target[:, None] == a) & (target == b) for a, b in kinds_of_pairs] or [others]:
        own, between = weight * (pairs & same), weight * (pairs & ~same)
        if bool(own.any()) and bool(between.any()):
            found.append((kernel * own).sum() / own.sum() - (kernel * between).sum() / between.sum())
    return torch.stack(found).mean() if found else code.sum() * 0.0


def adversarial(logits: Tensor, subject: Tensor, target: Tensor, condition: str) -> Tensor:
    """Cross entropy of the subject, logits (B, S), or (B, K, S) where they are given for each class of the label.

    Invariance that takes no account of the label costs accuracy where people differ in how often they show a class
    (Zhao et al. 2019, On Learning Invariant Representations for Domain Adaptation, ICML). `label`: the head knows the
    class. `balance`: every class of every subject weighs the same in the batch.
    """
    if condition == "label":
        return F.cross_entropy(logits[torch.arange(len(target), device=target.device), target], subject)
    each = F.cross_entropy(logits, subject, reduction="none")
    if condition == "none":
        return each.mean()
    weight = _weight(subject, target)
    return (weight * each).sum() / weight.sum()


def _weight(subject: Tensor, target: Tensor) -> Tensor:
    """(B,): one over how many windows of the batch have the same subject and class."""
    return 1.0 / ((subject[:, None] == subject) & (target[:, None] == target)).sum(dim=1)
