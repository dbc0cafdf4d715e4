"""Driving the loop: metrics, checkpoints and state go to the run's folder; a killed run goes on where it was saved."""

import dataclasses
import gc
import io
import os
import pickle
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer import checkpoints, files
from explorer.checkpoints import Card
from explorer.reach import allow
from explorer.runs import events, over_time
from explorer.runs import folder as folders
from explorer.runs.alive import beating, rank, sole, stoppable
from explorer.runs.folder import STATE, recipe_of
from explorer.runs.making import pictures
from explorer.text import Hopeless, Problem

if TYPE_CHECKING:
    from explorer.training.loop import Progress, Task


def drive(name: str) -> Iterator["Progress"]:
    """Train a run from where it stands to its end, yielding the loop's Progress; a finished run yields nothing.

    Ctrl-C or SIGTERM ends it after the step at hand with a checkpoint, as "cancelled"; everything else that ends it is
    written to state.json too. Only one process can drive a run: another gets a Problem.
    """
    allow("train")
    folder = folders.folder_of(name)
    with sole(folder), beating(folder), stoppable() as asked_to_stop:
        if rank() == 0:
            for place in (folder, folder / "ckpt"):  # of a killed attempt: nobody else holds the lock
                files.sweep(place, older_than=0)
        state = files.read_json(folder / "state.json")
        if state.get("state") == "done":
            return
        if rank() == 0:
            folders.note(folder, state="running", message="", hopeless=False)
        try:
            yield from _train(name, folder, asked_to_stop)
        except BaseException as error:
            if rank():  # the first process writes
                raise
            cancelled = isinstance(error, (KeyboardInterrupt, GeneratorExit))
            problem = _out_of_memory(error, folder) or error
            folders.note(
                folder,
                state="cancelled" if cancelled else "failed",
                hopeless=isinstance(problem, Hopeless),
                message=str(problem) or type(problem).__name__,
            )
            if problem is not error:
                raise problem from error
            raise


def _train(name: str, folder: Path, asked_to_stop: Callable[[], bool]) -> Iterator["Progress"]:
    from explorer.training.loop import fit

    config = folders.config_of(name)
    task = task_for(config)
    fabric = task.fabric
    first = fabric.global_rank == 0
    start, seconds = _restore(name, task)
    attempt = 1 + sum(1 for line in folders.log_lines(folder) if " started" in line)
    if first:
        folders.log(
            folder, f"attempt {attempt} started at step {start} of {task.total_steps}, process {os.getpid()}"
        )
        folders.append(folder, {"attempt": attempt, "step": start, "resumed": True})
        folders.note(folder, state="running", step=start, total=task.total_steps, message="")
    written = time.monotonic()
    drawn = first and config.get("tensorboard", False)
    with events.writer(folder, drawn, start) as draw:
        for progress in fit(task, config["recipe"]["batch"], start):
            stop = _agreed(fabric, asked_to_stop(), progress.step % task.steps_per_epoch == 0)
            last = progress.step == progress.total
            if first:
                row = _row(attempt, progress, task)
                folders.append(folder, row)
                draw(row)
                due = progress.held_out or stop or last or time.monotonic() - written > config["save_seconds"]
                if progress.grid is not None:
                    _keep_grid(folder, progress)
                if progress.drawn is not None:
                    evaluation = -(-progress.step // task.steps_per_epoch)
                    over_time.keep(folder, progress.step, evaluation, progress.drawn, last)
                if due:
                    minutes = (seconds + progress.seconds) / 60
                    _save(name, folder, config, task, progress, minutes)
                    written = time.monotonic()
                folders.note(
                    folder,
                    state="done" if last else "cancelled" if stop else "running",
                    step=progress.step,
                    total=progress.total,
                    epoch=round(progress.epoch, 3),
                    **_held_out(progress, task.recipe, folder),
                )
            yield progress
            if stop and not last:
                folders.log(folder, f"cancelled at step {progress.step}")
                return
    if first:  # said here too: a run killed after its last checkpoint has no step left that would say it
        folders.note(folder, state="done", step=task.total_steps, total=task.total_steps)
        folders.log(folder, "done")


def _held_out(progress: "Progress", recipe: Any, folder: Path) -> dict[str, float]:
    """What state.json keeps of evaluations: accuracy and AUC of the last (a generator has none), and what the recipe is
    judged by, of the last or, where the best checkpoint is kept, of the best."""
    found = {}
    if "accuracy" in progress.held_out:
        found = {"held_out": progress.held_out["accuracy"], "held_out_auc": progress.held_out.get("auc")}
    measure, more_is_better = recipe.judged_by
    value = progress.held_out.get(measure)
    if value is None:
        return found
    before = files.read_json(folder / "state.json").get("judged")
    if recipe.keep == "best" and before is not None:
        value = (max if more_is_better else min)(before, value)
    return found | {"judged": value}


def _agreed(fabric: Any, asked: bool, epoch_over: bool) -> bool:
    """Whether to stop here. Several processes stop at the end of an epoch, where all of them come by, or not at all."""
    if fabric.world_size == 1:
        return asked
    import torch

    return epoch_over and bool(fabric.all_reduce(torch.tensor(float(asked)), reduce_op="sum") > 0)


def task_for(config: dict[str, Any]) -> "Task":
    """What the loop trains, by a run's config: net, optimiser and pictures on their device."""
    from explorer.training.fabric import make_fabric
    from explorer.training.tasks import make_task

    train, held = pictures(config)
    fabric = make_fabric(config["model"], config["device"])
    return make_task(fabric, config["model"], recipe_of(config), config["seed"], train, held)


def _restore(name: str, task: "Task") -> tuple[int, float]:
    """Load the newest whole checkpoint into the task: (the step to go on from, seconds trained before)."""
    import torch

    found = folders.newest(name)
    if found is None:
        return 0, 0.0
    try:
        state = torch.load(found / STATE, map_location="cpu", weights_only=True)
        task.load_state(state["task"])
        return int(state["step"]), float(state["seconds"])
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise Problem(
            "{path} is not the state of this training: {error}",
            path=found / STATE,
            error=str(error).strip().partition("\n")[0][:160],
        ) from error


def _save(name: str, folder: Path, config: dict, task: "Task", progress: "Progress", minutes: float) -> None:
    import torch

    if progress.step % task.steps_per_epoch:
        task.take_statistics()  # at the ends of epochs they are there
    buffer = io.BytesIO()
    torch.save({"task": task.state(), "step": progress.step, "seconds": minutes * 60}, buffer)
    held = task.held
    numbers = {key: value for key, value in progress.held_out.items() if isinstance(value, float)}
    found = {"held-out": numbers | {"n": len(held)}} if numbers and held else {}
    card = Card(
        name=name,
        model=config["model"],
        data=config["data"],
        task=task.recipe.task,
        model_args=task.recipe.model_args(),
        classes=task.train.classes,
        mean=task.train.mean,
        std=task.train.std,
        data_fingerprint=task.train.fingerprint,
        recipe={"name": config.get("recipe_name", "")}
        | {key: value for key, value in config["recipe"].items() if key != "summary"}
        | {
            "step": progress.step,
            "steps": progress.total,
            "images_seen": progress.step * config["recipe"]["batch"],
        },
        seed=config["seed"],
        metrics=found,
        created=config["created"],
        minutes=round(minutes, 2),
        versions=versions(),
    )
    saved_card = checkpoints.save(
        folder / "ckpt" / folders.step_name(progress.step), task.average, card, {STATE: buffer.getvalue()}
    )
    files.write_json(folder / "card.json", dataclasses.asdict(saved_card))
    top = folders.best(name)
    kept = {path for path in (*folders.saved(name)[-2:], top and top[1]) if path}
    for old in folders.saved(name):
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)


