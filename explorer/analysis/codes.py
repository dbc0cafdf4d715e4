"""Codes, the random numbers that a generator turns into a picture: ways between two of them, sums, and the code of a
picture where a model has an encoder.

A normal code of many numbers has a length near the root of how many they are; the straight line between two of them
passes through shorter ones, which no net has seen. So ways go along the sphere (White 2016, arXiv 1609.04468), and sums
are brought back to the length.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.analysis import sampling
from explorer.text import Problem

if TYPE_CHECKING:
    from explorer.checkpoints import Loaded


def codes(loaded: "Loaded", seeds: Sequence[int]) -> np.ndarray:
    """The codes of seeds, float32 (N, …): some numbers, or the noise that a diffusion model begins with.

    Problem for a classifier.
    """
    import torch

    if not hasattr(loaded.model, "codes"):
        raise Problem("{name} is no generator: it draws no pictures.", name=loaded.card.name)
    return loaded.model.codes([torch.Generator().manual_seed(int(seed)) for seed in seeds]).numpy()


def drawn(loaded: "Loaded", from_codes: np.ndarray, wanted: int | None = None, **options: Any) -> np.ndarray:
    """Pictures uint8 (N, 3, 32, 32) of codes float32 (N, …), all of class `wanted`, 0 where the model must be told one.

    options: as sampling.options_for gives them. The ancestral sampler's own noise is that of seeds 0 to N - 1.
    """
    import torch

    from explorer.models.pixels import as_pixels

    labels = sampling.labels_for(loaded, np.zeros(len(from_codes), np.int64), wanted)
    told = torch.from_numpy(labels) if labels[0] >= 0 else None
    more: dict[str, Any] = {}
    if loaded.card.task == "diffusion":
        more["generators"] = [torch.Generator().manual_seed(k) for k in range(len(from_codes))]
    with loaded.lock, torch.inference_mode():
        return as_pixels(loaded.model.draw(torch.from_numpy(from_codes), told, **options, **more))


def between(a: np.ndarray, b: np.ndarray, count: int) -> np.ndarray:
    """`count` codes from a to b, both included, evenly spaced along the sphere: float32 (count, …)."""
    if count < 2 or a.shape != b.shape:
        raise Problem("A way needs two codes of one shape and at least 2 places, got {n}.", n=count)
    shares = np.linspace(0, 1, count)
    flat_a, flat_b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    lengths = np.linalg.norm(flat_a), np.linalg.norm(flat_b)
    cosine = flat_a @ flat_b / max(lengths[0] * lengths[1], 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # one direction, or opposite ones, between which there is no way
        found = (1 - shares)[:, None] * flat_a + shares[:, None] * flat_b
    else:
        ways = np.sin((1 - shares) * angle), np.sin(shares * angle)
        found = (ways[0][:, None] * flat_a + ways[1][:, None] * flat_b) / np.sin(angle)
    return found.reshape(count, *a.shape).astype(np.float32)


def sum_of(a: np.ndarray, minus: np.ndarray, plus: np.ndarray) -> np.ndarray:
    """a - minus + plus, brought back to the length of a normal code: the same shape, float32."""
    found = a.astype(np.float64) - minus + plus
    length = np.linalg.norm(found)
    if length < 1e-9:
        raise Problem("The three codes cancel out: take other seeds.")
    return (found * np.sqrt(found.size) / length).astype(np.float32)


def code_of(loaded: "Loaded", picture: np.ndarray, label: int) -> np.ndarray:
    """The mean code of a picture uint8 (3, 32, 32) of class `label`, float32 (latent,); Problem for a model without an
    encoder."""
    import torch

    from explorer.models.pixels import as_signed

    if not hasattr(loaded.model, "encode"):
        raise Problem("{name} has no encoder: it cannot say which code a picture has.", name=loaded.card.name)
    if not 0 <= label < len(loaded.card.classes):
        raise Problem(
            "Class {index}: the classes are 0 to {last}.", index=label, last=len(loaded.card.classes) - 1
        )
    with loaded.lock, torch.inference_mode():
        pixels = as_signed(torch.from_numpy(np.ascontiguousarray(picture))[None].to(loaded.device))
        mean, _ = loaded.model.encode(pixels, torch.tensor([label], device=loaded.device))
    return mean[0].float().cpu().numpy()
