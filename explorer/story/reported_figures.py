"""What a talk shows of reported figures: beside ours where we have any, and by themselves with their comparability."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from explorer import checkpoints, reported
from explorer.analysis import fid as fids
from explorer.checkpoints import Card, fid_of
from explorer.reported import NAMES
from explorer.story.canvas import Figure, named, on_slide, read, title_of
from explorer.story.charts import SIDES, dots, table
from explorer.text import N_, Missing, t

FID_OF = 5_000  # drawn pictures: an FID of any other number does not compare with the reported ones
# What the numbers of a list are, where an entry of a table is one.
LISTS = {
    "table.per_class": ("precision", "recall", "f1"),
    "table.auc_batch_lr": ("lr 0.0001", "lr 0.001"),
    "fixmatch_simclr": (N_("accuracy"), N_("training time")),
}
SPREAD = "_std"  # the name of a number's standard deviation ends so
WORDS = {  # names in reported.toml that nobody would say
    "O": "FixMatch", "L": N_("FixMatch + SimCLR on labelled data"), "U": N_("FixMatch + SimCLR on unlabelled data"),
    "before_finetune": N_("30,000 steps, before fine-tuning"), "after_finetune": N_("30,000 steps, after fine-tuning"),
    "finetune_last_epoch": N_("30,000 steps, last epoch of fine-tuning"), "paper": N_("the paper"),
    "code_without_finetune": N_("the code, without fine-tuning"),
    "code_with_finetune": N_("the code, with fine-tuning"), "best": N_("the best"), "last": N_("the last"),
}  # fmt: skip


# --- beside ours ------------------------------------------------------------------------------------------------------


def _cards() -> list[Card]:
    return [entry.card for entry in checkpoints.catalogue() if entry.card and entry.card.data == "cifar10"]


def accuracy(options: Mapping[str, Any]) -> Figure:
    """Reported accuracy on CIFAR-10's test set against ours, net by net; ours of other nets below. nets: keys after
    "accuracy." """
    asked = read(options, nets=[figure.what for figure in _figures("accuracy") if figure.comparable != "no"])
    figures = [reported.figure(f"accuracy.{net}") for net in asked["nets"]]
    measured = [card for card in _cards() if "accuracy" in card.metrics.get("test", {})]
    rows, used = [], []
    for figure in figures:
        rows.append(_row(figure.what, "reported", float(figure.value), f"{figure.value:g} %"))
        for card in measured:
            if _is(card, figure):
                rows.append(_percent(card, figure.what, _side(card, figure)))
                used.append(card)
    others = [card for card in measured if not any(_is(card, figure) for figure in _figures("accuracy"))]
    rows += [_percent(card, card.model, "ours") for card in others]
    chart = on_slide(dots(rows, t("accuracy, %, test, n = 10,000, plain"), asked["dark"]), _seen(rows))
    evidence = _evidence(figures, [*used, *others], "CIFAR-10, test · n = 10,000")
    return Figure(chart, evidence=evidence, alt=_alt(chart, rows))


def fid(options: Mapping[str, Any]) -> Figure:
    """Reported FID of generated pictures against ours of as many, where ours are stored."""
    asked = read(options)
    figures = _figures("fid")
    rows, used, labels = [], [], []
    for figure in figures:
        rows.append(_row(figure.what, "reported", float(figure.value), f"{figure.value:g}"))
        for card in _cards():
            of = card.metrics.get("samples", {})
            if _is(card, figure) and "fid" in of and of.get("fid_n") == FID_OF:
                rows.append(_row(figure.what, _side(card, figure), of["fid"], f"{of['fid']:.1f}"))
                used.append(card)
                labels.append(fids.label(*fid_of(of)))
    chart = on_slide(dots(rows, t("FID, lower is better"), asked["dark"]), _seen(rows))
    about = [*dict.fromkeys(labels)] or [
        t("n = {n} drawn pictures", n=f"{FID_OF:,}"),
        t("ours are not stored yet"),
    ]
    return Figure(chart, evidence=_evidence(figures, used, " · ".join(about)), alt=_alt(chart, rows))


def _figures(kind: str) -> list[reported.Figure]:
    return [figure for figure in reported.figures().values() if figure.kind == kind]


def _is(card: Card, figure: reported.Figure) -> bool:
    """Whether a checkpoint is of the net of a reported figure: reported.toml has _ where MODELS has -."""
    return card.model.removesuffix("-published").replace("-", "_") == figure.what


def _side(card: Card, figure: reported.Figure) -> str:
    return "same" if reported.follows(card.recipe, figure.recipe) else "ours"


def _row(what: str, side: str, value: float, words: str) -> dict[str, Any]:
    return {
        "name": NAMES.get(what, what),
        "series": t(SIDES[side][0]),
        "side": side,
        "value": value,
        "number": words,
        "print": words,
    }


def _percent(card: Card, what: str, side: str) -> dict[str, Any]:
    value = 100 * card.metrics["test"]["accuracy"]
    return _row(what, side, value, f"{value:.2f} %")


def _seen(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is seen, as a sentence: net by net where ours stands beside what was reported."""
    theirs = {row["name"]: row["print"] for row in rows if row["side"] == "reported"}
    ours: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["side"] != "reported" and row["name"] in theirs:
            ours.setdefault(row["name"], []).append(row)
    if not ours:
        return _extremes([row for row in rows if row["side"] == "reported"])

    def told(found: list[Mapping[str, Any]]) -> str:
        if len(found) == 1:
            return found[0]["print"]
        return ", ".join(f"{row['print']} ({row['series']})" for row in found)

    return "; ".join(
        t("{name}: reported {theirs}, here {ours}", name=name, theirs=theirs[name], ours=told(found))
        for name, found in list(ours.items())[:3]
    )


