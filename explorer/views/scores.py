"""Charts of what scores are worth: FID over the number of pictures, over faults, against the time that it takes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explorer.analysis import fid
from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import title

INKS = (1, 3, 5, 0)  # of the class colours, for checkpoints and samplers: all stand out on either ground
MARKS = ("circle", "square", "diamond", "triangle-up")
MEASURES = {"fid": "FID", "kid": "KID", "precision": N_("precision"), "recall": N_("recall")}  # of the faults


def cautioned(words: str, n: int, m: int) -> str:
    """What is said of an FID of n pictures against m, and that these are few where they are."""
    return words if min(n, m) >= fid.ENOUGH else f"{words} · {t(fid.FEW)}"


def limits(
    curves: Mapping[str, Sequence[tuple[int, float]]], reference: tuple[int, str]
) -> dict[str, list[str]]:
    """Columns of words, a row a checkpoint: its FID by the most pictures that were drawn, and by endlessly many with
    the standard error of the fit. curves, reference: as `over_n` takes them"""
    rows = []
    for name, curve in curves.items():
        (most, value), (limit, _, error) = curve[-1], fid.line(curve)
        told = f"{limit:.2f}" + (f" ± {error:.2f}" if math.isfinite(error) else "")
        rows.append((f"**{name}**", f"{value:.2f}", fid.label(most, *reference), told))
    heads = (t("Model"), "FID", t("measured as"), t("FID-infinity, ± error of the fit"))
    return {head: [row[k] for row in rows] for k, head in enumerate(heads)}


def biased(curve: Sequence[tuple[int, float]]) -> bool:
    """Whether FID falls with N by more than the fit can be wrong: the slope of `fid.line` exceeds its standard error,
    or 0 where two points give none. curve: (N, FID)"""
    _, slope, error = fid.line(curve)
    # Of the same residuals: the limit's error is the slope's times the root mean square of 1 / N.
    each = error / math.sqrt(sum(1 / n**2 for n, _ in curve) / len(curve))
    return slope > (each if math.isfinite(each) else 0.0)


def over_n(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    n: int,
    dark: bool = False,
    reference: tuple[int, str] | None = None,
) -> dict:
    """FID over the number of pictures, a line a checkpoint; curves: name -> (N, FID), ascending;  n: the one looked at.

    The line is limit + slope / N through the points, drawn on to smaller and larger N.
    reference: what is compared with, (50_000, "train"); None: the caller says it
    """
    points = [
        {"name": name, "n": size, "fid": value} for name, curve in curves.items() for size, value in curve
    ]
    # Close enough on a logarithmic axis for what is no straight line there.
    sizes = sorted({*np.geomspace(min(n, 500), max(n, 5000), 26).round().astype(int).tolist(), n})
    lines = [
        {"name": name, "n": size, "fid": limit + slope / size}
        for name, curve in curves.items()
        for limit, slope, _ in [fid.line(curve)]
        for size in sizes
    ]
    name, curve = next(iter(curves.items()))
    limit, slope, _ = fid.line(curve)
    told = {"name": name, "n": f"{n:,}", "limit": f"{limit:.2f}"}
    measured = dict(curve).get(n)
    if measured is not None:
        words = t(
            "{name}: FID {value} by {n} pictures, {limit} by endlessly many", value=f"{measured:.2f}", **told
        )
    else:
        words = t("{name}: by the fitted line FID {value} by {n} pictures, {limit} by endlessly many",
                  value=f"{limit + slope / n:.2f}", **told)  # fmt: skip
    colour, shape = _keys("name", list(curves), dark)
    x = {
        "field": "n",
        "type": "quantitative",
        "title": t("pictures"),
        "scale": {"type": "log", "nice": False},
        "axis": {"tickCount": 5},
    }
    label, m = "FID", n
    if reference:
        m, of = reference
        label = t("FID against {m} {reference}", m=fid.short(m), reference=of)
    y = {"field": "fid", "type": "quantitative", "title": label, "scale": {"zero": False}}
    tooltip = [
        {"field": "name", "title": t("checkpoint")},
        {"field": "n", "title": t("pictures"), "format": ","},
        {"field": "fid", "title": "FID", "format": ".2f"},
    ]
    shared = {"x": x, "y": y, "color": colour, "tooltip": tooltip}
    return {
        "title": title(words, cautioned(t("points: measured on subsets; line: limit + c / N, fitted"), n, m)),
        "width": "container",
        "height": 260,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": [
            {"data": {"values": lines}, "mark": {"type": "line", "strokeWidth": 2}, "encoding": shared},
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {**shared, "shape": shape},
            },
            {
                "data": {"values": [{"n": n}]},
                "mark": {"type": "rule", "color": style.CHOSEN, "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "n", "type": "quantitative"}},
            },
        ],
    }


def _keys(field: str, names: Sequence[str], dark: bool) -> tuple[dict, dict]:
    """The colours and the marks of names, with one legend below: colour is never the only sign."""
    inks = style.class_colours(10, dark)
    shared = {
        "field": field,
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom", "labelLimit": 300},
    }
    colours = [inks[INKS[k % len(INKS)]] for k in range(len(names))]
    marks = [MARKS[k % len(MARKS)] for k in range(len(names))]
    return (
        {**shared, "scale": {"domain": list(names), "range": colours}},
        {**shared, "scale": {"domain": list(names), "range": marks}},
    )


def fault_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is seen of one fault, for above its charts; rows: as `faults` has them."""
    rows = sorted(rows, key=lambda row: row["strength"])
    first, last = rows[0], rows[-1]
    return t(
        "From {a} to {b}: FID {fid_a} to {fid_b}, precision {p_a} to {p_b}, recall {r_a} to {r_b}",
        a=f"{first['strength']:g}", b=f"{last['strength']:g}",
        fid_a=f"{first['fid']:.0f}", fid_b=f"{last['fid']:.0f}",
        p_a=f"{first['precision']:.2f}", p_b=f"{last['precision']:.2f}",
        r_a=f"{first['recall']:.2f}", r_b=f"{last['recall']:.2f}",
    )  # fmt: skip


