"""What FID, KID, precision and recall make of real pictures spoilt in one way: the table of the page Generate.

    python benchmarks/what_fid_sees.py           # prints it
    python benchmarks/what_fid_sees.py --write   # puts it into explorer/analysis/perturbing.json

Needs CIFAR-10 and the Inception weights; three quarters of an hour on two cores.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from explorer import data, device  # noqa: E402
from explorer.analysis import perturbing, scores  # noqa: E402
from explorer.analysis.inception import Extractor  # noqa: E402

TARGET = Path(perturbing.__file__).with_suffix(".json")


def measured() -> list[perturbing.Seen]:
    """Every fault at every strength of PERTURBATIONS, and the untouched set once."""
    test, extractor = data.load("cifar10", "test"), Extractor()
    target = scores.against(data.load("cifar10", "train"), extractor)
    wanted = [("blur", 0.0)]
    wanted += [(kind, s) for kind, spec in perturbing.PERTURBATIONS.items() for s in spec.strengths]
    found = []
    for kind, strength in wanted:
        # Of nine classes left out 1,000 pictures remain: exactly as many as are needed.
        found.append(perturbing.seen(test, kind, strength, target, extractor))
        print(found[-1], file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into the package")
    write = parser.parse_args().write
    device.set_threads()
    rows = perturbing.rows(measured())
    text = json.dumps({"rows": rows}, indent=1) + "\n"
    if write:
        TARGET.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
