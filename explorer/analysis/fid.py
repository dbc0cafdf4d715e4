"""FID, the Fréchet distance of two sets of pictures (Heusel et al. 2017, arXiv 1706.08500), and its bias in small sets.

Features -> `Statistics` (sums, exactly additive) -> a number:

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2)

With S = F F', the last trace is the sum of the singular values of F1' F2. That loses no digits. Eigenvalues of S1 S2,
or a matrix root of it, lose half of them where a covariance is singular: the distance of a set to itself is then -1e-4
instead of 1e-12 (and -1 with sums in float32). scipy.linalg.sqrtm turns complex on such matrices as well.

FID is about c / N too high (Chong and Forsyth 2020, arXiv 1911.07023), and for CIFAR-10 c is near 26,000. Numbers of
different N must not be compared, so every label has N in it, and `fid_infinity` gives the limit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_features
from explorer.text import N_, Problem, t

LEAST = 500  # pictures: below, the FID is nearly all bias
ENOUGH = 2048  # pictures: below, the covariance of 2,048 numbers is singular
BLOCK = 4096  # rows in float64 at a time
FEW = N_("Fewer than 2,048 pictures leave the covariance singular: this FID is finite, but mostly bias.")
FITTING = N_("FID at several N")
Step = Callable[[int, int, str], None]  # (done, of how many, what: an English sentence for t())


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over n feature vectors x of D numbers, float64: `a + b` is that of both sets together.

    total: (D,), the sum of x;  outer: (D, D), the sum of x x'
    """

    n: int
    total: np.ndarray
    outer: np.ndarray

    def __add__(self, other: "Statistics") -> "Statistics":
        """Of the two sets together: n exactly, the sums up to rounding (1e-16)."""
        _check_width(self, other)
        return Statistics(self.n + other.n, self.total + other.total, self.outer + other.outer)

    @property
    def mean(self) -> np.ndarray:
        """float64 (D,)."""
        return self.total / self.n

    @property
    def covariance(self) -> np.ndarray:
        """float64 (D, D), divided by n - 1; n >= 2."""
        return (self.outer - np.outer(self.total, self.mean)) / (self.n - 1)


def statistics(features: np.ndarray) -> Statistics:
    """Of float features (N, D); N may be 1, as for a small part of a set. Raises Problem for anything else."""
    features = check_features(features)
    width = features.shape[1]
    total, outer = np.zeros(width), np.zeros((width, width))
    for start in range(0, len(features), BLOCK):
        block = features[start : start + BLOCK].astype(np.float64)
        total += block.sum(0)
        outer += block.T @ block
    return Statistics(len(features), total, outer)


@dataclass(frozen=True)
class Fid:
    """The distance of n pictures to m others.

    value: 0 is best, no upper bound;  raw: the same before a tiny negative was clipped to 0
    """

    value: float
    raw: float
    n: int
    m: int

    @property
    def few(self) -> bool:
        """Whether one of the sets is so small that the number must be shown with the sentence FEW."""
        return min(self.n, self.m) < ENOUGH


def fid(a: Statistics, b: Statistics) -> Fid:
    """The Fréchet distance; it does not matter which set comes first, only for the names n and m.

    Raises Problem when a set has fewer than 500 pictures or the features differ in width.
    """
    _check_width(a, b)
    check_count(a.n, b.n)
    return _distance(a, _root(a), b, _root(b))


def label(n: int, m: int, reference: str) -> str:
    """How a FID is named wherever it is shown: "FID-5k against 50k train". reference: a split's or a set's name."""
    return t("FID-{n} against {m} {reference}", n=short(n), m=short(m), reference=reference)


def short(count: int) -> str:
    """5000 -> "5k", 600 -> "600", 1234 -> "1,234"."""
    return f"{count // 1000:,}k" if count >= 1000 and count % 1000 == 0 else f"{count:,}"


@dataclass(frozen=True)
class FidInfinity:
    """What FID would be for endlessly many pictures, as `line` has it; the bias of the reference's own size stays.

    value: may be slightly negative;  error: the standard error of `value` as the fit has it
    curve: (N, FID) of the subsets, ascending
    """

    value: float
    error: float
    curve: tuple[tuple[int, float], ...]


def fid_infinity(
    features: np.ndarray, reference: Statistics, points: int = 8, seed: int = 0, on_step: Step | None = None
) -> FidInfinity:
    """Fit FID over 1/N at `points` sizes from N/4 to all N, evenly spaced in 1/N, on seeded subsets of features (N, D).

    Raises Problem below 2,000 pictures, where the smallest subset would have fewer than 500.
    """
    features = check_features(features, least=4 * LEAST)
    n = len(features)
    sizes = [round(n / share) for share in np.linspace(4, 1, points)]
    root, values = _root(reference), []
    for at, size in enumerate(sizes):
        chosen = np.random.default_rng([seed, size]).permutation(n)[:size]
        part = statistics(features[np.sort(chosen)])
        _check_width(part, reference)
        check_count(part.n, reference.n)
        values.append(_distance(part, _root(part), reference, root).raw)
        if on_step:
            on_step(at + 1, points, FITTING)
    curve = tuple(zip(sizes, values))
    value, _, error = line(curve)
    return FidInfinity(value, error, curve)


def line(curve: Sequence[tuple[int, float]]) -> tuple[float, float, float]:
    """(value at endlessly many pictures, slope, standard error of the value) of the line through FID over 1/N, by least
    squares, for a curve of (N, FID); the error is NaN below three points, and too small: the points share pictures."""
    inverse = [1 / n for n, _ in curve]
    mean_x, mean_y = sum(inverse) / len(curve), sum(value for _, value in curve) / len(curve)
    spread = sum((x - mean_x) ** 2 for x in inverse)
    slope = 0.0
    if spread:
        slope = sum((x - mean_x) * (value - mean_y) for x, (_, value) in zip(inverse, curve)) / spread
    limit, error = mean_y - slope * mean_x, math.nan
    if len(curve) > 2 and spread:
        rest = sum((value - limit - slope * x) ** 2 for x, (_, value) in zip(inverse, curve))
        error = math.sqrt(rest / (len(curve) - 2) * (1 / len(curve) + mean_x**2 / spread))
    return limit, slope, error


def _root(of: Statistics) -> np.ndarray:
    """F (D, D) with F F' = the covariance; what rounding made negative in it counts as 0."""
    values, vectors = np.linalg.eigh(of.covariance)
    return vectors * np.sqrt(values.clip(0))


def _distance(a: Statistics, root_a: np.ndarray, b: Statistics, root_b: np.ndarray) -> Fid:
    gap = a.mean - b.mean
    shared = np.linalg.svd(root_a.T @ root_b, compute_uv=False).sum()
    raw = float(gap @ gap + (root_a**2).sum() + (root_b**2).sum() - 2 * shared)
    return Fid(max(raw, 0.0), raw, a.n, b.n)


def check_count(n: int, m: int) -> None:
    """Problem when either set is too small for an FID."""
    if min(n, m) < LEAST:
        raise Problem(
            "FID needs at least {least} pictures on either side, got {n} and {m}.", least=LEAST, n=n, m=m
        )


def _check_width(a: Statistics, b: Statistics) -> None:
    if a.total.shape != b.total.shape:
        raise Problem(
            "Features of {a} and of {b} numbers cannot be compared.", a=len(a.total), b=len(b.total)
        )
