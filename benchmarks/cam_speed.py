"""What class activation maps cost: turn by turn in one run, one thread, one picture.

python benchmarks/cam_speed.py [CHECKPOINT …]

Claimed for cifar10-resnet18: the raw CAM of all ten classes takes at most 1.5 times one forward pass, and ten Grad-CAMs
by pytorch-grad-cam, one for each class, take at least 8 times as long as it.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from explorer import checkpoints
from explorer.analysis import cam
from explorer.data.augment import normalize

STEPS, ROUNDS = 5, 15


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a few repetitions: waiting for other work on the machine does not count."""
    began = time.process_time()
    for _ in range(STEPS):
        work()
    return time.process_time() - began


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["cifar10-resnet18"]:
        loaded = checkpoints.load(name, "cpu")
        image = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
        x = normalize(torch.from_numpy(image), loaded.card.mean, loaded.card.std)
        x = x.contiguous(memory_format=torch.channels_last)
        net = copy.deepcopy(loaded.model).requires_grad_(True)  # theirs fails on a frozen one
        theirs = GradCAM(model=net, target_layers=[net.get_submodule(cam.last_layer(loaded.card.model))])

        def forward() -> None:
            with torch.inference_mode():
                loaded.model(x)  # noqa: B023

        def ours() -> None:
            cam.explain(loaded, image, "cam")  # noqa: B023

        def one_by_one() -> None:
            for k in range(len(loaded.card.classes)):  # noqa: B023
                theirs(input_tensor=x, targets=[ClassifierOutputTarget(k)])  # noqa: B023

        turns = [tuple(map(seconds, (forward, ours, one_by_one))) for _ in range(ROUNDS + 1)][1:]
        for words, ratios in {
            "CAM of all classes / one forward pass": [ours / plain for plain, ours, _ in turns],
            "pytorch-grad-cam class by class / CAM of all classes": [many / ours for _, ours, many in turns],
        }.items():
            print(
                f"{name}: {words}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
