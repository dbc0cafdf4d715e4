"""How much faster our U-Net trains than diffusers' UNet2DModel of like size, and what both draw after equal minutes.

    python benchmarks/ddpm_speed.py                    # images/s: at least twice as many are promised
    python benchmarks/ddpm_speed.py --minutes 20       # then train each for 20 minutes, and FID-2k of both
    python benchmarks/ddpm_speed.py --rounds 1 --steps 2 --json /tmp/ddpm_speed.json

Exit status 1 when the median ratio is below what is promised, and when --minutes lacks CIFAR-10 or the Inception
weights, which is said before anything is measured. The speeds alone need neither: they do not depend on the pictures.

Both nets are trained by the same loop with the same recipe ("ddpm": v-prediction, batch 128 here), in bfloat16 where
the machine has it, channels last, turn by turn in one process. Theirs: widths 64-128-128, one layer a block, attention
at the middle level and in the bottom; it knows the class as ours does.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from benchmarks.train_speed import pictures, seconds  # noqa: E402
from explorer import data, device, models  # noqa: E402
from explorer.data import inception as weights  # noqa: E402
from explorer.files import write_json  # noqa: E402
from explorer.models.ddpm import Denoiser  # noqa: E402
from explorer.models.pixels import as_pixels  # noqa: E402
from explorer.text import Problem  # noqa: E402
from explorer.training import make_recipe  # noqa: E402
from explorer.training.diffusion import Diffusion  # noqa: E402
from explorer.training.fabric import make_fabric  # noqa: E402

DRAWN = 2000
BAR = 2  # times as many images a second as theirs, at least


class Theirs(Denoiser):
    """diffusers' UNet2DModel, told what ours is told."""

    def __init__(self, classes: int, widths: Any = None, prediction: str = "v"):
        super().__init__()
        import diffusers

        self.classes, self.prediction = classes, prediction
        self.net = diffusers.UNet2DModel(
            sample_size=32,
            block_out_channels=(64, 128, 128),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            num_class_embeds=classes + 1,
        )
        nn.init.zeros_(self.net.conv_out.weight)  # as ours begins

    def forward(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.net(x, t, labels).sample


SIDES = {"ours": "ddpm", "theirs": "unet2d"}


def make(model: str, batch: int, epochs: float) -> Diffusion:
    """The training of a net."""
    recipe = make_recipe("ddpm", batch=batch, epochs=epochs)
    return Diffusion(make_fabric(model), model, recipe, 0, pictures())


def endless(task: Diffusion) -> Iterator[None]:
    for step in range(task.total_steps):
        yield task.step(step)["loss"].item()


def speeds(batch: int, steps: int, rounds: int) -> dict[str, Any]:
    """images/s of each side, round by round, their ratios and the median of these."""
    sides = {name: endless(make(model, batch, 10_000)) for name, model in SIDES.items()}
    for side in sides.values():
        seconds(side, 2)  # kernels chosen
    found: dict[str, list[float]] = {name: [] for name in sides}
    for at in range(rounds):
        for name, side in list(sides.items())[:: -1 if at % 2 else 1]:
            found[name].append(steps * batch / seconds(side, steps))
        print(
            f"round {at + 1}: {', '.join(f'{k} {v[-1]:.0f} img/s' for k, v in found.items())}",
            file=sys.stderr,
        )
    ratios = [ours / theirs for ours, theirs in zip(found["ours"], found["theirs"])]
    return {**found, "ratio": ratios, "median": statistics.median(ratios)}


def after(minutes: float, model: str, batch: int, speed: float) -> dict[str, Any]:
    """Train for about so many minutes at `speed` images/s, draw 2,000 pictures with DDIM-20, and FID-2k."""
    from explorer.analysis import fid, inception, scores

    task = make(model, batch, minutes * 60 * speed / len(pictures()))
    began = time.perf_counter()
    for step in range(task.total_steps):
        task.step(step)
    trained = (time.perf_counter() - began) / 60
    task.average.eval()
    drawn = []
    for start in range(0, DRAWN, 64):
        seeds = range(start, min(start + 64, DRAWN))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        labels = torch.tensor([seed % task.classes for seed in seeds])
        drawn.append(as_pixels(task.average.sample(generators, labels, sampler="ddim", steps=20)))
    extractor = inception.Extractor()
    target = scores.against(data.load("cifar10", "train"), extractor)  # all 50,000, as in the cards
    found = fid.fid(fid.statistics(extractor.features(np.concatenate(drawn))), target.statistics)
    return {"minutes": round(trained, 2), "images": task.total_steps * batch, "fid_2k": found.value}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5, help="steps of a block")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0, help="also train each side for so long")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the result there, as far as it has come"
    )
    asked = parser.parse_args()
    threads = device.set_threads()
    if asked.minutes:
        try:
            data.load("cifar10", "train")
            weights.weights()
        except Problem as problem:
            print(problem, file=sys.stderr)
            return 1
    models.MODELS["unet2d"] = dataclasses.replace(models.MODELS["ddpm"], build=Theirs)
    options = {key: value for key, value in vars(asked).items() if key != "json"}
    found = options | {"threads": threads, "torch": torch.__version__}

    def keep() -> None:
        if asked.json:
            write_json(asked.json, found)

    found |= speeds(asked.batch, asked.steps, asked.rounds)
    keep()
    met = found["median"] >= BAR
    print(
        f"our U-Net trains {found['median']:.2f} times as many images a second (median of {asked.rounds} rounds); "
        f"{'met' if met else 'MISSED'}: at least {BAR} times",
        flush=True,
    )
    for name, model in SIDES.items() if asked.minutes else ():
        found[f"{name} trained"] = after(asked.minutes, model, asked.batch, statistics.median(found[name]))
        keep()
        print(f"{name}: {found[f'{name} trained']}", flush=True)
    print(json.dumps(found))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
