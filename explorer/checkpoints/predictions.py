"""evaluation/: the logits of a checkpoint on a split, kept beside it so that its numbers open without the data set."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from explorer.checkpoints import card as cards
from explorer.checkpoints.registry import folder_of
from explorer.data import valid_name
from explorer.text import Missing, Problem

EVALUATION = "evaluation"

LARGEST_PREDICTIONS = 500_000_000  # and for a file of stored predictions, also unpacked
VIEWS = (1, 2, 6)


def prediction_file(split: str, views: int) -> str:
    """The file of a checkpoint in which predictions are stored."""
    if views not in VIEWS:
        raise Problem(
            "{views} views are not offered; use one of {known}.",
            views=views,
            known=", ".join(map(str, VIEWS)),
        )
    return f"{EVALUATION}/{valid_name(split, 'split')}-{views}-views.npz"


def pack_predictions(logits: np.ndarray, labels: np.ndarray, **about: str | int) -> bytes:
    """The bytes of an .npz: logits (N, K), labels (N,), and `about` (data, split, views, ...).

    The logits stay float32: rounded to float16, two nearly equal ones change places, and with them an accuracy.
    """
    buffer = io.BytesIO()
    arrays = {key: np.asarray(value) for key, value in about.items()}
    np.savez_compressed(buffer, logits=logits.astype(np.float32), labels=labels.astype(np.int16), **arrays)
    return buffer.getvalue()


def read_predictions(name: str | Path, split: str = "test", views: int = 1) -> dict[str, Any]:
    """Stored predictions: logits float32 (N, K), labels int64 (N,), data, split, views, fingerprint, sha256.

    Raises Missing when they were never stored, Problem when the file is damaged or belongs to other weights.
    """
    folder = folder_of(name)
    card = cards.read(folder)
    path = folder / prediction_file(split, views)
    if not path.is_file():
        raise Missing(
            "No predictions of {name} on {split} with {views} views are stored; make them with: "
            "python -m explorer evaluate {name} --split {split} --views {views}",
            name=card.name,
            split=split,
            views=views,
        )
    try:
        if path.stat().st_size > LARGEST_PREDICTIONS:
            raise ValueError(f"more than {LARGEST_PREDICTIONS} bytes")
        with np.load(path, allow_pickle=False) as found:
            if sum(entry.file_size for entry in found.zip.infolist()) > LARGEST_PREDICTIONS:
                raise ValueError(f"more than {LARGEST_PREDICTIONS} bytes unpacked")
            values = {key: found[key] for key in found.files}
        logits, labels = values.pop("logits").astype(np.float32), values.pop("labels").astype(np.int64)
        about = {key: value.item() for key, value in values.items()}
        if logits.shape != (len(labels), len(card.classes)) or not np.isfinite(logits).all():
            raise ValueError("unexpected shape or values")
        if not ((labels >= 0) & (labels < len(card.classes))).all():
            raise ValueError("a label is out of range")
        if (about["split"], about["views"]) != (split, views) or {"data", "fingerprint"} - about.keys():
            raise ValueError("it is about something else than its name says")
    except Exception as error:  # whatever a damaged archive makes zipfile, zlib and numpy raise
        raise Problem("{path} cannot be read: {error}", path=path.name, error=error) from error
    if about.get("sha256") != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; evaluate again.", path=path.name, name=card.name
        )
    return {"logits": logits, "labels": labels, **about}
