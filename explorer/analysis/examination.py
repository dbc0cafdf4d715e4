"""The stored scores of a generator: of 5,000 pictures, seeds 0 to 4,999, classes in turn, drawn with fixed options."""

from collections.abc import Callable
from typing import Any

import numpy as np

from explorer.analysis import sampling, scores, together
from explorer.analysis.inception import Extractor
from explorer.checkpoints import Loaded
from explorer.data import load
from explorer.device import identity
from explorer.text import N_, Problem

COUNT = 5_000
DRAWING = N_("Drawing (steps)")
ROWS = 10  # of the stored grid, a column for each class
Step = Callable[[int, int, str], None]


def examine(
    loaded: Loaded, count: int = COUNT, on_step: Step | None = None, *, whole: bool = False, **asked: Any
) -> tuple[dict[str, Any], sampling.Samples]:
    """(What a card keeps under "samples", the pictures). What needs Inception's weights or the data set is left out
    where these are not here; `without` says so, a sentence each. Under torchrun every process takes its share.

    whole: leave nothing out, but raise the Problem
    asked: sampler, steps, guidance, as sampling.options_for takes them
    fid_5k_train50k: of 5,000 drawn pictures against CIFAR-10's 50,000 training pictures; the key holds both numbers
    """
    rank, world = together.join()
    together.check_shares(count)
    options = sampling.options_for(loaded, **asked)
    device, data = loaded.device, loaded.card.data
    target, without = None, []
    try:  # what is missing, and the long work on the data set, come before the drawing
        extractor = Extractor(device)
        target = scores.against(load(data, "train"), extractor, on_step)
    except Problem as problem:  # no weights, no data, or too few pictures
        if whole:
            raise
        without.append(str(problem))

    def step(done: int, total: int) -> None:
        if on_step:
            on_step(done, total, DRAWING)

    drawn = sampling.draw(loaded, np.arange(count)[rank::world], on_step=step, **options)
    drawn = sampling.whole(drawn)
    found: dict[str, Any] = {
        "n": count,
        "first_seed": 0,
        "batch": drawn.how["batch"],
        "milliseconds": round(drawn.milliseconds, 3),
        "device": identity(device),
    } | options
    if target is not None:
        found |= scores.score(drawn.images, target, extractor, on_step)
        without += found.pop("without", [])
        found[f"fid_{_thousands(found['fid_n'])}_train{_thousands(found['reference_n'])}"] = found["fid"]
    try:
        found |= scores.judged(drawn.images, drawn.labels, data, str(device))
    except Problem as problem:
        if whole:
            raise
        without += [str(problem)] if str(problem) not in without else []
    return found | ({"without": without} if without else {}), drawn


def _thousands(count: int) -> str:
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


def grid(drawn: sampling.Samples) -> np.ndarray:
    """The first pictures of the examination as one, uint8 (320, 32 columns, 3): a column for each class, at most ten,
    and ten rows. With K classes the picture in row r and column c has seed K r + c, also of a net that is told none."""
    count = len(drawn.classes)
    columns = min(count, 10)
    first = np.flatnonzero(drawn.seeds % count < columns)[: ROWS * columns]
    return tiled(drawn.images[first], columns)


def tiled(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 (N, 3, H, W) -> one picture (rows x H, columns x W, 3), row by row, without a last row that is not full."""
    rows = [
        np.concatenate(list(images[k : k + columns]), 2)
        for k in range(0, len(images) // columns * columns, columns)
    ]
    return np.concatenate(rows, 1).transpose(1, 2, 0)
