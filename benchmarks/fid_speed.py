"""How much faster our Inception features are than torch-fidelity's, turn by turn in one run on the CPU.

    python benchmarks/fid_speed.py                 # at least 1.8 times as fast is promised
    python benchmarks/fid_speed.py --rounds 1 --json /tmp/fid_speed.json

Exit status 1 when the median ratio is below what is promised, and when the weights cannot be had.

Both sides have the same weights, the same batch of 32x32 pictures and the same threads. Time is that of the processor,
so what else the machine does counts little. Printed: pictures a second of each round, the median ratio, and how far the
features differ.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: E402

from explorer import device  # noqa: E402
from explorer.analysis.inception import Extractor  # noqa: E402
from explorer.data import inception as source  # noqa: E402
from explorer.files import write_json  # noqa: E402
from explorer.text import Problem  # noqa: E402

BAR = 1.8  # times as fast as torch-fidelity's, at least


def theirs(folder: Path) -> FeatureExtractorInceptionV3:
    """torch-fidelity's extractor with the weights that ours has."""
    tensors = source.weights()
    for layer in source.LAYERS:
        tensors[f"{layer}.bn.weight"] = torch.ones_like(tensors[f"{layer}.bn.bias"])
        tensors[f"{layer}.bn.num_batches_tracked"] = torch.tensor(0)
    tensors.setdefault("fc.weight", torch.zeros(1008, 2048))
    tensors.setdefault("fc.bias", torch.zeros(1008))
    torch.save(tensors, folder / "weights.pth")
    return FeatureExtractorInceptionV3(
        "it", ["2048"], feature_extractor_weights_path=str(folder / "weights.pth")
    )


def seconds(work: Callable[[], object]) -> float:
    """Processor time, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(batch: int, rounds: int) -> dict:
    """{"ours": pictures a second and core of each round, "theirs": the same, "ratio": each round's, "median": its}."""
    images = np.random.default_rng(0).integers(0, 256, (batch, 3, 32, 32), np.uint8)
    tensor = torch.from_numpy(images)
    with tempfile.TemporaryDirectory() as folder:
        other, ours = theirs(Path(folder)), Extractor()
    with torch.no_grad():
        sides = {"ours": lambda: ours.features(images, batch=batch), "theirs": lambda: other(tensor)[0]}
        gap = np.abs(sides["ours"]() - sides["theirs"]().numpy()).max()  # also warms both up
        found: dict[str, list[float]] = {name: [] for name in sides}
        for at in range(rounds):
            for name in list(sides)[:: -1 if at % 2 else 1]:
                found[name].append(batch / seconds(sides[name]))
            last = ", ".join(f"{name} {values[-1]:.1f}" for name, values in found.items())
            print(f"round {at + 1}: {last} pictures a second and core", file=sys.stderr)
    ratios = [mine / their for mine, their in zip(found["ours"], found["theirs"])]
    return {**found, "ratio": ratios, "median": statistics.median(ratios), "difference": float(gap)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="pictures at a time, on both sides")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    asked = parser.parse_args()
    threads = device.set_threads()
    try:
        source.get_weights()
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    about = {"batch": asked.batch, "rounds": asked.rounds, "threads": threads, "torch": torch.__version__}
    found = about | measure(asked.batch, asked.rounds)
    print(json.dumps(found))
    if asked.json:
        write_json(asked.json, found)
    met = found["median"] >= BAR
    print(
        f"Inception features: {found['median']:.2f} times as fast (median of {asked.rounds} rounds); "
        f"{'met' if met else 'MISSED'}: at least {BAR} times"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
