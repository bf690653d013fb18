"""The loss of the rating head: concordance and squared error."""

from __future__ import annotations

from torch import Tensor

CCC_EPSILON = 1e-6
"""Added to the denominator, in squared units of -1..1, so that the loss of a constant batch is 1 and not 0 / 0."""


def ccc_loss(guess: Tensor, target: Tensor, squared: float) -> dict[str, Tensor]:
    """Compute 1 - CCC and the weighted mean squared error.

    The concordance couples the batch, so pass the predictions of all devices together. It is undefined for one trial
    and noisy for few; the squared error still gives a direction then. Their sum is our choice.

    Args:
        guess: (N,) predictions of the full batch.
        target: (N,) ratings.
        squared: weight of the squared error; 0 leaves it out.

    Returns:
        The loss terms by name.

    References:
        Lin 1989, 10.2307/2532051. Tzirakis et al. 2017, arXiv 1704.08619, use 1 - CCC for valence and arousal.
    """
    guess, target = guess.float(), target.float()
    bias = guess.mean() - target.mean()
    covariance = ((guess - guess.mean()) * (target - target.mean())).mean()
    variances = guess.var(correction=0) + target.var(correction=0)
    losses = {"concordance": 1 - 2 * covariance / (variances + bias**2 + CCC_EPSILON)}
    if squared:
        losses["squared"] = squared * (guess - target).square().mean()
    return losses
