"""What the sections of the Explain page share: how maps are looked at, which layer, the maps, work that takes long."""

import copy
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from explorer import reach
from explorer.analysis import cam, layers
from explorer.analysis.cam import CAM_METHODS, Maps
from explorer.checkpoints import Card, Loaded
from explorer.data import samples
from explorer.text import language, t
from explorer.ui import cache, evidence, predicting, widgets
from explorer.ui import drawn as drawn_pictures
from explorer.ui.subject import LINK, Subject, data_names, linked
from explorer.views import style

PUBLIC_SECONDS, AGAIN = 20, 30  # what a visitor may ask for; how long a measurement that is above it counts
OPACITY = (10, 100, 75)  # percent: least, most, default
PAIR = ("cifar10-resnet18", "cifar10-drn-d-22")  # maps of 4x4 and of 8x8 cells


@dataclass(frozen=True)
class Look:
    """How maps are made and drawn.

    method: of CAM_METHODS;  flip: averaged with the mirrored picture's;  signed: also evidence against the class
    alone: every map on a scale of its own, not all classes on one;  cells: the true cells, not smoothed
    opacity: 0 to 1, of the strongest value;  colours: a name of style.OVERLAYS
    grey: the picture below without its colours, so that those of the map are the only ones
    """

    method: str = "cam"
    flip: bool = False
    signed: bool = True
    alone: bool = False
    cells: bool = False
    opacity: float = 0.75
    colours: str | None = None
    grey: bool = True


def cells_switch() -> bool:
    """Whether the true cells are drawn."""
    return st.toggle(
        t("True cells"), key="cells", bind="query-params",
        help=t("The cells that the net really has, instead of a smooth surface between their centres."),
    )  # fmt: skip


def drawing(method: str) -> Look:
    """The controls of how maps are made and drawn."""
    flip = st.toggle(
        t("Average with mirror image"), key="mirror", bind="query-params",
        help=t("The map of the mirrored picture is mirrored back and averaged in: steadier, twice the work."),
    )  # fmt: skip
    signed = st.toggle(
        t("Evidence against, too"), value=True, key="against", bind="query-params",
        help=t("Off: only what speaks for a class is drawn, as in most tools; the rest is left out."),
    )  # fmt: skip
    grey = st.toggle(
        t("Picture in grey"), value=True, key="grey", bind="query-params",
        help=t("Then every colour is the map's."),
    )  # fmt: skip
    opacity = st.slider(t("Opacity, %"), *OPACITY, key="opacity", bind="query-params")
    known = style.OVERLAYS[signed]
    colours = widgets.select(t("Colours"), {name: name for name in known}, key="colours")
    return Look(method, flip, signed, opacity=opacity / 100, colours=colours, grey=grey)


# What in the address is other than at first: key -> values
_PERCENT = [str(n) for n in range(101)]
DRAWING = {
    "mirror": ("true",), "against": ("false",), "grey": ("false",), "opacity": _PERCENT,
    "colours": [name for maps in style.OVERLAYS.values() for name in maps],
}  # fmt: skip
CROP = {"fit": ("squash",), "invert": ("true",), "x": _PERCENT, "y": _PERCENT, "size": _PERCENT}


def drawn(place: Any, keys: Mapping[str, Collection[str]]) -> bool:
    """Whether what lies in a popover must be drawn: it is open, or the address has another value than the first one.

    Most reruns need none of these widgets, which cost more than the maps.
    """
    return place.open or any(st.query_params.get(key) in values for key, values in keys.items())


def layer_names(card: Card) -> list[str]:
    """The layers of a checkpoint's net that one looks into, in order."""
    return [layer.name for layer in layers_of(card)]


def layer_of(card: Card, key: str) -> str:
    """Choose the layer of a checkpoint's net, by name, with its map's size and what a cell of it sees."""
    known = layers_of(card)
    fields = fields_of(card)
    options = {
        layer.name: t(
            "{layer}: {c} channels, {h} x {w} cells, each sees {field} px",
            layer=layer.name, c=layer.shape[0], h=layer.shape[1], w=layer.shape[2], field=fields[layer.name].size,
        )
        for layer in reversed(known)
    }  # fmt: skip
    return widgets.select(t("Layer of {name}", name=card.name), options, key=key)


