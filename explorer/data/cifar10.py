"""CIFAR-10 (Krizhevsky 2009): 50,000 train and 10,000 test pictures of 32x32, ten classes.

Read from parquet in Hugging Face's layout or from torchvision's files, whichever lies in `data_root()/cifar10`; the
first reading leaves a plain array beside them that is memory-mapped from then on. The sha256 of the pixels is
compared at every load, because a re-encoded copy looks the same and is not: on a JPEG (quality 75) copy one recipe lost 3.2 points.
"""

import io
from pathlib import Path

import numpy as np

from explorer.data.imageset import ImageSet, data_root, fingerprint, pixel_hash
from explorer.text import Missing, Problem

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the train split, per channel
COUNT = {"train": 50_000, "test": 10_000}
PIXELS = {  # sha256 of the uint8 pixels, (N, 32, 32, 3) in C order
    "train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
}


def folder() -> Path:
    """Where CIFAR-10 lies, or would lie."""
    return data_root() / "cifar10"


def available() -> bool:
    """Whether both splits can be loaded from some source here (nothing is read)."""
    return all(_array(split).exists() or _parquet(split) for split in COUNT) or _torchvision_files().is_dir()


def load(split: str) -> ImageSet:
    """One split in the official order. Raises Missing without a source, Problem when the pixels are not CIFAR-10's."""
    path = _array(split)
    if not path.exists():
        pixels, labels = _read(split)
        _check(split, pixels.transpose(0, 3, 1, 2), path)
        try:
            _write(path, pixels, labels)
        except OSError:  # a folder that cannot be written to: works all the same, only slower the next time
            return _image_set(split, pixels, labels)
    try:
        pixels, labels = np.load(path, mmap_mode="r"), np.load(_labels(split))
    except (OSError, ValueError, EOFError) as error:
        raise Problem(
            "{path} cannot be read ({error}); delete it and load again.", path=path, error=error
        ) from error
    _check(split, pixels.transpose(0, 3, 1, 2), path)
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
    files = _parquet(split)
    if files:
        return _read_parquet(files)
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
        "CIFAR-10 is not here yet; get it with: python -m explorer data get cifar10 (170 MB, looked for in {path}).",
        path=folder(),
    )


def _read_parquet(files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow.parquet
    from PIL import Image

    pixels, labels = [], []
    for path in files:
        try:
            table = pyarrow.parquet.read_table(path)
            pictures = table.column("img").combine_chunks().field("bytes").to_pylist()
            pixels += [np.asarray(Image.open(io.BytesIO(picture), formats=["PNG"])) for picture in pictures]
            labels += table.column("label").to_pylist()
        except (OSError, ValueError, KeyError) as error:
            raise Problem("{path} is not CIFAR-10 in parquet: {error}", path=path, error=error) from error
    return np.stack(pixels), np.asarray(labels, np.int64)


def _check(split: str, images: np.ndarray, path: Path) -> None:
    found = pixel_hash(images)
    if found != PIXELS[split]:
        raise Problem(
            "The pixels of CIFAR-10's {split} split in {path} have sha256 {found}, expected {expected}: "
            "it is a re-encoded or damaged copy; delete it and get the data set again.",
            split=split,
            path=path.parent,
            found=found[:12] + "…",
            expected=PIXELS[split][:12] + "…",
        )


def _write(path: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Labels first, pictures last: a reader that sees the pictures finds both whole."""
    for target, array in ((path.with_name(path.name.replace("-images", "-labels")), labels), (path, pixels)):
        partial = target.with_name(f".{target.name}.part")
        with partial.open("wb") as file:
            np.save(file, array)
        partial.replace(target)
