"""Dilated kernels on small maps: which taps read padding, what that costs a net, how far a cell sees.

Plain arithmetic, two charts and a picture. A kernel's side is odd, and padding is dilation * (kernel - 1) / 2 on every
side, as in every net here: with stride 1 the map keeps its size.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from explorer.text import t
from explorer.views import style
from explorer.views.figure import GREY, percentage, title

Counts = Mapping[
    str, tuple[int, int]
]  # layer -> (dead elements, all elements), as analysis.dead_weights gives them
LAYERS = 8  # that the growth of the receptive field is shown over
ACROSS = 352  # pixels that a picture of taps fills at most: no phone has to shrink it
SHARP = 2  # drawn twice as large as shown, for screens with small pixels


# --- arithmetic -------------------------------------------------------------------------------------------------------


def output_size(size: int, stride: int) -> int:
    """Rows of the map that a convolution makes of one of `size` rows."""
    return (size - 1) // stride + 1


def taps(
    size: int, kernel: int, dilation: int, stride: int, row: int, column: int
) -> list[tuple[int, int, bool]]:
    """Where a kernel's taps fall for the output cell (row, column), row by row: (y, x, whether that is on the map).

    y and x count the map's cells from 0; what is below 0 or not below `size` is padding.
    """
    steps = _steps(kernel, dilation)
    places = [(row * stride + down, column * stride + right) for down in steps for right in steps]
    return [(y, x, 0 <= y < size and 0 <= x < size) for y, x in places]


def dead_taps(size: int, kernel: int, dilation: int, stride: int) -> np.ndarray:
    """Which taps read padding for every output cell, bool (kernel, kernel): no picture can teach these weights."""
    middles = stride * np.arange(output_size(size, stride))
    places = middles[:, None] + np.array(_steps(kernel, dilation))
    reached = ((places >= 0) & (places < size)).any(0)
    return ~(reached[:, None] & reached)


def field_of(layers: Sequence[tuple[int, int, int]]) -> int:
    """How many rows one cell sees through stacked layers of (kernel, dilation, stride), the first one first:
    1 + the sum over the layers of (kernel - 1) * dilation * the product of the strides before it."""
    field, jump = 1, 1
    for kernel, dilation, stride in layers:
        field += (kernel - 1) * dilation * jump
        jump *= stride
    return field


def _steps(kernel: int, dilation: int) -> list[int]:
    assert kernel % 2 == 1, "a kernel without a middle"
    return [dilation * k for k in range(-(kernel // 2), kernel // 2 + 1)]


# --- what was found in a net ------------------------------------------------------------------------------------------


def shares(counts: Counts) -> tuple[int, int]:
    """(dead, all) elements of a whole net."""
    return sum(dead for dead, _ in counts.values()), sum(count for _, count in counts.values())


def dead_chart(name: str, published: Counts, fixed: Counts, dark: bool = False) -> dict:
    """Bars by level: the share of weight elements that never receive a gradient, the published form above the other.

    name: of the net, for the screen
    """
    forms = {t("published form, last map 4x4"): published, t("our form, last map 8x8"): fixed}
    rows = [
        {
            "level": level_name(layer), "form": form, "share": dead / count, "dead": dead, "count": count,
            "print": t("{share} % of {n} M", share=percentage(dead / count), n=f"{count / 1e6:.1f}") if dead else "0",
        }
        for form, counts in forms.items()
        for layer, (dead, count) in counts.items()
    ]  # fmt: skip
    totals = [shares(counts) for counts in forms.values()]
    sentence = t(
        "{published} % of the published form's weights never receive a gradient, of ours {fixed} %",
        **{key: percentage(dead / count) for key, (dead, count) in zip(("published", "fixed"), totals)},
    )
    source = t(
        "{name} · n = {published} and {fixed} weights · declaration in MODELS for 32x32, checked by tests",
        name=name, published=f"{totals[0][1]:,}", fixed=f"{totals[1][1]:,}",
    )  # fmt: skip
    colours = [style.WRONG, style.ON_DARK[style.RIGHT] if dark else style.RIGHT]
    colour = {
        "field": "form", "type": "nominal", "sort": list(forms),
        "scale": {"domain": list(forms), "range": colours},
        "legend": {
            "title": None, "orient": "bottom", "direction": "vertical", "labelLimit": 300,
            "symbolType": "square", "symbolOpacity": 1,
        },
    }  # fmt: skip
    share = {
        "field": "share", "type": "quantitative", "scale": {"domain": [0, 1]},
        "title": t("weights without a gradient"), "axis": {"format": ".0%", "tickCount": 5},
    }  # fmt: skip
    shown = {"text": {"field": "print"}}
    return {
        "title": title(sentence, source),
        "width": "container",
        "height": 38 * len(published),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "encoding": {
            "y": {
                "field": "level", "type": "nominal", "sort": [level_name(layer) for layer in published],
                "title": None, "axis": {"labelLimit": 110, "ticks": False, "domain": False},
                "scale": {"paddingInner": 0.2},
            },
            "yOffset": {"field": "form", "type": "nominal", "sort": list(forms)},
            "tooltip": [
                {"field": "level", "title": t("layer")},
                {"field": "form", "title": t("form")},
                {"field": "dead", "title": t("weights without a gradient"), "format": ","},
                {"field": "count", "title": t("of"), "format": ","},
                {"field": "share", "title": t("share"), "format": ".1%"},
            ],
        },
        "layer": [
            {"mark": {"type": "bar", "height": {"band": 1}}, "encoding": {"x": share, "color": colour}},
            {  # a share of 0 has no bar: its end still shows whose 0 it is
                "mark": {"type": "tick", "orient": "vertical", "thickness": 3, "bandSize": 12, "opacity": 1},
                "encoding": {"x": share, "color": colour},
            },
            {
                "transform": [{"filter": "datum.share < 0.5"}],
                "mark": {"type": "text", "align": "left", "dx": 6, "dy": 1, "color": GREY},
                "encoding": {"x": share, **shown},
            },
            {
                "transform": [{"filter": "datum.share >= 0.5"}],
                "mark": {
                    "type": "text", "align": "right", "dx": -7, "dy": 1, "fontWeight": 600,
                    "color": style.ink_on(colours[0]),
                },
                "encoding": {"x": share, **shown},
            },
        ],
    }  # fmt: skip


def level_name(layer: str) -> str:
    """A DRN's layer for the screen: "level6" -> "level 6"."""
    if layer.startswith("level"):
        return t("level {n}", n=layer.removeprefix("level"))
    return {"entry": t("entry"), "head": t("head")}.get(layer, layer)


