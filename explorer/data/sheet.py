"""500 CIFAR-10 test pictures, 50 a class, that come with the repository: pages work before any download.

sheet.png holds them in rows of 25, in ascending order of their index in the test split; sheet.json holds
these indices, the labels and the sha256 of the pixels. Made by `python benchmarks/make_sheet.py`.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from explorer.data.cifar10 import CLASSES, MEAN, STD
from explorer.data.imageset import SIZE, ImageSet, fingerprint, pixel_hash
from explorer.text import Problem

PICTURE, CARD = Path(__file__).with_name("sheet.png"), Path(__file__).with_name("sheet.json")
COLUMNS = 25
SEED, PER_CLASS = 0, 50


def load(split: str) -> ImageSet:
    """The 500 pictures, split "test". Raises Problem when the files are not the ones that were shipped."""
    from PIL import Image

    card = _card()
    try:
        with Image.open(PICTURE, formats=["PNG"]) as image:
            tiles = np.asarray(image.convert("RGB")).reshape(-1, SIZE, COLUMNS, SIZE, 3)
    except (OSError, ValueError) as error:
        raise Problem("{path} cannot be read: {error}.", path=PICTURE, error=error) from error
    images = tiles.transpose(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)
    if pixel_hash(images) != card["pixels_sha256"]:
        raise Problem("{path} is damaged; get it again from the repository.", path=PICTURE)
    labels = np.asarray(card["labels"], np.int64)
    found = fingerprint(images, labels, CLASSES)
    return ImageSet("cifar10-sheet", split, images, labels, CLASSES, MEAN, STD, found)


def test_indices() -> np.ndarray:
    """The index of every picture of the sheet in CIFAR-10's test split, int64 (500,), ascending."""
    return np.asarray(_card()["indices"], np.int64)


def choose(labels: np.ndarray) -> np.ndarray:
    """The indices that the sheet takes from a split with these labels: 50 a class, seed 0, ascending."""
    rng = np.random.default_rng(SEED)
    members = (np.flatnonzero(labels == label) for label in range(len(CLASSES)))
    return np.sort(np.concatenate([rng.choice(found, PER_CLASS, replace=False) for found in members]))


@cache
def _card() -> dict:
    return json.loads(CARD.read_text())
