"""How much of what is none of its classes a checkpoint notices: by the cosine with its class means (what the app does),
by the highest probability, the largest logit and the energy (Liu et al. 2020), each with 5 % of its own test pictures
turned away.

    python benchmarks/novelty.py [CHECKPOINT …]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from explorer import checkpoints, data
from explorer.analysis import calibration, novelty, predict


def strange(own: str, n: int = 300) -> dict[str, np.ndarray]:
    """uint8 (n, 3, 32, 32) pictures of nothing that a model of data set `own` knows."""
    rng = np.random.default_rng(0)
    blobs = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    found = {
        "noise": rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8),
        "one colour": np.tile(rng.integers(0, 256, (n, 3, 1, 1), dtype=np.uint8), (1, 1, 32, 32)),
        "blobs": np.stack(
            [Image.fromarray(blob).resize((32, 32), Image.Resampling.BICUBIC) for blob in blobs]
        ),
    }
    found["blobs"] = found["blobs"].transpose(0, 3, 1, 2)
    for other in ("digits", "cifar10-sheet"):
        if not own.startswith(other.partition("-")[0]):
            split = "train" if other == "digits" else "test"
            found[other] = np.asarray(data.load(other, split).images[:n])
    return found


def scores(loaded: checkpoints.Loaded, images: np.ndarray) -> dict[str, np.ndarray]:
    """Higher = more like the classes; float (N,) each."""
    vectors = predict.embeddings(loaded, images)
    logits = predict.head(loaded, vectors)
    return {
        "class means": novelty.similarity(vectors, loaded.class_means),
        "probability": calibration.softmax(logits, loaded.card.temperature).max(1),
        "largest logit": logits.max(1),
        "energy": np.logaddexp.reduce(logits.astype(np.float64), axis=1),
    }


def main() -> None:
    for name in sys.argv[1:] or ["digits-fastnet", "cifar10-fastnet"]:
        loaded = checkpoints.load(name)
        own = "cifar10-sheet" if loaded.card.data == "cifar10" else loaded.card.data
        usual = scores(loaded, data.load(own, "test").images)
        lines = {kind: np.quantile(values, 0.05) for kind, values in usual.items()}
        print(f"{name}: noticed, of")
        for what, images in strange(loaded.card.data).items():
            caught = {kind: (values < lines[kind]).mean() for kind, values in scores(loaded, images).items()}
            print(f"  {what:14}" + "   ".join(f"{kind} {share:6.1%}" for kind, share in caught.items()))


if __name__ == "__main__":
    main()
