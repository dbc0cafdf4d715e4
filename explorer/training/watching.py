"""What a generator's training is watched by: a grid of always the same seeds, and a distance to held-out pictures."""

from typing import Any

import numpy as np
import torch

from explorer import checkpoints
from explorer.analysis import predict
from explorer.analysis.kid import mmd2
from explorer.analysis.scores import JUDGES
from explorer.data import ImageSet, spread
from explorer.models.pixels import as_pixels

ROWS = 5  # of the grid, a column for each class
MOST = 1000  # pictures that a GAN draws at an evaluation, and at most those on either side of the distance


def grid(model: Any, classes: int, **options: Any) -> np.ndarray:
    """Five pictures of each class (the first ten), always of the same seeds, row by row: uint8 (5 K, 3, 32, 32)."""
    return pictures(model, torch.arange(min(classes, 10)).repeat(ROWS), **options)


def pictures(model: Any, labels: torch.Tensor, first: int = 0, **options: Any) -> np.ndarray:
    """A picture for each label, of the seeds from `first` on: uint8 (N, 3, 32, 32)."""
    seeds = [torch.Generator().manual_seed(first + k) for k in range(len(labels))]
    return as_pixels(model.sample(seeds, labels, **options))


class Distance:
    """KID between generated and held-out pictures in the features of one of our classifiers.

    Inception would take a minute for what this does in a second; the numbers compare epochs of one run, nothing else.
    """

    def __init__(self, held: ImageSet):
        judge = JUDGES.get(held.name, JUDGES["cifar10"])  # whose features
        self.judge = checkpoints.load(checkpoints.OURS / judge)
        found = predict.embeddings(self.judge, held.images[spread(len(held), min(len(held), MOST))])
        # The kernel is (xy / d + 1)^3: features as long as Inception's, so that no term of it drowns the others.
        self.scale = np.sqrt(np.square(found, dtype=np.float64).mean())
        self.held = found.astype(np.float64) / self.scale

    def __call__(self, images: np.ndarray) -> float:
        found = predict.embeddings(self.judge, images).astype(np.float64) / self.scale
        return mmd2(found, self.held)
