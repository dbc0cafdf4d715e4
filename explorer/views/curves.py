"""ROC and precision-recall curves of every class against the rest, as Plotly figures."""

from typing import TYPE_CHECKING

import numpy as np

from explorer.analysis.ranking import Curve
from explorer.text import t
from explorer.views import style
from explorer.views.figure import heading

if TYPE_CHECKING:
    import plotly.graph_objects as go

POINTS = 300  # drawn per curve; areas are computed from all of them


def thinned(x: np.ndarray, y: np.ndarray, most: int = POINTS) -> np.ndarray:
    """Indices of at most `most` points that keep the shape: corners only, then evenly, both ends always."""
    if len(x) < 3:
        return np.arange(len(x))
    dx, dy = np.diff(x), np.diff(y)
    corner = np.abs(dx[1:] * dy[:-1] - dx[:-1] * dy[1:]) > 1e-15
    kept = np.concatenate([[0], np.flatnonzero(corner) + 1, [len(x) - 1]])
    if len(kept) > most:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, most).round().astype(int))]
    return kept


def roc(
    curves: tuple[Curve, ...], classes: tuple[str, ...], source: str, dark: bool, corner: bool
) -> "go.Figure":
    """True against false positive rate. corner: only the part up to 0.1 across and from 0.9 upwards."""
    areas = np.array([c.auc for c in curves])
    hardest = int(np.nanargmin(areas))
    sentence = t(
        "Hardest to tell from the rest: “{name}”, AUC {area}; macro average {mean}",
        name=classes[hardest], area=f"{areas[hardest]:.4f}", mean=f"{np.nanmean(areas):.4f}",
    )  # fmt: skip
    lines = [(c.false_rate, c.true_rate, c.thresholds, c.auc) for c in curves]
    figure = _lines(lines, classes, sentence, source, dark, "AUC")
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": style.MUTED, "dash": "dash", "width": 1},
        name=t("chance"), hoverinfo="skip",
    )  # fmt: skip
    low = 0.1 if corner else 1.0
    return figure.update_layout(
        xaxis={"title": t("false positive rate"), "range": [-0.01 * low, 1.005 * low]},
        yaxis={"title": t("true positive rate"), "range": [1 - 1.005 * low, 1 + 0.01 * low]},
    )


def precision_recall(
    curves: tuple[Curve, ...], classes: tuple[str, ...], source: str, dark: bool, corner: bool
) -> "go.Figure":
    """Precision against recall. corner: only the part from 0.8 on."""
    areas = np.array([c.ap for c in curves])
    hardest = int(np.nanargmin(areas))
    sentence = t(
        "Hardest to find without false alarms: “{name}”, average precision {area}; macro average {mean}",
        name=classes[hardest], area=f"{areas[hardest]:.4f}", mean=f"{np.nanmean(areas):.4f}",
    )  # fmt: skip
    lines = [(c.recall, c.precision, c.thresholds, c.ap) for c in curves]
    low = 0.8 if corner else 0.0
    return _lines(lines, classes, sentence, source, dark, "AP").update_layout(
        xaxis={"title": t("recall"), "range": [low - 0.005, 1.005]},
        yaxis={"title": t("precision"), "range": [low - 0.005, 1.01]},
    )


def _lines(
    lines: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]],
    classes: tuple[str, ...], sentence: str, source: str, dark: bool, area: str,
) -> "go.Figure":  # fmt: skip
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, colour, (x, y, thresholds, value) in zip(
        classes, style.class_colours(len(classes), dark), lines
    ):
        if not np.isfinite(value):
            continue
        kept = thinned(x, y)
        figure.add_scatter(
            x=x[kept].round(6).tolist(), y=y[kept].round(6).tolist(),
            name=f"{name}  {value:.4f}", mode="lines",
            line={"color": colour, "width": 2}, customdata=np.minimum(thresholds[kept], 1).round(6).tolist(),
            hovertemplate=f"{name}<br>%{{x:.4f}}, %{{y:.4f}}<br>p ≥ %{{customdata:.4f}}"
            f"<extra>{area} {value:.4f}</extra>",
        )  # fmt: skip
    title, above = heading(sentence, source)
    return figure.update_layout(
        title=title,
        margin={"t": above + 20, "l": 10, "r": 10, "b": 10},
        height=430 + above + 24 * -(-len(classes) // 3),
        legend={"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0, "title": {"text": f"{area}: "}},
        hovermode="closest",
    )
