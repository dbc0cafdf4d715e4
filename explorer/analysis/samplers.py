"""The same net, drawn with in several ways: FID-2k and milliseconds a picture of each sampler and number of steps."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from explorer.analysis import fid, sampling
from explorer.analysis.inception import Extractor
from explorer.analysis.scores import Against
from explorer.checkpoints import EVALUATION, Loaded
from explorer.text import N_, Problem

TABLE = (
    ("ddim", 5), ("ddim", 10), ("ddim", 20), ("ddim", 50), ("ddim", 100),
    ("dpm", 10), ("dpm", 20),
    ("ddpm", 100),
)  # fmt: skip
COUNT = 2_000
FILE = f"{EVALUATION}/samplers.json"
DRAWING = N_("Drawing with every sampler (network evaluations)")
Step = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Row:
    """fid: of n pictures of the seeds from 0 on;  milliseconds: of one picture on the machine that measured it"""

    sampler: str
    steps: int
    guidance: float
    fid: float
    n: int
    reference_n: int
    milliseconds: float


def check(loaded: Loaded) -> None:
    """Problem for what is no diffusion model."""
    if loaded.card.task != "diffusion":
        raise Problem("{name} draws in one step: there are no samplers to compare.", name=loaded.card.name)


def rows(
    loaded: Loaded, target: Against, extractor: Extractor, on_step: Step | None = None, count: int = COUNT
) -> Iterator[Row]:
    """Draw `count` pictures of the same seeds in every way of TABLE, and score them; a row when it is there."""
    check(loaded)
    total, before = count * sum(steps for _, steps in TABLE), 0
    for sampler, steps in TABLE:
        options = sampling.options_for(loaded, sampler, steps)

        def step(done: int, _: int, before: int = before) -> None:
            if on_step:
                on_step(before + done, total, DRAWING)

        drawn = sampling.draw(loaded, np.arange(count), on_step=step, **options)
        found = fid.fid(fid.statistics(extractor.features(drawn.images)), target.statistics)
        before += count * steps
        yield Row(
            sampler, steps, options["guidance"], found.value, found.n, found.m, round(drawn.milliseconds, 2)
        )


def packed(found: list[Row], about: dict[str, Any]) -> bytes:
    """The rows as a checkpoint keeps them; `about`: machine, threads, weights."""
    return (json.dumps(about | {"rows": [asdict(row) for row in found]}, indent=1) + "\n").encode()
