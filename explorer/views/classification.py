"""Bars per class and the reliability diagram, as plain Vega-Lite dicts.

The confusion matrix stands in matrix.py, the ROC and PR curves in curves.py.
"""

from explorer.analysis.calibration import Reliability
from explorer.analysis.classification import Report
from explorer.text import t
from explorer.views import style
from explorer.views.figure import percentage, title


def class_bars(
    report: Report, column: str, label: str, best_first: bool | None, source: str, dark: bool = False
) -> dict:
    """A bar per class of `column` ("precision", "recall", "f1"); best_first None keeps class order."""
    colours = style.class_colours(len(report.rows), dark)
    bars = [
        {
            "class": row.name,
            "value": getattr(row, column),
            "print": f"{getattr(row, column):.3f}",
            "support": row.support,
        }
        for row in report.rows
    ]
    names = [bar["class"] for bar in bars]
    if best_first is not None:
        names = [bar["class"] for bar in sorted(bars, key=lambda bar: bar["value"], reverse=best_first)]
    low, high = min(bars, key=lambda bar: bar["value"]), max(bars, key=lambda bar: bar["value"])
    sentence = t(
        "{label}: lowest for “{low}” ({least}), highest for “{high}” ({most})",
        label=label, low=low["class"], least=low["print"], high=high["class"], most=high["print"],
    )  # fmt: skip
    return {
        "title": title(sentence, source),
        "width": "container",
        "height": 28 * len(bars),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": bars},
        "encoding": {
            "y": {
                "field": "class", "type": "nominal", "sort": names, "title": None,
                "axis": {"labelLimit": 110},
            },
            "x": {
                "field": "value", "type": "quantitative", "scale": {"domain": [0, 1]},
                "title": t("{label}, from 0 to 1", label=label), "axis": {"tickCount": 5},
            },
            "tooltip": [
                {"field": "class", "title": t("class")},
                {"field": "value", "title": label, "format": ".4f"},
                {"field": "support", "title": t("pictures"), "format": ","},
            ],
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.72}},
                "encoding": {
                    "color": {
                        "field": "class", "type": "nominal", "legend": None,
                        "scale": {"domain": [row.name for row in report.rows], "range": colours},
                    }
                },
            },
            {
                "transform": [{"calculate": "datum.value", "as": "end"}],
                "mark": {"type": "text", "align": "right", "dx": -6, "fontWeight": 600},
                "encoding": {
                    "text": {"field": "print"},
                    "color": {
                        "field": "class", "type": "nominal", "legend": None,
                        "scale": {
                            "domain": [row.name for row in report.rows],
                            "range": [style.ink_on(colour) for colour in colours],
                        },
                    },
                },
            },
        ],
        "resolve": {"scale": {"color": "independent"}},
    }  # fmt: skip


def reliability_diagram(found: Reliability, source: str) -> dict:
    """Accuracy against confidence, a clickable bar per bin; the selection `bin` carries its number, `bin`."""
    bins = [
        {
            "bin": k, "low": b.low, "high": max(b.high, b.low + 0.02), "accuracy": b.accuracy,
            "confidence": b.confidence, "n": b.n, "range": bin_label(b.low, b.high),
            "sure": b.confidence > b.accuracy,
        }
        for k, b in enumerate(found.bins) if b.n
    ]  # fmt: skip
    lean = sum(b.n * (b.confidence - b.accuracy) for b in found.bins)
    value = f"{found.ece:.4f}"
    sentence = (
        t("The model is surer than it is right: ECE {ece}", ece=value)
        if lean > 0
        else t("The model is right more often than it is sure: ECE {ece}", ece=value)
    )
    probability = {
        "type": "quantitative",
        "scale": {"domain": [0, max(1.0, *(b["high"] for b in bins))], "nice": False},
    }
    tooltip = [
        {"field": "range", "title": t("highest probability")},
        {"field": "n", "title": t("pictures"), "format": ","},
        {"field": "confidence", "title": t("mean probability"), "format": ".1%"},
        {"field": "accuracy", "title": t("share that is right"), "format": ".1%"},
    ]
    across = {
        "x": {
            "field": "low", **probability, "title": t("how sure: highest probability"),
            "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".0%", "grid": False},
        },
        "x2": {"field": "high"},
        "tooltip": tooltip,
    }  # fmt: skip
    up = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": t("how often right: accuracy"),
        "axis": {"format": ".0%"},
    }
    return {
        "title": title(sentence, source),
        "width": "container",
        "height": 340,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": bins},
        "layer": [
            {
                "mark": {"type": "bar", "color": "#4B93B4", "xOffset": 1, "x2Offset": -1},
                "encoding": {**across, "y": {"field": "accuracy", **up}, "y2": {"datum": 0}},
            },
            {
                "mark": {"type": "bar", "xOffset": 1, "x2Offset": -1},
                "encoding": {
                    **across, "y": {"field": "accuracy", **up}, "y2": {"field": "confidence"},
                    "color": {"condition": {"test": "datum.sure", "value": style.WRONG}, "value": "#A9D0E1"},
                },
            },
            {
                "data": {"values": [{"at": 0}, {"at": 1}]},
                "mark": {"type": "line", "color": style.MUTED, "strokeDash": [5, 4], "tooltip": None},
                "encoding": {"x": {"field": "at", **probability}, "y": {"field": "at", **up}},
            },
            {
                "params": [{"name": "bin", "select": {"type": "point", "fields": ["bin"], "toggle": False}}],
                "mark": {"type": "bar", "opacity": 0, "cursor": "pointer"},
                "encoding": {**across, "y": {"datum": 0, **up}, "y2": {"datum": 1}},
            },
        ],
    }  # fmt: skip


def framed_bin(spec: dict, number: int | None) -> dict:
    """A reliability diagram with a frame around one bin."""
    if number is None:
        return spec
    hit = spec["layer"][-1]
    mark = {"type": "bar", "filled": False, "stroke": style.CHOSEN, "strokeWidth": 2.5, "tooltip": None}
    encoding = {key: value for key, value in hit["encoding"].items() if key != "tooltip"}
    frame = {"transform": [{"filter": f"datum.bin === {int(number)}"}], "mark": mark, "encoding": encoding}
    return {**spec, "layer": [*spec["layer"][:-1], frame, hit]}


def bin_label(low: float, high: float) -> str:
    """The range of a bin in words: "93.3–100 %", or "100 %" for what was rounded to exactly 1."""
    return "100 %" if low == high else f"{percentage(low)}–{percentage(high)} %"
