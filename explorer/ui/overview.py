"""The rows of the overview page, as columns of words; they change with the language and the cards only."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from explorer import reported
from explorer.checkpoints import Card
from explorer.reported import Figure
from explorer.text import N_, language, t
from explorer.ui import cache

Table = dict[str, list[str]]
NARROW = "\u202f"  # a narrow space at which no line breaks, before a unit

TASKS = {
    "classifier": N_("tells classes apart"),
}
SHOWN = (18, 9, 2, 15, 12, 5, 3, 15, 18, 15)  # which of each class's fifty pictures on the sheet
# Kinds of reported figures that stand beside ours, and their unit; the others are listed apart.
BESIDE_OURS = {
    "accuracy": N_("Accuracy on CIFAR-10's test set (n = 10,000)"),
    "fid": N_("FID of 5,000 generated pictures, CIFAR-10 (lower is better)"),
}
SAME_RECIPE = {"slides_classifiers": "slides"}  # a recipe of reported.toml -> ours with its settings
NAMES = {
    "fastnet": "fastnet",
    "lenet": "LeNet",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34", "resnet50": "ResNet-50", "resnet101": "ResNet-101", "drn_c_26": "DRN-C-26",
    "drn_d_22": "DRN-D-22", "efficientnet_b0": "EfficientNet-B0", "efficientnet_at_224": "EfficientNet, 224 px",
    "dcgan": "DCGAN", "ddpm": "DDPM",
}  # fmt: skip


def percent(fraction: float) -> str:
    """0.9338 -> "93.38 %", on one line."""
    return f"{100 * fraction:.2f}{NARROW}%"


def one_of_each_class() -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The class names of CIFAR-10 and a picture of each from the sheet, uint8 (3, 32, 32)."""
    sheet = cache.images("cifar10-sheet")
    places = [np.flatnonzero(sheet.labels == k)[SHOWN[k]] for k in range(len(sheet.classes))]
    return sheet.classes, [sheet.images[place] for place in places]


def checkpoint_table(cards: Iterable[Card]) -> Table:
    """One row a checkpoint: name, data, what it reached on how many test pictures, size."""
    rows = []
    for card in cards:
        test = card.metrics.get("test", {})
        plain, six = test.get("accuracy"), test.get("accuracy_6_views")
        rows.append(
            (
                f"**{card.name}**",
                card.data,
                f"**{percent(plain)}**" if plain is not None else t("not evaluated yet"),
                percent(six) if six is not None else "",
                f"{test['n']:,}" if "n" in test else "",
                f"{card.parameters / 1e6:.1f}{NARROW}M",
                f"{card.bytes / 1e6:.1f}{NARROW}MB",
            )
        )
    heads = (
        t("Checkpoint"), t("Data"), t("Accuracy, test, plain"), t("with six views"), "n", t("Weights"), t("File"),
    )  # fmt: skip
    return _columns(heads, rows)


def purposes(cards: Iterable[Card]) -> list[str]:
    """One line a checkpoint: its task, the net, and what it is for."""
    return [
        f"**{card.name}**: {t(TASKS.get(card.task, card.task))}, {NAMES.get(card.model, card.model)}. {t(card.purpose)}"
        for card in cards
    ]


def evidence(cards: Iterable[Card]) -> list[str]:
    """One line a checkpoint: what its numbers rest on, and the command that measures them again."""
    lines = []
    for card in cards:
        settings = ", ".join(
            f"{key} = {value}" for key, value in card.recipe.items() if not isinstance(value, dict | list)
        )
        values = {
            "name": card.name,
            "sha": card.sha256[:16],
            "data": card.data,
            "fingerprint": card.data_fingerprint[:16],
            "seed": card.seed,
            "minutes": f"{card.minutes:.1f}",
            "settings": settings,
        }
        lines.append(
            t(
                "**{name}**: weights sha256 `{sha}`, trained on {data} (fingerprint `{fingerprint}`), seed {seed}, "
                "{minutes} minutes; {settings}. Measure again: `python -m explorer evaluate {name}`",
                **values,
            )
        )
    return lines


