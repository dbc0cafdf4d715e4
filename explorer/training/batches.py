"""From bytes to what the net sees: the one way from pictures to a batch, for the training and for a preview of it."""

import numpy as np
import torch

from explorer.data.augment import Augment, augment, cutout, flip_coins, generator, normalize
from explorer.data.mixing import mix
from explorer.data.transforms import jitter, randaugment
from explorer.training.recipes import Recipe
from explorer.training.settings import Settings


def prepare(
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: int,
    recipe: Recipe,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    rng: np.random.Generator,
    flipped: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror and move, RandAugment, jitter, normalise, cut out, mix: in this order, each when the recipe says so.

    images: uint8 (B, 3, H, W);  labels: int64 (B,), below `classes`;  flipped: bool (B,), for alternating flips
    rng: the only source of random numbers
    Returns float32 (B, 3, H, W), channels last, and the labels; with mixup or CutMix probabilities (B, classes).
    """
    images = augment(images, Augment(recipe.flip, recipe.shift, recipe.border), rng, flipped)
    if recipe.randaugment:
        images = randaugment(images, recipe.randaugment, recipe.magnitude, rng)
    if recipe.jitter:
        images = jitter(images, recipe.jitter, rng)
    x, targets = normalize(images, mean, std), labels
    if recipe.cutout:
        x = cutout(x, recipe.cutout, rng)
    if recipe.mixup or recipe.cutmix:
        x, targets = mix(x, labels, classes, recipe.mixup, recipe.cutmix, rng)
    return x.contiguous(memory_format=torch.channels_last), targets


def preview(
    images: np.ndarray,
    recipe: Settings,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    seed: int = 0,
    rows: int = 4,
) -> np.ndarray:
    """What the net would see of some pictures in `rows` epochs one after another, as pictures again.

    images: uint8 (N, 3, H, W), one batch, so mixed with one another;  returns uint8 (rows, N, 3, H, W)
    What draws sees its pictures mirrored at most, as `Feed.signed` deals them out.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    coins = torch.from_numpy(flip_coins(seed, len(pixels)))
    low, scale = (255 * torch.tensor(each)[:, None, None] for each in (mean, std))
    seen = []
    for epoch in range(rows):
        rng = generator(seed, 3, epoch)
        flipped = coins ^ bool(epoch % 2)
        if not isinstance(recipe, Recipe):
            seen.append(augment(pixels, Augment(recipe.flip, shift=0), rng, flipped))
            continue
        x, _ = prepare(pixels, labels, 1, recipe, mean, std, rng, flipped)
        seen.append((x * scale + low).round().clamp(0, 255).to(torch.uint8))
    return torch.stack(seen).contiguous().numpy()
