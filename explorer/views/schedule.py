"""The learning rate over a run, as a small Vega-Lite area."""

from explorer.text import t
from explorer.views import style
from explorer.views.figure import title


def rate_curve(epochs: list[float], rates: list[float], dark: bool = False) -> dict:
    """epochs, rates: one each per drawn step, of the same length."""
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    top = max(rates)
    at = epochs[rates.index(top)]
    sentence = t("Highest rate {rate} after {epoch} epochs, {last} at the end", rate=f"{top:.3g}",
                 epoch=f"{at:.3g}", last=f"{rates[-1]:.2g}")  # fmt: skip
    return {
        "title": title(sentence, t("the learning rate at every step")),
        "width": "container",
        "height": 110,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": [{"epoch": epoch, "rate": rate} for epoch, rate in zip(epochs, rates)]},
        "mark": {"type": "area", "line": {"color": accent}, "color": accent, "opacity": 0.25},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative", "title": t("epochs")},
            "y": {
                "field": "rate",
                "type": "quantitative",
                "title": t("learning rate"),
                "axis": {"tickCount": 3},
            },
            "tooltip": [
                {"field": "epoch", "title": t("epochs"), "format": ".2f"},
                {"field": "rate", "title": t("learning rate"), "format": ".4g"},
            ],
        },
    }
