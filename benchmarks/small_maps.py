"""A training step with the small maps' convolutions as matrix products, and with torch's own: turn by turn, one thread.

python benchmarks/small_maps.py [MODEL …]
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import torch.nn.functional as F

from explorer import models
from explorer.training.small_maps import replace_convolutions

BATCH, STEPS, ROUNDS = 64, 3, 7


def seconds(model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    """Processor time of a few steps: waiting for other work on the machine does not count."""
    began = time.process_time()
    for _ in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(x)
        model.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
    return time.process_time() - began


def main() -> None:
    torch.set_num_threads(1)
    x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))
    for name in sys.argv[1:] or ["resnet18", "resnet50", "fastnet"]:
        usual, ours = models.build(name, 10, seed=0), models.build(name, 10, seed=0)
        for model in (usual, ours):
            model.to(memory_format=torch.channels_last).train()
        replace_convolutions(ours)
        ratios = [seconds(usual, x, labels) / seconds(ours, x, labels) for _ in range(ROUNDS + 1)][1:]
        print(
            f"{name}: {statistics.median(ratios):.2f} times as fast (from {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
