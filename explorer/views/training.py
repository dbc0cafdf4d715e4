"""What the page "Train" draws: how runs went, the map of a sweep, the learning rate range test.

Curves are Plotly figures, the map is a clickable Vega-Lite chart, a plain dict. Titles say what is seen; `source`, n
and where it comes from, is ready for the screen.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import heading, legend, title
from explorer.views.measures import (
    ACROSS,
    MEASURES,
    Measure,
    best_row,
    nats,
    percent,
    sentence,
    short,
    tiny,
    value_of,
)
from explorer.views.rows import Rows, Run, groups, numbers, pairs, read, thinned

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The class colours that stand out as lines on either ground, best first; runs beyond these are dashed.
COLOURS = (1, 0, 3, 6, 8, 7, 5, 4)
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SPAN = 0.02  # the least that a sweep's colours span: smaller differences are not blown up


@dataclass(frozen=True)
class Swept:
    """A result of a sweep's cells. more: more is better;  share: in 0..1;  tick: d3 format of the legend"""

    label: str
    more: bool
    share: bool
    show: Callable[[float], str]
    tick: str


SWEPT = {
    "accuracy": Swept(N_("held-out accuracy"), True, True, percent, ".1%"),
    "auc": Swept(N_("held-out macro AUC"), True, True, "{:.3f}".format, ".3f"),
    "kid": Swept(N_("held-out KID"), False, False, tiny, ".3~g"),
    "vae_loss": Swept(N_("held-out loss, nats"), False, False, nats, ",.0f"),
    "noise_loss": Swept(N_("held-out loss"), False, False, tiny, ".3~g"),
}


def learning_curves(
    runs: Mapping[str, Rows], what: str, across: str, dark: bool = False, source: str = ""
) -> "go.Figure":
    """How `what` (a key of MEASURES) went in each run, over `across` (a key of ACROSS).

    runs: name -> rows as in metrics.jsonl.  Held-out values: a thick line with points. Training values: a thin one,
    where there are many the means of neighbours. Each run has a colour and a mark of its own.
    """
    import plotly.graph_objects as go

    measure, several = MEASURES[what], len(runs) > 1
    found = [
        read(name, rows, measure.training, measure.held, across, measure.beside)
        for name, rows in runs.items()
    ]
    figure = go.Figure()
    for k, run in enumerate(found):
        _add_run(figure, run, k, measure, several, 0.6 if len(found) <= 3 else 0.3, dark)
    lines = len(figure.data)
    if measure.marked:
        _mark_the_best(figure, found, measure, across)
    if measure.level and lines:
        value, words = measure.level
        figure.add_hline(
            value, line={"color": style.MUTED, "dash": "dash", "width": 1.5}, annotation_text=t(words),
            annotation_position="bottom right",
        )  # fmt: skip
    layout, above = heading(sentence(found, what, measure, several), source)
    key = ""
    if several and measure.beside:
        key = t("solid: generator; dotted: discriminator")
    elif several and measure.held and measure.training:
        key = t("with points: held-out pictures; thin: training")
    return figure.update_layout(
        title=layout,
        margin={"t": above + 28, "l": 10, "r": 10, "b": 10},
        height=370 + above + 24 * -(-lines // 3),
        legend={
            "orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "title": {"text": key, "side": "top"},
        },
        showlegend=True,
        hovermode="closest",
        xaxis={"title": t(ACROSS[across]), "rangemode": "tozero"},
        yaxis={
            "title": t(measure.label), "tickformat": measure.tick,
            "rangemode": "tozero" if measure.zero else "normal",
            "autorangeoptions": {"clipmin": 0, "clipmax": 1.005} if measure.share else {},
            "range": _settled(figure.data[:lines]) if measure.settles else None if figure.data else [0, 1],
        },
        # Plotly keeps a person's zoom through the redraws of a run that goes on.
        uirevision=f"{what} {across}",
    )  # fmt: skip


def _add_run(
    figure: "go.Figure", run: Run, k: int, measure: Measure, several: bool, faint: float, dark: bool
) -> None:
    """The lines of the k-th run: held-out above, training below in a `faint` opacity; or the two of the training."""
    colours = style.class_colours(len(style.CLASS_COLOURS), dark)
    round_, place = divmod(k, len(COLOURS))
    name = html.escape(run.name, quote=False)
    has_held = bool(np.isfinite(run.held).any())
    for column in (run.training, run.beside, run.held):
        points = thinned(run, column, measure.noisy and column is not run.held)
        if not points["x"]:
            continue
        held, beside = column is run.held, column is run.beside
        kind = t("held-out") if held else t("training")
        label = kind if measure.held else t(measure.lines[beside] or measure.label)
        # Two lines of one run: two colours where it is alone, else one; dotted the second in any case.
        colour = colours[COLOURS[place + 1 if beside and not several else place]]
        dash = DASHES[(round_ if measure.held or measure.beside else k) % len(DASHES)]
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
            line={
                "color": colour, "dash": ("dot", "dashdot")[round_ % 2] if beside else dash,
                "width": 3 if held else 1.2 if measure.held else 2,
            },
            marker={"symbol": MARKERS[k % len(MARKERS)], "size": 8, "color": colour},
            opacity=1 if held or not measure.held else faint,
            name=f"{name if several else label}  {value_of(run, column, measure, several)}",
            legendgroup=f"{k} beside" if beside and not several else str(k),
            showlegend=not several or held or not (has_held or beside),
            cliponaxis=measure.settles,  # its axis may leave out the first points
        )  # fmt: skip


