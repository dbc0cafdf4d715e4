"""What the page "Train" draws: how runs went, the map of a sweep, the learning rate range test.

Curves are Plotly figures, the map is a clickable Vega-Lite chart, a plain dict. Titles say what is seen; `source`, n
and where it comes from, is ready for the screen.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import heading, legend, title
from explorer.views.measures import ACROSS, MEASURES, Measure, percent, sentence, short, value_of
from explorer.views.rows import Rows, Run, groups, numbers, pairs, read, thinned

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The class colours that stand out as lines on either ground, best first; runs beyond these are dashed.
COLOURS = (1, 0, 3, 6, 8, 7, 5, 4)
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SWEPT = {"accuracy": N_("held-out accuracy"), "auc": N_("held-out macro AUC")}
SPAN = 0.02  # the least that a sweep's colours span: smaller differences are not blown up


def learning_curves(
    runs: Mapping[str, Rows], what: str, across: str, dark: bool = False, source: str = ""
) -> "go.Figure":
    """How `what` (a key of MEASURES) went in each run, over `across` (a key of ACROSS).

    runs: name -> rows as in metrics.jsonl.  Held-out values: a thick line with points. Training values: a thin one,
    where there are many the means of neighbours. Each run has a colour and a mark of its own.
    """
    import plotly.graph_objects as go

    measure, several = MEASURES[what], len(runs) > 1
    found = [read(name, rows, what, measure.held, across) for name, rows in runs.items()]
    figure = go.Figure()
    for k, run in enumerate(found):
        _add_run(figure, run, k, measure, several, 0.6 if len(found) <= 3 else 0.3, dark)
    layout, above = heading(sentence(found, what, measure, several), source)
    key = t("with points: held-out pictures; thin: training") if measure.held and several else ""
    bounded = what == "accuracy"
    return figure.update_layout(
        title=layout,
        margin={"t": above + 28, "l": 10, "r": 10, "b": 10},
        height=370 + above + 24 * -(-len(figure.data) // 3),
        legend={
            "orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "title": {"text": key, "side": "top"},
        },
        showlegend=True,
        hovermode="closest",
        xaxis={"title": t(ACROSS[across]), "rangemode": "tozero"},
        yaxis={
            "title": t(measure.label), "tickformat": measure.tick,
            "rangemode": "normal" if bounded else "tozero",
            "autorangeoptions": {"clipmin": 0, "clipmax": 1.005} if bounded else {},
            "range": None if figure.data else [0, 1],
        },
        # Plotly keeps a person's zoom through the redraws of a run that goes on.
        uirevision=f"{what} {across}",
    )  # fmt: skip


def _add_run(
    figure: "go.Figure", run: Run, k: int, measure: Measure, several: bool, faint: float, dark: bool
) -> None:
    """The lines of the k-th run: held-out above, training below in a `faint` opacity."""
    colour = style.class_colours(len(style.CLASS_COLOURS), dark)[COLOURS[k % len(COLOURS)]]
    dash = DASHES[(k // len(COLOURS) if measure.held else k) % len(DASHES)]
    name = html.escape(run.name, quote=False)
    has_held = bool(np.isfinite(run.held).any())
    for column in (run.training, run.held):
        points = thinned(run, column, measure.noisy and column is run.training)
        if not points["x"]:
            continue
        held = column is run.held
        kind = t("held-out") if held else t("training")
        label = kind if measure.held else t(measure.label)
        hover = (
            "%{meta}",
            t("epoch {epoch}, step {step}", epoch="%{customdata[0]}", step="%{customdata[1]}"),
        )
        figure.add_scatter(
            x=points["x"], y=points["y"], meta=name,
            customdata=[
                [epoch, step, measure.show(y)]
                for epoch, step, y in zip(points["epoch"], points["step"], points["y"])
            ],
            hovertemplate="<br>".join([*hover, f"{label} <b>%{{customdata[2]}}</b><extra></extra>"]),
            mode="lines+markers" if held or len(points["x"]) == 1 else "lines",
            line={"color": colour, "dash": dash, "width": 3 if held else 1.2 if measure.held else 2},
            marker={"symbol": MARKERS[k % len(MARKERS)], "size": 8, "color": colour},
            opacity=1 if held or not measure.held else faint,
            name=f"{name if several else label}  {value_of(run, column, measure, several)}",
            legendgroup=str(k), showlegend=held or not several or not has_held,
            cliponaxis=False,
        )  # fmt: skip


def lr_range(
    lrs: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    suggestion: float | None,
    dark: bool = False,
    source: str = "",
) -> "go.Figure":
    """The loss of a learning rate range test over its growing rates, the suggested rate marked.

    losses: as measured;  smoothed: the same, smoothed;  suggestion: None when no rate stands out
    The axis ends half the height of the fall above the start, so that the blow-up at the end does not flatten the rest.
    """
    import plotly.graph_objects as go

    rates = numbers(lrs)
    figure = go.Figure()
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    for name, values, colour, width in (
        (t("as measured"), losses, style.MUTED, 1),
        (t("smoothed"), smoothed, accent, 3),
    ):
        x, y = pairs(rates, numbers(values))
        kept = groups(len(x))[1:] - 1
        figure.add_scatter(
            x=x[kept].tolist(), y=y[kept].tolist(), name=name,
            mode="lines" if len(kept) > 1 else "lines+markers", line={"color": colour, "width": width},
            customdata=[[f"{a:.3g}", short(b)] for a, b in zip(x[kept], y[kept])],
            hovertemplate=t("learning rate {lr}", lr="%{customdata[0]}")
            + f"<br>{t('loss')} <b>%{{customdata[1]}}</b><extra>{name}</extra>",
        )  # fmt: skip
    said = t("No learning rate stands out: the loss hardly falls")
    if suggestion is not None and math.isfinite(suggestion) and suggestion > 0:
        said = t("The loss falls fastest near learning rate {lr}", lr=f"{suggestion:.2g}")
        line = {"color": style.CHOSEN, "width": 2, "dash": "dash"}
        figure.add_shape(type="line", x0=suggestion, x1=suggestion, y0=0, y1=1, yref="paper", line=line)
        figure.add_annotation(  # unlike a shape, it wants the logarithm
            x=math.log10(suggestion), y=1, yref="paper", text=f"<b>{suggestion:.2g}</b>", showarrow=False,
            xanchor="left", yanchor="top", xshift=5, font={"color": style.CHOSEN, "size": 15},
        )  # fmt: skip
    layout, above = heading(said, source)
    _, course = pairs(rates, numbers(smoothed))
    fall = float(course[0] - course.min()) if len(course) else 0.0
    span = [float(course.min()) - 0.15 * fall, float(course[0]) + 0.5 * fall] if fall > 0 else None
    return figure.update_layout(
        title=layout,
        margin={"t": above + 28, "l": 10, "r": 10, "b": 10},
        height=380 + above,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        hovermode="closest",
        xaxis={"title": t("learning rate"), "type": "log", "exponentformat": "power"},
        yaxis={"title": t("loss"), "range": span},
    )


def sweep_map(
    cells: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    metric: str,
    dark: bool = False,
    source: str = "",
    labels: tuple[str, str] | None = None,
) -> dict:
    """A sweep over the settings x and y as a heat-map; the selection `cell` carries x, y (as printed) and run.

    cells: {x: value, y: value, "accuracy": 0..1 or None, "auc": same, "run": name, "state": word};  of two with the
    same values the later counts, unless only the earlier has a result
    metric: a key of SWEPT;  labels: what to call the settings on screen, otherwise their names
    Cividis over the range of the results. A cell without one is empty and says its state. The chart is the same on
    light and dark ground.
    """
    across, up = labels or (x, y)
    show = percent if metric == "accuracy" else "{:.3f}".format
    by_place: dict[tuple[str, str], tuple[float | None, str, str]] = {}
    for cell in cells:
        place = _label(cell.get(x)), _label(cell.get(y))
        value = _share(cell.get(metric))
        if value is None and by_place.get(place, (None,))[0] is not None:
            continue
        by_place[place] = value, str(cell.get("run") or ""), t(str(cell.get("state") or "")) or "–"
    columns, lines = (_sorted({place[k] for place in by_place}) for k in (0, 1))
    results = [value for value, _, _ in by_place.values() if value is not None]
    low, high = _span(results)
    rows = []
    for place in ((a, b) for b in lines for a in columns):
        value, run, state = by_place.get(place, (None, "", t("not run")))
        fill = low if value is None else value  # Vega-Lite drops a row whose colour is null
        colour = style.at(style.SEQUENTIAL, (fill - low) / (high - low))
        words = "–" if value is None else show(value)
        rows.append(
            {
                "x": place[0], "y": place[1], "value": value, "fill": fill, "run": run, "state": state,
                "words": words, "print": "" if value is None else words.removesuffix(" %"),
                "black": style.ink_on(colour) == "#000000",
            }
        )  # fmt: skip
    anchors = len(style.SEQUENTIAL) - 1
    colours = {
        "condition": {"test": "datum.value === null", "value": style.EMPTY},
        "field": "fill",
        "type": "quantitative",
        "scale": {
            "domain": [low + (high - low) * k / anchors for k in range(anchors + 1)],
            "range": list(style.SEQUENTIAL),
        },
        "legend": legend(
            t(SWEPT[metric]), [low, (low + high) / 2, high], ".1%" if metric == "accuracy" else ".3f"
        ),
    }
    tooltip = [
        {"field": "x", "type": "nominal", "title": across},
        {"field": "y", "type": "nominal", "title": up},
        {"field": "words", "type": "nominal", "title": t(SWEPT[metric])},
        {"field": "run", "type": "nominal", "title": t("run")},
        {"field": "state", "type": "nominal", "title": t("state")},
    ]

    def axis(field: str, names: list[str], label: str) -> dict:
        return {
            "field": field, "type": "nominal", "sort": names, "scale": {"domain": names}, "title": label,
            "axis": {
                "domain": False, "ticks": False, "labelPadding": 6, "labelAngle": 0, "labelOverlap": False,
            },
        }  # fmt: skip

    ink = {"condition": {"test": "datum.black", "value": "#000000"}, "value": "#FFFFFF"}
    select = {"type": "point", "fields": ["x", "y", "run"], "toggle": False}
    return {
        "title": title(_best(rows, metric, across, up, show), source),
        "width": "container",
        "height": 48 * max(1, len(lines)),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "encoding": {"x": axis("x", columns, across), "y": axis("y", lines[::-1], up)},
        "layer": [
            {
                "params": [{"name": "cell", "select": select}],
                "mark": {"type": "rect", "cursor": "pointer", "stroke": None},
                "encoding": {"color": colours, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "cursor": "pointer"},
                "encoding": {"text": {"field": "print", "type": "nominal"}, "color": ink, "tooltip": tooltip},
            },
        ],
        "config": {"scale": {"bandPaddingInner": 0.06, "bandPaddingOuter": 0}, "view": {"stroke": None}},
    }


def _best(rows: list[dict], metric: str, across: str, up: str, show: Callable[[float], str]) -> str:
    done = [row for row in rows if row["value"] is not None]
    if not done:
        return t("No run of the sweep has a result yet")
    top = max(row["value"] for row in done)
    first, *others = [row for row in done if row["value"] == top]
    if others:
        return t(
            "{n} cells share the best {metric}: {value}",
            n=1 + len(others),
            metric=t(SWEPT[metric]),
            value=show(top),
        )
    return t(
        "Best {metric}: {value}, at {x} = {at_x} and {y} = {at_y}",
        metric=t(SWEPT[metric]), value=show(top), x=across, at_x=first["x"], y=up, at_y=first["y"],
    )  # fmt: skip


def _label(value: Any) -> str:
    """A setting's value for the screen: 0.1 and 0.10 are one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def _share(value: Any) -> float | None:
    """A result in [0, 1]; None for anything else."""
    found = float(numbers([value])[0])
    return found if 0 <= found <= 1 else None


def _sorted(labels: set[str]) -> list[str]:
    """Numbers by size, then words."""
    sizes = dict(zip(labels, numbers(list(labels)).tolist()))
    return sorted(
        labels,
        key=lambda label: (math.isnan(sizes[label]), 0 if math.isnan(sizes[label]) else sizes[label], label),
    )


def _span(results: list[float]) -> tuple[float, float]:
    """The lowest and the highest result, at least SPAN apart, within [0, 1]."""
    low, high = (min(results), max(results)) if results else (0.0, 1.0)
    more = max(0.0, SPAN - (high - low)) / 2
    low, high = low - more, high + more
    shift = max(0.0, -low) - max(0.0, high - 1)
    return low + shift, high + shift
