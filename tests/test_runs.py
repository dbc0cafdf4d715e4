"""The run folder is the truth about a training, whatever happened to it."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import checkpoints, data, files, process, runs
from explorer.analysis import predict
from explorer.analysis.answer import classify
from explorer.analysis.calibration import ece
from explorer.checkpoints import weights
from explorer.runs import driving, making
from explorer.runs import folder as run_folder
from explorer.text import Problem
from explorer.training.supervised import Supervised

ROOT = Path(__file__).resolve().parent.parent
QUICK = {"batch": "400", "holdout": "140"}  # three steps an epoch


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def create(name: str = "mine", epochs: float = 2, **settings: str) -> Path:
    return runs.create("lenet", "digits", settings=QUICK | settings, epochs=epochs, device="cpu", name=name)


def train(name: str = "mine", until: int | None = None) -> None:
    """Drive a run to its end, or leave the loop at a step as Ctrl-C does (test_kill.py kills for real)."""
    for progress in runs.drive(name):
        if progress.step == until:
            return


def set_state(folder: Path, **values: object) -> None:
    files.write_json(folder / "state.json", files.read_json(folder / "state.json") | values)


# Status


def test_a_run_that_was_only_made_is_new_not_running() -> None:
    create()
    found = runs.status("mine")
    assert (found.state, found.step, found.model, found.data) == ("new", 0, "lenet", "digits")


def test_a_whole_training_is_done_and_says_what_it_reached() -> None:
    folder = create()
    train()
    found = runs.status("mine")
    assert (found.state, found.step, found.total, found.epoch) == ("done", 6, 6, 2.0)
    rows = runs.metrics("mine")
    assert found.held_out == rows[-1]["held_out_accuracy"] and rows[-1]["step"] == 6
    card = json.loads((folder / "card.json").read_text())
    assert card["recipe"]["step"] == 6 and card["recipe"]["images_seen"] == 2400 and card["data"] == "digits"
    assert {path.name for path in folder.iterdir()} >= {
        "config.json", "card.json", "metrics.jsonl", "state.json", "heartbeat", "log.txt", "ckpt", "process.json"
    }  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert list(runs.drive("mine")) == [], "a finished run was trained on"
    kept = {
        path: path.stat().st_mtime_ns
        for path in before
        if path.name not in ("heartbeat", "process.json", "lock")
    }
    assert kept == {path: when for path, when in before.items() if path in kept}


@pytest.mark.parametrize("written", ["done", "failed", "cancelled"])
def test_an_end_that_was_written_down_is_the_status(written: str) -> None:
    set_state(create(), state=written, message="so it was")
    assert (runs.status("mine").state, runs.status("mine").message) == (written, "so it was")


def test_a_living_process_is_running_and_a_dead_one_interrupted() -> None:
    folder = create()
    set_state(folder, state="running")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        files.write_json(folder / "process.json", process.card(sleeper.pid))
        assert runs.status("mine").state == "running"
    finally:
        sleeper.kill()
    deadline = time.monotonic() + 5
    while runs.status("mine").state == "running" and time.monotonic() < deadline:
        time.sleep(0.01)  # also while it is a zombie that nobody has waited for
    assert runs.status("mine").state == "interrupted"
    sleeper.wait()
    assert runs.status("mine").state == "interrupted"


def test_a_process_number_given_out_again_is_not_the_old_process() -> None:
    """The heartbeat may be fresh, the number may be in use: the start time tells."""
    folder = create()
    set_state(folder, state="running")
    (folder / "heartbeat").touch()
    ours = process.card()
    files.write_json(folder / "process.json", ours)
    assert runs.status("mine").state == "running"
    boot, _, started = str(ours["identity"]).rpartition("/")
    for other in (f"{boot}/{int(started) + 1}", f"another-boot/{started}", "", None):
        files.write_json(folder / "process.json", ours | {"identity": other})
        assert runs.status("mine").state == "interrupted"


def test_on_another_machine_the_heartbeat_tells() -> None:
    folder = create()
    set_state(folder, state="running")
    files.write_json(folder / "process.json", process.card() | {"host": "elsewhere"})
    assert runs.status("mine").state == "interrupted"
    beat = folder / "heartbeat"
    beat.touch()
    assert runs.status("mine").state == "running"
    old = time.time() - run_folder.STALE - 1
    os.utime(beat, (old, old))
    assert runs.status("mine").state == "interrupted"


@pytest.mark.parametrize("text", ["", "{", "[]", '"done"', "null"])
def test_a_state_file_that_is_none_is_no_end(text: str) -> None:
    folder = create()
    (folder / "state.json").write_text(text)
    (folder / "process.json").write_text(text)
    assert runs.status("mine").state == "interrupted"


def test_every_run_is_listed_newest_first() -> None:
    for name, created in (("older", "2025-01-01"), ("newest", "2026-01-01"), ("oldest", "2024-01-01")):
        folder = create(name)
        files.write_json(
            folder / "config.json", files.read_json(folder / "config.json") | {"created": created}
        )
    (runs.root() / "jobs").mkdir()
    assert [run.name for run in runs.statuses()] == ["newest", "older", "oldest"]


# Names and settings


def test_what_does_not_fit_is_said_before_a_folder_is_made() -> None:
    for arguments, reason in {
        ("vgg", "digits"): "Unknown model 'vgg'",
        ("lenet", "mnist"): "Unknown data set 'mnist'",
        ("lenet", "digits", "long"): "Unknown recipe 'long'",
        ("lenet", "digits", None, (("speed", "9"),)): "Unknown setting 'speed'",
    }.items():
        with pytest.raises(Problem, match=reason):
            runs.create(*arguments[:3], settings=dict(arguments[3]) if len(arguments) > 3 else None)
    for name in ("../out", "A", "x" * 65, ".."):
        with pytest.raises(Problem, match="is not a name"):
            create(name)
    with pytest.raises(Problem, match="is already there"):
        create("jobs")
    assert not runs.root().exists() or list(runs.root().iterdir()) == []


def test_a_name_is_given_once_and_an_unknown_one_lists_the_known() -> None:
    create()
    with pytest.raises(Problem, match="Run 'mine' is already there"):
        create()
    with pytest.raises(Problem, match="Unknown run 'yours'; known: mine"):
        runs.status("yours")


def test_several_processes_share_the_folder_that_the_first_one_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(Problem, match="give it a name with --run NAME"):
        runs.create("lenet", "digits")
    folder = create()
    monkeypatch.setenv("RANK", "1")
    assert create() == folder
    monkeypatch.setattr(making._awaited, "__defaults__", (0.2,))
    with pytest.raises(Problem, match="was not made by the first process"):
        create("nobody-s")


# metrics.jsonl


def test_rows_torn_at_any_byte_are_left_out_and_never_misread() -> None:
    """A killed writer leaves a prefix; the rows before it count, the torn one does not, and resuming closes it."""
    folder = create()
    rows = [
        {"attempt": 1, "step": step, "loss": step / 7, "held_out_accuracy": 0.123456} for step in (10, 20, 30)
    ]
    whole = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path = folder / "metrics.jsonl"
    ends = [len(line) for line in whole.splitlines()]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        found = runs.metrics("mine")
        complete = sum(cut >= sum(ends[: k + 1]) + k for k in range(3))
        assert found == rows[:complete], cut
        run_folder.append(folder, {"attempt": 2, "step": 10 * complete, "resumed": True})
        run_folder.append(folder, {"attempt": 2, "step": 10 * complete + 10, "loss": 1.0})
        again = runs.metrics("mine")
        assert again[:-1] == rows[:complete] and again[-1]["attempt"] == 2, cut


def test_a_later_attempt_replaces_what_it_goes_over_again() -> None:
    folder = create()
    for attempt, start, steps in ((1, 0, range(1, 8)), (2, 4, range(5, 7)), (3, 5, range(6, 9))):
        run_folder.append(folder, {"attempt": attempt, "step": start, "resumed": True})
        for step in steps:
            run_folder.append(folder, {"attempt": attempt, "step": step, "loss": 0.0})
    found = [(row["step"], row["attempt"]) for row in runs.metrics("mine")]
    assert found == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 3), (7, 3), (8, 3)]


def test_before_the_first_row_there_are_none() -> None:
    create()
    assert runs.metrics("mine") == []


# Checkpoints of a run


def best_of(name: str) -> int:
    rows = [row for row in runs.metrics(name) if "held_out_accuracy" in row]
    return max(rows, key=lambda row: row["held_out_accuracy"])["step"]


def test_the_best_epoch_is_kept_beside_the_last_two(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.2, 0.9, 0.3, 0.4, 0.5, 0.6])
    monkeypatch.setattr(Supervised, "evaluate", lambda self: {"accuracy": next(scores), "loss": 1.0})
    create(epochs=6, keep="best")
    train()
    assert [folder.name for folder in runs.saved("mine")] == [
        "step-00000006",
        "step-00000015",
        "step-00000018",
    ]
    assert runs.result("mine").name == "step-00000006" and best_of("mine") == 6
    assert runs.status("mine").held_out == 0.6
    config = runs.folder_of("mine") / "config.json"
    last = json.loads(config.read_text())
    last["recipe"]["keep"] = "last"
    config.write_text(json.dumps(last))
    assert runs.result("mine").name == "step-00000018"


def test_the_newest_checkpoint_that_is_whole_is_the_one_to_go_on_from() -> None:
    create(epochs=3)
    train()
    older, newer = runs.saved("mine")[-2:]
    assert runs.newest("mine") == newer
    state = newer / driving.STATE
    whole = state.read_bytes()
    for damage in (
        whole[:-1],
        whole[: len(whole) // 2],
        b"",
        whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
    ):
        state.write_bytes(damage)
        assert runs.newest("mine") == older
    state.unlink()
    assert runs.newest("mine") == older
    for folder in runs.saved("mine"):
        (folder / checkpoints.MANIFEST).write_text("{}")
    assert runs.newest("mine") is None
    config = files.read_json(runs.folder_of("mine") / "config.json")
    config["recipe"]["keep"] = "last"
    files.write_json(runs.folder_of("mine") / "config.json", config)
    with pytest.raises(Problem, match="Run mine has no checkpoint yet"):
        runs.result("mine")


def test_a_state_that_is_a_pickle_runs_no_code_and_is_one_sentence(tmp_path: Path) -> None:
    import pickle

    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (canary,))

    create(epochs=3)
    train(until=3)
    folder = runs.newest("mine")
    (folder / driving.STATE).write_bytes(pickle.dumps(Evil()))
    weights._write_card(folder, checkpoints.read_card(folder))  # with hashes that fit
    with pytest.raises(Problem, match=r"train_state\.pt is not the state of this training"):
        train()
    assert not canary.exists() and runs.status("mine").state == "failed"


def test_going_on_is_the_unbroken_run(tmp_path: Path) -> None:
    create("whole", epochs=3)
    train("whole")
    create("broken", epochs=3)
    for until in (3, 6, None):
        train("broken", until)
    assert runs.status("broken").state == "done"
    ours, theirs = runs.newest("whole"), runs.newest("broken")
    assert (ours / checkpoints.WEIGHTS).read_bytes() == (theirs / checkpoints.WEIGHTS).read_bytes()
    first, second = (
        [{k: row[k] for k in ("step", "loss", "held_out_accuracy") if k in row} for row in runs.metrics(name)]
        for name in ("whole", "broken")
    )
    assert [row["step"] for row in second] == sorted({row["step"] for row in second})
    ends = {3, 6, 9}
    assert [row for row in first if row["step"] in ends][-1] == [
        row for row in second if row["step"] in ends
    ][-1]
    assert (
        sum("started" in line for line in (runs.folder_of("broken") / "log.txt").read_text().splitlines())
        == 3
    )


def test_weights_that_are_no_numbers_never_become_the_newest_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss of a step is that of the weights before it: the last step of an epoch can spoil what is then saved."""
    create(epochs=3)
    real = Supervised.step

    def spoil(self: Supervised, step: int):
        logs = real(self, step)
        if step == 5:
            self.average.state_dict()["head.weight"].fill_(torch.nan)
            self.model.state_dict()["head.weight"].fill_(torch.nan)
        return logs

    monkeypatch.setattr(Supervised, "step", spoil)
    with pytest.raises(Problem, match="not finite"):
        train()
    found = runs.status("mine")
    assert found.state == "failed" and "not finite" in found.message
    assert runs.newest("mine").name == "step-00000003" and checkpoints.load(runs.newest("mine"), "cpu")


