"""Make explorer/story/shipped.npz: the neighbours of the sheet's pictures, a diffusion model's way out of the noise.

python benchmarks/make_story.py      (half a minute; again when cifar10-fastnet or cifar10-ddpm is replaced or rescored)
"""

import io
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from explorer import checkpoints, data
from explorer.analysis import features, sampling, trajectory
from explorer.analysis.retrieval import METRICS, Exact
from explorer.files import write_bytes
from explorer.story import stored
from explorer.story.generator_figures import how

CLASSIFIER, DRAWS, SEEDS = "cifar10-fastnet", "cifar10-ddpm", range(5)


def neighbours() -> dict[str, object]:
    """As stored.neighbours gives them."""
    loaded, sheet = checkpoints.load(CLASSIFIER), data.load("cifar10-sheet", "test")
    exact = Exact(features.features(loaded, sheet.images, "pooled"))
    made: dict[str, object] = {"sha256": loaded.card.sha256, "lengths": exact.lengths.astype(np.float32)}
    for metric in METRICS:
        found = exact.search(exact.vectors, stored.NEIGHBOURS, metric, without=np.arange(len(sheet)))
        made |= {
            f"{metric} ids": found.ids.astype(np.int16),
            f"{metric} values": found.values.astype(np.float32),
        }
    return made


def way() -> dict[str, object]:
    """As stored.way gives it, drawn as the page does at first."""
    loaded = checkpoints.load(DRAWS)
    found = trajectory.trajectory(loaded, list(SEEDS), **sampling.stored_options(loaded.card))
    return {
        "sha256": loaded.card.sha256, "how": how(loaded.card), "noisy": found.noisy, "levels": found.levels,
        "signal": found.signal, "seeds": found.seeds, "labels": found.labels,
    }  # fmt: skip


def main() -> None:
    """Write the file and print its size."""
    parts = {"neighbours": neighbours(), "way": way()}
    buffer = io.BytesIO()
    arrays = {f"{what}: {key}": value for what, part in parts.items() for key, value in part.items()}
    np.savez_compressed(buffer, **arrays)
    write_bytes(stored.FILE, buffer.getvalue())
    print(f"{stored.FILE.name}: {len(buffer.getvalue()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
