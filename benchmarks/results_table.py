"""The results tables of README.md, classifiers and generators, made from the cards in checkpoints/.

    python benchmarks/results_table.py           # prints them
    python benchmarks/results_table.py --write   # puts them into README.md, between its two marks

tests/test_workshop.py fails when README.md holds other tables than those the cards give.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from explorer import checkpoints  # noqa: E402
from explorer.checkpoints import Card  # noqa: E402

README = ROOT / "README.md"
BEGIN, END = "<!-- results: benchmarks/results_table.py -->", "<!-- /results -->"
CLASSIFIERS = [
    "checkpoint",
    "data, split",
    "n",
    "accuracy, plain",
    "accuracy, 6 views",
    "parameters",
    "size",
    "training",
]
GENERATORS = [
    "checkpoint", "data, split", "n", "FID", "KID x 1000", "precision", "recall", "coverage", "drawn as asked",
    "ms a picture", "parameters", "size", "training",
]  # fmt: skip


def classifier(card: Card) -> list[str]:
    """One line of the first table; a figure that was not measured is a dash."""
    measured = card.metrics["test"]
    return [
        f"`{card.name}`",
        f"{card.data}, test",
        f"{measured['n']:,}",
        percent(measured.get("accuracy")),
        percent(measured.get("accuracy_6_views")),
        *made_of(card),
    ]


def generator(card: Card) -> list[str]:
    """One line of the second table, from the stored scores: n pictures were drawn, and compared with the split."""
    found = card.metrics.get("samples", {})
    return [
        f"`{card.name}`",
        f"{card.data}, train",
        number(found.get("n"), ",d"),
        number(found.get("fid"), ".1f"),
        number(found["kid"] * 1000 if "kid" in found else None, ".1f"),
        *(number(found.get(key), ".3f") for key in ("precision", "recall", "coverage")),
        percent(found.get("judged", {}).get("class_accuracy")),
        number(found.get("milliseconds"), ".1f"),
        *made_of(card),
    ]


def made_of(card: Card) -> list[str]:
    """Parameters, size on disk, time of training."""
    return [
        f"{card.parameters / 1e6:.2f} M",
        f"{card.bytes / 1e6:.1f} MB",
        f"{card.minutes:.0f} min" if card.minutes >= 1 else f"{card.minutes * 60:.0f} s",
    ]


def number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def percent(rate: float | None) -> str:
    """0.9338 -> "93.38 %"."""
    return "–" if rate is None else f"{100 * rate:.2f} %"


def table() -> str:
    """Both tables in Markdown, a line a checkpoint, in the order of their names."""
    cards = sorted(
        (entry.card for entry in checkpoints.catalogue() if entry.card), key=lambda card: card.name
    )
    found = []
    for kind, head, row in (("classifier", CLASSIFIERS, classifier), ("generator", GENERATORS, generator)):
        lines = [row(card) for card in cards if checkpoints.kind_of(card) == kind]
        if lines:
            lines = [head, ["---", "---"] + ["---:"] * (len(head) - 2), *lines]
            found.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    return "\n\n".join(found)


def written() -> str:
    """The tables as README.md holds them now."""
    return README.read_text().split(BEGIN)[1].split(END)[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put them into README.md")
    if not parser.parse_args().write:
        print(table())
        return
    before, rest = README.read_text().split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
