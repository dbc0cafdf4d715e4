"""The other side of train_speed.py: a training loop as tutorials write it.

float32, channels first, PIL pictures through torchvision's transforms and a DataLoader with worker processes.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Pictures(Dataset):
    """uint8 (N, 3, 32, 32) pictures as PIL images, cropped with padding 4, flipped, scaled and normalised."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, mean: tuple, std: tuple):
        self.images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.labels = labels
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain_steps(model: nn.Module, pictures: Pictures, batch: int, workers: int) -> Iterator[float]:
    """Train for ever, one optimiser step of SGD with Nesterov momentum per item; yields the loss."""
    model = model.float().to(memory_format=torch.contiguous_format).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    loader = DataLoader(
        pictures, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        for images, labels in loader:
            loss = loss_of(model(images), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield loss.item()
