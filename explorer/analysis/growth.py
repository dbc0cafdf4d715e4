"""What nearest neighbours cost when the pictures become many: an estimate, and the engine to move to.

Bytes a vector of d numbers after the FAISS wiki, "Guidelines to choose an index": as it is 4 d; HNSW with M links 4 d
and about 2 * 4 * M; one byte a number d + 8 for the id; product quantisation in 64 pieces 64 + 8 (Jegou et al. 2011).
"""

from dataclasses import dataclass
from typing import Any

from explorer.text import N_, Problem

LINKS = 32
AT = (10_000, 50_000, 200_000, 1_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Engine:
    """title, words: for the screen;  width: bytes of a vector of d numbers, as a + b d

    most: vectors it is good for, None for any number
    """

    title: str
    words: str
    width: tuple[float, float]
    most: int | None


ENGINES: dict[str, Engine] = {
    "flat": Engine(
        N_("exact"),
        N_("Every vector is looked at: nothing to build, nothing missed, time grows with their number."),
        (0, 4), 500_000,
    ),
    "hnsw": Engine(
        N_("HNSW graph"),
        N_("A graph is walked towards the query: hardly slower for many, but all vectors and links stay in memory."),
        (2 * 4 * LINKS, 4), 20_000_000,
    ),
    "ivf-sq8": Engine(
        N_("IVF, one byte a number"),
        N_("Vectors are sorted into cells and rounded to a byte a number; only the cells near the query are read."),
        (8, 1), 50_000_000,
    ),
    "ivf-pq64": Engine(
        N_("IVF-PQ, 64 bytes a vector"),
        N_("A vector becomes 64 bytes, each the nearest of 256 learnt pieces; the best thousand are compared anew with "
           "the vectors on disk. Beyond a billion it is shared among machines, or left to a vector database."),
        (8 + 64, 0), None,
    ),
}  # fmt: skip


def growth(n: int, d: int = 512) -> list[dict[str, Any]]:
    """A row for each engine: {"engine", "n", "dimension", "bytes": of memory, "choose": whether it is the one to take}.

    The one to take is the first, the plainest, that is good for so many vectors.
    """
    if n < 1 or d < 1:
        raise Problem("Expected at least one vector of at least one number, got {n} of {d}.", n=n, d=d)
    chosen = next(name for name, engine in ENGINES.items() if engine.most is None or n <= engine.most)
    return [
        {
            "engine": name, "n": n, "dimension": d, "choose": name == chosen,
            "bytes": int(n * (engine.width[0] + engine.width[1] * d)),
        }
        for name, engine in ENGINES.items()
    ]  # fmt: skip
