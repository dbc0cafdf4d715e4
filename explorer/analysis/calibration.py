"""Is the model as sure as it is right? Reliability bins, ECE (Naeini 2015, Guo 2017), temperature.

`calibrate` is fitted on held-out logits once, after training; its temperature travels in the checkpoint's card. The ECE
is equal to torchmetrics' MulticlassCalibrationError(n_bins=15, norm="l1").
"""

import math
from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels, check_scores

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The pictures whose highest probability lies in [low, high).

    confidence: mean highest probability;  accuracy: share that is right (both 0 when the bin is empty);
    members: int64 (n,), ascending.  Probabilities rounded to exactly 1 form their own bin, low = high = 1.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    members: np.ndarray

    @property
    def n(self) -> int:
        """How many pictures fell into the bin."""
        return len(self.members)


@dataclass(frozen=True)
class Reliability:
    """All bins in ascending order, and the ECE: mean |accuracy - confidence| weighted by n, in [0, 1]."""

    bins: tuple[Bin, ...]
    ece: float
    n: int


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Sort pictures by their highest probability into equal bins. probabilities: (N, K)."""
    probabilities = check_scores(probabilities, labels)
    labels = check_labels(labels, probabilities.shape[1])
    confidence = probabilities.max(1).astype(np.float32)
    right = probabilities.argmax(1) == labels
    edges = _edges(bins)
    where = np.searchsorted(edges, confidence, side="right") - 1  # 0..bins; `bins` holds what is exactly 1
    found = []
    for k in range(bins + 1):
        inside = np.flatnonzero(where == k)
        if k == bins and not len(inside):
            continue
        sure = float(confidence[inside].mean(dtype=np.float64)) if len(inside) else 0.0
        hit = float(right[inside].mean()) if len(inside) else 0.0
        found.append(Bin(float(edges[k]), float(edges[min(k + 1, bins)]), sure, hit, inside))
    gap = sum(abs(b.accuracy - b.confidence) * b.n for b in found) / len(labels)
    return Reliability(tuple(found), float(gap), len(labels))


def _edges(bins: int) -> np.ndarray:
    """0..1 in float32 as torch.linspace builds it (from both ends): a value on an edge falls alike."""
    step = np.float32(1) / np.float32(bins)
    k = np.arange(bins + 1, dtype=np.float32)
    return np.where(k < (bins + 1) // 2, step * k, 1 - step * (bins - k)).astype(np.float32)


def ece(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error in [0, 1]; 0 is best."""
    return reliability(labels, probabilities, bins).ece


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (N, K) in float64 of logits (N, K), each divided by `temperature` > 0."""
    scaled = logits.astype(np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    scaled = logits.astype(np.float64) / temperature
    peak = scaled.max(1)
    total = np.log(np.exp(scaled - peak[:, None]).sum(1)) + peak
    return float((total - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray, low: float = 0.2, high: float = 10.0) -> float:
    """The temperature in [low, high] that minimises the NLL of logits (N, K).

    The NLL is convex in b = 1/T with slope E_p[z] - z_y and curvature Var_p[z]: Newton, kept inside a
    shrinking bracket. When every held-out picture is right (or wrong) there is no optimum: a bound answers.
    """
    logits = check_scores(logits, labels)
    labels = check_labels(labels, logits.shape[1])
    z = logits.astype(np.float64)
    truth = z[np.arange(len(labels)), labels]
    left, right = 1 / high, 1 / low
    b = min(max(1.0, left), right)
    for _ in range(200):
        p = softmax(z, 1 / b)
        mean = (p * z).sum(1)
        slope, curvature = float((mean - truth).mean()), float(((p * z * z).sum(1) - mean**2).mean())
        if slope == 0 and curvature > 0:
            break
        left, right = (b, right) if slope <= 0 else (left, b)
        step = b - slope / curvature if curvature > 0 else math.inf
        new = step if left < step < right else (left + right) / 2
        if abs(new - b) < 1e-12 * b:
            break
        b = new
    return 1 / b


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found on n held-out pictures: the temperature for the card, and what it changed."""

    temperature: float
    n: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


def calibrate(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit the temperature on held-out logits (N, K)."""
    temperature = fit_temperature(logits, labels)
    return Calibration(
        temperature=temperature,
        n=len(labels),
        nll_before=nll(logits, labels),
        nll_after=nll(logits, labels, temperature),
        ece_before=ece(labels, softmax(logits)),
        ece_after=ece(labels, softmax(logits, temperature)),
    )