def strength_words(row: Mapping[str, Any], fault: str) -> str:
    """All that is measured of one fault at one strength; row: as `faults` has them;  fault: its title"""
    told = ", ".join(f"{t(name)} {row[key]:.3g}" for key, name in MEASURES.items())
    return f"{fault} {row['strength']:g}: {told}"


def fault_source(row: Mapping[str, Any]) -> str:
    """What the numbers of one fault rest on, for below its charts; row: any of them"""
    n, m = row["n"], row["reference_n"]
    told = {"n": f"{n:,}", "m": f"{m:,}"}
    words = t("CIFAR-10, n = {n} test pictures each; FID against {m} training pictures", **told)
    if row.get("compared_with"):
        words += t(", KID, precision and recall against {k} of these", k=f"{row['compared_with']:,}")
    return cautioned(words, n, m)


def live_words(live: Mapping[str, Any], fault: str, measure: str = "fid") -> str:
    """What the point of now says of one of MEASURES. live: as `faults` has it;  fault: its title"""
    return t("measured here (diamond): {fault} {strength}, {measure} {value}, n = {n}", fault=fault,
             strength=f"{live['strength']:g}", measure=t(MEASURES[measure]), value=f"{live[measure]:.3g}",
             n=f"{live['n']:,}")  # fmt: skip


def faults(
    rows: Sequence[Mapping[str, Any]],
    unit: str,
    live: Mapping[str, Any] | None,
    dark: bool = False,
    factor: bool = False,
    at: float | None = None,
) -> dict[str, dict]:
    """A small chart for each of MEASURES over the strength of one fault, each as wide as its place.

    rows: as analysis.perturbing.of_kind gives them, none where nothing is stored;  live: a row measured just now
    factor: the strengths are factors;  at: the strength that is looked at
    """
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    values = [dict(row) for row in sorted(rows, key=lambda row: row["strength"])]

    x = {"field": "strength", "type": "quantitative", "title": unit, "axis": {"tickCount": 5}}
    if factor:
        x |= {"scale": {"type": "log", "nice": False}}
        x |= {"axis": {"values": [row["strength"] for row in values]}} if values else {}

    def chart(key: str, name: str) -> dict:
        encoding = {
            "x": x,
            "y": {"field": key, "type": "quantitative", "title": name, "axis": {"tickCount": 4}},
            "tooltip": [
                {"field": "strength", "title": unit},
                {"field": key, "title": name, "format": ".4g"},
                {"field": "n", "title": t("pictures"), "format": ","},
            ],
        }
        layers = [
            {
                "mark": {"type": "line", "point": {"size": 50, "color": accent}, "color": accent},
                "encoding": encoding,
            }
        ]
        if at is not None:
            rule = {"type": "rule", "color": style.CHOSEN, "strokeDash": [4, 3]}
            layers.append({"data": {"values": [{"strength": at}]}, "mark": rule, "encoding": {"x": x}})
        if live:
            spot = {
                "type": "point", "filled": True, "size": 140, "shape": "diamond", "color": style.CHOSEN, "opacity": 1,
            }  # fmt: skip
            layers.append({"data": {"values": [dict(live)]}, "mark": spot, "encoding": encoding})
        return {
            "width": "container",
            "height": 150,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "data": {"values": values},
            "layer": layers,
        }

    return {key: chart(key, t(name)) for key, name in MEASURES.items()}


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
    names, n, m = list(dict.fromkeys(row["sampler"] for row in values)), best["n"], best["reference_n"]
    source = t("n = {n} pictures, against {m} training pictures, on the machine that measured them",
               n=f"{n:,}", m=f"{m:,}")  # fmt: skip
    encoding = {
        "x": {
            "field": "milliseconds",
            "type": "quantitative",
            "title": t("ms a picture"),
            "scale": {"type": "log"},
        },
        "y": {
            "field": "fid",
            "type": "quantitative",
            "title": fid.label(n, m, "train"),
            "scale": {"zero": False},
        },
    }
    colour, shape = _keys("sampler", names, dark)
    tooltip = [
        {"field": "label", "title": t("sampler, steps")},
        {"field": "fid", "title": "FID", "format": ".2f"},
        {"field": "milliseconds", "title": t("ms a picture"), "format": ".1f"},
    ]
    return {
        "title": title(words, cautioned(source, n, m)),
        "width": "container",
        "height": 280,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.5},
             "encoding": {**encoding, "color": colour, "order": {"field": "steps"}}},
            {"mark": {"type": "point", "filled": True, "size": 70},
             "encoding": {**encoding, "color": colour, "shape": shape, "tooltip": tooltip}},
            {"mark": {"type": "text", "dy": -11, "fontSize": 11},
             "encoding": {**encoding, "color": colour, "text": {"field": "steps"}}},
        ],
    }  # fmt: skip