def _keep_grid(folder: Path, progress: "Progress") -> None:
    """A generator's pictures at a step as one PNG: five rows, a column for each class up to ten."""
    from PIL import Image

    images = progress.grid
    rows = [np.concatenate(list(row), 2) for row in np.split(images, 5)]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows, 1).transpose(1, 2, 0)).save(buffer, "PNG")
    files.write_bytes(folder / "grids" / f"{folders.step_name(progress.step)}.png", buffer.getvalue())


def versions() -> dict[str, str]:
    """What the numbers of a run depend on besides its recipe."""
    import torch
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def _row(attempt: int, progress: "Progress", task: "Task") -> dict[str, Any]:
    row = {
        "attempt": attempt,
        "step": progress.step,
        "epoch": round(progress.epoch, 4),
        **progress.logs,
        "lr": task.recipe.rate(progress.step - 1, task.total_steps, task.steps_per_epoch),
        "images_per_second": round(progress.images_per_second, 1),
        "time": round(time.time(), 3),
    }
    if progress.held_out:
        row |= {f"held_out_{key}": value for key, value in progress.held_out.items()}
    return row


def _out_of_memory(error: BaseException, folder: Path) -> Problem | None:
    """When memory ran out: one sentence with a batch size; a step of half as many again was just seen to work.

    What only just fits here would not when it is started again: no two processes have the same memory left, for
    allocators keep and split it, and others take of it. A batch of 256 fitted in the process that had failed and did
    not in the next one.
    """
    import torch

    signs = ("can't allocate memory", "out of memory", "could not create a primitive")  # the last is oneDNN's
    text = str(error).lower()
    if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(s in text for s in signs):
        return None
    config = files.read_json(folder / "config.json")
    batch = config["recipe"]["batch"]
    error.__traceback__ = None  # it holds the tensors of the failed step
    fits = batch // 2
    while fits >= 2:
        gc.collect()  # nets and optimisers refer to each other: without this the failed ones keep their memory
        config["recipe"] |= {"batch": fits + fits // 2}
        try:
            _last_step(config)
            break
        except (MemoryError, RuntimeError) as again:
            folders.log(
                folder, f"a batch of {fits + fits // 2} fails too: {str(again).partition(chr(10))[0]}"
            )
            fits //= 2
    else:
        return Hopeless("Not enough memory for {model}, even with a batch of 2.", model=config["model"])
    return Hopeless(
        "Not enough memory for batches of {batch}; {fits} fit: start again with --set batch={fits}.",
        batch=batch,
        fits=fits,
    )


def _last_step(config: dict[str, Any]) -> None:
    """Do the last step of a run for itself: with `grow` only the last ones see whole pictures. The task is let go."""
    task = task_for(config)
    task.step(task.total_steps - 1)
