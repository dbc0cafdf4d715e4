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


def check_features(features: np.ndarray, least: int = 1) -> np.ndarray:
    """`features` itself once it is finite, float, (N, D) with D >= 1 and N >= least."""
    features = check_shape(features, least)
    if not np.isfinite(features).all():
        raise Problem("The features hold values that are not finite numbers.")
    return features


def check_shape(features: np.ndarray, least: int = 1) -> np.ndarray:
    """`features` itself once it is float, (N, D) with D >= 1 and N >= least; its values are not looked at."""
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1] or features.dtype.kind != "f":
        raise Problem(
            "Expected features as floats (N, D), got {dtype} {shape}.",
            dtype=features.dtype,
            shape=features.shape,
        )
    if len(features) < least:
        raise Problem("Expected at least {least} pictures, got {n}.", least=least, n=len(features))
    return features


def check_pair(a: np.ndarray, b: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and (M, D) of two sets, each as `check_features` asks and both equally wide."""
    a, b = check_features(a, least), check_features(b, least)
    if a.shape[1] != b.shape[1]:
        raise Problem("Features of {a} and of {b} numbers cannot be compared.", a=a.shape[1], b=b.shape[1])
    return a, b
