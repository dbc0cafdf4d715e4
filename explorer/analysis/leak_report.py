"""What copies do to a score: accuracy with and without the test pictures that leaked; and how both are stored.

python -m explorer leaks --data cifar10 --checkpoint cifar10-fastnet
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints
from explorer.analysis.checks import check_labels
from explorer.analysis.leaks import Pairs
from explorer.checkpoints.manifest import read_json
from explorer.text import Missing, Problem

FILE = f"{checkpoints.EVALUATION}/leaks.json"
SETS = ("across", "test", "train")  # test against training pictures, and within each


@dataclass(frozen=True)
class Cleaned:
    """(accuracy, n) on all test pictures, on those without a copy, and on those with one; nan where there are none."""

    all: tuple[float, int]
    clean: tuple[float, int]
    leaked: tuple[float, int]


def cleaned(labels: np.ndarray, predicted: np.ndarray, leaked: np.ndarray) -> Cleaned:
    """How often a model is right with and without the pictures that leaked: labels, predicted int (N,), ids (L,)."""
    labels = check_labels(labels, int(max(np.max(labels, initial=0), 0)) + 1)
    out = np.zeros(len(labels), bool)
    leaked = np.asarray(leaked, np.int64)
    if len(leaked) and not (leaked.min() >= 0 and leaked.max() < len(labels)):
        raise Problem("Expected pictures from 0 to {last} as leaked.", last=len(labels) - 1)
    out[leaked] = True
    if len(predicted) != len(labels):
        raise Problem("Expected {n} class numbers, got {found}.", n=len(labels), found=len(predicted))
    right = np.asarray(predicted) == labels
    rates = [
        (float(right[some].mean()) if some.any() else float("nan"), int(some.sum())) for some in (~out, out)
    ]
    return Cleaned((float(right.mean()), len(labels)), *rates)


# --- beside a checkpoint ------------------------------------------------------------------------------------------


def rows_of(pairs: Pairs) -> dict[str, Any]:
    """Pairs for JSON: {"limit", "pairs": [[a, b, distance, exact, mirrored, down, right], …]}."""
    columns = (pairs.a, pairs.b, pairs.distance.round(4), pairs.exact, pairs.mirrored, *pairs.shift.T)
    return {"limit": pairs.limit, "pairs": [list(row) for row in zip(*(each.tolist() for each in columns))]}


def pairs_of(value: dict[str, Any]) -> Pairs:
    """The pairs that `rows_of` wrote; ValueError, KeyError or TypeError for anything else."""
    table = np.array(value["pairs"], np.float64).reshape(-1, 7)
    if not np.isfinite(table).all() or (table[:, :2] < 0).any():
        raise ValueError("unexpected values")
    a, b, down, right = (table[:, k].astype(np.int64) for k in (0, 1, 5, 6))
    shift = np.stack([down, right], 1)
    return Pairs(a, b, table[:, 2], table[:, 3] > 0, table[:, 4] > 0, shift, float(value["limit"]))


def as_dict(found: Cleaned) -> dict[str, dict[str, float | int | None]]:
    """For JSON, which has no nan."""
    rates = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: {"accuracy": rate if n else None, "n": n} for name, (rate, n) in rates.items()}


def packed(value: dict[str, Any]) -> bytes:
    """The content of FILE."""
    return (json.dumps(value, allow_nan=False) + "\n").encode()


def stored(name: str | Path) -> dict[str, Any]:
    """What the command `leaks` stored beside a checkpoint; `pairs_of(value["across"])` are the pairs.

    Raises Missing when it never ran, Problem when the file is damaged or belongs to other weights.
    """
    card, path = checkpoints.read_card(name), checkpoints.folder_of(name) / FILE
    if not path.is_file():
        raise Missing(
            "Nobody has looked for copies with {name} yet; do it with: "
            "python -m explorer leaks --data {data} --checkpoint {name}",
            name=card.name,
            data=card.data,
        )
    try:
        value = read_json(path)
        for each in SETS:
            pairs_of(value[each])
        if not all(of["n"] >= 0 for of in value["accuracy"].values()):
            raise ValueError("a value is out of range")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise Problem("{path} cannot be read: {error}", path=path.name, error=repr(error)[:200]) from error
    if value.get("checkpoint_sha256") != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; look for copies again: "
            "python -m explorer leaks --data {data} --checkpoint {name}",
            path=path.name,
            name=card.name,
            data=card.data,
        )
    return value


def check_pictures(value: dict[str, Any], here: Mapping[str, str], file: str, command: str) -> None:
    """Problem when what was stored, copies or a study, is of other pictures than those that are here.

    here: a key of `value` -> the fingerprint of those pictures; nothing stored is no contradiction
    file, command: what holds it, and what makes it anew
    """
    if any(value.get(key, fingerprint) != fingerprint for key, fingerprint in here.items()):
        raise Problem(
            "{path} is of other pictures than those that are here; do it again: python -m explorer {command}",
            path=Path(file).name,
            command=command,
        )
