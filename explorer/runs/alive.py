"""What holds while a process works on a run: it is the only one, it can be seen to live, it can be asked to stop."""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from explorer import files, process
from explorer.text import Problem


@contextlib.contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Hold the run's lock, which the system releases however this process ends; rank 0 only under torchrun."""
    if rank():
        yield
        return
    with held(folder):
        files.write_json(folder / "process.json", process.card())
        yield


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the run's lock; Problem when another process does."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Problem("Run {name} is being trained by another process.", name=folder.name) from error
        yield


def rank() -> int:
    """Which of the processes that torchrun or SLURM started this one is; 0 writes, the others only train along."""
    return int(os.environ.get("RANK", 0))


def world() -> int:
    """How many processes train this run together."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextlib.contextmanager
def beating(folder: Path) -> Iterator[None]:
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
def stoppable() -> Iterator[Callable[[], bool]]:
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
