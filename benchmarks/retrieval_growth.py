"""What finding neighbours costs as the vectors become many: measured up to a million, from there on extrapolated.

    python benchmarks/retrieval_growth.py                                     # 10k to 1M, HNSW to 200k: an hour
    python benchmarks/retrieval_growth.py --most 50000 --out /tmp/growth.json --draw /tmp/growth.png     # a look

Vectors of 512 numbers, as a ReLU leaves them, in a thousand crowds; 100 queries one by one, the ten nearest. Exact
search is extrapolated with the number of vectors, the graph with its logarithm; memory by analysis/growth.py, which
also says which engine to take. The page Retrieve shows the table that this writes, explorer/analysis/growth.json.
"""

import argparse
import os
import sys
import time
from pathlib import Path

THREADS = os.environ.setdefault(
    "OMP_NUM_THREADS", str(os.cpu_count())
)  # read when numpy and FAISS are imported
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from explorer.analysis import hnsw  # noqa: E402
from explorer.analysis.growth import AT, growth  # noqa: E402
from explorer.analysis.retrieval import Exact  # noqa: E402
from explorer.files import write_json  # noqa: E402

SIZES, MOST_GRAPH = (10_000, 50_000, 200_000, 1_000_000), 200_000
K, QUERIES, BATCH = 10, 100, 1000
TABLE = ROOT / "explorer/analysis/growth.json"


def vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    """float32 (n, d), a block at a time: a million of them in float64 would be 4 GB."""
    rng = np.random.default_rng(seed)
    crowds = np.random.default_rng(1).normal(size=(1000, d)).astype(np.float32)
    found = np.empty((n, d), np.float32)
    for start in range(0, n, 10_000):
        block = found[start : start + 10_000]
        block[:] = rng.standard_normal(block.shape, np.float32)
        block += crowds[rng.integers(0, len(crowds), len(block))]
        np.maximum(block, 0, out=block)
    return found


def measure(n: int, d: int) -> list[dict]:
    """A row an engine: {"engine", "n", "ms", "p95_ms": one query, "batch_ms": one of 1,000, "bytes", "seconds",
    "recall"}."""
    begun = time.perf_counter()
    gallery, queries = Exact(vectors(n, d)), vectors(BATCH, d, seed=2)
    gallery.search(queries[:1], K, "euclidean")  # warms up
    spent = []
    for at in range(QUERIES):
        start = time.perf_counter()
        gallery.search(queries[at : at + 1], K, "euclidean")
        spent.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    gallery.search(queries, K, "euclidean")
    rows = [_row("flat", n, *np.percentile(spent, (50, 95)), gallery.vectors.nbytes, 0.0, 1.0)]
    rows[0]["batch_ms"] = (time.perf_counter() - start) * 1000 / BATCH
    if n <= MOST_GRAPH:
        graph = hnsw.build(gallery, "euclidean")
        found = hnsw.dial(graph, queries[:QUERIES], (hnsw.EF,), K).rows[0]
        rows.append(
            _row("hnsw", n, found["p50_ms"], found["p95_ms"], graph.bytes, graph.seconds, found["recall"])
        )
    print(f"{n:,}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return rows


def _row(engine: str, n: int, ms: float, p95: float, size: int, seconds: float, recall: float) -> dict:
    return {
        "engine": engine, "n": n, "ms": float(ms), "p95_ms": float(p95), "bytes": size, "seconds": seconds,
        "recall": recall,
    }  # fmt: skip


def extrapolated(measured: list[dict], d: int) -> list[dict]:
    """A row an engine and size beyond what was measured, from the largest measured one; no ms where none was."""
    last = {row["engine"]: row for row in measured}
    rows = []
    for n in AT:
        for row in growth(n, d):
            base = last.get(row["engine"])
            if base and n <= base["n"]:
                continue
            if base:
                grown = n / base["n"] if row["engine"] == "flat" else np.log(n) / np.log(base["n"])
                row["ms"] = float(base["ms"] * grown)
            rows.append(row)
    return rows


def draw(table: dict, path: Path) -> None:
    """Time of one query, and memory, over how many vectors; dashed where nothing was measured."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for axis, field, unit in zip(axes, ("ms", "bytes"), ("ms a query", "bytes")):
        for colour, engine in enumerate(dict.fromkeys(row["engine"] for row in table["estimated"])):
            for part, line in (("measured", "o-"), ("estimated", "o--")):
                rows = [row for row in table[part] if row["engine"] == engine and row.get(field)]
                label = f"{engine}, {part}"
                axis.loglog(
                    [row["n"] for row in rows],
                    [row[field] for row in rows],
                    line,
                    color=f"C{colour}",
                    label=label,
                )
        axis.set(xlabel="vectors", ylabel=unit)
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--most", type=int, default=SIZES[-1], help="the largest number of vectors that is measured"
    )
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--draw", type=Path, help="a PNG file")
    asked = parser.parse_args()
    measured = [row for n in SIZES if n <= asked.most for row in measure(n, asked.dimension)]
    table = {
        "dimension": asked.dimension, "k": K, "threads": int(THREADS), "ef": hnsw.EF, "measured": measured,
        "estimated": extrapolated(measured, asked.dimension),
    }  # fmt: skip
    write_json(asked.out, table)
    for part in ("measured", "estimated"):
        for row in table[part]:
            time_ = f"{row['ms']:12,.2f} ms a query" if "ms" in row else " " * 24
            here = (
                "<- take this"
                if row.get("choose")
                else f"recall {row['recall']:.4f}"
                if "recall" in row
                else ""
            )
            print(f"{part:9} {row['n']:13,} {row['engine']:9} {time_} {row['bytes'] / 1e9:10,.3f} GB  {here}")
    if asked.draw:
        draw(table, asked.draw)


if __name__ == "__main__":
    main()
