"""Trained models on disk: weights, config, card and manifest in one folder, in Hugging Face's layout.

    checkpoints/NAME/   model.safetensors   the weights (float16 where that is enough, statistics in float32)
                        config.json         the card: everything that must be known to build the model and to trust it
                        README.md           the same for people, with Hugging Face's model-index
                        MANIFEST.json       size and sha256 of each file
                        evaluation/         stored predictions, test-1-views.npz and so on

No file names a Python class: the model is built through MODELS. Loading verifies the hashes first, because a
safetensors file with one flipped byte loads without a word.
"""

import dataclasses
import hashlib
import json
import math
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import numpy as np

from explorer import files
from explorer.data import valid_name
from explorer.text import Missing, Problem

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG, README, MANIFEST, EVALUATION = (
    "model.safetensors",
    "config.json",
    "README.md",
    "MANIFEST.json",
    "evaluation",
)
STORAGE = ("float16", "bfloat16", "float32")
LARGEST = 2_000_000_000  # bytes of weights that are read at all
LARGEST_PREDICTIONS = 500_000_000  # and for a file of stored predictions, also unpacked
LARGEST_CARD = 10_000_000  # the same for config.json and MANIFEST.json
SCHEMA = 1  # of the card; raise it when an older program could not read a new one
VIEWS = (1, 2, 6)


@dataclass(frozen=True)
class Card:
    """config.json: what the weights are, how they came about, and what they reached.

    mean, std: of the training data, in 0..1;  size: side of the input in pixels;  sha256: of model.safetensors
    recipe: every setting of the training;  metrics: {"test": {"accuracy": 0..1, "n": pictures, ...}, "held-out": ...}
    temperature: logits are divided by it before the softmax;  threshold: a calibrated highest probability (0..1) below
        which none of the classes fits well; both fitted on held-out pictures (`calibrated_on`)
    minutes: wall time of the training;  purpose: one sentence on what the checkpoint is for
    """

    name: str
    model: str
    data: str
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    data_fingerprint: str
    task: str = "classifier"
    model_args: dict[str, Any] = field(default_factory=dict)
    size: int = 32
    parameters: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    storage_dtype: str = "float32"
    sha256: str = ""
    bytes: int = 0
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    temperature: float = 1.0
    threshold: float = 0.0
    calibrated_on: str = ""
    purpose: str = ""
    created: str = ""
    minutes: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Entry:
    """One folder of the registry: its card, or the reason why it cannot be used."""

    name: str
    card: Card | None
    problem: str | None = None


@dataclass
class Loaded:
    """A checkpoint ready for forwards: the module in eval mode, shared by everybody who takes `lock`.

    Forwards run in float32 on every device (training does not): a page, a command and a laptop without bfloat16 then
    give the same probabilities.
    """

    card: Card
    model: "torch.nn.Module"
    device: "torch.device"
    dtype: "torch.dtype"
    lock: threading.RLock = field(default_factory=threading.RLock)


def root() -> Path:
    """The folder of checkpoints: $EXPLORER_CHECKPOINTS, else checkpoints/ of the project."""
    return Path(
        os.environ.get("EXPLORER_CHECKPOINTS") or Path(__file__).resolve().parent.parent / "checkpoints"
    )


def folder_of(name: str | Path) -> Path:
    """The folder of a checkpoint's name, or a Path itself (a run's ckpt/step-…); Problem lists the known ones.

    Only a Path is a path: a name comes from a link or a form, and never leads out of `root()`.
    """
    if isinstance(name, Path):
        if not (name / CONFIG).is_file():
            raise Problem("{path} is not a checkpoint folder: it holds no {file}.", path=name, file=CONFIG)
        return name
    folder = root() / valid_name(name, "checkpoint")
    if not (folder / CONFIG).is_file():
        known = ", ".join(entry.name for entry in catalogue() if entry.card) or "-"
        raise Problem("Unknown checkpoint {name}; known: {known}.", name=repr(name), known=known)
    _check_inside(folder, root())
    return folder


def _check_inside(path: Path, outer: Path) -> None:
    if not path.resolve().is_relative_to(outer.resolve()):
        raise Problem("{name} leads out of its folder and is not used.", name=path.name)


def catalogue() -> list[Entry]:
    """Every checkpoint under `root()`, sorted by name, the unusable ones with their reason (no torch is needed).

    The files are compared with their hashes when they are new or have changed since the last look of this process.
    """
    found = []
    for folder in sorted(root().glob("*/")):
        if folder.name.startswith("."):
            continue
        try:
            _check_inside(folder, root())
            stamp = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
            times = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stamp)
            found.append(Entry(folder.name, _seen(folder, times)))
        except Problem as problem:
            found.append(Entry(folder.name, None, str(problem)))
        except OSError as error:  # it is being removed, or is not ours to read
            found.append(Entry(folder.name, None, str(error.strerror or error)))
    return found


