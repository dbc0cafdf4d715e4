"""Inside a net: what each channel of a layer answers to a picture, which pictures excite it, what a cell looks at."""

from collections.abc import Callable

import numpy as np
import torch

from explorer.analysis.layers import hooked, map_of, module_of
from explorer.checkpoints import Loaded
from explorer.data.augment import normalize
from explorer.text import Problem

BATCH = 20  # pictures a forward: other sessions wait for the model no longer than that


def activations(loaded: Loaded, image: np.ndarray, layer: str) -> np.ndarray:
    """What a layer makes of a picture, uint8 (3, S, S): float32 (C, h, w)."""
    with loaded.lock:
        return map_of(loaded.model, layer, _seen(loaded, image[None]))[0].float().cpu().numpy()


def strongest(
    loaded: Loaded, images: np.ndarray, layer: str, on_step: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """How strongly pictures, uint8 (N, 3, S, S), excite each channel at their best cell: float32 (N, C).

    on_step(done, total) after each BATCH; the model's lock is free between these.
    """
    found = []
    for start in range(0, len(images), BATCH):
        x = _seen(loaded, images[start : start + BATCH])
        with loaded.lock:
            found.append(map_of(loaded.model, layer, x).amax((2, 3)).float().cpu().numpy())
        if on_step:
            on_step(start + len(x), len(images))
    if not found:
        raise Problem("There are no pictures to look through.")
    return np.concatenate(found)


def looked_at(loaded: Loaded, image: np.ndarray, layer: str, row: int, column: int) -> np.ndarray:
    """How much each pixel of a picture, uint8 (3, S, S), can move a cell of a layer's map: float32 (S, S), >= 0.

    The size of the gradient of the cell's sum over channels (Luo et al. 2016, arXiv 1701.04128): of all that a cell
    could see by the kernels, what it does look at. Problem for a cell that is not on the map.
    """
    x = _seen(loaded, image[None]).requires_grad_()
    kept: list[torch.Tensor] = []
    with loaded.lock, torch.enable_grad(), hooked(module_of(loaded.model, layer), kept.append):
        loaded.model(x)
        if not kept or kept[-1].dim() != 4:
            raise Problem("Layer {layer} makes no map; choose a convolution or a block.", layer=repr(layer))
        height, width = kept[-1].shape[2:]
        if not (0 <= row < height and 0 <= column < width):
            raise Problem(
                "Cell {row}, {column} is not on a map of {height}x{width}.",
                row=row, column=column, height=height, width=width,
            )  # fmt: skip
        (gradient,) = torch.autograd.grad(kept[-1][0, :, row, column].sum(), x)
    return gradient[0].norm(dim=0).float().cpu().numpy()


def _seen(loaded: Loaded, images: np.ndarray) -> torch.Tensor:
    x = normalize(torch.from_numpy(images.copy()).to(loaded.device), loaded.card.mean, loaded.card.std)
    return x.contiguous(memory_format=torch.channels_last)
