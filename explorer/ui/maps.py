"""Every class on one scale, with its probability; the chosen one large, on the picture and on the input."""

from dataclasses import replace

import numpy as np
import streamlit as st

from explorer.analysis.calibration import softmax
from explorer.analysis.cam import CAM_METHODS, Maps
from explorer.analysis.survey import Survey
from explorer.checkpoints import Card
from explorer.text import Problem, language, t
from explorer.ui import cache, evidence, explaining, overlays, predicting, surveys, uploads, widgets
from explorer.ui.explaining import Scene, sides
from explorer.ui.picker import Item, picture_strip
from explorer.ui.surveyed import key_of
from explorer.ui.widgets import plain
from explorer.views import pictures, prediction, style


def classes(scene: Scene) -> None:
    """Every class on one scale, with its probability; the chosen one large, on the picture and on the input."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("The course's example: a dog, asked for an airplane"), key="example", icon=":material/school:",
            on_click=_example, args=([card.name for card in scene.cards if "airplane" in card.classes],),
            help=t("“dog” finds the dog, and “airplane” finds nothing, if all maps share one scale."),
        )  # fmt: skip
        alone = st.toggle(
            t("Every map on a scale of its own"), key="alone", bind="query-params",
            help=t("What most tools do. It makes a map with hardly any evidence look as strong as any other."),
        )  # fmt: skip
    scene = replace(scene, look=replace(scene.look, alone=alone))
    for card, place in sides(scene):
        with place, widgets.problems():
            _classes_of(card, scene)


def _example(able: list[str]) -> None:
    """A dog, asked for an airplane, with everything else as it is at first; `able`: models that know airplanes."""
    uploads.carry(None)
    explaining.start_again(able or [name for name in cache.cards("classifier") if name in explaining.PAIR])
    st.session_state["class"] = "airplane"


def _classes_of(card: Card, scene: Scene) -> None:
    found = scene.maps(card)
    if found is None:
        st.caption(t("The map of every class comes out of the same forward passes."))
        return
    logits, k = found.logits[0], scene.class_of(card, found.logits[0])
    p = softmax(found.logits, card.temperature)[0]
    says = int(logits.argmax())
    height, width = found.raw.shape[2:]
    pixels = scene.subject.pixels(card)
    said = cache.in_session(
        ("said", card.sha256, pixels.tobytes()), lambda: predicting.ask(card, pixels[None], 1)[0]
    )
    verdict = f"{plain(card.classes[says])} {prediction.percent(float(p[says]))}"
    if not said.fits:
        verdict = t("None of my {n} classes fits well", n=len(card.classes)) + f" ({verdict})"
    st.markdown(
        f"#### {verdict}\n"
        f":small[:gray[{card.name}, {CAM_METHODS[found.method].title}, {found.layer}, {height} x {width}]]"
    )
    look = scene.look
    top = explaining.scale(found, look, k)
    items = cache.in_session((*scene.key(card), "strip"), lambda: _items(card, scene, found, p))
    picture_strip(
        "", items, card.classes[k], f"classes {card.name}", lambda name: st.session_state.update({"class": name}),
        "strip wrap small",
    )  # fmt: skip
    overlays.scale_caption(top, look)
    if CAM_METHODS[found.method].blind:
        st.caption(
            t(
                "{method} knows no classes: its map is the same for all.",
                method=CAM_METHODS[found.method].title,
            )
        )
    views = _views(card, scene, found, k, top)
    name, values = card.classes[k], found.raw[0, k]
    st.markdown(
        t("**“{name}”**: probability {p}, logit {logit}; the strongest cell says {most}, the weakest {least}.",
          name=plain(name), p=prediction.percent(float(p[k])), logit=f"{logits[k]:.2f}",
          most=f"{values.max():+.2f}", least=f"{values.min():+.2f}")
    )  # fmt: skip
    _ratios(card, says, k)
    overlays.downloads(card, scene.subject, found, look, k, views)


def _items(card: Card, scene: Scene, found: Maps, p: np.ndarray) -> tuple[Item, ...]:
    pixels, items = scene.subject.pixels(card), []
    for k, name in enumerate(card.classes):
        values = found.raw[0, k]
        top = explaining.scale(found, scene.look, k)
        drawn = overlays.on_input(pixels, values, top, scene.look, max(1, 64 // card.size))
        most = f"{values.max():+.1f}" if abs(values.max()) >= 0.05 else f"{values.max():+.2g}"
        words = {"name": name, "p": prediction.percent(float(p[k])), "most": most}
        is_true = name == scene.subject.true
        title = f"{style.RIGHT_MARK} {name}" if is_true else name
        alt = t("Map for “{name}”, probability {p}, strongest cell {most}", **words)
        hint = t("Its true class. {words}", words=alt) if is_true else alt
        items.append(
            Item(name, pictures.data_uri(drawn), f"{title}\n{words['p']}\n{most}", alt, hint, float(p[k]))
        )
    return tuple(items)


def _views(card: Card, scene: Scene, found: Maps, k: int, top: float) -> dict:
    """The chosen class's map large, on the picture and on what the model received; how to draw both again."""
    look, subject, values = scene.look, scene.subject, found.raw[0, k]
    factor = max(1, overlays.SHOWN // card.size)

    views = {
        "picture": lambda longest=overlays.SAVED: overlays.on_upload(subject, values, top, look, longest),
        "input": lambda: overlays.on_input(subject.pixels(card), values, top, look, factor),
    }
    addresses = cache.in_session(
        (*scene.key(card), "large", k),
        lambda: {
            "picture": overlays.data_uri(views["picture"](overlays.SHOWN), subject),
            "input": pictures.data_uri(views["input"]()),
        },
    )
    name = card.classes[k]
    width = overlays.SHOWN // 2 if len(scene.cards) > 1 else overlays.SHOWN
    with st.container(horizontal=True):
        st.image(
            addresses["picture"], caption=t("as it was brought"), width=width,
            alt=t("{picture} with the map for “{name}” by {model}", picture=subject.words, name=name, model=card.name),
        )  # fmt: skip
        st.image(
            addresses["input"], caption=t("as the model received it: {n} x {n} pixels", n=card.size), width=width,
            alt=t("What {model} received, with the map for “{name}”", model=card.name, name=name),
        )  # fmt: skip
    return views


def _ratios(card: Card, says: int, k: int) -> None:
    """How much evidence other classes find where this one is recognised, over the whole test set, where it is known."""
    try:
        found = surveys.known(card)
    except Problem:  # not surveyed yet, or a net without exact maps: the section on the data says so
        return
    words = evidence.kept(
        ("beside", *key_of(found), says, k, language()), lambda: _beside(card, found, says, k)
    )
    if words:
        st.caption(words)


def _beside(card: Card, found: Survey, says: int, k: int) -> str:
    n = found.recognised(says)
    if not n:
        return ""
    ratios = found.ratios(says)
    order = [j for j in np.argsort(-ratios) if j != says]
    shown = [k] if k != says else [*order[:2], order[-1]]
    listed = ", ".join(f"{plain(card.classes[j])} {ratios[j]:.2f}" for j in shown)
    return t(
        "Over the {n} test pictures recognised as “{name}”, the strongest evidence for another class is, beside "
        "that for “{name}” (CAM at the last map, median): {listed}.",
        n=f"{n:,}", name=plain(card.classes[says]), listed=listed,
    )  # fmt: skip
