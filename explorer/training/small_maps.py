"""3x3 convolutions on maps of at most 4x4 as one matrix product each: training on CPUs in bfloat16.

There oneDNN's gradient kernels (torch 2.14, AMX) reach an eighth of what they do on larger maps, and the last stage of
a ResNet on 32x32 pictures costs as much as all the others together. benchmarks/small_maps.py has the ratio.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

LARGEST = 4 * 4


class Conv3x3(torch.autograd.Function):
    """x (B, C, H, W), weight (O, C, 3, 3), stride -> conv2d(x, weight, stride=stride, padding=1), channels last."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        columns = _columns(x, stride)
        ctx.save_for_backward(columns, weight)
        ctx.size, ctx.stride = x.shape, stride
        return _product(columns, weight.permute(2, 3, 1, 0))

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        columns, weight = ctx.saved_tensors
        into_x = into_weight = None
        if ctx.needs_input_grad[1]:
            rows = grad.permute(0, 2, 3, 1).flatten(0, 2)
            into_weight = (rows.T @ columns.flatten(0, 2)).unflatten(1, (3, 3, -1)).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[0]:
            spread = grad
            if ctx.stride > 1:
                # Zeros between: then a plain convolution with the turned kernel is the transpose.
                spread = grad.new_zeros(len(grad), grad.shape[1], *ctx.size[2:])
                spread[:, :, :: ctx.stride, :: ctx.stride] = grad
            into_x = _product(_columns(spread, 1), weight.flip(2, 3).permute(2, 3, 0, 1))
        return into_x, into_weight, None


def _columns(x: torch.Tensor, stride: int) -> torch.Tensor:
    """The nine shifted maps behind one another: (B, C, H, W) -> (B, H/stride, W/stride, 9 C)."""
    height, width = x.shape[2:]
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, i : i + height : stride, j : j + width : stride] for i in range(3) for j in range(3)]
    return torch.cat(shifted, -1)


def _product(columns: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """columns (B, H, W, 9 C) times kernel (3, 3, C, O) -> (B, O, H, W)."""
    return (columns @ kernel.flatten(0, 2)).permute(0, 3, 1, 2)


class SmallMapConv2d(nn.Conv2d):
    """nn.Conv2d (3x3, padding 1, no bias) that takes the matrix product where the map it makes is small."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride = self.stride[0]
        made = -(-x.shape[2] // stride) * -(-x.shape[3] // stride)
        if made > LARGEST or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu")
        return Conv3x3.apply(x.to(dtype), self.weight.to(dtype), stride)


def replace_convolutions(model: nn.Module) -> None:
    """Put a SmallMapConv2d, with the same parameters under the same names, wherever one fits."""
    for parent in list(model.modules()):
        for name, conv in parent.named_children():
            if type(conv) is not nn.Conv2d or conv.kernel_size != (3, 3) or conv.padding != (1, 1):
                continue
            if conv.stride[0] != conv.stride[1] or conv.dilation != (1, 1) or conv.groups != 1:
                continue
            if conv.bias is not None or conv.padding_mode != "zeros":
                continue
            ours = SmallMapConv2d(
                conv.in_channels, conv.out_channels, 3, conv.stride, padding=1, bias=False, device="meta"
            )
            ours.weight = conv.weight
            setattr(parent, name, ours.train(conv.training))
