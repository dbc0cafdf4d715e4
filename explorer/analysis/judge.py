"""Our own classifier as the judge of generated pictures: which classes are drawn, and is what was asked for drawn?

The judge errs as well, so class-conditional accuracy is to be read beside its accuracy on real pictures. Collapse is
said in sentences, each with what it was seen by and n.
"""

import math
from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels
from explorer.analysis.memorisation import ALIKE, Memorisation
from explorer.text import Problem

FEWER = 0.8  # alarm when the drawn classes number less than this share of the expected ones, in effect …
SURE = 6.0  # … and when chance would not explain it: so many standard deviations
REPEATED = 10 * ALIKE  # alarm when more than this share of the pictures have a duplicate


@dataclass(frozen=True)
class Judged:
    """What the judge saw in n generated pictures, plain numbers.

    class_counts: pictures per class, K of them;  entropy_bits: of their shares, 0..log2 K;  entropy_share: over log2 K
    classes_in_effect: 2 ** entropy, the number of equally frequent classes with that entropy, 1..K
    classes_expected: the same of the expected shares
    surprise: how far the counts are from the expected ones, in standard deviations of chance; near 0 without a cause
    class_accuracy: share in which the class asked for was seen, 0..1; None when none was asked for
    class_accuracies: the same for each class, None for a class that was never asked for
    """

    class_counts: tuple[int, ...]
    entropy_bits: float
    entropy_share: float
    classes_in_effect: float
    classes_expected: float
    surprise: float
    class_accuracy: float | None
    class_accuracies: tuple[float | None, ...] | None
    n: int

    @property
    def classes_missing(self) -> bool:
        """The alarm of the histogram: many classes are missing, and not by chance."""
        return self.classes_in_effect < FEWER * self.classes_expected and self.surprise > SURE


def judge(
    seen: np.ndarray, classes: int, asked: np.ndarray | None = None, expected: np.ndarray | None = None
) -> Judged:
    """Of the classes seen by the classifier and, where there were any, asked for: int (N,), in 0..classes-1.

    expected: shares of the training pictures' classes (K,), positive; without them all classes are as frequent.
    Raises Problem for class numbers outside, other lengths, or fewer than two classes.
    """
    if classes < 2:
        raise Problem("A judge needs at least two classes, got {classes}.", classes=classes)
    seen = check_labels(seen, classes)
    wanted = np.full(classes, 1 / classes) if expected is None else np.asarray(expected, np.float64)
    if wanted.shape != (classes,) or not np.isfinite(wanted).all() or wanted.min() <= 0:
        raise Problem(
            "Expected positive shares of {classes} classes, got shape {shape}.",
            classes=classes,
            shape=wanted.shape,
        )
    wanted = wanted / wanted.sum()
    n, counts = len(seen), np.bincount(seen, minlength=classes)
    bits = entropy(counts / n)
    chi = float(((counts - n * wanted) ** 2 / (n * wanted)).sum())  # by chance K - 1, with variance 2 (K - 1)
    share, shares = (None, None) if asked is None else _obeyed(seen, check_labels(asked, classes, n), classes)
    return Judged(
        class_counts=tuple(counts.tolist()),
        entropy_bits=bits,
        entropy_share=bits / math.log2(classes),
        classes_in_effect=2**bits,
        classes_expected=2 ** entropy(wanted),
        surprise=(chi - (classes - 1)) / math.sqrt(2 * (classes - 1)),
        class_accuracy=share,
        class_accuracies=shares,
        n=n,
    )


def entropy(shares: np.ndarray) -> float:
    """In bits, of shares (K,) that sum to 1."""
    some = shares[shares > 0]
    return float((some * np.log2(1 / some)).sum())


def _obeyed(seen: np.ndarray, asked: np.ndarray, classes: int) -> tuple[float, tuple[float | None, ...]]:
    right = seen == asked
    shares = [right[asked == k] for k in range(classes)]
    return float(right.mean()), tuple(float(each.mean()) if len(each) else None for each in shares)


def collapse(judged: Judged | None = None, near: Memorisation | None = None) -> tuple[Problem, ...]:
    """The reasons to call the generator collapsed, one sentence each; none for a healthy one.

    A generator that repeats ten pictures may well draw every class: the histogram sees missing classes only, the
    duplicates see repetition only. On real pictures both kept silent (tests/analysis/test_judge.py).
    """
    found = []
    if judged is not None and judged.classes_missing:
        found.append(
            Problem(
                "Few classes are seen: {found} in effect, expected {expected} (by the classifier, n = {n}). Classes "
                "are left out, or the pictures are too vague to be told apart.",
                found=f"{judged.classes_in_effect:.1f}",
                expected=f"{judged.classes_expected:.1f}",
                n=f"{judged.n:,}",
            )
        )
    if near is not None and near.duplicate_rate > REPEATED:
        found.append(
            Problem(
                "Pictures repeat: {rate} % have a near-duplicate among the generated ones, of real pictures about "
                "{usual} % do (n = {n}).",
                rate=f"{100 * near.duplicate_rate:.1f}",
                usual=f"{100 * ALIKE:.1f}",
                n=f"{near.n:,}",
            )
        )
    return tuple(found)
