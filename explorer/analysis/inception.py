"""The features in which FID compares pictures: Inception-v3's pooled last map (Szegedy et al. 2015, arXiv 1512.00567).

It is not torchvision's net: the weights are Google's of 5 December 2015 (explorer/data/inception.py), average pooling
leaves the padding out, the very last block has a max-pool, and pictures are enlarged to 299x299 as TensorFlow 1 did it,
without half-pixel centres. Any other resize is another metric: half-pixel centres alone move FID by points.

It is quick and, up to rounding, torch-fidelity's extractor: the resize is two matrix products, a convolution and its
normalisation are one convolution with a bias, the memory format is channels last. What follows an average pool is a
1x1 convolution; both are linear, so the convolution goes first and leaves fewer channels to pool. Always float32:
bfloat16 features are another metric too.
"""

import threading
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from explorer.data import inception as source
from explorer.text import N_, Problem

SIDE, WIDTH = 299, 2048  # pixels of a side as the net sees it, length of a feature vector
BATCH = 64
EPSILON = 0.001  # of the normalisations
# The branches of each block before the pooled one, layer after layer; "a|b": both, side by side.
A = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3")
B = ("branch3x3", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3")
C = (
    "branch1x1",
    "branch7x7_1 branch7x7_2 branch7x7_3",
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
)
D = ("branch3x3_1 branch3x3_2", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4")
E = (
    "branch1x1",
    "branch3x3_1 branch3x3_2a|branch3x3_2b",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a|branch3x3dbl_3b",
)
BRANCHES = dict(zip(source.BLOCKS, (A, A, A, B, C, C, C, C, D, E, E)))
SMALLER = ("6a", "7a")  # the last layer of every branch and the pool take steps of two, without padding
EXTRACTING = N_("Inception features (pictures)")
NO_CLASSIFIER = N_(
    "These Inception weights came without their classifier, so there is no Inception Score; "
    "FID, KID, precision and recall do not need it."
)
EXACT = threading.Lock()  # the switch of TF32 is one for the whole process
Step = Callable[[int, int, str], None]  # (pictures done, of how many, what: an English sentence for t())


def check_pictures(images: np.ndarray) -> np.ndarray:
    """`images` itself once it is uint8 (N, 3, H, W) with N, H, W >= 1; Problem otherwise."""
    images = np.asarray(images)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise Problem("The pictures hold values that are not finite numbers.")
    if images.dtype != np.uint8:
        raise Problem(
            "Expected pictures as uint8 (0..255), got {dtype}: round them first; to cut them off changes the score.",
            dtype=images.dtype,
        )
    if images.ndim != 4 or images.shape[1] != 3 or not images.size:
        raise Problem("Expected at least one picture as (N, 3, H, W), got shape {shape}.", shape=images.shape)
    return images


def identity(sha256: str = source.SHA256, half_pixel: bool = False) -> str:
    """What features depend on: the weights' sha256, the version of this file, and the resize unless it is TF1's."""
    return f"{sha256} {source.VERSION}{' half-pixel' if half_pixel else ''}"


def resize_matrix(size: int, side: int = SIDE, half_pixel: bool = False) -> torch.Tensor:
    """float32 (side, size): TensorFlow 1's bilinear resize of one axis: row i mixes what is around i * size / side.

    half_pixel: around (i + 1/2) * size / side - 1/2 instead, as torch, PIL and TensorFlow 2 have it
    """
    at = torch.arange(side, dtype=torch.float32) * torch.tensor(size / side, dtype=torch.float32)
    if half_pixel:
        at = ((torch.arange(side, dtype=torch.float32) + 0.5) * (size / side) - 0.5).clamp(0, size - 1)
    low = at.long()
    high = (low + 1).clamp(max=size - 1)
    share = at - low
    matrix, rows = torch.zeros(side, size), torch.arange(side)
    matrix[rows, low] = 1 - share
    matrix[rows, high] += share  # at the last pixel both are the same
    return matrix


def fold(tensors: source.Tensors) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(kernel, bias) of every layer by name, the normalisation multiplied into them; computed in float64."""
    found = {}
    for layer in source.LAYERS:
        kernel, shift, mean, variance = (tensors[f"{layer}.{part}"].double() for part in source.PARTS)
        scale = (variance + EPSILON).rsqrt()
        folded = (kernel * scale[:, None, None, None]).float().contiguous(memory_format=torch.channels_last)
        found[layer] = folded, (shift - mean * scale).float()
    return found


class Extractor:
    """The net with its weights on one device; `features` may be called from several threads.

    identity: what is stored of its features is found by it; those of another identity are not to be compared
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        tensors: source.Tensors | None = None,
        half_pixel: bool = False,
    ):
        """tensors: the weights, else those of explorer/data/inception.py (Missing where they are not here).

        half_pixel: the other resize (see `resize_matrix`); what it gives is no FID as others report it
        """
        self.half_pixel = half_pixel
        self.identity = identity(
            source.SHA256 if tensors is None else source.tensor_hash(tensors), half_pixel
        )
        tensors = source.weights() if tensors is None else tensors
        self.device = torch.device(device)
        self.layers = {
            name: tuple(part.to(self.device) for part in pair) for name, pair in fold(tensors).items()
        }
        self.fc = tensors.get("fc.weight")

    def features(self, images: np.ndarray, on_step: Step | None = None, batch: int = BATCH) -> np.ndarray:
        """float32 (N, 2048) of uint8 pictures (N, 3, H, W). Raises Problem for pictures of another kind.

        on_step: told after every batch;  batch: pictures at a time; another one changes the last digit of a feature
        """
        images = check_pictures(images)
        found = np.empty((len(images), WIDTH), np.float32)
        for start in range(0, len(images), batch):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + batch])).to(self.device)
            exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
            with EXACT, torch.no_grad(), exact:
                found[start : start + batch] = self._forward(part).cpu().numpy()
            if on_step:
                on_step(min(start + batch, len(images)), len(images), EXTRACTING)
        return found

    @property
    def classifies(self) -> bool:
        """Whether the weights came with their classifier, so that there is an Inception Score."""
        return self.fc is not None and bool(self.fc.any())

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float32 (N, 1008) for the Inception Score, without a bias, as it is defined; Problem without a classifier."""
        if not self.classifies:
            raise Problem(NO_CLASSIFIER)
        return features @ self.fc.numpy().T

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        """float32 (B, 2048) of uint8 (B, 3, H, W); the sizes in the comments are those of the maps."""
        x = (images.float() - 128) / 128  # exact in float32, and as good before the resize as after it
        vertical, horizontal = (
            resize_matrix(size, half_pixel=self.half_pixel).to(x.device) for size in x.shape[-2:]
        )
        x = (vertical @ (x @ horizontal.T)).contiguous(memory_format=torch.channels_last)  # (B, 3, 299, 299)
        x = self._conv("Conv2d_1a_3x3", x, stride=2, padded=False)
        x = self._conv("Conv2d_2a_3x3", x, padded=False)
        x = F.max_pool2d(self._conv("Conv2d_2b_3x3", x), 3, 2)  # (B, 64, 73, 73)
        x = self._conv("Conv2d_3b_1x1", x)
        x = F.max_pool2d(self._conv("Conv2d_4a_3x3", x, padded=False), 3, 2)  # (B, 192, 35, 35)
        for block, branches in BRANCHES.items():
            x = self._mixed(
                block, x, branches
            )  # (B, 288, 35, 35), from 6a on (B, 768, 17, 17), from 7a on 8x8
        return x.mean((2, 3))

    def _mixed(self, block: str, x: torch.Tensor, branches: tuple[str, ...]) -> torch.Tensor:
        """One block: its branches side by side, the pooled one last."""
        stride = 2 if block in SMALLER else 1
        found = []
        for branch in branches:
            y, layers = x, branch.split()
            for at, layer in enumerate(layers, start=1):
                names = [f"Mixed_{block}.{name}" for name in layer.split("|")]
                step = stride if at == len(layers) else 1
                y = torch.cat([self._conv(name, y, step, padded=step == 1) for name in names], 1)
            found.append(y)
        pooled = f"Mixed_{block}.branch_pool"
        if block in SMALLER:
            found.append(F.max_pool2d(x, 3, 2))
        elif block == "7c":  # surely a slip of 2015, and part of the definition since
            found.append(self._conv(pooled, F.max_pool2d(x, 3, 1, 1)))
        else:
            kernel, bias = self.layers[pooled]
            found.append(F.avg_pool2d(F.conv2d(x, kernel, bias), 3, 1, 1, count_include_pad=False).relu_())
        return torch.cat(found, 1)

    def _conv(self, name: str, x: torch.Tensor, stride: int = 1, padded: bool = True) -> torch.Tensor:
        kernel, bias = self.layers[name]
        padding = [side // 2 for side in kernel.shape[2:]] if padded else 0
        return F.conv2d(x, kernel, bias, stride, padding).relu_()
