"""The losses that separate the shared codes of DSSA from the specific ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL_WIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Squared kernel widths in units of the median squared distance. Our choice, after Long et al. 2015, arXiv 1502.02791:
several widths, so that the result does not depend on a single one."""


class GradientReversal(torch.autograd.Function):
    """Identity with a reversed gradient, scaled by `strength`: Ganin et al. 2016, JMLR 17(59)."""

    @staticmethod
    def forward(ctx, value: Tensor, strength: float) -> Tensor:
        """The value unchanged."""
        ctx.strength = strength
        return value.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        """The gradient times minus `strength`."""
        return -ctx.strength * gradients[0], None


def reversal_strength(progress: float) -> float:
    """Strength of the reversed gradient from the training progress 0..1: Ganin et al. 2016, section 5.2.2."""
    return float(2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1)


def batch_standardise(code: Tensor) -> Tensor:
    """Standardise codes (B, r) over the batch. Our choice: shrinking the codes then cannot fool a subject head."""
    centred = code - code.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + 1e-5).sqrt()


def orthogonality(shared: Tensor, specific: Tensor) -> Tensor:
    """Orthogonality loss of codes (B, r): (|| Hs' Hp ||^2 - B) / B, Frobenius; rows of H are centred and of length 1.

    We subtract B, the constant contribution of each row with itself. Independent codes then give 0 for any batch size,
    and equal codes of effective dimension k give about B / k. We divide by B, so that the loss per window does not
    grow with the batch. A mean over r x r entries would not work: at 768 x 768 it is 2e-6, whether codes are equal or
    independent.

    References:
        Bousmalis et al. 2016, Domain Separation Networks, arXiv 1608.06019, (5).
    """
    if len(shared) < 2:
        return shared.sum() * 0.0
    rows = [F.normalize(code - code.mean(dim=0), dim=1, eps=1e-6) for code in (shared, specific)]
    self_terms = (rows[0].square().sum(dim=1) * rows[1].square().sum(dim=1)).sum()  # B, less if a row is zero
    return ((rows[0].T @ rows[1]).square().sum() - self_terms) / len(shared)


def sparsity(values: Tensor) -> Tensor:
    """Mean absolute value: the L1 loss for each window and component, so that it grows neither with B nor with r."""
    return values.abs().mean()


def outside_subspace(code: Tensor, dimension: int) -> Tensor:
    """Share of the energy of centred codes (B, r) outside their first `dimension` singular directions, 0..1.

    Our choice for the digest's "SVD constraint of the emotion subspace". The batch estimates the directions.
    """
    if len(code) < 2:
        return code.sum() * 0.0
    centred = code - code.mean(dim=0)
    energy = torch.linalg.eigvalsh(centred.T @ centred)  # squared singular values, ascending
    return energy[: len(energy) - dimension].clamp_min(0).sum() / energy.sum().clamp_min(1e-12)


def subject_mmd_loss(code: Tensor, subject: Tensor, target: Tensor, condition: str) -> Tensor:
    """Distance between the codes of different subjects: mean kernel within subjects minus mean kernel between them.

    This is half the mean squared MMD between two subjects, without bias: the gain of the best adversary in the kernel's
    function space, in closed form. It averages 0, and may be negative, if codes contain no subject information. The
    kernels are Gaussians with widths in multiples of the median distance.

    Args:
        code: (B, r) shared codes.
        subject: (B,) subjects.
        target: (B,) classes.
        condition: "label" compares windows of equal class, each class separately. "balance" also compares windows of
            two classes, each pair of classes separately, with equal weight for each subject in each class. Subjects
            with more windows of a class with another spread then do not count as different. "none" compares all.

    Returns:
        A scalar, 0 if there is no pair to compare.

    References:
        Gretton et al. 2012, A Kernel Two-Sample Test, JMLR 13.
    """
    code = batch_standardise(code)
    far = torch.cdist(code, code).square()
    others = ~torch.eye(len(code), dtype=torch.bool, device=code.device)
    if len(code) < 2:
        return code.sum() * 0.0
    middle = far[others].detach().median().clamp_min(1e-6)
    kernel = torch.stack([torch.exp(-far / (width * middle)) for width in KERNEL_WIDTHS]).mean(dim=0)
    same, weight = subject[:, None] == subject, others.float()
    if condition == "balance":
        cell = same & (target[:, None] == target)
        count = cell.sum(dim=1)
        weight = others / (count[:, None] * (count - cell.int())).clamp_min(1)
    classes: list[int] = []
    if condition != "none":
        classes = target.unique().tolist()
    class_pairs = [(a, b) for a in classes for b in classes if a == b or condition == "balance"]
    gaps = []
    for pairs in [(target[:, None] == a) & (target == b) for a, b in class_pairs] or [others]:
        within, between = weight * (pairs & same), weight * (pairs & ~same)
        if bool(within.any()) and bool(between.any()):
            gaps.append((kernel * within).sum() / within.sum() - (kernel * between).sum() / between.sum())
    if not gaps:
        return code.sum() * 0.0
    return torch.stack(gaps).mean()


def adversarial(logits: Tensor, subject: Tensor, target: Tensor, condition: str) -> Tensor:
    """Cross entropy of a subject head.

    If subjects differ in how often they show a class, invariance without regard to the label costs accuracy.

    Args:
        logits: (B, S), or (B, K, S) for "label".
        subject: (B,) subjects.
        target: (B,) classes.
        condition: "label" uses the logits of the true class; "balance" gives every class of every subject the same
            weight; "none" does neither.

    References:
        Zhao et al. 2019, On Learning Invariant Representations for Domain Adaptation, ICML.
    """
    if condition == "label":
        return F.cross_entropy(logits[torch.arange(len(target), device=target.device), target], subject)
    each = F.cross_entropy(logits, subject, reduction="none")
    if condition == "none":
        return each.mean()
    weight = _weight(subject, target)
    return (weight * each).sum() / weight.sum()


def _weight(subject: Tensor, target: Tensor) -> Tensor:
    """Inverse of the number of windows with the same subject and class, (B,)."""
    return 1.0 / ((subject[:, None] == subject) & (target[:, None] == target)).sum(dim=1)
