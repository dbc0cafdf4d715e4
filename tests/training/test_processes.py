"""Two processes (gloo, CPU) train one model: equal shares, equal weights, one run folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from explorer import checkpoints, runs

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # each starts torch anew in two processes


def launch(count: int, *arguments: str) -> subprocess.CompletedProcess:
    """torchrun on this machine, one thread a process."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "EXPLORER_THREADS": "1"}
    command = [sys.executable, *torchrun, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_two_processes_see_half_of_each_batch_and_end_with_the_same_weights(tmp_path: Path) -> None:
    for count in (1, 2):
        done = launch(count, "tests/training/two_processes.py", str(tmp_path))
        assert done.returncode == 0, done.stderr[-2000:]
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    for together, one, two in zip(alone["seen"], first["seen"], second["seen"], strict=True):
        assert len(one) == len(two) == 10 and sorted(one + two) == sorted(together)
    for part in ("weights", "average"):
        for key, value in first[part].items():
            assert torch.equal(value, second[part][key]), f"the processes differ in {key}"
            assert torch.allclose(value, alone[part][key], atol=3e-3), (
                f"not the training of one process: {key}"
            )
    moved = max((first["weights"][key] - first["average"][key]).abs().max() for key in first["weights"])
    assert moved > 1e-3, "nothing was trained"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """What two processes have reached with every model that draws."""
    folder = tmp_path_factory.mktemp("two")
    done = launch(2, "tests/training/two_generators.py", str(folder))
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(folder / f"2-{rank}.pt", weights_only=True) for rank in (0, 1))
    return first, second


@pytest.mark.parametrize("way", ["vae", "gan", "plain", "ddpm"])
def test_two_processes_end_with_the_same_nets_that_draw(drawn: tuple[dict, dict], way: str) -> None:
    first, second = (found[way] for found in drawn)
    for one, two in zip(first["seen"], second["seen"], strict=True):
        assert len(one) == len(two) == 10 and not set(one) & set(two)
    assert first["nets"].keys() == second["nets"].keys()
    for net, tensors in first["nets"].items():
        for key, value in tensors.items():
            if "running" in key and (net != "average" or way == "plain"):
                continue  # of the process' own pictures; what is kept is the first one's
            assert torch.equal(value, second["nets"][net][key]), f"the processes differ in {net}: {key}"
    if way != "plain":
        assert torch.equal(first["grid"], second["grid"]), "the processes draw different pictures"


def test_the_command_trains_one_run_with_two_processes(tmp_path: Path) -> None:
    # `--`: torchrun would take --run for an abbreviation of an option of its own
    train = [
        "-m",
        "--",
        "explorer",
        "train",
        "--model",
        "lenet",
        "--data",
        "digits",
        "--epochs",
        "2",
        "--device",
        "cpu",
    ]
    done = launch(2, *train, "--run", "pair")
    assert done.returncode == 0, done.stderr[-2000:]
    status = runs.status("pair")
    assert status.state == "done" and status.step == status.total == 40
    steps = [row["step"] for row in runs.metrics("pair")]
    assert steps == sorted(set(steps)) and steps[-1] == 40
    assert checkpoints.load(runs.result("pair"), "cpu").card.recipe["images_seen"] == 40 * 64
    assert len(list(runs.root().iterdir())) == 1
