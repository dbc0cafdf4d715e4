"""A user's own pictures: a folder with one folder per class in it (torchvision's ImageFolder layout).

    python -m explorer data add ~/pictures/leaves --name leaves

Every picture goes through `explorer.data.picture`, is squared to 32x32 and cached below `data_root()`.
Broken ones are named and skipped. The split is 80/20 in every class, seed 0.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer.data.imageset import SIZE, ImageSet, channel_statistics, data_root, fingerprint, stratified
from explorer.data.picture import open_picture, shown_name, to_input
from explorer.files import TEMPORARY, read_json, sweep, sync_folder, write_json
from explorer.reach import allow
from explorer.text import Missing, Problem

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
LEAST = 3  # pictures a class needs for both splits to have one
MOST_PICTURES, MOST_CLASSES = 200_000, 1000
MOST_BYTES = 20_000_000  # of one picture
Step = Callable[[int, int], None]  # (pictures read, of how many)


@dataclass(frozen=True)
class FolderReport:
    """What was found in a folder.

    counts: usable pictures per class, in class order;  skipped: (file, reason) of every picture left out
    other: number of files that are not pictures by their name
    """

    path: Path
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...]
    other: int


def registry() -> Path:
    """The file that holds the name and path of every folder added."""
    return data_root() / "folders.json"


def registered() -> dict[str, Path]:
    """Every folder added so far, name -> path."""
    return {name: Path(path) for name, path in read_json(registry()).items() if isinstance(path, str)}


def add(name: str, path: Path, on_step: Step = lambda done, total: None) -> FolderReport:
    """Read the folder, then register it under `name` (already checked to be a name, and free).

    Raises Problem when it is not a folder of class folders, or too few pictures of a class can be read. A
    name that stands for another folder is refused; adding the same folder again reads what has changed.
    """
    allow("add data")
    path = Path(path).expanduser().resolve()
    known = registered()
    if name in known and known[name] != path:
        raise Problem("{name} is already the name of {path}; choose another.", name=name, path=known[name])
    cached = _read(name, path, on_step)
    write_json(registry(), {key: str(value) for key, value in (known | {name: path}).items()})
    return _report(path, read_json(cached / "card.json"))


def remove(name: str) -> None:
    """Forget a folder and its cache; the user's own files are not touched."""
    allow("remove data")
    known = registered()
    if name not in known:
        raise Problem("No folder is called {name}; known: {known}.", name=name, known=", ".join(known) or "-")
    write_json(registry(), {key: str(value) for key, value in known.items() if key != name})
    shutil.rmtree(_cache(name), ignore_errors=True)


def load(name: str, path: Path, split: str) -> ImageSet:
    """One split of a registered folder; it is read anew when a file was added, changed or removed.

    When the folder is away (a stick pulled out), the pictures read earlier are used; Missing without those.
    """
    cached = _current(name, path)
    card = read_json(cached / "card.json")
    pixels, labels = np.load(cached / "images.npy", mmap_mode="r"), np.load(cached / "labels.npy")
    classes = tuple(card["classes"])
    train, test = stratified(labels, 0.2, seed=0)
    chosen = {"train": train, "test": test}[split]
    images = pixels.transpose(0, 3, 1, 2)
    mean, std = channel_statistics(images[train])
    return ImageSet(
        name=name,
        split=split,
        images=images[chosen],
        labels=labels[chosen],
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=fingerprint(images[chosen], labels[chosen], classes),
    )


def classes(name: str) -> tuple[str, ...]:
    """The class names of a registered folder, as last read; empty when it was never read here."""
    newest = _newest(name)
    return tuple(read_json(newest / "card.json").get("classes", ())) if newest else ()


def report(name: str) -> FolderReport:
    """What was found when the registered folder was last read; Missing when it never was."""
    newest = _newest(name)
    if newest is None:
        raise Missing("{name} has not been read yet.", name=name)
    return _report(registered()[name], read_json(newest / "card.json"))


def signature(name: str, path: Path) -> str:
    """16 hex digits that change with any picture; those of the last reading when the folder is away."""
    if path.is_dir():
        return _signature(path, list(_pictures(path)[0]))
    newest = _newest(name)
    return newest.name if newest else ""


def _current(name: str, path: Path) -> Path:
    """The cache folder of the pictures as they are now."""
    if path.is_dir():
        return _read(name, path, lambda done, total: None)
    newest = _newest(name)
    if newest is None:
        raise Missing("The folder {path} of {name} is not there.", path=path, name=name)
    return newest


def _cache(name: str) -> Path:
    return data_root() / "folders" / name


def _newest(name: str) -> Path | None:
    found = [path.parent for path in _cache(name).glob("*/card.json")]
    return max(found, key=lambda path: path.stat().st_mtime) if found else None


def _report(path: Path, card: dict) -> FolderReport:
    skipped = tuple((file, reason) for file, reason in card["skipped"])
    return FolderReport(path, tuple(card["classes"]), tuple(card["counts"]), skipped, card["other"])


