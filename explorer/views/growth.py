"""What a search costs as the pictures become many, as Vega-Lite: milliseconds and memory over their number."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.text import t
from explorer.views import style
from explorer.views.figure import title


def over_n(
    measured: Sequence[Mapping[str, Any]],
    estimated: Sequence[Mapping[str, Any]],
    field: str,
    unit: str,
    words: str,
    source: str,
    dark: bool = False,
) -> dict:
    """One number over how many vectors, both axes logarithmic; a line an engine, dashed where it is an estimate.

    measured, estimated: rows with n, engine and `field`, in `unit`
    """
    rows = [
        {"n": row["n"], "engine": row["engine"], "value": float(row[field]), "how": how}
        for how, part in ((t("measured"), measured), (t("estimated"), estimated))
        for row in part
        if row.get(field)
    ]
    names = list(dict.fromkeys(row["engine"] for row in rows))
    colour = {
        "field": "engine",
        "type": "nominal",
        "title": None,
        "scale": {"domain": names, "range": style.class_colours(len(names) + 1, dark)[1:]},
        "legend": {"orient": "bottom", "labelLimit": 300, "columns": 1},
    }
    how = {
        "field": "how",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [t("measured"), t("estimated")], "range": [[1, 0], [5, 4]]},
        "legend": {"orient": "bottom"},
    }
    encoding = {
        "x": {
            "field": "n",
            "type": "quantitative",
            "title": t("vectors"),
            "scale": {"type": "log"},
            "axis": {"format": "~s", "tickCount": 6, "grid": False},
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": unit,
            "scale": {"type": "log"},
            "axis": {"format": "~g", "tickCount": 5},
        },
        "color": colour,
    }
    tooltip = [
        {"field": "engine", "title": t("engine")},
        {"field": "n", "title": t("vectors"), "format": ","},
        {"field": "value", "title": unit, "format": ".3~g"},
        {"field": "how", "title": " "},
    ]
    return {
        "title": title(words, source),
        "width": "container",
        "height": 280,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2, "tooltip": None},
                "encoding": {**encoding, "strokeDash": how},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {**encoding, "tooltip": tooltip},
            },
        ],
    }


def dial_chart(
    rows: Sequence[Mapping[str, float]], exact: float, ef: int, source: str, dark: bool = False
) -> dict:
    """Recall over milliseconds, a point for each ef, the chosen one framed; a rule at the time of exact search.

    rows: ef, recall in [0, 1], p50_ms;  exact: ms of exact search
    """
    chosen = next(row for row in rows if row["ef"] == ef)
    words = t(
        "ef {ef}: {recall} % found in {ms} ms, exact search takes {exact} ms",
        ef=ef,
        recall=f"{100 * chosen['recall']:.1f}",
        ms=f"{chosen['p50_ms']:.2f}",
        exact=f"{exact:.2f}",
    )
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    x = {
        "field": "p50_ms",
        "type": "quantitative",
        "title": t("ms a query, median"),
        "scale": {"type": "log"},
    }
    y = {
        "field": "recall",
        "type": "quantitative",
        "title": t("recall"),
        "scale": {"domain": [min(0.95, *(row["recall"] for row in rows)) - 0.02, 1], "nice": False},
        "axis": {"format": ".0%", "tickCount": 4},
    }
    encoding = {"x": x, "y": y}
    tooltip = [
        {"field": "ef", "title": "ef"},
        {"field": "recall", "title": t("recall"), "format": ".2%"},
        {"field": "p50_ms", "title": t("ms a query, median"), "format": ".3f"},
    ]
    return {
        "title": title(words, source),
        "width": "container",
        "height": 240,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": [dict(row) for row in rows]},
        "layer": [
            {
                "data": {"values": [{"p50_ms": exact}]},
                "mark": {"type": "rule", "color": style.MUTED, "strokeDash": [5, 4], "tooltip": None},
                "encoding": {"x": x},
            },
            {
                "mark": {"type": "line", "color": accent, "strokeWidth": 2, "tooltip": None},
                "encoding": {**encoding, "order": {"field": "ef"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": accent},
                "encoding": {**encoding, "tooltip": tooltip},
            },
            {
                "transform": [{"filter": f"datum.ef == {int(ef)}"}],
                "mark": {
                    "type": "point",
                    "size": 260,
                    "color": style.CHOSEN,
                    "strokeWidth": 3,
                    "tooltip": None,
                },
                "encoding": encoding,
            },
            {
                "mark": {
                    "type": "text",
                    "dy": -13,
                    "tooltip": None,
                    "color": style.INK_ON_DARK if dark else style.INK,
                },
                "encoding": {**encoding, "text": {"field": "ef"}},
            },
        ],
    }
