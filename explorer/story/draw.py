"""Charts as pictures without a browser: Vega-Lite to SVG and PNG, in the look and the typeface of the pages.

The converter (vl-convert) reads TTF, not the WOFF2 that browsers get, and takes any other typeface in silence where it
lacks one, so the same typeface stands in explorer/ui/static in both forms.
"""

import copy
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageChops, ImageFont

from explorer.jobs import PROJECT
from explorer.text import Problem
from explorer.views import style

FONTS = PROJECT / "explorer" / "ui" / "static"
FAMILY = "Pretendard"
WEIGHTS = {False: "Regular", True: "Bold"}
STRETCH, SHRINK = (
    1.6,
    1.25,
)  # a chart may become so many times as high, or as low, as it was made to fill its place
EDGE = 16  # of empty margin, in pixels of a picture, so that it does not end at its first letter
LACKING = "?"  # stands for a letter that the typeface lacks
_COMPOSED = {"hconcat", "vconcat", "concat", "facet", "repeat"}


@dataclass(frozen=True)
class Look:
    """The colours of a picture: of the ground, panels, lines, ink, quiet ink, and what stands out."""

    ground: str
    panel: str
    line: str
    ink: str
    quiet: str
    accent: str


LOOKS = {
    False: Look("#FBFAF7", "#F1EFE9", "#E3DFD5", style.INK, "#5B5F66", style.ACCENT),
    True: Look("#14161A", "#1D2026", "#30343C", style.INK_ON_DARK, "#A3A6AC", style.ACCENT_ON_DARK),
}


def trimmed(image: Image.Image, ground: str) -> Image.Image:
    """A picture with no more than a narrow margin, where it was drawn in the middle of this ground."""
    margin = ImageChops.difference(image.convert("RGB"), Image.new("RGB", image.size, ground)).getbbox()
    if margin is None:
        return image
    left, top, right, bottom = margin
    kept = (
        max(left - EDGE, 0),
        max(top - EDGE, 0),
        min(right + EDGE, image.width),
        min(bottom + EDGE, image.height),
    )
    return image.crop(kept)


# Letters ------------------------------------------------------------------------------------------


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface of the pages, `size` pixels large."""
    return ImageFont.truetype(FONTS / f"{FAMILY}-{WEIGHTS[bold]}.subset.ttf", size)


@cache
def _has(letter: str) -> bool:
    """Whether the typeface draws this letter: what it lacks looks like a code point that no typeface has."""
    return _shape(letter) != _shape("\U0010fffe")


def _shape(letter: str) -> tuple[Any, ...]:
    mask, offset = font(32).getmask2(letter, "L")
    return mask.size, bytes(mask), offset


def lacking(words: str) -> str:
    """The letters of `words` that the typeface lacks, each once, in their order."""
    return "".join(dict.fromkeys(one for one in _composed(words) if not one.isspace() and not _has(one)))


def drawable(words: str) -> str:
    """`words` as they can be drawn: on one line, with "?" for each letter that the typeface lacks."""
    lacks = set(lacking(words))
    return " ".join("".join(LACKING if one in lacks else one for one in _composed(words)).split())


def _composed(words: str) -> str:
    """Korean letters in one piece (a Mac's file names and clipboard may have them in three); no invisible ones."""
    words = unicodedata.normalize("NFC", words)
    return "".join(one for one in words if one.isspace() or unicodedata.category(one) not in ("Cc", "Cf"))


# Charts -------------------------------------------------------------------------------------------


@cache
def _converter() -> Any:
    """vl-convert with the typeface; its first chart costs seconds, later ones half a second."""
    import vl_convert

    vl_convert.register_font_directory(str(FONTS))
    return vl_convert


def chart_svg(spec: Mapping[str, Any], width: int, height: int, dark: bool = False) -> str:
    """A Vega-Lite dict as SVG that fills about `width` x `height` pixels, its words as text.

    One view that fits itself into a size keeps its width and gets the shape of the place; one that takes its
    container's width gets this width and, within reason, the height, or becomes wider where it is higher than that, so
    that scaling it fills the place. Others keep their size. Fetches nothing: a chart whose data stand elsewhere is a
    Problem.
    """
    spec = _with_look(spec, dark)
    own = [spec.get(side) for side in ("width", "height")]
    if _COMPOSED & spec.keys():
        return _svg(spec)
    if all(isinstance(side, int | float) for side in own):
        fits = isinstance(spec.get("autosize"), dict) and spec["autosize"].get("type") == "fit"
        shape = own[0] * height / width
        return _svg(spec | {"height": max(shape, own[1] / SHRINK)} if fits and own[0] != own[1] else spec)
    if own[0] != "container":
        return _svg(spec)
    found = _svg(spec | {"width": width})
    high = size_of(found)[1]
    if high > height:
        return _svg(spec | {"width": round(width * high / height)})
    if isinstance(own[1], int | float) and high < height:
        return _svg(spec | {"width": width, "height": own[1] + min(height - high, (STRETCH - 1) * own[1])})
    return found


def chart_png(
    spec: Mapping[str, Any], width: int, height: int, scale: float = 1.0, dark: bool = False
) -> bytes:
    """The same as a PNG file of at most `width` x `height`, times `scale`, which makes its letters larger too."""
    svg = chart_svg(spec, width, height, dark)
    own = size_of(svg)
    return _converter().svg_to_png(svg, scale=scale * min(width / own[0], height / own[1]))


def size_of(svg: str) -> tuple[float, float]:
    """(width, height) of an SVG picture, in pixels."""
    found = re.match(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"', svg)
    assert found, "the converter writes the size first"
    return float(found[1]), float(found[2])


def _svg(spec: dict[str, Any]) -> str:
    try:
        return _converter().vegalite_to_svg(spec, allowed_base_urls=[])
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise Problem("This chart cannot be drawn: {reason}", reason=reason) from error


def _with_look(spec: Mapping[str, Any], dark: bool) -> dict[str, Any]:
    """A copy of the chart with our colours beneath its own, at home on the ground it stands on."""
    spec = copy.deepcopy(dict(spec))
    return spec | {"config": _merged(_config(dark), spec.get("config", {}))}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(under)
    for name, value in over.items():
        one = both.get(name)
        both[name] = _merged(one, value) if isinstance(one, dict) and isinstance(value, dict) else value
    return both


def _config(dark: bool) -> dict[str, Any]:
    look = LOOKS[dark]
    axis = {
        "labelColor": look.quiet, "titleColor": look.quiet, "gridColor": look.line, "domainColor": look.line,
        "tickColor": look.line, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
    }  # fmt: skip
    words = {name: axis[name] for name in ("labelColor", "titleColor", "labelFontSize", "titleFontSize")}
    return {
        "background": look.ground, "font": f"{FAMILY}, 'Noto Sans CJK KR', sans-serif", "padding": 4,
        "view": {"stroke": None}, "axis": axis, "legend": words | {"titleFontWeight": "normal"},
        "header": words,
        "title": {"color": look.ink, "fontSize": 16, "subtitleColor": look.quiet, "subtitleFontSize": 12},
        "text": {"fontSize": 12}, "mark": {"color": look.accent},
        "style": {"guide-label": {"fill": look.quiet}},
        "range": {
            "category": style.class_colours(10, dark), "heatmap": list(style.SEQUENTIAL),
            "ramp": list(style.SEQUENTIAL), "diverging": list(style.SIGNED),
        },
    }  # fmt: skip
