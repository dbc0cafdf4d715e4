"""How much faster our exact search is than scikit-learn's brute force, turn by turn in one run on the CPU.

    python benchmarks/retrieval_speed.py            # one query: at most 1/3 (cosine) and 1/2 (Euclidean) of its time;
    python benchmarks/retrieval_speed.py --n 5000      # 1,000 queries: at least 1.3 times as fast; this is a look only
    python benchmarks/retrieval_speed.py --features    # the features of 10,000 pictures by cifar10-fastnet: within 30 s

Exit status 1 when a bar is missed; a look has none.

50,000 vectors of 512 numbers as a ReLU leaves them, the ten nearest, the query vector given, the same threads on both
sides. Both have seen the vectors before. What the two find is compared: the same pictures, but for rounding, or the
bar is missed. With --faiss also FAISS's flat index, which finds them by float32 alone.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

THREADS = os.environ.setdefault(
    "OMP_NUM_THREADS", str(os.cpu_count())
)  # read when numpy and FAISS are imported
os.environ.setdefault("OPENBLAS_NUM_THREADS", THREADS)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from sklearn.neighbors import NearestNeighbors  # noqa: E402

from explorer.analysis.retrieval import METRICS, Exact  # noqa: E402

K, N, DIMENSION = 10, 50_000, 512
BARS = {  # times as fast as scikit-learn, at least
    ("cosine", 1): 3, ("euclidean", 1): 2, ("cosine", 1000): 1.3, ("euclidean", 1000): 1.3,
}  # fmt: skip
AGREED = 0.999  # of the ids must be equal: a quick wrong answer is none
PICTURES, SECONDS = 10_000, 30


def seconds(work: Callable[[], object]) -> float:
    """Wall time: one query is over before processor time can be told."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def flat(vectors: np.ndarray, metric: str) -> Callable[[np.ndarray], np.ndarray]:
    """FAISS's exact search: (Q, D) -> ids (Q, K)."""
    import faiss

    copy = vectors.copy()
    if metric == "cosine":
        faiss.normalize_L2(copy)  # queries stay as they are: their length changes no order
    index = faiss.IndexFlatIP(copy.shape[1]) if metric == "cosine" else faiss.IndexFlatL2(copy.shape[1])
    index.add(copy)
    return lambda asked: index.search(asked, K)[1]


def compare(vectors: np.ndarray, queries: np.ndarray, metric: str, rounds: int, with_faiss: bool) -> dict:
    """{"ours", "theirs": median milliseconds, "ratio": median of theirs / ours, "agree": share of equal ids}."""
    gallery = Exact(vectors)
    rival = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric).fit(vectors)
    sides = {
        "ours": lambda asked: gallery.search(asked, K, metric).ids,
        "theirs": lambda asked: rival.kneighbors(asked, return_distance=False),
    }
    if with_faiss:
        sides["faiss"] = flat(vectors, metric)
    agree = float((sides["ours"](queries) == sides["theirs"](queries)).mean())  # also warms both up
    found: dict[str, list[float]] = {name: [] for name in sides}
    for at in range(rounds):
        asked = queries if len(queries) > 1 else vectors[at : at + 1] * np.float32(1.01)
        for name in list(sides)[:: -1 if at % 2 else 1]:
            found[name].append(seconds(lambda side=sides[name], asked=asked: side(asked)))
    ratios = [theirs / ours for ours, theirs in zip(found["ours"], found["theirs"])]
    middle = {name: round(1000 * statistics.median(values), 2) for name, values in found.items()}
    return middle | {"ratio": round(statistics.median(ratios), 2), "agree": agree}


def verdict(met: bool, bar: str) -> str:
    return f"{'met' if met else 'MISSED'}: {bar}"


def measure_features() -> bool:
    """Whether the features of CIFAR-10's test pictures are made in time; the shipped 500, again and again, take as
    long where the others are not here."""
    from explorer import checkpoints, data
    from explorer.analysis.features import features

    loaded = checkpoints.load("cifar10-fastnet", "cpu")
    here = data.available("cifar10")
    pictures = data.load("cifar10" if here else "cifar10-sheet", "test").images
    pictures = np.resize(pictures, (PICTURES, *pictures.shape[1:]))  # repeats them
    features(loaded, pictures[:500])  # warms up
    spent = seconds(lambda: features(loaded, pictures))
    bar = (
        f"{PICTURES:,} pictures ({'test split' if here else 'the shipped 500, repeated'}) within {SECONDS} s"
    )
    print(f"features by cifar10-fastnet: {spent:.1f} s; {verdict(spent <= SECONDS, bar)}")
    return spent <= SECONDS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    parser.add_argument("--features", action="store_true", help="measure only how long the features take")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--faiss", action="store_true", help="measure FAISS's flat index too")
    asked = parser.parse_args()
    if asked.features:
        return 0 if measure_features() else 1
    promised = (asked.n, asked.dimension) == (N, DIMENSION)
    rng = np.random.default_rng(0)
    vectors = np.maximum(rng.normal(size=(asked.n, asked.dimension)), 0).astype(np.float32)
    queries = np.maximum(rng.normal(size=(1000, asked.dimension)), 0).astype(np.float32)
    table, missed = {}, 0
    for metric in METRICS:
        for count in (1, len(queries)):
            rounds = asked.rounds * 3 if count == 1 else asked.rounds
            found = compare(vectors, queries[:count], metric, rounds, asked.faiss)
            table[f"{metric}, {count}"] = found
            bar = BARS[metric, count]
            met = found["ratio"] >= bar and found["agree"] > AGREED
            missed += promised and not met
            print(
                f"{metric}, {count:,} queries: {found['ratio']:.2f} times as fast as scikit-learn "
                f"({found['ours']} against {found['theirs']} ms; {found['agree']:.2%} of the ids are equal)"
                + (f"; FAISS {found['faiss']} ms" if asked.faiss else "")
                + (f"; {verdict(met, f'at least {bar} times, over {AGREED:.1%} equal')}" if promised else "")
            )
    print(json.dumps({**vars(asked), "threads": int(THREADS), "k": K, "found": table}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
