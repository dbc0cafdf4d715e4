"""A run's folder: what was asked for, how far it is, what it has saved; the status is derived from it, never stored."""

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer import checkpoints, files, process
from explorer.data import valid_name
from explorer.text import Problem
from explorer.training import Settings, recipe_class

STATE = "train_state.pt"  # in a checkpoint of a run: what a resume needs beside the weights
PROJECT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z0-9_-]{1,64}")
FINISHED = ("done", "failed", "cancelled")
STALE = 30.0  # seconds without a heartbeat after which a process on another machine counts as dead


@dataclass(frozen=True)
class RunStatus:
    """A run as it stands.

    state: "new" (nothing was done yet), "running", "done", "failed", "cancelled" or "interrupted"
    held_out: accuracy at the last evaluation, None for what draws;  judged: what its recipe is judged by (see
        Settings.judged_by), of the checkpoint that is kept; None before the first evaluation
    sweep: the sweep it belongs to, "" for none
    """

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
    sweep: str = ""
    judged: float | None = None


def root() -> Path:
    """The folder of runs: $EXPLORER_RUNS, else runs/ of the project."""
    return Path(os.environ.get("EXPLORER_RUNS") or PROJECT / "runs").expanduser().resolve()


def names() -> list[str]:
    """The names of all runs; what else lies in the folder (a copy with a name of its own, a half-made run) is none."""
    found = (path.parent.name for path in root().glob("*/config.json"))
    return sorted(name for name in found if NAME.fullmatch(name))


def config_of(name: str) -> dict[str, Any]:
    """What a run was made with; Problem when its config.json is damaged."""
    found = files.read_json(folder_of(name) / "config.json")
    if not isinstance(found.get("recipe"), dict) or not all(
        key in found for key in ("model", "data", "seed")
    ):
        raise Problem("Run {name}: its config.json is damaged.", name=name)
    return found


def recipe_of(config: dict[str, Any]) -> Settings:
    """The recipe of a run, by its config; Problem when this version does not know all of its settings."""
    try:
        return recipe_class(config["model"])(**config["recipe"])
    except TypeError as error:
        raise Problem("The run was made by another version: {error}.", error=error) from error


def folder_of(name: str) -> Path:
    """The folder of a run; Problem that lists the known ones."""
    folder = root() / valid_name(name, "run")
    if not (folder / "config.json").is_file():
        known = ", ".join(names()[-12:]) or "-"
        raise Problem("Unknown run {name}; known: {known}.", name=repr(name), known=known)
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
        created=str(config.get("created", "")),
        sweep=(config.get("sweep") or {}).get("name", ""),
        judged=state.get("judged"),
    )


def _derived(folder: Path, state: dict[str, Any]) -> str:
    if state.get("state") in FINISHED:
        return state["state"]
    written = files.read_json(folder / "process.json")
    if not any((folder / name).exists() for name in ("state.json", "process.json", "metrics.jsonl")):
        return "new"
    alive = process.alive(written)
    if alive is None:
        with contextlib.suppress(OSError):
            alive = time.time() - (folder / "heartbeat").stat().st_mtime < STALE
    return "running" if alive else "interrupted"


def statuses() -> list[RunStatus]:
    """Every run, newest first."""
    found = []
    for name in names():
        with contextlib.suppress(Problem):  # deleted meanwhile
            found.append(status(name))
    return sorted(found, key=lambda run: (run.created, run.name), reverse=True)


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
        except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
            continue
        if row.get("resumed"):
            rows = [old for old in rows if old["step"] <= step]
        else:
            rows.append(row)
    return rows


def append(folder: Path, row: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl in one write; a torn last line of a killed attempt is closed first."""
    path = folder / "metrics.jsonl"
    with files.writing(path), path.open("a+b") as file:
        if row.get("resumed") and file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(row).encode() + b"\n")


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
    top = best(name) if keep == "best" else None
    found = top[1] if top else newest(name)
    if found is None:
        raise Problem("Run {name} has no checkpoint yet.", name=name)
    return found


def best(name: str) -> tuple[float, Path] | None:
    """The best value of what the recipe is judged by, held-out accuracy say, whose checkpoint is still there."""
    folder = folder_of(name) / "ckpt"
    measure, more_is_better = recipe_class(config_of(name)["model"]).judged_by
    rows = [row for row in metrics(name) if row.get(f"held_out_{measure}") is not None]
    there = [(row[f"held_out_{measure}"], folder / step_name(row["step"])) for row in rows]
    there = [pair for pair in there if pair[1].is_dir()]
    return (max if more_is_better else min)(there, key=lambda pair: pair[0]) if there else None


def step_name(step: int) -> str:
    """The folder name of the checkpoint after a step."""
    return f"step-{step:08d}"


def note(folder: Path, **changes: Any) -> None:
    """Change single values of state.json."""
    with contextlib.suppress(
        Problem
    ):  # a full disk: the error at hand matters more, and the status is derived anyway
        files.write_json(folder / "state.json", files.read_json(folder / "state.json") | changes)


def log(folder: Path, sentence: str) -> None:
    """Add a line with the time to log.txt."""
    with contextlib.suppress(OSError), (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence}\n")


def log_lines(folder: Path) -> list[str]:
    """The lines of log.txt."""
    try:
        return (folder / "log.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
