"""How a generator's pictures changed while it learned: kept by the run now and then, scored when it is published.

python -m explorer runs moments RUN CHECKPOINT    scores them for a checkpoint that is published already
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints, files
from explorer.checkpoints import EVALUATION, Loaded
from explorer.data import load
from explorer.data.drawn import packed_drawn, read_drawn
from explorer.files import read_json
from explorer.reach import allow
from explorer.runs import folder as folders
from explorer.text import N_, Problem

MOMENTS = {
    round(2 ** (k / 2)) for k in range(20)
}  # evaluations whose pictures are kept: 1, 2, 3, 4, 6, 8, 11, 16 …
MOST = 12  # of them are published, besides the last grid and the moment whose weights are shipped
FILE = f"{EVALUATION}/over_time.json"
LEARNING = ("loss", "d_loss", "d_accuracy", "gradient_norm", "d_gradient_norm")
SCORES = ("fid", "fid_n", "reference_n", "kid", "precision", "recall", "coverage")
SCORING = N_("Scores over the training (moments)")
Step = Callable[[int, int, str], None]


def keep(
    folder: Path, step: int, evaluation: int, drawn: tuple[np.ndarray, np.ndarray], last: bool = False
) -> None:
    """Keep what evaluation 1, 2 … after a step was made by, if it is one of MOMENTS or the last of the training.

    drawn: pictures uint8 (N, 3, H, W) and the labels that they were drawn for, int64 (N,), -1 for none
    """
    if evaluation in MOMENTS or last:
        images, labels = drawn
        path = folder / "drawn" / f"{folders.step_name(step)}.npz"
        files.write_bytes(path, packed_drawn(images, labels=labels))


def grids(run: str) -> dict[str, bytes]:
    """The grids that a run drew while it trained, first and last among them: file -> PNG. Those of the moments whose
    pictures were kept, evenly chosen where none were, and the last."""
    found = sorted((folders.folder_of(run) / "grids").glob("step-*.png"))
    kept = {path.stem for path in _some(_drawn(run))}
    chosen = [path for path in found if path.stem in kept] or _some(found)
    return {_grid_file(path.stem): path.read_bytes() for path in {*chosen, *found[-1:]}}


def store(run: str, name: str, on_step: Step | None = None) -> list[dict[str, Any]]:
    """Score the kept pictures of a run and some of the checkpoint that was published of it, and put grids and scores
    beside the checkpoint.

    Returns a row a moment, as `measured` has them. Problem for a checkpoint of another training, and where no pictures
    were kept.
    """
    allow("publish")
    loaded, config = checkpoints.load(name, _device(run), "generator"), folders.config_of(run)
    card = loaded.card
    if any(getattr(card, key) != config.get(key) for key in ("model", "data", "seed", "created")):
        raise Problem("{name} was not made of the run {run}.", name=card.name, run=run)
    before = read_json(checkpoints.folder_of(name) / FILE).get("rows", [])
    extra = grids(run) | measured(run, loaded, on_step, whole=any("fid" in row for row in before))
    if FILE not in extra:
        raise Problem("The run {run} kept no pictures of its training; only those of GANs do.", run=run)
    checkpoints.add(name, card, extra)
    return json.loads(extra[FILE])["rows"]


def measured(
    run: str, published: Loaded, on_step: Step | None = None, whole: bool = False
) -> dict[str, bytes]:
    """What the kept pictures of a run score, as a file: a row a moment with step, epoch, images seen, how the training
    stood since the moment before (losses, the discriminator's share of right answers, KID in our classifier's
    features), what our classifier sees, and FID where the Inception weights and the data are here. Empty when no
    pictures were kept.

    whole: raise the Problem of what is not here instead of leaving FID out
    One of the moments is that of the published weights, drawn with them: as many pictures of the same seeds as a
    training draws, and the grid, a file too. They are seldom the weights of a moment that was kept.
    """
    from explorer.analysis import fid, scores
    from explorer.analysis.inception import Extractor

    kept = {_step(path): path for path in _some(_drawn(run))}
    if not kept:
        return {}
    card, shipped = published.card, published.card.recipe["step"]
    target = extractor = None
    try:
        extractor = Extractor(_device(run))
        target = scores.against(load(card.data, "train"), extractor, on_step)
    except Problem:  # no weights, no data, or too few pictures: the rest is worth keeping
        if whole:
            raise
    rows, before = [], 0
    metrics, batch = (
        folders.metrics(run),
        read_json(folders.folder_of(run) / "config.json")["recipe"]["batch"],
    )
    steps = sorted({*kept, shipped})
    for at, step in enumerate(steps):
        images, labels = _drawn_with(published) if step == shipped else read_drawn(kept[step])
        since = [row for row in metrics if before < row["step"] <= step]
        row: dict[str, Any] = {"step": step, "images": step * batch, "n": len(images)}
        row |= {"epoch": since[-1]["epoch"]} if since else {}
        row |= {key: _mean(since, key) for key in LEARNING}
        row["held_out_kid"] = next(
            (each["held_out_kid"] for each in reversed(since) if "held_out_kid" in each), None
        )
        row |= _judged(images, labels, card.data)
        if target is not None and len(images) >= fid.LEAST:
            found = scores.score(images, target, extractor)
            row |= {key: found[key] for key in SCORES}
        rows.append(row)
        before = step
        if on_step:
            on_step(at + 1, len(steps), SCORING)
    return {
        FILE: (json.dumps({"rows": rows}, indent=1) + "\n").encode(),
        _grid_file(folders.step_name(shipped)): _grid(published),
    }


def _drawn_with(loaded: Loaded) -> tuple[np.ndarray, np.ndarray]:
    """What an evaluation of the training would draw with these weights: pictures and labels, as `keep` takes them."""
    from explorer.analysis import sampling
    from explorer.training.watching import MOST as COUNT

    found = sampling.draw(loaded, np.arange(COUNT))
    return found.images, found.labels


def _grid(loaded: Loaded) -> bytes:
    """The grid that the training would draw with these weights, as PNG."""
    from explorer.analysis.examination import tiled
    from explorer.runs.scoring import png
    from explorer.training.watching import grid

    count = len(loaded.card.classes)
    with loaded.lock:
        return png(tiled(grid(loaded.model, count), min(count, 10)))


def _grid_file(step: str) -> str:
    return f"{EVALUATION}/grids/{step}.png"


def _judged(images: np.ndarray, labels: np.ndarray | None, data: str) -> dict[str, Any]:
    from explorer.analysis import scores

    if labels is None:  # kept by a run that did not keep them
        labels = np.full(len(images), -1)
    try:
        found = scores.judged(images, labels, data)
    except Problem:  # the data is not here
        return {}
    if not found:
        return {}
    return {
        "class_counts": found["judged"]["class_counts"],
        "entropy_share": found["judged"]["entropy_share"],
        "class_accuracy": found["judged"]["class_accuracy"],
        "duplicate_rate": found["near"]["duplicate_rate"],
        "nearest_ratio": found["near"]["nearest_ratio"],
        "collapsed": found["collapsed"],
    }


def _drawn(run: str) -> list[Path]:
    return sorted((folders.folder_of(run) / "drawn").glob("step-*.npz"))


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _device(run: str) -> str:
    from explorer.device import choose

    return str(choose(read_json(folders.folder_of(run) / "config.json").get("device", "auto")))


def _mean(rows: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(values)) if values else None


def _some(paths: list[Path]) -> list[Path]:
    """At most MOST of them, evenly chosen, the first and the last among them."""
    places = sorted({round(k * (len(paths) - 1) / (MOST - 1)) for k in range(MOST)}) if paths else []
    return [paths[k] for k in places]
