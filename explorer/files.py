"""Writing files so that a reader sees the old one or the new one, never half: after kill -9, on a full disk.

The new bytes go to a temporary file in the same folder, are forced to disk, and take the name in one step.
"""

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from explorer.text import Problem

TEMPORARY = ".tmp-"  # the beginning of every temporary name, for `sweep`


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """An error of the disk inside the block as a Problem in one sentence that names `path`."""
    try:
        yield
    except OSError as error:
        raise Problem("Cannot write {path}: {reason}.", path=path, reason=error.strerror or error) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file to fill; at the end of the block it becomes `path`.

    When the block or the disk fails, `path` is as it was and the temporary file is gone. A full disk, a
    read-only folder or a file in a folder's place is a Problem in one sentence.
    """
    path = Path(path)
    temporary = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}{path.suffix}"
            temporary.touch(exist_ok=False)
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # after a failure of the folder itself
                temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step; Problem when that is impossible."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON to `path` in one step; Problem when that is impossible."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())


def read_json(path: Path) -> dict:
    """The JSON object in `path`; an empty one when the file is absent or does not hold an object."""
    try:
        value = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to disk, where the system can (Windows cannot open a folder)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(folder: Path, older_than: float = 3600.0) -> int:
    """Remove what a killed writer left in `folder`, files and folders, and return how many.

    older_than: seconds since the last change; what is younger may belong to a living writer
    """
    removed = 0
    for path in Path(folder).glob(TEMPORARY + "*"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime < older_than:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed += 1
    return removed
