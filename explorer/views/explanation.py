"""Class activation maps as pictures: over the picture they speak of, or as the cells they are.

A map is laid on with a strength that grows linearly with its value, on a scale that the caller fixes: maps that are to
be compared share one. Nothing is squared, sharpened or brightened.
"""

import numpy as np
from PIL import Image, ImageDraw

from explorer.data.picture import Box
from explorer.text import Problem, t
from explorer.views import prediction, style
from explorer.views.figure import title
from explorer.views.pictures import grid

TABLES = {name: style.table(colours) for maps in style.OVERLAYS.values() for name, colours in maps.items()}
Edges = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two exclusive


def colours_of(signed: bool, name: str | None = None) -> str:
    """`name` when maps of this kind can be drawn in it, else the default."""
    known = style.OVERLAYS[signed]
    return name if name in known else next(iter(known))


def coloured(values: np.ndarray, top: float, signed: bool, colours: str | None = None) -> np.ndarray:
    """Values (H, W) as colours uint8 (H, W, 3): 0 to `top`, or -`top` to `top` with a neutral middle when signed.

    colours: a name in style.OVERLAYS[signed], by default its first
    """
    if not np.isfinite(values).all() or not top >= 0:
        raise Problem(
            "A map to draw must be finite, and its scale not negative; got a scale of {top}.", top=top
        )
    share = values / top if top else np.zeros_like(values, float)
    place = (share + 1) / 2 if signed else share
    table = TABLES[colours_of(signed, colours)]
    return table[np.clip(np.rint(place * (len(table) - 1)), 0, len(table) - 1).astype(int)]


def overlay(
    picture: Image.Image,
    values: np.ndarray,
    top: float,
    signed: bool,
    opacity: float = 0.6,
    colours: str | None = None,
) -> Image.Image:
    """The picture with a map of its own size, values (height, width), laid over it.

    opacity: of a value of `top` or more (or of -`top`, when signed); half of it at half the value, none at 0
    """
    width, height = picture.size
    if values.shape != (height, width):
        raise Problem(
            "The map has {shape} cells, the picture {size} pixels.", shape=values.shape, size=(height, width)
        )
    strength = np.clip(np.abs(values) / top, 0, 1) if top else np.zeros(values.shape)
    if not signed:
        strength = np.where(values > 0, strength, 0)
    share = (opacity * strength)[..., None]
    drawn = coloured(values, top, signed, colours)
    mixed = (1 - share) * np.asarray(picture.convert("RGB"), float) + share * drawn
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def side_by_side(pictures: list[Image.Image], gap: int = 4, ground: str = "#8A8A8A") -> Image.Image:
    """Pictures of one size in a row."""
    width, height = pictures[0].size
    made = Image.new("RGB", (len(pictures) * (width + gap) - gap, height), ground)
    for k, picture in enumerate(pictures):
        made.paste(picture, (k * (width + gap), 0))
    return made


def region(image: Image.Image, box: Box | None, longest: int) -> tuple[Image.Image, Edges]:
    """The picture at a size for the page, paled outside of `box`, and where in it a map of that box belongs."""
    shown, scale = prediction.at_size(image, longest)
    if box is None:
        return shown, (0, 0, *shown.size)
    return prediction.framed(image, box, None, longest), prediction.edges(box, scale, shown.size)


def laid_on(shown: Image.Image, edges: Edges, drawn: Image.Image) -> Image.Image:
    """A copy of `shown` with `drawn` put where `edges` say."""
    made = shown.copy()
    made.paste(drawn, edges[:2])
    return made


