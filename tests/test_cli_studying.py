"""The commands `retrieval` and `leaks`: what they say and keep, and one sentence for what is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, cli, data
from explorer.analysis import leak_report, retrieval_study, vectors
from explorer.analysis.retrieval import METRICS, Exact
from explorer.text import Missing, Problem


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with digits-fastnet alone; features that are kept go to a folder of the test."""
    root = tmp_path / "checkpoints"
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), root / "digits-fastnet")
    for file in (retrieval_study.FILE, leak_report.FILE):
        (root / "digits-fastnet" / file).unlink(missing_ok=True)
    checkpoints.manifest.write_manifest(root / "digits-fastnet")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(root))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    return root


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, data.ImageSet]:
    """120 training and 60 test digits in place of all of them; test picture 3 is training picture 7, darker."""
    sets = {"train": data.load("digits", "train").take(np.arange(120))}
    test = data.load("digits", "test").take(np.arange(60))
    images = test.images.copy()
    images[3] = sets["train"].images[7] // 3 + 90
    sets["test"] = test.__class__(**(vars(test) | {"images": images, "fingerprint": "1" * 64}))
    monkeypatch.setattr(data, "load", lambda name, split="test": sets[split])
    return sets


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_retrieval_answers_with_the_study_and_keeps_it_when_asked(run, registry: Path, few) -> None:
    code, out, _ = run("retrieval", "digits-fastnet", "--json")
    assert code == 0 and out.count("\n") == 1
    value = json.loads(out)
    assert (value["checkpoint"], value["layer"], value["k"]) == ("digits-fastnet", "pooled", 20), (
        "as the shipped cards have it"
    )
    assert (value["gallery_n"], value["query_n"], value["data"]) == (120, 60, "digits")
    loaded = checkpoints.load("digits-fastnet", "cpu")
    x, queries = (vectors.features(loaded, few[split].images, "pooled") for split in ("train", "test"))
    expected = retrieval_study.study(
        Exact(x), few["train"].labels, queries, few["test"].labels, loaded.card.classes, k=20
    )
    assert value["metrics"] == expected["metrics"] and value["differences"] == expected["differences"]
    assert value["head"]["accuracy"] > 0.9
    with pytest.raises(Missing):
        retrieval_study.stored("digits-fastnet")
    code, out, _ = run("retrieval", "digits-fastnet", "--store")
    assert code == 0 and "Votes of 20 neighbours: no winner" in out and "20-NN accuracy" in out
    assert f"Kendall's tau over all of either {value['agreement']['tau_top']:.2f}" in out
    kept = retrieval_study.stored("digits-fastnet")
    assert {key: kept[key] for key in kept if key != "created"} == {
        key: value[key] for key in kept if key != "created"
    }
    card = checkpoints.load("digits-fastnet", "cpu").card  # every hash still fits
    assert card.metrics["retrieval"]["cosine_accuracy"] == value["metrics"]["cosine"]["accuracy"]
    assert card.metrics["test"]["n"] == 359
    said = (checkpoints.folder_of("digits-fastnet") / "README.md").read_text()
    assert "20 nearest by cosine similarity, pooled" in said and "20 nearest by Euclidean distance" in said


def test_another_layer_and_k(run, registry: Path, few) -> None:
    code, out, _ = run("retrieval", "digits-fastnet", "--layer", "pixels", "--k", 3, "--json")
    value = json.loads(out)
    assert code == 0 and (value["layer"], value["k"], value["dimension"]) == ("pixels", 3, 3072)


