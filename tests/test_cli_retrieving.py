"""The commands index and neighbours: what they keep and say, alone, as a job and under torchrun."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import checkpoints, cli, data, jobs, models
from explorer.analysis import embedding_map, features, hnsw
from explorer.analysis.retrieval import Exact
from explorer.data import sheet
from tests.made_up import made_up_generator

ROOT = Path(__file__).resolve().parents[1]


def registry_in(folder: Path) -> Path:
    """An untrained lenet, "mine", a VAE, "digits-vae", and picture.png: picture 7 of the digits."""
    digits = data.load("digits", "train")
    card = checkpoints.Card(
        "mine", "lenet", "digits", digits.classes, digits.mean, digits.std, digits.fingerprint
    )
    checkpoints.save(folder / "checkpoints" / "mine", models.build("lenet", 10, seed=0), card)
    made_up_generator(folder / "checkpoints")
    Image.fromarray(digits.images[7].transpose(1, 2, 0)).save(folder / "picture.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    return registry_in(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_index_keeps_the_features_once(run, folder: Path) -> None:
    code, said, _ = run("index", "mine", "--json")
    value = json.loads(said)
    assert code == 0 and (value["n"], value["dimension"], value["layer"]) == (1438, 84, "pooled")
    assert value["computed"] and value["checkpoint_sha256"] == checkpoints.read_card("mine").sha256
    assert value["fingerprint"] == data.load("digits", "train").fingerprint
    assert np.load(value["path"]).shape == (1438, 84) and value["bytes"] == 1438 * 84 * 4
    code, said, _ = run("index", "mine", "--json")
    assert code == 0 and not json.loads(said)["computed"]
    code, said, _ = run("index", "digits-vae", "--split", "test")
    assert code == 0 and "digits, test: 359 pictures, 4 numbers each (code)" in said


def test_neighbours_are_those_of_the_features(run, folder: Path) -> None:
    loaded, train = checkpoints.load("mine", "cpu"), data.load("digits", "train")
    for layer in ("pooled", "logits", "pixels"):
        vectors = features.features(loaded, train.images, layer)
        query = features.features(loaded, train.images[7:8], layer)
        for metric in ("cosine", "euclidean"):
            code, said, _ = run(
                "neighbours",
                "mine",
                folder / "picture.png",
                "--metric",
                metric,
                "--k",
                5,
                "--layer",
                layer,
                "--json",
            )
            rows, expected = json.loads(said), Exact(vectors).search(query, 5, metric)
            assert code == 0 and [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
            assert [row["index"] for row in rows] == expected.ids[0].tolist() and rows[0]["index"] == 7
            assert [row["label"] for row in rows] == train.labels[expected.ids[0]].tolist()
            distances = expected.values[0] if metric == "euclidean" else 1 - expected.values[0]
            assert [row["distance"] for row in rows] == pytest.approx(distances.tolist(), abs=1e-4)
            assert ("similarity" in rows[0]) == (metric == "cosine")
            assert all(row["distance"] >= 0 for row in rows)
            assert {(row["data"], row["split"]) for row in rows} == {("digits", "train")}


def test_the_sheet_that_stands_in_is_named_as_such(run, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(features, "available", lambda name: False)
    shipped = sheet.load("test")
    card = checkpoints.Card(
        "of-cifar10", "lenet", "cifar10", shipped.classes, shipped.mean, shipped.std, shipped.fingerprint
    )
    checkpoints.save(folder / "checkpoints" / "of-cifar10", models.build("lenet", 10, seed=0), card)
    Image.fromarray(shipped.images[3].transpose(1, 2, 0)).save(folder / "picture.png")
    code, said, told = run("neighbours", "of-cifar10", folder / "picture.png", "--layer", "pixels", "--json")
    rows = json.loads(said)
    assert code == 0 and "cifar10 is not here; the 500 test pictures that are shipped stand in" in told
    assert rows[0]["index"] == sheet.test_indices()[3] and rows[0]["distance"] < 1e-6
    assert {(row["data"], row["split"]) for row in rows} == {("cifar10", "test")}
    assert {row["index"] for row in rows} <= set(sheet.test_indices().tolist())
    code, said, told = run("index", "of-cifar10", "--layer", "pixels", "--json")
    assert code == 0 and "is not here" in told and json.loads(said)["data"] == "cifar10-sheet"
    code, _, told = run(
        "neighbours", "of-cifar10", folder / "picture.png", "--data", "digits", "--layer", "hog"
    )
    assert code == 0 and "is not here" not in told


def test_what_was_kept_is_used_and_a_large_gallery_is_kept(run, folder: Path, monkeypatch) -> None:
    run("index", "mine", "--layer", "hog")
    monkeypatch.setattr(features, "features", lambda *_, **__: pytest.fail("computed again"), raising=True)
    assert features.at_hand(checkpoints.load("mine", "cpu"), data.load("digits", "train"), "hog").n == 1438
    monkeypatch.undo()
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder / "checkpoints"))
    monkeypatch.setenv("EXPLORER_DATA", str(folder / "data"))
    monkeypatch.setattr(features, "SMALL", 100)
    code, said, _ = run("neighbours", "mine", folder / "picture.png")
    assert code == 0 and "the nearest of 1,438 pictures of digits, train, by cosine" in said
    assert features.kept(checkpoints.read_card("mine"), data.load("digits", "train")) is not None


def test_a_map_is_laid_out_and_kept(run, folder: Path) -> None:
    code, said, _ = run("map", "mine", "--points", 60, "--metric", "euclidean", "--json")
    value = json.loads(said)
    assert code == 0 and (value["n"], value["total"], value["metric"]) == (60, 1438, "euclidean")
    train = data.load("digits", "train")
    of = features.kept(checkpoints.read_card("mine"), train)
    again = embedding_map.make(of.vectors, train.labels, "tsne", "euclidean", 60)
    found = embedding_map.kept(of, "euclidean", 60)
    assert np.array_equal(found.ids, again.ids) and value["ids"] == again.ids.tolist()
    assert np.allclose(found.places, again.places, atol=1e-3) and found.total == 1438
    assert np.array_equal(found.shown, of.vectors[found.ids])
    assert embedding_map.kept(of, "cosine", 60) is None and embedding_map.kept(of, "euclidean", 61) is None
    place = embedding_map.path(of, "euclidean", 60)
    whole = place.read_bytes()
    for damaged in (b"", whole[:200], whole[: len(whole) // 2], b"PK" + whole[2:-40]):
        place.write_bytes(damaged)
        assert embedding_map.kept(of, "euclidean", 60) is None
    for points in (4, 5001):
        code, _, said = run("map", "mine", "--points", points)
        assert code == 1 and f"Expected 5 to 5,000 points, got {points}." in said


def test_a_graph_is_built_measured_and_kept(run, folder: Path) -> None:
    code, said, _ = run("index", "mine", "--graph", "euclidean", "--json")
    graph = json.loads(said)["graph"]
    assert code == 0 and [row["ef"] for row in graph["rows"]] == list(hnsw.DIAL)
    assert next(row["recall"] for row in graph["rows"] if row["ef"] == hnsw.EF) >= 0.98
    found = features.kept(checkpoints.read_card("mine"), data.load("digits", "train"))
    assert hnsw.measured(found, "euclidean").n == 1438 and hnsw.load(found, "euclidean") is not None
    assert hnsw.load(found, "cosine") is None
    assert not graph["own"], "test pictures ask"
    code, said, _ = run("index", "mine", "--split", "test", "--graph", "euclidean")
    assert code == 0 and "recall@10" in said and "Pictures of the graph itself ask" in said
    asked = ("neighbours", "mine", folder / "picture.png", "--metric", "euclidean", "--json")
    (_, exactly, _), (code, nearly, _) = run(*asked), run(*asked, "--ef", 512)
    assert code == 0 and json.loads(nearly) == json.loads(exactly)
    for words, sentence in (
        (("--ef", 64, "--metric", "cosine"), "There is no graph of these 1,438 pictures yet"),
        (("--ef", -1), "ef must be at least 1"),
    ):
        code, _, said = run(*asked, *words)
        assert code == 1 and sentence in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("index", "absent"), "Unknown checkpoint"),
        (("index", "mine", "--layer", "code"), "it offers: pooled"),
        (("index", "mine", "--data", "absent"), "Unknown data set"),
        (("index", "mine", "--split", "middle"), "no split"),
        (("index", "mine", "--graph", "ip"), "Unknown metric"),
        (("neighbours", "mine", "{folder}/absent.png"), "does not exist"),
        (("neighbours", "mine", "{folder}/checkpoints/mine/config.json"), "not a picture"),
        (("neighbours", "mine", "{folder}/picture.png", "--metric", "manhattan"), "Unknown metric"),
        (("neighbours", "mine", "{folder}/picture.png", "--k", "0"), "at least 1 neighbour"),
        (("neighbours", "mine", "{folder}/picture.png", "--k", "1439"), "only 1438"),
        (("neighbours", "mine", "{folder}/black.png", "--layer", "pixels"), "features of length 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, folder: Path, words: tuple, sentence: str) -> None:
    Image.new("RGB", (32, 32)).save(folder / "black.png")
    code, _, said = run(*(word.format(folder=folder) for word in words))
    assert code == 1 and sentence in said and "Traceback" not in said
    assert not list((folder / "data" / "features").glob("*"))


def test_strangers_may_look_but_not_index(run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    code, _, said = run("index", "mine")
    assert code == 1 and "public" in said
    assert run("neighbours", "mine", folder / "picture.png")[0] == 0
    monkeypatch.setattr(features, "SMALL", 100)
    code, _, said = run("neighbours", "mine", folder / "picture.png")
    assert code == 1 and "public" in said and not (folder / "data" / "features").exists()


def test_as_a_job_it_answers_and_a_stopped_one_leaves_nothing(folder: Path) -> None:
    job = jobs.submit(["index", "mine"], "index")
    for _ in range(600):
        if not jobs.status(job).live:
            break
        time.sleep(0.2)
    assert jobs.status(job).state == "done" and jobs.result(job)["n"] == 1438
    job = jobs.submit(["index", "mine", "--layer", "logits"], "index")
    jobs.stop(job)
    assert jobs.status(job).state in ("cancelled", "done")
    assert not list((folder / "data" / "features").glob(".tmp-*"))


@pytest.mark.slow
def test_two_processes_index_and_find_what_one_does(tmp_path: Path) -> None:
    said = {}
    for count in (1, 2):
        folder = registry_in(tmp_path / f"by-{count}")
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "EXPLORER_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
            "EXPLORER_DATA": str(folder / "data"), "EXPLORER_CHECKPOINTS": str(folder / "checkpoints"),
        }  # fmt: skip
        script = ["tests/analysis/two_retrievers.py", str(folder)]
        ended = subprocess.run(
            [sys.executable, *(torchrun if count == 2 else []), *script],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr[-3000:]
        said[count] = [json.loads(line) for line in ended.stdout.splitlines() if line[:1] in "[{" and line]
        if count == 2:
            assert "there are only 1438" in ended.stderr and "it offers: pooled" in ended.stderr
    one, two = said[1], said[2]
    assert len(one) == len(two) == 3, "the first process speaks for all"
    assert one[1:] == two[1:]
    assert one[0]["fingerprint"] == two[0]["fingerprint"]
    assert Path(one[0]["path"]).read_bytes() == Path(two[0]["path"]).read_bytes()
