"""evaluation/: the class activation maps of a checkpoint on a split, kept beside it as its predictions are."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from explorer.checkpoints import card as cards
from explorer.checkpoints.predictions import EVALUATION
from explorer.checkpoints.registry import folder_of
from explorer.data import valid_name
from explorer.text import Missing, Problem

LARGEST_MAPS = 500_000_000  # bytes of a file of stored maps, also unpacked


def maps_file(split: str) -> str:
    """The file of a checkpoint in which maps are stored."""
    return f"{EVALUATION}/{valid_name(split, 'split')}-maps.npz"


def pack_maps(
    true: np.ndarray,
    said: np.ndarray,
    highest: np.ndarray,
    logits: np.ndarray,
    labels: np.ndarray,
    **about: str,
) -> bytes:
    """The bytes of an .npz: maps (N, h, w) for the true and for the predicted class, `highest` and logits (N, K),
    labels (N,), and `about` (data, split, fingerprint, sha256).

    Maps are looked at, so float16 is enough for them; for the logits it is not, see `pack_predictions`. Where the
    prediction is right the two maps are the same one, so `said` is written for the mistakes only.
    Raises Problem when a value does not fit into float16.
    """
    wrong = logits.argmax(1) != labels
    with np.errstate(over="ignore"):
        halves = {key: each.astype(np.float16) for key, each in
                  {"true": true, "said": said[wrong], "highest": highest}.items()}  # fmt: skip
    if not all(np.isfinite(each).all() for each in [*halves.values(), logits]):
        raise Problem(
            "These maps hold values that are not finite or beyond {limit}, and are not stored.",
            limit="65,504",
        )
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, **halves, logits=logits.astype(np.float32), labels=labels.astype(np.int16),
        **{key: np.asarray(value) for key, value in about.items()},
    )  # fmt: skip
    return buffer.getvalue()


def read_maps(name: str | Path, split: str = "test") -> dict[str, Any]:
    """Stored maps: true, said float32 (N, h, w), highest, logits float32 (N, K), labels int64 (N,), and data, split,
    fingerprint, sha256.

    Raises Missing when they were never stored, Problem when the file is damaged or belongs to other weights.
    """
    folder = folder_of(name)
    card = cards.read(folder)
    path = folder / maps_file(split)
    if not path.is_file():
        raise Missing(
            "No maps of {name} on {split} are stored; make them with: "
            "python -m explorer survey {name} --split {split}",
            name=card.name, split=split,
        )  # fmt: skip
    try:
        if path.stat().st_size > LARGEST_MAPS:
            raise ValueError(f"more than {LARGEST_MAPS} bytes")
        with np.load(path, allow_pickle=False) as found:
            if sum(entry.file_size for entry in found.zip.infolist()) > LARGEST_MAPS:
                raise ValueError(f"more than {LARGEST_MAPS} bytes unpacked")
            values = {key: found[key] for key in found.files}
        labels = values.pop("labels").astype(np.int64)
        arrays = {key: values.pop(key).astype(np.float32) for key in ("true", "said", "highest", "logits")}
        about = {key: value.item() for key, value in values.items()}
        _check(arrays, labels, len(card.classes))
        if about["split"] != split or {"data", "fingerprint"} - about.keys():
            raise ValueError("it is about something else than its name says")
    except Exception as error:  # whatever a damaged archive makes zipfile, zlib and numpy raise
        raise Problem("{path} cannot be read: {error}", path=path.name, error=error) from error
    if about.get("sha256") != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; make the maps again: "
            "python -m explorer survey {name} --split {split}",
            path=path.name, name=card.name, split=split,
        )  # fmt: skip
    said = arrays["true"].copy()
    said[arrays["logits"].argmax(1) != labels] = arrays["said"]
    return {**arrays, "said": said, "labels": labels, **about}


def _check(arrays: dict[str, np.ndarray], labels: np.ndarray, classes: int) -> None:
    """ValueError when the arrays of a file are not what `pack_maps` writes."""
    count, maps = len(labels), arrays["true"].shape
    if (
        labels.shape != (count,)
        or not count
        or any(arrays[key].shape != (count, classes) for key in ("highest", "logits"))
    ):
        raise ValueError("unexpected shape or values")
    wrong = int((arrays["logits"].argmax(1) != labels).sum())
    if len(maps) != 3 or maps[0] != count or min(maps[1:]) < 2 or arrays["said"].shape != (wrong, *maps[1:]):
        raise ValueError("unexpected shape or values")
    if not all(np.isfinite(each).all() for each in arrays.values()):
        raise ValueError("unexpected shape or values")
    if not ((labels >= 0) & (labels < classes)).all():
        raise ValueError("a label is out of range")
