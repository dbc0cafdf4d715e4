"""Long commands as detached children of the app: submit, status, stop, logs, resume, delete.

A job is `python -m explorer …` in a process group of its own, with a folder that is the only truth about it:

    job.json    what was asked for           process.json  who does it (process id and start time)
    state.json  how far it is, how it ended  heartbeat     touched every second
    log.txt     all it printed               stop          present once somebody wants it to end
    result.json what it answered, once it is done

A job that names a device waits until it is the oldest that waits for it and nobody works there (turns.py).
Status is derived from these at every look, so a killed job shows as interrupted, never as running, and
a new server sees the jobs of the one before.
"""

import contextlib
import dataclasses
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
from typing import TYPE_CHECKING, Any

from explorer import process
from explorer.data import valid_name
from explorer.files import read_json, sweep, write_json, writing
from explorer.reach import MOST_JOBS, allow, public_mode
from explorer.text import N_, Problem
from explorer.turns import STARTUP

if TYPE_CHECKING:
    from explorer.runs import RunStatus

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "explorer")
LIVE = ("starting", "queued", "running", "stopping")
STATES = {  # what each state means to a person
    "new": N_("not begun yet"),
    "starting": N_("starting"),
    "queued": N_("waiting for its turn"),
    "running": N_("running"),
    "stopping": N_("being stopped"),
    "done": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
    "interrupted": N_("interrupted: the process ended without finishing"),
}
MOST_LIVE = 4  # jobs at a time that need no device
MOST_QUEUED = 20  # jobs that have a device or wait for one
MOST_KEPT = 40  # folders of ended jobs of a kind
MOST_DRAWN = 300  # of kind "draw": those of all visitors together, up to 200 KB each
SILENCE = 30.0  # seconds without a heartbeat until a job on another machine counts as gone


@dataclass(frozen=True)
class JobStatus:
    """A look at a job.

    state: a key of STATES;  progress: 0..1, None when unknown;  message: English, for t(), may be ""
    done, total: the numbers behind `progress`, in the unit `message` names;  error: why it failed
    seconds: since it was submitted, until now or until it ended;  left: seconds to go at the speed so far
    created: when it was submitted, seconds since 1970;  key: as `submit` had it
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
    left: float | None
    created: float
    key: str = ""

    @property
    def live(self) -> bool:
        """Whether it is still under way."""
        return self.state in LIVE


def root() -> Path:
    """The folder of all job folders, below $EXPLORER_RUNS."""
    return Path(os.environ.get("EXPLORER_RUNS") or PROJECT / "runs").expanduser().resolve() / "jobs"


def submit(args: list[str], kind: str, key: str | None = None, device: str = "") -> str:
    """Start `python -m explorer *args` and return its job id; it outlives this process.

    key: jobs with the same key (by default the same arguments) never run at the same time: a double click, or
        two tabs, get the id of the one that runs.
    device: "cpu", "cuda" or "mps" for work that keeps it busy: such jobs take turns, and leave a core to the pages.
    Raises Problem in public mode, when too many jobs run or wait, or when the folder cannot be written.
    """
    valid_name(kind, "job kind")
    allow(f"job {kind}")
    key = key or "\0".join(args)
    with _lock():
        seen = [(folder, job, look) for folder, job in _all() if (look := _look(folder.name))]
        live = [(folder, job) for folder, job, look in seen if look.live]
        for folder, job in live:
            if job.get("key") == key:
                if (folder / "stop").exists():
                    raise Problem("The job is just being stopped; try again in some seconds.")
                return folder.name
        rivals = sum(bool(job.get("device")) == bool(device) for _, job in live)
        if rivals >= (MOST_JOBS if public_mode() else MOST_QUEUED if device else MOST_LIVE):
            if public_mode():  # a stranger can stop only those that he started
                raise Problem("{n} jobs are running; wait for one to end.", n=rivals)
            raise Problem("{n} jobs are running; wait for one to end, or stop one.", n=rivals)
        _forget_old([(folder, look.kind) for folder, _, look in seen if not look.live])
        now = datetime.now(UTC)
        job_id = f"{kind[:32]}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        folder = root() / job_id
        asked = {"id": job_id, "kind": kind, "key": key, "args": args, "device": device}
        write_json(folder / "job.json", asked | {"created": now.timestamp()})
        _start(folder, args, device)
    return job_id


def resume(job_id: str) -> str:
    """Ask again for what an ended job was asked for, and return the new job's id; a training goes on where it was."""
    allow("resume")
    job = read_json(_folder(job_id) / "job.json")
    return submit(job["args"], job["kind"], job.get("key"), job.get("device", ""))


