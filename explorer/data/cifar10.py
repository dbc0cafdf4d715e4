"""CIFAR-10 (Krizhevsky 2009): 50,000 train and 10,000 test pictures of 32x32, ten classes.

Read from parquet in Hugging Face's layout or from torchvision's files, whichever lies in `data_root()/cifar10`; the
first reading leaves a plain array beside them that is memory-mapped from then on. The sha256 of pixels and labels is
compared at every load, because a re-encoded copy looks the same and is not: on a JPEG (quality 75) copy one recipe
lost 3.2 points.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from explorer import files
from explorer.data.imageset import SIZE, ImageSet, data_root, fingerprint, pixel_hash
from explorer.text import Missing, Problem

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the train split, per channel
COUNT = {"train": 50_000, "test": 10_000}
PIXELS = {  # sha256 of the uint8 pixels, (N, 32, 32, 3) in C order
    "train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
}
LABELS = {  # `label_hash` of the labels
    "train": "f5cfe00b0f00968c0cc5ff3b1d2de51b10e33efa277c2986f4e0fa63e58c9f4f",
    "test": "cbb7365de8ed11f05cc4c3a1e7f78144127c5e851efd83762fb18202461230bb",
}


def folder() -> Path:
    """Where CIFAR-10 lies, or would lie."""
    return data_root() / "cifar10"


def available() -> bool:
    """Whether both splits can be loaded from some source here (nothing is read)."""
    return all(_array(split).exists() or _parquet(split) for split in COUNT) or _torchvision_files().is_dir()


def load(split: str) -> ImageSet:
    """One split in the official order. Raises Missing without a source, Problem when it is not CIFAR-10."""
    path = _array(split)
    if not path.exists():
        pixels, labels = _read(split)
        _check(split, pixels, labels, path.parent)
        try:
            _write(path, pixels, labels)
        except Problem:  # a folder that cannot be written to: works all the same, only slower the next time
            return _image_set(split, pixels, labels)
    try:
        pixels, labels = np.load(path, mmap_mode="r"), np.load(_labels(split))
    except (OSError, ValueError, EOFError) as error:
        raise Problem(
            "{path} cannot be read ({error}); delete it and load again.", path=path, error=error
        ) from error
    _check(split, pixels, labels, path.parent)
    return _image_set(split, pixels, labels)


def _image_set(split: str, pixels: np.ndarray, labels: np.ndarray) -> ImageSet:
    images = pixels.transpose(0, 3, 1, 2)
    return ImageSet(
        "cifar10", split, images, labels, CLASSES, MEAN, STD, fingerprint(images, labels, CLASSES)
    )


def _array(split: str) -> Path:
    return folder() / f"{split}-images.npy"


def _labels(split: str) -> Path:
    return folder() / f"{split}-labels.npy"


def _parquet(split: str) -> list[Path]:
    return sorted(
        path for base in (folder(), folder() / "plain_text") for path in base.glob(f"{split}-*.parquet")
    )


def _torchvision_files() -> Path:
    return folder() / "cifar-10-batches-py"


def _read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, 32, 32, 3) and int64 (N,) from the first source that is here."""
    paths = _parquet(split)
    if paths:
        return _read_parquet(paths)
    if _torchvision_files().is_dir():
        from torchvision.datasets import CIFAR10  # compares the md5 of each file before it unpickles anything

        try:
            found = CIFAR10(str(folder()), train=split == "train", download=False)
        except RuntimeError as error:
            raise Problem(
                "The files in {path} are not torchvision's CIFAR-10: {error}", path=folder(), error=error
            ) from error
        return found.data, np.asarray(found.targets, np.int64)
    raise Missing(
        "CIFAR-10 is not here yet; get it with: python -m explorer data get cifar10 "
        "(140 to 170 MB, looked for in {path}).",
        path=folder(),
    )


def _read_parquet(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow
    import pyarrow.parquet
    from PIL import Image

    pixels, labels = [], []
    for path in paths:
        try:
            table = pyarrow.parquet.read_table(path)
            pictures = table.column("img").combine_chunks().field("bytes").to_pylist()
            pixels += [np.asarray(Image.open(io.BytesIO(picture), formats=["PNG"])) for picture in pictures]
            labels += table.column("label").to_pylist()
            if any(picture.shape != (SIZE, SIZE, 3) for picture in pixels):
                raise ValueError("a picture is not 32x32 RGB")
            if any(not isinstance(label, int) for label in labels):
                raise ValueError("a label is not a whole number")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, pyarrow.ArrowException) as error:
            raise Problem("{path} is not CIFAR-10 in parquet: {error}", path=path, error=error) from error
    return np.stack(pixels), np.asarray(labels, np.int64)


def _check(split: str, pixels: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Problem unless uint8 (N, 32, 32, 3) pixels and int64 (N,) labels are the official ones; path: where they lie."""
    right = pixels.ndim == 4 and pixels.dtype == np.uint8
    found = pixel_hash(pixels.transpose(0, 3, 1, 2)) if right else f"{pixels.dtype} {pixels.shape}"
    if found != PIXELS[split]:
        raise Problem(
            "The pixels of CIFAR-10's {split} split in {path} have sha256 {found}, expected {expected}: "
            "it is a re-encoded or damaged copy; delete it and get the data set again.",
            split=split,
            path=path,
            found=found[:12] + "…",
            expected=PIXELS[split][:12] + "…",
        )
    if labels.dtype != np.int64 or label_hash(labels) != LABELS[split]:
        raise Problem(
            "The labels of CIFAR-10's {split} split in {path} are not the official ones: "
            "the copy is damaged; delete it and get the data set again.",
            split=split,
            path=path,
        )


def label_hash(labels: np.ndarray) -> str:
    """sha256 of labels, int (N,), as little-endian int64."""
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def _write(path: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Labels first, pictures last: a reader that sees the pictures finds both whole. Two writers never share a file."""
    for target, array in ((path.with_name(path.name.replace("-images", "-labels")), labels), (path, pixels)):
        with files.replacing(target) as partial, partial.open("wb") as file:
            np.save(file, array)
