"""One set of drawn pictures, one net, several FIDs: what a bare number can mean.

The reference (all training pictures, 5,000 of them, 5,000 test pictures) and the resize are conventions. Papers and
tools choose differently and often do not say, so numbers that look comparable are not.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from explorer.analysis import examination, fid, sampling, scores
from explorer.analysis.inception import Extractor
from explorer.checkpoints import EVALUATION, Loaded
from explorer.data import ImageSet
from explorer.text import N_

FILE = f"{EVALUATION}/protocols.json"
Step = Callable[[int, int, str], None]  # (done, of how many, what: an English sentence for t())
# id -> (what it is compared with, which resize), in words
PROTOCOLS = {
    "train": (N_("all training pictures"), N_("TensorFlow 1's resize")),
    "train5k": (N_("5,000 training pictures"), N_("TensorFlow 1's resize")),
    "test5k": (N_("5,000 test pictures"), N_("TensorFlow 1's resize")),
    "half": (N_("5,000 training pictures"), N_("half-pixel resize (torch's)")),
}


@dataclass(frozen=True)
class Row:
    """The FID of n drawn pictures under one of PROTOCOLS, against m real ones."""

    protocol: str
    fid: float
    n: int
    m: int


def rows(
    loaded: Loaded,
    train: ImageSet,
    test: ImageSet,
    device: str,
    on_step: Step | None = None,
    count: int = examination.COUNT,
) -> list[Row]:
    """Draw as for the stored scores, and compare in every way; with 5,000 pictures half an hour on a CPU."""
    options = sampling.options_for(loaded)
    told = (lambda done, total: on_step(done, total, examination.DRAWING)) if on_step else None
    images = sampling.draw(loaded, np.arange(count), on_step=told, **options).images
    usual, half = Extractor(device), Extractor(device, half_pixel=True)
    target = scores.against(train, usual, on_step)
    drawn = fid.statistics(usual.features(images, on_step))
    tests = usual.features(test.images[scores.sample_of(test)], on_step)
    trains = half.features(train.images[scores.sample_of(train)], on_step)
    sides = {
        "train": (drawn, target.statistics),
        "train5k": (drawn, fid.statistics(target.features)),
        "test5k": (drawn, fid.statistics(tests)),
        "half": (fid.statistics(half.features(images, on_step)), fid.statistics(trains)),
    }
    found = {key: fid.fid(*pair) for key, pair in sides.items()}
    return [Row(key, each.value, each.n, each.m) for key, each in found.items()]


def packed(found: list[Row], about: dict[str, Any]) -> bytes:
    """The rows as a checkpoint keeps them; `about`: weights, machine."""
    return (json.dumps(about | {"rows": [asdict(row) for row in found]}, indent=1) + "\n").encode()