def _class_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise Problem("{path} is not a folder.", path=root)
    try:
        found = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise Problem("{path} cannot be read: {reason}.", path=root, reason=error.strerror) from error
    names = {folder.name.lower() for folder in found}
    if "train" in names and names <= {"train", "test", "val", "valid", "validation"}:
        raise Problem(
            "{path} holds splits, not classes; add {train}: it is split 80/20 here.",
            path=root,
            train=root / "train",
        )
    if len(found) < 2:
        raise Problem(
            "{path} holds {n} folders; a data set needs two or more, one per class, with its pictures in it.",
            path=root,
            n=len(found),
        )
    if len(found) > MOST_CLASSES:
        raise Problem(
            "{path} holds {n} folders; at most {most} classes are possible.",
            path=root,
            n=len(found),
            most=MOST_CLASSES,
        )
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, sorted; linked folders are not entered, so that a loop of links ends."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def _pictures(root: Path) -> tuple[list[tuple[Path, int]], list[str], int, list[tuple[Path, Problem]]]:
    """((file, label) of every picture, class names, number of other files, refused files with the reason)."""
    pictures, refused, other = [], [], 0
    folders = _class_folders(root)
    for label, folder in enumerate(folders):
        if not folder.resolve().is_relative_to(root.resolve()):
            refused.append((folder, Problem("a link that leaves the folder")))
            continue
        for file in _files(folder):
            if file.suffix.lower() not in SUFFIXES:
                other += 1
            elif not file.resolve().is_relative_to(root.resolve()):
                refused.append((file, Problem("a link that leaves the folder")))
            elif not file.is_file():
                refused.append((file, Problem("not a plain file")))
            elif file.stat().st_size > MOST_BYTES:
                refused.append((file, Problem("more than {limit} MB", limit=MOST_BYTES // 10**6)))
            else:
                pictures.append((file, label))
    names = [shown_name(folder.name) for folder in folders]
    if len(set(names)) < len(names):
        raise Problem("{path} holds two folders whose names look alike; rename one.", path=root)
    if len(pictures) > MOST_PICTURES:
        raise Problem(
            "{path} holds {n} pictures; at most {most} are possible.",
            path=root,
            n=len(pictures),
            most=MOST_PICTURES,
        )
    return pictures, names, other, refused


def _signature(root: Path, pictures: list[tuple[Path, int]]) -> str:
    lines = []
    for file, label in pictures:
        state = file.stat()
        lines.append(f"{file.relative_to(root)}\0{label}\0{state.st_size}\0{state.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def _read(name: str, root: Path, on_step: Step) -> Path:
    """The cache folder of the pictures as they are now, filled if need be, in one step."""
    pictures, names, other, refused = _pictures(root)
    target = _cache(name) / _signature(root, pictures)
    if (target / "card.json").exists():
        return target
    images, labels, skipped = [], [], [(file, str(reason)) for file, reason in refused]
    for done, (file, label) in enumerate(pictures, 1):
        try:
            images.append(to_input(open_picture(file.read_bytes(), file.name).image, size=SIZE))
            labels.append(label)
        except Problem as problem:
            skipped.append((file, str(problem)))
        except OSError as error:
            skipped.append((file, error.strerror or str(error)))
        on_step(done, len(pictures))
    counts = np.bincount(np.asarray(labels, np.int64), minlength=len(names))
    for label, count in enumerate(counts):
        if count < LEAST:
            raise Problem(
                "The class {name} has {n} pictures that can be read; at least {least} are needed.{first}",
                name=names[label],
                n=int(count),
                least=LEAST,
                first=f" {shown_name(skipped[0][0].name)}: {skipped[0][1]}" if skipped else "",
            )
    card = {
        "path": str(root),
        "classes": names,
        "counts": counts.tolist(),
        "skipped": [
            (shown_name(file.parent.name) + "/" + shown_name(file.name), reason) for file, reason in skipped
        ],
        "other": other,
    }
    _store(target, np.stack(images).transpose(0, 2, 3, 1), np.asarray(labels, np.int64), card)
    return target


def _store(target: Path, pixels: np.ndarray, labels: np.ndarray, card: dict) -> None:
    """Fill a folder beside `target`, then give it the name; another process that was quicker wins."""
    partial = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        partial.mkdir(parents=True)
        np.save(partial / "images.npy", np.ascontiguousarray(pixels))
        np.save(partial / "labels.npy", labels)
        write_json(partial / "card.json", card)
        partial.rename(target)
        sync_folder(target.parent)
        sweep(target.parent)
        for older in target.parent.iterdir():
            if older != target and not older.name.startswith(TEMPORARY):
                shutil.rmtree(older, ignore_errors=True)
    except OSError as error:
        if not (target / "card.json").exists():
            reason = error.strerror or error
            raise Problem("Cannot write {path}: {reason}.", path=target, reason=reason) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
