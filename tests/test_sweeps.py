"""Sweeps go over every pair of values; old runs are deleted or slimmed within a quota; a run as a ZIP."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer import checkpoints, files, jobs, runs
from explorer.runs import driving, keeping
from explorer.runs.alive import held
from explorer.text import Hopeless, Problem

SMALL = {"batch": "400", "holdout": "140"}  # 3 steps an epoch of lenet on the digits
OVER = {"lr": ["0.1", "0.01"], "batch": ["400", "200"]}


def create(name: str = "mine", epochs: float = 1) -> Path:
    return runs.create("lenet", "digits", settings=SMALL, epochs=epochs, device="cpu", name=name)


def finished(name: str = "mine") -> Path:
    folder = create(name)
    for _ in runs.drive(name):
        pass
    return folder


# --- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_trains_every_pair_of_values() -> None:
    made = runs.create_sweep("s", "lenet", "digits", OVER, {"holdout": "140"}, epochs=1, device="cpu")
    assert made == ["s-01", "s-02", "s-03", "s-04"] and runs.sweeps() == ["s"]
    assert [cell["accuracy"] for cell in runs.cells("s")] == [None] * 4
    seen = [(k, count, run) for k, count, run, _ in runs.drive_sweep("s")]
    assert [run for _, _, run in dict.fromkeys(seen)] == made and {count for _, count, _ in seen} == {4}
    found = runs.cells("s")
    assert [cell["over"] for cell in found] == [
        {"lr": x, "batch": y} for x in (0.1, 0.01) for y in (400, 200)
    ]
    for cell, run in zip(found, made, strict=True):
        recipe = files.read_json(runs.folder_of(run) / "config.json")["recipe"]
        assert {key: recipe[key] for key in OVER} == cell["over"]
        assert cell["state"] == "done" and cell["accuracy"] == runs.status(run).held_out
    assert len({cell["accuracy"] for cell in found}) > 1


def test_an_interrupted_sweep_goes_on_where_it_was() -> None:
    runs.create_sweep("s", "lenet", "digits", OVER, {"holdout": "140"}, epochs=1, device="cpu")
    for _, _, run, _ in runs.drive_sweep("s"):
        if run == "s-02":
            break
    assert [cell["state"] for cell in runs.cells("s")] == ["done", "cancelled", "new", "new"]
    again = [run for _, _, run, _ in runs.drive_sweep("s")]
    assert "s-01" not in again and [cell["state"] for cell in runs.cells("s")] == ["done"] * 4


def test_a_run_of_a_sweep_that_fails_is_a_cell_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    over = {"lr": ["100", "0.1"], "label_smoothing": ["0"]}
    settings = {"holdout": "140", "batch": "100", "average": "none", "momentum": "0.99"}
    runs.create_sweep("s", "lenet", "digits", over, settings, epochs=1, device="cpu")
    real = driving._row

    def row(attempt, progress, task):
        if task.recipe.lr == 100:
            raise Hopeless(
                "The loss is not finite at step {step}: lower the learning rate and start again.", step=1
            )
        return real(attempt, progress, task)

    monkeypatch.setattr(driving, "_row", row)
    list(runs.drive_sweep("s"))
    bad, good = runs.cells("s")
    assert (bad["state"], bad["accuracy"], good["state"]) == ("failed", None, "done")
    assert list(runs.drive_sweep("s")) == [], "what failed is not tried again and again"


def test_a_fault_that_is_not_the_run_s_ends_the_sweep_and_can_be_gone_on_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk is no property of a learning rate."""
    runs.create_sweep("s", "lenet", "digits", OVER, {"holdout": "140"}, epochs=1, device="cpu")
    with monkeypatch.context() as patch:

        def full(*args: object) -> None:
            raise Problem("Cannot write {path}: {reason}.", path="x", reason="No space left on device")

        patch.setattr(driving, "_save", full)
        with pytest.raises(Problem, match="No space left"):
            list(runs.drive_sweep("s"))
    assert [cell["state"] for cell in runs.cells("s")] == ["failed", "new", "new", "new"]
    list(runs.drive_sweep("s"))
    assert [cell["state"] for cell in runs.cells("s")] == ["done"] * 4


