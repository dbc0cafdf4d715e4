"""Two charts that no page has, as plain Vega-Lite: numbers of several sources as dots, and words as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import wrapped

SIDES = {  # where a number comes from -> (words, (colour, mark))
    "reported": (N_("reported"), (style.MUTED, "square")),
    "same": (N_("same recipe here"), (style.CHOSEN, "triangle-up")),
    "ours": (N_("our recipe"), (style.ACCENT, "circle")),
}
OTHERS = ((style.ACCENT, "circle"), (style.CHOSEN, "triangle-up"), (style.MUTED, "square"))


def dots(rows: Sequence[Mapping[str, Any]], label: str, dark: bool = False) -> dict[str, Any]:
    """A dot for each number, a row a name, a colour and a mark a series; the scale need not begin at 0.

    rows: name, series, value, print (as it is written beside the dot);  label: of the axis
    """
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    known = {t(words): look for words, look in SIDES.values()}
    found = dict.fromkeys(row["series"] for row in rows)
    series = [*(name for name in known if name in found), *(name for name in found if name not in known)]
    looks = [known.get(name, OTHERS[k % len(OTHERS)]) for k, name in enumerate(series)]
    key = (
        None
        if len(series) == 1
        else {"title": None, "orient": "top", "symbolOpacity": 1, "labelLimit": 400, "columns": 2}
    )
    shared = {"field": "series", "type": "nominal", "sort": series, "legend": key}
    low, high = min(row["value"] for row in rows), max(row["value"] for row in rows)
    low, high = (low, high) if high > low else (low - 1, high + 1)
    room = 12 + 9 * max(
        len(row["print"]) for row in rows
    )  # pixels, for what is written beside the outermost dots
    x = {
        "field": "value", "type": "quantitative", "title": wrapped(label, 28),
        "scale": {"domain": [low, high], "padding": room, "nice": False, "zero": False},
        "axis": {"grid": True, "tickCount": 6, "labelBound": True},
    }  # fmt: skip
    y = {
        "field": "name", "type": "nominal", "sort": list(dict.fromkeys(row["name"] for row in rows)),
        "title": None, "axis": {"grid": True, "ticks": False, "domain": False, "labelLimit": 420, "labelPadding": 10},
    }  # fmt: skip
    # of one name the highest number is written to the right of its dot, the lowest to the left, those between above
    of: dict[str, list[float]] = {}
    for row in rows:
        of.setdefault(row["name"], []).append(row["value"])
    values = [
        dict(row)
        | {
            "place": "right"
            if row["value"] >= max(each)
            else "left"
            if row["value"] <= min(each)
            else "above"
        }
        for row in rows
        for each in [of[row["name"]]]
    ]

    def printed(place: str, **where: Any) -> dict[str, Any]:
        mark = {"type": "text", "color": style.INK_ON_DARK if dark else style.INK, "tooltip": None, **where}
        return {
            "transform": [{"filter": f"datum.place == '{place}'"}],
            "mark": mark,
            "encoding": {"x": x, "y": y, "text": {"field": "print"}},
        }

    colours = [accent if ink == style.ACCENT or len(series) == 1 else ink for ink, _ in looks]
    return {
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "point", "filled": True, "size": 190, "opacity": 1},
                "encoding": {
                    "x": x, "y": y,
                    "color": {**shared, "scale": {"domain": series, "range": colours}},
                    "shape": {**shared, "scale": {"domain": series, "range": [mark for _, mark in looks]}},
                    "tooltip": [
                        {"field": "name", "title": t("name")},
                        {"field": "series", "title": t("source")},
                        {"field": "print", "title": label},
                    ],
                },
            },
            printed("right", align="left", dx=14),
            printed("left", align="right", dx=-14),
            printed("above", align="center", dy=-18),
        ],
    }  # fmt: skip


def table(
    rows: Sequence[Sequence[str]], widths: Sequence[float], heads: Sequence[str] = (), dark: bool = False
) -> dict[str, Any]:
    """Words in rows and columns, large where they are few.

    widths: of the columns, shares that add up to 1;  heads: of the columns
    """
    places = [sum(widths[:k]) for k in range(len(widths))]
    lines = [*([heads] if heads else []), *rows]
    values = [
        {"row": k, "x": places[j], "words": "\n".join(wrapped(words, max(12, round(80 * widths[j])))),
         "head": bool(heads) and k == 0}
        for k, row in enumerate(lines)
        for j, words in enumerate(row)
    ]  # fmt: skip
    y = {"field": "row", "type": "quantitative", "axis": None,
         "scale": {"domain": [-0.5, len(lines) - 0.5], "reverse": True, "nice": False, "zero": False}}  # fmt: skip
    x = {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1], "nice": False}}
    ink = {
        "condition": {"test": "datum.head", "value": style.QUIET_ON_DARK if dark else style.QUIET},
        "value": style.INK_ON_DARK if dark else style.INK,
    }
    size = 18 if len(lines) > 2 else 34
    rules = [{"row": k + 0.5} for k in range(len(lines) - 1)]
    return {
        "data": {"values": values},
        "layer": [
            {
                "data": {"values": rules},
                "mark": {"type": "rule", "color": style.MUTED, "opacity": 0.4},
                "encoding": {"y": y},
            },
            {
                "mark": {
                    "type": "text",
                    "align": "left",
                    "baseline": "middle",
                    "fontSize": size,
                    "lineHeight": size + 6,
                    "lineBreak": "\n",  # not lists of lines, which an Arrow table would not bring as such
                },
                "encoding": {"x": x, "y": y, "text": {"field": "words"}, "color": ink},
            },
        ],
        "config": {"view": {"stroke": None}},
    }
