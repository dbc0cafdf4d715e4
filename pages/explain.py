"""Where in a picture is the evidence for a class, and does the map deserve belief?"""

from dataclasses import replace

import streamlit as st

from explorer.analysis.cam import CAM_METHODS
from explorer.text import N_, t
from explorer.ui import (
    adding_up,
    cache,
    dilation,
    explaining,
    inside,
    maps,
    methods,
    papers,
    surveys,
    trusting,
    widgets,
)
from explorer.ui import subject as subjects


def look_at(name: str, split: str, index: int) -> None:
    """Turn to a picture that was clicked among many."""
    subjects.link(name, split, index)
    st.session_state["part"] = "classes"


# id in the address -> (what stands on the switch, what it draws)
PARTS = {
    "classes": (N_("All classes"), maps.classes),
    "sum": (N_("The map that adds up"), adding_up.adding_up),
    "methods": (N_("Methods"), methods.methods),
    "trust": (N_("Trust"), trusting.trust),
    "inside": (N_("Inside the net"), inside.inside),
    "data": (
        N_("Over the data"),
        lambda scene: surveys.section(scene.cards, on_pick=look_at, cells=scene.look.cells),
    ),
    "dilation": (N_("Why 8x8"), lambda scene: dilation.section()),
}

widgets.heading(
    t("Explain"),
    t(
        "Where in a picture is the evidence for a class, and where against it? And does such a map deserve belief?"
    ),
)
known = cache.cards("classifier")
explaining.note_odd_address(known, PARTS)

left, right = st.columns(2, gap="large")
with right:
    names = widgets.checkpoint_picker(
        t("Models, up to two"), key="model", multiple=True, max=2, first=explaining.PAIR
    )
    cards = [known[name] for name in names]
    choosing, making = st.columns(2)
    every = {name: name for card in cards for name in card.classes}
    with choosing:
        wanted = widgets.select(t("Class"), {"": t("the predicted one"), **every}, key="class")
    with making:
        titles = {method: spec.title for method, spec in CAM_METHODS.items()}
        method = widgets.select(
            t("Method"), titles, key="method", help=t("What weighs what: see Methods below.")
        )
    tools = st.container(horizontal=True, vertical_alignment="center")
with left:
    subject = subjects.choose()
with tools:
    layers = {}
    place = st.popover(t("Layers"), icon=":material/layers:", key="layers", on_change="rerun")
    with place:
        for card, key in zip(cards, ("layer", "layer2")):
            with widgets.problems():  # one damaged file is no reason to show nothing of the other model
                names = explaining.layer_names(card)
                drawn = explaining.drawn(place, {key: names})
                layers[card.name] = explaining.layer_of(card, key) if drawn else names[-1]
        cards = [card for card in cards if card.name in layers]
        if not cards:
            st.stop()
    place = st.popover(t("Drawing"), icon=":material/palette:", key="drawing", on_change="rerun")
    with place:
        look = explaining.Look(method)
        if explaining.drawn(place, explaining.DRAWING):
            look = explaining.drawing(method)
    place = st.popover(t("Crop"), icon=":material/crop:", key="crop", on_change="rerun")
    with place:
        subject = subjects.crop(subject, explaining.drawn(place, explaining.CROP))
    look = replace(look, cells=explaining.cells_switch())
    papers.button(card.model for card in cards)
st.caption(subjects.title_of(subject))

scene = explaining.Scene(cards, subject, look, layers, wanted)
part = widgets.select(
    t("Section"),
    {part: t(words) for part, (words, _) in PARTS.items()},
    key="part",
    kind="segmented",
    bare=True,
)
with widgets.problems():
    PARTS[part][1](scene)
