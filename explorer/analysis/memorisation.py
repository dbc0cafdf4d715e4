"""Has the generator learned to draw, or learned pictures by heart? And does it draw one picture again and again?

A distance to the nearest training picture says nothing by itself: even unseen real pictures have one at some distance.
So that of the test pictures is the baseline (after Meehan et al. 2020, arXiv 2004.05675). All of it in a feature space
that the caller chooses and names; pixels would miss a shifted copy.
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_features, check_pair
from explorer.analysis.distances import nearest
from explorer.text import Problem

CLOSE = 0.01  # quantile of the test pictures' distances: below it lie 1 % of unseen real pictures
ALIKE = 0.001  # share of the training pictures that count as duplicates of each other
MOST, SEED = (
    10_000,
    0,
)  # training pictures that the duplicates' threshold is taken from, and how they are drawn


@dataclass(frozen=True)
class Memorisation:
    """Of n generated pictures, plain numbers.

    nearest_ratio: median distance to the nearest training picture over that of the test pictures; 1 = as far as unseen
        real pictures, near 0 = copies
    nearest_close: share that is nearer than all but 1 % of the test pictures; about 0.01 where nothing was copied
    duplicate_rate: share that has another generated picture within duplicate_threshold; about 0.001 in a real set
    """

    nearest_ratio: float
    nearest_close: float
    duplicate_rate: float
    duplicate_threshold: float
    n: int
    n_train: int
    n_test: int


def memorisation(generated: np.ndarray, train: np.ndarray, test: np.ndarray) -> Memorisation:
    """Of features (N, D), (T, D) and (M, D) in one space; the training features are all that the generator saw.

    Raises Problem for fewer than two pictures in a set, features that do not fit each other, or test pictures most of
    which are training pictures.
    """
    generated, train = check_pair(generated, train, least=2)
    distances, _ = nearest_train(generated, train)
    baseline, _ = nearest_train(test, train)
    usual = float(np.median(baseline))
    if usual == 0:
        raise Problem("Most test pictures are training pictures, so there is nothing to measure copying by.")
    threshold = duplicate_threshold(train, len(generated))
    return Memorisation(
        nearest_ratio=float(np.median(distances)) / usual,
        nearest_close=float((distances < np.quantile(baseline, CLOSE)).mean()),
        duplicate_rate=float((neighbour(generated)[0] <= threshold).mean()),
        duplicate_threshold=threshold,
        n=len(generated),
        n_train=len(train),
        n_test=len(test),
    )


def nearest_train(features: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distance float64 (N,), index int64 (N,)) of the nearest training picture for features (N, D), train (T, D)."""
    features, train = check_pair(features, train)
    distances, index = nearest(features, train)
    return distances[:, 0], index[:, 0]


def neighbour(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distance float64 (N,), index int64 (N,)) of the nearest other picture of the same set (N, D), N >= 2."""
    features = check_features(features, least=2)
    distances, index = nearest(features, features, within=True)
    return distances[:, 0], index[:, 0]


def duplicate_threshold(train: np.ndarray, count: int, share: float = ALIKE) -> float:
    """The distance within which `share` of `count` real pictures have another one: what duplicates look like.

    train: features (T, D), of which at most MOST are used. The fewer pictures, the further apart they are: with p the
    chance that two of them are that near, `share` is 1 - (1 - p) ** (count - 1), and likewise for the T at hand.
    Good for small shares; for large ones crowded and empty regions differ too much.
    """
    train = check_features(train, least=2)
    if not 0 < share < 1 or count < 2:
        raise Problem(
            "Duplicates need a share between 0 and 1 and at least two pictures, got {share} and {n}.",
            share=share,
            n=count,
        )
    if len(train) > MOST:
        train = train[np.sort(np.random.default_rng(SEED).permutation(len(train))[:MOST])]
    level = 1 - (1 - share) ** ((len(train) - 1) / (count - 1))
    return float(np.quantile(neighbour(train)[0], level, method="lower"))
