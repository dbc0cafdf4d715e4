"""Cosine against Euclidean over a data set, as Vega-Lite: right answers over k, and the difference group by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.analysis.paired import LEAST_APART
from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import title

COLOURS = {"cosine": ("#096289", "#5BB8E0"), "euclidean": ("#882255", "#C25A8C")}  # light ground, dark ground
SHAPES = {"cosine": "circle", "euclidean": "square"}  # colour is never the only sign


def keys(names: Mapping[str, str], dark: bool, legend: bool = True) -> tuple[dict, dict]:
    """Colour and mark of the metrics, as encodings of the field "metric". names: metric -> words on screen"""
    key = {"title": None, "orient": "top", "symbolOpacity": 1} if legend else None
    shared = {"field": "metric", "type": "nominal", "legend": key}
    return (
        {
            **shared,
            "scale": {"domain": list(names.values()), "range": [COLOURS[metric][dark] for metric in names]},
        },
        {**shared, "scale": {"domain": list(names.values()), "range": [SHAPES[metric] for metric in names]}},
    )


def over_k(
    curves: Mapping[str, Sequence[float]], names: Mapping[str, str], source: str, dark: bool = False
) -> dict:
    """The share of right votes of 1, 2, 3 … neighbours, a line a metric; curves: metric -> fractions"""
    rows = [
        {"metric": names[metric], "k": k, "value": value, "said": f"{100 * value:.2f} %"}
        for metric, curve in curves.items()
        for k, value in enumerate(curve, 1)
    ]
    # no best k: the maximum of many on the test pictures is luck as well
    ranges = {metric: [f"{100 * pick(curve):.1f}" for pick in (min, max)] for metric, curve in curves.items()}
    words = t(
        "{ranges} for k = 1 to {k}",
        ranges=", ".join(f"{names[metric]} {low}–{high} %" for metric, (low, high) in ranges.items()),
        k=max(map(len, curves.values())),
    )
    colour, shape = keys(names, dark)
    encoding = {
        "x": {
            "field": "k",
            "type": "quantitative",
            "title": t("neighbours that vote, k"),
            "scale": {"nice": False},
            "axis": {"grid": False, "tickMinStep": 1},
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": t("right votes"),
            "scale": {"zero": False},
            "axis": {"format": ".1%", "tickCount": 5},
        },
        "color": colour,
    }
    tooltip = [
        {"field": "metric", "title": t("Metric")},
        {"field": "k", "title": "k"},
        {"field": "said", "title": t("right votes")},
    ]
    return {
        "title": title(words, source),
        "width": "container",
        "height": 260,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2.5, "tooltip": None}, "encoding": encoding},
            {
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
                "encoding": {**encoding, "shape": shape, "tooltip": tooltip},
            },
        ],
    }


LEADS = {
    1: N_("By votes of {k} neighbours cosine is ahead"),
    -1: N_("By votes of {k} neighbours Euclidean is ahead"),
    0: N_("By votes of {k} neighbours neither metric is ahead"),
}


def apart_over_k(
    curves: Mapping[str, Sequence[float]],
    low: Sequence[float],
    high: Sequence[float],
    k: int,
    winner: int,
    source: str,
    dark: bool = False,
) -> dict:
    """Cosine minus Euclidean over k with its paired 95 % band, and a line at none; the title says who leads at k.

    curves: metric -> fractions;  low, high: the band's ends;  winner: `paired.Difference.winner` at k
    """
    rows = [
        {"k": at, "difference": one - other, "low": ends[0], "high": ends[1]}
        for at, (one, other, *ends) in enumerate(zip(curves["cosine"], curves["euclidean"], low, high), 1)
    ]
    colour = style.ACCENT_ON_DARK if dark else style.ACCENT
    x = {
        "field": "k",
        "type": "quantitative",
        "title": t("neighbours that vote, k"),
        "scale": {"nice": False},
        "axis": {"grid": False, "tickMinStep": 1},
    }
    y = {
        "type": "quantitative",
        "title": t("cosine minus Euclidean"),
        "axis": {"format": "+.1%", "tickCount": 4},
    }
    tooltip = [
        {"field": "k", "title": "k"},
        *(
            {"field": field, "title": words, "format": "+.2%"}
            for field, words in (
                ("difference", t("difference")),
                ("low", t("95 %, from")),
                ("high", t("95 %, to")),
            )
        ),
    ]
    return {
        "title": title(t(LEADS[winner], k=k), t("{source} · band: 95 % for each k by itself", source=source)),
        "width": "container",
        "height": 130,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.25, "color": colour, "tooltip": None},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": [{"none": 0}]},
                "mark": {"type": "rule", "color": style.MUTED, "strokeDash": [5, 4], "tooltip": None},
                "encoding": {"y": {**y, "field": "none"}},
            },
            {
                "mark": {"type": "line", "color": colour, "strokeWidth": 2, "tooltip": None},
                "encoding": {"x": x, "y": {**y, "field": "difference"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 24, "color": colour, "opacity": 1},
                "encoding": {"x": x, "y": {**y, "field": "difference"}, "tooltip": tooltip},
            },
        ],
    }


def by_group(
    rows: Sequence[Mapping[str, Any]], label: str, words: str, source: str, dark: bool = False
) -> dict:
    """Cosine minus Euclidean in groups of queries, each with its paired 95 % interval; a line at none.

    rows: name, difference, low, high, a, b, apart, n, as analysis.retrieval_study gives them
    Coloured as `paired.Difference.winner` crowns: the interval of a few queries that differ leaves zero out by chance.
    """
    values = [
        {
            **{key: row[key] for key in ("name", "difference", "low", "high", "apart", "n")},
            "cosine": f"{100 * row['a']:.1f} %",
            "euclidean": f"{100 * row['b']:.1f} %",
            "clear": row["apart"] >= LEAST_APART and (row["low"] > 0 or row["high"] < 0),
        }
        for row in rows
    ]
    y = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "axis": {"title": label, "ticks": False, "domain": False, "labelLimit": 160},
    }
    x = {
        "field": "difference",
        "type": "quantitative",
        "title": t("cosine minus Euclidean, right votes"),
        "axis": {"format": "+.1%", "tickCount": 5},
    }
    colour = {
        "condition": {"test": "datum.clear", "value": style.ACCENT_ON_DARK if dark else style.ACCENT},
        "value": style.MUTED,
    }
    tooltip = [
        {"field": "name", "title": label},
        {"field": "cosine", "title": t("cosine")},
        {"field": "euclidean", "title": t("Euclidean")},
        {"field": "difference", "title": t("difference"), "format": "+.2%"},
        {"field": "apart", "title": t("pictures on which they differ"), "format": ","},
        {"field": "n", "title": "n", "format": ","},
    ]
    return {
        "title": title(words, source),
        "width": "container",
        "height": {"step": 24},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "layer": [
            {
                "data": {"values": [{"none": 0}]},
                "mark": {"type": "rule", "color": style.MUTED, "strokeDash": [5, 4], "tooltip": None},
                "encoding": {"x": {"field": "none", "type": "quantitative"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "tooltip": None},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"y": y, "x": x, "color": colour, "tooltip": tooltip},
            },
        ],
    }


def by_feature(
    rows: Sequence[Mapping[str, Any]], names: Mapping[str, str], source: str, dark: bool = False
) -> dict:
    """The share of right votes, each kind of features by both metrics; the title has the range of each group.

    rows: feature, group, metric, accuracy, low, high, n, map_r (None where it was not measured), map_n
    """
    values = [
        {
            "feature": row["feature"],
            "metric": names[row["metric"]],
            "value": row["accuracy"],
            "low": row["low"],
            "high": row["high"],
            "said": f"{100 * row['accuracy']:.1f} %",
            "n": row["n"],
        }
        | ({} if row["map_r"] is None else {"map": f"{100 * row['map_r']:.1f} %, n = {row['map_n']:,}"})
        for row in rows
    ]
    # groups that are fixed beforehand, no best: the maximum of many on the test pictures is luck as well
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(100 * row["accuracy"])
    words = t(
        "Right votes: {ranges}",
        ranges="; ".join(f"{group} {min(of):.1f}–{max(of):.1f} %" for group, of in groups.items()),
    )
    colour, shape = keys(names, dark)
    order = list(dict.fromkeys(row["feature"] for row in values))
    y = {
        "field": "feature",
        "type": "nominal",
        "sort": order,
        "axis": {"title": None, "ticks": False, "domain": False, "labelLimit": 170},
    }
    shift = {"field": "metric", "type": "nominal", "sort": list(names.values())}
    x = {
        "field": "value",
        "type": "quantitative",
        "title": t("right votes"),
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%"},
    }
    tooltip = [
        {"field": "feature", "title": t("Which features")},
        {"field": "metric", "title": t("Metric")},
        {"field": "said", "title": t("right votes")},
        {"field": "n", "title": "n", "format": ","},
        *([{"field": "map", "title": t("MAP@R")}] if any("map" in row for row in values) else []),
    ]
    return {
        "title": title(words, source),
        "width": "container",
        "height": {"step": 18, "for": "offset"},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "tooltip": None},
                "encoding": {
                    "y": y,
                    "yOffset": shift,
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "y": y,
                    "yOffset": shift,
                    "x": x,
                    "color": colour,
                    "shape": shape,
                    "tooltip": tooltip,
                },
            },
        ],
    }
