"""Inside the net: a layer's channels for this picture, the pictures that excite one most, the first filters."""

import numpy as np
import streamlit as st

from explorer import models
from explorer.analysis import channels
from explorer.checkpoints import Card
from explorer.data import ImageSet
from explorer.text import language, t
from explorer.ui import cache, evidence, overlays, widgets
from explorer.ui.explaining import Look, Scene, sides
from explorer.ui.picker import Item, picture_strip
from explorer.ui.widgets import plain
from explorer.views import explanation, pictures

SHOWN, NINE = 20, 9


def inside(scene: Scene) -> None:
    """For each checkpoint: the channels of the chosen layer, sorted by how strongly this picture excites them."""
    st.markdown(
        t("What a layer makes of this picture, channel by channel, the most excited first. Choose the layer above; "
          "click a channel to see which pictures excite it most.")
    )  # fmt: skip
    for n, (card, place) in enumerate(sides(scene)):
        with place, widgets.problems():
            _inside_of(card, scene, "channel" if n == 0 else "channel2")


def _inside_of(card: Card, scene: Scene, key: str) -> None:
    layer, pixels = scene.layers[card.name], scene.subject.pixels(card)
    made = cache.in_session(
        (card.sha256, pixels.tobytes(), layer, "activations"),
        lambda: channels.activations(cache.model(card.name), pixels, layer),
    )
    best = made.max((1, 2))
    order = np.argsort(-best, kind="stable")
    quiet = int((best <= 0).sum())
    options = {"": t("the most excited")} | {str(c): t("channel {c}", c=c) for c in range(len(made))}
    c = int(widgets.select(t("Channel of {name}", name=card.name), options, key=key) or order[0])
    h, w = made.shape[1:]
    st.markdown(
        f"**{card.name}**, {layer}: "
        + t(
            "{n} channels of {h} x {w} cells, {quiet} of them silent here", n=len(made), h=h, w=w, quiet=quiet
        )
    )
    items = cache.in_session(
        (card.sha256, pixels.tobytes(), layer, "channels", language()),
        lambda: _items(made, order[:SHOWN], float(best.max())),
    )
    picture_strip(
        "",
        items,
        str(c),
        f"channels {card.name}",
        lambda picked: st.session_state.update({key: picked}),
        "strip wrap small",
    )
    top = float(max(made[c].max(), 0.0))
    factor = max(1, 256 // card.size)
    large = cache.in_session(
        (card.sha256, pixels.tobytes(), layer, "channel", c, scene.look.cells),
        lambda: pictures.data_uri(
            overlays.on_input(pixels, made[c], top, Look(signed=False, cells=scene.look.cells), factor)
        ),
    )
    words = t("channel {c}: largest activation {most}", c=c, most=f"{made[c].max():.2f}")
    st.image(large, alt=t("{picture} with {words}", picture=scene.subject.words, words=words), caption=words)
    _nine(card, layer, c)
    _filters(card)


def _items(made: np.ndarray, order: np.ndarray, top: float) -> tuple[Item, ...]:
    items = []
    for c in order:
        drawn = explanation.coloured(explanation.cells(made[c], (64, 64)), max(top, 0.0), False)
        words = t("channel {c}: largest activation {most}", c=c, most=f"{made[c].max():.2f}")
        title = f"{c}\n{made[c].max():.2f}"
        items.append(Item(str(c), pictures.data_uri(explanation.image(drawn)), title, words, words))
    return tuple(items)


def _nine(card: Card, layer: str, c: int) -> None:
    """The pictures of a small set that excite a channel most: the sheet's, or the test pictures of the digits."""
    pool = _pool(card)
    if pool is None:
        return

    def look() -> np.ndarray:
        with st.spinner(t("Looking through {n} pictures …", n=len(pool))):
            return channels.strongest(cache.model(card.name), pool.images, layer)

    found = evidence.kept(("strongest", card.sha256, layer, pool.fingerprint), look)
    order = np.argsort(-found[:, c], kind="stable")[:NINE]
    counts: dict[str, int] = {}
    for i in order:
        counts[pool.classes[pool.labels[i]]] = counts.get(pool.classes[pool.labels[i]], 0) + 1
    listed = ", ".join(f"{plain(name)} {n}" for name, n in sorted(counts.items(), key=lambda each: -each[1]))
    st.markdown(t("The nine of {n} pictures that excite it most: {listed}", n=len(pool), listed=listed))
    names = [pool.classes[pool.labels[i]] for i in order]
    values = [f"{found[i, c]:.2f}" for i in order]
    widgets.strip(
        [pool.images[i] for i in order],
        [t("A picture of {name}, activation {a}", name=name, a=a) for name, a in zip(names, values)],
        [f"{plain(name)}  \n{a}" for name, a in zip(names, values)],
        factor=2,
    )


def _pool(card: Card) -> ImageSet | None:
    """The pictures to look through: those of the sheet for CIFAR-10's classes, else the digits' test split."""
    for name in ("cifar10-sheet", "digits"):
        found = cache.images(name, "test")
        if found.classes == card.classes:
            return found
    return None


def _filters(card: Card) -> None:
    """The kernels of the first convolution, as colours."""
    place = st.expander(t("First-layer filters"), key=f"filters {card.name}", on_change="rerun")
    if not place.open:
        return
    layer = models.spec(card.model).layers[0]
    with place:

        def draw() -> tuple[str, int, int]:
            module = cache.model(card.name).model.get_submodule(layer)
            weight = next(p for p in module.parameters() if p.dim() == 4).detach().float().cpu().numpy()
            return pictures.data_uri(explanation.filters(weight, 16, 8)), len(weight), weight.shape[-1]

        drawn, n, k = evidence.kept(("filters", card.sha256), draw)
        words = t(
            "{n} filters of {k} x {k} pixels, each scaled by its own largest weight around grey", n=n, k=k
        )
        st.image(drawn, alt=words, caption=words)
