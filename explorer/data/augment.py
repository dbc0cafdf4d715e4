"""Augmentation of a whole batch at once, on tensors: no picture library, no worker processes.

Every random choice is a function of (seed, step), so an interrupted run repeats exactly what an unbroken one would do.
"""

from dataclasses import dataclass

import numpy as np
import torch

FLIPS = ("none", "random", "alternating")
BORDERS = ("reflect", "zero")


@dataclass(frozen=True)
class Augment:
    """How the pictures of a batch are mirrored and moved.

    flip: "random" = a coin for every picture and step; "alternating" = a coin for every picture once, then turned over
        every epoch, so that two epochs in a row always show both sides (Jordan 2024, arXiv 2404.00498)
    shift: up to so many pixels in each direction
    border: what comes in from outside: "reflect" = the picture itself, "zero" = black, as torchvision's
        RandomCrop(32, padding=shift) does
    """

    flip: str = "alternating"
    shift: int = 2
    border: str = "reflect"


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Random numbers that depend on the seed and the stream (an epoch, a step ...) and on nothing else."""
    return np.random.default_rng([seed, *stream])


def flip_coins(seed: int, count: int) -> np.ndarray:
    """The coin of every picture of the set, bool (count,), for alternating flips."""
    return generator(seed, 2).random(count) < 0.5


def reflect(index: torch.Tensor, size: int) -> torch.Tensor:
    """Fold indices that lie up to size - 1 outside back in, without repeating the border: -1 -> 1, size -> size - 2."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


def _beyond(index: torch.Tensor, size: int) -> torch.Tensor:
    return (index < 0) | (index >= size)


def augment(
    images: torch.Tensor, how: Augment, rng: np.random.Generator, flipped: torch.Tensor | None = None
) -> torch.Tensor:
    """Flip and shift uint8 (B, 3, H, W) pictures by one gather over index maps; same shape, channels last.

    flipped: bool (B,), which pictures to mirror when `how.flip` is "alternating"
    """
    count, _, height, width = images.shape
    dy, dx = torch.from_numpy(rng.integers(-how.shift, how.shift + 1, (2, count))).to(images.device)
    seen_rows = torch.arange(height, device=images.device) + dy[:, None]  # (B, H), may lie outside
    seen_columns = torch.arange(width, device=images.device) + dx[:, None]  # (B, W)
    rows, columns = reflect(seen_rows, height), reflect(seen_columns, width)
    if how.flip == "random":
        flipped = torch.from_numpy(rng.random(count) < 0.5).to(images.device)
    if how.flip != "none" and flipped is not None:
        columns = torch.where(flipped[:, None], width - 1 - columns, columns)
    which = torch.arange(count, device=images.device)[:, None, None]
    pixels = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]  # (B, H, W, 3)
    if how.border == "zero" and how.shift:
        outside = _beyond(seen_rows, height)[:, :, None] | _beyond(seen_columns, width)[:, None, :]
        pixels.masked_fill_(outside[..., None], 0)
    return pixels.permute(0, 3, 1, 2)


def normalize(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """uint8 (B, 3, H, W) -> float32 of the same shape and memory layout, with the data's mean at 0, deviation 1."""
    scale = 1 / (255 * torch.tensor(std, device=images.device))
    shift = -torch.tensor(mean, device=images.device) / torch.tensor(std, device=images.device)
    return images.float().mul_(scale[:, None, None]).add_(shift[:, None, None])


def cutout(images: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Set a square of `size` pixels, centred anywhere, to 0 (the mean), in normalised (B, 3, H, W) pictures.

    DeVries and Taylor 2017, arXiv 1708.04552.
    """
    count, _, height, width = images.shape
    top = torch.from_numpy(rng.integers(0, height, count)).to(images.device) - size // 2
    left = torch.from_numpy(rng.integers(0, width, count)).to(images.device) - size // 2
    y = torch.arange(height, device=images.device) - top[:, None]
    x = torch.arange(width, device=images.device) - left[:, None]
    inside = ((y >= 0) & (y < size))[:, :, None] & ((x >= 0) & (x < size))[:, None, :]
    return images.masked_fill(inside[:, None], 0)
