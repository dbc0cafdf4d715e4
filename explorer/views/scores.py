"""Charts of what scores are worth: FID over the number of pictures, over faults, against the time that it takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.text import t
from explorer.views import style
from explorer.views.figure import title

MEASURES = {"fid": "FID", "kid": "KID", "precision": "precision", "recall": "recall"}  # of the faults


def fitted(curve: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """(value at endlessly many pictures, slope) of the line through FID over 1/N, by least squares."""
    inverse = [1 / n for n, _ in curve]
    mean_x, mean_y = sum(inverse) / len(curve), sum(value for _, value in curve) / len(curve)
    spread = sum((x - mean_x) ** 2 for x in inverse)
    slope = (
        sum((x - mean_x) * (value - mean_y) for x, (_, value) in zip(inverse, curve)) / spread
        if spread
        else 0.0
    )
    return mean_y - slope * mean_x, slope


def over_n(curves: Mapping[str, Sequence[tuple[int, float]]], n: int, dark: bool = False) -> dict:
    """FID over the number of pictures, a line a checkpoint; curves: name -> (N, FID), ascending;  n: the one looked at.

    The line is limit + slope / N through the points, drawn on to smaller and larger N.
    """
    points = [
        {"name": name, "n": size, "fid": value} for name, curve in curves.items() for size, value in curve
    ]
    sizes = sorted({round(500 * 1.2**k) for k in range(14)} | {n})
    lines = [
        {"name": name, "n": size, "fid": limit + slope / size}
        for name, curve in curves.items()
        for limit, slope in [fitted(curve)]
        for size in sizes
    ]
    name, curve = next(iter(curves.items()))
    limit, slope = fitted(curve)
    words = t(
        "{name}: FID {value} by {n} pictures, {limit} by endlessly many",
        name=name, value=f"{limit + slope / n:.1f}", n=f"{n:,}", limit=f"{limit:.1f}",
    )  # fmt: skip
    colour = {
        "field": "name", "type": "nominal", "title": None,
        "scale": {"domain": list(curves), "range": style.class_colours(len(curves) + 1, dark)[1:]},
        "legend": {"orient": "bottom", "labelLimit": 300},
    }  # fmt: skip
    x = {
        "field": "n",
        "type": "quantitative",
        "title": t("pictures"),
        "scale": {"type": "log"},
        "axis": {"tickCount": 5},
    }
    y = {"field": "fid", "type": "quantitative", "title": "FID", "scale": {"zero": False}}
    tooltip = [
        {"field": "name", "title": t("checkpoint")},
        {"field": "n", "title": t("pictures"), "format": ","},
        {"field": "fid", "title": "FID", "format": ".2f"},
    ]
    shared = {"x": x, "y": y, "color": colour, "tooltip": tooltip}
    return {
        "title": title(words, t("points: measured on subsets; line: limit + c / N, fitted")),
        "width": "container",
        "height": 260,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": [
            {"data": {"values": lines}, "mark": {"type": "line", "strokeWidth": 2}, "encoding": shared},
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": shared,
            },
            {
                "data": {"values": [{"n": n}]},
                "mark": {"type": "rule", "color": style.CHOSEN, "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "n", "type": "quantitative"}},
            },
        ],
    }


def faults(
    rows: Sequence[Mapping[str, Any]], unit: str, live: Mapping[str, Any] | None, dark: bool = False
) -> dict:
    """Four small charts of one fault: FID, KID, precision, recall over its strength.

    rows: as analysis.perturbing.rows gives them, of one kind, strength 0 among them;  live: a row measured just now
    """
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    values = [dict(row) for row in sorted(rows, key=lambda row: row["strength"])]
    first, last = values[0], values[-1]
    words = t(
        "From {a} to {b}: FID {fid_a} to {fid_b}, precision {p_a} to {p_b}, recall {r_a} to {r_b}",
        a=f"{first['strength']:g}", b=f"{last['strength']:g}",
        fid_a=f"{first['fid']:.0f}", fid_b=f"{last['fid']:.0f}",
        p_a=f"{first['precision']:.2f}", p_b=f"{last['precision']:.2f}",
        r_a=f"{first['recall']:.2f}", r_b=f"{last['recall']:.2f}",
    )  # fmt: skip

    def chart(key: str, name: str) -> dict:
        encoding = {
            "x": {"field": "strength", "type": "quantitative", "title": unit},
            "y": {"field": key, "type": "quantitative", "title": name},
            "tooltip": [
                {"field": "strength", "title": unit},
                {"field": key, "title": name, "format": ".4g"},
                {"field": "n", "title": t("pictures"), "format": ","},
            ],
        }
        layers = [{"mark": {"type": "line", "point": {"size": 50}, "color": accent}, "encoding": encoding}]
        if live:
            spot = {"type": "point", "filled": True, "size": 140, "shape": "diamond", "color": style.CHOSEN}
            layers.append({"data": {"values": [dict(live)]}, "mark": spot, "encoding": encoding})
        return {"width": 190, "height": 150, "layer": layers}

    return {
        "title": title(words, t("n = {n} test pictures each, against {m} training pictures",
                                n=f"{first['n']:,}", m=f"{first['reference_n']:,}")),
        "data": {"values": values},
        "columns": 4,
        "concat": [chart(key, name) for key, name in MEASURES.items()],
    }  # fmt: skip


def time_against_fid(rows: Sequence[Mapping[str, Any]], dark: bool = False) -> dict:
    """FID against milliseconds a picture, a point a sampler and number of steps; rows: of analysis.samplers."""
    values = [{**row, "label": f"{row['sampler']} {row['steps']}"} for row in rows]
    best = min(values, key=lambda row: row["fid"])
    quick = min(values, key=lambda row: row["milliseconds"])
    words = t(
        "Best: {best}, FID {fid} in {ms} ms; quickest: {quick}, FID {other} in {less} ms",
        best=best["label"], fid=f"{best['fid']:.1f}", ms=f"{best['milliseconds']:.0f}",
        quick=quick["label"], other=f"{quick['fid']:.1f}", less=f"{quick['milliseconds']:.0f}",
    )  # fmt: skip
    names = list(dict.fromkeys(row["sampler"] for row in values))
    encoding = {
        "x": {
            "field": "milliseconds",
            "type": "quantitative",
            "title": t("ms a picture"),
            "scale": {"type": "log"},
        },
        "y": {"field": "fid", "type": "quantitative", "title": "FID", "scale": {"zero": False}},
    }
    colour = {
        "field": "sampler", "type": "nominal", "title": None, "legend": {"orient": "bottom"},
        "scale": {"domain": names, "range": style.class_colours(len(names) + 1, dark)[1:]},
    }  # fmt: skip
    tooltip = [
        {"field": "label", "title": t("sampler, steps")},
        {"field": "fid", "title": "FID", "format": ".2f"},
        {"field": "milliseconds", "title": t("ms a picture"), "format": ".1f"},
    ]
    return {
        "title": title(words, t("n = {n} pictures, against {m} training pictures, on the machine that measured them",
                                n=f"{best['n']:,}", m=f"{best['reference_n']:,}")),
        "width": "container",
        "height": 280,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.5},
             "encoding": {**encoding, "color": colour, "order": {"field": "steps"}}},
            {"mark": {"type": "point", "filled": True, "size": 70},
             "encoding": {**encoding, "color": colour, "tooltip": tooltip}},
            {"mark": {"type": "text", "dy": -11, "fontSize": 11},
             "encoding": {**encoding, "color": colour, "text": {"field": "steps"}}},
        ],
    }  # fmt: skip
