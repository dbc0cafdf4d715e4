"""What a net's last activation is given: the pooled vector as it is before ReLU has cut off what is negative.

Most nets here call their activations as functions, so no module can be hooked: torch's function mode sees every call.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from explorer.text import Problem

ACTIVATIONS = {
    torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_,
    F.relu, F.relu6, F.gelu, F.leaky_relu, F.silu, F.elu,
}  # fmt: skip


class _Watching(TorchFunctionMode):
    """Holds the mean of the last activation's input and of its output, (B, C) each."""

    def __init__(self) -> None:
        super().__init__()
        self.given: torch.Tensor | None = None
        self.made: torch.Tensor | None = None

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if function not in ACTIVATIONS:
            return function(*args, **(kwargs or {}))
        self.given = _mean(args[0])  # taken first: some activations work in place
        found = function(*args, **(kwargs or {}))
        self.made = _mean(found)
        return found


def _mean(x: torch.Tensor) -> torch.Tensor:
    """The mean over the cells: (B, C, h, w) -> (B, C); vectors stay."""
    return x.flatten(2).mean(2) if x.dim() > 2 else x.clone()


def before(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(B, C): what `embed` would give without its last activation, of normalised x (B, 3, H, W).

    The caller holds the model's lock. Problem when what `embed` returns is no pooled activation.
    """
    with _Watching() as seen:
        pooled = model.embed(x)
    if (
        seen.made is None
        or seen.made.shape != pooled.shape
        or not torch.allclose(seen.made, pooled, 1e-3, 1e-4)
    ):
        raise Problem(
            "{model} has no activation right before its pooling, so there is nothing before it: choose layer pooled.",
            model=type(model).__name__,
        )
    return seen.given
