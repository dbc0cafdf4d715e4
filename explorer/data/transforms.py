"""Colour jitter and RandAugment (Cubuk et al. 2019, arXiv 1909.13719), for every picture of a batch on its own.

The arithmetic is torchvision's. Its classes draw from torch's global generator, and once for a whole batch; here each
picture has its own draw, from the generator that is handed in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import functional as F

BINS = 31  # magnitudes 0 to 30


def jitter(images: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Brightness, contrast and saturation of uint8 (B, 3, H, W), in this order, each by a factor of its own.

    strength: in 0..1; every picture draws its three factors evenly from [1 - strength, 1 + strength]
    """
    factors = rng.uniform(1 - strength, 1 + strength, (3, len(images)))
    images = _blend(images, torch.zeros_like(images), factors[0])
    grey = F.rgb_to_grayscale(images).float()
    images = _blend(images, grey.mean((1, 2, 3), keepdim=True), factors[1])
    return _blend(images, F.rgb_to_grayscale(images), factors[2])


def _blend(images: torch.Tensor, other: torch.Tensor, factors: np.ndarray) -> torch.Tensor:
    """factor * image + (1 - factor) * other, cut to 0..255 and rounded down, as torchvision's adjust_* do."""
    ours, theirs = (
        torch.from_numpy(each).float().to(images.device)[:, None, None, None]
        for each in (factors, 1 - factors)
    )
    return (ours * images + theirs * other).clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Operation:
    """One of RandAugment's: uint8 (B, 3, H, W) and a strength to the same shape.

    weakest, strongest: the strength at magnitude 0 and 30;  signed: a coin decides its sign
    """

    apply: Callable[[torch.Tensor, float], torch.Tensor]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False

    def strength(self, magnitude: int) -> float:
        """The strength at a magnitude of 0 to 30."""
        return float(torch.linspace(self.weakest, self.strongest, BINS)[magnitude])


def _sheared(images: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """The slope, not the angle, is what is given, and the top left corner stays: as AutoAugment did it."""
    angles = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(images, angle=0.0, translate=[0, 0], scale=1.0, shear=angles, center=[0, 0])


def _moved(images: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """By shares of the width and the height, rounded towards zero to whole pixels; black comes in."""
    pixels = [int(x * images.shape[3]), int(y * images.shape[2])]
    return F.affine(images, angle=0.0, translate=pixels, scale=1.0, shear=[0.0, 0.0])


OPERATIONS: dict[str, Operation] = {
    "Identity": Operation(lambda images, _: images),
    "ShearX": Operation(lambda images, slope: _sheared(images, slope, 0.0), 0.0, 0.3, signed=True),
    "ShearY": Operation(lambda images, slope: _sheared(images, 0.0, slope), 0.0, 0.3, signed=True),
    "TranslateX": Operation(lambda images, share: _moved(images, share, 0.0), 0.0, 150 / 331, signed=True),
    "TranslateY": Operation(lambda images, share: _moved(images, 0.0, share), 0.0, 150 / 331, signed=True),
    "Rotate": Operation(F.rotate, 0.0, 30.0, signed=True),
    "Brightness": Operation(lambda images, by: F.adjust_brightness(images, 1 + by), 0.0, 0.9, signed=True),
    "Color": Operation(lambda images, by: F.adjust_saturation(images, 1 + by), 0.0, 0.9, signed=True),
    "Contrast": Operation(lambda images, by: F.adjust_contrast(images, 1 + by), 0.0, 0.9, signed=True),
    "Sharpness": Operation(lambda images, by: F.adjust_sharpness(images, 1 + by), 0.0, 0.9, signed=True),
    "Posterize": Operation(lambda images, bits: F.posterize(images, round(bits)), 8.0, 4.0),
    "Solarize": Operation(F.solarize, 255.0, 0.0),
    "AutoContrast": Operation(lambda images, _: F.autocontrast(images)),
    "Equalize": Operation(lambda images, _: F.equalize(images)),
}


def randaugment(images: torch.Tensor, count: int, magnitude: int, rng: np.random.Generator) -> torch.Tensor:
    """`count` operations after one another on uint8 (B, 3, H, W), each drawn for every picture on its own.

    magnitude: 0 to 30, torchvision's RandAugment with 31 bins. Pictures with the same draw are worked on together.
    """
    operations = list(OPERATIONS.values())
    for _ in range(count):
        chosen = rng.integers(len(operations), size=len(images))
        signs = 1 - 2 * rng.integers(2, size=len(images))
        result = images.clone()
        for k, operation in enumerate(operations):
            for sign in (1, -1) if operation.signed else (0,):
                alike = np.flatnonzero((chosen == k) & ((signs == sign) | (sign == 0)))
                if len(alike):
                    where = torch.from_numpy(alike).to(images.device)
                    strength = operation.strength(magnitude) * (sign or 1)
                    result[where] = operation.apply(images[where], strength)
        images = result
    return images
