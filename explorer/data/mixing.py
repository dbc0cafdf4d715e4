"""Pictures mixed within a batch, their labels with them: mixup and CutMix.

As in the papers' code, one share is drawn for a batch, and one box. Targets are probabilities of the classes.
"""

import numpy as np
import torch
import torch.nn.functional as F


def mix(
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: int,
    mixup_alpha: float,
    cutmix_alpha: float,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Float pictures (B, 3, H, W) and int labels (B,) -> mixed pictures and targets (B, K), whose rows sum to 1.

    An alpha of 0 turns its method off; one is above 0. With both, a coin for the batch decides.
    """
    cut = rng.random() < 0.5 if mixup_alpha and cutmix_alpha else bool(cutmix_alpha)
    partners = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    images, share = (cutmix if cut else mixup)(images, partners, cutmix_alpha if cut else mixup_alpha, rng)
    own = F.one_hot(labels, classes).float()
    return images, share * own + (1 - share) * own[partners]


def mixup(
    images: torch.Tensor, partners: torch.Tensor, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """share * picture + (1 - share) * its partner, share from Beta(alpha, alpha): (pictures, share).

    Zhang et al. 2018, arXiv 1710.09412.
    """
    share = float(rng.beta(alpha, alpha))
    return share * images + (1 - share) * images[partners], share


def cutmix(
    images: torch.Tensor, partners: torch.Tensor, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """A box of each picture taken from its partner: (pictures, share of the area that stays its own).

    The box has the picture's shape and 1 - Beta(alpha, alpha) of its area, is centred anywhere and cut at the border.
    Yun et al. 2019, arXiv 1905.04899.
    """
    height, width = images.shape[2:]
    side = float(np.sqrt(1 - rng.beta(alpha, alpha)))
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    y, x = int(rng.integers(height)), int(rng.integers(width))
    rows = slice(max(y - half_height, 0), min(y + half_height, height))
    columns = slice(max(x - half_width, 0), min(x + half_width, width))
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[partners][:, :, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - area / (height * width)