def begin(name: str, options: dict[str, Any]) -> str:
    """Make a run and train it as a job, and return its name; `options` as `runs.create` takes them.

    One at a time: the same run asked for twice, by a double click or in two tabs, is made once, and a run with the
    very same settings that is under way already is returned instead. When no job can be had, no run is left.
    """
    from explorer import runs

    allow("train")
    device = options["device"]
    with _lock(".begin.lock"):
        wanted = runs.recipe_for(*(options[key] for key in ("model", "data", "recipe", "settings")))
        for run in run_statuses():
            if run.state in LIVE and run.state != "stopping" and _same(run.name, options, wanted):
                return run.name
        made = not (runs.root() / valid_name(name, "run")).exists()
        if made:
            runs.create(**options, name=name)
        try:
            train(name, device)
        except Problem:
            if made:
                runs.delete(name)
            raise
    return name


def _same(run: str, options: dict[str, Any], recipe: Any) -> bool:
    """Whether a run was made with these options and this recipe, and for itself, not for a sweep."""
    from explorer import runs

    try:
        config = runs.config_of(run)
    except Problem:
        return False
    names = ("model", "data", "seed", "device")
    same = all(config.get(key) == options[key] for key in names) and not config.get("sweep")
    return same and config["recipe"] == dataclasses.asdict(recipe)


def train(run: str, device: str) -> str:
    """Train a run that was made, or go on with one that ended, as a job; returns the job's id."""
    return submit(["runs", "resume", valid_name(run, "run")], "train", run_key(run), device)


def train_sweep(name: str, device: str) -> str:
    """Train what is left of a sweep as a job; returns the job's id."""
    return submit(["runs", "sweep", valid_name(name, "sweep")], "sweep", sweep_key(name), device)


def run_key(run: str) -> str:
    """The key of all jobs that train a run."""
    return f"run {run}"


def sweep_key(name: str) -> str:
    """The key of all jobs that train a sweep."""
    return f"sweep {name}"


def run_status(run: str) -> "RunStatus":
    """How a run stands, its job considered: it may wait for its turn, or be asked to stop."""
    from explorer import runs

    found = runs.status(run)
    return _considered(found, job_of(found))


def run_statuses() -> list["RunStatus"]:
    """Every run, the newest first, its job considered."""
    from explorer import runs

    newest = _newest()
    return [_considered(run, job_of(run, newest)) for run in runs.statuses()]


def _considered(found: "RunStatus", job: JobStatus | None) -> "RunStatus":
    if job is None:
        return found
    if job.live and found.sweep and job.kind == "sweep":
        waits = found.state not in ("running", "done", "failed")
        return dataclasses.replace(found, state="queued") if waits else found
    if job.live:
        over = job.state == "running" and found.state == "done"  # the job has only to say goodbye
        return found if over else dataclasses.replace(found, state=job.state)
    if job.kind != "sweep" and found.state in ("new", "interrupted") and job.state in ("cancelled", "failed"):
        return dataclasses.replace(found, state=job.state)  # it was killed, or never began
    return found


def job_of(run: "RunStatus", newest: dict[str, str] | None = None) -> JobStatus | None:
    """The job that trains a run, or did last: its own, or that of the sweep it belongs to.

    newest: key -> id of the newest job, when it was read already
    """
    newest = _newest() if newest is None else newest
    own = _look(newest.get(run_key(run.name)))
    if run.sweep and not (own and own.live):
        whole = _look(newest.get(sweep_key(run.sweep)))
        if whole and (whole.live or own is None):
            return whole
    return own


def delete_run(run: str) -> None:
    """Remove a run that no job is about to train."""
    from explorer import runs

    if run_status(run).state in LIVE:
        raise Problem("Run {name} is being trained; stop it first.", name=run)
    runs.delete(run)


def delete(job_id: str) -> None:
    """Remove the folder of a job that has ended; what it made elsewhere (a run, a checkpoint) stays."""
    allow("delete")
    folder = _folder(job_id)
    if status(job_id).live:
        raise Problem("The job is still under way; stop it first.")
    shutil.rmtree(folder, ignore_errors=True)


def latest(key: str) -> JobStatus | None:
    """The newest job with this key, None without any."""
    return _look(_newest().get(key))


def all_of(beginning: str) -> list[JobStatus]:
    """The jobs whose keys begin like this, the newest last."""
    found = [folder.name for folder, job in _all_by_age() if job.get("key", "").startswith(beginning)]
    return [job for job_id in found if (job := _look(job_id))]


def _newest() -> dict[str, str]:
    """Key -> id of the newest job with it."""
    return {job.get("key", ""): folder.name for folder, job in _all_by_age()}


def _look(job_id: str | None) -> JobStatus | None:
    """A job's status, None when it is gone: another submit may forget old ones at any moment."""
    try:
        return status(job_id) if job_id else None
    except Problem:
        return None


def result(job_id: str) -> dict:
    """What a job answered, as its command's --json says it; {} before its end and when it failed."""
    return read_json(_folder(job_id) / "result.json")


