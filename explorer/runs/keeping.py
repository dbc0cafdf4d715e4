"""What becomes of old runs: deleting one, and keeping all of them within a number and a size.

Only folders below runs/ are ever touched, no link is followed, and a shipped checkpoint lies elsewhere.
"""

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from explorer import files
from explorer.reach import allow
from explorer.runs import folder as folders
from explorer.runs.alive import held
from explorer.runs.folder import STATE
from explorer.text import Problem

MOST_RUNS, MOST_GIGABYTES = 200, 20.0  # unless EXPLORER_MOST_RUNS, EXPLORER_MOST_GB say otherwise


def delete(name: str) -> None:
    """Remove a run with its checkpoints; what was published of it stays. Problem while a process works on it."""
    allow("delete")
    folder = folders.folder_of(name)
    if folder.is_symlink():
        raise Problem("{path} is a link; remove it by hand.", path=folder)
    if folders.status(name).state == "running":
        raise Problem("Run {name} is being trained; stop it first.", name=name)
    gone = folders.root() / f"{files.TEMPORARY}{secrets.token_hex(8)}"
    with held(folder), files.writing(folder):
        folder.rename(gone)  # half a run must not look like one
    shutil.rmtree(gone, ignore_errors=True)


def make_room(wanted: int = 1) -> list[str]:
    """Before `wanted` new runs: bring the others within their quota; returns a line for each that was touched.

    First finished runs lose what only a resume would need, the oldest first, then whole finished runs go; kept.log
    says which. What is being trained or can still be gone on with is left alone: when these alone are too many or too
    large, nothing is touched, and Problem says so.
    """
    files.sweep(folders.root())
    most, most_bytes = quota()
    runs = [run for run in reversed(folders.statuses()) if not (folders.root() / run.name).is_symlink()]
    ended = {run.name: size(folders.root() / run.name) for run in runs if run.state == "done"}
    count, used, lines = len(runs), size(folders.root()), []
    if count - len(ended) + wanted > most or used - sum(ended.values()) > most_bytes:
        raise Problem(
            "{n} unfinished runs take {size} GB; delete some, or allow more with EXPLORER_MOST_RUNS, EXPLORER_MOST_GB.",
            n=count - len(ended),
            size=f"{(used - sum(ended.values())) / 1e9:.1f}",
        )
    for name in ended:
        if used <= most_bytes:
            break
        freed = _slim(name)
        used -= freed
        lines += [f"{name}: {freed / 1e6:.0f} MB removed that only a resume needed"] if freed else []
    for name in ended:
        if count + wanted <= most and used <= most_bytes:
            break
        used -= size(folders.root() / name)
        count -= 1
        with contextlib.suppress(Problem):  # somebody else was quicker
            delete(name)
            lines.append(f"{name}: removed")
    if lines:
        with contextlib.suppress(OSError), (folders.root() / "kept.log").open("a") as file:
            file.writelines(
                f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n" for line in lines
            )
    return lines


def quota() -> tuple[float, float]:
    """How many runs, and how many bytes of them."""
    return _number("EXPLORER_MOST_RUNS", MOST_RUNS), 1e9 * _number("EXPLORER_MOST_GB", MOST_GIGABYTES)


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable) or str(default)
    try:
        value = float(text)
        if not value >= 0:  # so that nan is refused too
            raise ValueError
    except ValueError as error:
        raise Problem(
            "{name} is {value}; expected a number from 0 on.", name=variable, value=repr(text[:80])
        ) from error
    return value


def size(folder: Path) -> int:
    """Bytes of all files below a folder; links count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
        except OSError:  # removed meanwhile
            continue
    return total


def _slim(name: str) -> int:
    """Keep of a finished run only the checkpoint that is its result, without the state; returns the bytes freed."""
    from explorer.checkpoints.manifest import write_manifest

    folder = folders.folder_of(name)
    before = size(folder)
    try:
        kept = folders.result(name)
    except Problem:
        return 0
    for path in folders.saved(name):
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)
    if (kept / STATE).is_file():
        write_manifest(kept, without=STATE)  # first: a checkpoint is whole at every moment
        (kept / STATE).unlink()
    return before - size(folder)
