"""Drawn pictures on disk: an .npz with `images`, or a folder of PNG files; nothing else, so that nothing is lost.

JPEG is refused, and so is a PNG that 8-bit RGB cannot hold: a score of pictures that were squeezed is another score.
"""

import io
import json
import re
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer import files
from explorer.text import Problem

LARGEST = 4_000_000_000  # bytes of pictures that are read at all
MOST_SIDE = 1024
# Pictures, but no PNGs.
OTHERS = {".jpg", ".jpeg", ".webp", ".avif", ".heic", ".gif", ".bmp", ".tif", ".tiff"}
# How `write_drawn` names a PNG: by its seed and, where one was asked for, its class.
SEEDED = re.compile(r"([0-9]+)(?:-([0-9]{1,9}))?")


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """uint8 (N, 3, H, W) from an array as files hold it, uint8 (N, H, W, 3); Problem says what came instead."""
    if images.dtype.kind == "f" and images.size and not np.isfinite(images).all():
        raise Problem("{name}: the pictures hold values that are not numbers (NaN or infinity).", name=name)
    if images.dtype != np.uint8:
        raise Problem(
            "{name}: pictures must be uint8 from 0 to 255, not {kind}: round them before they are stored.",
            name=name,
            kind=images.dtype,
        )
    if images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise Problem(
            "{name}: expected pictures of shape (N, height, width, 3), not {shape}.",
            name=name,
            shape=images.shape,
        )
    if max(images.shape[1:3]) > MOST_SIDE:
        raise Problem("{name}: pictures of more than {most} pixels a side.", name=name, most=MOST_SIDE)
    return images.transpose(0, 3, 1, 2)


def read_drawn(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The pictures of an .npz or of a folder of PNGs, uint8 (N, 3, H, W), and their labels, int64 (N,), -1 for none:
    those that an .npz holds beside them, or those in the names that `write_drawn` gave; None where there are none.

    A folder's pictures come in the order of their names, those of `write_drawn` in the order of their seeds. Raises
    Problem, one sentence, for anything else.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _folder(path)
        if not path.is_file():
            raise Problem("{path} is neither a checkpoint nor a folder of PNGs nor an .npz file.", path=path)
        with path.open("rb") as file:
            zipped = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
        size = path.stat().st_size
    except OSError as error:  # a name that is too long, or a place that may not be looked into
        raise Problem(
            "{path} cannot be read: {error}", path=path.name[:80], error=error.strerror or error
        ) from error
    if not zipped:
        raise Problem("{path} is no .npz: one with an array called images is needed.", path=path.name)
    try:
        if size > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        with np.load(path, allow_pickle=False) as found:
            if "images" not in found.files:
                raise ValueError("it holds no array called images")
            if sum(entry.file_size for entry in found.zip.infolist()) > LARGEST:
                raise ValueError(f"more than {LARGEST:,} bytes unpacked")
            images = found["images"]
            labels = found["labels"] if "labels" in found.files else None
    except Exception as error:  # a broken file makes numpy's reader raise nearly anything
        raise Problem("{path} cannot be read: {error}", path=path.name, error=error) from error
    images = check_images(images, path.name)
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise Problem("{path} cannot be read: {error}", path=path.name, error="labels do not fit the images")
    return images, None if labels is None else labels.astype(np.int64)


def _folder(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    entries = sorted(path.iterdir())
    others = [entry.name for entry in entries if entry.suffix.lower() in OTHERS]
    if others:
        raise Problem(
            "{path} holds pictures that are no PNGs ({n}, the first is {name}), which may have lost something: take "
            "them out, or make PNGs of the originals.",
            path=path,
            n=f"{len(others):,}",
            name=others[0],
        )
    names = [entry for entry in entries if entry.suffix.lower() == ".png"]
    labels = None
    if (path / "how.json").is_file():
        names.sort(key=lambda name: _seed_and_label(name)[0])
        labels = np.array([_seed_and_label(name)[1] for name in names], np.int64)
    if not names:
        raise Problem("{path} holds no PNG files.", path=path)
    found, size, total = [], None, 0
    for name in names:
        try:
            with Image.open(name, formats=("PNG",)) as image:
                if max(image.size) > MOST_SIDE:
                    raise ValueError(f"more than {MOST_SIDE} pixels a side")
                _check_kind(image, name.name)
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise Problem("{path} cannot be read: {error}", path=name.name, error=error) from error
        size = size or pixels.shape
        if pixels.shape != size:
            raise Problem(
                "{path} is {found} pixels, the pictures before it {expected}: one size is needed.",
                path=name.name,
                found=f"{pixels.shape[1]}x{pixels.shape[0]}",
                expected=f"{size[1]}x{size[0]}",
            )
        found.append(pixels)
        total += pixels.nbytes
        if total > LARGEST:
            raise Problem(
                "{path} cannot be read: {error}",
                path=path.name,
                error=f"more than {LARGEST:,} bytes unpacked",
            )
    return np.stack(found).transpose(0, 3, 1, 2), labels


def _seed_and_label(path: Path) -> tuple[float, int]:
    """As the name says, the label -1 where it says none; a picture that somebody put beside them comes last."""
    found = SEEDED.fullmatch(path.stem)
    return (int(found[1]), int(found[2] or -1)) if found else (float("inf"), -1)


def _check_kind(image: Image.Image, name: str) -> None:
    """Problem for a PNG just opened that loses something as 8-bit RGB."""
    # Not by its mode: that of 16-bit RGB is RGB too.
    if any(tile[3].endswith(";16B") for tile in image.tile or ()):
        raise Problem("{path} has 16 bits a channel, expected 8: round the pictures first.", path=name)
    if image.mode not in ("RGB", "L", "P", "1") or "transparency" in image.info:
        raise Problem(
            "{path} has an alpha channel or a transparent colour, which would be lost: save it as plain RGB.",
            path=name,
        )


def packed_drawn(images: np.ndarray, **arrays: np.ndarray) -> bytes:
    """The bytes of an .npz: images uint8 (N, H, W, 3), from (N, 3, H, W), and further arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=np.ascontiguousarray(images.transpose(0, 2, 3, 1)), **arrays)
    return buffer.getvalue()


def check_target(target: Path) -> Path:
    """Where pictures can be written: an .npz file or a folder that is not there yet; Problem otherwise. Makes the
    folder that it is to stand in, and tries whether a file can be made there."""
    target = Path(target)
    if target.suffix not in ("", ".npz"):
        raise Problem("{path}: pictures go to an .npz file or to a folder.", path=target)
    with files.writing(target):
        try:
            target.lstat()
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=target.parent, prefix=files.TEMPORARY).close()
            return target
    raise Problem("{path} is already there; choose another name.", path=target)


def write_drawn(
    target: Path, images: np.ndarray, seeds: np.ndarray, labels: np.ndarray, how: dict[str, Any]
) -> None:
    """Write pictures uint8 (N, 3, H, W) in one step: to an .npz file, or to a new folder as SEED.png and how.json."""
    target = check_target(target)
    if target.suffix == ".npz":
        about = np.frombuffer(json.dumps(how).encode(), np.uint8)
        files.write_bytes(target, packed_drawn(images, seeds=seeds, labels=labels, how=about))
        return
    partial = target.parent / f"{files.TEMPORARY}{secrets.token_hex(8)}"
    try:
        with files.writing(target):
            partial.mkdir(parents=True)
            for image, seed, label in zip(images, seeds, labels):
                name = f"{seed:06d}" + (f"-{label}" if label >= 0 else "")
                Image.fromarray(image.transpose(1, 2, 0)).save(partial / f"{name}.png")
            (partial / "how.json").write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
