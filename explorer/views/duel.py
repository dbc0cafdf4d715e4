"""Two rankings of the same pictures side by side, as Vega-Lite: who stands where, and who moves."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from explorer.text import t
from explorer.views import style
from explorer.views.figure import title

ROW, SIDE = 46, 38  # pixels of a rank, and of its picture


class Hit(NamedTuple):
    """A neighbour. id: of the picture;  src: a data: address;  true: its class;  value: as printed;  length: of its
    vector;  right: whether it is of the query's class, None where that is not known"""

    id: int
    src: str
    true: str
    value: str
    length: float
    right: bool | None = None


def moved(by: int | None) -> str:
    """A move as a mark: ▲2, ▼1, =, or the word for new."""
    if by is None:
        return t("new")
    return "=" if by == 0 else f"{'▲' if by > 0 else '▼'}{abs(by)}"


def number(value: float) -> str:
    """With two decimals and a minus that is one; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def verdict(left: Sequence[int], right: Sequence[int], tau: float) -> str:
    """What is seen, as a sentence. tau: Kendall's over what both have, nan where it has no meaning"""
    k, both = len(left), len(set(left) & set(right))
    if list(left) == list(right):
        return t("Both rank the first {k} alike", k=k)
    if both == 0:
        return t("Not one of the first {k} is the same", k=k)
    if math.isnan(tau):
        return t("{n} of the first {k} are the same", n=both, k=k)
    return t("{n} of the first {k} are the same, Kendall's tau of the shared ones alone {tau}",
             n=both, k=k, tau=number(tau))  # fmt: skip


def slope_chart(
    left: Sequence[Hit],
    right: Sequence[Hit],
    names: tuple[str, str],
    tau: float,
    source: str,
    dark: bool = False,
) -> dict:
    """Ranks of both metrics as two columns of pictures; a line joins what both have. names: of the columns"""
    sides = [
        {
            "column": names[k],
            "rank": rank,
            "id": hit.id,
            "src": hit.src,
            "true": hit.true,
            "value": hit.value,
            "length": f"{hit.length:.2f}",
            "words": f"{hit.true} · {hit.value}",
            "joined": hit.id in others,
        }
        for k, (hits, others) in enumerate(
            ((left, {hit.id for hit in right}), (right, {hit.id for hit in left}))
        )
        for rank, hit in enumerate(hits, 1)
    ]
    count = max(len(left), len(right))
    across = {
        "field": "column",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(names), "padding": 0.5},
        "axis": {
            "orient": "top",
            "title": None,
            "labelAngle": 0,
            "ticks": False,
            "domain": False,
            "labelLimit": 170,
        },
    }
    up = {
        "field": "rank",
        "type": "quantitative",
        "scale": {"domain": [count + 0.5, 0.5], "nice": False, "zero": False},
        "axis": {
            "title": t("rank"),
            "values": list(range(1, count + 1)),
            "grid": False,
            "ticks": False,
            "domain": False,
        },
    }
    places = {"x": across, "y": up}
    told = [
        {"field": field, "title": words}
        for field, words in (
            ("true", t("class")),
            ("rank", t("rank")),
            ("value", t("value")),
            ("length", t("length of its vector")),
        )
    ]

    def labels(k: int) -> dict:
        mark = {
            "type": "text",
            "align": ("right", "left")[k],
            "dx": (-1, 1)[k] * (SIDE / 2 + 8),
            "fontSize": 13,
            "color": style.INK_ON_DARK if dark else style.INK,
        }
        kept = {"filter": {"field": "column", "equal": names[k]}}
        return {"transform": [kept], "mark": mark, "encoding": {**places, "text": {"field": "words"}}}

    return {
        "title": title(verdict([hit.id for hit in left], [hit.id for hit in right], tau), source),
        "width": "container",
        "height": ROW * count,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": sides},
        "layer": [
            {
                "transform": [{"filter": "datum.joined"}],
                "mark": {"type": "line", "strokeWidth": 2, "opacity": 0.7, "tooltip": None},
                "encoding": {**places, "detail": {"field": "id"}, "color": {"value": style.MUTED}},
            },
            {
                "mark": {"type": "image", "width": SIDE, "height": SIDE},
                "encoding": {**places, "url": {"field": "src"}, "tooltip": told},
            },
            labels(0),
            labels(1),
        ],
    }


def votes_chart(
    votes: Mapping[str, tuple[str, Mapping[str, int]]], classes: Sequence[str], k: int, dark: bool = False
) -> dict:
    """For whom the k neighbours of each metric vote. votes: metric -> (winner, class -> how many)"""
    named = [name for name in classes if any(counts.get(name) for _, counts in votes.values())]
    colours = dict(zip(classes, style.class_colours(len(classes), dark)))
    rows = [
        {"metric": metric, "class": name, "n": counts[name], "order": named.index(name)}
        for metric, (_, counts) in votes.items()
        for name in named
        if counts.get(name)
    ]
    winners = list(dict.fromkeys(winner for winner, _ in votes.values()))
    words = (
        t("Both vote for {name}", name=winners[0])
        if len(winners) == 1
        else t("They vote for different classes: {names}", names=", ".join(winners))
    )
    return {
        "title": title(words, t("classes of the {k} nearest pictures of each metric", k=k)),
        "width": "container",
        "height": {"step": 34},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "mark": {"type": "bar", "height": 22},
        "encoding": {
            "y": {
                "field": "metric",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "ticks": False, "domain": False},
            },
            "x": {
                "field": "n",
                "type": "quantitative",
                "stack": "zero",
                "scale": {"domain": [0, k]},
                "axis": {"title": t("votes"), "tickMinStep": 1, "grid": False},
            },
            "color": {
                "field": "class",
                "type": "nominal",
                "scale": {"domain": named, "range": [colours[n] for n in named]},
                "legend": {"title": None, "orient": "top", "columns": 5},
            },
            "order": {"field": "order"},
            "tooltip": [{"field": "class", "title": t("class")}, {"field": "n", "title": t("votes")}],
        },
    }
