"""What a person sees of a prediction: the picture with its crop framed, bars, and the same as CSV or JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from explorer.analysis.answer import Answer
from explorer.data.picture import Box
from explorer.text import t
from explorer.views import style

TOP = 5
COLUMNS = (
    "file",
    "checkpoint",
    "checkpoint_sha256",
    "window",
    "views",
    "rank",
    "class",
    "probability",
    "fits",
)


def framed(image: Image.Image, box: Box | None, best: Box | None = None, longest: int = 440) -> Image.Image:
    """The picture at a size for the page, paled outside of `box`; `best`, a second window, framed dashed.

    A picture far smaller than `longest` is enlarged by whole multiples; box None: all of it is used.
    """
    shown, scale = at_size(image, longest)
    if box is not None and box[2] < max(image.size):
        pale = Image.blend(shown, Image.new("RGB", shown.size, "#8A8A8A"), 0.6)
        inside = edges(box, scale, shown.size)
        pale.paste(shown.crop(inside), inside[:2])
        shown = pale
        frame(ImageDraw.Draw(shown), inside, style.ACCENT_ON_DARK, dashed=False)
    if best is not None and best != box:
        frame(ImageDraw.Draw(shown), edges(best, scale, shown.size), style.CHOSEN, dashed=True)
    return shown


def at_size(image: Image.Image, longest: int) -> tuple[Image.Image, float]:
    """The picture at most `longest` pixels long and by how much it was scaled: down smoothly, up by a whole number."""
    scale = longest / max(image.size)
    if scale >= 2:
        scale = int(scale)
        return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST), scale
    scale = min(scale, 1.0)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS), scale


def edges(box: Box, scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a box lies in a picture scaled to `size`: left, top, right, bottom, at least a pixel each way."""
    left, top, side = (value * scale for value in box)
    right, bottom = min(size[0], round(left + side)), min(size[1], round(top + side))
    return round(left), round(top), max(round(left) + 1, right), max(round(top) + 1, bottom)


def frame(draw: ImageDraw.ImageDraw, edges: tuple[int, int, int, int], colour: str, dashed: bool) -> None:
    """A frame that stands out on any picture: colour inside a dark line."""
    left, top, right, bottom = edges[0], edges[1], edges[2] - 1, edges[3] - 1
    draw.rectangle((left, top, right, bottom), outline="#14161A", width=4)
    if not dashed:
        draw.rectangle((left, top, right, bottom), outline=colour, width=3)
        return
    for start in range(left, right, 14):
        end = min(start + 8, right)
        draw.line((start, top + 1, end, top + 1), fill=colour, width=3)
        draw.line((start, bottom - 1, end, bottom - 1), fill=colour, width=3)
    for start in range(top, bottom, 14):
        end = min(start + 8, bottom)
        draw.line((left + 1, start, left + 1, end), fill=colour, width=3)
        draw.line((right - 1, start, right - 1, end), fill=colour, width=3)


def percent(p: float) -> str:
    """A probability for the eye; nothing short of 1 reads as 100 %, nothing above 0 as 0 %."""
    if 0.999 <= p < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < p < 0.001 else f"{100 * p:.1f} %"


def verdict(answer: Answer) -> str:
    """In a few words: the likeliest class with its probability, or that none fits."""
    name, p = answer.top(1)[0]
    return f"{name} {percent(p)}" if answer.fits else t("none fits")


def bars(answer: Answer, n: int = TOP, dark: bool = False, large: bool = False) -> dict:
    """The n likeliest classes as bars from 0 to 1, in their classes' colours."""
    colours = dict(zip(answer.classes, style.class_colours(len(answer.classes), dark)))
    rows = [{"class": name, "p": p, "label": f"{name}\u2003{percent(p)}"} for name, p in answer.top(n)]
    # The figures stand in the axis labels: Streamlit colours these for light and dark, text marks it leaves black.
    y = {
        "field": "label", "type": "nominal", "sort": None, "title": None,
        "axis": {
            "labelFontSize": 19 if large else 14, "labelLimit": 260, "labelPadding": 8,
            "ticks": False, "domain": False,
        },
    }  # fmt: skip
    x = {
        "field": "p", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": None,
        "axis": {"values": [0, 0.5, 1], "format": ".0%", "grid": True, "domain": False, "ticks": False},
    }  # fmt: skip
    tooltip = [
        {"field": "class", "title": t("class")},
        {"field": "p", "title": t("probability, calibrated"), "format": ".4f"},
    ]
    colour = {
        "field": "class", "type": "nominal", "legend": None,
        "scale": {"domain": [row["class"] for row in rows], "range": [colours[row["class"]] for row in rows]},
    }  # fmt: skip
    return {
        "width": "container",
        "height": {"step": 38 if large else 30},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "mark": {"type": "bar", "height": {"band": 0.7}, "minBandSize": 2},
        "encoding": {"y": y, "x": x, "color": colour, "tooltip": tooltip},
        "config": {"view": {"stroke": None}},
    }


def spoken(answer: Answer, checkpoint: str, n: int = TOP) -> str:
    """The bars in words, for those who cannot see them."""
    listed = ", ".join(f"{name} {percent(p)}" for name, p in answer.top(n))
    return t("{checkpoint} says: {listed}", checkpoint=checkpoint, listed=listed)


def records(
    file: str, checkpoint: str, sha256: str, answer: Answer, window: Sequence[int] | str, views: int
) -> list[dict]:
    """One row per class, likeliest first, ready for `to_csv` and `to_json`.

    window: (left, top, side) in the pixels of the picture as it was shown, or "all" when it was squashed
    """
    where = window if isinstance(window, str) else " ".join(map(str, window))
    return [
        dict(zip(COLUMNS, (file, checkpoint, sha256, where, views, k + 1, name, round(p, 6), answer.fits)))
        for k, (name, p) in enumerate(answer.top(len(answer.classes)))
    ]


def to_csv(rows: Sequence[Mapping]) -> str:
    """The rows as CSV; a file name that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        name = str(row["file"])
        writer.writerow({**row, "file": f"'{name}" if name[:1] in "=+-@\t\r" else name})
    return out.getvalue()


def to_json(rows: Sequence[Mapping], settings: Mapping) -> str:
    """The rows as one JSON object with the settings they were made under."""
    return (
        json.dumps({"settings": dict(settings), "predictions": list(rows)}, ensure_ascii=False, indent=1)
        + "\n"
    )
