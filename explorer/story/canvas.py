"""What the figures of a talk share: their form, their options, what they rest on, a canvas for pictures with words."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from explorer import checkpoints
from explorer.checkpoints import Card, Loaded
from explorer.data import valid_name
from explorer.story.draw import LOOKS, font
from explorer.text import N_, Missing, Problem
from explorer.views import style
from explorer.views.figure import wrapped
from explorer.views.pictures import enlarge

WIDTH, HEIGHT = 1100, 560  # of a figure, in pixels
SHARP = 2  # pictures are drawn twice as large as they are shown, for projectors and small pixels
VIEWS = {1: N_("plain"), 2: N_("2 views"), 6: N_("6 views")}


@dataclass(frozen=True, eq=False)
class Figure:
    """What a step shows: a chart or a picture.

    chart: a Vega-Lite dict with its data;  image: RGB, `SHARP` times as large as `WIDTH` x `HEIGHT` at most
    evidence: the one line of what it rests on: n, split, checkpoint and short hash, source
    alt: a sentence for who cannot see it
    rows: of a chart that is a table, its words line by line, the first line the heads or (): a page shows these
    smooth: whether the picture may be scaled smoothly; False: only the pixels of small pictures, which stay square
    """

    chart: dict[str, Any] | None = None
    image: Image.Image | None = None
    evidence: str = ""
    alt: str = ""
    rows: Sequence[Sequence[str]] = ()
    smooth: bool = True


# --- options ----------------------------------------------------------------------------------------------------------


def read(options: Mapping[str, Any], **known: Any) -> dict[str, Any]:
    """The options with the defaults of those that are not given; `dark` is known to every figure.

    A list stands for names. Raises Problem for an option that is not known, or is of another kind than its default.
    """
    known = {"dark": False} | known
    for name, value in options.items():
        if name not in known:
            raise Problem(
                "A figure has no option {name}; known: {known}.",
                name=repr(str(name)[:40]), known=", ".join(known),
            )  # fmt: skip
        if not _alike(value, known[name]):
            raise Problem(
                "The option {name} of a figure is {value}; expected something like {first}.",
                name=name, value=repr(value)[:80], first=repr(known[name]),
            )  # fmt: skip
    return known | dict(options)


def _alike(value: Any, first: Any) -> bool:
    if isinstance(first, bool):
        return isinstance(value, bool)
    if isinstance(first, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(first, list):
        return isinstance(value, list) and len(value) > 0 and all(isinstance(each, str) for each in value)
    return isinstance(value, str)


def one_of(name: str, value: str, known: Collection[str]) -> str:
    """The value of an option; Problem that lists the known ones when it is none of them."""
    if value not in known:
        raise Problem(
            "The option {name} of a figure is {value}; known: {known}.",
            name=name, value=repr(value)[:80], known=", ".join(map(str, known)),
        )  # fmt: skip
    return value


def within(name: str, value: float, low: float, high: float) -> float:
    """The value of an option; Problem when it lies outside of low … high."""
    if not low <= value <= high:
        raise Problem(
            "The option {name} of a figure is {value}; expected {low} to {high}.",
            name=name, value=value, low=low, high=high,
        )  # fmt: skip
    return value


# --- checkpoints ------------------------------------------------------------------------------------------------------


def card_of(name: str, kind: str | None = None) -> Card:
    """The card of a checkpoint; Missing where there is none of this name, Problem when it cannot be used."""
    valid_name(name, "checkpoint")
    if not (checkpoints.root() / name / checkpoints.CONFIG).is_file():
        raise Missing("The checkpoint {name} is not here.", name=name)
    return checkpoints.read_card(name, kind)


def loaded(card: Card) -> Loaded:
    """A checkpoint ready for forwards: one object for all, taken through its lock by analysis.predict."""
    return _loaded(checkpoints.root(), card.name, card.sha256)


@lru_cache(maxsize=2)
def _loaded(root: Path, name: str, sha256: str) -> Loaded:
    return checkpoints.load(name)


def named(card: Card) -> str:
    """A checkpoint with its short hash, for the line of evidence."""
    return f"{card.name} ({card.sha256[:8]})"


# --- charts -----------------------------------------------------------------------------------------------------------


def on_slide(spec: Mapping[str, Any], sentence: str = "", square: bool = False) -> dict[str, Any]:
    """A chart of explorer.views as large as a slide, its type larger, without the line of n and source, which stands
    below every figure.

    sentence: what is seen, by default the chart's own title;  square: it stays as wide as high
    """
    words = sentence or " ".join(spec["title"]["text"])
    config = {
        "axis": {"labelFontSize": 16, "titleFontSize": 17, "titlePadding": 10},
        "axisX": {"labelOverlap": "parity", "labelSeparation": 14},
        "legend": {"labelFontSize": 16, "titleFontSize": 15, "symbolSize": 140},
        "text": {"fontSize": 16},
        "title": {"fontSize": 24},
    }
    for part, values in spec.get("config", {}).items():
        config[part] = config.get(part, {}) | values
    return {
        **spec,
        "title": {"text": wrapped(words, 34 if square else 72), "anchor": "start", "frame": "bounds", "offset": 18},
        "width": HEIGHT if square else WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 8, "right": 8, "top": 8, "bottom": 8},  # Streamlit's chart cannot take one number
        "config": config,
    }  # fmt: skip


def title_of(chart: Mapping[str, Any]) -> str:
    """The title of such a chart as one sentence."""
    return " ".join(chart["title"]["text"])


# --- pictures with words ----------------------------------------------------------------------------------------------


class Canvas:
    """A ground of `width` x `height` pixels, drawn `SHARP` times as large, to put pictures and words on.

    Places and sizes are in the pixels that are shown.
    """

    def __init__(self, dark: bool = False, width: int = WIDTH, height: int = HEIGHT):
        self.dark = dark
        self.image = Image.new("RGB", (width * SHARP, height * SHARP), LOOKS[dark].ground)
        self.draw = ImageDraw.Draw(self.image)

    @property
    def ink(self) -> str:
        """The colour of type."""
        return style.INK_ON_DARK if self.dark else style.INK

    def words(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 18,
        bold: bool = False,
        colour: str = "",
        anchor: str = "la",
    ) -> None:
        """Text at a place; anchor: Pillow's, "la" left and top, "ma" middle and top, "lm" left and middle."""
        self.draw.text(
            (x * SHARP, y * SHARP),
            text,
            fill=colour or self.ink,
            font=font(size * SHARP, bold),
            anchor=anchor,
        )

    def quiet(self, x: float, y: float, text: str, size: int = 16, anchor: str = "la") -> None:
        """The same in grey."""
        self.words(x, y, text, size, colour=LOOKS[self.dark].quiet, anchor=anchor)

    def paste(self, x: float, y: float, image: Image.Image) -> None:
        """A picture that is already `SHARP` times as large as it is shown; what is transparent in it stays ground."""
        mask = image if image.mode == "RGBA" else None
        self.image.paste(image, (round(x * SHARP), round(y * SHARP)), mask)

    def pixels(self, x: float, y: float, picture: np.ndarray, factor: float) -> None:
        """A small picture uint8 (3, H, W), `factor` times as large, a multiple of a half; every pixel a square."""
        self.paste(x, y, enlarge(picture, round(factor * SHARP)))

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle, at least a pixel wide."""
        left, top = round(x * SHARP), round(y * SHARP)
        self.draw.rectangle(
            (left, top, left + max(1, round(width * SHARP)) - 1, top + round(height * SHARP) - 1), fill=colour
        )

    def frame(self, x: float, y: float, width: float, height: float, colour: str, line: int = 3) -> None:
        """An outline around a place."""
        left, top = round(x * SHARP), round(y * SHARP)
        edges = (
            left - line,
            top - line,
            left + round(width * SHARP) + line - 1,
            top + round(height * SHARP) + line - 1,
        )
        self.draw.rectangle(edges, outline=colour, width=line)
