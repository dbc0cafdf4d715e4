"""The pictures of a step: a function of the seed and of where the run stands, never of what ran before."""

from typing import Any

import numpy as np
import torch

from explorer.data import ImageSet
from explorer.data.augment import Augment, augment, flip_coins, generator
from explorer.models.pixels import as_signed


class Feed:
    """Training pictures on the device, dealt out in batches without repetition within an epoch.

    fabric: device and processes;  batch: over all processes together;  flip: see data.augment
    """

    def __init__(self, fabric: Any, train: ImageSet, batch: int, seed: int, flip: str = "none"):
        self.fabric, self.train, self.size, self.seed, self.flip = fabric, train, batch, seed, flip
        self.steps_per_epoch = len(train) // batch
        # Bytes lie as (N, H, W, 3): a batch gathered from them is channels last without another copy.
        pixels = torch.from_numpy(train.images.transpose(0, 2, 3, 1).copy()).permute(0, 3, 1, 2)
        self.images = pixels.to(fabric.device)
        self.labels = torch.from_numpy(train.labels.copy()).to(fabric.device)
        self.coins = torch.from_numpy(flip_coins(seed, len(train))).to(fabric.device)
        self.order: tuple[int, torch.Tensor] | None = None

    def rng(self, step: int) -> np.random.Generator:
        """This process's random numbers of a step."""
        return generator(self.seed, 3, step, self.fabric.global_rank)

    def chosen(self, step: int) -> torch.Tensor:
        """The numbers of this process's share of the step's pictures, int64."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self.order is None or self.order[0] != epoch:
            permutation = generator(self.seed, 1, epoch).permutation(len(self.train))
            self.order = epoch, torch.from_numpy(permutation).to(self.images.device)
        first = position * self.size
        return self.order[1][first : first + self.size][self.fabric.global_rank :: self.fabric.world_size]

    def signed(self, step: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The step's pictures, mirrored by the recipe, as float32 -1..1 (B, 3, H, W), channels last; labels (B,)."""
        chosen = self.chosen(step)
        flipped = self.coins[chosen] ^ bool(step // self.steps_per_epoch % 2)
        pixels = augment(self.images[chosen], Augment(self.flip, shift=0), rng, flipped)
        return as_signed(pixels), self.labels[chosen]


def torch_generator(rng: np.random.Generator, device: torch.device) -> torch.Generator:
    """A torch generator on the device that follows from `rng`: noise is made where it is used."""
    return torch.Generator(device).manual_seed(int(rng.integers(2**62)))
