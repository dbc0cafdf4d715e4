"""Two ways judged on the same queries: the difference, its interval, and whether it names a winner.

Paired percentile bootstrap (Efron & Tibshirani 1993): the queries are drawn anew, each with both its values, so what
makes a query hard for both ways cancels.
"""

from dataclasses import dataclass

import numpy as np

from explorer.text import N_, Problem

DRAWS, SEED = 1000, 0
LEVEL = (2.5, 97.5)  # percentiles: a 95 % interval
# With fewer queries on which the two differ even a clean sweep is chance: a two-sided sign test gives 2 / 2^5 = 0.06.
# The bootstrap alone would crown a winner from four.
LEAST_APART = 6


@dataclass(frozen=True)
class Difference:
    """Means a and b over the same n queries, and a - b with its 95 % interval from low to high.

    apart: on how many queries the two differ at all
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    apart: int
    n: int

    @property
    def winner(self) -> int:
        """1: a is larger, -1: b is, 0: the interval holds zero, or they differ on too few queries to tell."""
        if self.apart < LEAST_APART:
            return 0
        return (self.low > 0) - (self.high < 0)


def paired(a: np.ndarray, b: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> Difference:
    """Compare values float (Q,) in [0, 1] of the same Q >= 1 queries; values are finite."""
    a, b = _checked(a, 1), _checked(b, 1)
    if len(a) != len(b):
        raise Problem(
            "Values of {a} and of {b} queries cannot be paired; give both of the same ones.",
            a=len(a),
            b=len(b),
        )
    low, high = interval(a - b, draws, seed)
    mean = float((a - b).mean())
    return Difference(
        float(a.mean()), float(b.mean()), mean, float(low), float(high), int((a != b).sum()), len(a)
    )


def interval(values: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the mean of (Q,) values, or of the M means of (Q, M), whose columns are drawn together."""
    values = _checked(values, np.ndim(values))
    rng, n = np.random.default_rng(seed), len(values)
    means = [np.bincount(rng.integers(0, n, n), minlength=n) @ values / n for _ in range(draws)]
    low, high = np.percentile(means, LEVEL, axis=0)
    return low, high


def _checked(values: np.ndarray, dimensions: int) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != dimensions or not len(values) or not np.isfinite(values).all():
        raise Problem(
            "Expected finite values of at least one query, got shape {shape}.",
            shape=values.shape,
        )
    return values


# --- in words -----------------------------------------------------------------------------------------------------

VERDICTS = {
    1: N_("{what}: cosine is ahead by {by} points (95 %: {low} to {high}; n = {n} queries)."),
    -1: N_("{what}: Euclidean is ahead by {by} points (95 %: {low} to {high}; n = {n} queries)."),
    0: N_(
        "{what}: no winner, the interval of cosine minus Euclidean, {low} to {high} points, holds zero "
        "(n = {n} queries)."
    ),
}
FEW = N_("{what}: no winner, the two differ on {apart} of {n} queries, too few to tell.")


def verdict(found: Difference, what: str) -> tuple[str, dict[str, str]]:
    """(template, values) for t(): what a difference of cosine (a) minus Euclidean (b) says; points are hundredths.

    what: the measure, in the reader's language: one metric may be ahead by one measure and not by another
    """
    counts = {"n": f"{found.n:,}", "what": what}
    if found.apart < LEAST_APART:
        return FEW, counts | {"apart": f"{found.apart:,}"}
    ends = sorted([found.low, found.high]) if found.winner >= 0 else sorted([-found.low, -found.high])
    low, high = (f"{100 * end:{'.2f' if found.winner else '+.2f'}}".replace("-", "−") for end in ends)
    by = {"by": f"{100 * abs(found.difference):.2f}"} if found.winner else {}
    return VERDICTS[found.winner], counts | by | {"low": low, "high": high}
