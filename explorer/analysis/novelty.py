"""Is a picture like anything the model has learned? The cosine of its features with the nearest class mean.

The highest probability says little about that: a softmax has to share its 1 among the classes it knows. With 5 % of
its own test pictures turned away, digits-fastnet notices all photographs, noise and flat colours by this cosine, and a
tenth to a fifth of them by its probability; cifar10-fastnet all digits and flat colours (17 % and 83 %), but hardly any
uniform noise. The largest logit and the energy (Liu et al. 2020, arXiv 2010.03759) lie between, or below. A hint, no
proof: benchmarks/novelty.py. Nearest class mean: Mensink et al. 2013.
"""

import math

import numpy as np

from explorer.text import Problem


def class_means(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The direction of each class's mean: embeddings (N, C), labels (N,) in 0..classes-1 -> float32 (classes, C).

    Rows have length 1; the row of a class without pictures is 0 and is never near.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or not np.isfinite(embeddings).all():
        raise Problem(
            "Class means need finite features (N, C) and N labels, got {features} and {labels}.",
            features=embeddings.shape,
            labels=labels.shape,
        )
    sums = np.zeros((classes, embeddings.shape[1]))
    np.add.at(sums, labels, embeddings)
    return _directions(sums).astype(np.float32)


def similarity(embeddings: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The cosine of each row of embeddings (N, C) with the nearest of `means` (K, C): float64 (N,) in [-1, 1]."""
    return (_directions(embeddings) @ means.astype(np.float64).T).max(1)


def _directions(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def threshold_for(similarities: np.ndarray, coverage: float = 0.95) -> float:
    """The highest threshold that keeps (>=) at least this share of the similarities (N,); coverage in (0, 1]."""
    if not 0 < coverage <= 1:
        raise Problem("Coverage must lie in (0, 1], got {coverage}.", coverage=coverage)
    if not len(similarities):
        raise Problem("A threshold needs at least one picture.")
    ordered = np.sort(similarities)[::-1]
    return float(ordered[math.ceil(round(coverage * len(ordered), 9)) - 1])
