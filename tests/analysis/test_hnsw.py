"""The graph: recall beside speed, always over a metric, and refused when it belongs to something else."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from explorer import files
from explorer.analysis import graph as graphs
from explorer.analysis import growth, hnsw
from explorer.analysis.features import Kept
from explorer.analysis.retrieval import METRICS, Exact
from explorer.text import Problem

K = 10


def made(n: int = 4000, d: int = 32, seed: int = 0) -> np.ndarray:
    """float32 (n, d) of 40 crowds, as features are, of very different lengths."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, d))[rng.integers(0, 40, n)] + 0.5 * rng.normal(size=(n, d))
    return (x * rng.uniform(0.2, 5, (n, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def gallery() -> Kept:
    vectors = made()
    return Kept(
        vectors, "mine", "a" * 64, "digits", "train", len(vectors), "b" * 64, "pooled", vectors.shape[1]
    )


@pytest.fixture(scope="module", params=METRICS)
def built(request: pytest.FixtureRequest, gallery: Kept) -> hnsw.Graph:
    return hnsw.build(gallery, request.param)


def test_recall_at_the_default_dial(built: hnsw.Graph, gallery: Kept) -> None:
    queries = made(seed=1)[:300]
    truth = built.exact.search(queries, K, built.metric)
    found = hnsw.search(built, queries, K)
    recall = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found.ids, truth.ids)])
    assert recall >= 0.98
    right = found.ids == truth.ids
    assert np.array_equal(
        found.values[right], truth.values[right]
    )  # the same true values, never FAISS's squares
    step = np.diff(found.values, axis=1)
    assert (step <= 0).all() if built.metric == "cosine" else (step >= 0).all()


def test_recall_of_vectors_without_any_order_is_as_high() -> None:
    x = np.maximum(np.random.default_rng(0).normal(size=(3100, 128)), 0).astype(np.float32)
    for metric in METRICS:
        assert hnsw.dial(hnsw.build(x[:3000], metric), x[3000:], (hnsw.EF,), K).rows[0]["recall"] >= 0.98


def test_only_metrics_are_offered() -> None:
    with pytest.raises(Problem, match="Unknown metric"):
        hnsw.build(made(50), "inner product")


def test_itself_is_left_out_by_its_id(gallery: Kept) -> None:
    vectors = made(300)
    vectors[[20, 30]] = vectors[10]
    for metric in METRICS:
        graph = hnsw.build(vectors, metric)
        found = hnsw.search(graph, vectors[[20]], 5, without=np.array([20]))
        assert found.ids[0, :2].tolist() == [10, 30]
        with pytest.raises(Problem, match="only 299"):
            hnsw.search(graph, vectors[[20]], 300, ef=300, without=np.array([20]))


def test_vectors_of_length_0_are_not_in_a_graph_by_cosine() -> None:
    vectors = made(200)
    vectors[[3, 7]] = 0
    graph = hnsw.build(vectors, "cosine")
    assert len(graph.ids) == graph.index.ntotal == 198
    found = hnsw.search(graph, vectors[:3], 20, ef=400)
    truth = Exact(vectors).search(vectors[:3], 20, "cosine")
    assert np.array_equal(found.ids, truth.ids)
    with pytest.raises(Problem, match="there are only 0"):
        hnsw.build(np.zeros((4, 3), np.float32), "cosine")
    assert len(hnsw.build(vectors, "euclidean").ids) == 200


def test_what_makes_no_sense_is_one_sentence(built: hnsw.Graph) -> None:
    for change, words in (
        ({"ef": 0}, "ef must be"), ({"k": 0}, "at least 1 neighbour"), ({"k": 4001}, "only 4000"),
        ({"queries": np.full((1, 32), np.nan, np.float32)}, "not finite"),
    ):  # fmt: skip
        with pytest.raises(Problem, match=words):
            hnsw.search(**{"graph": built, "queries": made(3), "k": 3} | change)


def test_the_dial_says_recall_and_speed_together(built: hnsw.Graph) -> None:
    own = np.arange(60)
    told = []
    found = hnsw.dial(built, built.exact.vectors[own], (64, 10, 256), K, own, lambda *step: told.append(step))
    assert [row["ef"] for row in found.rows] == [10, 64, 256] and told == [(1, 3), (2, 3), (3, 3)]
    recalls = [row["recall"] for row in found.rows]
    assert recalls[-1] >= 0.98 and recalls[0] <= recalls[-1]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in [*found.rows, found.exact])
    assert (found.n, found.dimension, found.k, found.queries, found.metric) == (4000, 32, K, 60, built.metric)
    assert found.own and not hnsw.dial(built, made(3, seed=1), (16,), K, np.full(3, -1)).own
    facts = hnsw.describe(built)
    assert facts["fingerprint"] == "b" * 64 and facts["n"] == 4000 and facts["seconds"] > 0
    assert (
        4 * 32 + 2 * 4 * 32 < found.bytes / 4000 < 4 * 32 + 2.5 * 4 * 32
    )  # vectors, and links of the lowest layer


