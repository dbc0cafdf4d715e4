"""What figures share: the title that states what is seen, the subtitle with n and source, percentages."""

import html
import unicodedata

from explorer.views import style

# Small grey type of a chart, by the ground that it is drawn on: Streamlit themes a title, not a subtitle, and writes
# the labels of axes on light ground at 3.6:1.
GREY = {"expr": f"luminance(background) < 0.2 ? '{style.QUIET_ON_DARK}' : '{style.QUIET}'"}


def wrapped(sentence: str, width: int = 42) -> list[str]:
    """A sentence in lines of at most `width` letters for a chart's title (a Korean letter counts twice)."""
    lines, line = [], ""
    for word in sentence.split(" "):
        longer = f"{line} {word}" if line else word
        if line and sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in longer) > width:
            lines, longer = [*lines, line], word
        line = longer
    return [*lines, line]


def title(sentence: str, source: str) -> dict:
    """What is seen as the title, n and source as the subtitle."""
    return {
        "text": wrapped(sentence), "subtitle": wrapped(source, 60), "anchor": "start", "frame": "bounds",
        "subtitleColor": GREY, "offset": 14, "subtitlePadding": 6,
    }  # fmt: skip


def heading(sentence: str, source: str) -> tuple[dict, int]:
    """The same for a Plotly figure: its layout's `title`, and how many pixels that takes above the plot.

    Plotly reads titles as HTML; a name with < or & in it is shown as it is written.
    """
    lines, small = (
        [html.escape(line, quote=False) for line in wrapped(words, width)]
        for words, width in ((sentence, 42), (source, 60))
    )
    more = 9 * (len(lines) - 1)  # Plotly raises a title of several lines beyond the figure's top
    layout = {
        "text": "<br>".join(lines),
        "subtitle": {"text": "<br>".join(small), "font": {"size": 12, "weight": "normal"}},
        "x": 0, "xanchor": "left", "y": 0.985, "yanchor": "top", "yref": "container", "pad": {"t": 4 + more},
    }  # fmt: skip
    return layout, 24 * len(lines) + 18 * len(small) + more


def percentage(value: float) -> str:
    """A share in [0, 1] as a percentage with one decimal, without the sign: "93.4", "0", "100"."""
    return f"{100 * value:.1f}".removesuffix(".0") if value in (0, 1) else f"{100 * value:.1f}"


def legend(label: str, values: list[float], form: str) -> dict:
    """The colour bar of a Vega-Lite heat-map, below it; form: d3 format."""
    return {
        "title": label, "orient": "bottom", "direction": "horizontal", "gradientLength": 220,
        "gradientThickness": 10, "values": values, "format": form, "titleLimit": 320,
    }  # fmt: skip


def quoted(name: str) -> str:
    """A name as a string inside a Vega expression."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
