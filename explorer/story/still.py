"""A step as one still picture, 16:9: for slides, a poster in the corridor, or where the app cannot be shown."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import segno
from PIL import Image, ImageDraw

from explorer.story.draw import LOOKS, Look, chart_png, drawable, font, trimmed
from explorer.story.steps import Step
from explorer.text import Problem
from explorer.views import pictures

WIDTH, HEIGHT = 1920, 1080
MARGIN, GAP = 80, 28
WIDE = WIDTH - 2 * MARGIN
ASIDE = 520  # the width of the sentence where it stands beside the figure
CHART_SCALE = 2.0  # letters of a chart, against those on a page
LEADING = 1.3


def _each(most: int, *sizes: int) -> tuple[tuple[int, int], ...]:
    return tuple((size, most) for size in sizes)


# (type size in pixels, how many lines there may be): the first in which the words fit is taken
PART = _each(1, 28, 24)
HEADLINE = _each(2, 76, 70, 64, 58, 52) + _each(3, 52, 48, 44)
SENTENCE = _each(2, 38, 36, 34) + _each(4, 34, 32, 30, 28) + _each(5, 26, 24)
BESIDE = 36, 34, 32, 30, 28, 26, 24  # as many lines as the figure is high
ALONE = _each(8, 56, 52, 48, 44, 40)
FOOT = _each(2, 24, 22, 20) + _each(5, 18, 16)
MOST_LETTERS = 300  # of an address in a QR code: more would make its squares too small for the last row


@dataclass(frozen=True)
class Words:
    """Words as they are set: lines, type size in pixels, weight, whether there were more than fit."""

    lines: tuple[str, ...]
    size: int
    bold: bool = False
    cut: bool = False

    @property
    def leading(self) -> int:
        return round(self.size * LEADING)

    @property
    def height(self) -> int:
        return self.leading * len(self.lines)


def slide(step: Step, figure: Any, note: str = "", of: int = 0, dark: bool = False) -> Image.Image:
    """An RGB picture, 1920 x 1080: headline, sentence, the figure as large as fits, what it rests on at the foot.

    step: read in the current language;  figure: a story.figures.Figure, or None for words alone
    note: what has to be said of the figure, before its evidence;  of: how many steps the talk has, 0 where not said
    """
    look = LOOKS[dark]
    sheet = Image.new("RGB", (WIDTH, HEIGHT), look.ground)
    draw = ImageDraw.Draw(sheet)
    bottom = _foot(draw, step, figure, note, look, of)
    top = _put(draw, MARGIN, MARGIN - 24, set_in(step.say("part"), WIDE, PART, bold=True), look.accent)
    top = _put(draw, MARGIN, top + 6, set_in(step.say("headline"), WIDE, HEADLINE, bold=True), look.ink) + 12
    sentence = step.say("sentence")
    if figure is None:
        _put(draw, MARGIN, top + GAP, set_in(sentence, WIDE, ALONE), look.quiet)
        return sheet
    if figure.image is not None and figure.smooth:
        figure = replace(figure, image=trimmed(figure.image, look.ground))
    above = set_in(sentence, WIDE, SENTENCE)
    low = WIDE, bottom - top - above.height - GAP  # the room below the sentence, and the room beside it
    tall = WIDE - ASIDE - 2 * GAP, bottom - top - GAP
    beside = set_in(sentence, ASIDE, [(size, max(1, int(tall[1] / size / LEADING))) for size in BESIDE])
    if _times(figure, tall) > _times(figure, low) and not beside.cut:
        _put(draw, MARGIN, top + GAP, beside, look.quiet)
        _place(sheet, fitted(figure, tall, dark), (WIDTH - MARGIN - tall[0], top + GAP), tall)
    else:
        top = _put(draw, MARGIN, top, above, look.quiet) + GAP
        _place(sheet, fitted(figure, low, dark), (MARGIN, top), low)
    return sheet


def png(step: Step, figure: Any, note: str = "", of: int = 0, dark: bool = False) -> bytes:
    """The same as a lossless PNG file."""
    return pictures.png(slide(step, figure, note, of, dark))


def fitted(figure: Any, box: tuple[int, int], dark: bool = False) -> Image.Image:
    """A figure as an RGB picture as large as fits into `box` (width, height), in pixels.

    What is not smooth is enlarged by a whole multiple, every pixel a sharp square; larger than the box it is halved
    (figures are drawn with two pixels for one), and only below that its pixels are mixed.
    """
    ground = LOOKS[dark].ground
    if figure.image is None:
        place = [round(side / CHART_SCALE) for side in box]
        return _on(Image.open(io.BytesIO(chart_png(figure.chart, *place, CHART_SCALE, dark))), ground)
    times, image = _times(figure, box), figure.image
    if image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if not figure.smooth and times == 0.5:
        return _on(image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST), ground)
    sharp = not figure.smooth and times >= 1
    size = [max(1, int(side * times)) for side in image.size]
    return _on(image.resize(size, Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS), ground)


def _times(figure: Any, box: tuple[int, int]) -> float:
    """How many times as large a picture becomes in a box; 0 of a chart that takes any shape."""
    if figure.image is None:
        side = figure.chart.get("width")
        return (
            min(box) / side if isinstance(side, int | float) and side == figure.chart.get("height") else 0.0
        )
    times = min(box[0] / figure.image.width, box[1] / figure.image.height)
    if figure.smooth:
        return times
    return float(int(times)) if times >= 1 else 0.5 if times >= 0.5 else times


def _on(image: Image.Image, ground: str) -> Image.Image:
    """A picture that may be clear in places, on its ground."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    sheet = Image.new("RGB", image.size, ground)
    sheet.paste(image, (0, 0), image)
    return sheet


