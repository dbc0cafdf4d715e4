"""One class against the rest: ROC and precision-recall curves, the areas under them, ties counted right.

Equal to scikit-learn's roc_curve, roc_auc_score(multi_class="ovr"), precision_recall_curve and
average_precision_score.
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels, check_scores


@dataclass(frozen=True)
class Curve:
    """The curves of one class, a point per distinct score, from the strictest threshold to the loosest.

    false_rate, true_rate: ROC, in [0, 1], starting at (0, 0);  recall, precision: PR, starting at (0, 1)
    thresholds: the score of each point; the first is +inf (nothing accepted)
    auc: area under ROC;  ap: average precision (the step sum, no interpolation); NaN where the class, or the
    rest, has no picture
    """

    false_rate: np.ndarray
    true_rate: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    thresholds: np.ndarray
    auc: float
    ap: float
    support: int


def curve(positive: np.ndarray, scores: np.ndarray) -> Curve:
    """Curves of one class. positive: bool (N,), the picture is of the class;  scores: (N,)."""
    order = np.argsort(-scores, kind="stable")
    hits, ranked = positive[order], scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores are accepted together
    tp = np.concatenate([[0], np.cumsum(hits)[last]])
    fp = np.concatenate([[0], last + 1 - tp[1:]])
    p, n = int(tp[-1]), int(fp[-1])
    recall = tp / p if p else np.full(len(tp), np.nan)
    false_rate = fp / n if n else np.full(len(fp), np.nan)
    precision = np.concatenate([[1.0], tp[1:] / (tp[1:] + fp[1:])])
    auc = float(np.trapezoid(recall, false_rate))
    ap = float((np.diff(recall) * precision[1:]).sum())
    thresholds = np.concatenate([[np.inf], ranked[last]])
    return Curve(false_rate, recall, recall, precision, thresholds, auc, ap, p)


def curves(labels: np.ndarray, probabilities: np.ndarray) -> tuple[Curve, ...]:
    """One-vs-rest curves of all K classes. labels: int (N,);  probabilities: (N, K)."""
    probabilities = check_scores(probabilities, labels)
    labels = check_labels(labels, probabilities.shape[1])
    return tuple(curve(labels == k, probabilities[:, k]) for k in range(probabilities.shape[1]))


def auc_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean one-vs-rest ROC AUC over the classes that have pictures, in [0, 1]; NaN without any."""
    areas = np.array([c.auc for c in curves(labels, probabilities)])
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")
