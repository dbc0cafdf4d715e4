"""The same net, drawn with in several ways: FID-2k and milliseconds a picture of each sampler and number of steps."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer import files
from explorer.analysis import fid, sampling, together
from explorer.analysis.inception import Extractor
from explorer.analysis.scores import Against
from explorer.checkpoints import EVALUATION, Loaded
from explorer.data import data_root
from explorer.data.inception import VERSION
from explorer.device import identity
from explorer.text import N_, Problem

TABLE = (
    ("ddim", 5), ("ddim", 10), ("ddim", 20), ("ddim", 50), ("ddim", 100),
    ("dpm", 10), ("dpm", 20),
    ("ddpm", 100),
)  # fmt: skip
COUNT = 2_000
FILE = f"{EVALUATION}/samplers.json"
DRAWING = N_("Drawing with every sampler (steps)")
Step = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Row:
    """fid: of n pictures of the seeds from 0 on;  milliseconds: of one picture on the machine that measured it
    few: whether they, or the reference, are so few that the FID must be shown with the sentence fid.FEW
    """

    sampler: str
    steps: int
    guidance: float
    fid: float
    n: int
    reference_n: int
    milliseconds: float
    few: bool


def check(loaded: Loaded) -> None:
    """Problem for what is no diffusion model."""
    if loaded.card.task != "diffusion":
        raise Problem("{name} draws in one step: there are no samplers to compare.", name=loaded.card.name)


def rows(
    loaded: Loaded, target: Against, extractor: Extractor, on_step: Step | None = None, count: int = COUNT
) -> Iterator[Row]:
    """Draw `count` pictures of the same seeds in every way of TABLE, and score them; a row when it is there.

    A finished row is kept in the file `partial` until the whole is stored: after an interruption it is not drawn again.
    Under torchrun every process takes its share; all give the same rows.
    """
    check(loaded)
    rank, world = together.join()
    together.check_shares(count)
    about = evidence(loaded, target)
    place = partial(about, count)
    found: list[Row] = together.of_first(lambda: _finished(place))
    seeds = np.arange(count)[rank::world]
    total, before = len(seeds) * sum(steps for _, steps in TABLE), 0
    for sampler, steps in TABLE:
        options = sampling.options_for(loaded, sampler, steps)
        way = (sampler, steps, options["guidance"])
        row = next((row for row in found if (row.sampler, row.steps, row.guidance) == way), None)

        def step(done: int, _: int, before: int = before) -> None:
            if on_step:
                on_step(before + done, total, DRAWING)

        if row is None:
            own = sampling.draw(loaded, seeds, on_step=step, **options)
            features = together.gathered(extractor.features(own.images))
            value = fid.fid(fid.statistics(features), target.statistics)
            spent = round(own.milliseconds / world, 2)
            row = Row(*way, value.value, value.n, value.m, spent, value.few)
            found.append(row)
            if rank == 0:
                with contextlib.suppress(Problem):  # no place for it: no reason to stop
                    files.write_bytes(place, packed(found, about))
        before += len(seeds) * steps
        yield row


def evidence(loaded: Loaded, target: Against) -> dict[str, Any]:
    """What all rows rest on, as it is stored beside them; each says its options and numbers of pictures itself."""
    return {
        "checkpoint_sha256": loaded.card.sha256,
        "device": identity(loaded.device),
        "processes": together.join()[1],
        "first_seed": 0,
        "batch": sampling.BATCH,
        "features": VERSION,
        "reference": f"{target.name}:{target.split}",
        "reference_fingerprint": target.fingerprint[:16],
    }


def partial(about: dict[str, Any], count: int = COUNT) -> Path:
    """Where finished rows lie until all are stored: a small file of its own for everything that `evidence` names."""
    key = hashlib.sha256(json.dumps([about, count]).encode()).hexdigest()
    return data_root() / "fid" / f"samplers-{key}.json"


def _finished(place: Path) -> list[Row]:
    with contextlib.suppress(TypeError):  # damaged, or with other fields than now: measured anew
        return [Row(**row) for row in files.read_json(place).get("rows", [])]
    return []


def packed(found: list[Row], about: dict[str, Any]) -> bytes:
    """The rows as a checkpoint keeps them; `about`: what `evidence` gives."""
    return (json.dumps(about | {"rows": [asdict(row) for row in found]}, indent=1) + "\n").encode()
