"""ResNet (He et al. 2015, arXiv 1512.03385), torchvision's blocks with a stem for 32x32 pictures.

The stem of the published net (7x7 stride 2, then a max-pool) would leave a 1x1 map of a 32x32 picture and costs about
ten points of accuracy; here it is one 3x3 convolution of stride 1 and no pooling, so that the last map is 4x4.
"""

import torch
from torch import nn
from torchvision.models import resnet as published


class ResNet(published.ResNet):
    """torchvision's ResNet with the 3x3 stem; `features` and `embed` are the two stations before the logits."""

    def __init__(self, block: type[nn.Module], layers: list[int], classes: int):
        super().__init__(block, layers, num_classes=classes, zero_init_residual=True)
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.maxpool = nn.Identity()

    @property
    def head(self) -> nn.Linear:
        """The linear layer, under the name it has in all nets here."""
        return self.fc

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map, after ReLU: (B, 3, 32, 32) -> (B, C, 4, 4), C = 512 (18, 34) or 2048 (50, 101)."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """The pooled vector that the linear head sees: (B, 3, 32, 32) -> (B, C)."""
        return self.features(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: (B, 3, 32, 32) -> (B, classes)."""
        return self.head(self.embed(x))


def resnet18(classes: int) -> ResNet:
    return ResNet(published.BasicBlock, [2, 2, 2, 2], classes)


def resnet34(classes: int) -> ResNet:
    return ResNet(published.BasicBlock, [3, 4, 6, 3], classes)


def resnet50(classes: int) -> ResNet:
    return ResNet(published.Bottleneck, [3, 4, 6, 3], classes)


def resnet101(classes: int) -> ResNet:
    return ResNet(published.Bottleneck, [3, 4, 23, 3], classes)
