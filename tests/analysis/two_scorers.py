"""Run by torchrun from test_together.py: draw, score and store with untrained generators, a small extractor in
Inception's place; what the commands say goes to stdout, a line of JSON each.

python -m torch.distributed.run --standalone --nproc_per_node 2 tests/analysis/two_scorers.py FOLDER
"""

import os
import sys
from pathlib import Path

import torch

from explorer import cli
from explorer.analysis import examination, inception, protocols, samplers, scores
from explorer.training import accuracy_score
from tests.analysis.test_protocols import Either
from tests.analysis.test_scores import WIDE, Small


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    # 1,438 = 3 x 479 + 1: of the last part of the reference the second process gets no picture.
    scores.WIDTH, scores.PART = WIDE, 479
    examination.Extractor = inception.Extractor = Small
    protocols.Extractor = Either
    examination.examine.__defaults__ = (600, None)
    samplers.TABLE, samplers.rows.__defaults__ = (("ddim", 1), ("dpm", 2)), (None, 501)
    protocols.rows.__defaults__ = (None, 501)
    accuracy_score.accuracy_score.__defaults__ = (0.5, 0, "cpu", None)
    world = os.environ.get("WORLD_SIZE", "1")
    for words in (
        ["sample", "tiny-ddpm", "--n", "21", "--steps", "2", "--out", str(folder / f"drawn-{world}.npz")],
        ["score", "tiny-dcgan", "--n", "601"],
        ["score", "tiny-vae", "--store"],
        ["samplers", "tiny-ddpm"],
        ["protocols", "tiny-dcgan"],
    ):
        code = cli.main([*words, "--json"])
        assert code == 0, f"{words}: {code}"
    if world == "2":  # every process refuses: none waits for the other
        assert cli.main(["sample", "tiny-vae", "--n", "1", "--out", str(folder / "one.npz")]) == 1
        assert cli.main(["score", "tiny-vae", "--n", "20"]) == 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