# --- a kernel on a map ------------------------------------------------------------------------------------------------


def taps_picture(
    size: int, kernel: int, dilation: int, stride: int, row: int, column: int, dark: bool = False
) -> Image.Image:
    """A map of size x size cells and its padding, with a kernel's taps for the output cell (row, column) over it.

    A tap on the map is a filled cell, the middle one with an eye in it; a tap on padding is an outlined cell, crossed
    out where it reads padding for every output cell. RGBA, `SHARP` times as large as it is to be shown, transparent
    between the lines; as large for every output cell.
    """
    margin = dilation * (kernel // 2)
    cell = SHARP * max(4, ACROSS // (size + 2 * margin))
    image = Image.new("RGBA", ((size + 2 * margin) * cell + SHARP,) * 2)
    draw = ImageDraw.Draw(image)
    on, off = style.ACCENT_ON_DARK if dark else style.ACCENT, style.WRONG

    def box(y: int, x: int, inset: int) -> tuple[int, int, int, int]:
        left, top = (x + margin) * cell, (y + margin) * cell
        return left + SHARP + inset, top + SHARP + inset, left + cell - 1 - inset, top + cell - 1 - inset

    draw.rectangle(box(0, 0, 0)[:2] + box(size - 1, size - 1, 0)[2:], fill=style.MUTED + "30")
    for k in range(size + 2 * margin + 1):  # padding is fainter than the map
        for low, high, ink in ((-margin, size + margin, "38"), (0, size, "90")):
            if low <= k - margin <= high:
                at, first, last = k * cell, (low + margin) * cell, (high + margin) * cell + SHARP - 1
                draw.rectangle((at, first, at + SHARP - 1, last), fill=style.MUTED + ink)
                draw.rectangle((first, at, last, at + SHARP - 1), fill=style.MUTED + ink)
    frame = (
        margin * cell,
        margin * cell,
        (margin + size) * cell + SHARP - 1,
        (margin + size) * cell + SHARP - 1,
    )
    draw.rectangle(frame, outline=style.MUTED, width=SHARP)
    never = dead_taps(size, kernel, dilation, stride).ravel()
    wide = max(SHARP, cell // 14)
    for (y, x, inside), dead in zip(taps(size, kernel, dilation, stride, row, column), never):
        if inside:
            draw.rectangle(box(y, x, 0), fill=on)
            if (y, x) == (row * stride, column * stride):
                draw.rectangle(box(y, x, cell // 3), fill=style.ink_on(on))
        else:
            left, top, right, bottom = around = box(y, x, cell // 10)
            draw.rectangle(around, outline=off, width=wide)
            if dead:
                draw.line((left, top, right, bottom), fill=off, width=wide)
                draw.line((left, bottom, right, top), fill=off, width=wide)
    return image


# --- how far a cell sees ----------------------------------------------------------------------------------------------


def growth_chart(size: int, kernel: int, dilation: int, stride: int, dark: bool = False) -> dict:
    """The receptive field over 0 to `LAYERS` layers of one kind, beside the same kernels without dilation.

    size: of the map, drawn as a line;  the scale is logarithmic when strides make the field grow by factors
    """
    kinds = {t("dilation {n}", n=dilation): dilation, **({t("dilation {n}", n=1): 1} if dilation > 1 else {})}
    rows = [
        {
            "layers": n,
            "field": field_of([(kernel, each, stride)] * n),
            "kind": kind,
            "chosen": each == dilation,
        }
        for kind, each in kinds.items()
        for n in range(LAYERS + 1)
    ]
    chosen = [row["field"] for row in rows if row["chosen"]]
    wide = next((n for n, field in enumerate(chosen) if field >= size), None)
    if kernel == 1:
        sentence = t("A 1x1 kernel sees one cell, however many layers are stacked")
    elif wide == 1 and chosen[1] > size:
        sentence = t("One layer spans {field} cells; the map has {size}", field=chosen[1], size=size)
    elif wide is not None:
        sentence = t(
            "{n} layers span {field} cells; the map has {size}", n=wide, field=chosen[wide], size=size
        )
    else:
        sentence = t(
            "{n} layers span {field} of the map's {size} cells", n=LAYERS, field=chosen[-1], size=size
        )
    source = t(
        "n = 0 to {n} layers, kernel {kernel}x{kernel}, stride {stride} · computed",
        n=LAYERS, kernel=kernel, stride=stride,
    )  # fmt: skip
    x = {
        "field": "layers", "type": "quantitative", "title": t("stacked layers"),
        "axis": {"tickMinStep": 1, "format": "d", "grid": False}, "scale": {"domain": [0, LAYERS + 0.3], "nice": False},
    }  # fmt: skip
    scale = {"type": "log", "base": 2} if stride > 1 else {"zero": True}
    y = {
        "field": "field", "type": "quantitative", "title": t("cells seen in a row"), "scale": scale,
        "axis": {"tickCount": 5, "format": ",d"},
    }  # fmt: skip
    accent = style.ACCENT_ON_DARK if dark else style.ACCENT
    colour = {
        "field": "kind", "type": "nominal", "sort": list(kinds),
        "scale": {"domain": list(kinds), "range": [accent, style.MUTED][: len(kinds)]},
        "legend": {"title": None, "orient": "bottom"},
    }  # fmt: skip
    dash = {"condition": {"test": "datum.chosen", "value": [1, 0]}, "value": [5, 4]}
    return {
        "title": title(sentence, source),
        "width": "container",
        "height": 220,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "data": {"values": [{"size": size, "print": t("the map: {size} cells", size=size)}]},
                "layer": [
                    {
                        "mark": {"type": "rule", "color": style.CHOSEN, "strokeDash": [2, 3], "strokeWidth": 2},
                        "encoding": {"y": {**y, "field": "size"}},
                    },
                    {
                        "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -4, "color": GREY},
                        "encoding": {"y": {**y, "field": "size"}, "x": {"value": "width"}, "text": {"field": "print"}},
                    },
                ],
            },
            {
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2.5, "point": {"size": 40}},
                "encoding": {
                    "x": x, "y": y, "color": colour, "strokeDash": dash,
                    "tooltip": [
                        {"field": "kind", "title": t("kernel")},
                        {"field": "layers", "title": t("stacked layers")},
                        {"field": "field", "title": t("cells seen in a row"), "format": ","},
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.chosen && datum.layers > 0"}],
                "mark": {"type": "text", "align": "center", "dy": -10, "color": GREY},
                "encoding": {"x": x, "y": y, "text": {"field": "field", "type": "quantitative", "format": ","}},
            },
        ],
    }  # fmt: skip
