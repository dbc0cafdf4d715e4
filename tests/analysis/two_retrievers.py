"""Run by torchrun from test_cli_retrieving.py: index the digits and ask for neighbours; what the commands say goes to
stdout, a line of JSON each.

python -m torch.distributed.run --standalone --nproc_per_node 2 tests/analysis/two_retrievers.py FOLDER
"""

import os
import sys
from pathlib import Path

import torch

from explorer import cli


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    picture, world = str(folder / "picture.png"), os.environ.get("WORLD_SIZE", "1")
    for words in (
        ["index", "mine", "--split", "train"],
        ["neighbours", "mine", picture, "--k", "12"],
        ["neighbours", "mine", picture, "--k", "12", "--metric", "euclidean"],
    ):
        code = cli.main([*words, "--json"])
        assert code == 0, f"{words}: {code}"
    if world == "2":  # every process refuses: none waits for the other
        assert cli.main(["neighbours", "mine", picture, "--k", "1439"]) == 1
        assert cli.main(["neighbours", "mine", picture, "--layer", "code"]) == 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
