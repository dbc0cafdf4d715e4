"""scikit-learn's 1,797 scanned digits (8x8, 17 grey levels), brought to 32x32 RGB; they come with the package."""

import numpy as np

from explorer.data.imageset import SIZE, ImageSet, fingerprint, stratified

CLASSES = tuple("0123456789")


def as_scanned(images: np.ndarray) -> np.ndarray:
    """Pictures uint8 (N, 3, 32, 32) as a scan would have them, 8x8 and grey, enlarged again: those of this set stay as
    they are, of others what no digit has goes, differences within a block of 4x4 pixels and colour."""
    n, block = len(images), SIZE // 8
    scans = images.reshape(n, 3, 8, block, 8, block).mean((1, 3, 5)).round().astype(np.uint8)
    return np.repeat(scans.repeat(block, axis=1).repeat(block, axis=2)[:, None], 3, axis=1)


def load(split: str) -> ImageSet:
    """The train (80 %) or test (20 %) split, stratified, split seed 0."""
    from sklearn.datasets import load_digits  # two seconds, which `--help` need not wait for

    scans, labels = load_digits(return_X_y=True)
    grey = np.rint(scans.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    enlarged = grey.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)
    images = np.repeat(enlarged[:, None], 3, axis=1)
    labels = labels.astype(np.int64)
    chosen = dict(zip(("train", "test"), stratified(labels, 0.2, seed=0), strict=True))
    train = images[chosen["train"]] / 255
    images, labels = images[chosen[split]], labels[chosen[split]]
    return ImageSet(
        name="digits",
        split=split,
        images=images,
        labels=labels,
        classes=CLASSES,
        mean=(float(train.mean()),) * 3,
        std=(float(train.std()),) * 3,
        fingerprint=fingerprint(images, labels, CLASSES),
    )
