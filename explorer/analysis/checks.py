"""What every metric asks of its arrays, refused in one sentence when it is not so."""

import numpy as np

from explorer.text import Problem


def check_labels(labels: np.ndarray, classes: int, n: int | None = None) -> np.ndarray:
    """`labels` as int64 (N,), once it is sure that N >= 1 (N = n when given) and all are in 0..classes-1."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise Problem("Expected a list of at least one class number, got shape {shape}.", shape=labels.shape)
    if n is not None and len(labels) != n:
        raise Problem("Expected {n} class numbers, got {found}.", n=n, found=len(labels))
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise Problem("Expected whole class numbers from 0 to {last}.", last=classes - 1)
    return labels.astype(np.int64, copy=False)


def check_scores(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`scores` itself once it is finite, (N, K) with K >= 2, and N = len(labels) >= 1."""
    scores, n = np.asarray(scores), len(labels)
    if scores.ndim != 2 or len(scores) != n or n == 0 or scores.shape[1] < 2:
        raise Problem(
            "Expected scores of {n} pictures by at least 2 classes, got shape {shape}.",
            n=n,
            shape=scores.shape,
        )
    if not np.isfinite(scores).all():
        raise Problem("The scores hold values that are not finite numbers.")
    return scores
