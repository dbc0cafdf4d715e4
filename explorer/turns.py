"""Jobs that keep the same device busy take turns: the one that has waited longest goes next.

Nobody hands out turns. Each job looks at the folders beside its own, and works once none before it waits and the
device's lock is free; the system frees the lock of a job that was killed.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from explorer import process
from explorer.files import read_json

STARTUP = 15.0  # seconds in which a job without a process may still be about to get one


@contextlib.contextmanager
def turn(folder: Path, device: str, waiting: Callable[[], None], look: float = 0.2) -> Iterator[None]:
    """Wait until it is the turn of the job in `folder`, and keep the others waiting through the block.

    waiting: called at the first look that finds somebody before it
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder.parent / f".{device}.lock")
    told = False
    while True:
        if not before(folder, device):
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                break
        if not told:
            told = True
            waiting()
        time.sleep(look)
    try:
        yield
    finally:
        lock.release()


def before(folder: Path, device: str) -> int:
    """How many jobs waited for the device before the one in `folder`, and still do."""
    ours = read_json(folder / "job.json")
    mine = (ours.get("created", 0.0), folder.name)
    count = 0
    for path in folder.parent.glob("*/job.json"):
        other, job = path.parent, read_json(path)
        if job.get("device") != device or (job.get("created", 0.0), other.name) >= mine:
            continue
        if read_json(other / "state.json").get("state", "starting") not in ("starting", "queued"):
            continue
        alive = process.alive(read_json(other / "process.json"))
        if alive is None:
            alive = 0 <= time.time() - job.get("created", 0.0) < STARTUP
        count += alive
    return count
