"""The methods beside one another, for one class, and how far they agree."""

from dataclasses import replace

import numpy as np
import streamlit as st

from explorer.analysis.cam import CAM_METHODS, Maps
from explorer.checkpoints import Card
from explorer.text import Problem, t
from explorer.ui import cache, explaining, overlays, widgets
from explorer.ui.explaining import Scene, sides
from explorer.ui.picker import Item, picture_strip
from explorer.views import explanation, pictures


def methods(scene: Scene) -> None:
    """All methods for one class, and how far they agree."""
    st.markdown(
        t("Nine answers to one question. Units differ, so each map has a scale of its own; its largest value is "
          "printed. Those of many forward passes are made when asked for.")
    )  # fmt: skip
    for card, place in sides(scene):
        with place, widgets.problems():
            _methods_of(card, scene)


def _methods_of(card: Card, scene: Scene) -> None:
    st.markdown(f"**{card.name}**, {scene.layers[card.name]}")
    made: dict[str, Maps] = {}
    left_out, reason = [], None
    for method, spec in CAM_METHODS.items():
        if spec.forwards(1):
            continue
        try:
            made[method] = scene.maps(card, method)
        except Problem as problem:
            left_out.append(spec.title)
            reason = problem
    if reason and not made:
        raise reason
    k = scene.class_of(card, next(iter(made.values())).logits[0])
    grid = st.container()
    for method, spec in CAM_METHODS.items():
        found = scene.maps(card, method) if spec.forwards(1) else None
        if found is not None:
            made[method] = found
    made = {method: made[method] for method in CAM_METHODS if method in made}
    key = (*scene.key(card), k, tuple(made))
    with grid:
        picture_strip(
            t("For “{name}”; click one to use it everywhere", name=card.classes[k]),
            cache.in_session((*key, "methods"), lambda: _method_items(card, scene, made, k)),
            scene.look.method, f"methods {card.name}",
            lambda name: st.session_state.update({"method": name}), "strip wrap middle",
        )  # fmt: skip
    if left_out:
        st.caption(t("Not for this net and layer: {methods}.", methods=", ".join(left_out)))
    spec = cache.in_session((*key, "agreement"), lambda: _agreement_chart(card, made, k))
    widgets.chart(spec, key=f"agreement {card.name} {k} {len(made)}", alt=" ".join(spec["title"]["text"]))


def _method_items(card: Card, scene: Scene, made: dict[str, Maps], k: int) -> tuple[Item, ...]:
    pixels, items = scene.subject.pixels(card), []
    for method, found in made.items():
        spec, values = CAM_METHODS[method], found.raw[0, k]
        look = replace(scene.look, alone=True)
        top = explaining.scale(found, look, k)
        drawn = overlays.on_input(pixels, values, top, look, max(1, 96 // card.size))
        title = (
            spec.title
            + (f"\n{t('knows no classes')}" if spec.blind else "")
            + f"\n{t('max')} {values.max():.3g}"
        )
        alt = t(
            "{method}: {words}; largest value {most}",
            method=spec.title,
            words=t(spec.words),
            most=f"{values.max():.3g}",
        )
        items.append(Item(method, pictures.data_uri(drawn), title, alt, f"{alt}. {spec.paper}"))
    return tuple(items)


def _agreement_chart(card: Card, made: dict[str, Maps], k: int) -> dict:
    from explorer.analysis.faithfulness import rank_correlation

    names = [CAM_METHODS[method].title for method in made]
    values = [found.raw[0, k] for found in made.values()]
    table = np.array([[rank_correlation(a, b) for b in values] for a in values])
    return explanation.agreement_chart(
        table, names, t("{model}, “{name}”", model=card.name, name=card.classes[k])
    )
