"""What a head that guesses ratings is taught by: concordance, and a little squared error."""

from __future__ import annotations

from torch import Tensor

FLAT = 1e-6
"""Added to the denominator, in squared units of -1..1: of a batch in which all is equal the loss is 1, not 0 / 0."""


def costs(guess: Tensor, target: Tensor, squared: float) -> dict[str, Tensor]:
    """guess, target (N,) of a whole batch -> 1 - CCC (Lin 1989, 10.2307/2532051) and the mean squared error, weighed.

    1 - CCC is the loss of Tzirakis et al. 2017, arXiv 1704.08619, for valence and arousal. It couples the batch: of
    several devices all guesses and targets belong in here together. One trial alone has no concordance, few have one
    that says little; the squared error then still says where to go. Their sum is our choice.
    """
    guess, target = guess.float(), target.float()
    apart = guess.mean() - target.mean()
    shared = ((guess - guess.mean()) * (target - target.mean())).mean()
    spread = guess.var(correction=0) + target.var(correction=0)
    found = {"concordance": 1 - 2 * shared / (spread + apart**2 + FLAT)}
    return found | ({"squared": squared * (guess - target).square().mean()} if squared else {})
