"""The rows of the overview page, as columns of words; they change with the language and the cards only."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from explorer import reported
from explorer.checkpoints import Card
from explorer.reported import Figure
from explorer.text import N_, t

Table = dict[str, list[str]]

TASKS = {
    "classifier": N_("tells classes apart"),
    "generator": N_("draws pictures"),
}
MAIN = ("accuracy.", "fid.")  # kinds of reported figures that stand beside ours; the others are listed apart
NAMES = {
    "resnet18": "ResNet-18", "resnet50": "ResNet-50", "resnet101": "ResNet-101", "drn_c_26": "DRN-C-26",
    "drn_d_22": "DRN-D-22", "efficientnet_b0": "EfficientNet-B0", "efficientnet_at_224": "EfficientNet, 224 px",
    "dcgan": "DCGAN", "ddpm": "DDPM",
}  # fmt: skip


def percent(fraction: float) -> str:
    """0.9338 -> "93.38 %"."""
    return f"{100 * fraction:.2f} %"


def megabytes(count: int) -> str:
    """Bytes as "4.0 MB"."""
    return f"{count / 1e6:.1f} MB"


def result(card: Card) -> str:
    """A card's key number with what it was measured on, for example "93.38 % accuracy, test, n = 10,000, plain"."""
    test = card.metrics.get("test", {})
    if "accuracy" not in test:
        return t("not evaluated yet")
    words = t("**{accuracy}** accuracy, test, n = {n}, plain", accuracy=percent(test["accuracy"]), n=f"{test['n']:,}")
    if "accuracy_6_views" in test:
        words += " · " + t("{accuracy} with six views", accuracy=percent(test["accuracy_6_views"]))
    return words


def checkpoint_table(cards: Iterable[Card]) -> Table:
    """One row a checkpoint: name, task, data, result, size, purpose."""
    rows = [
        (
            f"**{card.name}**",
            t(card.purpose) if card.purpose else t(TASKS.get(card.task, card.task)),
            card.data,
            result(card),
            t("{parameters} million weights, {size}", parameters=f"{card.parameters / 1e6:.1f}", size=megabytes(card.bytes)),
        )
        for card in cards
    ]
    return _columns((t("Checkpoint"), t("What it is for"), t("Data"), t("Result"), t("Size")), rows)


def evidence_table(cards: Iterable[Card]) -> Table:
    """One row a checkpoint: what its result rests on."""
    rows = [
        (
            card.name,
            f"`{card.sha256[:16]}`",
            f"{card.data} `{card.data_fingerprint[:16]}`",
            str(card.seed),
            f"{card.minutes:.1f}" if card.minutes else "",
            ", ".join(f"{key} = {value}" for key, value in card.recipe.items() if not isinstance(value, dict | list)),
        )
        for card in cards
    ]
    heads = (t("Checkpoint"), t("sha256 of the weights"), t("Data and its fingerprint"), t("Seed"), t("Minutes"), t("Recipe"))
    return _columns(heads, rows)


def same_figure(figure: Figure, card: Card) -> bool:
    """Whether a card measures what a reported figure states: accuracy of that net on CIFAR-10's test set."""
    return figure.kind == "accuracy" and card.data == "cifar10" and card.model == figure.what


def measured(figure: Figure, cards: Iterable[Card], same_recipe: bool) -> str:
    """What we have beside a reported figure, from training with the reported recipe or with our own; "" for nothing."""
    found = [
        f"{percent(card.metrics['test']['accuracy'])} ({card.name}, n = {card.metrics['test']['n']:,})"
        for card in cards
        if same_figure(figure, card)
        and "accuracy" in card.metrics.get("test", {})
        and (card.recipe.get("name") == figure.recipe) == same_recipe
    ]
    return "; ".join(found)


def reported_table(cards: list[Card]) -> Table:
    """The reported accuracies and FIDs, each beside ours with their recipe and with our own."""
    rows = [
        (
            f"**{NAMES.get(figure.what, figure.what)}**",
            f"**{figure.value}** {t(figure.unit)}",
            measured(figure, cards, same_recipe=True),
            measured(figure, cards, same_recipe=False),
            f"{t(reported.COMPARABLE[figure.comparable])}: {t(figure.why)}",
            t(figure.source),
        )
        for figure in reported.figures().values()
        if figure.key.startswith(MAIN)
    ]
    heads = (t("Model"), t("Reported"), t("Same recipe here"), t("Our recipe"), t("How comparable"), t("Source"))
    return _columns(heads, rows)


def other_figures() -> list[tuple[str, str, Table]]:
    """The reported tables and claims without a counterpart yet: (what it is, how comparable, its rows)."""
    found = []
    for figure in reported.figures().values():
        if not figure.key.startswith(MAIN):
            about = t("{unit} ({source})", unit=t(figure.unit), source=t(figure.source))
            rows = [(name, t(words) if not name else words) for name, words in figure.rows()]
            comparable = f"{t(reported.COMPARABLE[figure.comparable])}: {t(figure.why)}"
            found.append((about, comparable, _columns(("", t("Reported")), rows)))
    return found


def _columns(heads: Iterable[str], rows: list[tuple[str, ...]]) -> Table:
    heads = list(heads)
    return {head: [row[place] for row in rows] for place, head in enumerate(heads)}


@st.cache_data(max_entries=8, show_spinner=False)
def frame(table: Table) -> Any:
    """A table as Streamlit wants it; the same words give the same object, so a rerun does not build it anew."""
    import pandas as pd

    return pd.DataFrame(table)