def _start(folder: Path, args: list[str], device: str) -> None:
    environment = os.environ | {"EXPLORER_JOB": str(folder), "PYTHONUNBUFFERED": "1"}
    environment["EXPLORER_RUNS"] = str(root().parent)  # the child has another working folder
    if device and not os.environ.get("EXPLORER_THREADS"):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
        threads = str(max(1, cores - 1))  # one core is the pages'
        environment |= {"EXPLORER_THREADS": threads, "OMP_NUM_THREADS": threads}
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
    if name in LIVE:
        name = _derive(folder, job, name)
    total, done = state.get("total"), int(state.get("done") or 0)
    error, created = state.get("error"), job.get("created", 0.0)
    end = time.time() if name in LIVE else state.get("updated")
    return JobStatus(
        id=job_id,
        kind=job.get("kind", ""),
        state=name,
        progress=1.0 if name == "done" else min(done / total, 1.0) if total else None,
        message=state.get("message", "") if name in LIVE else "",
        done=done,
        total=total,
        error=Problem(error["template"], **error["values"]) if error else None,
        seconds=max(0.0, (end or created) - created),
        left=_left(state) if name == "running" else None,
        created=created,
        key=job.get("key", ""),
    )


def _left(state: dict) -> float | None:
    """Seconds to go at the speed since the first step: a resumed training begins in the middle."""
    if not state.get("total") or state["done"] <= state.get("first", 0):
        return None
    each = (state["updated"] - state["began"]) / (state["done"] - state["first"])
    return max(0.0, each * (state["total"] - state["done"]))


def _derive(folder: Path, job: dict, name: str) -> str:
    """The state of a job that has not written how it ended."""
    written = read_json(folder / "process.json")
    alive = process.alive(written)
    if alive is None:
        # Nobody wrote who does it, or it runs on another machine: the last sign of life decides.
        with contextlib.suppress(OSError):
            alive = time.time() - (folder / "heartbeat").stat().st_mtime < SILENCE
    if alive is None:
        alive = 0 <= time.time() - job.get("created", 0.0) < STARTUP
    wanted = (folder / "stop").exists()
    if alive:
        return "stopping" if wanted else name
    last = read_json(folder / "state.json").get("state")  # written between our two looks?
    if last and last not in LIVE:
        return last
    return "cancelled" if wanted else "interrupted"


def jobs() -> list[JobStatus]:
    """Every job there is a folder of, the newest first."""
    found = [job for folder, _ in _all() if (job := _look(folder.name))]
    return sorted(found, key=lambda job: job.created, reverse=True)


def ask_to_stop(job_id: str) -> None:
    """Let a job know that somebody wants it to end, and see to it in the background: a page does not wait."""
    folder = _folder(job_id)
    allow(f"stop {read_json(folder / 'job.json').get('kind')}")

    def see_to_it() -> None:
        with contextlib.suppress(Problem):  # deleted meanwhile
            _end(folder, 4.0)

    if status(job_id).live:
        (folder / "stop").touch()
        threading.Thread(target=see_to_it, name=f"stopping {job_id}", daemon=True).start()


def stop(job_id: str, grace: float = 4.0) -> JobStatus:
    """End a job: ask it, after `grace` seconds tell its group, two seconds later kill the group.

    Only processes that are provably the job's get a signal: the start time must be the one written down, or
    the job's folder must stand in their environment. A job on another machine is only asked.
    """
    allow("stop")
    folder = _folder(job_id)
    if status(job_id).live:
        _end(folder, grace)
    return status(job_id)


def _end(folder: Path, grace: float) -> None:
    """What `stop` does to a live job."""
    (folder / "stop").touch()
    if _gone(folder, grace):
        return
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        leader = _ours(folder)
        if leader is None:
            break
        process.signal_group(leader, number)
        if _gone(folder, patience):
            break


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


def _all_by_age() -> list[tuple[Path, dict]]:
    return sorted(_all(), key=lambda pair: pair[1].get("created", 0))


def _forget_old(ended: list[tuple[Path, str]]) -> None:
    """Remove the folders of jobs that ended long ago, of each kind by itself: many quick ones push no other out.

    ended: (folder, kind) of the jobs that have
    """
    for kind in {kind for _, kind in ended}:
        folders = [folder for folder, of in ended if of == kind]
        most = MOST_DRAWN if kind == "draw" else MOST_KEPT
        folders.sort(key=lambda folder: folder.stat().st_mtime)
        for folder in folders[:-most]:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in folders[-most:]:
            sweep(folder, older_than=0)  # what a killed one was just writing


@contextlib.contextmanager
def _lock(name: str = ".lock") -> Iterator[None]:
    """One at a time, over all processes; the system frees the lock of a killed one."""
    from filelock import FileLock, Timeout

    with writing(root()):
        root().mkdir(parents=True, exist_ok=True)
        lock = FileLock(root() / name, timeout=20)
        try:
            lock.acquire()
        except Timeout as error:
            raise Problem("Another job is just being started; try again.") from error
    try:
        yield
    finally:
        lock.release()
