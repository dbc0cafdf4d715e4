"""Real trainings as jobs: cancelled in any phase, with the server killed around them, ranks killed under them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from explorer import files, jobs, process, runs

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow  # each job starts torch anew

# `python -m explorer`, made to linger in one phase, and to say so in a file when it gets there.
LINGERING = """
import os, sys, time
sys.path.insert(0, {root!r})
phase, marker = {phase!r}, {marker!r}

def linger(original, seconds, stuck=False):
    def call(*args, **kwargs):
        open(marker, "w").close()
        if stuck:  # in a C function no signal handler of Python's runs
            import ctypes
            ctypes.PyDLL(None).sleep(int(seconds))
        time.sleep(seconds)
        return original(*args, **kwargs)
    return call

import explorer.runs.driving as driving, explorer.runs.making as making
from explorer.training import supervised
if phase == "loading":
    driving.pictures = linger(driving.pictures, 60)
elif phase == "step":
    supervised.Supervised.step = linger(supervised.Supervised.step, 0.4)
elif phase == "stuck":
    supervised.Supervised.step = linger(supervised.Supervised.step, 60, stuck=True)
elif phase == "save":
    save, sync = driving._save, os.fsync
    def slowly(*args):
        os.fsync = linger(sync, 2)
        save(*args)
    driving._save = slowly
elif phase == "evaluation":
    supervised.Supervised.evaluate = linger(supervised.Supervised.evaluate, 60)
from explorer import cli
sys.exit(cli.main(sys.argv[1:]))
"""
SERVER = """
import sys, time
from explorer import jobs
print(jobs.train(sys.argv[1], "cpu"), flush=True)
time.sleep(99)
"""


def create(name: str = "mine", epochs: float = 3) -> Path:
    return runs.create("lenet", "digits", epochs=epochs, seed=3, device="cpu", name=name)


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def left_over(name: str = "mine") -> list[Path]:
    return list(runs.folder_of(name).rglob(f"{files.TEMPORARY}*"))


def mark(job: str) -> str:
    return f"EXPLORER_JOB={jobs.root() / job}"


@pytest.mark.parametrize("phase", ["loading", "step", "stuck", "save", "evaluation"])
def test_cancel_in_any_phase(phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    marker = tmp_path / "there"
    script = LINGERING.format(root=str(ROOT), phase=phase, marker=str(marker))
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "COMMAND", (sys.executable, "-c", script))
        job = jobs.train("mine", "cpu")
        until(marker.exists)
        leader, begun = files.read_json(jobs.root() / job / "process.json")["pid"], time.monotonic()
        assert jobs.run_status("mine").state == "running"
        assert jobs.stop(job).state == "cancelled"
        assert time.monotonic() - begun < 10
        assert process.group(leader, mark(job)) == [] and process.identity(leader) is None
        assert jobs.run_status("mine").state == "cancelled"
    # What was reached stays, and the run goes on to its end.
    assert all(row["step"] <= runs.status("mine").total for row in runs.metrics("mine"))
    assert jobs.wait(jobs.train("mine", "cpu"), 120).state == "done"
    assert jobs.run_status("mine").state == "done" and left_over() == []


def test_the_server_is_killed_five_times_in_mid_run() -> None:
    create(epochs=600)
    started = set()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(5):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, "mine"], env=environment, stdout=subprocess.PIPE, text=True
        )
        started.add(server.stdout.readline().strip())
        until(lambda: jobs.run_status("mine").state == "running" and runs.status("mine").step > 0)
        time.sleep(0.3)
        server.kill()
        server.communicate()
        begun = time.monotonic()
        assert jobs.run_status("mine").state == "running" and time.monotonic() - begun < 5
    assert len(started) == 1, "a new server started the run a second time"
    job = started.pop()
    leader = files.read_json(jobs.root() / job / "process.json")["pid"]
    assert jobs.stop(job).state == "cancelled" and jobs.run_status("mine").state == "cancelled"
    assert runs.newest("mine") is not None and left_over() == []
    assert process.group(leader, mark(job)) == [] and process.identity(leader) is None
    reached = runs.status("mine").step
    again = jobs.train("mine", "cpu")
    until(lambda: runs.status("mine").step > reached)
    jobs.stop(again)


def test_a_killed_worker_is_seen_within_five_seconds() -> None:
    create(epochs=600)
    job = jobs.train("mine", "cpu")
    until(lambda: runs.status("mine").step > 0)
    os.kill(files.read_json(jobs.root() / job / "process.json")["pid"], signal.SIGKILL)
    until(lambda: jobs.run_status("mine").state == "interrupted", seconds=5)
    again = jobs.train("mine", "cpu")
    assert again != job
    until(lambda: jobs.run_status("mine").state == "running")
    assert jobs.stop(again).state == "cancelled"


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_rank_that_is_killed_ends_the_other() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "EXPLORER_THREADS": "1"}
    options = ["--model", "lenet", "--data", "digits", "--epochs", "2000", "--device", "cpu", "--run", "pair"]
    train = ["-m", "--", "explorer", "train", *options]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *train]
    torchrun = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        there = lambda: (runs.root() / "pair/config.json").exists() and runs.status("pair").step > 0  # noqa: E731
        until(there, 120)
        ranks = children(torchrun.pid)
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        assert torchrun.wait(60) != 0
        assert [process.identity(rank) for rank in ranks] == [None, None]
    finally:
        torchrun.kill()
        torchrun.wait()
    assert runs.status("pair").state in ("interrupted", "failed", "cancelled")