def _place(sheet: Image.Image, image: Image.Image, corner: tuple[int, int], box: tuple[int, int]) -> None:
    """Paste a picture in the middle of a box."""
    left, top = ((start + (room - side) // 2) for start, room, side in zip(corner, box, image.size))
    sheet.paste(image, (left, top))


def _foot(draw: ImageDraw.ImageDraw, step: Step, figure: Any, note: str, look: Look, of: int) -> int:
    """What the figure rests on and the number of the step; returns where the room above ends."""
    number, end = f"{step.number} / {of}" if of else f"{step.number}", HEIGHT - MARGIN // 2
    draw.text((WIDTH - MARGIN, end), number, look.quiet, font(24), anchor="rd")
    said = set_in(note, WIDE - 160, FOOT, bold=True)
    rests = set_in(figure.evidence if figure else "", WIDE - 160, FOOT)
    top = end - max(said.height + rests.height, 32)
    draw.line([(MARGIN, top - 14), (WIDTH - MARGIN, top - 14)], look.line, 2)
    _put(draw, MARGIN, _put(draw, MARGIN, top, said, look.ink), rests, look.quiet)
    return top - 14 - GAP


def _put(draw: ImageDraw.ImageDraw, left: int, top: int, words: Words, ink: str) -> int:
    """Draw lines; returns where the next thing may begin."""
    for line in words.lines:
        draw.text((left, top + words.leading // 2), line, ink, font(words.size, words.bold), anchor="lm")
        top += words.leading
    return top


# Setting words ------------------------------------------------------------------------------------


def set_in(words: str, width: int, sizes: Sequence[tuple[int, int]], bold: bool = False) -> Words:
    """Words in lines of at most `width` pixels, in the first of `sizes` (type size, most lines) in which they fit.

    What does not fit even in the last is cut, and ends in "…".
    """
    words = drawable(words)
    if not words:
        return Words((), sizes[-1][0], bold)
    for size, most in sizes:
        lines = _lines(words, width, size, bold)
        if len(lines) <= most:
            return Words(tuple(lines), size, bold)
    last = lines[most - 1]
    while font(size, bold).getlength(last + "…") > width:
        last = last[:-1]
    return Words((*lines[: most - 1], last.rstrip() + "…"), size, bold, True)


def _lines(words: str, width: int, size: int, bold: bool) -> list[str]:
    """Broken at spaces, and inside a word that is longer than a line."""
    face, lines, line = font(size, bold), [], ""
    for word in words.split(" "):
        longer = f"{line} {word}" if line else word
        if face.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while face.getlength(word) > width:
            fits = bisect_right(range(1, len(word)), width, key=lambda n: face.getlength(word[:n])) or 1
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line]


# An address for phones ----------------------------------------------------------------------------


def qr(address: str, side: int = 480) -> Image.Image:
    """An address as a QR code: black on white on any ground, squares of whole pixels, at least `side` pixels wide.

    The quiet zone of four squares is kept. A phone reads a code from about ten times its width: for the last row at 3 m
    it has to be 30 cm wide on the wall. Raises Problem for what is no address.
    """
    if not address.startswith(("http://", "https://")) or not len(address) <= MOST_LETTERS:
        raise Problem(
            "A QR code takes an address that begins with http:// or https://, at most {most} letters; not {address}.",
            most=MOST_LETTERS, address=repr(address[:80]),
        )  # fmt: skip
    code = segno.make_qr(address, error="m")
    squares = np.array([list(row) for row in code.matrix_iter(border=4)], np.uint8)
    return pictures.enlarge(np.where(squares, 0, 255).astype(np.uint8), -(-side // len(squares)))
