"""The rows of the overview page, as columns of words; they change with the language and the cards only."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from explorer import reported
from explorer.analysis import fid
from explorer.checkpoints import Card, fid_of, kind_of
from explorer.reported import NAMES, SAME_RECIPE, Figure, follows
from explorer.text import N_, language, t
from explorer.ui import cache, widgets

Table = dict[str, list[str]]
NARROW = "\u202f"  # a narrow space at which no line breaks, before a unit

TASKS = {
    "classifier": N_("tells classes apart"),
    "vae": N_("draws pictures out of a code"),
    "gan": N_("draws pictures that a second net took for real"),
    "diffusion": N_("draws pictures out of noise, step by step"),
}
SHOWN = (18, 9, 2, 15, 12, 5, 3, 15, 18, 15)  # which of each class's fifty pictures on the sheet
# Kinds of reported figures that stand beside ours, and their unit; the others are listed apart.
BESIDE_OURS = {
    "accuracy": N_("Accuracy on CIFAR-10's test set (n = 10,000)"),
    "fid": N_("FID of 5,000 generated pictures, CIFAR-10 (lower is better)"),
}
SEEN_BY_THEM = {"slides_dcgan": 10_000_000, "slides_ddpm": 2_500_000}  # pictures: their epochs times 50,000
FID_OF = 5_000  # generated pictures; an FID of any other number does not compare with the reported ones


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


def generator_table(cards: Iterable[Card]) -> Table:
    """One row a checkpoint that draws: name, data, its FID and of how many pictures against which, size."""
    rows = []
    for card in cards:
        samples = card.metrics.get("samples", {})
        scored = "fid" in samples
        rows.append(
            (
                f"**{card.name}**",
                card.data,
                f"**{samples['fid']:.2f}**" if scored else t("not scored yet"),
                fid.label(*fid_of(samples)) if scored else "",
                f"{card.parameters / 1e6:.1f}{NARROW}M",
                f"{card.bytes / 1e6:.1f}{NARROW}MB",
            )
        )
    heads = (
        t("Checkpoint"), t("Data"), t("FID, lower is better"), t("measured as"), t("Weights"), t("File"),
    )  # fmt: skip
    return _columns(heads, rows)


def purposes(cards: Iterable[Card]) -> list[str]:
    """One line a checkpoint: its task, the net, and what it is for; what its number is not worth, where that is so."""
    return [
        f"**{card.name}**: {t(TASKS.get(card.task, card.task))}, {NAMES.get(card.model, card.model)}. "
        + widgets.plain(t(card.purpose))
        + (f" {t(fid.FEW)}" if card.metrics.get("samples", {}).get("fid_few") else "")
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
            "settings": widgets.plain(settings),  # a card may come from anybody
        }
        if kind_of(card) == "classifier":
            line = t(
                "**{name}**: weights sha256 `{sha}`, trained on {data} (fingerprint `{fingerprint}`), seed {seed}, "
                "{minutes} minutes; {settings}. Measure again: `python -m explorer evaluate {name}`",
                **values,
            )
        else:
            line = t(
                "**{name}**: weights sha256 `{sha}`, trained on {data} (fingerprint `{fingerprint}`), seed {seed}, "
                "{minutes} minutes; {settings}. Scores: {scores}. Measure again: `python -m explorer score {name}`",
                scores=_scores(card) or "-",
                **values,
            )
        lines.append(line)
    return lines


def _scores(card: Card) -> str:
    """All that was measured on a generator's pictures, and how they were drawn, in the words of its card."""
    flat: dict[str, object] = {}
    for key, value in card.metrics.get("samples", {}).items():
        flat |= {f"{key} {of}": one for of, one in value.items()} if isinstance(value, dict) else {key: value}
    return ", ".join(
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in flat.items()
        if isinstance(value, str | int | float)
    )


def measured(figure: Figure, cards: Iterable[Card], same_recipe: bool) -> str:
    """What we have beside a reported accuracy on CIFAR-10's test set, or FID of pictures like CIFAR-10's: trained with
    the reported recipe, or with ours.

    Empty when that has not been run.
    """
    found = []
    for card in cards:
        value = _value(figure.kind, card)
        theirs = follows(card.recipe, figure.recipe)
        of_it = card.data == "cifar10" and card.model.replace("-", "_") == figure.what
        if not of_it or not value or theirs != same_recipe:
            continue
        words = f"{value} ({card.name})"
        found.append(f"{words} {seen(card)}".rstrip() if theirs else words)
    return "; ".join(found)


def seen(card: Card) -> str:
    """How far a training by a reported recipe went: pictures seen, beside theirs where that is known; "" if unknown."""
    count = card.recipe.get("images_seen")
    theirs = {name: SEEN_BY_THEM.get(key) for key, name in SAME_RECIPE.items()}
    whole = theirs.get(card.recipe.get("name"))
    if not count:
        return ""
    if whole:
        return t("after {n} of their {whole} pictures", n=f"{count:,}", whole=f"{whole:,}")
    return t("after {n} pictures", n=f"{count:,}")


def _value(kind: str, card: Card) -> str:
    """What a card says of a kind of figure, with what it was measured on where that is not the same for all."""
    test, samples = card.metrics.get("test", {}), card.metrics.get("samples", {})
    if kind == "accuracy" and "accuracy" in test:
        return percent(test["accuracy"])
    if kind == "fid" and "fid" in samples and samples.get("fid_n") == FID_OF:
        return f"{samples['fid']:.2f}, {fid.label(*fid_of(samples))}"
    return ""


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

    classifiers, generators: the table of each kind and a line on what each is for, None without any
    beside_ours: (unit, table, one line of comparability per group) of each kind of figure
    """

    classifiers: tuple[pa.Table, list[str]] | None
    generators: tuple[pa.Table, list[str]] | None
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
            tell = [card for card in cards if kind_of(card) == "classifier"]
            draw = [card for card in cards if kind_of(card) == "generator"]
            _made[key] = Overview(
                classifiers=(pa.table(checkpoint_table(tell)), purposes(tell)) if tell else None,
                generators=(pa.table(generator_table(draw)), purposes(draw)) if draw else None,
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
