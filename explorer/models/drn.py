"""Dilated residual networks (Yu, Koltun and Funkhouser 2017, arXiv 1705.09914): DRN-C-26 and DRN-D-22.

Eight levels of 16, 32, 64, 128, 256, 512, 512 and 512 channels. Instead of striding further, levels 5 and 6 dilate
their kernels by 2 and 4, which keeps the last map large; levels 7 and 8, dilated by 2 and 1 and without shortcuts,
smooth out the grid that dilation leaves. Both nets have 1, 1, 2, 2, 2, 2, 1 and 1 blocks; "C" makes levels 1, 2, 7 and
8 of residual blocks (the shortcut left out in 7 and 8), "D" of single convolutions.

The published form is meant for 224 pixels and strides by 8. Of 32 pixels it leaves a map of 4x4, on which a kernel
dilated by 4 reads padding with all but its middle: eight of nine weights of level 6 never learn. For 32x32 pictures the
nets here take a 3x3 kernel at the entry and no stride in level 2: the last map is 8x8, and every weight learns.
"""

from itertools import pairwise

import torch
from torch import nn

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
BLOCKS = (1, 1, 2, 2, 2, 2, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)


class Block(nn.Module):
    """Two 3x3 convolutions, with BatchNorm and a shortcut: (B, C, H, W) -> (B, outputs, H / stride, W / stride).

    shortcut: whether the input is added; a 1x1 convolution fits it where channels or size differ
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int, shortcut: bool = True):
        super().__init__()
        self.conv1, self.norm1 = _conv(inputs, outputs, stride, dilation), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = _conv(outputs, outputs, 1, dilation), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module | None = None
        if shortcut and (inputs, stride) == (outputs, 1):
            self.shortcut = nn.Identity()
        elif shortcut:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (y if self.shortcut is None else y + self.shortcut(x)).relu()


def _plain(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride, dilation), nn.BatchNorm2d(outputs), nn.ReLU())


class DRN(nn.Module):
    """variant: "C" or "D";  published: with the paper's 7x7 entry and stride in level 2."""

    def __init__(self, classes: int, variant: str, published: bool = False):
        super().__init__()
        kernel = 7 if published else 3
        self.entry = nn.Sequential(
            nn.Conv2d(3, CHANNELS[0], kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(CHANNELS[0]),
            nn.ReLU(),
        )
        strides = (1, 2 if published else 1, 2, 2, 1, 1, 1, 1)
        for k, (inputs, outputs) in enumerate(pairwise((CHANNELS[0], *CHANNELS))):
            blocks, ends = nn.Sequential(), k in (0, 1, 6, 7)
            for i in range(BLOCKS[k]):
                into, stride = (inputs, strides[k]) if i == 0 else (outputs, 1)
                if ends and variant == "D":
                    blocks.append(_plain(into, outputs, stride, DILATIONS[k]))
                else:
                    blocks.append(Block(into, outputs, stride, DILATIONS[k], shortcut=k < 6))
            self.add_module(f"level{k + 1}", blocks)
        self.head = nn.Linear(CHANNELS[-1], classes)  # the paper's 1x1 convolution after pooling
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map, after ReLU: (B, 3, 32, 32) -> (B, 512, 8, 8), in the published form (B, 512, 4, 4)."""
        x = self.entry(x)
        for k in range(len(CHANNELS)):
            x = getattr(self, f"level{k + 1}")(x)
        return x

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """The pooled vector that the linear head sees: (B, 3, 32, 32) -> (B, 512)."""
        return self.features(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: (B, 3, 32, 32) -> (B, classes)."""
        return self.head(self.embed(x))


def drn_c_26(classes: int) -> DRN:
    return DRN(classes, "C")


def drn_d_22(classes: int) -> DRN:
    return DRN(classes, "D")


def drn_c_26_published(classes: int) -> DRN:
    return DRN(classes, "C", published=True)


def drn_d_22_published(classes: int) -> DRN:
    return DRN(classes, "D", published=True)
