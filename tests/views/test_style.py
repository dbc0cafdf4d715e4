"""Colours: read on both grounds, told apart by colour-blind eyes, true to the published maps."""

import itertools
import re

import matplotlib
import numpy as np
import pytest

from explorer.story import charts, draw
from explorer.story.canvas import Canvas
from explorer.views import plane, style
from explorer.views.figure import GREY, title

LIGHT, DARK = "#FBFAF7", "#14161A"


def linear(colour: str) -> np.ndarray:
    """Linear light RGB in [0, 1] of "#RRGGBB"."""
    v = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    m = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x = m @ rgb / np.array([0.9505, 1, 1.089])
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Vienot, Brettel, Mollon 1999: what a dichromat sees, in linear RGB
SEEN = {
    "protan": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deutan": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("eye", [None, *SEEN])
def test_class_colours_are_told_apart(eye, dark):
    seen = SEEN.get(eye, np.eye(3))
    points = [lab(np.clip(seen @ linear(c), 0, 1)) for c in style.class_colours(10, dark)]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))
    assert closest > (10 if eye is None else 5)  # a difference of 2.3 is just noticeable


def test_class_colours_stand_out_on_dark_ground():
    assert min(style.contrast(colour, DARK) for colour in style.class_colours(10, dark=True)) >= 3
    assert min(style.contrast(colour, DARK) for colour in style.class_colours(10)) < 3  # why they are lifted
    assert style.class_colours(12)[10:] == style.class_colours(2)


def test_ink_reads_on_every_colour_of_both_maps():
    for colours in (style.SEQUENTIAL, style.SIGNED):
        for k in range(101):
            colour = style.at(colours, k / 100)
            assert style.contrast(style.ink_on(colour), colour) >= 4.5


@pytest.mark.parametrize("ground", [LIGHT, DARK])
def test_the_frame_and_guide_lines_stand_out(ground):
    assert style.contrast(style.CHOSEN, ground) >= 3
    assert style.contrast(style.MUTED, ground) >= 3


# Inks of words, on light and on dark ground.
INKS = {
    "type": (style.INK, style.INK_ON_DARK),
    "small type": (style.QUIET, style.QUIET_ON_DARK),
    "right": tuple(style.verdict_ink(True, dark) for dark in (False, True)),
    "wrong": tuple(style.verdict_ink(False, dark) for dark in (False, True)),
    "accent": (style.ACCENT, style.ACCENT_ON_DARK),
    **{f"arrow {name}": pair for name, pair in plane.COLOURS.items()},
    **{name: tuple(getattr(draw.LOOKS[dark], name) for dark in (False, True)) for name in ("ink", "quiet")},
}
WORDS = {  # charts of a talk, whose words stand on the ground
    "table": lambda dark: charts.table([("a", "b")], (0.5, 0.5), ("name", "is"), dark),
    "dots": lambda dark: charts.dots(
        [{"name": "a", "series": series, "value": k, "print": f"{k} %"} for k, series in enumerate("xy")],
        "accuracy, %", dark,
    ),
}  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
def test_every_ink_of_words_reads_on_its_ground(dark):
    """WCAG's 4.5:1 for small type: inks by name, and all words of charts as they are drawn on slides, with labels of
    axes as the page of a talk sets them."""
    ground, inks = (LIGHT, DARK)[dark], {name: both[dark] for name, both in INKS.items()}
    assert draw.LOOKS[dark].ground == ground
    for name, chart in WORDS.items():
        spec = chart(dark) | {"title": title("What is seen", "n = 3"), "width": 400, "height": 300}
        for labels in ({}, {"labelColor": GREY, "titleColor": GREY}):
            config = spec.get("config", {}) | {"axis": labels, "legend": labels}
            svg = draw.chart_svg(spec | {"config": config}, 400, 300, dark)
            found = re.findall(r"<text [^>]*fill=\"(.*?)\"", svg)
            assert len(found) >= 6
            inks |= {f"{name} {k} {[*labels]}": ink for k, ink in enumerate(found)}
    canvas = Canvas(dark)
    canvas.quiet(20, 20, "small type", 40)
    colours = {f"#{r:02X}{g:02X}{b:02X}" for _, (r, g, b) in canvas.image.getcolors(1 << 20)}
    inks["canvas, quiet"] = max(colours, key=lambda colour: style.contrast(colour, ground))
    pale = {name: ink for name, ink in inks.items() if style.contrast(ink, ground) < 4.5}
    assert pale == {}


def test_the_sequential_map_only_gets_lighter_and_the_signed_one_is_palest_in_the_middle():
    light = [style.luminance(colour) for colour in style.SEQUENTIAL]
    assert (np.diff(light) > 0).all()
    light = [style.luminance(colour) for colour in style.SIGNED]
    middle = len(light) // 2
    assert abs(int(np.argmax(light)) - middle) <= 1
    assert (np.diff(light[:middle]) > 0).all() and (np.diff(light[middle:]) < 0).all()


@pytest.mark.parametrize("name", [name for maps in style.OVERLAYS.values() for name in maps if name != "vik"])
def test_overlay_colours_are_those_that_were_published(name):
    """matplotlib carries all but vik; 33 points and straight lines between them stay within 5 of 255."""
    published = np.array([matplotlib.colormaps[name](k)[:3] for k in range(256)]) * 255
    colours = next(maps[name] for maps in style.OVERLAYS.values() if name in maps)
    assert np.abs(style.table(colours) - published).max() <= 5.5


def test_a_table_runs_from_end_to_end():
    found = style.table(style.SEQUENTIAL)
    assert found.shape == (256, 3) and found.dtype == np.uint8
    assert style.at(style.SEQUENTIAL, 0) == style.SEQUENTIAL[0] == "#{:02X}{:02X}{:02X}".format(*found[0])
    assert style.at(style.SEQUENTIAL, 2) == style.SEQUENTIAL[-1] == "#{:02X}{:02X}{:02X}".format(*found[-1])


def test_contrast_is_wcags():
    assert style.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert style.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