def _alt(chart: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    return f"{title_of(chart)}. " + "; ".join(
        f"{row['name']}, {row['series']}: {row['print']}" for row in rows
    )


def _evidence(figures: Iterable[reported.Figure], cards: Iterable[Card], about: str = "") -> str:
    """What figures rest on: n and checkpoints, then each source with how comparable it is."""
    lines: dict[tuple[str, str, str], None] = {}
    for figure in figures:
        lines[figure.source, figure.comparable, figure.why] = None
    known = [
        t("reported: {source}, {comparable}: {why}", source=t(source), why=t(why),
          comparable=t(reported.COMPARABLE[comparable]))
        for source, comparable, why in lines
    ]  # fmt: skip
    return " · ".join(filter(None, [about, *dict.fromkeys(map(named, cards)), *known]))


# --- by themselves ----------------------------------------------------------------------------------------------------


def reported_figure(keys: Sequence[str], dark: bool = False) -> Figure:
    """Reported figures as a chart: dots where they are numbers of one unit, else a table. Problem for unknown keys."""
    figures = [reported.figure(key) for key in keys]
    if not figures:
        raise Missing("Nothing was reported for this step.")
    rows = [row for figure in figures for row in _numbers(figure)]
    units, words = " · ".join(dict.fromkeys(t(figure.unit) for figure in figures)), ()
    if len(rows) > 1 and len({figure.unit.split(",")[0] for figure in figures}) == 1:
        chart = on_slide(dots(rows, re.split("[;.] ", units)[0], dark), _extremes(rows))
        said = [f"{row['name']}: {row['print']}" for row in rows]
    else:
        lines = [line for figure in figures for line in _lines(figure)]
        if len(figures) > 1:  # of several units
            lines = [(*line, t(figure.unit)) for figure in figures for line in _lines(figure)]
        wide = max(map(len, lines))
        heads = [t(head) for head in LISTS.get(figures[0].key, ())] if len(figures) == 1 else []
        heads = ["", *heads] if heads else []
        widths = (1.0,) if wide == 1 else (0.42, *(0.58 / (wide - 1) for _ in range(wide - 1)))
        filled = [line + ("",) * (wide - len(line)) for line in lines]
        words = (heads, *filled)
        chart = on_slide(table(filled, widths, heads, dark), t("Reported: {unit}", unit=units))
        said = [" ".join(line) for line in lines]
    alt = f"{title_of(chart)}. {'; '.join(said)}"
    return Figure(chart, evidence=_evidence(figures, []), alt=alt, rows=words)


def _name(figure: reported.Figure, name: str) -> str:
    if not name:
        return NAMES.get(figure.what, figure.what.replace("_", " "))
    return t(WORDS[name]) if name in WORDS else name


def _numbers(figure: reported.Figure) -> list[dict[str, Any]]:
    """The numbers of a figure as rows of `dots`, words and a spread beside them in their label; [] without numbers, and
    where an entry has several."""
    value = figure.value if isinstance(figure.value, dict) else {"": figure.value}
    rows = []
    for name, each in value.items():
        parts = each if isinstance(each, list) else [each]
        numbers = [part for part in parts if isinstance(part, int | float)]
        if len(numbers) != 1:
            return []
        if name.endswith(SPREAD):  # stands beside the number that it is of
            continue
        spread = f" ± {value[name + SPREAD]:g}" if name + SPREAD in value else ""
        words = [part for part in parts if isinstance(part, str)]
        rows.append({"name": _name(figure, name), "series": t("reported"), "value": float(numbers[0]),
                     "number": f"{numbers[0]:g}{spread}",
                     "print": " · ".join([f"{numbers[0]:g}{spread}", *words])})  # fmt: skip
    return rows


def _lines(figure: reported.Figure) -> list[tuple[str, ...]]:
    """A figure as lines of a table; one cell a line for a list of statements."""
    if isinstance(figure.value, list):
        return [(t(str(each)),) for each in figure.value]
    if isinstance(figure.value, dict):
        lists = {name: each if isinstance(each, list) else [each] for name, each in figure.value.items()}
        return [(_name(figure, name), *map(str, each)) for name, each in lists.items()]
    return [(_name(figure, ""), f"{figure.value:g}")]


def _extremes(rows: Sequence[Mapping[str, Any]]) -> str:
    low, high = min(rows, key=lambda row: row["value"]), max(rows, key=lambda row: row["value"])
    if len(rows) == 1:
        return t("Reported: {name} {value}", name=low["name"], value=low["number"])
    return t("Reported: from {least} ({low}) to {most} ({high})",
             low=low["name"], least=low["number"], high=high["name"], most=high["number"])  # fmt: skip
