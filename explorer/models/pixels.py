"""Between bytes and what generators work with: -1 is black, 1 is white."""

import numpy as np
import torch

from explorer.text import Problem


def as_signed(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 -> float32 from -1 to 1; same shape (B, 3, H, W), channels last."""
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def as_pixels(signed: torch.Tensor) -> np.ndarray:
    """float (B, 3, H, W) from -1 to 1 -> uint8, rounded to the nearest level; what lies outside is cut off.

    Truncation instead of rounding, or a byte that wraps around, would change every score. Problem for what is not a
    number: it would become black without a word.
    """
    if not signed.isfinite().all():
        raise Problem(
            "The model drew values that are not numbers (NaN or infinity): its weights are damaged."
        )
    return ((signed.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).cpu().contiguous().numpy()
