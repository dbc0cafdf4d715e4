"""MANIFEST.json: the size and sha256 of every file of a checkpoint, without which nothing of it is believed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from explorer import files
from explorer.text import Problem

WEIGHTS, CONFIG, README, MANIFEST = "model.safetensors", "config.json", "README.md", "MANIFEST.json"

LARGEST_CARD = 10_000_000  # the same for config.json and MANIFEST.json


def check_inside(path: Path, outer: Path) -> None:
    """Problem when a link leads from `path` out of `outer`."""
    if not path.resolve().is_relative_to(outer.resolve()):
        raise Problem("{name} leads out of its folder and is not used.", name=path.name)


def read_json(path: Path) -> Any:
    """What a small JSON file holds; ValueError or OSError otherwise."""
    if path.stat().st_size > LARGEST_CARD:
        raise ValueError(f"more than {LARGEST_CARD} bytes")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sha256_of(path: Path) -> str:
    """64 hex digits of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path) -> dict[str, dict[str, Any]]:
    """Compare every file with the manifest and return what it lists: {file: {"bytes", "sha256"}}.

    Raises Problem naming the first file that is missing, cut short, altered or outside the folder.
    """
    try:
        listed = read_json(folder / MANIFEST)["files"]
        for name, expected in listed.items():
            path = folder / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise Problem(
                    "{folder}: the manifest names {name}, outside the folder.",
                    folder=folder.name,
                    name=repr(name),
                )
            check_inside(path, folder)
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
            if sha256_of(path) != expected["sha256"]:
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


def write_manifest(folder: Path, without: str = "") -> None:
    """List every file of the folder as it is now, except `without`; called when all of them are written."""
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in (MANIFEST, without)
        and not path.name.startswith(files.TEMPORARY)
    }
    files.write_bytes(folder / MANIFEST, (json.dumps({"files": listed}, indent=1) + "\n").encode())
