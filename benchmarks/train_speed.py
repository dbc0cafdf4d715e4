"""How much faster our loop trains a net than a loop as tutorials write it, on the machine this runs on.

    python benchmarks/train_speed.py                          # resnet18: at least 1.8 times as fast is promised
    python benchmarks/train_speed.py --rounds 1 --steps 3     # a look whether it runs

Both sides train the same net with the same batch size, in one process, turn by turn: a block of steps here, a block
there, so that what else the machine does meets both. Printed: the ratio of each round and their median.
Ours is the loop behind `python -m explorer train` with its recipe "short"; the other is benchmarks/plain_loop.py.
The pictures are CIFAR-10's where it is here, else noise of the same size: speed does not depend on what they show.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from benchmarks.plain_loop import Pictures, plain_steps  # noqa: E402
from explorer import data, device, models  # noqa: E402
from explorer.data import ImageSet  # noqa: E402
from explorer.training import make_recipe  # noqa: E402
from explorer.training.fabric import make_fabric  # noqa: E402
from explorer.training.supervised import Supervised  # noqa: E402


def pictures() -> ImageSet:
    """CIFAR-10's training pictures, or as many of noise."""
    if data.available("cifar10"):
        return data.load("cifar10", "train")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50_000, 3, 32, 32), np.uint8)
    labels = rng.integers(0, 10, 50_000)
    names = data.spec("cifar10").classes
    return ImageSet("noise", "train", images, labels, names, (0.5,) * 3, (0.29,) * 3, "0" * 64)


def our_steps(model: str, batch: int, image_set: ImageSet) -> Iterator[None]:
    """Train for ever with our loop, an optimiser step per item."""
    recipe = make_recipe("short", batch=batch, epochs=10_000)
    task = Supervised(make_fabric(model), model, recipe, 0, image_set)
    for step in range(task.total_steps):
        yield task.step(step)["loss"].item()


def seconds(steps: Iterator, count: int) -> float:
    """How long the next `count` steps take."""
    began = time.perf_counter()
    for _ in range(count):
        next(steps)
    return time.perf_counter() - began


def measure(model: str, batch: int, steps: int, rounds: int, workers: int) -> dict:
    """{"ours": img/s of each round, "plain": the same, "ratio": each round's, "median": of these}."""
    image_set = pictures()
    other = Pictures(image_set.images, image_set.labels, image_set.mean, image_set.std)
    ours = our_steps(model, batch, image_set)
    plain = plain_steps(models.build(model, 10, seed=0), other, batch, workers)
    for side in (ours, plain):
        seconds(side, 2)  # kernels chosen, workers started
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    for at in range(rounds):
        for name, side in [("ours", ours), ("plain", plain)][:: -1 if at % 2 else 1]:
            found[name].append(steps * batch / seconds(side, steps))
        print(
            f"round {at + 1}: ours {found['ours'][-1]:.0f} img/s, plain {found['plain'][-1]:.0f} img/s",
            file=sys.stderr,
        )
    ratios = [ours / plain for ours, plain in zip(found["ours"], found["plain"])]
    return {**found, "ratio": ratios, "median": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet18", choices=models.CLASSIFIERS)
    parser.add_argument("--batch", type=int, default=128, help="pictures a step, on both sides")
    parser.add_argument("--steps", type=int, default=20, help="steps of a block")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="of the plain side's DataLoader")
    asked = parser.parse_args()
    threads = device.set_threads()
    found = measure(asked.model, asked.batch, asked.steps, asked.rounds, asked.workers)
    print(json.dumps({**vars(asked), "threads": threads, "torch": torch.__version__, **found}))
    print(f"{asked.model}: our loop is {found['median']:.2f} times as fast (median of {asked.rounds} rounds)")


if __name__ == "__main__":
    main()
