"""A generative adversarial net of strided and transposed convolutions (Radford et al. 2016, arXiv 1511.06434).

Two nets play: the generator turns 100 random numbers into a picture, the discriminator says how real a picture looks.
Beyond the paper, each by itself: labels (conditional BatchNorm, Dumoulin et al. 2017, in the generator; a projection,
Miyato and Koyama 2018, arXiv 1802.05637, in the discriminator) and spectral norm (Miyato et al. 2018, arXiv 1802.05957)
in place of the discriminator's BatchNorm.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 100
SPREAD = 0.02  # of the paper's initial weights


class ClassNorm(nn.Module):
    """BatchNorm whose scale and shift are looked up by label; without labels a plain one: (B, C, H, W) -> the same."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=not classes)
        self.scale = nn.Embedding(classes, width) if classes else None
        self.shift = nn.Embedding(classes, width) if classes else None
        if classes:
            nn.init.normal_(self.scale.weight, 1.0, SPREAD)
            nn.init.zeros_(self.shift.weight)
        else:
            nn.init.normal_(self.norm.weight, 1.0, SPREAD)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        x = self.norm(x)
        if self.scale is None:
            return x
        # In the precision of x: under autocast the tables would bring the largest maps back to float32.
        scale, shift = (table(labels)[:, :, None, None].to(x.dtype) for table in (self.scale, self.shift))
        return torch.addcmul(shift, x, scale)


class DCGAN(nn.Module):
    """The generator. width: channels of its last map but one;  conditional: it draws the class it is told"""

    latent = LATENT

    def __init__(self, classes: int, width: int = 64, conditional: bool = True):
        super().__init__()
        self.classes, self.conditional = classes, conditional
        told = classes if conditional else 0
        self.entry = nn.ConvTranspose2d(LATENT, 4 * width, 4, bias=False)
        self.norms = nn.ModuleList(ClassNorm(channels * width, told) for channels in (4, 2, 1))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(channels * width, channels * width // 2, 4, 2, 1, bias=False)
            for channels in (4, 2)
        )
        self.exit = nn.ConvTranspose2d(width, 3, 4, 2, 1)
        _paper_weights(self)

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures in -1..1: z float (B, 100), labels int64 (B,) when conditional -> (B, 3, 32, 32)."""
        # Channels last from the start: a 1x1 map does not say which it is.
        h = self.entry(z[:, :, None, None].contiguous(memory_format=torch.channels_last))
        h = F.relu(self.norms[0](h, labels))
        for up, norm in zip(self.ups, self.norms[1:]):
            h = F.relu(norm(up(h), labels))
        return torch.tanh(self.exit(h))

    def codes(self, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """The code that each CPU generator's picture is drawn from: float32 (B, 100), normal."""
        return torch.stack([torch.randn(LATENT, generator=each) for each in generators])

    def sample(
        self, generators: Sequence[torch.Generator], labels: torch.Tensor | None = None, **options: Any
    ) -> torch.Tensor:
        """Draw a picture for each CPU generator, with the options of `draw`: float32 (B, 3, 32, 32) in -1..1."""
        return self.draw(self.codes(generators), labels, **options)

    @torch.no_grad()
    def draw(
        self,
        z: torch.Tensor,
        labels: torch.Tensor | None = None,
        on_step: Callable[[int, int, torch.Tensor, torch.Tensor], None] | None = None,
    ) -> torch.Tensor:
        """Pictures of codes z (B, 100), of the classes in `labels`: float32 (B, 3, 32, 32) in -1..1.

        on_step: told (1, 1, the pictures, the pictures): it is one step
        """
        device = self.exit.weight.device
        pictures = self(z.to(device), None if labels is None else labels.to(device)).float()
        if on_step:
            on_step(1, 1, pictures, pictures)
        return pictures


class Discriminator(nn.Module):
    """(B, 3, 32, 32) in -1..1, labels (B,) when conditional -> how real each looks, as a logit (B,).

    spectral: every weight's largest singular value is held at 1, and there is no BatchNorm
    """

    def __init__(self, classes: int, width: int = 64, conditional: bool = True, spectral: bool = True):
        super().__init__()
        wrap = spectral_norm if spectral else nn.Identity()
        sizes = (3, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1, bias=spectral or k == 0) for k, (a, b) in enumerate(pairwise(sizes))
        )
        self.norms = nn.ModuleList(
            nn.Identity() if spectral or k == 0 else nn.BatchNorm2d(b) for k, b in enumerate(sizes[1:])
        )
        self.head = nn.Linear(4 * width * 4 * 4, 1)
        self.told = nn.Embedding(classes, 4 * width) if conditional else None
        _paper_weights(self)
        for k, conv in enumerate(self.convs):
            self.convs[k] = wrap(conv)
        self.head = wrap(self.head)
        if conditional:
            self.told = wrap(self.told)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        for conv, norm in zip(self.convs, self.norms):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        logits = self.head(x.flatten(1))[:, 0]
        if self.told is None:
            return logits
        # The sum over the map, as in the paper: a mean is sixteen times as quiet beside the head, and goes unheard.
        return logits + (self.told(labels) * x.sum((2, 3))).sum(1)


def _paper_weights(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
