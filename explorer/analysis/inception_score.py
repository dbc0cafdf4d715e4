"""The Inception Score (Salimans et al. 2016, arXiv 1606.03498): exp of the mean KL divergence of p(y|x) from p(y).

It never sees a real picture, so it cannot tell a good generator from one that repeats a picture of each class. Reported
because papers do. It needs the classifier `fc`; `inception.Extractor.logits` refuses where the weights came without it.
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.calibration import softmax
from explorer.analysis.checks import check_features

SPLITS, SEED = 10, 2020  # torch-fidelity's


@dataclass(frozen=True)
class InceptionScore:
    """mean and std over the splits of n pictures: 1 is worst, 1008 the most there could be."""

    mean: float
    std: float
    n: int


def inception_score(logits: np.ndarray, splits: int = SPLITS, seed: int = SEED) -> InceptionScore:
    """Of float logits (N, 1008), shuffled and split as torch-fidelity does. Problem below `splits` pictures."""
    logits = check_features(logits, least=splits)
    n = len(logits)
    p = softmax(logits[np.random.RandomState(seed).permutation(n)])
    found = []
    for at in range(splits):
        part = p[at * n // splits : (at + 1) * n // splits]
        found.append(np.exp(_divergence(part, part.mean(0)).mean()))
    return InceptionScore(float(np.mean(found)), float(np.std(found)), n)


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) in nats for each row; 0 log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * (np.log(p) - np.log(q)), 0).sum(1)