@lru_cache(maxsize=256)
def _seen(folder: Path, times: tuple) -> Card:
    return _whole(folder)


def read_card(name: str | Path) -> Card:
    """The card of a checkpoint, without loading the weights; Problem when there is none or it is not a card."""
    return _read(folder_of(name))


def _json(path: Path) -> Any:
    """What a small JSON file holds; ValueError or OSError otherwise."""
    if path.stat().st_size > LARGEST_CARD:
        raise ValueError(f"more than {LARGEST_CARD} bytes")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _read(folder: Path) -> Card:
    try:
        valid_name(folder.name, "checkpoint")
        found = _json(folder / CONFIG)
        known = {f.name for f in dataclasses.fields(Card)}
        values = {key: value for key, value in found.items() if key in known}
        for key in ("classes", "mean", "std"):
            values[key] = tuple(values[key])
        card = Card(**values)
        wrong = _out_of_range(card)
        if wrong:
            raise ValueError(f"{wrong} is {str(getattr(card, wrong))[:80]}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Problem(
            "{name}: {file} is not a model's card: {error}", name=folder.name, file=CONFIG, error=error
        ) from error
    return dataclasses.replace(card, name=folder.name)


def _out_of_range(card: Card) -> str:
    """The first field of a card whose value cannot be; "" when all can."""
    for each in dataclasses.fields(Card):
        kind = get_origin(each.type) or each.type
        if not isinstance(getattr(card, each.name), (int, float) if kind is float else kind):
            return each.name
    finite = [number for number in (*card.mean, *card.std) if isinstance(number, (int, float))]
    results = card.metrics.values()
    fine = {
        "schema": 1 <= card.schema <= SCHEMA,
        "classes": 2 <= len(card.classes) <= 100_000 and all(isinstance(name, str) for name in card.classes),
        "mean": len(card.mean) == 3 and len(finite) == len(card.mean) + len(card.std),
        "std": len(card.std) == 3 and all(map(math.isfinite, finite)) and min(card.std) > 0,
        "size": 1 <= card.size <= 4096,
        "temperature": 0 < card.temperature < math.inf,
        "threshold": 0 <= card.threshold <= 1,
        "metrics": all(isinstance(found, dict) for found in results)
        and all(isinstance(found.get("accuracy", 0), (int, float)) for found in results)
        and all(isinstance(found.get("n", 0), int) for found in results),
    }
    return next((name for name, holds in fine.items() if not holds), "")


def verify(folder: Path) -> dict[str, dict[str, Any]]:
    """Compare every file with the manifest and return what it lists: {file: {"bytes", "sha256"}}.

    Raises Problem naming the first file that is missing, cut short, altered or outside the folder.
    """
    try:
        listed = _json(folder / MANIFEST)["files"]
        for name, expected in listed.items():
            path = folder / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise Problem(
                    "{folder}: the manifest names {name}, outside the folder.",
                    folder=folder.name,
                    name=repr(name),
                )
            _check_inside(path, folder)
            if not path.is_file():
                raise Problem("{folder}: {name} is missing.", folder=folder.name, name=name)
            if path.stat().st_size != expected["bytes"]:
                raise Problem(
                    "{folder}: {name} has {found} bytes, expected {expected}; the copy is incomplete.",
                    folder=folder.name,
                    name=name,
                    found=path.stat().st_size,
                    expected=expected["bytes"],
                )
            if _sha256(path) != expected["sha256"]:
                raise Problem(
                    "{folder}: {name} was altered: its sha256 is not the manifest's.",
                    folder=folder.name,
                    name=name,
                )
        for name in (WEIGHTS, CONFIG):
            if name not in listed:
                raise Problem("{folder}: the manifest does not list {name}.", folder=folder.name, name=name)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Problem(
            "{folder}: {file} cannot be read: {error}", folder=folder.name, file=MANIFEST, error=error
        ) from error
    return listed


def _whole(folder: Path) -> Card:
    """The card of a folder whose files are all as they were written, and whose weights are the card's."""
    card = _read(folder)
    if verify(folder)[WEIGHTS]["sha256"] != card.sha256:
        raise Problem("{folder}: {name} is not the one its card describes.", folder=folder.name, name=WEIGHTS)
    return card