def test_a_failure_is_written_down_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    monkeypatch.setattr(Supervised, "step", lambda self, step: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train()
    assert (runs.status("mine").state, runs.status("mine").message) == ("failed", "division by zero")


def test_a_second_driver_is_refused_and_the_first_goes_on() -> None:
    create(epochs=3)
    first = runs.drive("mine")
    next(first)
    before = (runs.folder_of("mine") / "process.json").read_bytes()
    with pytest.raises(Problem, match="Run mine is being trained by another process"):
        next(runs.drive("mine"))
    assert (runs.folder_of("mine") / "process.json").read_bytes() == before
    assert runs.status("mine").state == "running"
    assert [progress.step for progress in first][-1] == 9
    assert runs.status("mine").state == "done"


# Memory

LIMITED = """
import resource, sys
import torch
torch.set_num_threads(1)
from explorer import cli, data, runs
from explorer.training import supervised, fabric
import sklearn.datasets
data.load("digits", "train")
warm = ["train", "--model", "fastnet", "--data", "digits", "--device", "cpu", "--epochs", "0.01", "--set", "batch=8"]
assert cli.main([*warm, "--run", "warm-" + sys.argv[1]]) == 0
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]) * 2**20, -1))
train = ["train", "--model", "fastnet", "--data", "digits", "--device", "cpu", "--epochs", "0.01"]
sys.exit(cli.main([*train, "--set", "batch=" + sys.argv[2], "--run", sys.argv[1]]))
"""


def limited(name: str, batch: int, megabytes: int) -> subprocess.CompletedProcess:
    """Train one step in a process that can have only so much more memory than it has after a first small one.

    The limit is one of address space, and glibc keeps some of what is freed, and 64 MB for each thread: with its
    thresholds fixed, what is freed counts as free.
    """
    exact = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, name, str(batch), str(megabytes)],
        cwd=ROOT, env=os.environ | exact, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_running_out_of_memory_names_a_batch_that_fits() -> None:
    done = limited("large", 1024, 900)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-2000:]
    said = "\n".join(run_folder.log_lines(runs.folder_of("large")))
    assert last.startswith("Not enough memory for batches of 1024; "), f"{last}\n{said}"
    assert "start again with --set batch=" in last
    fits = int(last.rpartition("batch=")[2].rstrip("."))
    assert 2 <= fits <= 512
    assert runs.status("large").state == "failed" and runs.status("large").message == last
    again = limited("small", fits, 900)
    assert again.returncode == 0, again.stderr[-2000:]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY, (
        "the limit was the child's alone"
    )


