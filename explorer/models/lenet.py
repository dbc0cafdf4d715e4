"""LeNet-5 (LeCun et al. 1998) in today's form: ReLU, max-pooling and three input channels."""

import torch
from torch import nn


class LeNet(nn.Module):
    """Two 5x5 convolutions, two hidden layers, one linear head; 62 thousand parameters for ten classes."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.fc2 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84)
        self.head = nn.Linear(84, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map: (B, 3, 32, 32) -> (B, 16, 5, 5)."""
        x = self.pool(self.conv1(x).relu())
        return self.pool(self.conv2(x).relu())

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """The last hidden layer: (B, 3, 32, 32) -> (B, 84)."""
        return self.fc2(self.fc1(self.features(x).flatten(1)).relu()).relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: (B, 3, 32, 32) -> (B, classes)."""
        return self.head(self.embed(x))
