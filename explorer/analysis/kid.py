"""KID, the kernel distance of two sets of pictures (Bińkowski et al. 2018, arXiv 1801.01401): MMD^2, cubic kernel.

    k(x, y) = (x y' / D + 1)^3

Unlike FID it is unbiased, so small sets may be compared with large ones; it can come out slightly below 0. Mean and
deviation are over subsets, drawn as torch-fidelity draws them: the same seed gives the same subsets.
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_pair

SUBSETS, SIZE, SEED = 100, 1000, 2020  # torch-fidelity's


@dataclass(frozen=True)
class Kid:
    """mean: 0 is best, may be slightly negative, no upper bound;  std: of the subsets' values, not of the mean

    n, m: pictures of either set;  size: pictures in a subset. When that is all of both sets, std is 0 and says nothing.
    """

    mean: float
    std: float
    n: int
    m: int
    subsets: int
    size: int
    seed: int


def kid(
    features: np.ndarray,
    reference: np.ndarray,
    subsets: int = SUBSETS,
    size: int = SIZE,
    seed: int = SEED,
) -> Kid:
    """KID of features (N, D) against (M, D); subsets have min(size, N, M) pictures. Problem below two pictures."""
    features, reference = check_pair(features, reference, least=2)
    n, m = len(features), len(reference)
    size = min(size, n, m)
    rng, found = np.random.RandomState(seed), []
    for _ in range(subsets):
        x = features[rng.choice(n, size, replace=False)].astype(np.float64)
        y = reference[rng.choice(m, size, replace=False)].astype(np.float64)
        found.append(mmd2(x, y))
    return Kid(float(np.mean(found)), float(np.std(found)), n, m, subsets, size, seed)


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of the squared distance, from float64 (n, D) and (n, D) with n >= 2."""
    n = len(x)
    within = sum(kernel.sum() - kernel.trace() for kernel in (cubic(x, x), cubic(y, y)))
    return float(within / (n * (n - 1)) - 2 * cubic(x, y).mean())


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x y' / D + 1)^3 of float64 (n, D) and (m, D): (n, m)."""
    base = x @ y.T / x.shape[1] + 1
    return base * base * base  # many times as fast as ** 3