def cells(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) at `size` (height, width), each cell a rectangle of one value: what the net really has."""
    rows, columns = (np.arange(n) * have // n for n, have in zip(size, values.shape))
    return values[rows[:, None], columns[None]]


def boxed(drawn: Image.Image, edges: Edges, dashed: bool = False) -> Image.Image:
    """A copy with a frame that stands out on any picture."""
    made = drawn.copy()
    prediction.frame(ImageDraw.Draw(made), edges, style.CHOSEN, dashed)
    return made


def scale_bar(signed: bool, colours: str | None = None, width: int = 240, height: int = 10) -> Image.Image:
    """The colours of a scale from end to end."""
    values = np.linspace(-1 if signed else 0, 1, width)[None].repeat(height, 0)
    return Image.fromarray(coloured(values, 1.0, signed, colours))


def filters(weights: np.ndarray, columns: int, factor: int) -> Image.Image:
    """First-layer kernels (N, 3, k, k) as colour pictures, each scaled by its own largest weight around grey."""
    tops = np.abs(weights).max((1, 2, 3), keepdims=True)
    tiles = 127.5 + 127.5 * weights / np.where(tops > 0, tops, 1)
    return grid(np.rint(tiles).astype(np.uint8), columns, factor, gap=factor // 2)


def cells_chart(
    values: np.ndarray, top: float, chosen: tuple[int, int], sentence: str, source: str, unit: str
) -> dict:
    """A signed map (h, w) as a grid of its numbers, plain Vega-Lite; the selection `cell` carries row and column.

    top: the scale goes from -top to top;  chosen: the cell with a frame;  unit: what a number is
    """
    h, w = values.shape
    rows = [
        {
            "row": i + 1, "column": j + 1, "value": float(values[i, j]),
            "print": f"{values[i, j]:.1f}",
            "black": style.ink_on(style.at(style.SIGNED, (values[i, j] / max(top, 1e-12) + 1) / 2)) == "#000000",
        }
        for i in range(h) for j in range(w)
    ]  # fmt: skip
    half = (len(style.SIGNED) - 1) // 2
    colour = {
        "field": "value", "type": "quantitative", "legend": None,
        "scale": {"domain": [top * k / half for k in range(-half, half + 1)], "range": list(style.SIGNED)},
    }  # fmt: skip
    tooltip = [
        {"field": "row", "title": t("row")},
        {"field": "column", "title": t("column")},
        {"field": "value", "title": unit, "format": ".4f"},
    ]
    axes = {
        "x": {"field": "column", "type": "ordinal", "axis": None},
        "y": {"field": "row", "type": "ordinal", "axis": None},
    }
    pick = {"name": "cell", "select": {"type": "point", "fields": ["row", "column"], "toggle": False}}
    here = f"datum.row === {chosen[0] + 1} && datum.column === {chosen[1] + 1}"
    return {
        "title": title(sentence, source), "width": "container", "height": 340,
        "autosize": {"type": "fit", "contains": "padding"}, "data": {"values": rows}, "encoding": axes,
        "layer": [
            {"params": [pick], "mark": {"type": "rect", "cursor": "pointer"},
             "encoding": {"color": colour, "tooltip": tooltip}},
            {"mark": {"type": "text", "fontSize": 15 if h <= 5 else 11, "cursor": "pointer"},
             "encoding": {"text": {"field": "print"}, "tooltip": tooltip,
                          "color": {"condition": {"test": "datum.black", "value": "#000000"}, "value": "#FFFFFF"}}},
            {"transform": [{"filter": here}],
             "mark": {"type": "rect", "filled": False, "stroke": style.CHOSEN, "strokeWidth": 3, "tooltip": None}},
        ],
        "config": {"scale": {"bandPaddingInner": 0.04, "bandPaddingOuter": 0}, "view": {"stroke": None}},
    }  # fmt: skip


def image(colours: np.ndarray) -> Image.Image:
    """uint8 (H, W, 3) as a picture."""
    return Image.fromarray(colours)


def agreement_chart(table: np.ndarray, names: list[str], source: str) -> dict:
    """How far methods agree: Spearman's rank correlation of each two maps (M, M), as a matrix with its numbers."""
    upper = table[np.triu_indices(len(names), 1)]
    odd = int(np.argmin(table.sum(1)))
    sentence = t("The methods agree: rank correlation {low} or more", low=f"{upper.min():.2f}")
    if upper.min() < 0.5:
        mean = (table[odd].sum() - 1) / (len(names) - 1)
        sentence = t("{name} goes its own way: {mean} on average", name=names[odd], mean=f"{mean:.2f}")
    rows = [
        {
            "one": names[i], "other": names[j], "value": float(table[i, j]), "print": f"{table[i, j]:.2f}",
            "black": style.ink_on(style.at(style.SIGNED, (table[i, j] + 1) / 2)) == "#000000",
        }
        for i in range(len(names)) for j in range(len(names)) if i != j
    ]  # fmt: skip
    half = (len(style.SIGNED) - 1) // 2
    colour = {
        "field": "value", "type": "quantitative", "legend": None,
        "scale": {"domain": [k / half for k in range(-half, half + 1)], "range": list(style.SIGNED)},
    }  # fmt: skip
    tooltip = [
        {"field": "one", "title": t("method")},
        {"field": "other", "title": t("method")},
        {"field": "value", "title": t("rank correlation"), "format": ".3f"},
    ]
    axis = {"domain": False, "ticks": False, "labelLimit": 110, "labelOverlap": False}
    return {
        "title": title(sentence, source), "width": "container", "height": 30 * len(names),
        "autosize": {"type": "fit-x", "contains": "padding"}, "data": {"values": rows},
        "encoding": {
            "x": {"field": "other", "type": "nominal", "sort": names, "title": None,
                  "axis": {**axis, "labelAngle": -40}},
            "y": {"field": "one", "type": "nominal", "sort": names, "title": None, "axis": axis},
        },
        "layer": [
            {"mark": {"type": "rect"}, "encoding": {"color": colour, "tooltip": tooltip}},
            {"mark": {"type": "text"},
             "encoding": {"text": {"field": "print"}, "tooltip": tooltip,
                          "color": {"condition": {"test": "datum.black", "value": "#000000"}, "value": "#FFFFFF"}}},
        ],
        "config": {"scale": {"bandPaddingInner": 0.06, "bandPaddingOuter": 0}, "view": {"stroke": None}},
    }  # fmt: skip
