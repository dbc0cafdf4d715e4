"""Weights that no picture can teach: what a kernel only ever sees as padding gets no gradient, in any batch."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn

from explorer import models

BATCHES = 3


def dead_shares(
    model: nn.Module, size: int = 32, batches: int = BATCHES, batch: int = 16, seed: int = 0
) -> dict[str, float]:
    """The share of each weight's elements whose gradient is zero in all of a few random batches.

    size: of the pictures, which are noise at all scales;  norm scales are set to 1, so that no branch is closed
    The model is used up: its norms are changed, its gradients are filled. Frozen weights and vectors do not count.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            nn.init.ones_(module.weight)
    generator = torch.Generator().manual_seed(seed)
    alive = {
        name: torch.zeros_like(weight, dtype=torch.bool)
        for name, weight in model.named_parameters()
        if weight.requires_grad and weight.dim() > 1
    }
    model.train()
    for _ in range(batches):
        model.zero_grad(set_to_none=True)
        logits = model(_pictures(batch, size, generator))
        (logits * torch.randn(logits.shape, generator=generator)).sum().backward()
        for name, weight in model.named_parameters():
            if name in alive and weight.grad is not None:
                alive[name] |= weight.grad != 0
    return {name: 1 - touched.double().mean().item() for name, touched in alive.items()}


def _pictures(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Noise that is coarse as well as fine: of white noise alone a net without norms sees hardly more than its mean."""
    made = torch.randn(count, 3, size, size, generator=generator)
    for cells in (1, 2, 4, 8):
        coarse = torch.randn(count, 3, cells, cells, generator=generator)
        made += 2 * F.interpolate(coarse, size=(size, size), mode="nearest")
    return made


def dead_by_layer(name: str, size: int = 32) -> dict[str, tuple[int, int]]:
    """For a model of MODELS, at this size of pictures: layer -> (dead elements, all elements) of its weights.

    Weights outside of the layers that MODELS names stand under the first part of their own name.
    """
    model = models.build(name, 10, seed=0)
    sizes = {key: weight.numel() for key, weight in model.named_parameters()}
    return _by_layer(name, {key: (share, sizes[key]) for key, share in dead_shares(model, size).items()})


@lru_cache(maxsize=32)
def declared(name: str) -> dict[str, tuple[int, int]]:
    """The same at 32x32, at once: from what MODELS declares as dead, which the tests hold against the gradients.

    Kept, so read it and never change it; Problem for a model that MODELS does not have.
    """
    spec = models.spec(name)
    with torch.device("meta"):  # sizes only, no memory and no random numbers
        model = spec.build(10)
    found = {}
    for key, weight in model.named_parameters():
        if weight.requires_grad and weight.dim() > 1:
            share = next((share for start, share in spec.dead.items() if key.startswith(start)), 0.0)
            found[key] = share, weight.numel()
    return _by_layer(name, found)


def _by_layer(name: str, weights: dict[str, tuple[float, int]]) -> dict[str, tuple[int, int]]:
    """weights: name of a weight -> (share that is dead, elements)."""
    layers = models.spec(name).layers
    found: dict[str, tuple[int, int]] = {}
    for key, (share, size) in weights.items():
        layer = next((each for each in layers if key.startswith(f"{each}.")), key.split(".")[0])
        dead, count = found.get(layer, (0, 0))
        found[layer] = dead + round(share * size), count + size
    return found
