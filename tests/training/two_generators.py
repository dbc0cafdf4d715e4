"""Run by torchrun from test_processes.py: train every model that draws for some steps, write down what was reached.

python -m torch.distributed.run --standalone --nproc_per_node 2 tests/training/two_generators.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch

from explorer import data
from explorer.training import recipe_class
from explorer.training.fabric import make_fabric
from explorer.training.tasks import make_task

STEPS = 4
PLAIN = {"spectral": False, "conditional": False, "gan_loss": "bce", "decay": 0.0}
WAYS = {
    "vae": ("vae", {"latent": 4}),
    "gan": ("dcgan", {"d_steps": 2}),
    "plain": ("dcgan", PLAIN),
    "ddpm": ("ddpm", {}),
}


def train(folder: Path) -> None:
    """One file a process: of each way the numbers of the pictures it saw, all its nets at the end, and its grid."""
    torch.set_num_threads(1)
    digits = data.load("digits", "train").take(np.arange(160))
    result = {}
    for way, (model, settings) in WAYS.items():
        shared = {"batch": 20, "epochs": 2, "holdout": 0, "width": 16, "decay": 0.5, "flip": "random"}
        recipe = recipe_class(model)(**shared | settings)
        task = make_task(make_fabric(model, "cpu"), model, recipe, 7, digits)
        seen = [task.feed.chosen(step).tolist() for step in range(STEPS)]
        for step in range(STEPS):
            task.step(step)
        found = task.evaluate()
        state = {key: value for key, value in task.state().items() if key in ("model", "critic", "average")}
        result[way] = {"seen": seen, "nets": state, "grid": torch.from_numpy(found["grid"])}
    torch.save(result, folder / f"{task.fabric.world_size}-{task.fabric.global_rank}.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
