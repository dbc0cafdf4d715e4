"""Make explorer/data/sheet.png and sheet.json from CIFAR-10's test split, the same bytes every time."""

import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from explorer.data import cifar10, sheet
from explorer.data.imageset import pixel_hash
from explorer.files import write_bytes


def main() -> None:
    """Write both files and print their size."""
    test = cifar10.load("test")
    indices = sheet.choose(test.labels)
    images = np.asarray(test.images[indices])  # (500, 3, 32, 32)
    rows = images.reshape(-1, sheet.COLUMNS, 3, 32, 32).transpose(0, 3, 1, 4, 2)  # (20, 32, 25, 32, 3)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rows).reshape(-1, sheet.COLUMNS * 32, 3)).save(
        buffer, "PNG", optimize=True
    )
    card = {
        "source": "CIFAR-10 (Krizhevsky 2009), test split, 50 pictures a class chosen with seed 0",
        "pixels_sha256": pixel_hash(images),
        "indices": indices.tolist(),
        "labels": test.labels[indices].tolist(),
    }
    write_bytes(sheet.PICTURE, buffer.getvalue())
    write_bytes(sheet.CARD, (json.dumps(card) + "\n").encode())
    print(f"{len(indices)} pictures, {len(buffer.getvalue()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