def load(name: str | Path, device: str = "auto") -> Loaded:
    """Verify, build through MODELS and fill a checkpoint; ready for `analysis.predict`.

    Raises Problem with the reason: unknown name, altered file, unknown architecture, missing, surplus or misshapen
    tensors, values that are not finite.
    """
    import torch

    from explorer import models
    from explorer.device import choose

    folder = folder_of(name)
    card = _whole(folder)
    where = choose(device)
    try:
        model = models.build(card.model, len(card.classes), **card.model_args)
    except TypeError as error:
        raise Problem(
            "{name}: {model} cannot be built with {args}: {error}",
            name=folder.name, model=card.model, args=str(card.model_args)[:80], error=error,
        ) from error  # fmt: skip
    fill(model, _tensors(folder / WEIGHTS), folder.name)
    model.requires_grad_(False).eval()
    return Loaded(card, model.to(where), where, torch.float32)


def _tensors(path: Path) -> dict[str, "torch.Tensor"]:
    import safetensors.torch

    if path.stat().st_size > LARGEST:
        raise Problem(
            "{name} has {found} bytes; at most {limit} are read.",
            name=path.name,
            found=path.stat().st_size,
            limit=LARGEST,
        )
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise Problem(
            "{name} is not a safetensors file: {error}", name=path.name, error=str(error)[:200]
        ) from error


def fill(model: "torch.nn.Module", tensors: dict[str, "torch.Tensor"], name: str) -> None:
    """Copy tensors into a model after checking names, shapes and finiteness; Problem says what differs."""
    own = model.state_dict()
    missing, surplus = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    misshapen = [
        f"{key} {tuple(tensors[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own.keys() & tensors.keys()
        if tensors[key].shape != own[key].shape
    ]
    if missing or surplus or misshapen:
        raise Problem(
            "{name} does not fit the model: missing {missing}; surplus {surplus}; other shapes {misshapen}.",
            name=name,
            missing=_some(missing),
            surplus=_some(surplus),
            misshapen=_some(sorted(misshapen)),
        )
    values = {key: value.to(own[key].dtype) for key, value in tensors.items()}
    _check_finite(values, name)
    model.load_state_dict(values)


def _check_finite(tensors: dict[str, "torch.Tensor"], name: str) -> None:
    bad = [key for key, value in tensors.items() if not value.isfinite().all()]
    if bad:
        raise Problem(
            "{name} holds values that are not finite (NaN or infinity) in {tensors}.",
            name=name,
            tensors=_some(bad),
        )


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "") if items else "-"


