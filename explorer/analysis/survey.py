"""Class activation maps of a whole data set: where a model looks, class by class, and whether at the object at all.

One forward pass a picture: CAM's maps of all classes come with the logits. Nets whose head is not linear have none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer import checkpoints
from explorer.analysis.calibration import softmax
from explorer.analysis.classification import members
from explorer.checkpoints import Card, Loaded
from explorer.data import ImageSet
from explorer.text import Problem

BATCH = 100


@dataclass(frozen=True)
class Survey:
    """CAM's maps of N pictures, at the last map (h, w), raw and signed.

    true, said: float32 (N, h, w), for the true and for the predicted class
    highest: float32 (N, K), the largest cell of every class's map;  logits: float32 (N, K);  labels: int64 (N,)
    data, split, fingerprint: of the pictures
    """

    true: np.ndarray
    said: np.ndarray
    highest: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    data: str
    split: str
    fingerprint: str
    checkpoint_sha256: str

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,)."""
        return self.logits.argmax(1)

    def mean_map(self, class_: int) -> np.ndarray:
        """The mean map (h, w) of a class over its own pictures; nan without any."""
        return _mean(self.true[self.labels == class_])

    def of_class(self, class_: int) -> int:
        """How many pictures a class has."""
        return int((self.labels == class_).sum())

    def inside(self, true: int, said: int) -> np.ndarray:
        """Indices of the pictures in a confusion cell, the surest prediction first."""
        return members(self.labels, softmax(self.logits), true, said)

    def cell(self, true: int, said: int) -> tuple[np.ndarray, np.ndarray]:
        """Over the pictures of a confusion cell: the mean maps (h, w) for the true and for the predicted class."""
        inside = (self.labels == true) & (self.predicted == said)
        return _mean(self.true[inside]), _mean(self.said[inside])

    def border_shares(self) -> np.ndarray:
        """Per picture, of the positive evidence for the true class the share in the outermost cells: (N,), in [0, 1].

        nan where there is no positive evidence. `border_of_even` is what evidence spread evenly would have.
        """
        positive = np.maximum(self.true, 0).astype(np.float64)
        total, inner = positive.sum((1, 2)), positive[:, 1:-1, 1:-1].sum((1, 2))
        return np.where(total > 0, (total - inner) / np.where(total > 0, total, 1), np.nan)

    def border_by_class(self) -> np.ndarray:
        """The mean border share of every class over its pictures that have one: float64 (K,); nan without any."""
        shares, classes = self.border_shares(), self.logits.shape[1]
        has = np.isfinite(shares)
        count = np.bincount(self.labels[has], minlength=classes)
        total = np.bincount(self.labels[has], shares[has], minlength=classes)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def by_border(self, class_: int) -> np.ndarray:
        """Indices of a class's pictures, the largest border share first; those without a share are left out."""
        shares = self.border_shares()
        found = np.flatnonzero((self.labels == class_) & np.isfinite(shares))
        return found[np.argsort(-shares[found], kind="stable")]

    @property
    def border_of_even(self) -> float:
        """The share of the outermost cells among all cells."""
        h, w = self.true.shape[1:]
        return 1 - (h - 2) * (w - 2) / (h * w)

    def recognised(self, shown: int) -> int:
        """How many pictures `ratio` is the median of."""
        return int(self._recognised(shown).sum())

    def _recognised(self, shown: int) -> np.ndarray:
        return (self.labels == shown) & (self.predicted == shown) & (self.highest[:, shown] > 0)

    def ratios(self, shown: int) -> np.ndarray:
        """`ratio` of every class beside `shown`: float64 (K,), 1 at `shown`; nan where none of it is recognised."""
        return np.array([self.ratio(shown, other) for other in range(self.logits.shape[1])])

    def ratio(self, shown: int, other: int) -> float:
        """How large the largest positive evidence for `other` is beside that for `shown`, the median over the pictures
        of class `shown` that are recognised: 0 where the other map finds nothing, nan without such pictures."""
        right = self._recognised(shown)
        if not right.any():
            return float("nan")
        return float(np.median(np.maximum(self.highest[right, other], 0) / self.highest[right, shown]))


def _mean(maps: np.ndarray) -> np.ndarray:
    return maps.mean(0, dtype=np.float64) if len(maps) else np.full(maps.shape[1:], np.nan)


def check(card: Card) -> None:
    """Problem when the net of a checkpoint has no exact class activation map."""
    from explorer import models

    if not models.spec(card.model).pooled_linear:
        raise Problem(
            "{name} has no exact class activation maps: the logits of {model} are not linear in the mean of its last "
            "map. Choose a checkpoint of one of these nets: {known}.",
            name=card.name, model=card.model,
            known=", ".join(name for name, spec in models.MODELS.items() if spec.pooled_linear),
        )  # fmt: skip


def survey(loaded: Loaded, pictures: ImageSet, on_step: Callable[[int, int], None] | None = None) -> Survey:
    """Look at every picture of a split once; on_step(done, total) is called after each hundred.

    Raises Problem when the classes are not the checkpoint's, or its net has no exact class activation map.
    """
    from explorer.analysis import cam  # here: stored maps are read without torch

    check(loaded.card)
    if pictures.classes != loaded.card.classes:
        raise Problem(
            "{name} was trained for the classes {own}; {data} has {other}.",
            name=loaded.card.name, own=", ".join(loaded.card.classes[:12]),
            data=pictures.name, other=", ".join(pictures.classes[:12]),
        )  # fmt: skip
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(pictures), BATCH):
        labels = pictures.labels[start : start + BATCH]
        found = cam.explain(loaded, pictures.images[start : start + BATCH], "cam")
        which = np.arange(len(labels))
        said = found.logits.argmax(1)
        parts.append((found.raw[which, labels], found.raw[which, said], found.raw.max((2, 3)), found.logits))
        if on_step:
            on_step(start + len(labels), len(pictures))
    if not parts:
        raise Problem("{data}, {split}, holds no pictures.", data=pictures.name, split=pictures.split)
    return Survey(
        *(np.concatenate(each) for each in zip(*parts)), labels=pictures.labels, data=pictures.name,
        split=pictures.split, fingerprint=pictures.fingerprint, checkpoint_sha256=loaded.card.sha256,
    )  # fmt: skip


def stored(name: str, split: str = "test") -> Survey:
    """The survey kept beside a checkpoint; Missing when there is none."""
    found = checkpoints.read_maps(name, split)
    kept = ("true", "said", "highest", "logits", "labels", "data", "split", "fingerprint")
    return Survey(**{key: found[key] for key in kept}, checkpoint_sha256=found["sha256"])


def packed(found: Survey) -> bytes:
    """The bytes under which `stored` finds this survey again; its maps are rounded to float16."""
    return checkpoints.pack_maps(
        found.true, found.said, found.highest, found.logits, found.labels,
        data=found.data, split=found.split, fingerprint=found.fingerprint, sha256=found.checkpoint_sha256,
    )  # fmt: skip