def measured(figure: Figure, cards: Iterable[Card], same_recipe: bool) -> str:
    """What we have beside a reported accuracy on CIFAR-10's test set: trained with the reported recipe, or with ours.

    Empty when that has not been run.
    """
    found = []
    for card in cards:
        test = card.metrics.get("test", {})
        fits = figure.kind == "accuracy" and (card.data, card.model) == ("cifar10", figure.what)
        theirs = card.recipe.get("name") == SAME_RECIPE.get(figure.recipe)
        if not fits or "accuracy" not in test or theirs != same_recipe:
            continue
        words = f"{percent(test['accuracy'])} ({card.name})"
        if theirs and card.recipe.get("images_seen"):
            words += " " + t("after {n} pictures", n=f"{card.recipe['images_seen']:,}")
        found.append(words)
    return "; ".join(found)


def reported_table(kind: str, cards: list[Card]) -> Table:
    """The reported figures of one kind ("accuracy", "fid"), each beside ours with their recipe and with our own."""
    unit = f"{NARROW}%" if kind == "accuracy" else ""
    rows = [
        (
            f"**{NAMES.get(figure.what, figure.what)}**",
            f"{'≥ ' if 'at least' in figure.unit else ''}**{figure.value:g}**{unit}",
            measured(figure, cards, same_recipe=True),
            measured(figure, cards, same_recipe=False),
        )
        for figure in reported.figures().values()
        if figure.kind == kind
    ]
    return _columns((t("Model"), t("Reported"), t("Same recipe here"), t("Our recipe")), rows)


def comparability(kind: str) -> list[str]:
    """One line for the figures of a kind about which the same is known: which, how comparable, why, source."""
    lines: dict[str, list[str]] = {}
    for figure in reported.figures().values():
        if figure.kind == kind:
            known = f"{t(reported.COMPARABLE[figure.comparable])}: {t(figure.why)} ({t(figure.source)})"
            lines.setdefault(known, []).append(NAMES.get(figure.what, figure.what))
    return [f"**{', '.join(names)}**: {known}" for known, names in lines.items()]


def other_figures() -> list[tuple[str, str, Table]]:
    """The reported tables and claims without a counterpart yet: (what it is, how comparable, its rows)."""
    found = []
    for figure in reported.figures().values():
        if figure.kind not in BESIDE_OURS:
            about = f"{t(figure.unit)} ({t(figure.source)})"
            rows = [
                (name.replace("_", " ") if name.islower() else name, words if name else t(words))
                for name, words in figure.rows()
            ]
            comparable = f"{t(reported.COMPARABLE[figure.comparable])}: {t(figure.why)}"
            found.append((about, comparable, _columns((" ", t("Reported")), rows)))
    return found


def _columns(heads: Iterable[str], rows: list[tuple[str, ...]]) -> Table:
    heads = list(heads)
    return {head: [row[place] for row in rows] for place, head in enumerate(heads)}


@dataclass(frozen=True)
class Overview:
    """All that the page shows of the checkpoints and the reported figures, in one language, ready to be sent.

    beside_ours: (unit, table, one line of comparability per group) of each kind of figure
    """

    checkpoints: pa.Table
    purposes: list[str]
    evidence: list[str]
    beside_ours: list[tuple[str, pa.Table, list[str]]]
    others: list[tuple[str, str, pa.Table]]


def overview(cards: list[Card]) -> Overview:
    """The page's words for these checkpoints, made once: a rerun that changes nothing costs next to nothing."""
    key = (language(), *((card.name, card.sha256, str(card.metrics)) for card in cards))
    with _lock:
        if key not in _made:
            while len(_made) >= 8:
                _made.pop(next(iter(_made)))
            _made[key] = Overview(
                checkpoints=pa.table(checkpoint_table(cards)),
                purposes=purposes(cards),
                evidence=evidence(cards),
                beside_ours=[
                    (t(unit), pa.table(reported_table(kind, cards)), comparability(kind))
                    for kind, unit in BESIDE_OURS.items()
                ],
                others=[(about, known, pa.table(rows)) for about, known, rows in other_figures()],
            )
        return _made[key]


_made: dict[tuple, Overview] = {}
_lock = threading.Lock()
