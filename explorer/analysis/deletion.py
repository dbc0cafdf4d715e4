"""Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): does the probability follow what a map points at?

The pixels that the map calls important are taken away first, or brought back first; a faithful map makes the
probability fall, or rise, sooner than its rivals do: random maps, and a blob in the middle, where CIFAR's objects are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.analysis import cam
from explorer.analysis.passes import OnStep
from explorer.checkpoints import Loaded
from explorer.data.augment import normalize
from explorer.text import N_, Problem

STEPS = 32
FILLS = {"mean": N_("the training mean"), "blur": N_("a blurred picture")}
PASSES = 2 * (STEPS + 1)  # forward passes for both curves of one map


@dataclass(frozen=True)
class Curves:
    """Probability of the class while pixels go (deletion) and come (insertion): float64 (N, STEPS + 1) each.

    Column s: after s of STEPS equal shares of the pixels, the most important first.
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_auc(self) -> np.ndarray:
        """(N,), in [0, 1]; low is faithful."""
        return _auc(self.deletion)

    @property
    def insertion_auc(self) -> np.ndarray:
        """(N,), in [0, 1]; high is faithful."""
        return _auc(self.insertion)

    @property
    def gap(self) -> np.ndarray:
        """Insertion minus deletion (N,), in [-1, 1]; high is faithful, 0 is what no knowledge gives."""
        return self.insertion_auc - self.deletion_auc


def _auc(curve: np.ndarray) -> np.ndarray:
    return np.trapezoid(curve, axis=1) / (curve.shape[1] - 1)


def curves(
    loaded: Loaded,
    images: np.ndarray,
    maps: np.ndarray,
    classes: np.ndarray | Sequence[int],
    fill: str = "mean",
    steps: int = STEPS,
    batch: int = 512,
    on_step: OnStep | None = None,
) -> Curves:
    """Deletion and insertion of uint8 pictures (N, 3, S, S) by maps (N, S, S); classes (N,): whose probability.

    Pixels of equal value go in reading order. fill: what stands for a pixel that is not there, a key of FILLS.
    Takes the model's lock batch by batch, of about `batch` forward passes, and calls on_step(done, total) between
    these, in forward passes; what it raises ends the work.
    """
    check_fill(fill)
    if maps.shape != (len(images), *images.shape[2:]) or not np.isfinite(maps).all():
        raise Problem(
            "Expected finite maps of shape {expected}, got {shape}.",
            expected=(len(images), *images.shape[2:]), shape=maps.shape,
        )  # fmt: skip
    chosen = torch.as_tensor(np.asarray(classes), dtype=torch.int64)
    known = len(loaded.card.classes)
    if chosen.shape != (len(images),) or ((chosen < 0) | (chosen >= known)).any():
        raise Problem(
            "Expected {n} classes between 0 and {last}, got {classes}.",
            n=len(images), last=known - 1, classes=str(chosen.tolist())[:80],
        )  # fmt: skip
    size = images.shape[2] * images.shape[3]
    rank = torch.from_numpy(
        np.argsort(np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable"), axis=1)
    )
    found = np.zeros((2, len(images), steps + 1))
    each = max(1, batch // (2 * (steps + 1)))
    for start in range(0, len(images), each):
        part = slice(start, min(start + each, len(images)))
        with loaded.lock, torch.inference_mode():
            pixels = torch.from_numpy(images[part].copy()).to(loaded.device)
            x = normalize(pixels, loaded.card.mean, loaded.card.std)
            empty = torch.zeros_like(x) if fill == "mean" else _blurred(x)
            gone = torch.stack([rank[part] < round(size * s / steps) for s in range(steps + 1)], 1)
            gone = gone.reshape(len(x), steps + 1, 1, *x.shape[2:]).to(x.device)
            both = torch.stack(
                [torch.where(gone, empty[:, None], x[:, None]), torch.where(gone, x[:, None], empty[:, None])]
            )
            logits = loaded.model(both.flatten(0, 2).contiguous(memory_format=torch.channels_last))
            p = logits.double().softmax(1).unflatten(0, both.shape[:3]).cpu()
            found[:, part] = p.gather(3, chosen[None, part, None, None].expand(2, -1, steps + 1, 1))[..., 0]
        if on_step:
            on_step(2 * (steps + 1) * part.stop, 2 * (steps + 1) * len(images))
    return Curves(*found)


def check_fill(fill: str) -> None:
    """Problem that lists the known ones unless `fill` is a key of FILLS."""
    if fill not in FILLS:
        raise Problem(
            "Unknown fill {name}; known: {known}.", name=repr(str(fill)[:80]), known=", ".join(FILLS)
        )


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """A Gaussian blur of sigma 5 pixels: x (B, 3, H, W), the border reflected."""
    from torchvision.transforms.functional import gaussian_blur

    return gaussian_blur(x, [21, 21], [5.0, 5.0])


def random_maps(count: int, cells: tuple[int, int], size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Uniform noise on a grid of `cells`, enlarged as the real maps are: float32 (count, *size)."""
    rng = np.random.default_rng(seed)
    return cam.enlarged(rng.random((count, *cells), dtype=np.float32), size)


def blob(size: tuple[int, int]) -> np.ndarray:
    """A Gaussian in the middle, a quarter of the picture wide: float32 (height, width), 1 at its top."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    return np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * 0.5**2))