def fields_of(card: Card) -> dict[str, layers.Field]:
    """What a cell of each layer could see; measured once, which takes a second or two."""

    def measure() -> dict[str, layers.Field]:
        with st.spinner(t("Measuring what a cell of {model} sees …", model=card.model)):
            return layers.receptive_fields(card.model)

    return evidence.kept(("fields", card.model), measure)


def layers_of(card: Card) -> list[layers.Layer]:
    """The layers of a checkpoint's net that one looks into, in order."""

    def look() -> list[layers.Layer]:
        loaded = cache.model(card.name)
        with loaded.lock:
            return layers.layers(loaded.model, card.model, card.size)

    return evidence.kept(("layers", card.model, card.size), look)


# --- the maps ---------------------------------------------------------------------------------------------------------


def maps(card: Card, subject: Subject, method: str, layer: str, flip: bool) -> Maps | None:
    """Maps of all classes. Methods of many forwards are made when asked for: until then a button, and None."""
    pixels = subject.pixels(card)
    if CAM_METHODS[method].forwards(1):
        return _asked_for(card, pixels, method, layer, flip)
    key = ("maps", card.sha256, pixels.tobytes(), method, layer, flip)
    return cache.in_session(
        key, lambda: cam.explain(cache.model(card.name), pixels[None], method, None, layer, flip)
    )


def _asked_for(card: Card, pixels: np.ndarray, method: str, layer: str, flip: bool) -> Maps | None:
    key = (card.sha256, pixels.tobytes(), method, layer, flip)
    kept: dict[tuple, Maps] = st.session_state.setdefault("maps asked for", {})
    if key not in kept:
        seconds = seconds_of(card, method, layer, 1 + flip)
        words = t("Compute {method}: about {s} s here", method=CAM_METHODS[method].title, s=f"{seconds:.0f}")

        def make(on_step: cam.OnStep) -> Maps:
            return cam.explain(own_copy(card), pixels[None], method, None, layer, flip, on_step)

        found = on_request(words, seconds, f"{card.name} {method}", make)
        if found is None:
            return None
        kept[key] = found
        while len(kept) > 16:
            del kept[next(iter(kept))]
    return kept[key]


@dataclass
class _Estimate:
    seconds: float = math.inf
    next: float = -math.inf  # when it is measured again at the earliest, by the monotonic clock


_estimates = cache.Kept(256)


def seconds_of(card: Card, method: str, layer: str, times: int = 1) -> float:
    """About how long a method's maps of so many pictures (`times`) take here: by the least of what was measured, for a
    cold net, and others' work, only add to it. What is too long for a public server is measured again, at most every
    AGAIN seconds."""
    found = _estimates.get((card.sha256, method, layer), _Estimate)
    if times * found.seconds > PUBLIC_SECONDS and time.monotonic() > found.next:
        loaded = cache.model(card.name)
        found.seconds = min(found.seconds, *(cam.estimate(loaded, method, layer) for _ in range(2)))
        found.next = time.monotonic() + AGAIN
    return times * found.seconds


def own_copy(card: Card) -> Loaded:
    """The checkpoint with a net of its own: long work on it keeps no other session waiting for the lock."""
    loaded = cache.model(card.name)
    with loaded.lock:
        return replace(loaded, model=copy.deepcopy(loaded.model), lock=threading.RLock())


_LONG = threading.Semaphore(1)  # one long computation at a time for all sessions: it uses every core


