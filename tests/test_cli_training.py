"""The commands of trainings and jobs: sweeps, tests before a training, what leaves, what runs in the background."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from explorer import cli, jobs, runs


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process, with --json: (exit status, the value, stderr)."""

    def call(*arguments: str) -> tuple[int, Any, str]:
        code = cli.main(list(arguments))
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return call


NET = ["--model", "lenet", "--data", "digits", "--device", "cpu"]
SMALL = ["--set", "batch=400", "--set", "holdout=140"]


def test_sweep_and_going_on_with_it(run) -> None:
    over = ["--over", "lr=0.1,0.05", "--over", "batch=400"]
    code, value, _ = run("sweep", "s", *NET, *over, "--set", "holdout=140", "--epochs", "1", "--json")
    assert code == 0 and [cell["run"] for cell in value["runs"]] == ["s-01", "s-02"]
    assert [cell["over"] for cell in value["runs"]] == [{"lr": 0.1, "batch": 400}, {"lr": 0.05, "batch": 400}]
    assert value["runs"][0]["accuracy"] == runs.status("s-01").held_out
    code, again, _ = run("runs", "sweep", "s", "--json")
    assert (code, again) == (0, value)
    code, _, said = run("sweep", "s", *NET, *over, "--json")
    assert code == 1 and "already there" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--over", "lr=0.1"], "two settings"),
        (["--over", "lr", "--over", "batch=400"], "expected KEY=VALUE"),
        (["--over", "lr=0.1", "--over", "colour=red"], "Unknown setting"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_sentence(words: list[str], said: str, run) -> None:
    code, value, err = run("sweep", "s", *NET, *words, "--json")
    assert code == 1 and said in value["error"] and said in err and "Traceback" not in err


def test_probe_and_lr_range_measure_and_leave_nothing(run) -> None:
    code, value, _ = run("probe", *NET, *SMALL, "--json")
    assert code == 0 and value["batch"] == 400 and value["steps"] == 45
    assert value["total_seconds"] > 0 and value["memory_bytes"] >= 0
    code, value, _ = run("lr-range", *NET, *SMALL, "--steps", "20", "--json")
    assert code == 0 and value["lrs"] == sorted(value["lrs"])
    assert len(value["lrs"]) == len(value["losses"]) == len(value["smoothed"]) <= 20
    assert runs.statuses() == []


def test_export_and_delete(run, tmp_path: Path) -> None:
    assert run("train", *NET, *SMALL, "--epochs", "1", "--run", "mine", "--json")[0] == 0
    target = tmp_path / "mine.zip"
    code, value, _ = run("runs", "export", "mine", str(target), "--json")
    assert code == 0 and value["bytes"] == target.stat().st_size
    assert "mine/README.md" in zipfile.ZipFile(target).namelist()
    code, _, said = run("runs", "export", "mine", str(target), "--json")
    assert code == 1 and "already there" in said
    assert run("runs", "delete", "mine", "--json")[1] == {"deleted": "mine"}
    assert runs.statuses() == [] and target.exists()


def test_a_command_as_a_job_from_the_terminal(run) -> None:
    code, value, _ = run("jobs", "submit", "--json", "--", "data", "show", "--json")
    assert code == 0
    job = value["job"]
    assert jobs.wait(job, 120).state == "done"
    code, found, _ = run("jobs", "show", job, "--json")
    assert code == 0 and found["state"] == "done" and any("digits" in line for line in found["log"])
    assert [each["id"] for each in run("jobs", "list", "--json")[1]] == [job]
    again = run("jobs", "resume", job, "--json")[1]["job"]
    assert again != job
    assert run("jobs", "stop", again, "--json")[1]["state"] in ("cancelled", "done")
    assert run("jobs", "delete", job, "--json")[1] == {"deleted": job}
    assert run("jobs", "show", job, "--json")[0] == 1
    code, value, _ = run("jobs", "submit", "--json", "--device", "toaster", "--", "data", "show")
    assert code == 1 and "known: cpu, cuda, mps" in value["error"]
