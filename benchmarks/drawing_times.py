"""Milliseconds a picture of all shipped generators, and of every sampler, measured anew together on one quiet machine.

    python benchmarks/drawing_times.py            # prints them
    python benchmarks/drawing_times.py --write    # puts them into the cards and samplers.json

Times of two checkpoints can be compared only where one machine measured both: run it after one of them is scored.
Nothing else may run meanwhile. Two to five minutes on two cores.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from explorer import checkpoints, device  # noqa: E402
from explorer.analysis import samplers, sampling  # noqa: E402

COUNT = {"diffusion": 64}  # pictures; of other tasks 5,000
# drawn before the clock starts; of other tasks 640: without, the first net of a process took four times as long
WARM = {"diffusion": 8}


def milliseconds(loaded: checkpoints.Loaded, **options: Any) -> float:
    """Of one picture, drawn as `options` say, in batches."""
    sampling.draw(loaded, np.arange(WARM.get(loaded.card.task, 640)), **options)
    return sampling.draw(loaded, np.arange(COUNT.get(loaded.card.task, 5_000)), **options).milliseconds


def measure(name: str, write: bool) -> None:
    """Print the times of one generator whose pictures are scored, and put them into its card and table of samplers."""
    loaded = checkpoints.load(name)
    here = device.identity(loaded.device)
    scored = loaded.card.metrics["samples"]
    scored |= {"milliseconds": round(milliseconds(loaded, **sampling.options_for(loaded)), 3), "device": here}
    print(f"{name}: {scored['milliseconds']} ms ({here})", flush=True)
    path, extra = checkpoints.folder_of(name) / samplers.FILE, {}
    if path.is_file():
        found = json.loads(path.read_text()) | {"device": here, "processes": 1}
        for row in found["rows"]:
            options = {key: row[key] for key in ("sampler", "steps", "guidance")}
            row["milliseconds"] = round(milliseconds(loaded, **options), 2)
            print(f"  {row['sampler']} {row['steps']}: {row['milliseconds']} ms", flush=True)
        extra[samplers.FILE] = (json.dumps(found, indent=1) + "\n").encode()
    if write:
        checkpoints.add(name, loaded.card, extra, {"samples": scored})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put them into the checkpoints")
    write = parser.parse_args().write
    device.set_threads()
    for entry in checkpoints.catalogue():
        if entry.card and "samples" in entry.card.metrics:
            measure(entry.name, write)


if __name__ == "__main__":
    main()