def test_a_cell_that_is_deleted_meanwhile_is_passed_over() -> None:
    runs.create_sweep("s", "lenet", "digits", OVER, {"holdout": "140"}, epochs=1, device="cpu")
    for _, _, run, _ in runs.drive_sweep("s"):
        if run == "s-01" and "s-02" in runs.folder.names():
            runs.delete("s-02")
    assert [cell["run"] for cell in runs.cells("s")] == ["s-01", "s-03", "s-04"]
    assert [cell["state"] for cell in runs.cells("s")] == ["done"] * 3


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"lr": ["1"]}, "two settings"),
        ({"lr": ["1"], "batch": []}, "two settings"),
        ({"lr": ["1", "1"], "batch": ["8"]}, "every value of lr once"),
        ({"lr": [str(k) for k in range(37)], "batch": ["8"]}, "at most 36 runs, not 37"),
        ({"lr": ["0.1"], "colour": ["red"]}, "Unknown setting 'colour'"),
        ({"lr": ["0.1", "x"], "batch": ["100"]}, "expected float"),
    ],
)
def test_what_does_not_fit_leaves_no_run(over: dict, said: str) -> None:
    with pytest.raises(Problem, match=said):
        runs.create_sweep("s", "lenet", "digits", over)
    assert runs.statuses() == []


def test_a_sweep_s_name_is_used_once_and_an_unknown_one_lists_the_known() -> None:
    over = {"lr": ["0.1"], "batch": ["100"]}
    runs.create_sweep("s", "lenet", "digits", over)
    with pytest.raises(Problem, match="already there"):
        runs.create_sweep("s", "lenet", "digits", over)
    with pytest.raises(Problem, match="There is no sweep 'x'; known: s"):
        next(runs.drive_sweep("x"))


# --- deleting and quotas ----------------------------------------------------------------------------------------------


def test_a_deleted_run_is_gone_and_nothing_else_is() -> None:
    folder, other = create(), create("other")
    runs.delete("mine")
    assert not folder.exists() and other.exists() and list(runs.root().glob(files.TEMPORARY + "*")) == []


def test_a_run_that_is_being_trained_is_not_deleted() -> None:
    create(epochs=3)
    training = runs.drive("mine")
    next(training)
    with pytest.raises(Problem, match="being trained"):
        runs.delete("mine")
    training.close()
    runs.delete("mine")


def test_a_link_among_the_runs_is_followed_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a shipped checkpoint, or to anything: no quota, however small, touches what it points to."""
    finished()
    elsewhere = tmp_path / "precious"
    (runs.root() / "mine").rename(elsewhere)
    (runs.root() / "mine").symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(Problem, match="is a link"):
        runs.delete("mine")
    monkeypatch.setenv("EXPLORER_MOST_GB", "0")
    monkeypatch.setenv("EXPLORER_MOST_RUNS", "0")
    with pytest.raises(Problem, match="unfinished runs"):
        runs.make_room()
    assert sorted(elsewhere.rglob("*")) == before


def test_too_many_bytes_cost_finished_runs_what_only_a_resume_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished()
    kept = runs.result("mine")
    used = keeping.size(runs.root())
    state = (kept / driving.STATE).stat().st_size
    monkeypatch.setenv("EXPLORER_MOST_GB", str((used - state // 2) / 1e9))
    lines = runs.make_room()
    assert len(lines) == 1 and lines[0].startswith("mine: ") and "resume" in lines[0]
    assert [path.name for path in runs.saved("mine")] == [kept.name] and not (kept / driving.STATE).exists()
    checkpoints.verify(kept)
    assert runs.status("mine").state == "done" and checkpoints.load(runs.result("mine")).card.data == "digits"
    assert runs.make_room() == [] and folder.exists()
    assert "mine" in (runs.root() / "kept.log").read_text()


def test_too_many_runs_cost_the_oldest_finished_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for k, name in enumerate(("old", "middle", "new")):
        config = finished(name) / "config.json"
        config.write_text(
            json.dumps(json.loads(config.read_text()) | {"created": f"2026-01-0{k + 1}T00:00:00Z"})
        )
    create("unfinished")
    monkeypatch.setenv("EXPLORER_MOST_RUNS", "4")
    create("one-more")
    assert {run.name for run in runs.statuses()} == {"middle", "new", "unfinished", "one-more"}


def test_when_unfinished_runs_alone_are_too_many_no_finished_one_is_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is lost for nothing."""
    finished("old")
    (create("unfinished") / "log.txt").write_text("x" * 1000)
    before = keeping.size(runs.root())
    for variable, value in (("EXPLORER_MOST_RUNS", "1"), ("EXPLORER_MOST_GB", "0.0000001")):
        monkeypatch.setenv(variable, value)
        with pytest.raises(Problem, match="1 unfinished runs"):
            create("another")
        monkeypatch.delenv(variable)
    assert runs.status("old").state == "done" and keeping.size(runs.root()) == before


