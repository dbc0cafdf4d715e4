"""A variational autoencoder that is told the class (Kingma and Welling 2014, arXiv 1312.6114; Sohn et al. 2015).

The encoder turns a picture into a normal distribution over `latent` numbers, the decoder turns such numbers back. Both
know the label, so what is drawn has one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    """width: channels of the finest maps (of 16x16);  latent: numbers that a picture becomes"""

    conditional = True

    def __init__(self, classes: int, width: int = 64, latent: int = 128):
        super().__init__()
        self.classes, self.latent = classes, latent
        sizes = (width, 2 * width, 4 * width)
        self.seen = nn.Embedding(classes, width)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in zip((3, *sizes), sizes))
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)
        self.code = nn.Linear(4 * width * 16 + width, 2 * latent)
        self.told = nn.Embedding(classes, width)
        self.entry = nn.Linear(latent + width, 4 * width * 16)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)
            for a, b in ((4 * width, 2 * width), (2 * width, width))
        )
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(size) for size in (4 * width, 2 * width, width))
        self.exit = nn.ConvTranspose2d(width, 3, 4, 2, 1)

    def encode(self, x: torch.Tensor, labels: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the variance of the code, (B, latent) each: x (B, 3, 32, 32) in -1..1.

        labels None: it is not told the class; the mean is then that over all classes, for it is linear in the label
        """
        for conv, norm in zip(self.down, self.down_norms):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        seen = self.seen.weight.mean(0).expand(len(x), -1) if labels is None else self.seen(labels)
        mean, logvar = self.code(torch.cat([x.flatten(1), seen], 1)).float().chunk(2, 1)
        return mean, logvar.clamp(-12, 6)  # beyond lies overflow, not a useful code

    def decode(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Pictures in -1..1, float32 (B, 3, 32, 32), from codes (B, latent)."""
        h = self.entry(torch.cat([z, self.told(labels)], 1)).view(len(z), -1, 4, 4)
        h = F.relu(self.up_norms[0](h.contiguous(memory_format=torch.channels_last)))
        for conv, norm in zip(self.up, self.up_norms[1:]):
            h = F.relu(norm(conv(h)))
        return torch.tanh(self.exit(h)).float()

    def forward(
        self, x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(reconstruction, mean, logvar), the code being mean + noise times its deviation; noise (B, latent)."""
        mean, logvar = self.encode(x, labels)
        return self.decode(mean + noise * (logvar / 2).exp(), labels), mean, logvar

    def codes(self, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """The code that each CPU generator's picture is drawn from: float32 (B, latent), normal."""
        return torch.stack([torch.randn(self.latent, generator=each) for each in generators])

    def sample(
        self, generators: Sequence[torch.Generator], labels: torch.Tensor, **options: Any
    ) -> torch.Tensor:
        """Draw a picture for each CPU generator, with the options of `draw`: float32 (B, 3, 32, 32) in -1..1."""
        return self.draw(self.codes(generators), labels, **options)

    @torch.no_grad()
    def draw(
        self,
        z: torch.Tensor,
        labels: torch.Tensor,
        on_step: Callable[[int, int, torch.Tensor, torch.Tensor], None] | None = None,
    ) -> torch.Tensor:
        """Pictures of codes z (B, latent), of the classes in `labels`: float32 (B, 3, 32, 32) in -1..1.

        on_step: told (1, 1, the pictures, the pictures): it is one step
        """
        device = self.exit.weight.device
        pictures = self.decode(z.to(device), labels.to(device))
        if on_step:
            on_step(1, 1, pictures, pictures)
        return pictures