def test_the_grid_holds_every_kind_of_features_by_both_metrics_and_is_kept(run, registry: Path, few) -> None:
    code, out, _ = run("retrieval", "digits-fastnet", "--grid", "--k", 5, "--store", "--json")
    value = json.loads(out)
    card = checkpoints.read_card("digits-fastnet")
    assert code == 0 and (value["k"], value["gallery_n"]) == (5, 120)
    assert [(row["feature"], row["metric"]) for row in value["rows"]] == [
        (layer, metric) for layer in vectors.layers_of(card) for metric in METRICS
    ]
    assert all(row["n"] == row["map_n"] == 60 and 0 < row["map_r"] <= 1 for row in value["rows"])
    kept = retrieval_study.stored_grid("digits-fastnet")
    assert kept == {key: each for key, each in value.items() if key != "checkpoint"}
    assert (kept["gallery_fingerprint"], kept["data_fingerprint"]) == (few["train"].fingerprint, "1" * 64)
    code, out, _ = run("retrieval", "digits-fastnet", "--grid")
    assert code == 0 and "20-NN accuracy" in out and "MAP@R on 60 queries" in out
    assert not list((registry.parent / "data").rglob("*.npy")), "600 MB of pixels are not kept"
    checkpoints.load("digits-fastnet", "cpu")


def test_leaks_finds_the_planted_copy_and_scores_without_it(run, registry: Path, few) -> None:
    code, out, _ = run("leaks", "--data", "digits", "--json")
    value = json.loads(out)
    assert code == 0 and [row[:2] for row in value["across"]["pairs"]] == [[3, 7]]
    assert (value["train_n"], value["test_n"]) == (120, 60) and "accuracy" not in value
    with pytest.raises(Missing):
        leak_report.stored("digits-fastnet")
    code, out, _ = run("leaks", "--data", "digits", "--checkpoint", "digits-fastnet")
    assert code == 0 and "1 of 60 test pictures are in the training set, 1.67 %" in out
    assert "accuracy, clean" in out and "n = 59" in out
    kept = leak_report.stored("digits-fastnet")
    assert kept["accuracy"]["clean"]["n"] == 59 and kept["accuracy"]["leaked"]["n"] == 1
    checkpoints.load("digits-fastnet", "cpu")
    value = json.loads(run("retrieval", "digits-fastnet", "--json")[1])
    assert value["clean"]["n"] == 59 and value["query_n"] == 60
    assert "without those in the training set" in run("retrieval", "digits-fastnet")[1]
    other = leak_report.packed(kept | {"test_fingerprint": "0" * 64})
    (registry / "digits-fastnet" / leak_report.FILE).write_bytes(other)
    assert "clean" not in json.loads(run("retrieval", "digits-fastnet", "--json")[1]), "of other pictures"


def test_a_checkpoint_that_cannot_be_written_still_gives_its_numbers(
    run, registry: Path, few, monkeypatch
) -> None:
    def refuse(*args: object) -> None:
        raise Problem("Cannot write {path}: {reason}.", path="x", reason="Read-only")

    monkeypatch.setattr("explorer.checkpoints.weights.update", refuse)
    code, out, err = run("retrieval", "digits-fastnet", "--store", "--json")
    assert code == 0 and json.loads(out)["query_n"] == 60 and "Cannot write" in err


FAILURES = {
    "unknown checkpoint": (["retrieval", "nope"], "known: digits-fastnet"),
    "unknown layer": (["retrieval", "digits-fastnet", "--layer", "x"], "it offers: pooled"),
    "store of another layer": (
        ["retrieval", "digits-fastnet", "--layer", "pixels", "--store"],
        "Only the study of pooled is kept",
    ),
    "grid of a layer": (["retrieval", "digits-fastnet", "--grid", "--layer", "pixels"], "leave out --layer"),
    "unknown data": (["leaks", "--data", "nope"], "nope"),
    "other classes": (["leaks", "--data", "cifar10-sheet", "--checkpoint", "digits-fastnet"], "has no split"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_a_sentence_and_leaves_nothing(name: str, run, registry: Path) -> None:
    arguments, sentence = FAILURES[name]
    code, out, err = run(*arguments)
    assert code == 1 and out == "" and sentence in err and "Traceback" not in err
    code, out, _ = run(*arguments, "--json")
    assert code == 1 and sentence in json.loads(out)["error"]
    assert not list(registry.rglob("retrieval.json")) and not list(registry.rglob("leaks.json"))
