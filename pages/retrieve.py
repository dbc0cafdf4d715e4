"""Which pictures are alike: two metrics side by side, over a data set, its duplicates, a map of it, its growth."""

import streamlit as st

from explorer.text import N_, t
from explorer.ui import (
    duel,
    embedded,
    generating,
    growing,
    leaked,
    papers,
    plane,
    retrieving,
    studied,
    widgets,
)

# id in the address -> (what stands on the switch, what it draws)
PARTS = {
    "metrics": (N_("Two metrics"), plane.first),
    "duel": (N_("Duel"), duel.duel),
    "data": (N_("Over the data"), studied.studied),
    "leaks": (N_("Duplicates and leaks"), leaked.leaked),
    "map": (N_("Map"), embedded.embedded),
    "growth": (N_("Growth"), growing.growing),
}

widgets.heading(
    t("Retrieve"),
    t("Which pictures does a model call alike? Cosine looks at the direction of their features, Euclidean distance at "
      "their length too."),
)  # fmt: skip
generating.note_odd({"part": PARTS})
scene = retrieving.choose()
with st.container(horizontal=True):
    part = widgets.select(
        t("Section"),
        {part: t(words) for part, (words, _) in PARTS.items()},
        key="part",
        kind="segmented",
        bare=True,
    )
    papers.button([scene.card.model])
with widgets.problems():
    PARTS[part][1](scene)
if part not in ("metrics", "leaks"):  # one searches nothing at first, one offers the data beside its numbers
    retrieving.offer_data(scene)