def save(folder: Path, model: "torch.nn.Module", card: Card, extra: dict[str, bytes] | None = None) -> Card:
    """Write a checkpoint folder in one step and return its card with sha256, size and parameter count filled in.

    The new folder is written whole beside the old one and then takes its name. `extra`: further files by relative name.
    Raises Problem when it cannot be written, and when a weight is not finite (float16 ends at 65,504): such a
    checkpoint could not be loaded, so the old one stays.
    """
    import safetensors.torch

    from explorer.models import parameter_count

    weights = {
        key: value.detach().cpu().contiguous().to(_stored_as(key, value, card.storage_dtype))
        for key, value in model.state_dict().items()
    }
    _check_finite(weights, folder.name)
    blob = safetensors.torch.save(weights, metadata={"format": "pt"})
    card = dataclasses.replace(
        card,
        name=folder.name,
        sha256=hashlib.sha256(blob).hexdigest(),
        bytes=len(blob),
        parameters=parameter_count(model),
        created=card.created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    with _replacing(folder) as partial:
        for name, content in {WEIGHTS: blob, **(extra or {})}.items():
            _write(partial / name, content)
        _write_card(partial, card)
    return card


def update(name: str | Path, card: Card, evaluation: dict[str, bytes] | None = None) -> None:
    """Replace a checkpoint's card and add files to its evaluation/, in one step; the weights stay."""
    folder = folder_of(name)
    with _replacing(folder) as partial:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith(files.TEMPORARY):
                target = partial / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(path, target)
                except OSError:  # a file system without hard links
                    shutil.copy2(path, target)
        for file, content in (evaluation or {}).items():
            _write(partial / EVALUATION / file, content)
        _write_card(partial, card)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder to fill beside `folder`; at the end of the block it takes that name, whole."""
    partial = folder.parent / f"{files.TEMPORARY}{uuid.uuid4().hex}"
    try:
        partial.mkdir(parents=True)
        yield partial
        files.sync_folder(partial)
        move(partial, folder)
    except OSError as error:
        raise Problem(
            "Cannot write {path}: {reason}.", path=folder, reason=error.strerror or error
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_card(folder: Path, card: Card) -> None:
    _write(
        folder / CONFIG, (json.dumps(dataclasses.asdict(card), ensure_ascii=False, indent=1) + "\n").encode()
    )
    _write(folder / README, readme(card).encode())
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(files.TEMPORARY)
    }
    _write(folder / MANIFEST, (json.dumps({"files": listed}, indent=1) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    files.write_bytes(path, content)


def move(new: Path, folder: Path) -> None:
    """Let the folder `new` take the name `folder`; what had that name before is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        new.rename(folder)
    elif _exchange(new, folder):
        shutil.rmtree(new, ignore_errors=True)
    else:  # not Linux: for a moment there is no folder of that name
        old = new.with_name(new.name + "-old")
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    files.sync_folder(folder.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Let two folders swap their names in one step; False where the system cannot."""
    import ctypes

    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename) and rename(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0


def _stored_as(key: str, value: "torch.Tensor", wanted: str) -> "torch.dtype":
    """Matrices and kernels in the wanted type; vectors, running statistics and frozen whitening as they are."""
    import torch

    if wanted not in STORAGE:
        raise Problem(
            "Unknown storage type {name}; known: {known}.", name=repr(wanted), known=", ".join(STORAGE)
        )
    keep = value.dim() < 2 or not value.is_floating_point() or key.startswith("whiten")
    return value.dtype if keep else getattr(torch, wanted)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def readme(card: Card) -> str:
    """The card for people, with Hugging Face's metadata block (model-index) at its head."""
    test = card.metrics.get("test", {})
    lines = ["---", "library_name: pytorch", "license: apache-2.0", "pipeline_tag: image-classification"]
    if "accuracy" in test:
        lines += [
            "model-index:",
            f"- name: {card.name}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {card.data}, type: {card.data}, split: test}}",
            "    metrics:",
            f"    - {{type: accuracy, value: {test['accuracy']:.4f}, name: 'accuracy, test, n = {test['n']}, plain'}}",
        ]
    lines += ["---", "", f"# {card.name}", "", card.purpose, ""]
    fitted = card.calibrated_on or "-"
    facts = {
        "model": f"{card.model}, {card.parameters:,} parameters, stored as {card.storage_dtype}",
        "data": f"{card.data}, fingerprint `{card.data_fingerprint[:16]}`",
        "classes": ", ".join(card.classes),
        "input": f"{card.size}x{card.size} RGB, (x / 255 - {card.mean}) / {card.std}",
        "seed": str(card.seed),
        "training": f"{card.minutes:.1f} minutes",
        "calibration": f"temperature {card.temperature:.3f}, threshold {card.threshold:.3f} ({fitted})",
        "weights": f"sha256 `{card.sha256}`, {card.bytes:,} bytes",
    }
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += ["", "## Results", "", "| split | n | accuracy | how |", "|---|---|---|---|"]
    for split, found in card.metrics.items():
        for key, how in (
            ("accuracy", "plain"),
            ("accuracy_2_views", "2 views"),
            ("accuracy_6_views", "6 views"),
        ):
            if key in found:
                lines.append(f"| {split} | {found['n']:,} | {found[key]:.4f} | {how} |")
    lines += ["", "## Recipe", "", "```json", json.dumps(card.recipe, indent=1), "```", ""]
    return "\n".join(lines)


def prediction_file(split: str, views: int) -> str:
    """The name in evaluation/ under which predictions are stored."""
    if views not in VIEWS:
        raise Problem(
            "{views} views are not offered; use one of {known}.",
            views=views,
            known=", ".join(map(str, VIEWS)),
        )
    return f"{valid_name(split, 'split')}-{views}-views.npz"


def pack_predictions(logits: np.ndarray, labels: np.ndarray, **about: str | int) -> bytes:
    """The bytes of an .npz: logits (N, K), labels (N,), and `about` (data, split, views, ...).

    The logits stay float32: rounded to float16, two nearly equal ones change places, and with them an accuracy.
    """
    import io

    buffer = io.BytesIO()
    arrays = {key: np.asarray(value) for key, value in about.items()}
    np.savez_compressed(buffer, logits=logits.astype(np.float32), labels=labels.astype(np.int16), **arrays)
    return buffer.getvalue()


def read_predictions(name: str | Path, split: str = "test", views: int = 1) -> dict[str, Any]:
    """Stored predictions: logits float32 (N, K), labels int64 (N,), data, split, views, fingerprint, sha256.

    Raises Missing when they were never stored, Problem when the file is damaged or belongs to other weights.
    """
    folder = folder_of(name)
    card = _read(folder)
    path = folder / EVALUATION / prediction_file(split, views)
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