# Publishing


@pytest.fixture
def published() -> checkpoints.Card:
    create(epochs=6, lr="0.05")
    train()
    return runs.publish("mine", "digits-mine", "For tests.")


def test_what_is_published_was_tested_as_it_lies_on_disk(published: checkpoints.Card) -> None:
    loaded, test = checkpoints.load("digits-mine", "cpu"), data.load("digits", "test")
    assert loaded.card == published == checkpoints.read_card("digits-mine")
    assert published.storage_dtype == "float16" and published.purpose == "For tests."
    fresh = predict.predict_set(loaded, test)
    stored = predict.stored("digits-mine")
    assert np.array_equal(stored.logits, fresh.logits) and np.array_equal(stored.labels, test.labels)
    assert dataclasses.replace(stored, logits=0, labels=0) == dataclasses.replace(fresh, logits=0, labels=0)
    scores = published.metrics["test"]
    assert scores["accuracy"] == (fresh.predicted == test.labels).mean() > 0.2
    assert scores["n"] == 359 and scores["data_fingerprint"] == test.fingerprint
    with pytest.raises(Problem, match="No predictions"):  # a mirrored 3 is no digit
        predict.stored("digits-mine", views=2)


def test_temperature_and_threshold_come_from_held_out_pictures(published: checkpoints.Card) -> None:
    config = files.read_json(runs.folder_of("mine") / "config.json")
    fit, held = runs.pictures(config)
    assert published.calibrated_on.startswith(
        f"digits, held-out, n = {len(held)}, fingerprint {held.fingerprint[:16]}"
    )
    assert published.data_fingerprint == fit.fingerprint
    found = predict.predict_set(checkpoints.load("digits-mine", "cpu"), held)
    loaded = checkpoints.load("digits-mine", "cpu")
    assert loaded.class_means.shape == (10, loaded.model.head.in_features)
    answers = classify(loaded, held.images)
    assert np.mean([answer.fits for answer in answers]) == pytest.approx(0.95, abs=0.02)
    assert (
        ece(held.labels, found.probabilities(published.temperature))
        <= ece(held.labels, found.probabilities()) + 0.02
    )
    test = data.load("digits", "test")
    assert not {p.tobytes() for p in held.images} & (
        {p.tobytes() for p in fit.images} | {p.tobytes() for p in test.images}
    )


