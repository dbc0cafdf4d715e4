"""Class activation maps as pictures: over the picture they speak of, or as the cells they are.

A map is laid on with a strength that grows linearly with its value, on a scale that the caller fixes: maps that are to
be compared share one. Nothing is squared, sharpened or brightened.
"""

import numpy as np
from PIL import Image

from explorer.text import Problem
from explorer.views import style

SEQUENTIAL, SIGNED = style.table(style.SEQUENTIAL), style.table(style.SIGNED)


def coloured(values: np.ndarray, top: float, signed: bool) -> np.ndarray:
    """Values (H, W) as colours uint8 (H, W, 3): 0 to `top`, or -`top` to `top` with a neutral middle when signed."""
    if not np.isfinite(values).all() or not top >= 0:
        raise Problem(
            "A map to draw must be finite, and its scale not negative; got a scale of {top}.", top=top
        )
    share = values / top if top else np.zeros_like(values, float)
    place = (share + 1) / 2 if signed else share
    colours = SIGNED if signed else SEQUENTIAL
    return colours[np.clip(np.rint(place * (len(colours) - 1)), 0, len(colours) - 1).astype(int)]


def overlay(
    picture: Image.Image, values: np.ndarray, top: float, signed: bool, opacity: float = 0.6
) -> Image.Image:
    """The picture with a map of its own size, values (height, width), laid over it.

    opacity: of a value of `top` or more (or of -`top`, when signed); half of it at half the value, none at 0
    """
    width, height = picture.size
    if values.shape != (height, width):
        raise Problem(
            "The map has {shape} cells, the picture {size} pixels.", shape=values.shape, size=(height, width)
        )
    strength = np.clip(np.abs(values) / top, 0, 1) if top else np.zeros(values.shape)
    if not signed:
        strength = np.where(values > 0, strength, 0)
    share = (opacity * strength)[..., None]
    mixed = (1 - share) * np.asarray(picture.convert("RGB"), float) + share * coloured(values, top, signed)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def side_by_side(pictures: list[Image.Image], gap: int = 4, ground: str = "#8A8A8A") -> Image.Image:
    """Pictures of one size in a row."""
    width, height = pictures[0].size
    made = Image.new("RGB", (len(pictures) * (width + gap) - gap, height), ground)
    for k, picture in enumerate(pictures):
        made.paste(picture, (k * (width + gap), 0))
    return made
