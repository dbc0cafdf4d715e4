"""A sweep: one run for every pair of values of two settings, trained one after the other.

Its runs are called SWEEP-01, SWEEP-02 ... and say in their config which sweep they belong to, so the folder of runs is
the only truth about it, and a sweep that was interrupted goes on where it was.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from explorer import files
from explorer.reach import allow
from explorer.runs import folder as folders
from explorer.runs.driving import drive
from explorer.runs.keeping import delete, make_room
from explorer.runs.making import create
from explorer.text import Hopeless, Problem
from explorer.training import recipe_class

if TYPE_CHECKING:
    from explorer.training.loop import Progress

MOST_CELLS = 36


def create_sweep(
    name: str,
    model: str,
    data: str,
    over: Mapping[str, Sequence[str]],
    settings: Mapping[str, str] | None = None,
    **options: Any,
) -> list[str]:
    """Make the runs of a sweep and return their names; nothing is trained yet, and either all are there or none.

    over: two settings of the recipe, each with the values it takes, as text;  options: as `runs.create` takes them
    Raises Problem for anything that does not fit, before the first run is trained.
    """
    if len(over) != 2 or not all(over.values()):
        raise Problem("A sweep goes over two settings with at least one value each, not {n}.", n=len(over))
    (first, xs), (second, ys) = over.items()
    for key, values in over.items():
        if len(set(values)) != len(values):
            raise Problem("A sweep takes every value of {name} once.", name=key)
    if len(xs) * len(ys) > MOST_CELLS:
        raise Problem("A sweep has at most {most} runs, not {n}.", most=MOST_CELLS, n=len(xs) * len(ys))
    if cells(name):
        raise Problem("Run {name} is already there; choose another name or resume it.", name=repr(name))
    pairs = [(x, y) for x in xs for y in ys]
    make_room(len(pairs))
    made: list[str] = []
    try:
        for x, y in pairs:
            changes = dict(settings or {}) | {first: x, second: y}
            member = {"name": name, "over": {first: x, second: y}}
            run = f"{name}-{len(made) + 1:02d}"
            create(model, data, settings=changes, name=run, sweep=member, **options)
            made.append(run)
    except Problem:
        for run in made:
            delete(run)
        raise
    return made


def members(name: str) -> list[str]:
    """The runs of a sweep, in their order."""
    return [run for run in folders.names() if _sweep(run).get("name") == name]


def _sweep(run: str) -> dict[str, Any]:
    return files.read_json(folders.root() / run / "config.json").get("sweep") or {}


def cells(name: str) -> list[dict[str, Any]]:
    """The runs of a sweep as they stand: run, state, over (setting -> value), accuracy and auc on held-out pictures.

    accuracy, auc: of the last evaluation, None before the first one, and for what draws;  n: held-out pictures
    judged: what the recipe is judged by (`measure`), of the checkpoint that is kept; None before the first evaluation
    """
    found = []
    for run in members(name):
        try:
            config, state = folders.config_of(run), folders.status(run).state
            last = files.read_json(folders.folder_of(run) / "state.json")
            measure = recipe_class(config["model"]).judged_by[0]
        except Problem:  # deleted meanwhile, or damaged
            continue
        found.append(
            {
                "run": run,
                "state": state,
                "over": {key: _value(text) for key, text in config["sweep"]["over"].items()},
                "accuracy": last.get("held_out"),
                "auc": last.get("held_out_auc"),
                "judged": last.get("judged"),
                "measure": measure,
                "model": config["model"],
                "n": config["recipe"]["holdout"],
                "seed": config["seed"],
            }
        )
    return found


def _value(text: str) -> float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def sweeps() -> list[str]:
    """The names of all sweeps, the newest first."""
    found: dict[str, str] = {}
    for run in folders.names():
        config = files.read_json(folders.root() / run / "config.json")
        if config.get("sweep"):
            found[config["sweep"]["name"]] = str(config.get("created", ""))
    return sorted(found, key=lambda name: (found[name], name), reverse=True)


def drive_sweep(name: str) -> Iterator[tuple[int, int, str, "Progress"]]:
    """Train what is left of a sweep, yielding (run number from 0, runs in all, the run's name, the loop's Progress).

    A run that cannot be trained as it is (a rate at which the loss is not finite, too large a batch for the memory) is
    a cell without a value, and the next goes on; a run that is deleted meanwhile is passed over.
    """
    allow("train")
    found = members(name)
    if not found:
        raise Problem(
            "There is no sweep {name}; known: {known}.", name=repr(name), known=", ".join(sweeps()) or "-"
        )
    for k, run in enumerate(found):
        if files.read_json(folders.root() / run / "state.json").get("hopeless") or run not in members(name):
            continue
        try:
            for progress in drive(run):
                yield k, len(found), run, progress
        except Hopeless:  # written in the run's own state
            continue
        if folders.status(run).state == "cancelled":
            return
