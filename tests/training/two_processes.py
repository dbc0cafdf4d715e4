"""Run by torchrun from test_processes.py: train a few steps and write down what this process saw and reached.

python -m torch.distributed.run --standalone --nproc_per_node 2 tests/training/two_processes.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch

from explorer import data
from explorer.training import Recipe
from explorer.training.fabric import make_fabric
from explorer.training.supervised import Supervised

STEPS = 6


def train(folder: Path) -> None:
    """One file a process: the labels and pictures of each step, and the weights at the end."""
    torch.set_num_threads(1)
    digits = data.load("digits", "train").take(np.arange(160))
    recipe = Recipe(batch=20, epochs=2, holdout=0, lr=0.05, flip="none", shift=0, average="ema")
    task = Supervised(make_fabric("lenet", "cpu"), "lenet", recipe, 7, digits)
    seen = []
    for step in range(STEPS):
        seen.append([picture.numpy().tobytes() for picture in task._batch(step)[0]])
        task.step(step)
    rank, world = task.fabric.global_rank, task.fabric.world_size
    result = {
        "seen": seen,
        "world": world,
        "weights": task.model.state_dict(),
        "average": task.average.state_dict(),
    }
    torch.save(result, folder / f"{world}-{rank}.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
