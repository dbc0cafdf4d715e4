"""Making a run: everything that can be wrong about it is said before anything is trained."""

import dataclasses
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from explorer import files
from explorer.data import ImageSet, holdout, load, valid_name
from explorer.reach import allow
from explorer.runs import events
from explorer.runs.alive import rank, world
from explorer.runs.folder import root
from explorer.runs.keeping import make_room
from explorer.text import Problem
from explorer.training import Settings, check_batch, check_sizes, default_recipe, fitted, make_recipe


def create(
    model: str,
    data: str,
    recipe: str | None = None,
    settings: dict[str, str] | None = None,
    epochs: float | None = None,
    seed: int = 0,
    device: str = "auto",
    name: str | None = None,
    save_seconds: float = 120.0,
    tensorboard: bool = False,
    sweep: dict[str, Any] | None = None,
) -> Path:
    """Make a run's folder and return it; nothing is trained yet.

    save_seconds: at least so often a checkpoint is written, besides the ends of epochs.
    tensorboard: also write what TensorBoard reads, into the run's folder.
    sweep: which sweep the run belongs to and with which values (see sweeping).
    Under torchrun all processes call this with one name; the first makes the folder, the others wait for it.
    Raises Problem for whatever does not fit: unknown names, settings out of range, a name that is taken, absent data.
    """
    from explorer.device import choose

    allow("train")
    if tensorboard:
        events.check()
    recipe = recipe or default_recipe(model, data)
    chosen = recipe_for(model, data, recipe, settings, epochs)
    choose(device)
    if name is None and world() > 1:
        raise Problem("Several processes train one run: give it a name with --run NAME.")
    name = name or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{model}-{secrets.token_hex(3)}"
    folder = root() / valid_name(name, "run")
    if rank():
        return _awaited(folder)
    if folder.exists() or name == "jobs":  # jobs/ holds the folders of jobs
        raise Problem("Run {name} is already there; choose another name or resume it.", name=repr(name))
    if sweep is None:  # a sweep has made room for all of its runs
        make_room()
    config = {
        "model": model,
        "data": data,
        "recipe_name": recipe,
        "recipe": dataclasses.asdict(chosen),
        "seed": seed,
        "device": device,
        "save_seconds": save_seconds,
        "tensorboard": tensorboard,
        "sweep": sweep,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    partial = root() / f"{files.TEMPORARY}{secrets.token_hex(8)}"  # a run is there whole or not at all
    try:
        files.write_json(partial / "config.json", config)
        with files.writing(folder):
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def recipe_for(
    model: str,
    data: str,
    recipe: str | None = None,
    settings: dict[str, str] | None = None,
    epochs: float | None = None,
) -> Settings:
    """The recipe of a training, fitted to the number of pictures; Problem when it cannot be trained with."""
    from explorer import models

    models.spec(model)  # an unknown one is refused before anything is loaded
    count = len(load(data, "train"))
    chosen = make_recipe(recipe or default_recipe(model, data), settings, epochs=epochs)
    chosen = fitted(chosen, count, settings or {})
    if chosen.holdout >= count:
        raise Problem("Cannot hold out {count} of {n} pictures.", count=chosen.holdout, n=count)
    check_batch(chosen, count - chosen.holdout, world())
    check_sizes(chosen, model)
    return chosen


def epochs_within(
    minutes: float,
    model: str,
    data: str,
    recipe: str | None = None,
    settings: dict[str, str] | None = None,
    device: str = "auto",
) -> float:
    """How many epochs of a training take about so many minutes on this machine as it is now, by a probe.

    Problem for what cannot be trained, and under torchrun, where each process would measure another number.
    """
    from explorer.training.probe import probe

    allow("train")
    if world() > 1:
        raise Problem("Several processes train one run: give --epochs instead of --minutes.")
    chosen = recipe_for(model, data, recipe, settings)
    whole = probe(model, data, chosen, device).total_seconds
    return max(round(chosen.epochs * 60 * minutes / whole, 2), 0.01)


def _awaited(folder: Path, seconds: float = 120.0) -> Path:
    """The run's folder, once the first process has made it."""
    end = time.monotonic() + seconds
    while not (folder / "config.json").exists():
        if time.monotonic() > end:
            raise Problem("Run {name} was not made by the first process.", name=folder.name)
        time.sleep(0.1)
    return folder


def pictures(config: dict[str, Any]) -> tuple[ImageSet, ImageSet | None]:
    """What a run trains on and what it holds out, by its config."""
    train = load(config["data"], "train")
    count = config["recipe"]["holdout"]
    return holdout(train, count, seed=0) if count else (train, None)
