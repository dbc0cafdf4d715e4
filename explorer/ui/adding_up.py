"""The map that adds up: CAM's cells as numbers, and what the chosen cell sees of the picture."""

from dataclasses import replace

import numpy as np
import streamlit as st

from explorer.analysis import cam, channels
from explorer.checkpoints import Card
from explorer.text import t
from explorer.ui import cache, explaining, overlays, widgets
from explorer.ui.explaining import Scene, sides
from explorer.views import explanation, pictures


def adding_up(scene: Scene) -> None:
    """CAM's cells as numbers: their mean plus the bias is the logit; what the chosen cell sees of the picture."""
    st.markdown(
        t("Where a net ends in an average over its last map and one linear layer, the map of a class adds up: the mean "
          "of its cells plus the bias is the class's logit, exactly. Click a cell.")
    )  # fmt: skip
    for card, place in sides(scene):
        with place, widgets.problems():
            _sum_of(card, scene)


def _sum_of(card: Card, scene: Scene) -> None:
    layer = cam.last_layer(card.model)
    found = explaining.maps(card, scene.subject, "cam", layer, False)
    k = scene.class_of(card, found.logits[0])
    values, bias, logit = found.raw[0, k], float(found.bias[k]), float(found.logits[0, k])
    h, w = values.shape
    name = card.classes[k]
    key = "cell" if card is scene.cards[0] else "cell2"
    places = {f"{i + 1}-{j + 1}": (i, j) for i in range(h) for j in range(w)}
    options = {"": t("the strongest")} | {
        name: t("row {row}, column {column}", row=i + 1, column=j + 1) for name, (i, j) in places.items()
    }
    cell = widgets.select(t("Cell of {name}", name=card.name), options, key=key)
    i, j = places[cell] if cell else map(int, np.unravel_index(values.argmax(), values.shape))
    top = float(np.abs(found.raw[0]).max())
    sentence = t(
        "“{name}”: mean of {n} cells {mean} + bias {bias} = logit {logit}",
        name=name, n=h * w, mean=f"{values.mean(dtype=np.float64):.4f}", bias=f"{bias:+.4f}", logit=f"{logit:.4f}",
    )  # fmt: skip
    source = t(
        "{model} · they differ by {d} in float32 · scale ±{top} over all classes",
        model=card.name, d=f"{abs(values.mean(dtype=np.float64) + bias - logit):.0e}", top=f"{top:.1f}",
    )  # fmt: skip
    spec = explanation.cells_chart(values, top, (i, j), sentence, source, t("evidence"))
    chart_key = f"cells {card.name} {i} {j} {k}"
    widgets.chart(
        spec, key=chart_key, alt=f"{sentence}. {source}", on_select=lambda: _take_cell(chart_key, key)
    )
    share = values[i, j] / (h * w)
    st.markdown(
        t("This cell holds {value}: it moves the logit by {share}, a share of {n}.",
          value=f"{values[i, j]:+.3f}", share=f"{share:+.3f}", n=f"1/{h * w}")
    )  # fmt: skip
    _seen_by(card, scene, layer, i, j, values, top)


def _take_cell(chart: str, key: str) -> None:
    """A click on a cell goes into its select, and so into the address."""
    cell = (st.session_state[chart].selection.get("cell") or [{}])[0]
    if "row" in cell and "column" in cell:
        st.session_state[key] = f"{cell['row']}-{cell['column']}"


def _seen_by(card: Card, scene: Scene, layer: str, i: int, j: int, values: np.ndarray, top: float) -> None:
    """What a cell could see by the kernels, and what of it it does look at."""
    subject, factor = scene.subject, max(1, 256 // card.size)
    fields = explaining.fields_of(card)
    box = fields[layer].box(i, j, card.size)

    def draw() -> tuple[str, str, float]:
        pixels = subject.pixels(card)
        looked = channels.looked_at(cache.model(card.name), pixels, layer, i, j)
        field = tuple(factor * edge for edge in box)
        signed = replace(scene.look, signed=True, colours=None)
        drawn = explanation.boxed(overlays.on_input(pixels, values, top, signed, factor), field)
        n, h, w = factor * card.size, *values.shape
        own = (j * n // w, i * n // h, (j + 1) * n // w, (i + 1) * n // h)
        drawn = explanation.boxed(drawn, own, dashed=True)
        inside = looked[box[1] : box[3], box[0] : box[2]]
        rank = np.sort(inside.ravel())[::-1].cumsum()
        half = int(np.searchsorted(rank, rank[-1] / 2)) + 1
        bright = explanation.coloured(explanation.cells(looked, (n, n)), float(looked.max()), False)
        return pictures.data_uri(drawn), pictures.data_uri(explanation.image(bright)), half / card.size**2

    first, second, share = cache.in_session((*scene.key(card), "cell", layer, i, j, values.tobytes()), draw)
    left, right = st.columns(2)
    left.image(
        first, alt=t("The cell, dashed, and what it could see, framed"),
        caption=t(
            "dashed: the cell; framed: what it could see, {n} pixels wide, cut at the edge", n=fields[layer].size
        ),
    )  # fmt: skip
    right.image(
        second, alt=t("How much each pixel moves the channels of this cell"),
        caption=t("what its channels look at: half of it in {share} of the pixels", share=f"{100 * share:.0f} %"),
    )  # fmt: skip
