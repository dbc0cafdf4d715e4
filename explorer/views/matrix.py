"""Confusion matrices as clickable Vega-Lite charts, plain dicts.

The title states what is seen, the subtitle says n and source (`source`, ready for the screen). Cells bring
their own ink, the rest is left to the theme, so light and dark both read well.
"""

import numpy as np

from explorer.analysis.classification import top_confusions
from explorer.analysis.comparison import Comparison, rates_of
from explorer.text import t
from explorer.views import style
from explorer.views.figure import legend, percentage, quoted, title

PRINT_UP_TO = 20  # classes; with more, cells are too small for numbers


def confusion_matrix(
    matrix: np.ndarray,
    classes: tuple[str, ...],
    order: np.ndarray,
    source: str,
    percent: bool = True,
    diagonal: bool = True,
) -> dict:
    """Counts (K, K) as a matrix of clickable cells; the selection `cell` carries the fields true and
    predicted.

    Colour: share of the true class on a fixed scale from 0 to 1, square root, so that one mistake in a
    hundred shows. order: class numbers (K,) from top to bottom;  percent: print shares instead of counts
    """
    shares = rates_of(matrix)
    cells = []
    for i in range(len(classes)):
        for j in range(len(classes)):
            shown = bool(matrix[i, j]) and (diagonal or i != j)
            cells.append(
                {
                    "true": classes[i],
                    "predicted": classes[j],
                    "count": int(matrix[i, j]),
                    "share": float(shares[i, j]),
                    "support": int(matrix[i].sum()),
                    "shown": shown,
                    "print": (percentage(shares[i, j]) if percent else f"{matrix[i, j]:,}") if shown else "",
                    "black": style.ink_on(style.at(style.SEQUENTIAL, shares[i, j] ** 0.5)) == "#000000",
                }
            )
    worst = top_confusions(matrix, 1)
    sentence = t("Not one mistake in {n} pictures", n=f"{int(matrix.sum()):,}")
    if worst:
        sentence = t(
            "“{true}” is taken for “{predicted}”, {count} of {support}",
            true=classes[worst[0].true], predicted=classes[worst[0].predicted],
            count=f"{worst[0].count:,}", support=f"{worst[0].support:,}",
        )  # fmt: skip
    anchors = len(style.SEQUENTIAL) - 1
    colour = {
        "field": "share",
        "type": "quantitative",
        "scale": {
            "domain": [(k / anchors) ** 2 for k in range(anchors + 1)],
            "range": list(style.SEQUENTIAL),
        },
        "legend": legend(t("share of the true class"), [0, 0.25, 0.5, 1], ".0%"),
    }
    tooltip = [
        {"field": "true", "title": t("true class")},
        {"field": "predicted", "title": t("predicted class")},
        {"field": "count", "title": t("pictures"), "format": ","},
        {"field": "support", "title": t("of the true class"), "format": ","},
        {"field": "share", "title": t("share of the true class"), "format": ".1%"},
    ]
    return _matrix(cells, [classes[k] for k in order], colour, tooltip, title(sentence, source))


def difference_matrix(
    found: Comparison, classes: tuple[str, ...], order: np.ndarray, names: tuple[str, str], source: str
) -> dict:
    """Shares of B minus shares of A in percentage points, fixed scale -100 to +100 (square root)."""
    cells = []
    for i in range(len(classes)):
        for j in range(len(classes)):
            d = float(found.difference[i, j])
            place = (1 + np.sign(d) * abs(d) ** 0.5) / 2
            cells.append(
                {
                    "true": classes[i], "predicted": classes[j], "points": 100 * d,
                    "shown": abs(d) > 1e-12, "print": f"{100 * d:+.1f}" if abs(d) > 1e-12 else "",
                    "black": style.ink_on(style.at(style.SIGNED, place)) == "#000000",
                }
            )  # fmt: skip
    gain = 100 * (found.accuracy_b - found.accuracy_a)
    values = {
        "a": names[0],
        "b": names[1],
        "fixed": f"{len(found.fixed):,}",
        "broken": f"{len(found.broken):,}",
    }
    if gain > 0:
        sentence = t("{b} is right more often than {a}: it fixes {fixed} and breaks {broken}", **values)
    elif gain < 0:
        sentence = t("{b} is right less often than {a}: it fixes {fixed} and breaks {broken}", **values)
    else:
        sentence = t("{b} is right as often as {a}: it fixes {fixed} and breaks {broken}", **values)
    half = (len(style.SIGNED) - 1) // 2
    steps = [k / half for k in range(-half, half + 1)]
    colour = {
        "field": "points",
        "type": "quantitative",
        "scale": {"domain": [100 * s * abs(s) for s in steps], "range": list(style.SIGNED)},
        "legend": legend(t("second minus first, percentage points"), [-100, -50, 0, 50, 100], "+d"),
    }
    tooltip = [
        {"field": "true", "title": t("true class")},
        {"field": "predicted", "title": t("predicted class")},
        {"field": "points", "title": t("second minus first, percentage points"), "format": "+.2f"},
    ]
    return _matrix(cells, [classes[k] for k in order], colour, tooltip, title(sentence, source))


def framed(spec: dict, true: str | None, predicted: str | None) -> dict:
    """A matrix with a frame around a cell, a row (predicted None) or a column (true None)."""
    if true is None and predicted is None:
        return spec
    test = [
        f"datum.{field} === {quoted(name)}"
        for field, name in (("true", true), ("predicted", predicted))
        if name is not None
    ]
    mark = {"type": "rect", "filled": False, "stroke": style.CHOSEN, "strokeWidth": 3, "tooltip": None}
    layer = {"transform": [{"filter": " && ".join(test)}], "mark": mark}
    return {**spec, "layer": [*spec["layer"], layer]}


def _matrix(cells: list[dict], names: list[str], colour: dict, tooltip: list[dict], heading: dict) -> dict:
    def axis(field: str, label: str, **more: object) -> dict:
        return {
            "field": field, "type": "nominal", "sort": names, "title": label, "scale": {"domain": names},
            "axis": {
                "domain": False, "ticks": False, "labelPadding": 6, "labelLimit": 90,
                "labelOverlap": False, **more,
            },
        }  # fmt: skip

    fill = {"condition": {"test": "!datum.shown", "value": style.EMPTY}, **colour}
    layers: list[dict] = [
        {
            "params": [
                {
                    "name": "cell",
                    "select": {"type": "point", "fields": ["true", "predicted"], "toggle": False},
                }
            ],
            "mark": {"type": "rect", "cursor": "pointer", "stroke": None},
            "encoding": {"color": fill, "tooltip": tooltip},
        }
    ]
    if len(names) <= PRINT_UP_TO:
        layers.append(
            {
                "mark": {"type": "text", "cursor": "pointer"},
                "encoding": {
                    "text": {"field": "print"},
                    "color": {"condition": {"test": "datum.black", "value": "#000000"}, "value": "#FFFFFF"},
                    "tooltip": tooltip,
                },
            }
        )
    return {
        "title": heading,
        "width": "container",
        "height": (38 if len(names) <= PRINT_UP_TO else 12) * len(names),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": cells},
        "encoding": {
            "x": axis("predicted", t("predicted class"), labelAngle=-40),
            "y": axis("true", t("true class")),
        },
        "layer": layers,
        "config": {"scale": {"bandPaddingInner": 0.06, "bandPaddingOuter": 0}, "view": {"stroke": None}},
    }
