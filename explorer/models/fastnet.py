"""fastnet: a small net for short trainings, in the spirit of airbench94 (Jordan 2024, arXiv 2404.00498).

A frozen 2x2 convolution whitens patches of the training pictures; three groups of two 3x3 convolutions follow,
each with one max-pool; the convolutions start as near the identity as they can. Unlike airbench the net ends in
*average* pooling of a 4x4 map and a Linear with bias, so that a class activation map adds up exactly to the logit.
"""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

PATCH = 2
WHITENED = 2 * 3 * PATCH * PATCH  # every principal direction of the patches and its negative: 24


def _norm(channels: int) -> nn.BatchNorm2d:
    """BatchNorm whose scale is fixed at 1 (only its bias learns) and whose statistics follow the short run quickly."""
    norm = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.4)
    norm.weight.requires_grad = False
    return norm


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight.data[:inputs])
    return conv


class Group(nn.Module):
    """conv, max-pool 2, norm, GELU, conv, norm, GELU: (B, C, H, W) -> (B, outputs, H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1, self.norm1 = _conv(inputs, outputs), _norm(outputs)
        self.conv2, self.norm2 = _conv(outputs, outputs), _norm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class FastNet(nn.Module):
    """widths: channels of the three groups. Two million parameters for ten classes."""

    def __init__(self, classes: int, widths: tuple[int, int, int] = (64, 256, 256)):
        super().__init__()
        self.whiten = nn.Conv2d(3, WHITENED, PATCH)
        self.whiten.weight.requires_grad = False
        sizes = (WHITENED, *widths)
        self.groups = nn.Sequential(*(Group(a, b) for a, b in pairwise(sizes)))
        self.head = nn.Linear(widths[-1], classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map, after GELU: (B, 3, 32, 32) -> (B, 256, 4, 4)."""
        x = F.pad(
            x, (0, 1, 0, 1), mode="replicate"
        )  # keeps 32x32 under the 2x2 kernel, so that the maps are 16, 8, 4
        return self.groups(F.gelu(self.whiten(x)))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """The pooled vector that the linear head sees: (B, 3, 32, 32) -> (B, 256)."""
        return self.features(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: (B, 3, 32, 32) -> (B, classes)."""
        return self.head(self.embed(x))


def fastnet(classes: int) -> FastNet:
    return FastNet(classes)


def init_whitening(model: FastNet, images: torch.Tensor, eps: float = 5e-4) -> None:
    """Set the first layer from training pictures: normalised float (N, 3, H, W), N about 5,000.

    Its filters are the eigenvectors of the covariance of all 2x2 patches, divided by the root of their eigenvalues.
    """
    total, count = torch.zeros(3 * PATCH * PATCH, 3 * PATCH * PATCH, dtype=torch.float64), 0
    for part in images.split(250):  # the patches of 5,000 pictures at once would take a gigabyte
        patches = F.unfold(part.float(), PATCH).transpose(1, 2).reshape(-1, 3 * PATCH * PATCH).double()
        total, count = total + patches.T @ patches, count + len(patches)
    values, vectors = np.linalg.eigh((total / count).numpy())
    # An eigenvector's sign is arbitrary: fix it, so that every machine starts from the same weights. (Not where several
    # eigenvalues are equal: grey pictures have eight of 0, and what filters those directions is rounding.)
    vectors *= np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
    filters = (
        torch.from_numpy(vectors.T / np.sqrt(values + eps)[:, None]).reshape(-1, 3, PATCH, PATCH).float()
    )
    with torch.no_grad():
        model.whiten.weight.copy_(torch.cat([filters, -filters]))
        model.whiten.bias.zero_()
