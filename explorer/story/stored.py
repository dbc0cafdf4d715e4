"""What would take a talk more than a second, made once by `python benchmarks/make_story.py` and shipped.

shipped.npz holds the neighbours of every picture of the sheet, and the way of a few pictures out of the noise, each
with the sha256 of the weights that it is of.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from explorer.checkpoints import Card
from explorer.text import Missing

FILE = Path(__file__).with_name("shipped.npz")
NEIGHBOURS = 10  # of each picture of the sheet


def neighbours(card: Card) -> dict[str, np.ndarray]:
    """The NEIGHBOURS nearest of each picture of the sheet among the others, in the pooled features of a classifier.

    "cosine ids", "euclidean ids": int16 (500, NEIGHBOURS);  "cosine values", "euclidean values": float32, the same
    lengths: float32 (500,), of the vectors. Missing when they were made of other weights.
    """
    return _of(card, "neighbours")


def way(card: Card) -> dict[str, np.ndarray]:
    """How a diffusion model draws P pictures in S steps.

    noisy: uint8 (S + 1, P, 3, 32, 32), pure noise first, the pictures last;  levels: int64 (S,);  signal: float64 (S,),
    the share of signal in the variance at each step;  seeds, labels: int64 (P,);  how: words on sampler and guidance.
    Missing when it was made of other weights.
    """
    return _of(card, "way")


def _of(card: Card, what: str) -> dict[str, np.ndarray]:
    found = _read()
    if found.get(f"{what}: sha256") != card.sha256:
        raise Missing(
            "What is shipped for this figure is not of these weights of {name}; make it anew with: "
            "python benchmarks/make_story.py",
            name=card.name,
        )
    return {
        key.removeprefix(f"{what}: "): value for key, value in found.items() if key.startswith(f"{what}: ")
    }


@lru_cache(maxsize=1)
def _read() -> dict[str, np.ndarray]:
    if not FILE.is_file():
        return {}
    with np.load(FILE, allow_pickle=False) as found:
        return {key: found[key] if found[key].ndim else found[key].item() for key in found.files}
