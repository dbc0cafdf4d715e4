"""The results table of README.md, made from the cards in checkpoints/.

    python benchmarks/results_table.py           # prints it
    python benchmarks/results_table.py --write   # puts it into README.md, between its two marks

tests/test_workshop.py fails when README.md holds another table than the one the cards give.
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
HEAD = [
    "checkpoint",
    "data, split",
    "n",
    "accuracy, plain",
    "accuracy, 6 views",
    "parameters",
    "size",
    "training",
]


def row(card: Card) -> list[str]:
    """One line of the table; a figure that was not measured is a dash."""
    measured = card.metrics["test"]
    return [
        f"`{card.name}`",
        f"{card.data}, test",
        f"{measured['n']:,}",
        percent(measured.get("accuracy")),
        percent(measured.get("accuracy_6_views")),
        f"{card.parameters / 1e6:.2f} M",
        f"{card.bytes / 1e6:.1f} MB",
        f"{card.minutes:.0f} min" if card.minutes >= 1 else f"{card.minutes * 60:.0f} s",
    ]


def percent(rate: float | None) -> str:
    """0.9338 -> "93.38 %"."""
    return "–" if rate is None else f"{100 * rate:.2f} %"


def table() -> str:
    """The table in Markdown, a line a classifier, in the order of their names."""
    cards = [entry.card for entry in checkpoints.catalogue() if entry.card is not None]
    cards = [card for card in cards if checkpoints.kind_of(card) == "classifier"]
    rows = [HEAD, ["---", "---"] + ["---:"] * (len(HEAD) - 2)]
    rows += [row(card) for card in sorted(cards, key=lambda card: card.name)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def written() -> str:
    """The table as README.md holds it now."""
    return README.read_text().split(BEGIN)[1].split(END)[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    if not parser.parse_args().write:
        print(table())
        return
    before, rest = README.read_text().split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
