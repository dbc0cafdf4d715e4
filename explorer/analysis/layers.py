"""Where in a net one can look: the layers that make maps, and what part of the picture a cell of a map sees."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

from explorer import models
from explorer.text import Problem

LARGEST_FIELD = 4096  # pixels; a picture of twice this side is the largest that a field is looked for in


@dataclass(frozen=True)
class Layer:
    """A module that makes a map; shape: of one picture's map, (channels, height, width)."""

    name: str
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Field:
    """Which rows of the picture a cell's row sees: cell i sees rows i * stride + first ... i * stride + last.

    The same holds for columns; the nets here treat both alike. What lies outside of the picture is padding.
    """

    stride: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """Pixels from the first to the last."""
        return self.last - self.first + 1

    def box(self, row: int, column: int, size: int) -> tuple[int, int, int, int]:
        """What a cell sees of a picture of size x size: left, top, right, bottom, the last two exclusive."""
        left, top = (max(0, k * self.stride + self.first) for k in (column, row))
        right, bottom = (min(size, k * self.stride + self.last + 1) for k in (column, row))
        return left, top, right, bottom


@contextmanager
def hooked(module: nn.Module, hook: Callable[[Any], Any]) -> Iterator[None]:
    """Within the block call hook(output) after the module has run; what it returns, unless None, is passed on instead.

    The caller holds the model's lock: another thread's forward would run into the hook.
    """
    handle = module.register_forward_hook(lambda _, inputs, output: hook(output))
    try:
        yield
    finally:
        handle.remove()


def module_of(model: nn.Module, layer: str) -> nn.Module:
    """A module by its name; Problem that lists the model's blocks otherwise."""
    named = dict(model.named_modules())
    if not layer or layer not in named:
        known = ", ".join(name for name in named if name.count(".") == 0 and name)
        raise Problem(
            "The net has no layer {layer}; known are: {known}, and what these consist of.",
            layer=repr(layer[:80]), known=known,
        )  # fmt: skip
    return named[layer]


def map_of(model: nn.Module, layer: str, x: torch.Tensor) -> torch.Tensor:
    """What a layer makes of normalised x (B, 3, H, W): (B, C, h, w); Problem when that is no map.

    A module that is used several times counts with its last use.
    """
    found: list[torch.Tensor] = []
    with torch.no_grad(), hooked(module_of(model, layer), found.append):
        model(x)
    if not found or not isinstance(found[-1], torch.Tensor) or found[-1].dim() != 4:
        raise Problem("Layer {layer} makes no map; choose a convolution or a block.", layer=repr(layer))
    return found[-1]


def layers(model: nn.Module, name: str, size: int = 32) -> list[Layer]:
    """The layers that MODELS names for `name`, in the order of the forward pass; the caller holds the model's lock."""
    x = torch.zeros(1, 3, size, size, device=next(model.parameters()).device)
    return [Layer(layer, tuple(map_of(model, layer, x).shape[1:])) for layer in models.spec(name).layers]


@lru_cache(maxsize=64)
def receptive_fields(name: str) -> dict[str, Field]:
    """The receptive field of every layer that MODELS names: a property of the net, whatever its weights are.

    Measured, not derived from a list of kernels: NaN in one row of a picture spoils exactly the cells that see it.
    """
    net = models.build(name, 2, seed=0).eval()
    height = 256
    while True:
        found = _fields(net, name, height)
        if found is not None:
            return found
        height *= 2
        if height > 2 * LARGEST_FIELD:
            raise Problem("{model}: a cell sees more than {n} pixels.", model=name, n=LARGEST_FIELD)


def _fields(net: nn.Module, name: str, height: int) -> dict[str, Field] | None:
    """The fields, measured on a picture of this height; None when one of them does not fit in."""
    x = torch.zeros(1, 3, height, 16)
    wanted = models.spec(name).layers
    maps: dict[str, torch.Tensor] = {}
    seen: dict[str, list[int]] = {layer: [] for layer in wanted}

    def look() -> None:
        with torch.no_grad(), ExitStack() as stack:
            for layer in wanted:
                keep = partial(maps.__setitem__, layer)
                stack.enter_context(hooked(module_of(net, layer), lambda output, keep=keep: keep(output)))
            net.features(x)

    look()
    strides = {layer: round(height / made.shape[2]) for layer, made in maps.items()}
    for row in range(height // 2, height // 2 + max(strides.values())):
        x[:, :, row] = torch.nan
        look()
        x[:, :, row] = 0
        for layer, made in maps.items():
            cells = made.isnan().any(3).any(1).nonzero()[:, 1].tolist()
            if 0 in cells or made.shape[2] - 1 in cells:
                return None
            seen[layer] += [row - strides[layer] * cell for cell in cells]
    return {layer: Field(strides[layer], min(rows), max(rows)) for layer, rows in seen.items()}
