"""Writing a checkpoint in one step, and loading it again after every check."""

import dataclasses
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import files
from explorer.checkpoints.card import Card, readme
from explorer.checkpoints.manifest import CONFIG, README, WEIGHTS, write_manifest
from explorer.checkpoints.registry import check_kind, folder_of, read_card, whole
from explorer.reach import allow
from explorer.text import Problem

if TYPE_CHECKING:
    import numpy as np
    import torch

STORAGE = ("float16", "bfloat16", "float32")
LARGEST = 2_000_000_000  # bytes of weights that are read at all
CLASS_MEANS, LARGEST_MEANS = "class_means.npy", 100_000_000


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
    class_means: "np.ndarray | None" = None  # float32 (K, C), see analysis.novelty
    lock: threading.RLock = field(default_factory=threading.RLock)


def load(name: str | Path, device: str = "auto", kind: str | None = None) -> Loaded:
    """Verify, build through MODELS and fill a checkpoint; ready for `analysis.predict`.

    Raises Problem with the reason: unknown name, not of the `kind` that is needed (see registry.KINDS), altered file,
    unknown architecture, missing, surplus or misshapen tensors, values that are not finite.
    """
    import torch

    from explorer import models
    from explorer.device import choose

    folder = folder_of(name, kind)
    card = check_kind(whole(folder), kind)
    where = choose(device)
    if models.spec(card.model).task != card.task:
        raise Problem(
            "{name}: the card says {task}, and {model} is {expected}.",
            name=folder.name, task=repr(card.task[:80]), model=card.model, expected=models.spec(card.model).task,
        )  # fmt: skip
    tensors = _tensors(folder / WEIGHTS)
    try:
        with torch.device("meta"):  # sizes only: a card may ask for more memory than there is
            _check_fits(models.build(card.model, len(card.classes), **card.model_args), tensors, folder.name)
        model = models.build(card.model, len(card.classes), **card.model_args)
    except (TypeError, ValueError, LookupError, RuntimeError, AttributeError, ArithmeticError) as error:
        raise Problem(
            "{name}: {model} cannot be built with {args}: {error}",
            name=folder.name, model=card.model, args=str(card.model_args)[:80], error=error,
        ) from error  # fmt: skip
    fill(model, tensors, folder.name)
    model.requires_grad_(False).eval()
    head = getattr(model, "head", None)  # a generator has none
    means = _class_means(folder / CLASS_MEANS, len(card.classes), head.in_features) if head else None
    return Loaded(card, model.to(where), where, torch.float32, means)


def _class_means(path: Path, classes: int, width: int) -> "np.ndarray | None":
    import numpy as np

    if not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST_MEANS:
            raise ValueError(f"more than {LARGEST_MEANS} bytes")
        means = np.load(path, allow_pickle=False)
        if means.shape != (classes, width) or means.dtype != np.float32 or not np.isfinite(means).all():
            raise ValueError(f"expected finite float32 of shape {(classes, width)}")
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise Problem("{path} cannot be read: {error}", path=path.name, error=error) from error
    return means


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
    _check_fits(model, tensors, name)
    own = model.state_dict()
    values = {key: value.to(own[key].dtype) for key, value in tensors.items()}
    _check_finite(values, name)
    model.load_state_dict(values)


def _check_fits(model: "torch.nn.Module", tensors: dict[str, "torch.Tensor"], name: str) -> None:
    """Problem unless the tensors have the names and shapes of the model's own."""
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
            files.write_bytes(partial / name, content)
        _write_card(partial, card)
    return card


def update(name: str | Path, card: Card, extra: dict[str, bytes] | None = None) -> None:
    """Replace a checkpoint's card and add files by relative name, in one step; the weights stay."""
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
        for file, content in (extra or {}).items():
            files.write_bytes(partial / file, content)
        _write_card(partial, card)


def add(
    name: str | Path,
    measured: Card,
    extra: dict[str, bytes] | None = None,
    metrics: dict[str, dict] | None = None,
    recipe: dict | None = None,
) -> Card:
    """Add to a checkpoint what was found out about the weights of the card `measured`; returns the new card.

    It took a while: the card is read anew, so that what others have added meanwhile stays. extra: files by relative
    name;  metrics: entries of the card's;  recipe: instead of the card's. Problem where the weights were replaced.
    """
    card = read_card(name)
    if card.sha256 != measured.sha256:
        raise Problem("{name} was replaced while it was being measured; nothing was stored.", name=card.name)
    card = dataclasses.replace(card, metrics=card.metrics | (metrics or {}), recipe=recipe or card.recipe)
    update(name, card, extra)
    return card


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder to fill beside `folder`; at the end of the block it takes that name, whole."""
    allow("write a checkpoint")
    partial = folder.parent / f"{files.TEMPORARY}{uuid.uuid4().hex}"
    try:
        with files.writing(folder):
            partial.mkdir(parents=True)
            yield partial
            files.sync_folder(partial)
            move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_card(folder: Path, card: Card) -> None:
    files.write_bytes(
        folder / CONFIG, (json.dumps(dataclasses.asdict(card), ensure_ascii=False, indent=1) + "\n").encode()
    )
    files.write_bytes(folder / README, readme(card).encode())
    write_manifest(folder)


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
