"""What trainings have in common: weights that follow others, and the state that a resume needs."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from explorer.text import Problem


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards those of `model` after `step` (from 0); buffers are copied.

    Early on they move faster, min(decay, (2 + n) / (11 + n)), so that a short run does not keep its random start.
    """
    decay = min(decay, (2 + step) / (11 + step))
    ours, theirs = list(average.parameters()), list(model.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - decay)
    for mine, other in zip(average.buffers(), model.buffers()):
        mine.copy_(other)


@contextmanager
def fresh_statistics(net: nn.Module) -> Iterator[None]:
    """Let what goes through the net in the block decide its BatchNorm statistics: their plain mean over the batches.

    Those of the moving weights do not fit an average of them while the rate is high.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.eval()


def about(task: Any) -> dict[str, Any]:
    """Whose state it is: model, seed and recipe."""
    return {"model": task.model_name, "seed": task.seed, "recipe": dataclasses.asdict(task.recipe)}


def check_same(theirs: dict[str, Any], task: Any) -> None:
    """Problem unless a state's `about` is that of this task.

    A setting that came later than the state has its default, which is how that run was trained.
    """
    ours = about(task)
    theirs = theirs | {"recipe": dataclasses.asdict(type(task.recipe)(**theirs["recipe"]))}
    if theirs != ours:
        raise Problem(
            "The saved state is of another run: {theirs}; this one is {ours}.", theirs=theirs, ours=ours
        )