def on_request(words: str, seconds: float, key: str, make: Callable[[cam.OnStep], object]) -> object | None:
    """A button; once pressed, `make(on_step)` with a bar and a way to cancel, and what it gave. None until then.

    seconds: how long that will take; on a public server there is no button for more than PUBLIC_SECONDS

    Any click ends a running script at its next message to the page, so each step that is drawn is where a cancel,
    a closed tab or another page takes hold: what `on_step` raises then ends `make`.
    """
    if reach.public_mode() and seconds > PUBLIC_SECONDS:
        st.caption(
            t("{words}: more than the {n} s that a visitor of a public server may ask for.",
              words=words, n=PUBLIC_SECONDS)
        )  # fmt: skip
        return None
    place = st.empty()
    if not place.button(words, key=f"ask {key}", icon=":material/calculate:"):
        return None
    with place.container():
        bar = st.progress(0.0, text=t("Waiting for its turn"))
        st.button(t("Cancel"), key=f"cancel {key}", icon=":material/stop:")
        while not _LONG.acquire(timeout=0.3):
            bar.progress(0.0, text=t("Waiting for its turn"))
        began = shown = time.monotonic()

        def on_step(done: int, total: int) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown > 0.15:
                shown = now
                left = (now - began) * (total - done) / max(done, 1)
                bar.progress(
                    min(done / total, 1.0),
                    text=t(
                        "{done} of {total} forward passes, {s} s left",
                        done=f"{done:,}",
                        total=f"{total:,}",
                        s=f"{left:.0f}",
                    ),
                )

        try:
            found = make(on_step)
        finally:
            _LONG.release()
    place.empty()
    return found


def scale(found: Maps, look: Look, place: int) -> float:
    """The end of the scale that the map at `place` is drawn on: of all classes, or of its own."""
    values = found.raw[0, place] if look.alone else found.raw[0]
    return float(max(np.abs(values).max() if look.signed else values.max(), 0.0))


@dataclass(frozen=True)
class Scene:
    """What the sections show.

    layers: checkpoint -> the layer looked into;  wanted: the name of a class, "" = the predicted one
    """

    cards: list[Card]
    subject: Subject
    look: Look
    layers: dict[str, str]
    wanted: str

    def maps(self, card: Card, method: str | None = None) -> Maps | None:
        """A checkpoint's maps of the picture; None while they wait to be asked for."""
        look = self.look
        return maps(card, self.subject, method or look.method, self.layers[card.name], look.flip)

    def class_of(self, card: Card, logits: np.ndarray) -> int:
        """The class that is looked at: the wanted one, or the predicted one."""
        return card.classes.index(self.wanted) if self.wanted in card.classes else int(logits.argmax())

    def key(self, card: Card) -> tuple:
        """What a drawing of this checkpoint's maps depends on."""
        s = self.subject
        return (
            card.sha256,
            card.temperature,
            s.key,
            s.box,
            s.invert,
            self.layers[card.name],
            self.look,
            language(),
        )


def sides(scene: Scene) -> list:
    """A place for each checkpoint, side by side."""
    places = st.columns(len(scene.cards), gap="large") if len(scene.cards) > 1 else [st.container()]
    return list(zip(scene.cards, places))


def start_again(models: Sequence[str]) -> None:
    """Everything that evidence depends on as it is at first, for these models (a callback)."""
    for key in (*LINK, drawn_pictures.KEY, "sample", "method", "layer", "layer2", "fit"):
        widgets.to_url(key, None)
    first = {"mirror": False, "against": True, "alone": False, "invert": False, "model": list(models)}
    for key, value in (first | {key: value for key, (_, _, value) in predicting.SLIDERS.items()}).items():
        st.session_state[key] = value


def note_odd_address(known: Mapping[str, Card], parts: Collection[str]) -> None:
    """Say so when the address asks for something that does not exist; the defaults are shown."""
    switch = ("true", "false")
    allowed: dict[str, Collection[str]] = {
        "model": cache.cards(), "sample": samples.SAMPLES, "fit": predicting.FITS, "method": CAM_METHODS, "part": parts,
        "class": {name for card in known.values() for name in card.classes},
        **dict.fromkeys(("invert", "camera", "mirror", "against", "alone", "cells", "grey"), switch),
        **{
            key: [str(n) for n in range(low, high + 1)]
            for key, (low, high, _) in (predicting.SLIDERS | {"opacity": OPACITY}).items()
        },
        "data": data_names() if "data" in st.query_params else (), "split": ("train", "test"),
    }  # fmt: skip
    odd = [key for key, names in allowed.items() if not set(st.query_params.get_all(key)) <= set(names)]
    if not odd and any(key in st.query_params for key in ("data", "index")) and linked() is None:
        odd = ["index"]
    odd += drawn_pictures.odd()
    if odd and "sample" in odd:
        widgets.to_url("sample", None)
    widgets.odd_address(odd)
    widgets.wrong_kind("model")  # those that draw have a sentence of their own
