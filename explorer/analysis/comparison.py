"""Two models on the same pictures: what the second one fixed, what it broke, and if that could be chance."""

import math
from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels
from explorer.analysis.classification import confusion
from explorer.text import Problem


@dataclass(frozen=True)
class McNemar:
    """McNemar's test on the pictures where exactly one model is right.

    exact: two-sided binomial p;  mid: its mid-p (Fagerland 2013), less conservative;
    chi2, chi2_p: with continuity correction, for comparison with the literature
    """

    exact: float
    mid: float
    chi2: float
    chi2_p: float


@dataclass(frozen=True)
class Comparison:
    """Model B against model A on n pictures.

    difference: float (K, K) in [-1, 1], rate of B minus rate of A in each cell of the confusion matrix, rates
    per true class;  fixed: indices where A is wrong and B right;  broken: A right, B wrong;  both_wrong
    """

    difference: np.ndarray
    accuracy_a: float
    accuracy_b: float
    fixed: np.ndarray
    broken: np.ndarray
    both_wrong: np.ndarray
    n: int
    test: McNemar


def compare(labels: np.ndarray, predicted_a: np.ndarray, predicted_b: np.ndarray, classes: int) -> Comparison:
    """Compare two lists of predictions int (N,) of the same pictures."""
    if len(predicted_a) != len(labels) or len(predicted_b) != len(labels):
        raise Problem("Two models can only be compared on the same pictures.")
    labels = check_labels(labels, classes)
    a, b = predicted_a == labels, predicted_b == labels
    fixed, broken = np.flatnonzero(~a & b), np.flatnonzero(a & ~b)
    rates = [rates_of(confusion(labels, found, classes)) for found in (predicted_a, predicted_b)]
    return Comparison(
        difference=rates[1] - rates[0],
        accuracy_a=float(a.mean()),
        accuracy_b=float(b.mean()),
        fixed=fixed,
        broken=broken,
        both_wrong=np.flatnonzero(~a & ~b),
        n=len(labels),
        test=mcnemar(len(fixed), len(broken)),
    )


def rates_of(matrix: np.ndarray) -> np.ndarray:
    """Each row of counts (K, K) as shares of its true class, in [0, 1]; a class without pictures gives 0."""
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


def mcnemar(fixed: int, broken: int) -> McNemar:
    """The test for two discordant counts >= 0; with none at all every p is 1."""
    n, fewer = fixed + broken, min(fixed, broken)
    if n == 0:
        return McNemar(1.0, 1.0, 0.0, 1.0)
    log_ways = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(fewer + 1)]
    chances = [math.exp(ways - n * math.log(2)) for ways in log_ways]  # P(X = k), X ~ Binomial(n, 1/2)
    chi2 = max(abs(fixed - broken) - 1, 0) ** 2 / n
    return McNemar(
        exact=min(1.0, 2 * math.fsum(chances)),
        mid=min(1.0, 2 * math.fsum(chances) - chances[-1]),
        chi2=chi2,
        chi2_p=math.erfc(math.sqrt(chi2 / 2)),
    )