def test_a_sweep_makes_room_for_all_of_its_runs_or_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    finished("old")
    create("unfinished")
    monkeypatch.setenv("EXPLORER_MOST_RUNS", "4")
    with pytest.raises(Problem, match="unfinished runs"):
        runs.create_sweep("s", "lenet", "digits", OVER)
    assert {run.name for run in runs.statuses()} == {"old", "unfinished"}
    monkeypatch.setenv("EXPLORER_MOST_RUNS", "5")
    runs.create_sweep("s", "lenet", "digits", OVER)
    assert "old" not in {run.name for run in runs.statuses()}


@pytest.mark.parametrize("name", [files.TEMPORARY + "abc", "My run", "x" * 65])
def test_a_folder_with_another_s_name_is_no_run_and_breaks_nothing(name: str) -> None:
    """What a killed writer left, or a copy made by hand."""
    create()
    (runs.root() / name).mkdir()
    (runs.root() / name / "config.json").write_text('{"sweep": {"name": "x"}}')
    assert [run.name for run in runs.statuses()] == ["mine"] and runs.sweeps() == []
    create("another")


def test_a_damaged_run_is_one_sentence() -> None:
    (create() / "config.json").write_text('{"model": "lenet"')
    assert runs.statuses()[0].name == "mine"
    with pytest.raises(Problem, match=r"config\.json is damaged"):
        runs.config_of("mine")
    with pytest.raises(Problem, match=r"config\.json is damaged"):
        list(runs.drive("mine"))


def test_unfinished_runs_are_never_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    for variable in ("EXPLORER_MOST_RUNS", "EXPLORER_MOST_GB"):
        monkeypatch.setenv(variable, "0")
        with pytest.raises(Problem, match="1 unfinished runs"):
            create("another")
        monkeypatch.delenv(variable)
    assert [run.name for run in runs.statuses()] == ["mine"]


@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_quota_that_is_no_number_is_one_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_MOST_RUNS", text)
    with pytest.raises(Problem, match="expected a number from 0 on"):
        create()


# --- what leaves ------------------------------------------------------------------------------------------------------


def test_a_run_as_a_zip_is_a_whole_checkpoint_without_the_state(tmp_path: Path) -> None:
    finished()
    with zipfile.ZipFile(io.BytesIO(runs.zipped("mine"))) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert names == {
        f"mine/{name}" for name in ("model.safetensors", "config.json", "README.md", "MANIFEST.json")
    }
    checkpoints.verify(tmp_path / "mine")
    ours, theirs = checkpoints.load(runs.result("mine"), "cpu"), checkpoints.load(tmp_path / "mine", "cpu")
    assert ours.card.sha256 == theirs.card.sha256
    assert list(runs.folder_of("mine").glob(files.TEMPORARY + "*")) == []


# --- a run and its job ------------------------------------------------------------------------------------------------


def test_a_run_waits_with_its_job_and_is_cancelled_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    assert jobs.run_status("mine").state == "new"
    sleep = "import time; from explorer.reporter import attached\nwith attached(): time.sleep(60)"
    monkeypatch.setattr(jobs, "COMMAND", (jobs.sys.executable, "-c", sleep))
    first = jobs.submit([], "test", "first", "cpu")
    job = jobs.train("mine", "cpu")
    assert jobs.train("mine", "cpu") == job, "a double click trains once"
    while jobs.run_status("mine").state == "starting":
        jobs.time.sleep(0.05)
    assert jobs.run_status("mine").state == "queued"
    assert jobs.stop(job).state == "cancelled" and jobs.run_status("mine").state == "cancelled"
    jobs.stop(first)


