"""The child's half of a job (the parent's is jobs.py): how far it is, that it lives, how it ended."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from explorer import process
from explorer.files import read_json, write_json
from explorer.text import N_, Problem
from explorer.turns import turn


class Reporter:
    """What a command tells about itself while it runs as a job; a command started by hand has none."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.written = 0.0
        self.now: dict[str, object] = {}

    def step(self, done: int, total: int | None, message: str) -> None:
        """How far it is; written at most four times a second. message: an English sentence for t()."""
        anew = message != self.now.get("message") or total != self.now.get("total")
        if anew or done < self.now.get("done", 0) or "first" not in self.now:
            self.now |= {"first": int(done), "began": time.time()}
        self.now |= {"done": int(done), "total": None if total is None else int(total), "message": message}
        if time.monotonic() - self.written > 0.25:
            self.write()

    def write(self) -> None:
        self.written = time.monotonic()
        with contextlib.suppress(Problem):  # a full disk must not end what might still finish
            write_json(self.folder / "state.json", self.now | {"updated": time.time()})

    def answer(self, value: object) -> None:
        """What the command answers, for `jobs.result`."""
        if isinstance(value, dict):
            write_json(self.folder / "result.json", value)

    def goes_on_with(self, words: list[str], key: str) -> None:
        """From here on, asking for this job again means this command: a run that was made is to be resumed."""
        path = self.folder / "job.json"
        write_json(path, read_json(path) | {"args": words, "key": key})

    def wait(self) -> None:
        """Say that it is not its turn yet."""
        self.now |= {"state": "queued", "message": N_("Waiting for its turn")}
        self.write()

    def begin(self) -> None:
        """Say that it has begun."""
        self.now = {"state": "running"}
        self.write()

    def end(self, state: str, error: Problem | None = None) -> None:
        """How it ended."""
        self.now["state"] = state
        if error is not None:
            values = {name: str(value) for name, value in error.values.items()}
            self.now["error"] = {"template": error.template, "values": values}
        self.write()


@contextlib.contextmanager
def attached() -> Iterator[Reporter | None]:
    """Around a command: when it runs as a job, take turns, beat, watch for the wish to stop, write how it ended.

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
    os.nice(10)  # pages come first
    reporter = Reporter(folder)
    write_json(folder / "process.json", process.card())
    over = threading.Event()
    threading.Thread(target=_beat, args=(folder, over), name="heartbeat", daemon=True).start()
    device = read_json(folder / "job.json").get("device")
    try:
        with turn(folder, device, reporter.wait) if device else contextlib.nullcontext():
            reporter.begin()
            yield reporter
            reporter.end("done")
    except KeyboardInterrupt:
        reporter.end("cancelled")
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
