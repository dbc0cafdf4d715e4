"""A named set of labelled pictures, the one form in which data moves through the house."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

SIZE = 32


@dataclass(frozen=True)
class ImageSet:
    """N labelled pictures of one split.

    images: uint8 (N, 3, 32, 32), possibly a read-only view into a file whose bytes lie as (N, 32, 32, 3)
    labels: int64 (N,), an index into `classes`
    mean, std: per channel in 0..1, of the *train* split, what models normalise with
    fingerprint: 64 hex digits, sha256 over pixels, labels and class names
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray, split: str | None = None) -> "ImageSet":
        """The pictures at `indices`, in that order, with a fingerprint of their own."""
        images, labels = self.images[indices], self.labels[indices]
        found = fingerprint(images, labels, self.classes)
        return replace(self, images=images, labels=labels, split=split or self.split, fingerprint=found)


def pixel_hash(images: np.ndarray) -> str:
    """sha256 of uint8 (N, 3, H, W) pictures, read in (N, H, W, 3) order."""
    return hashlib.sha256(np.ascontiguousarray(images.transpose(0, 2, 3, 1)).data).hexdigest()


def fingerprint(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> str:
    """64 hex digits that change when a pixel, a label, the order or a class name changes."""
    text = "\n".join(
        [pixel_hash(images), hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest(), *classes]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation per channel, in 0..1, of uint8 (N, 3, H, W); deviation at least 1/255."""
    grey = np.arange(256) / 255
    counts = np.stack([np.bincount(images[:, channel].reshape(-1), minlength=256) for channel in range(3)])
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ grey
    std = np.sqrt((share * (grey - mean[:, None]) ** 2).sum(1)).clip(1 / 255)
    return tuple(map(float, mean)), tuple(map(float, std))


def data_root() -> Path:
    """The folder of downloaded data: $EXPLORER_DATA, else ~/.cache/model-explorer."""
    return Path(os.environ.get("EXPLORER_DATA") or Path.home() / ".cache" / "model-explorer").expanduser()


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` indices below `count`, evenly spread and ascending: a folder's pictures are sorted by class."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def stratified(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split indices in two, class by class: (the rest, about `share` of every class), each in ascending order."""
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        taken[members[: round(share * len(members))]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)