def test_where_training_mirrored_the_views_are_stored_too() -> None:
    create(epochs=1, flip="alternating")
    train()
    card = runs.publish("mine", "mirrored")
    loaded, test = checkpoints.load("mirrored", "cpu"), data.load("digits", "test")
    for views in (1, 2, 6):
        stored = predict.stored("mirrored", views=views)
        assert np.array_equal(stored.logits, predict.logits(loaded, test.images, views))
        key = "accuracy" if views == 1 else f"accuracy_{views}_views"
        assert card.metrics["test"][key] == (stored.predicted == test.labels).mean()


def test_until_all_is_done_the_old_checkpoint_stays(published: checkpoints.Card, monkeypatch) -> None:
    real = predict.predict_set_by_views

    def broken(loaded, image_set, *args, **kwargs):
        assert checkpoints.load("digits-mine", "cpu").card == published
        if image_set.split == "test":
            raise Problem("The power went.")
        return real(loaded, image_set, *args, **kwargs)

    monkeypatch.setattr(predict, "predict_set_by_views", broken)
    with pytest.raises(Problem, match="The power went"):
        runs.publish("mine", "digits-mine", "Another.")
    assert checkpoints.load("digits-mine", "cpu").card == published
    assert [path.name for path in checkpoints.root().iterdir()] == ["digits-mine"]
    monkeypatch.undo()


def test_a_run_without_a_checkpoint_cannot_be_published() -> None:
    create()
    with pytest.raises(Problem, match="Run mine has no checkpoint yet"):
        runs.publish("mine", "x")
