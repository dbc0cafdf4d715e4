"""The command `survey`: numbers of a whole data set, kept beside the checkpoint, and honest about what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, cli, data, jobs, models
from explorer.analysis import survey
from explorer.checkpoints import Card
from explorer.text import Missing


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with digits-fastnet, without any maps, and a lenet, which has none."""
    import torch

    root = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), root / "digits-fastnet")
    (root / "digits-fastnet/evaluation/test-maps.npz").unlink(missing_ok=True)
    checkpoints.manifest.write_manifest(root / "digits-fastnet")
    digits = data.load("digits", "test")
    card = Card("tiny", "lenet", "digits", digits.classes, digits.mean, digits.std, data_fingerprint="0" * 64)
    with torch.no_grad():
        checkpoints.save(root / "tiny", models.build("lenet", 10, seed=0), card)
    return root


@pytest.fixture
def registry(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path / "checkpoints")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> data.ImageSet:
    """Forty digits in place of all of them."""
    digits = data.load("digits", "test").take(np.arange(40))
    monkeypatch.setattr(data, "load", lambda name, split="test": digits)
    return digits


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_survey_answers_with_the_survey_s_numbers_and_keeps_it(
    run, registry: Path, few: data.ImageSet
) -> None:
    code, out, _ = run("survey", "digits-fastnet", "--json")
    assert code == 0 and out.count("\n") == 1
    value, found = json.loads(out), survey.survey(checkpoints.load("digits-fastnet"), few)
    assert (value["checkpoint"], value["data"], value["split"], value["n"]) == (
        "digits-fastnet",
        "digits",
        "test",
        40,
    )
    assert value["checkpoint_sha256"] == checkpoints.read_card("digits-fastnet").sha256
    assert value["data_fingerprint"] == few.fingerprint and value["source"] == "computed"
    assert value["border_of_even"] == 0.75 and value["cells"] == [4, 4]
    borders = found.border_by_class()
    for k, row in enumerate(value["classes"]):
        assert row["name"] == str(k) and row["n"] == (few.labels == k).sum()
        assert row["border"] == pytest.approx(borders[k])
        others = [j for j in range(10) if j != k]
        assert list(row["ratio"]) == [str(j) for j in others]
        assert list(row["ratio"].values()) == pytest.approx([found.ratio(k, j) for j in others])
    kept = survey.stored("digits-fastnet")
    assert np.allclose(kept.true, found.true, atol=0.02) and kept.fingerprint == few.fingerprint
    checkpoints.load("digits-fastnet", "cpu")


def test_in_words_it_is_a_table(run, registry: Path, few: data.ImageSet) -> None:
    code, out, _ = run("survey", "digits-fastnet")
    lines = out.splitlines()
    assert code == 0 and "n = 40" in lines[0] and "0.7500" in lines[1]
    assert lines[3].split() == ["class", "n", "border", "ratio", "of"] and len(lines) == 4 + 10


def test_a_class_without_pictures_is_null_in_json_and_a_dash_in_words(
    run, registry: Path, few, monkeypatch
) -> None:
    without = few.take(np.flatnonzero(few.labels != 3))
    monkeypatch.setattr(data, "load", lambda name, split="test": without)
    _, out, _ = run("survey", "digits-fastnet", "--json")
    assert "NaN" not in out
    row = json.loads(out)["classes"][3]
    assert row["n"] == 0 and row["border"] is None and set(row["ratio"].values()) == {None}
    _, out, _ = run("survey", "digits-fastnet")
    assert out.splitlines()[4 + 3].split()[:4] == ["3", "0", "-", "-"]


def test_the_same_pictures_are_stored_once_and_changed_ones_again(
    run, registry: Path, few, monkeypatch
) -> None:
    path = registry / "digits-fastnet" / checkpoints.maps_file("test")
    run("survey", "digits-fastnet")
    before = path.stat().st_ino
    run("survey", "digits-fastnet")
    assert path.stat().st_ino == before
    changed = few.take(np.arange(30))
    monkeypatch.setattr(data, "load", lambda name, split="test": changed)
    run("survey", "digits-fastnet")
    assert survey.stored("digits-fastnet").fingerprint == changed.fingerprint


def test_another_data_set_is_answered_and_not_stored(run, registry: Path, few) -> None:
    code, out, _ = run("survey", "digits-fastnet", "--data", "mine", "--json")
    assert code == 0 and json.loads(out)["n"] == 40
    with pytest.raises(Missing):
        survey.stored("digits-fastnet")


def test_without_the_data_the_stored_maps_answer(run, registry: Path, few, monkeypatch) -> None:
    _, out, _ = run("survey", "digits-fastnet", "--json")
    computed = json.loads(out)

    def away(name: str, split: str = "test"):
        raise Missing("{name} is away", name=name)

    monkeypatch.setattr(data, "load", away)
    code, out, err = run("survey", "digits-fastnet", "--json")
    found = json.loads(out)
    assert code == 0 and found["source"] == "stored" and "stored maps" in err
    assert [row["n"] for row in found["classes"]] == [row["n"] for row in computed["classes"]]
    for now, was in zip(found["classes"], computed["classes"]):
        assert now["border"] == pytest.approx(was["border"], abs=1e-3)
    code, _, err = run("survey", "digits-fastnet", "--split", "train")
    assert code == 1 and "digits is away" in err
    code, _, err = run("survey", "digits-fastnet", "--data", "cifar10")
    assert code == 1 and "cifar10 is away" in err


def test_a_checkpoint_that_cannot_be_written_still_gives_its_numbers(
    run, registry: Path, few, monkeypatch
) -> None:
    def refuse(*args: object) -> None:
        raise checkpoints.weights.Problem("Cannot write {path}: {reason}.", path="x", reason="Read-only")

    monkeypatch.setattr("explorer.checkpoints.weights.update", refuse)
    code, out, err = run("survey", "digits-fastnet", "--json")
    assert code == 0 and json.loads(out)["n"] == 40 and "Cannot write" in err


FAILURES = {
    "no exact maps": (["survey", "tiny"], "tiny has no exact class activation maps"),
    "unknown checkpoint": (["survey", "nope"], "known: digits-fastnet"),
    "unknown split": (["survey", "digits-fastnet", "--split", "x"], "it has: train, test"),
    "other classes": (["survey", "digits-fastnet", "--data", "cifar10-sheet"], "was trained for the classes"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_a_sentence_and_leaves_nothing(name: str, run, registry: Path) -> None:
    arguments, sentence = FAILURES[name]
    code, out, err = run(*arguments)
    assert code == 1 and out == "" and sentence in err and "Traceback" not in err
    code, out, err = run(*arguments, "--json")
    assert code == 1 and sentence in json.loads(out)["error"]
    assert not list(registry.rglob("*maps*"))


def test_as_a_job_it_tells_how_far_it_is_and_answers(registry: Path) -> None:
    job = jobs.submit(["survey", "digits-fastnet"], "survey", device="cpu")
    ended = jobs.wait(job, 120)
    assert ended.state == "done", jobs.logs(job)
    assert (ended.done, ended.total) == (359, 359)
    assert jobs.result(job)["n"] == 359 and len(survey.stored("digits-fastnet").labels) == 359
