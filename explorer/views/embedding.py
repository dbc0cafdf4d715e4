"""Pictures as points on a map of their features, as a Plotly figure: what has like features stands near each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from explorer.text import t
from explorer.views import style
from explorer.views.figure import heading

if TYPE_CHECKING:
    import plotly.graph_objects as go

SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
    "star",
    "pentagon",
    "hexagon",
    "triangle-down",
)


def map_figure(
    places: np.ndarray,
    ids: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    words: Sequence[str],
    title: tuple[str, str],
    own: Sequence[tuple[float, float, str]] = (),
    colours: Sequence[str] | None = None,
    dark: bool = False,
) -> "go.Figure":
    """A point for each picture, a trace for each group; a click or a lasso finds `ids` in its customdata.

    places: float (n, 2);  ids: int (n,);  groups: int (n,), places in `names`;  words: of each point when pointed at
    title: what is seen, and n and source;  own: further pictures as (x, y, words), drawn as stars
    """
    import plotly.graph_objects as go

    colours = colours or style.class_colours(len(names), dark)
    figure = go.Figure()
    for group, name in enumerate(names):
        here = np.flatnonzero(groups == group)
        figure.add_trace(
            go.Scatter(
                x=places[here, 0].round(3).tolist(),
                y=places[here, 1].round(3).tolist(),
                mode="markers",
                name=name,
                customdata=ids[here].tolist(),
                text=[words[k] for k in here],
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": colours[group],
                    "size": 6,
                    "opacity": 0.75,
                    "symbol": SYMBOLS[group % len(SYMBOLS)],
                },
            )
        )
    if own:
        figure.add_trace(
            go.Scatter(
                x=[x for x, _, _ in own],
                y=[y for _, y, _ in own],
                mode="markers",
                name=t("your pictures"),
                text=[each for _, _, each in own],
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": style.CHOSEN,
                    "size": 18,
                    "symbol": "star",
                    "line": {"width": 1.5, "color": "#FFFFFF"},
                },
            )
        )
    layout, above = heading(*title)
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    return figure.update_layout(
        title=layout,
        height=560 + above,
        margin={"t": above + 20, "l": 10, "r": 10, "b": 10},
        dragmode="lasso",
        xaxis=hidden,
        yaxis={**hidden, "scaleanchor": "x"},
        hovermode="closest",
        showlegend=True,
        legend={"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0},
    )
