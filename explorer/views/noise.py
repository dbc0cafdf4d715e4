"""How a diffusion model's noise grows with the level, as Vega-Lite charts: the share of signal, and the log of signal
to noise (Kingma et al. 2021, arXiv 2107.00630), each with one level marked."""

import numpy as np

from explorer.text import t
from explorer.views import style
from explorer.views.figure import percentage, title

POINTS = 101  # of a curve, both ends among them


def log_snr(share: np.ndarray) -> np.ndarray:
    """Natural logarithm of signal to noise, of shares of signal in the variance (N,); finite at shares of 0 and 1."""
    held = np.clip(np.asarray(share, float), 1e-12, 1 - 1e-12)
    return np.log(held) - np.log1p(-held)


def even_level(share: np.ndarray) -> int:
    """The first level at which there is no more signal than noise; the last one where that never comes."""
    below = np.flatnonzero(np.asarray(share) <= 0.5)
    return int(below[0]) if len(below) else len(share) - 1


def share_curve(share: np.ndarray, level: int, source: str, dark: bool = False) -> dict:
    """The share of signal in the variance at each level, float (N,), with `level` marked.

    source: whose schedule that is, ready for the screen
    """
    sentence = t(
        "At level {level} {percent} % of the variance is signal",
        level=level,
        percent=percentage(float(share[level])),
    )
    axis = {"scale": {"domain": [0, 1]}, "axis": {"format": "%", "tickCount": 3}}
    return _curve(np.asarray(share, float), level, t("share of signal"), ".2%", axis, sentence, source, dark)


def snr_curve(share: np.ndarray, level: int, source: str, dark: bool = False) -> dict:
    """The log of signal to noise at each level, of shares (N,), with `level` marked."""
    values = log_snr(share)
    sentence = t(
        "Log SNR {value} at level {level}; signal and noise are even at level {even}",
        value=f"{values[level]:.1f}", level=level, even=even_level(share),
    )  # fmt: skip
    return _curve(values, level, t("log SNR"), ".2f", {"axis": {"tickCount": 3}}, sentence, source, dark)


def _curve(
    values: np.ndarray, level: int, label: str, form: str, axis: dict, sentence: str, source: str, dark: bool
) -> dict:
    """values (N,) over the level as a line; axis: more of the y axis;  form: d3 format of what is pointed at."""
    last = len(values) - 1
    places = np.unique(np.linspace(0, last, POINTS).round().astype(int))
    across = {
        "field": "level", "type": "quantitative", "title": t("level of noise"),
        "scale": {"domain": [0, last], "nice": False},
    }  # fmt: skip
    up = {"field": "value", "type": "quantitative", "title": label} | axis
    told = [
        {"field": "level", "type": "quantitative", "title": t("level of noise"), "format": "d"},
        {"field": "value", "type": "quantitative", "title": label, "format": form},
    ]
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    marked = {"values": [{"level": level, "value": float(values[level])}]}
    return {
        "title": title(sentence, source),
        "width": "container",
        "height": 130,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": [{"level": int(k), "value": float(values[k])} for k in places]},
        "layer": [
            {"mark": {"type": "line", "color": accent, "strokeWidth": 2}, "encoding": {"x": across, "y": up}},
            {  # what is pointed at: a line alone is hard to hit
                "mark": {"type": "point", "opacity": 0, "size": 120},
                "encoding": {"x": across, "y": up, "tooltip": told},
            },
            {
                "data": marked,
                "mark": {"type": "rule", "color": style.CHOSEN, "strokeDash": [4, 3]},
                "encoding": {"x": across},
            },
            {
                "data": marked,
                "mark": {"type": "point", "filled": True, "size": 80, "color": style.CHOSEN, "opacity": 1},
                "encoding": {"x": across, "y": up, "tooltip": told},
            },
        ],
    }
