"""The vectors of a whole split, computed once and mapped into memory from then on.

A file is found by the weights' sha256, the pictures' fingerprint and the layer together, so none is taken for another.
Under torchrun every process computes every world-th batch. What the layers are: vectors.py.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from explorer import files
from explorer.analysis import together
from explorer.analysis.predict import BATCH
from explorer.analysis.vectors import LAYERS, Layer, OnStep, check_layer, features, layers_of
from explorer.checkpoints import Card, Loaded
from explorer.checkpoints.manifest import sha256_of
from explorer.data import ImageSet, available, data_root, load
from explorer.reach import allow
from explorer.text import Problem

__all__ = [
    "LAYERS", "SMALL", "Kept", "Layer", "at_hand", "check_belongs", "check_layer", "features", "gallery", "keep",
    "kept", "layers_of", "path",
]  # fmt: skip

VERSION = 1  # of the layers' arithmetic; raise it and what was kept is computed anew
SMALL = 2_000  # pictures whose features are computed while one waits


@dataclass(frozen=True)
class Kept:
    """The features of a split. vectors: float32 (n, dimension), mapped read-only from its file

    checkpoint, checkpoint_sha256: "" for pixels and HOG, which no net made;  fingerprint: of the pictures
    """

    vectors: np.ndarray
    checkpoint: str
    checkpoint_sha256: str
    data: str
    split: str
    n: int
    fingerprint: str
    layer: str
    dimension: int


def path(checkpoint_sha256: str, fingerprint: str, layer: str) -> Path:
    """The file in which such features lie, or would lie; what belongs to it lies beside it."""
    key = hashlib.sha256(f"{checkpoint_sha256} {fingerprint} {layer} {VERSION}".encode()).hexdigest()
    return data_root() / "features" / f"{key}.npy"


def _maker(card: Card, layer: str) -> dict[str, str]:
    """Which weights made such features: none for those without a net, which all checkpoints share."""
    net = check_layer(card, layer).task is not None
    return {"checkpoint": card.name if net else "", "checkpoint_sha256": card.sha256 if net else ""}


def kept(card: Card, of: ImageSet | str, layer: str = "pooled") -> Kept | None:
    """The stored features of pictures (or of those with this fingerprint); None when there are none or they are
    damaged: they are to be made then. The file's hash is compared at the first look of a process.

    Raises Problem when what lies in their place says that it belongs to something else.
    """
    fingerprint = of if isinstance(of, str) else of.fingerprint
    wanted = {"checkpoint_sha256": _maker(card, layer)["checkpoint_sha256"]}
    wanted |= {"fingerprint": fingerprint, "layer": layer}
    place = path(*wanted.values())
    about = files.read_json(place.with_suffix(".json"))
    check_belongs(about, wanted, place.with_suffix(".json"))
    try:
        if _hash(place, place.stat().st_size, place.stat().st_mtime_ns) != about["sha256"]:
            return None
        vectors = np.load(place, mmap_mode="r", allow_pickle=False)
        if vectors.shape != (about["n"], about["dimension"]) or vectors.dtype != np.float32:
            return None
        rest = {field.name: about[field.name] for field in fields(Kept) if field.name != "vectors"}
    except (OSError, ValueError, EOFError, KeyError):
        return None
    return Kept(vectors, **rest)


def check_belongs(about: dict, wanted: dict, place: Path) -> None:
    """Problem when what a file says about itself is not what is wanted of it; nothing said is no contradiction."""
    for key, value in wanted.items():
        if key in about and about[key] != value:
            raise Problem(
                "{file} belongs to another {what}: {found}, expected {expected}. Delete it and index again.",
                file=place.name[-40:], what=key, found=repr(str(about[key])[:16]), expected=repr(str(value)[:16]),
            )  # fmt: skip


@lru_cache(maxsize=64)
def _hash(place: Path, size: int, changed: int) -> str:
    return sha256_of(place)


def keep(loaded: Loaded, data: ImageSet, layer: str = "pooled", on_step: OnStep | None = None) -> Kept:
    """Compute the features of a whole split and store them, in one step: interrupted, nothing is left."""
    allow("index")
    maker = _maker(loaded.card, layer)
    place = path(maker["checkpoint_sha256"], data.fingerprint, layer)
    blocks = _blocks(loaded, data, layer, on_step)
    if together.join()[0] == 0:
        about = {**maker, "data": data.name, "split": data.split, "n": len(data), "layer": layer}
        about |= {
            "fingerprint": data.fingerprint,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        files.sweep(place.parent)
        about |= _write(place, blocks, len(data))
        files.write_json(place.with_suffix(".json"), about)
    else:
        for _ in blocks:  # its share of the work; the first process writes
            pass
    together.of_first(lambda: None)  # the file is there before anybody looks for it
    found = kept(loaded.card, data, layer)
    if found is None:
        raise Problem("{path} cannot be read back: is the disk full or failing?", path=place)
    return found


def _blocks(loaded: Loaded, data: ImageSet, layer: str, on_step: OnStep | None) -> Iterator[np.ndarray]:
    """The features batch by batch, in order, the same whether one process makes them or several."""
    rank, world = together.join()
    starts = range(0, len(data), BATCH)
    for first in range(0, len(starts), world):
        own = starts[first + rank : first + rank + 1]  # none for some in the last round

        def make(own: range = own) -> list[np.ndarray]:
            return [features(loaded, data.images[at : at + BATCH], layer) for at in own]

        for part in together.each(make):
            yield from part
        if on_step:
            on_step(min((first + world) * BATCH, len(data)), len(data))


def _write(place: Path, blocks: Iterator[np.ndarray], n: int) -> dict[str, int | str]:
    """Write an .npy file block by block: a full disk is then an error, which it is not of a mapped file."""
    width = 0
    with files.replacing(place) as temporary:
        with temporary.open("wb") as file:
            for block in blocks:
                if not width:
                    width = block.shape[1]
                    header = {"descr": "<f4", "fortran_order": False, "shape": (n, width)}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(block, "<f4").data)
        found = sha256_of(temporary)
    return {"dimension": width, "sha256": found}


def at_hand(loaded: Loaded, data: ImageSet, layer: str = "pooled") -> Kept | None:
    """The stored features, or those of a small split, computed now and not stored; None: it takes a job."""
    found = together.of_first(lambda: kept(loaded.card, data, layer) is not None)
    if found:
        return kept(loaded.card, data, layer)
    if len(data) > SMALL:
        return None
    vectors = features(loaded, data.images, layer)
    maker = _maker(loaded.card, layer)
    return Kept(
        vectors, **maker, data=data.name, split=data.split, n=len(data), fingerprint=data.fingerprint, layer=layer,
        dimension=vectors.shape[1],
    )  # fmt: skip


def gallery(card: Card, data: str = "", split: str = "train") -> ImageSet:
    """The pictures to search in: a split of `data`, or of what the checkpoint was trained on. Where that is CIFAR-10
    and it is not here, the 500 test pictures that are shipped."""
    if not data and card.data == "cifar10" and not available("cifar10"):
        return load("cifar10-sheet", "test")
    return load(data or card.data, split)
