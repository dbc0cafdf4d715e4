"""Two processes (gloo, CPU) draw and score together: the same pictures, statistics and scores as one, told once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis import protocols, reference, samplers, together
from explorer.analysis.fid import statistics
from explorer.data.drawn import read_drawn
from explorer.text import Missing
from tests.analysis.test_sampling import made
from tests.analysis.test_scores import Small

ROOT = Path(__file__).resolve().parents[2]


def test_alone_there_is_nothing_to_share() -> None:
    x = np.arange(12).reshape(6, 2)
    one = statistics(x.astype(np.float32))
    assert together.join() == (0, 1) and together.gathered(x) is x and together.added(one) is one
    together.check_shares(1)
    assert together.of_first(lambda: 7) == 7
    with pytest.raises(Missing):
        together.of_first(lambda: (_ for _ in ()).throw(Missing("gone")))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, list[dict], str]]:
    """By number of processes: the folder, what the commands said, and stderr."""
    found, models = {}, tmp_path_factory.mktemp("models")
    for model in ("vae", "dcgan", "ddpm"):
        made(models, model)
    for count in (1, 2):
        folder = tmp_path_factory.mktemp(f"by-{count}")
        shutil.copytree(models, folder / "checkpoints")
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "EXPLORER_THREADS": "1", "PYTHONPATH": str(ROOT),
            "EXPLORER_DATA": str(folder / "data"), "EXPLORER_CHECKPOINTS": str(folder / "checkpoints"),
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, *(torchrun if count == 2 else []), "tests/analysis/two_scorers.py", str(folder)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr[-3000:]
        lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        found[count] = folder, lines, ended.stderr
    return found


@pytest.mark.slow
def test_what_is_drawn_is_what_one_process_draws(done: dict) -> None:
    alone, both = (read_drawn(done[count][0] / f"drawn-{count}.npz") for count in (1, 2))
    assert both[0].shape == (21, 3, 32, 32) and np.array_equal(alone[1], both[1])
    off = np.abs(alone[0].astype(int) - both[0].astype(int))
    assert off.max() <= 1 and (off > 0).mean() <= 1e-3 and both[0].std() > 10


@pytest.mark.slow
def test_the_scores_are_those_of_one_process_and_are_told_once(done: dict) -> None:
    (_, alone, _), (folder, both, said) = done[1], done[2]
    assert len(alone) == len(both) == 5, "the first process speaks for all"
    for key in ("fid", "kid", "precision", "recall", "density", "coverage", "fid_n", "reference_n"):
        assert both[1][key] == pytest.approx(alone[1][key], rel=2e-3, abs=1e-4), key
        assert both[2][key] == pytest.approx(alone[2][key], rel=2e-3, abs=1e-4), key
    assert both[1]["fid_n"] == 601 and both[1]["judged"]["n"] == 601
    assert "cannot be shared by 2 processes" in said and "at least 500" in said
    assert not (folder / "one.npz").exists()


@pytest.mark.slow
def test_samplers_and_protocols_are_those_of_one_process_and_are_written_once(done: dict) -> None:
    (_, alone, _), (folder, both, _) = done[1], done[2]
    for at, name, file in ((3, "tiny-ddpm", samplers.FILE), (4, "tiny-dcgan", protocols.FILE)):
        assert both[at]["kept"] and len(both[at]["rows"]) == len(alone[at]["rows"]) >= 2
        for one, two in zip(alone[at]["rows"], both[at]["rows"]):
            times = {"fid": 0, "milliseconds": 0}
            assert one | times == two | times and two["n"] == 501
            assert two["fid"] == pytest.approx(one["fid"], rel=2e-3)
        checkpoints.verify(folder / "checkpoints" / name)
        stored = json.loads((folder / "checkpoints" / name / file).read_text())
        assert stored["rows"] == both[at]["rows"]
    assert [found[3]["processes"] for found in (alone, both)] == [1, 2]
    assert not list((folder / "data").rglob("samplers-*"))


@pytest.mark.slow
def test_the_reference_of_shares_is_the_whole_one_and_the_card_is_written_once(
    done: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}
    for count, (folder, lines, _) in done.items():
        monkeypatch.setenv("EXPLORER_DATA", str(folder / "data"))
        kept[count] = reference.kept(data.load("digits", "train").fingerprint, Small.identity)
        place = folder / "checkpoints" / "tiny-vae"
        checkpoints.verify(place)
        card = checkpoints.read_card(place)
        assert card.metrics["samples"]["fid"] == lines[2]["fid"] and card.metrics["samples"]["n"] == 600
        assert card.metrics["samples"]["accuracy_score"]["n"] == len(data.load("digits", "test"))
        assert not list((folder / "checkpoints").glob(".tmp-*"))
    assert kept[1].n == kept[2].n == 1438
    for one, two in ((kept[1].total, kept[2].total), (kept[1].outer, kept[2].outer)):
        assert np.abs(one - two).max() < 1e-12 * np.abs(one).max()
