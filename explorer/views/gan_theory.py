"""The game of a GAN on the line, as Vega-Lite: both densities, the best discriminator, and what is seen in words."""

import math

import numpy as np

from explorer.analysis.gan_theory import DATA, Density, Game
from explorer.text import t
from explorer.views import style
from explorer.views.figure import quoted, title
from explorer.views.gan_game import rule

WINDOW, POINTS = (-8.0, 8.0), 241  # of the line that is drawn
# The share of p_g on a hill that counts as there; as on either; as not there.
HILL, BOTH, NONE = 0.5, 0.12, 0.05


def verdict(game: Game, generated: Density, data: Density = DATA) -> str:
    """What is seen of the game on the line; data: two hills that stand apart, as `gan_theory.hills` gives them."""
    value = f"{game.value:.3f}".replace("-", "−")
    hills = sorted(generated.near(mean, 2 * width) for mean, width in zip(data.means, data.widths))
    if game.divergence < 1e-6:
        return t("The value is {value}, its least: they meet, and D* is 1/2 everywhere", value=value)
    if game.divergence > 0.9 * math.log(2):
        return t("The value is {value}: the two hardly overlap, and D* is all but sure", value=value)
    if hills[1] >= HILL and hills[0] <= NONE:
        return t("The value is {value}: p_g sits on one of the two hills, that is mode collapse", value=value)
    if hills[0] >= BOTH:
        return t("The value is {value}: p_g covers both hills and the valley between them", value=value)
    return t("The value is {value}: p_g overlaps the data only in part", value=value)


def game_chart(game: Game, generated: Density, dark: bool = False, data: Density = DATA) -> dict:
    """Both densities, and over them D* on an axis of its own at the right, a line at 1/2; data: as for `verdict`"""
    x = np.linspace(*WINDOW, POINTS)
    columns = [np.interp(x, game.x, each) for each in (game.data, game.generated, game.discriminator)]
    rows = [
        {"x": float(a), "data": float(b), "generated": float(c), "discriminator": float(d)}
        for a, b, c, d in zip(x, *columns)
    ]
    names = {"data": t("p_data, the data"), "generated": t("p_g, what is drawn"), "discriminator": "D*"}
    colours = [style.MUTED, style.WRONG, style.ACCENT_ON_DARK if dark else style.ACCENT]
    across = {
        "field": "x",
        "type": "quantitative",
        "title": "x",
        "scale": {"domain": list(WINDOW)},
        "axis": {"grid": False},
    }
    up = {"type": "quantitative", "title": t("density"), "axis": {"grid": False, "tickCount": 4}}
    sure = {
        "type": "quantitative", "title": t("D*, how sure that x is real"), "scale": {"domain": [0, 1]},
        "axis": {"orient": "right", "grid": False, "tickCount": 2, "format": ".1f"},
    }  # fmt: skip
    colour = {
        "field": "curve", "type": "nominal", "scale": {"domain": list(names.values()), "range": colours},
        "legend": {"title": None, "orient": "top", "labelLimit": 320, "symbolOpacity": 1},
    }  # fmt: skip

    def drawn(key: str, y: dict, mark: dict) -> dict:
        return {
            "transform": [{"calculate": quoted(names[key]), "as": "curve"}],
            "mark": {**mark, "tooltip": None},
            "encoding": {"x": across, "y": {"field": key, **y}, "color": colour},
        }

    pointed = {  # an unseen rule at every x: an area says only its first value
        "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0},
        "encoding": {
            "x": across,
            "tooltip": [
                {"field": "x", "title": "x", "format": ".2f"},
                *({"field": key, "title": words, "format": ".3f"} for key, words in names.items()),
            ],
        },
    }  # fmt: skip
    return {
        "title": title(
            verdict(game, generated, data), t("computed on {n} points of the line", n=f"{len(game.x):,}")
        ),
        "width": "container",
        "height": 260,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "layer": [
                    drawn("data", up, {"type": "area", "opacity": 0.25, "line": {"strokeWidth": 2}}),
                    drawn("generated", up, {"type": "area", "opacity": 0.25, "line": {"strokeDash": [7, 4]}}),
                ]
            },
            {
                "layer": [
                    rule("y", "half", 0.5, sure, style.MUTED),
                    drawn("discriminator", sure, {"type": "line", "strokeWidth": 3}),
                    pointed,
                ]
            },
        ],
        "resolve": {"scale": {"y": "independent"}},
    }
