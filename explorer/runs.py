"""Runs: a training and its folder, which is the only truth about it.

    runs/NAME/  config.json     what was asked for: model, data, recipe, seed, device
                card.json       what is known by now, in the form of a checkpoint's card
                metrics.jsonl   a line about every second: attempt, step, loss, accuracy, held-out accuracy, rate
                state.json      how far it is, and how it ended
                process.json    who works on it;  heartbeat: touched while that process lives;  lock: held by it
                log.txt         one line for every event
                ckpt/step-…/    a checkpoint folder (see checkpoints) with train_state.pt beside the weights

The status is derived from these, never stored: a run that was killed is "interrupted", whatever its state file says.
"""

import contextlib
import dataclasses
import gc
import io
import json
import os
import pickle
import platform
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import checkpoints, files, process
from explorer.checkpoints import Card
from explorer.data import ImageSet, holdout, load, valid_name
from explorer.text import Problem
from explorer.training import Recipe, default_recipe, make_recipe

if TYPE_CHECKING:
    from explorer.training.loop import Progress
    from explorer.training.supervised import Supervised

FINISHED = ("done", "failed", "stopped")
STALE = 30.0  # seconds without a heartbeat after which a process on another machine counts as dead
STATE = "train_state.pt"


@dataclass(frozen=True)
class RunStatus:
    """A run as it stands: state is "running", "done", "failed", "stopped" or "interrupted" (these can be resumed)."""

    name: str
    state: str
    model: str
    data: str
    step: int
    total: int
    epoch: float
    held_out: float | None
    message: str
    created: str


def root() -> Path:
    """The folder of runs: $EXPLORER_RUNS, else runs/ of the project."""
    return Path(os.environ.get("EXPLORER_RUNS") or Path(__file__).resolve().parent.parent / "runs")


