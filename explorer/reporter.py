"""The child's half of a job (the parent's is jobs.py): how far it is, that it lives, how it ended."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from explorer import process
from explorer.files import write_json
from explorer.text import Problem


class Reporter:
    """What a command tells about itself while it runs as a job; a command started by hand has none."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.written = 0.0
        self.now: dict[str, object] = {"state": "running"}

    def step(self, done: int, total: int | None, message: str) -> None:
        """How far it is; written at most four times a second. message: an English sentence for t()."""
        self.now |= {"done": int(done), "total": None if total is None else int(total), "message": message}
        if time.monotonic() - self.written > 0.25:
            self.write()

    def write(self) -> None:
        self.written = time.monotonic()
        with contextlib.suppress(Problem):  # a full disk must not end what might still finish
            write_json(self.folder / "state.json", self.now | {"updated": time.time()})

    def end(self, state: str, error: Problem | None = None) -> None:
        """How it ended."""
        self.now["state"] = state
        if error is not None:
            values = {name: str(value) for name, value in error.values.items()}
            self.now["error"] = {"template": error.template, "values": values}
        self.write()


@contextlib.contextmanager
def attached() -> Iterator[Reporter | None]:
    """Around a command: when it runs as a job, beat, watch for the wish to stop, and write down how it ended.

    The wish to stop (and SIGTERM) arrives as KeyboardInterrupt, so that Ctrl-C, a page's button and a batch system
    all end a command the same way.
    """
    folder = Path(os.environ.get("EXPLORER_JOB", ""))
    leads = os.getpgrp() == os.getpid()  # a child of the job inherits the variable, but is not the job
    before = signal.signal(signal.SIGTERM, _interrupt)
    if not ("EXPLORER_JOB" in os.environ and leads and (folder / "job.json").exists()):
        try:
            yield None
        finally:
            signal.signal(signal.SIGTERM, before)
        return
    os.nice(5)  # pages come first
    reporter = Reporter(folder)
    write_json(folder / "process.json", process.card())
    reporter.write()
    over = threading.Event()
    threading.Thread(target=_beat, args=(folder, over), name="heartbeat", daemon=True).start()
    try:
        yield reporter
        reporter.end("done")
    except KeyboardInterrupt:
        reporter.end("stopped")
        raise
    except Problem as problem:
        reporter.end("failed", problem)
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            reporter.end("done")
        else:
            reporter.end("failed", Problem("{kind}: {reason}", kind=type(error).__name__, reason=error))
        raise
    finally:
        over.set()


def _interrupt(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: cleaning up is not to be cut short
    raise KeyboardInterrupt


def _beat(folder: Path, over: threading.Event) -> None:
    beats = 0
    while not over.wait(0.25):
        if beats % 4 == 0:
            with contextlib.suppress(OSError):
                (folder / "heartbeat").touch()
        beats += 1
        if (folder / "stop").exists():
            os.kill(os.getpid(), signal.SIGTERM)
            return