def test_a_vector_as_near_as_the_last_counts_as_found() -> None:
    vectors = np.repeat(made(20), 30, 0)
    graph = hnsw.build(vectors, "euclidean")
    assert hnsw.dial(graph, vectors[::30], (64,), 5).rows[0]["recall"] == 1


def test_building_can_be_stopped(gallery: Kept) -> None:
    def stop(done: int, total: int) -> None:
        assert (done, total) == (500, 4000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hnsw.build(gallery, "cosine", stop)


def test_saved_and_loaded_it_finds_the_same(built: hnsw.Graph, gallery: Kept, tmp_path: Path) -> None:
    place = tmp_path / "a.hnsw"
    assert hnsw.load(gallery, built.metric, place) is None
    hnsw.save(built, place)
    again = hnsw.load(gallery, built.metric, place)
    one, two = (hnsw.search(graph, made(seed=1)[:50], K) for graph in (built, again))
    assert np.array_equal(one.ids, two.ids) and np.array_equal(one.values, two.values)
    assert again.seconds == built.seconds and again.about == built.about and again.bytes == built.bytes


def test_what_was_measured_is_kept_beside_it(built, gallery: Kept, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    assert hnsw.measured(gallery, built.metric) is None
    found = hnsw.dial(built, made(5, seed=1), (16,), 3)
    hnsw.save(built, hnsw.path(gallery, built.metric), found)
    assert hnsw.measured(gallery, built.metric) == found
    assert hnsw.load(gallery, built.metric).metric == built.metric


@pytest.mark.parametrize("key", ["checkpoint_sha256", "fingerprint", "layer", "metric"])
def test_a_graph_of_something_else_is_refused(gallery: Kept, tmp_path: Path, key: str) -> None:
    place = tmp_path / "a.hnsw"
    hnsw.save(hnsw.build(made(50), "cosine"), place)
    card = place.with_name("a.hnsw.json")
    about = {"checkpoint_sha256": "a" * 64, "fingerprint": "b" * 64, "layer": "pooled", "metric": "cosine"}
    files.write_json(card, files.read_json(card) | about | {key: "another"})
    with pytest.raises(Problem, match=f"belongs to another {key}"):
        hnsw.load(gallery, "cosine", place)


def test_a_damaged_graph_is_as_if_absent(gallery: Kept, tmp_path: Path) -> None:
    place = tmp_path / "a.hnsw"
    graph = hnsw.build(made(50), "cosine")
    hnsw.save(graph, place)
    assert hnsw.load(gallery, "cosine", place) is None  # of 50 vectors, not of 4,000
    content = place.read_bytes()
    for damaged in (content[:-1], content[:100], b"", bytes([content[0] ^ 1]) + content[1:]):
        place.write_bytes(damaged)
        assert hnsw.load(gallery, "cosine", place) is None


def test_strangers_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    with pytest.raises(Problem, match="public"):
        hnsw.save(hnsw.build(made(50), "cosine"), tmp_path / "a.hnsw")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def fresh() -> None:
    graphs.library.cache_clear()
    yield
    graphs.library.cache_clear()


def test_without_faiss_exact_search_goes_on(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # importing it fails
    assert hnsw.library() is None
    with pytest.raises(Problem, match="Exact search works without it"):
        hnsw.build(made(50), "cosine")
    assert Exact(made(50)).search(made(3), 2).ids.shape == (3, 2)


def test_on_a_mac_faiss_runs_one_thread_and_shares_openmp(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two copies of OpenMP, torch's and FAISS's, crash there when both run threads."""
    threads = []
    fake = ModuleType("faiss")
    fake.omp_set_num_threads = threads.append
    monkeypatch.setitem(sys.modules, "faiss", fake)
    monkeypatch.delenv("KMP_DUPLICATE_LIB_OK", raising=False)
    assert hnsw.library() is fake and threads == []
    graphs.library.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "")  # so that what is set is taken back after the test
    monkeypatch.delenv("KMP_DUPLICATE_LIB_OK")
    assert hnsw.library() is fake and threads == [1]
    assert graphs.os.environ["KMP_DUPLICATE_LIB_OK"] == "TRUE"


def test_growth_is_the_formulas_and_says_where_to_go() -> None:
    for n, chosen in ((50_000, "flat"), (1_000_000, "hnsw"), (100_000_000, "ivf-pq64"), (10**9, "ivf-pq64")):
        rows = {row["engine"]: row for row in growth.growth(n, 512)}
        assert [name for name, row in rows.items() if row["choose"]] == [chosen]
        assert {name: row["bytes"] / n for name, row in rows.items()} == {
            "flat": 2048, "hnsw": 2304, "ivf-sq8": 520, "ivf-pq64": 72
        }  # fmt: skip
    with pytest.raises(Problem, match="at least one vector"):
        growth.growth(0)
