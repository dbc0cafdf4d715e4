"""The command `faithfulness`: what it measures on, what it prints, and what it keeps beside the checkpoint."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, cli, data
from explorer.analysis import contest
from explorer.cli import explaining
from explorer.text import Missing, Problem

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """digits-fastnet in a registry of its own; the test split of the digits has three pictures."""
    shutil.copytree(checkpoints.root() / "digits-fastnet", tmp_path / "digits-fastnet")
    shutil.rmtree(tmp_path / "digits-fastnet" / "evaluation")
    card = checkpoints.read_card("digits-fastnet")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    checkpoints.update("digits-fastnet", card, {"evaluation/other.txt": b"stays"})
    few = data.load("digits", "test").take(np.arange(3))
    load = data.load
    monkeypatch.setattr(
        data, "load", lambda name, split="test": few if name == "digits" else load(name, split)
    )
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    def call(*words: str) -> tuple[int, str, str]:
        code = cli.main(["faithfulness", "digits-fastnet", "--device", "cpu", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_by_default_it_is_kept_beside_the_checkpoint(run, registry: Path) -> None:
    code, out, _ = run("--json")
    value, found = json.loads(out), contest.stored_contest("digits-fastnet")
    assert code == 0 and value["n"] == found.n == 3
    assert (value["data"], value["data_fingerprint"]) == ("digits", data.load("digits").fingerprint)
    assert value["checkpoint_sha256"] == checkpoints.read_card("digits-fastnet").sha256
    assert (value["method"], value["fill"], value["seed"], value["layer"]) == ("cam", "mean", 0, "groups.2")
    for rival in contest.RIVALS:
        assert value[rival]["difference"] == found.duels[rival].difference
    kept = registry / "digits-fastnet" / "evaluation"
    assert json.loads((kept / "test-faithfulness.json").read_text()) == {
        key: each for key, each in value.items() if key != "checkpoint"
    }
    assert (kept / "other.txt").read_bytes() == b"stays"
    checkpoints.verify(registry / "digits-fastnet")


@pytest.mark.parametrize(
    "words", [("--n", "2"), ("--fill", "blur"), ("--seed", "1"), ("--method", "grad-cam")]
)
def test_anything_else_is_only_printed(run, registry: Path, words: tuple[str, str]) -> None:
    code, out, _ = run(*words)
    assert code == 0 and "map - random" in out and "map - centre" in out
    assert f"n = {2 if '--n' in words else 3}" in out
    with pytest.raises(Missing):
        contest.stored_contest("digits-fastnet")


def test_what_cannot_be_kept_is_still_printed(run, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Problem("Cannot write {path}: {reason}.", path="x", reason="read-only")

    monkeypatch.setattr("explorer.checkpoints.weights.update", refuse)
    code, out, err = run("--json")
    assert code == 0 and json.loads(out)["n"] == 3 and "read-only" in err


def test_other_weights_meanwhile_are_not_credited_with_it(run, registry: Path, monkeypatch) -> None:
    card = checkpoints.read_card("digits-fastnet")
    monkeypatch.setattr("explorer.checkpoints.weights.read_card", lambda name: replace(card, sha256="0" * 64))
    code, _, said = run()
    assert code == 0 and "was replaced while it was being measured" in said
    assert [path.name for path in (registry / "digits-fastnet" / "evaluation").iterdir()] == ["other.txt"]


def test_what_makes_no_sense_is_refused_in_one_sentence(run, registry: Path) -> None:
    for words, said in [
        (("--method", "magic"), "Unknown method 'magic'"),
        (("--fill", "black"), "Unknown fill 'black'"),
    ]:
        code, _, err = run(*words)
        assert code == 1 and said in err and "Traceback" not in err
    assert run("--n", "1")[0] == 2 and run("--seed", "-1")[0] == 2


def test_cifar10_is_measured_on_the_shipped_sheet_when_that_is_how_many_are_asked_for(monkeypatch) -> None:
    asked: list[str] = []
    load = data.load

    def noted(name: str, split: str = "test") -> data.ImageSet:
        asked.append(name)
        return load("cifar10-sheet", split)

    monkeypatch.setattr(data, "load", noted)
    card = checkpoints.read_card("cifar10-fastnet")
    assert explaining._test_pictures(card, 500).name == "cifar10-sheet" and "cifar10" not in asked
    explaining._test_pictures(card, 400)
    assert asked[-1] == "cifar10"
    with pytest.raises(Problem, match="was trained for the classes"):
        explaining._test_pictures(replace(card, data="cifar10-sheet", classes=("a", "b")), 500)