def _settled(lines: Sequence[Any]) -> list[float] | None:
    """The axis for what lines do after the first tenth of their way; None where that is nearly all of it."""
    ends = [line.x[-1] for line in lines if len(line.x)]
    late = [y for line in lines for x, y in zip(line.x, line.y) if x >= max(ends) / 10]
    if len(late) < 10:
        return None
    low, high = min(late), max(late)
    room = (high - low) * 0.08
    return [low - room, high + room] if max(max(line.y) for line in lines) > 2 * high - low > low else None


def _mark_the_best(figure: "go.Figure", runs: Sequence[Run], measure: Measure, across: str) -> None:
    """A ring around each run's best held-out value, and what it is."""
    for run in runs:
        k = best_row(run, measure)
        if k is None:
            continue
        x, y = float(run.x[k]), float(run.held[k])
        figure.add_scatter(
            x=[x], y=[y], mode="markers", hoverinfo="skip", showlegend=False, cliponaxis=False, name=t("best"),
            customdata=[None],
            marker={"symbol": "circle-open", "size": 17, "color": style.CHOSEN, "line": {"width": 3}},
        )  # fmt: skip
        if len(runs) == 1:
            late = x > np.nanmax(run.x) / 2  # its words go to where there is room
            figure.add_annotation(
                x=x, y=y, text=f"<b>{t('best')} {measure.show(y)}</b>", showarrow=False, yshift=18,
                xanchor="right" if late else "left", xshift=-8 if late else 8,
                font={"color": style.CHOSEN, "size": 14},
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

    cells: {x: value, y: value, metric: number or None, "run": name, "state": word};  of two with the same values the
    later counts, unless only the earlier has a result
    metric: a key of SWEPT;  labels: what to call the settings on screen, otherwise their names
    Cividis over the range of the results, the best bright. A cell without one is empty and says its state. The chart
    is the same on light and dark ground.
    """
    across, up = labels or (x, y)
    kind = SWEPT[metric]
    by_place: dict[tuple[str, str], tuple[float | None, str, str]] = {}
    for cell in cells:
        place = _label(cell.get(x)), _label(cell.get(y))
        value = _result(cell.get(metric), kind.share)
        if value is None and by_place.get(place, (None,))[0] is not None:
            continue
        by_place[place] = value, str(cell.get("run") or ""), t(str(cell.get("state") or "")) or "–"
    columns, lines = (_sorted({place[k] for place in by_place}) for k in (0, 1))
    results = [value for value, _, _ in by_place.values() if value is not None]
    low, high = _span(results, kind.share)
    palette = style.SEQUENTIAL if kind.more else style.SEQUENTIAL[::-1]
    rows = []
    for place in ((a, b) for b in lines for a in columns):
        value, run, state = by_place.get(place, (None, "", t("not run")))
        fill = low if value is None else value  # Vega-Lite drops a row whose colour is null
        colour = style.at(palette, (fill - low) / (high - low))
        words = "–" if value is None else kind.show(value)
        rows.append(
            {
                "x": place[0], "y": place[1], "value": value, "fill": fill, "run": run, "state": state,
                "words": words, "print": "" if value is None else words.removesuffix(" %"),
                "black": style.ink_on(colour) == "#000000",
            }
        )  # fmt: skip
    anchors = len(palette) - 1
    colours = {
        "condition": {"test": "datum.value === null", "value": style.EMPTY},
        "field": "fill",
        "type": "quantitative",
        "scale": {
            "domain": [low + (high - low) * k / anchors for k in range(anchors + 1)],
            "range": list(palette),
        },
        "legend": legend(t(kind.label), [low, (low + high) / 2, high], kind.tick),
    }
    tooltip = [
        {"field": "x", "type": "nominal", "title": across},
        {"field": "y", "type": "nominal", "title": up},
        {"field": "words", "type": "nominal", "title": t(kind.label)},
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
        "title": title(_best(rows, kind, across, up), source),
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


def _best(rows: list[dict], kind: Swept, across: str, up: str) -> str:
    done = [row for row in rows if row["value"] is not None]
    if not done:
        return t("No run of the sweep has a result yet")
    top = (max if kind.more else min)(row["value"] for row in done)
    first, *others = [row for row in done if row["value"] == top]
    if others:
        return t(
            "{n} cells share the best {metric}: {value}",
            n=1 + len(others),
            metric=t(kind.label),
            value=kind.show(top),
        )
    return t(
        "Best {metric}: {value}, at {x} = {at_x} and {y} = {at_y}",
        metric=t(kind.label), value=kind.show(top), x=across, at_x=first["x"], y=up, at_y=first["y"],
    )  # fmt: skip


def _label(value: Any) -> str:
    """A setting's value for the screen: 0.1 and 0.10 are one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def _result(value: Any, share: bool) -> float | None:
    """A finite result, a share in [0, 1]; None for anything else."""
    found = float(numbers([value])[0])
    return found if math.isfinite(found) and (not share or 0 <= found <= 1) else None


def _sorted(labels: set[str]) -> list[str]:
    """Numbers by size, then words."""
    sizes = dict(zip(labels, numbers(list(labels)).tolist()))
    return sorted(
        labels,
        key=lambda label: (math.isnan(sizes[label]), 0 if math.isnan(sizes[label]) else sizes[label], label),
    )


def _span(results: list[float], share: bool) -> tuple[float, float]:
    """The lowest and the highest result, at least SPAN apart (other than shares: SPAN times the largest), a share's
    within [0, 1]."""
    low, high = (min(results), max(results)) if results else (0.0, 1.0)
    least = SPAN if share else SPAN * max(abs(low), abs(high), 1e-9)
    more = max(0.0, least - (high - low)) / 2
    low, high = low - more, high + more
    if not share:
        return low, high
    shift = max(0.0, -low) - max(0.0, high - 1)
    return low + shift, high + shift
