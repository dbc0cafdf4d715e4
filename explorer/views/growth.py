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

    measured, estimated: rows with n, engine and `field`, in `unit`; where known recall in [0, 1], seconds of building
    """
    rows = [
        {"n": row["n"], "engine": row["engine"], "value": float(row[field]), "how": how} | _beside(row)
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
        {"field": "found", "title": t("recall")},
        {"field": "built", "title": t("built in")},
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


def _beside(row: Mapping[str, Any]) -> dict[str, str]:
    """What a time is worth nothing without: how much is found, and how long somebody waits before."""
    known = "recall" in row
    return {
        "found": f"{100 * row['recall']:.1f} %" if known else "–",
        "built": f"{row['seconds']:,.1f} s" if known else "–",
    }


def grown(measured: Sequence[Mapping[str, Any]], k: int) -> str:
    """What became of the time of one query in the sizes that both were measured at, and what the graph finds there.

    measured: rows with n, engine ("flat", "hnsw"), ms and recall in [0, 1], of the k nearest
    """
    flat, graph = ({row["n"]: row for row in measured if row["engine"] == name} for name in ("flat", "hnsw"))
    both = sorted(flat.keys() & graph.keys())
    if len(both) < 2:
        return t("Time of one query")
    least, most = both[0], both[-1]
    return t(
        "From {least} to {most} vectors exact search takes {flat} times as long, the HNSW graph {graph} times; there "
        "it finds {recall} % of the {k} nearest",
        least=f"{least:,}", most=f"{most:,}", flat=f"{flat[most]['ms'] / flat[least]['ms']:.1f}", k=k,
        graph=f"{graph[most]['ms'] / graph[least]['ms']:.1f}", recall=f"{100 * graph[most]['recall']:.1f}",
    )  # fmt: skip


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
