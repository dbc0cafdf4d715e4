"""The study's numbers against the functions they come from; a planted winner is crowned; what is stored is checked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis import leaks, outside, paired, quality, retrieval_study
from explorer.analysis.agreement import agreement
from explorer.analysis.retrieval import Exact
from explorer.analysis.retrieval_study import (
    difference_of,
    packed,
    rows_of,
    stored,
    stored_grid,
    study,
    summary,
)
from explorer.analysis.vectors import features
from explorer.text import Missing, Problem
from tests.analysis.test_votes import blobs

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, ...]:
    (x, labels), (queries, own) = blobs(400), blobs(300, seed=1)
    return x, labels, queries, own


@pytest.fixture(scope="module")
def found(sets) -> dict:
    x, labels, queries, own = sets
    steps: list[tuple[int, int]] = []
    value = study(Exact(x), labels, queries, own, CLASSES, deep=100, on_step=lambda *step: steps.append(step))
    assert steps[-1] == (800, 800)
    return value


def test_its_numbers_are_those_of_one_another(found: dict, sets) -> None:
    x, _, queries, own = sets
    json.dumps(found, allow_nan=False)
    assert (found["gallery_n"], found["query_n"], found["deep_n"], found["k"]) == (400, 300, 100, 10)
    for metric, of in found["metrics"].items():
        assert len(of["curve"]) == 50 and of["curve"][9] == of["accuracy"]
        assert of["low"] < of["accuracy"] < of["high"]
        sides = "a" if metric == "cosine" else "b"
        for measure in retrieval_study.MEASURES:
            assert found["differences"][measure][sides] == pytest.approx(of[measure])
        for groups in ("by_class", "by_length"):
            rows = found[groups]
            assert sum(row["n"] for row in rows) == 300
            assert sum(row["n"] * row[sides] for row in rows) / 300 == pytest.approx(of["accuracy"])
    assert [row["name"] for row in found["by_class"]] == list(CLASSES)
    assert [row["n"] for row in found["by_class"]] == np.bincount(own).tolist()
    assert [row["n"] for row in found["by_length"]] == [60] * 5
    lengths = np.linalg.norm(queries, axis=1)
    assert found["by_length"][0]["from"] == pytest.approx(lengths.min(), rel=1e-5)
    assert found["by_length"][4]["to"] == pytest.approx(lengths.max(), rel=1e-5)
    ids = [Exact(x).search(queries, 10, metric).ids for metric in ("cosine", "euclidean")]
    expected = agreement(*ids)
    assert found["agreement"]["overlap"] == pytest.approx(expected.overlap.mean())
    assert found["agreement"]["tau_top"] == pytest.approx(expected.tau_top.mean())
    assert found["agreement"]["first_same"] == (ids[0][:, 0] == ids[1][:, 0]).mean()
    low, high = (np.array(found["curve"][end]) for end in ("low", "high"))
    one = difference_of(found, "accuracy")
    assert (low[9], high[9]) == pytest.approx((one.low, one.high)) and (low <= high).all()


def test_queries_that_are_torn_are_named_with_what_both_say(found: dict) -> None:
    rows = found["torn"]["queries"]
    assert found["torn"]["n"] >= len(rows) > 0
    assert all(a != b for _, a, b, _ in rows)
    gaps = [gap for *_, gap in rows]
    assert gaps == sorted(gaps, reverse=True)


def test_the_head_is_compared_with_the_vote(sets) -> None:
    x, labels, queries, own = sets
    sure = np.full((300, 4), 0.01)
    sure[np.arange(300), own] = 0.97
    value = study(Exact(x), labels, queries, own, CLASSES, head=sure, deep=20)
    assert value["head"]["accuracy"] == 1
    for metric in ("cosine", "euclidean"):
        wrong = 1 - value["metrics"][metric]["accuracy"]
        assert value["head"][metric]["n"] == round(300 * wrong)


def test_where_lengths_mislead_cosine_is_crowned_and_on_unit_vectors_nobody(sets) -> None:
    x, labels, queries, own = sets
    rng = np.random.default_rng(0)
    stretched = [y * rng.gamma(1, 2, (len(y), 1)).astype(np.float32) ** 2 + 1e-6 for y in (x, queries)]
    value = study(Exact(stretched[0]), labels, stretched[1], own, CLASSES, deep=300)
    assert difference_of(value, "map_r").winner == 1
    assert paired.verdict(difference_of(value, "map_r"), "MAP@R")[0] == paired.VERDICTS[1]
    unit = [y / np.linalg.norm(y, axis=1, keepdims=True) for y in (x, queries)]
    even = study(Exact(unit[0]), labels, unit[1], own, CLASSES, deep=50)
    assert all(difference_of(even, measure).winner == 0 for measure in retrieval_study.MEASURES)
    assert even["agreement"]["overlap"] > 0.999 and even["torn"]["n"] <= 1


def test_one_class_only_and_few_pictures_are_studied_all_the_same() -> None:
    x, _ = blobs(15)
    one = study(Exact(x), np.zeros(15, int), x, np.zeros(15, int), ("a",), np.arange(15), k=3)
    assert one["metrics"]["cosine"]["accuracy"] == 1 and len(one["metrics"]["cosine"]["curve"]) == 14
    assert difference_of(one, "accuracy").winner == 0 and one["torn"]["n"] == 0
    lone = study(Exact(x), np.zeros(15, int), x[:2], np.array([1, 1]), ("a", "b"), k=3)
    assert lone["metrics"]["cosine"]["map_r"] is None and "map_r" not in lone["differences"]
    json.dumps(lone, allow_nan=False)


def test_queries_without_a_direction_do_not_ask_and_are_counted(sets) -> None:
    x, labels, queries, own = sets
    queries, head = queries.copy(), np.eye(4)[own]
    queries[[0, 7, 9]] = 0
    rest = np.delete(np.arange(300), [0, 7, 9])
    found = study(Exact(x), labels, queries, own, CLASSES, np.full(300, -1), head, deep=50)
    alone = study(Exact(x), labels, queries[rest], own[rest], CLASSES, head=head[rest], deep=50)
    assert (found["query_n"], found["blank_n"], alone["blank_n"]) == (297, 3, 0)
    assert found["metrics"] == alone["metrics"]
    assert [row[0] for row in found["torn"]["queries"]] == [rest[row[0]] for row in alone["torn"]["queries"]]
    assert len(found["torn"]["queries"]) == found["torn"]["n"], "all of them, not the first fifty"


def test_accuracy_without_the_leaked_is_that_of_the_others(sets) -> None:
    x, labels, queries, own = sets
    leaked = np.array([0, 4, 4, 200])
    found = study(Exact(x), labels, queries, own, CLASSES, leaked=leaked, deep=20)
    rest = np.delete(np.arange(300), leaked)
    alone = study(Exact(x), labels, queries[rest], own[rest], CLASSES, deep=20)
    assert found["clean"] == alone["differences"]["accuracy"] and found["clean"]["n"] == 297
    assert "clean" not in alone
    none = study(Exact(x), labels, queries, own, CLASSES, leaked=np.zeros(0, int), deep=20)
    assert none["clean"] == none["differences"]["accuracy"]
    json.dumps(found, allow_nan=False)


def test_hostile_sets_are_refused(sets) -> None:
    x, labels, queries, own = sets
    with pytest.raises(Problem, match="only 5"):
        study(Exact(x[:5]), labels[:5], queries, own, CLASSES)
    with pytest.raises(Problem, match="not finite"):
        study(Exact(x), labels, np.where(queries > 0, np.nan, queries), own, CLASSES)
    with pytest.raises(Problem, match="Expected scores of 300"):
        study(Exact(x), labels, queries, own, CLASSES, head=np.ones((3, 4)), deep=10)


# --- beside the checkpoint ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), tmp_path / "digits-fastnet")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    (tmp_path / "digits-fastnet" / retrieval_study.FILE).unlink(missing_ok=True)
    return tmp_path / "digits-fastnet"


def test_what_is_stored_is_read_back_or_refused(found: dict, folder: Path) -> None:
    with pytest.raises(Missing, match="retrieval digits-fastnet --store"):
        stored("digits-fastnet")
    path, whole = folder / retrieval_study.FILE, found | {
        "checkpoint_sha256": checkpoints.read_card("digits-fastnet").sha256, "layer": "pooled",
    }  # fmt: skip
    path.write_bytes(packed(whole))
    assert stored("digits-fastnet") == whole
    kept = summary(whole)
    assert kept["cosine_accuracy"] == found["metrics"]["cosine"]["accuracy"] and kept["n"] == 300
    assert kept["euclidean_low"] < kept["euclidean_accuracy"] < kept["euclidean_high"]
    assert kept["difference_low"] <= kept["difference"] <= kept["difference_high"]
    metrics = json.loads(json.dumps(found["metrics"]))
    metrics["cosine"]["curve"][3] = 2
    for broken in (whole | {"metrics": metrics}, whole | {"differences": {}}, whole | {"metrics": 3}):
        path.write_bytes(packed(broken))
        with pytest.raises(Problem, match="cannot be read"):
            stored("digits-fastnet")
    for content in (b"", b"[]", b"{", b"null"):
        path.write_bytes(content)
        with pytest.raises(Problem, match="cannot be read"):
            stored("digits-fastnet")
    path.write_bytes(packed(whole | {"checkpoint_sha256": "0" * 64}))
    with pytest.raises(Problem, match="other weights"):
        stored("digits-fastnet")


@pytest.mark.parametrize("name", ["cifar10-fastnet", "digits-fastnet"])
def test_the_shipped_studies_are_read_with_what_their_time_stored(name: str) -> None:
    value = stored(checkpoints.OURS / name)
    assert -1 <= value["agreement"]["tau_top"] <= 1
    assert all(value["head"][metric]["n"] >= 0 for metric in value["metrics"])


def test_a_stored_grid_is_read_back_or_refused(folder: Path, sets) -> None:
    x, labels, queries, own = sets
    path = folder / retrieval_study.GRID
    with pytest.raises(Missing, match="retrieval digits-fastnet --grid --store"):
        stored_grid("digits-fastnet")
    rows = rows_of(quality.grid({"pooled": (x, queries)}, labels, own, deep=0))
    assert [row["map_r"] for row in rows] == [None, None]
    whole = {"checkpoint_sha256": checkpoints.read_card("digits-fastnet").sha256, "k": 10, "rows": rows}
    path.write_bytes(packed(whole))
    assert stored_grid("digits-fastnet") == whole
    other = {"feature": "gone"}, {"metric": "dot"}, {"accuracy": 2}, {"accuracy": None}, {"more": 1}
    for broken in ([rows[0] | each] for each in other):
        path.write_bytes(packed(whole | {"rows": broken}))
        with pytest.raises(Problem, match="cannot be read"):
            stored_grid("digits-fastnet")
    for content in (b"[]", b"{", b"{}", packed(whole | {"rows": []})):
        path.write_bytes(content)
        with pytest.raises(Problem, match="cannot be read"):
            stored_grid("digits-fastnet")
    path.write_bytes(packed(whole | {"checkpoint_sha256": "0" * 64}))
    with pytest.raises(Problem, match="other weights"):
        stored_grid("digits-fastnet")


# --- what a lecture says of digits (anchors/platform.md, section 1.2) ------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> dict[str, data.ImageSet]:
    return {split: data.load("digits", split) for split in ("train", "test")}


@pytest.fixture(scope="module")
def scans(digits) -> dict[str, dict]:
    """The study of the digits by two layers of digits-fastnet."""
    loaded = checkpoints.load(checkpoints.OURS / "digits-fastnet", "cpu")
    train, test = digits["train"], digits["test"]
    found = {}
    for layer in ("pooled", "before"):
        gallery, queries = (features(loaded, each.images, layer) for each in (train, test))
        found[layer] = study(Exact(gallery), train.labels, queries, test.labels, train.classes, deep=20)
    return found


def test_the_metrics_choose_different_digits_of_equal_label_quality_and_nobody_is_crowned(scans) -> None:
    for found in scans.values():
        assert found["agreement"]["overlap"] < 0.95 and found["agreement"]["first_same"] < 0.95
        assert abs(found["differences"]["precision"]["difference"]) < 0.01
        template, values = paired.verdict(difference_of(found, "accuracy"), "Votes")
        assert template in (paired.VERDICTS[0], paired.FEW)
        assert template.format(**values).startswith("Votes: no winner")


def test_digits_pooled_after_the_activation_are_found_as_well_as_before_it(scans) -> None:
    after, before = (scans[layer]["metrics"] for layer in ("pooled", "before"))
    for metric in ("cosine", "euclidean"):
        assert after[metric]["precision"] >= before[metric]["precision"] - 0.002 > 0.9


def test_a_digit_that_leaked_is_flagged_by_the_search_and_by_its_outlines(digits) -> None:
    """The copy is nearer than nearly all unseen pictures are to the gallery, and `leaks` names the pair."""
    train, test = digits["train"].images[:300], digits["test"].images[:100].copy()
    test[5] = train[40]
    pair = leaks.across(test, train)
    assert (5, 40) in set(zip(pair.a.tolist(), pair.b.tolist()))
    loaded = checkpoints.load(checkpoints.OURS / "digits-fastnet", "cpu")
    gallery, queries = (features(loaded, images, "pooled") for images in (train, test))
    for metric in ("cosine", "euclidean"):
        usual = outside.baseline(Exact(gallery), np.delete(queries, 5, 0), metric)
        found = outside.outside(Exact(gallery), queries[5:6], usual)
        assert found.ids[0, 0] == 40 and found.close[0]
