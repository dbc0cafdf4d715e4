"""kill -9 at any moment of a training: a loadable checkpoint always exists, and the resumed run is the unbroken one.

The runs start from a server process that has torch loaded already, so that thirty kills take seconds each, not minutes.
"""

import multiprocessing
import os
import random
import signal
import sys
import time
import types
import uuid
from pathlib import Path

import pytest

from explorer import checkpoints, files, runs
from explorer.runs import driving

TRAIN = ["train", "--model", "lenet", "--data", "digits", "--epochs", "4", "--seed", "5", "--device", "cpu"]


def command(root: str, arguments: list[str], die_at: int, linger: float, limit: int, err: str) -> None:
    """In a child: run a command; kill itself at the `die_at`-th step of writing a file, or linger at each of them.

    limit: bytes that a file can have, as on a full disk; 0 = any;  err: file that gets what it says on stderr
    """
    os.environ["EXPLORER_RUNS"] = root
    os.dup2(os.open(err, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), 2)  # a forked child has its server's stderr
    import resource

    import torch

    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # what Python does when it starts, too
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    torch.set_num_threads(1)
    count = 0

    def counted(original):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(linger)
            return original(*args, **kwargs)

        return call

    # Every step of a write that another process could see half-done: forced to disk, renamed, removed.
    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "rename"), (Path, "unlink"), (os, "rmdir")):
        setattr(owner, name, counted(getattr(owner, name)))
    from explorer import cli

    os._exit(cli.main(arguments))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Start a command in a child: a function that returns the Process; its `err()` is what it said on stderr."""
    # A child runs what its parent's __main__ was; a page's test in this process may have left its script there.
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    server = multiprocessing.get_context("forkserver")
    preload = ["explorer.cli", "explorer.runs", "explorer.training.supervised", "explorer.training.fabric"]
    server.set_forkserver_preload([*preload, "sklearn.datasets"])

    def begin(*arguments: str, die_at: int = 0, linger: float = 0.0, limit: int = 0):
        said = tmp_path / f"{uuid.uuid4().hex}.txt"
        values = (str(runs.root()), list(arguments), die_at, linger, limit, str(said))
        child = server.Process(target=command, args=values)
        child.start()
        child.err = said.read_text
        return child

    return begin


def finished(child, seconds: float = 120) -> int:
    child.join(seconds)
    assert child.exitcode is not None, "it hangs"
    return child.exitcode


def weights(name: str) -> dict:
    """The tensors of the last checkpoint and of the state that the next step would start from."""
    import torch

    folder = runs.newest(name)
    state = torch.load(folder / driving.STATE, weights_only=True)
    return {"step": state["step"], "file": (folder / checkpoints.WEIGHTS).read_bytes(), "task": state["task"]}


def same(a, b) -> bool:
    """Whether two nested states are equal, bit by bit."""
    import torch

    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def left_over(name: str) -> list[Path]:
    return list(runs.folder_of(name).rglob(f"{files.TEMPORARY}*"))


def until_it_works_on(child, name: str) -> None:
    """Wait until a child has begun (it may have ended too): before that there is nothing to kill, only imports."""
    while child.is_alive() and files.read_json(runs.root() / name / "process.json").get("pid") != child.pid:
        time.sleep(0.01)


def be_killed_and_resume(start, kills: int, seed: int) -> None:
    """One run, killed `kills` times: every second time in the midst of a write, else at any moment."""
    assert finished(start(*TRAIN, "--run", "whole")) == 0
    chance, seen, reached, inside = random.Random(seed), False, 0, 0
    for kill in range(kills):
        there = (runs.root() / "broken/config.json").exists()
        arguments = ["runs", "resume", "broken"] if there else [*TRAIN, "--run", "broken"]
        if kill % 2:
            child = start(*arguments, die_at=chance.randint(1, 90))
        else:
            child = start(*arguments, linger=0.02)
            until_it_works_on(child, "broken")
            time.sleep(chance.uniform(0.0, 3.0))
            child.kill()
        code = finished(child)
        assert code in (0, -signal.SIGKILL)
        if not (runs.root() / "broken").exists():
            continue
        inside += bool(left_over("broken"))
        newest = runs.newest("broken")
        assert newest is not None or not seen, "the only checkpoint was lost"
        if newest is not None:
            seen = True
            card = checkpoints.load(newest, "cpu").card
            assert card.recipe["step"] >= reached, "the run went back"
            reached = card.recipe["step"]
        if code:
            assert runs.status("broken").state == "interrupted" or reached == 80
    assert seen, "no kill came after the first checkpoint: choose later moments"
    assert inside, "no kill hit a write: choose other moments"
    assert finished(start("runs", "resume", "broken")) == 0
    assert runs.status("broken").state == "done"
    assert same(weights("broken"), weights("whole"))
    steps = [row["step"] for row in runs.metrics("broken")]
    assert steps == sorted(set(steps)) and steps[-1] == 80
    assert left_over("broken") == []


def test_three_kills_and_the_weights_are_those_of_the_unbroken_run(start):
    be_killed_and_resume(start, kills=3, seed=0)


@pytest.mark.slow
def test_thirty_kills(start):
    be_killed_and_resume(start, kills=30, seed=1)


@pytest.mark.slow
def test_a_kill_at_every_third_step_of_writing_leaves_a_loadable_checkpoint(start):
    """Moments spread over creating a run and its first two saves, each in a run of its own."""
    died = 0
    for moment in range(1, 60, 3):
        name = f"moment-{moment}"
        code = finished(start(*TRAIN, "--run", name, "--set", "epochs=2", die_at=moment))
        if code == 0:
            break
        died += 1
        if not (runs.root() / name).exists():
            continue  # it died before there was a run at all
        assert (runs.root() / name / "config.json").exists()
        assert finished(start("runs", "resume", name)) == 0
        assert runs.newest(name).name == "step-00000040" and left_over(name) == []
    assert died > 7


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_stays(start):
    """No file may grow beyond 100 kB: weights and state do not fit, the small files around them do."""
    assert finished(start(*TRAIN, "--run", "whole")) == 0
    child = start(*TRAIN, "--run", "full", linger=0.05)
    while child.is_alive() and not ((runs.root() / "full/config.json").exists() and runs.newest("full")):
        time.sleep(0.02)
    child.kill()
    finished(child)
    before = runs.newest("full")
    child = start("runs", "resume", "full", limit=100_000)
    assert finished(child) == 1
    assert "File too large" in child.err().strip().splitlines()[-1] and "Traceback" not in child.err()
    assert runs.newest("full") == before and checkpoints.load(before, "cpu").card.model == "lenet"
    found = runs.status("full")
    assert found.state == "failed" and "File too large" in found.message and left_over("full") == []
    assert finished(start("runs", "resume", "full")) == 0
    assert same(weights("full"), weights("whole"))


@pytest.mark.parametrize("place", ["", "ckpt"])
def test_a_folder_that_cannot_be_written_is_one_sentence(start, place: str):
    """A file stands where a folder is expected (root may write to folders that are only marked read-only)."""
    if place:
        assert finished(start(*TRAIN, "--run", "odd", die_at=10)) == -signal.SIGKILL
        (runs.folder_of("odd") / "ckpt").write_text("in the way")
        arguments = ["runs", "resume", "odd"]
    else:
        runs.root().rmdir()
        runs.root().write_text("in the way")
        arguments = [*TRAIN, "--run", "odd"]
    child = start(*arguments)
    assert finished(child) == 1
    assert "Cannot write" in child.err().strip().splitlines()[-1] and "Traceback" not in child.err()


def test_ctrl_c_leaves_a_run_that_can_be_resumed_and_says_how(start):
    assert finished(start(*TRAIN, "--run", "whole")) == 0
    child = start(*TRAIN, "--run", "polite", linger=0.05)
    while child.is_alive() and not (runs.root() / "polite/metrics.jsonl").exists():
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGINT)
    assert finished(child) == 130
    assert (
        child.err().strip().splitlines()[-1]
        == "Cancelled; continue with: python -m explorer runs resume polite"
    )
    assert "Traceback" not in child.err() and runs.status("polite").state == "cancelled"
    assert finished(start("runs", "resume", "polite")) == 0
    assert same(weights("polite"), weights("whole"))


def test_two_processes_never_train_one_run(start):
    child = start(*TRAIN, "--run", "sole", linger=0.3)
    while child.is_alive() and not (runs.root() / "sole/process.json").exists():
        time.sleep(0.02)
    assert runs.status("sole").state == "running"
    second = start("runs", "resume", "sole")
    assert finished(second) == 1 and "is being trained by another process" in second.err()
    child.kill()
    finished(child)
    assert runs.status("sole").state == "interrupted"


def test_a_run_is_the_same_whoever_looks_and_a_damaged_checkpoint_is_passed_over(start):
    assert finished(start(*TRAIN, "--run", "whole")) == 0
    assert finished(start(*TRAIN, "--run", "hurt", "--set", "keep=last")) == 0
    last = runs.newest("hurt") / checkpoints.WEIGHTS
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    assert runs.newest("hurt") < last.parent
    state = files.read_json(runs.folder_of("hurt") / "state.json")
    files.write_json(
        runs.folder_of("hurt") / "state.json", state | {"state": "running"}
    )  # as kill -9 leaves it
    assert runs.status("hurt").state == "interrupted"
    assert finished(start("runs", "resume", "hurt")) == 0
    assert (last.parent / checkpoints.WEIGHTS).read_bytes() == weights("whole")["file"]


def test_a_run_killed_after_its_last_checkpoint_only_has_to_be_called_done(start):
    assert finished(start(*TRAIN, "--run", "late")) == 0
    before, state = weights("late"), runs.folder_of("late") / "state.json"
    files.write_json(state, files.read_json(state) | {"state": "running", "step": 60})
    assert runs.status("late").state == "interrupted"
    assert finished(start("runs", "resume", "late")) == 0
    assert (runs.status("late").state, runs.status("late").step) == ("done", 80)
    assert same(weights("late"), before)