def folder_of(name: str) -> Path:
    """The folder of a run; Problem that lists the known ones."""
    folder = root() / valid_name(name, "run")
    if not (folder / "config.json").is_file():
        known = ", ".join(path.parent.name for path in sorted(root().glob("*/config.json"))[-12:]) or "-"
        raise Problem("Unknown run {name}; known: {known}.", name=repr(name), known=known)
    return folder


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
) -> Path:
    """Make a run's folder and return it; nothing is trained yet.

    save_seconds: at least so often a checkpoint is written, besides the ends of epochs.
    Under torchrun all processes call this with one name; the first makes the folder, the others wait for it.
    Raises Problem for whatever does not fit: unknown names, settings out of range, a name that is taken, absent data.
    """
    from explorer import models

    models.spec(model)
    recipe = recipe or default_recipe(model, data)
    chosen = make_recipe(recipe, settings, epochs=epochs)
    load(data, "train")  # absent or wrong data is said now, not in the log of a run
    if name is None and _world() > 1:
        raise Problem("Several processes train one run: give it a name with --run NAME.")
    name = name or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{model}-{secrets.token_hex(3)}"
    folder = root() / valid_name(name, "run")
    if _rank():
        return _awaited(folder)
    if folder.exists() or name == "jobs":  # jobs/ holds the folders of jobs
        raise Problem("Run {name} is already there; choose another name or resume it.", name=repr(name))
    config = {
        "model": model,
        "data": data,
        "recipe_name": recipe,
        "recipe": dataclasses.asdict(chosen),
        "seed": seed,
        "device": device,
        "save_seconds": save_seconds,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    partial = root() / f"{files.TEMPORARY}{secrets.token_hex(8)}"  # a run is there whole or not at all
    try:
        files.write_json(partial / "config.json", config)
        partial.rename(folder)
    except OSError as error:
        raise Problem(
            "Cannot write {path}: {reason}.", path=folder, reason=error.strerror or error
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    files.sweep(root())
    return folder


def _rank() -> int:
    """Which of the processes that torchrun or SLURM started this one is; 0 writes, the others only train along."""
    return int(os.environ.get("RANK", 0))


def _world() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def _awaited(folder: Path, seconds: float = 120.0) -> Path:
    """The run's folder, once the first process has made it."""
    end = time.monotonic() + seconds
    while not (folder / "config.json").exists():
        if time.monotonic() > end:
            raise Problem("Run {name} was not made by the first process.", name=folder.name)
        time.sleep(0.1)
    return folder


def status(name: str) -> RunStatus:
    """Derived from the run's folder at this moment."""
    folder = folder_of(name)
    config, state = files.read_json(folder / "config.json"), files.read_json(folder / "state.json")
    return RunStatus(
        name=name,
        state=_derived(folder, state),
        model=config.get("model", "?"),
        data=config.get("data", "?"),
        step=state.get("step", 0),
        total=state.get("total", 0),
        epoch=state.get("epoch", 0.0),
        held_out=state.get("held_out"),
        message=state.get("message", ""),
        created=config.get("created", ""),
    )


def _derived(folder: Path, state: dict[str, Any]) -> str:
    if state.get("state") in FINISHED:
        return state["state"]
    alive = process.alive(files.read_json(folder / "process.json"))
    if alive is None:
        with contextlib.suppress(OSError):
            alive = time.time() - (folder / "heartbeat").stat().st_mtime < STALE
    return "running" if alive else "interrupted"


def statuses() -> list[RunStatus]:
    """Every run, newest first."""
    found = [status(path.parent.name) for path in root().glob("*/config.json")]
    return sorted(found, key=lambda run: run.created, reverse=True)


def metrics(name: str) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl in order, what a resumed attempt went over again left out; a torn line is skipped."""
    rows: list[dict[str, Any]] = []
    try:
        lines = (folder_of(name) / "metrics.jsonl").read_bytes().split(b"\n")
    except FileNotFoundError:
        return rows
    for line in lines:
        try:
            row = json.loads(line)
            step = int(row["step"])
        except (ValueError, KeyError, TypeError):
            continue
        if row.get("resumed"):
            rows = [old for old in rows if old["step"] <= step]
        else:
            rows.append(row)
    return rows


def saved(name: str) -> list[Path]:
    """The run's checkpoint folders, oldest first (not yet verified)."""
    return sorted(path for path in (folder_of(name) / "ckpt").glob("step-*") if path.is_dir())


def newest(name: str) -> Path | None:
    """The newest checkpoint whose files are whole; None before the first."""
    for folder in reversed(saved(name)):
        with contextlib.suppress(Problem):
            checkpoints.verify(folder)
            return folder
    return None


def result(name: str) -> Path:
    """The checkpoint that the run's recipe says to keep: its best on held-out pictures, or its last."""
    folder = folder_of(name)
    keep = files.read_json(folder / "config.json")["recipe"]["keep"]
    best = _best(name) if keep == "best" else None
    found = best[1] if best else newest(name)
    if found is None:
        raise Problem("Run {name} has no checkpoint yet.", name=name)
    return found


def _best(name: str) -> tuple[float, Path] | None:
    """The highest held-out accuracy of which the checkpoint is still there."""
    folder = folder_of(name) / "ckpt"
    rows = [row for row in metrics(name) if row.get("held_out_accuracy") is not None]
    there = [(row["held_out_accuracy"], folder / _step_name(row["step"])) for row in rows]
    there = [pair for pair in there if pair[1].is_dir()]
    return max(there, key=lambda pair: pair[0]) if there else None


def _step_name(step: int) -> str:
    return f"step-{step:08d}"


def pictures(config: dict[str, Any]) -> tuple[ImageSet, ImageSet | None]:
    """What a run trains on and what it holds out, by its config."""
    train = load(config["data"], "train")
    count = config["recipe"]["holdout"]
    return holdout(train, count, seed=0) if count else (train, None)


def drive(name: str) -> Iterator["Progress"]:
    """Train a run from where it stands to its end, yielding the loop's Progress; a finished run yields nothing.

    Ctrl-C or SIGTERM ends it after the step at hand with a checkpoint, as "stopped"; everything else that ends it is
    written to state.json too. Only one process can drive a run: another gets a Problem.
    """
    folder = folder_of(name)
    with _sole(folder), _beating(folder), _stoppable() as asked_to_stop:
        if _rank() == 0:
            for place in (folder, folder / "ckpt"):  # of a killed attempt: nobody else holds the lock
                files.sweep(place, older_than=0)
        state = files.read_json(folder / "state.json")
        if state.get("state") == "done":
            return
        try:
            yield from _train(name, folder, asked_to_stop)
        except BaseException as error:
            if _rank():  # the first process writes
                raise
            stopped = isinstance(error, (KeyboardInterrupt, GeneratorExit))
            problem = _out_of_memory(error, folder) or error
            _note(
                folder,
                state="stopped" if stopped else "failed",
                message=str(problem) or type(problem).__name__,
            )
            if problem is not error:
                raise problem from error
            raise


def _train(name: str, folder: Path, asked_to_stop: Callable[[], bool]) -> Iterator["Progress"]:
    from explorer.training.loop import fit

    config = files.read_json(folder / "config.json")
    task, fabric = _task(config)
    first = fabric.global_rank == 0
    start, seconds = _restore(name, task)
    attempt = 1 + sum(1 for line in _log_lines(folder) if " started" in line)
    if first:
        _log(
            folder, f"attempt {attempt} started at step {start} of {task.total_steps}, process {os.getpid()}"
        )
        _append(folder, {"attempt": attempt, "step": start, "resumed": True})
        _note(folder, state="running", step=start, total=task.total_steps, message="")
    written = time.monotonic()
    for progress in fit(task, config["recipe"]["batch"], start):
        stop = _agreed(fabric, asked_to_stop(), progress.step % task.steps_per_epoch == 0)
        last = progress.step == progress.total
        if first:
            _append(folder, _row(attempt, progress, task))
            due = progress.held_out or stop or last or time.monotonic() - written > config["save_seconds"]
            if due:
                minutes = (seconds + progress.seconds) / 60
                _save(name, folder, config, task, progress, minutes)
                written = time.monotonic()
            _note(
                folder,
                state="done" if last else "stopped" if stop else "running",
                step=progress.step,
                total=progress.total,
                epoch=round(progress.epoch, 3),
                **({"held_out": progress.held_out["accuracy"]} if progress.held_out else {}),
            )
        yield progress
        if stop and not last:
            _log(folder, f"stopped at step {progress.step}")
            return
    if first:  # said here too: a run killed after its last checkpoint has no step left that would say it
        _note(folder, state="done", step=task.total_steps, total=task.total_steps)
        _log(folder, "done")


def _agreed(fabric: Any, asked: bool, epoch_over: bool) -> bool:
    """Whether to stop here. Several processes stop at the end of an epoch, where all of them come by, or not at all."""
    if fabric.world_size == 1:
        return asked
    import torch

    return epoch_over and bool(fabric.all_reduce(torch.tensor(float(asked)), reduce_op="sum") > 0)


def _task(config: dict[str, Any]) -> tuple["Supervised", Any]:
    from explorer.training.fabric import make_fabric
    from explorer.training.supervised import Supervised

    train, held = pictures(config)
    fabric = make_fabric(config["model"], config["device"])
    return Supervised(
        fabric, config["model"], Recipe(**config["recipe"]), config["seed"], train, held
    ), fabric


def _restore(name: str, task: "Supervised") -> tuple[int, float]:
    """Load the newest whole checkpoint into the task: (the step to go on from, seconds trained before)."""
    import torch

    found = newest(name)
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


def _save(
    name: str, folder: Path, config: dict, task: "Supervised", progress: "Progress", minutes: float
) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save({"task": task.state(), "step": progress.step, "seconds": minutes * 60}, buffer)
    held = task.held
    found = (
        {"held-out": {"accuracy": progress.held_out["accuracy"], "n": len(held)}}
        if progress.held_out and held
        else {}
    )
    card = Card(
        name=name,
        model=config["model"],
        data=config["data"],
        classes=task.train.classes,
        mean=task.train.mean,
        std=task.train.std,
        data_fingerprint=task.train.fingerprint,
        recipe={"name": config.get("recipe_name", "")}
        | {key: value for key, value in config["recipe"].items() if key != "summary"}
        | {"step": progress.step, "images_seen": progress.step * config["recipe"]["batch"]},
        seed=config["seed"],
        metrics=found,
        created=config["created"],
        minutes=round(minutes, 2),
        versions=versions(),
    )
    saved_card = checkpoints.save(
        folder / "ckpt" / _step_name(progress.step), task.average, card, {STATE: buffer.getvalue()}
    )
    files.write_json(folder / "card.json", dataclasses.asdict(saved_card))
    best = _best(name)
    kept = {path for path in (*saved(name)[-2:], best and best[1]) if path}
    for old in saved(name):
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)


def versions() -> dict[str, str]:
    """What the numbers of a run depend on besides its recipe."""
    import torch
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def _row(attempt: int, progress: "Progress", task: "Supervised") -> dict[str, Any]:
    row = {
        "attempt": attempt,
        "step": progress.step,
        "epoch": round(progress.epoch, 4),
        "loss": progress.logs["loss"],
        "accuracy": progress.logs["accuracy"],
        "lr": task.recipe.rate(progress.step - 1, task.total_steps, task.steps_per_epoch),
        "images_per_second": round(progress.images_per_second, 1),
        "time": round(time.time(), 3),
    }
    if progress.held_out:
        row |= {f"held_out_{key}": value for key, value in progress.held_out.items()}
    return row


def _append(folder: Path, row: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl in one write; a torn last line of a killed attempt is closed first."""
    path = folder / "metrics.jsonl"
    try:
        with path.open("a+b") as file:
            if row.get("resumed") and file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(row).encode() + b"\n")
    except OSError as error:
        raise Problem("Cannot write {path}: {reason}.", path=path, reason=error.strerror or error) from error


def _note(folder: Path, **changes: Any) -> None:
    with contextlib.suppress(
        Problem
    ):  # a full disk: the error at hand matters more, and the status is derived anyway
        files.write_json(folder / "state.json", files.read_json(folder / "state.json") | changes)


def _log(folder: Path, sentence: str) -> None:
    with contextlib.suppress(OSError), (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence}\n")


def _log_lines(folder: Path) -> list[str]:
    try:
        return (folder / "log.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


@contextlib.contextmanager
def _sole(folder: Path) -> Iterator[None]:
    """Hold the run's lock, which the system releases however this process ends; rank 0 only under torchrun."""
    import fcntl

    if _rank():
        yield
        return
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Problem("Run {name} is being trained by another process.", name=folder.name) from error
        files.write_json(folder / "process.json", process.card())
        yield


@contextlib.contextmanager
def _beating(folder: Path) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                (folder / "heartbeat").touch()
            over.wait(2)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a wish that is granted between two steps; the second one interrupts."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _out_of_memory(error: BaseException, folder: Path) -> Problem | None:
    """When memory ran out: one sentence with a batch size of which one step was just seen to work."""
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
        config["recipe"] |= {"batch": fits}
        try:
            _task(config)[0].step(0)
            break
        except (MemoryError, RuntimeError):
            fits //= 2
    else:
        return Problem("Not enough memory for {model}, even with a batch of 2.", model=config["model"])
    return Problem(
        "Not enough memory for batches of {batch}; {fits} fit: start again with --set batch={fits}.",
        batch=batch,
        fits=fits,
    )


def publish(
    name: str, checkpoint: str, purpose: str = "", storage_dtype: str = "float16", on_step=None
) -> Card:
    """Turn a run's result into checkpoints/CHECKPOINT: stored small, calibrated on its held-out pictures, tested.

    What is calibrated, tested and stored are the weights as they lie on disk, after rounding. The test split is read
    once; plain, 2-view and 6-view predictions are stored beside the weights. Until all this is done, a checkpoint that
    had the name before stays in its place.
    """
    source = checkpoints.load(result(name))
    config = files.read_json(folder_of(name) / "config.json")
    target = checkpoints.root() / valid_name(checkpoint, "checkpoint")
    card = dataclasses.replace(source.card, metrics={}, storage_dtype=storage_dtype, purpose=purpose)
    files.sweep(checkpoints.root())
    stage = checkpoints.root() / f"{files.TEMPORARY}{secrets.token_hex(8)}"
    try:
        checkpoints.save(stage / checkpoint, source.model, card)
        card, evaluation = _examined(stage / checkpoint, config, on_step)
        checkpoints.update(stage / checkpoint, card, evaluation)
        checkpoints.move(stage / checkpoint, target)
    except OSError as error:
        raise Problem(
            "Cannot write {path}: {reason}.", path=target, reason=error.strerror or error
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return card


def _examined(folder: Path, config: dict[str, Any], on_step) -> tuple[Card, dict[str, bytes]]:
    """The card of a checkpoint with its calibration and test results, and the files of its predictions."""
    from explorer.analysis import predict
    from explorer.analysis.calibration import calibrate

    loaded = checkpoints.load(folder)
    card = loaded.card
    _, held = pictures(config)
    if held is not None:
        found = predict.predict_set(loaded, held, on_step=on_step)
        fitted = calibrate(found.logits, found.labels)
        card = dataclasses.replace(
            card,
            temperature=fitted.temperature,
            threshold=fitted.threshold,
            calibrated_on=f"{held.name}, held-out, n = {len(held)}, fingerprint {held.fingerprint[:16]}",
            metrics={"held-out": {"accuracy": _accuracy(found), "n": len(held)}},
        )
    test = load(config["data"], "test")
    evaluation, scores = {}, {"n": len(test), "data_fingerprint": test.fingerprint}
    mirrors = (
        config["recipe"]["flip"] != "none"
    )  # a mirrored 3 is no digit: views only where training flipped too
    for views in checkpoints.VIEWS if mirrors else (1,):
        found = predict.predict_set(loaded, test, views, on_step=on_step)
        scores["accuracy" if views == 1 else f"accuracy_{views}_views"] = _accuracy(found)
        evaluation[checkpoints.prediction_file("test", views)] = predict.packed(found)
    return dataclasses.replace(card, metrics=card.metrics | {"test": scores}), evaluation


def _accuracy(found: Any) -> float:
    return float((found.predicted == found.labels).mean())
