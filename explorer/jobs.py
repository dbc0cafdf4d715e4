"""Long commands as detached children of the app: submit, status, stop, logs.

A job is `python -m explorer …` in a process group of its own, with a folder that is the only truth about it:

    job.json    what was asked for           process.json  who does it (process id and start time)
    state.json  how far it is, how it ended  heartbeat     touched every second
    log.txt     all it printed               stop          present once somebody wants it to end

Status is derived from these at every look, so a killed job shows as interrupted, never as running, and
a new server sees the jobs of the one before.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from explorer import process
from explorer.data import valid_name
from explorer.files import read_json, write_json, writing
from explorer.text import N_, Problem

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "explorer")
LIVE = ("starting", "running", "stopping")
STATES = {  # what each state means to a person
    "starting": N_("starting"),
    "running": N_("running"),
    "stopping": N_("being stopped"),
    "done": N_("done"),
    "failed": N_("failed"),
    "stopped": N_("stopped"),
    "interrupted": N_("interrupted: the process ended without finishing"),
}
PUBLIC_KINDS: tuple[str, ...] = ()  # what a stranger may start in public mode
MOST_LIVE, MOST_KEPT = 4, 40  # jobs at a time; folders of ended jobs
STARTUP, SILENCE = 15.0, 30.0  # seconds until a job counts as gone: without a process, without a heartbeat


@dataclass(frozen=True)
class JobStatus:
    """A look at a job.

    state: a key of STATES;  progress: 0..1, None when unknown;  message: English, for t(), may be ""
    done, total: the numbers behind `progress`, in the unit `message` names;  error: why it failed
    seconds: since it was submitted, until now or until it ended
    """

    id: str
    kind: str
    state: str
    progress: float | None
    message: str
    done: int
    total: int | None
    error: Problem | None
    seconds: float

    @property
    def live(self) -> bool:
        """Whether it is still under way."""
        return self.state in LIVE


def public_mode() -> bool:
    """Whether strangers can reach this server: then only an allow-list of actions is open."""
    return os.environ.get("EXPLORER_PUBLIC") == "1"


def root() -> Path:
    """The folder of all job folders, below $EXPLORER_RUNS."""
    return Path(os.environ.get("EXPLORER_RUNS") or PROJECT / "runs").expanduser().resolve() / "jobs"


def submit(args: list[str], kind: str, key: str | None = None) -> str:
    """Start `python -m explorer *args` and return its job id; it outlives this process.

    key: jobs with the same key (by default the same arguments) never run at the same time: a double click, or
        two tabs, get the id of the one that runs.
    Raises Problem in public mode, when too many jobs run, or when the folder cannot be written.
    """
    if public_mode() and kind not in PUBLIC_KINDS:
        raise Problem("This server is public, and here nobody can start: {kind}.", kind=kind)
    valid_name(kind, "job kind")
    key = key or "\0".join(args)
    with _lock():
        running = [(folder, job) for folder, job in _all() if status(folder.name).live]
        for folder, job in running:
            if job.get("key") == key:
                return folder.name
        if len(running) >= MOST_LIVE:
            raise Problem("{n} jobs are running; wait for one to end, or stop one.", n=len(running))
        _forget_old()
        now = datetime.now(UTC)
        job_id = f"{kind[:32]}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        folder = root() / job_id
        asked = {"id": job_id, "kind": kind, "key": key, "args": args, "created": now.timestamp()}
        write_json(folder / "job.json", asked)
        _start(folder, args)
    return job_id


def _start(folder: Path, args: list[str]) -> None:
    environment = os.environ | {"EXPLORER_JOB": str(folder), "PYTHONUNBUFFERED": "1"}
    try:
        with (folder / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [*COMMAND, *args],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Problem("The job could not be started: {reason}.", reason=error.strerror or error) from error
    write_json(folder / "process.json", process.card(child.pid))
    threading.Thread(target=child.wait, name=f"reaper of {folder.name}", daemon=True).start()  # no zombies


def status(job_id: str) -> JobStatus:
    """How a job stands now. Raises Problem when there is none of that id."""
    folder = _folder(job_id)
    job, state = read_json(folder / "job.json"), read_json(folder / "state.json")
    name = state.get("state") if state.get("state") in list(STATES) else "starting"
    ended = name not in LIVE
    if not ended:
        name = _derive(folder, job, name)
    total, done = state.get("total"), int(state.get("done") or 0)
    error = state.get("error")
    end = state.get("updated") if ended or name not in LIVE else time.time()
    return JobStatus(
        id=job_id,
        kind=job.get("kind", ""),
        state=name,
        progress=1.0 if name == "done" else min(done / total, 1.0) if total else None,
        message=state.get("message", "") if name in LIVE else "",
        done=done,
        total=total,
        error=Problem(error["template"], **error["values"]) if error else None,
        seconds=max(0.0, (end or job["created"]) - job["created"]),
    )


def _derive(folder: Path, job: dict, name: str) -> str:
    """The state of a job that has not written how it ended."""
    written = read_json(folder / "process.json")
    alive = process.alive(written)
    if (
        alive is None
    ):  # nobody wrote who does it, or it runs on another machine: the last sign of life decides
        with contextlib.suppress(OSError):
            alive = time.time() - (folder / "heartbeat").stat().st_mtime < SILENCE
    if alive is None:
        alive = time.time() - job["created"] < STARTUP
    wanted = (folder / "stop").exists()
    if alive:
        return "stopping" if wanted else name
    last = read_json(folder / "state.json").get("state")  # written between our two looks?
    if last and last not in LIVE:
        return last
    return "stopped" if wanted else "interrupted"


def jobs() -> list[JobStatus]:
    """Every job there is a folder of, the newest first."""
    found = [status(folder.name) for folder, _ in _all()]
    return sorted(found, key=lambda job: job.seconds if job.live else float("inf"))


def stop(job_id: str, grace: float = 2.0) -> JobStatus:
    """End a job: ask it, after `grace` seconds tell its group, a second later kill the group.

    Only processes that are provably the job's get a signal: the start time must be the one written down, or
    the job's folder must stand in their environment. A job on another machine is only asked.
    """
    folder = _folder(job_id)
    if not status(job_id).live:
        return status(job_id)
    (folder / "stop").touch()
    if _gone(folder, grace):
        return status(job_id)
    for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
        leader = _ours(folder)
        if leader is None:
            break
        process.signal_group(leader, number)
        if _gone(folder, patience):
            break
    return status(job_id)


def _ours(folder: Path) -> int | None:
    """The id of the job's process group, if anything in it is provably still the job's."""
    written = read_json(folder / "process.json")
    leader = written.get("pid")
    if written.get("host") != process.HOST or not isinstance(leader, int) or leader <= 1:
        return None
    if process.alive(written) or process.group(leader, f"EXPLORER_JOB={folder}"):
        return leader
    return None


def _gone(folder: Path, patience: float) -> bool:
    """Wait up to so many seconds until nothing of the job runs any more."""
    until = time.monotonic() + patience
    while _ours(folder) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def wait(job_id: str, timeout: float) -> JobStatus:
    """Wait until a job has ended, at most `timeout` seconds; return how it stands then."""
    until = time.monotonic() + timeout
    while (found := status(job_id)).live and time.monotonic() < until:
        time.sleep(0.05)
    return found


def logs(job_id: str, tail: int = 50) -> list[str]:
    """The last `tail` lines that a job printed (of its last 64 kB)."""
    path = _folder(job_id) / "log.txt"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65536))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rpartition("\r")[2] for line in text.splitlines()][-tail:] if tail > 0 else []


def _folder(job_id: str) -> Path:
    folder = root() / valid_name(job_id, "job")
    if folder.is_symlink() or not (folder / "job.json").is_file():
        raise Problem("There is no job {id}.", id=job_id)
    return folder


def _all() -> list[tuple[Path, dict]]:
    folders = sorted(path.parent for path in root().glob("*/job.json"))
    return [(folder, read_json(folder / "job.json")) for folder in folders if not folder.is_symlink()]


def _forget_old() -> None:
    """Remove the folders of jobs that ended long ago."""
    ended = [folder for folder, job in _all() if not status(folder.name).live]
    ended.sort(key=lambda folder: folder.stat().st_mtime)
    for folder in ended[:-MOST_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """One submit at a time, over all processes; the system frees the lock of a killed one."""
    from filelock import FileLock, Timeout

    with writing(root()):
        root().mkdir(parents=True, exist_ok=True)
        lock = FileLock(root() / ".lock", timeout=20)
        try:
            lock.acquire()
        except Timeout as error:
            raise Problem("Another job is just being started; try again.") from error
    try:
        yield
    finally:
        lock.release()
