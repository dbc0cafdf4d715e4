"""How often a classifier is right, and what it takes for what: counts, rates, intervals, the METRICS table.

Arrays in, plain frozen dataclasses out; numpy only. Every number equals scikit-learn's, 0/0 = 0 included.
Calibration, ranking (ROC, PR) and the comparison of two models stand in their own files beside this one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.analysis.calibration import ece
from explorer.analysis.checks import check_labels, check_scores
from explorer.analysis.ranking import auc_macro
from explorer.text import N_


@dataclass(frozen=True)
class ClassRow:
    """One line of the report. precision, recall, f1 in [0, 1]; support = pictures of the class."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int

    def as_dict(self) -> dict[str, float | int]:
        """The four numbers by name, ready for JSON."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.support}


@dataclass(frozen=True)
class Report:
    """What scikit-learn's classification_report says, as numbers.

    rows: one per class, in class order;  confusion: int64 (K, K), row = true class, column = predicted class
    """

    rows: tuple[ClassRow, ...]
    macro: ClassRow
    weighted: ClassRow
    accuracy: float
    n: int
    confusion: np.ndarray

    def as_dict(self) -> dict:
        """The report by name, ready for JSON; rates are fractions in [0, 1]."""
        return {
            "accuracy": self.accuracy,
            "n": self.n,
            "per_class": {row.name: row.as_dict() for row in self.rows},
            "macro_avg": self.macro.as_dict(),
            "weighted_avg": self.weighted.as_dict(),
            "confusion": self.confusion.tolist(),
        }


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts int64 (K, K): row = true class, column = predicted class."""
    labels, predicted = check_labels(labels, classes), check_labels(predicted, classes, len(labels))
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def report(labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]) -> Report:
    """Per class and averaged: precision, recall, F1, support. labels, predicted: int (N,) in 0..K-1."""
    matrix = confusion(labels, predicted, len(classes))
    hits, support, taken = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    # (3, K): precision, recall, F1
    table = np.stack([_ratio(hits, taken), _ratio(hits, support), _ratio(2 * hits, support + taken)])
    n = int(support.sum())
    return Report(
        rows=tuple(
            ClassRow(name, *map(float, table[:, k]), int(support[k])) for k, name in enumerate(classes)
        ),
        macro=ClassRow("macro avg", *map(float, table.mean(1)), n),
        weighted=ClassRow("weighted avg", *map(float, np.average(table, axis=1, weights=support)), n),
        accuracy=float(hits.sum() / n),
        n=n,
        confusion=matrix,
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def wilson(right: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a rate, (low, high) in [0, 1]; the default z gives 95 %."""
    if not 0 <= right <= n or n == 0:
        raise ValueError(f"expected 0 <= right <= n and n >= 1, got right={right}, n={n}")
    centre = right + z * z / 2
    half = z * math.sqrt(right * (n - right) / n + z * z / 4)
    return max(0.0, (centre - half) / (n + z * z)), min(1.0, (centre + half) / (n + z * z))


def members(
    labels: np.ndarray, probabilities: np.ndarray, true: int | None, predicted: int | None
) -> np.ndarray:
    """Indices of the pictures in a cell of the confusion matrix, the surest prediction first.

    None stands for "any other class": (3, None) are the 3s taken for something else, (None, 5) what is
    wrongly taken for 5, (None, None) every mistake.
    """
    probabilities = check_scores(probabilities, labels)
    found = probabilities.argmax(1)
    inside = (labels != found) if true is None or predicted is None else np.ones(len(labels), bool)
    if true is not None:
        inside &= labels == true
    if predicted is not None:
        inside &= found == predicted
    where = np.flatnonzero(inside)
    return where[np.argsort(-probabilities[where, found[where]], kind="stable")]


@dataclass(frozen=True)
class Confusion:
    """One off-diagonal cell: `count` of the `support` pictures of class `true` are taken for `predicted`."""

    true: int
    predicted: int
    count: int
    support: int


def top_confusions(matrix: np.ndarray, limit: int = 10) -> list[Confusion]:
    """The most frequent mistakes of a confusion matrix (K, K), largest first; cells of 0 are left out."""
    off = matrix - np.diag(np.diag(matrix))
    support = matrix.sum(1)
    order = np.argsort(-off, axis=None, kind="stable")[:limit]
    cells = [(int(flat) // len(off), int(flat) % len(off)) for flat in order]
    return [Confusion(i, j, int(off[i, j]), int(support[i])) for i, j in cells if off[i, j]]


def by_recall(matrix: np.ndarray) -> np.ndarray:
    """Class numbers (K,), the class that is found least often first."""
    return np.argsort(np.diag(matrix) / np.maximum(matrix.sum(1), 1), kind="stable")


def by_likeness(matrix: np.ndarray) -> np.ndarray:
    """Class numbers (K,) classes mistaken for one another side by side: the order of the Fiedler vector."""
    ties = (matrix + matrix.T).astype(np.float64)
    np.fill_diagonal(ties, 0)
    if not ties.any():
        return np.arange(len(matrix))
    laplacian = np.diag(ties.sum(1)) - ties
    values, vectors = np.linalg.eigh(
        laplacian + ties.sum()
    )  # the shift lifts the constant vector out of the way
    found = vectors[:, values.argmin()]
    return np.argsort(found * (1 if found[np.abs(found).argmax()] > 0 else -1), kind="stable")


# Ways to order the classes of a confusion matrix: counts (K, K) -> class numbers (K,), and what to call it.
ORDERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "classes": (lambda matrix: np.arange(len(matrix)), N_("class order")),
    "recall": (by_recall, N_("most mistakes first")),
    "likeness": (by_likeness, N_("mistaken for one another, together")),
}


@dataclass(frozen=True)
class Metric:
    """A number that judges a classifier: fn(labels int (N,), probabilities (N, K)) -> float.

    best: the value of a perfect classifier;  higher: larger is better;  sentence: what it says, on screen
    """

    fn: Callable[[np.ndarray, np.ndarray], float]
    label: str
    best: float
    higher: bool
    sentence: str


def _of_report(pick: Callable[[Report], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def metric(labels: np.ndarray, probabilities: np.ndarray) -> float:
        probabilities = check_scores(probabilities, labels)
        names = tuple(map(str, range(probabilities.shape[1])))
        return pick(report(labels, probabilities.argmax(1), names))

    return metric


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -ln p(true class), in nats; a probability below 2e-16 counts as that."""
    probabilities = check_scores(probabilities, labels).astype(np.float64)
    labels = check_labels(labels, probabilities.shape[1])
    share = probabilities[np.arange(len(labels)), labels] / probabilities.sum(1)
    return float(-np.log(np.clip(share, np.finfo(np.float64).eps, 1)).mean() + 0.0)


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of the probabilities from the truth as one-hot, summed over classes: 0 to 2."""
    probabilities = check_scores(probabilities, labels).astype(np.float64)
    truth = np.eye(probabilities.shape[1])[check_labels(labels, probabilities.shape[1])]
    return float(((probabilities - truth) ** 2).sum(1).mean())


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        _of_report(lambda r: r.accuracy), N_("Accuracy"), 1.0, True,
        N_("The share of pictures whose most probable class is the right one."),
    ),
    "macro_precision": Metric(
        _of_report(lambda r: r.macro.precision), N_("Precision, macro average"), 1.0, True,
        N_("Of the pictures given a class, the share that belong to it; every class counts the same."),
    ),
    "macro_recall": Metric(
        _of_report(lambda r: r.macro.recall), N_("Recall, macro average"), 1.0, True,
        N_("Of the pictures of a class, the share that are found; every class counts the same."),
    ),
    "macro_f1": Metric(
        _of_report(lambda r: r.macro.f1), N_("F1, macro average"), 1.0, True,
        N_("The harmonic mean of precision and recall; every class counts the same."),
    ),
    "weighted_f1": Metric(
        _of_report(lambda r: r.weighted.f1), N_("F1, weighted average"), 1.0, True,
        N_("The harmonic mean of precision and recall; a class counts as often as it has pictures."),
    ),
    "auc_macro": Metric(
        auc_macro, N_("ROC AUC, macro average"), 1.0, True,
        N_("How often a picture of a class gets a higher score for it than another picture; 0.5 is chance."),
    ),
    "log_loss": Metric(
        log_loss, N_("Log loss, nats"), 0.0, False,
        N_("The mean surprise at the right class; a sure mistake costs most."),
    ),
    "brier": Metric(
        brier, N_("Brier score"), 0.0, False,
        N_("The squared distance between the probabilities and the truth, from 0 to 2."),
    ),
    "ece": Metric(
        ece, N_("Calibration error (ECE, 15 bins)"), 0.0, False,
        N_("The mean gap between how sure the model is and how often it is right."),
    ),
}  # fmt: skip