@pytest.fixture
def sleeping(monkeypatch: pytest.MonkeyPatch):
    """Jobs that do nothing for a minute."""
    sleep = "import time; from explorer.reporter import attached\nwith attached(): time.sleep(60)"
    monkeypatch.setattr(jobs, "COMMAND", (jobs.sys.executable, "-c", sleep))
    yield
    for job in jobs.jobs():
        jobs.stop(job.id, grace=0)


OPTIONS = {"model": "lenet", "data": "digits", "recipe": "digits", "settings": {}, "seed": 0, "device": "cpu"}


def test_a_run_that_waits_is_not_deleted(sleeping: None) -> None:
    jobs.submit([], "test", "first", "cpu")
    jobs.begin("mine", OPTIONS)
    with pytest.raises(Problem, match="being trained"):
        jobs.delete_run("mine")
    jobs.stop(jobs.latest(jobs.run_key("mine")).id)
    jobs.delete_run("mine")
    assert runs.statuses() == []


def test_a_run_a_process_works_on_is_not_deleted_whatever_its_state_says() -> None:
    folder = create()
    with held(folder), pytest.raises(Problem, match="another process"):
        runs.delete("mine")
    assert folder.exists()


def test_ten_starts_at_once_are_one_run_and_other_settings_are_another(sleeping: None) -> None:
    with ThreadPoolExecutor(10) as pool:
        names = set(pool.map(lambda k: jobs.begin(f"try-{k}", OPTIONS), range(10)))
    assert len(names) == 1 == len(runs.statuses()) == len(jobs.jobs())
    for change in ({"seed": 1}, {"settings": {"lr": "0.2"}}, {"model": "fastnet"}):
        assert jobs.begin("other-" + "-".join(change), OPTIONS | change) not in names
    assert len(runs.statuses()) == 4


def test_when_no_job_can_be_had_no_run_is_left(sleeping: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_QUEUED", 0)
    with pytest.raises(Problem, match="jobs are running"):
        jobs.begin("mine", OPTIONS)
    assert runs.statuses() == []


def test_while_a_job_is_being_stopped_nobody_is_told_that_it_is_under_way(sleeping: None) -> None:
    jobs.begin("mine", OPTIONS)
    job = jobs.latest(jobs.run_key("mine"))
    (jobs.root() / job.id / "stop").touch()
    with pytest.raises(Problem, match="just being stopped"):
        jobs.train("mine", "cpu")


def test_runs_of_a_sweep_wait_with_the_sweep_s_job(sleeping: None) -> None:
    runs.create_sweep("s", "lenet", "digits", OVER, device="cpu")
    assert {run.state for run in jobs.run_statuses()} == {"new"}
    job = jobs.train_sweep("s", "cpu")
    assert {run.state for run in jobs.run_statuses()} == {"queued"}
    assert jobs.job_of(runs.status("s-01")).id == job
    with pytest.raises(Problem, match="being trained"):
        jobs.delete_run("s-02")
    jobs.stop(job)
    assert {run.state for run in jobs.run_statuses()} == {"new"}


@pytest.mark.slow
def test_a_training_begun_as_a_job_goes_on_where_it_was() -> None:
    """`jobs resume` must not begin it anew, nor find its name taken."""
    words = [
        "train",
        "--model",
        "lenet",
        "--data",
        "digits",
        "--epochs",
        "2000",
        "--device",
        "cpu",
        "--run",
        "mine",
    ]
    job = jobs.submit(words, "train", device="cpu")
    end = jobs.time.monotonic() + 120
    while not (runs.root() / "mine").exists() or not runs.status("mine").step:
        assert jobs.time.monotonic() < end and jobs.status(job).live, jobs.logs(job)
        jobs.time.sleep(0.1)
    jobs.stop(job)
    reached = runs.status("mine").step
    again = jobs.resume(job)
    while runs.status("mine").step <= reached:
        assert jobs.time.monotonic() < end and jobs.status(again).live, jobs.logs(again)
        jobs.time.sleep(0.1)
    jobs.stop(again)
    assert [run.name for run in runs.statuses()] == ["mine"]


def test_a_run_is_trained_by_its_job_and_then_it_is_the_run_that_tells() -> None:
    create()
    assert jobs.wait(jobs.train("mine", "cpu"), 120).state == "done"
    found = jobs.run_status("mine")
    assert (found.state, found.step) == ("done", found.total)
    with pytest.raises(Problem, match="run"):
        jobs.train("../mine", "cpu")
