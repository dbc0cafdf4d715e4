"""What FID, KID, precision and recall make of real pictures spoilt in one way: the table of the page Generate.

    python benchmarks/what_fid_sees.py           # prints it
    python benchmarks/what_fid_sees.py --write   # puts it into explorer/analysis/perturbing.json, row by row

Needs CIFAR-10 and the Inception weights; three quarters of an hour on two cores. With --write it goes on where it was
interrupted.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from explorer import data, device, files  # noqa: E402
from explorer.analysis import perturbing, scores  # noqa: E402
from explorer.analysis.inception import Extractor  # noqa: E402

TARGET = Path(perturbing.__file__).with_suffix(".json")


def measure(target: Path | None) -> str:
    """The table as JSON: every fault at every strength of PERTURBATIONS, and the untouched set once, as blur of 0.

    target: where each finished row is written, and where those of an interrupted run are found
    """
    test, extractor = data.load("cifar10", "test"), Extractor()
    against = scores.against(data.load("cifar10", "train"), extractor)
    about = perturbing.evidence(test, against, device.identity(extractor.device))
    wanted = [("blur", 0.0)]
    wanted += [(kind, s) for kind, spec in perturbing.PERTURBATIONS.items() for s in spec.strengths]
    before = files.read_json(target) if target else {}
    same = about == {key: value for key, value in before.items() if key != "rows"}
    rows = before["rows"] if same else []
    for kind, strength in wanted:
        if any((row["kind"], row["strength"]) == (kind, strength) for row in rows):
            continue
        # Of nine classes left out 1,000 pictures remain: exactly as many as are needed.
        rows += perturbing.rows([perturbing.seen(test, kind, strength, against, extractor)])
        print(rows[-1], file=sys.stderr)
        if target:
            files.write_bytes(target, packed(about, rows))
    return packed(about, rows).decode()


def packed(about: dict, rows: list[dict]) -> bytes:
    return (json.dumps(about | {"rows": rows}, indent=1) + "\n").encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into the package")
    write = parser.parse_args().write
    device.set_threads()
    text = measure(TARGET if write else None)
    if not write:
        print(text)


if __name__ == "__main__":
    main()
