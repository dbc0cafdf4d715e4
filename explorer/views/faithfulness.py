"""Charts of whether maps deserve belief: deletion and insertion of one picture, maps against rivals on many."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import title, wrapped

if TYPE_CHECKING:
    from explorer.analysis.contest import Contest
    from explorer.analysis.deletion import Curves
    from explorer.analysis.faithfulness import Trust

NAME = (
    0.13,
    0.08,
)  # half the width of a line's name, and how far it stands from the line, in parts of the chart
# Rival -> (its name beside a bar, what the title says of the maps by Duel.verdict)
RIVALS = {
    "random": (
        N_("random maps"),
        {1: N_("better than random maps"), 0: N_("about as good as random maps"), -1: N_("worse than random maps")},
    ),
    "centre": (
        N_("a blob in the middle"),
        {
            1: N_("better than pointing at the middle"),
            0: N_("about as good as pointing at the middle"),
            -1: N_("worse than pointing at the middle"),
        },
    ),
}  # fmt: skip


def curves_chart(found: "Trust | Curves", source: str, dark: bool = False, at: int = 0) -> dict:
    """Deletion and insertion of one picture, the `at`-th: share of the pixels against the class's probability.

    source: which checkpoint, ready for the screen
    """
    curves: Curves = getattr(found, "curves", found)
    lines = {t("insertion"): curves.insertion[at], t("deletion"): curves.deletion[at]}
    insertion, deletion = f"{curves.insertion_auc[at]:.3f}", f"{curves.deletion_auc[at]:.3f}"
    if curves.gap[at] > 0:
        sentence = t(
            "With what the map marks the class is likelier than without it: insertion AUC {insertion}, "
            "deletion AUC {deletion}",
            insertion=insertion, deletion=deletion,
        )  # fmt: skip
    else:
        sentence = t(
            "With what the map marks the class is no likelier than without it: insertion AUC {insertion}, "
            "deletion AUC {deletion}",
            insertion=insertion, deletion=deletion,
        )  # fmt: skip
    steps = curves.deletion.shape[1] - 1
    rows = [
        {"share": s / steps, "p": float(p), "curve": name}
        for name, values in lines.items()
        for s, p in enumerate(values)
    ]
    x = {
        "field": "share", "type": "quantitative", "scale": {"domain": [0, 1]},
        "title": wrapped(t("pixels taken away or put back, those that the map marks first"), 34),
        "axis": {"format": ".0%"},
    }  # fmt: skip
    y = {
        "field": "p", "type": "quantitative", "scale": {"domain": [0, 1]},
        "title": t("probability of the class, as trained"), "axis": {"format": ".0%"},
    }  # fmt: skip
    colours = [style.ACCENT_ON_DARK if dark else style.ACCENT, style.class_colours(10, dark)[5]]
    tooltip = [
        {"field": "share", "title": t("pixels"), "format": ".0%"},
        {"field": "p", "title": t("probability"), "format": ".4f"},
        {"field": "curve", "title": t("curve")},
    ]
    line = {
        "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 14}},
        "encoding": {
            "x": x, "y": y, "tooltip": tooltip,
            "color": {
                "field": "curve", "type": "nominal", "legend": None,
                "scale": {"domain": list(lines), "range": colours},
            },
        },
    }  # fmt: skip
    labels = [
        {
            "data": {"values": [{"share": share, "p": height, "label": name}]},
            "mark": {"type": "text", "color": colour, "fontSize": 13, "fontWeight": "bold", "tooltip": None},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        }
        for name, colour, (share, height) in zip(lines, colours, _places(*lines.values()))
    ]  # fmt: skip
    return {
        "title": title(sentence, f"{source} · n = 1"),
        "width": "container",
        "height": 280,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [line, *labels],
    }


def _places(one: np.ndarray, other: np.ndarray) -> list[tuple[float, float]]:
    """Where the names of two lines (STEPS + 1,) stand: (share, height), beside their own line, far from both lines."""
    own, shares = np.linspace(0, 1, len(one)), np.linspace(0, 1, 201)
    one, other = np.interp(shares, own, one), np.interp(shares, own, other)  # steep parts count as well
    found: list[tuple[float, float]] = []
    for line in (one, other):
        free = {}
        for share, value in zip(shares, line):
            near = np.abs(shares - share) <= NAME[0]
            for height in (float(value) + NAME[1], float(value) - NAME[1]):
                if NAME[0] <= share <= 1 - NAME[0] and 0.03 <= height <= 0.97:
                    apart = np.abs(np.concatenate([one[near], other[near]]) - height).min()
                    clash = any(
                        abs(share - x) < 2 * NAME[0] and abs(height - y) < 2 * NAME[1] for x, y in found
                    )
                    free[float(share), height] = -1.0 if clash else float(apart)
        found.append(max(free, key=free.__getitem__, default=(0.5, 0.5)))
    return found


def contest_chart(rows: "Mapping[str, Contest]", dark: bool = False) -> dict:
    """How much larger the gap of the maps is than that of each rival: points with 95 % intervals, and zero.

    rows: the contest of each checkpoint by its name, one or two of them
    """
    values = [
        {
            "label": f"{name}\n{t(words)}" if len(rows) > 1 else t(words),
            "checkpoint": name,
            "rival": t(words),
            "difference": found.duels[rival].difference,
            "low": found.duels[rival].low,
            "high": found.duels[rival].high,
            "wins": found.duels[rival].wins,
            "verdict": found.duels[rival].verdict,
        }
        for name, found in rows.items()
        for rival, (words, _) in RIVALS.items()
    ]
    y = {
        "field": "label", "type": "nominal", "sort": None, "title": None,
        "axis": {
            "labelExpr": r"split(datum.label, '\n')", "labelLimit": 220, "labelPadding": 8, "labelFontSize": 13,
            "ticks": False, "domain": False,
        },
    }  # fmt: skip
    title_x = wrapped(t("gap of the maps minus the rival's (right of zero: maps are better)"), 34)
    x = {"type": "quantitative", "scale": {"zero": True, "nice": True}, "axis": {"format": "+.2f"}}
    colour = {
        "field": "verdict", "type": "nominal", "legend": None,
        "scale": {
            "domain": [1, 0, -1],
            "range": [style.ACCENT_ON_DARK if dark else style.ACCENT, style.MUTED, style.WRONG],
        },
    }  # fmt: skip
    tooltip = [
        {"field": "checkpoint", "title": t("checkpoint")},
        {"field": "rival", "title": t("rival")},
        {"field": "difference", "title": t("difference"), "format": "+.4f"},
        {"field": "low", "title": t("95 %, from"), "format": "+.4f"},
        {"field": "high", "title": t("95 %, to"), "format": "+.4f"},
        {"field": "wins", "title": t("pictures where the map wins"), "format": ".1%"},
    ]
    middle = {"x": {"field": "difference", **x, "title": title_x}, "y": y, "color": colour}
    return {
        "title": title(_verdict(rows), _source(rows)),
        "width": "container",
        "height": {"step": 54},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "layer": [
            {
                "data": {"values": [{"zero": 0}]},
                "mark": {"type": "rule", "color": style.MUTED, "strokeDash": [5, 4], "tooltip": None},
                "encoding": {"x": {"field": "zero", **x, "title": title_x}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3},
                "encoding": {
                    "x": {"field": "low", **x, "title": title_x}, "x2": {"field": "high"},
                    "y": y, "color": colour, "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {**middle, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "dy": -14, "fontSize": 12, "fontWeight": "bold", "tooltip": None},
                "encoding": {**middle, "text": {"field": "difference", "type": "quantitative", "format": "+.3f"}},
            },
        ],
    }  # fmt: skip


def _verdict(rows: "Mapping[str, Contest]") -> str:
    """Who wins, in a sentence for the checkpoints that came out alike."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, found in rows.items():
        alike.setdefault(tuple(found.duels[rival].verdict for rival in RIVALS), []).append(name)
    return "; ".join(
        t(
            "{names}: the maps are {random} and {centre}",
            names=", ".join(names),
            **{rival: t(said[verdict]) for (rival, (_, said)), verdict in zip(RIVALS.items(), verdicts)},
        )
        for verdicts, names in alike.items()
    )


def _source(rows: "Mapping[str, Contest]") -> str:
    def each(values: list[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    found = list(rows.values())
    return t(
        "{data}, test · n = {n} · {method}, predicted class · insertion minus deletion AUC, paired, 95 % intervals",
        data=each([one.data for one in found]), n=each([f"{one.n:,}" for one in found]),
        method=each([one.method for one in found]),
    )  # fmt: skip
