"""Data sets: `load(name, split)` gives an ImageSet; a new one is a loader and a line in DATASETS."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from explorer.data import cifar10, digits, folder, sheet
from explorer.data.fetch import Step
from explorer.data.fetch import fetch as fetch_cifar10
from explorer.data.imageset import SIZE, ImageSet, data_root, fingerprint, spread, stratified
from explorer.text import N_, Missing, Problem

__all__ = [
    "DATASETS", "SIZE", "DatasetSpec", "ImageSet", "Missing", "available", "data_root", "fingerprint", "holdout",
    "load", "names", "spec", "spread", "stratified", "valid_name",
]  # fmt: skip


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is loaded.

    load: split -> ImageSet;  available: whether that would work now, without reading the pictures
    fetch: gets the data from elsewhere, telling its progress; None = nothing to get
    """

    load: Callable[[str], ImageSet]
    classes: tuple[str, ...]
    summary: str
    splits: tuple[str, ...] = ("train", "test")
    available: Callable[[], bool] = lambda: True
    fetch: Callable[[Step], Path] | None = None


DATASETS: dict[str, DatasetSpec] = {
    "digits": DatasetSpec(
        digits.load, digits.CLASSES, N_("1,797 scanned digits that come with scikit-learn")
    ),
    "cifar10": DatasetSpec(
        cifar10.load,
        cifar10.CLASSES,
        N_("60,000 colour pictures in ten classes (Krizhevsky 2009)"),
        available=cifar10.available,
        fetch=fetch_cifar10,
    ),
    "cifar10-sheet": DatasetSpec(
        sheet.load,
        cifar10.CLASSES,
        N_("500 CIFAR-10 test pictures, 50 a class, always here"),
        splits=("test",),
    ),
}


def valid_name(text: str, kind: str) -> str:
    """`text` itself when it can be a name here; Problem otherwise. Names never become paths outside their folder."""
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", text):
        raise Problem(
            "{kind} {text} is not a name: use 1 to 64 of a-z, 0-9, _ and -.", kind=kind, text=repr(text[:80])
        )
    return text


def names() -> list[str]:
    """Every data set that `load` knows, the user's own folders included."""
    return [*DATASETS, *folder.registered()]


def spec(name: str) -> DatasetSpec:
    """The entry of a data set; Problem that lists the known ones otherwise."""
    if name in DATASETS:
        return DATASETS[name]
    path = folder.registered().get(name)
    if path is None:
        raise Problem(
            "Unknown data set {name}; known: {known}.", name=repr(name[:80]), known=", ".join(names())
        )
    return DatasetSpec(
        partial(folder.load, name, path),
        folder.classes(name),
        N_("your own pictures, a folder per class"),
        available=lambda: path.is_dir() or bool(folder.classes(name)),
    )


def available(name: str) -> bool:
    """Whether `load(name)` would find its pictures here."""
    return spec(name).available()


def load(name: str, split: str = "test") -> ImageSet:
    """A split of a data set, kept for the life of the process (CIFAR-10 stays in its file and is memory-mapped).

    Raises Missing when the data has to be got first, Problem for an unknown name or split or wrong pixels.
    """
    found = spec(name)
    if split not in found.splits:
        known = ", ".join(found.splits)
        raise Problem(
            "{name} has no split {split}; it has: {known}.", name=name, split=repr(split), known=known
        )
    path = folder.registered().get(name) if name not in DATASETS else None
    return _load(name, split, folder.signature(name, path) if path else str(data_root()))


@lru_cache(maxsize=8)
def _load(name: str, split: str, state: str) -> ImageSet:
    """`state`: what the pictures depend on besides their name, so that a changed folder is read anew."""
    return spec(name).load(split)


def holdout(image_set: ImageSet, count: int, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Set about `count` pictures aside, the same share of every class: (to fit on, held out)."""
    if not 0 < count < len(image_set):
        raise Problem("Cannot hold out {count} of {n} pictures.", count=count, n=len(image_set))
    fit, held = stratified(image_set.labels, count / len(image_set), seed)
    return image_set.take(fit, "fit"), image_set.take(held, "held-out")
