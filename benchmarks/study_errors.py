"""How often a study without an effect finds one, and how often it finds one that is there.

    python benchmarks/study_errors.py [--studies 2000] [--small]

Simulated means of people (normal, with a random intercept of the same variance as the residual), three conditions,
a tenth of the means missing. Family: any of the three pairs below 0.05 after Holm's correction. Model: the mixed model.
"""

from __future__ import annotations

import argparse

import numpy as np

from mien.metrics.mixed_model import compare_repeated
from mien.metrics.paired import compare_paired, holm

PAIRS = ((0, 1), (0, 2), (1, 2))


def study(random: np.random.Generator, people: int, effect: float) -> tuple[bool, bool, bool]:
    """Whether any pair, the mixed model, and the interval of the planted difference say that conditions differ."""
    values = random.normal(0, 1, (people, 1)) + random.normal(0, 1, (people, 3)) + [0, effect, 0]
    values[random.random((people, 3)) < 0.1] = np.nan
    pairs = [compare_paired(values[:, i], values[:, j]) for i, j in PAIRS]
    adjusted = holm(np.array([pair.p for pair in pairs]))
    return bool(np.nanmin(adjusted) < 0.05), compare_repeated(values).p < 0.05, pairs[0].low < effect < pairs[0].high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--small", action="store_true", help="a trial run")
    arguments = parser.parse_args()
    studies = 20 if arguments.small else arguments.studies
    print("| people | planted difference, residual SD | any pair, Holm | mixed model | 95 % interval holds it |")
    print("|---|---|---|---|---|")
    for people in (8, 12, 24, 48):
        for effect in (0.0, 1.0):
            random = np.random.default_rng((people, int(10 * effect)))
            shares = np.mean([study(random, people, effect) for _ in range(studies)], axis=0)
            print(f"| {people} | {effect:g} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |")


if __name__ == "__main__":
    main()
