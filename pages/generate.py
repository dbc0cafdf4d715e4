"""One seed through three models: what each draws, how it gets there, why some fail, and what FID sees of it."""

import streamlit as st

from explorer.text import N_, t
from explorer.ui import collapse, compared, drawing, fid_sees, generating, papers, steps, widgets

# id in the address -> (what stands on the switch, what it draws)
PARTS = {
    "compare": (N_("Side by side"), compared.compared),
    "draw": (N_("Draw"), drawing.drawing),
    "steps": (N_("How it draws"), steps.steps),
    "collapse": (N_("Why GANs fail"), collapse.collapse),
    "fid": (N_("What FID sees"), fid_sees.fid_sees),
}

widgets.heading(
    t("Generate"),
    t("One seed through three models: what each makes of it, how, and what the scores see in the pictures."),
)
generating.note_odd_address(PARTS)
scene = generating.choose()
with st.container(horizontal=True):
    part = widgets.select(
        t("Section"),
        {part: t(words) for part, (words, _) in PARTS.items()},
        key="part",
        kind="segmented",
        bare=True,
    )
    papers.button(card.model for card in scene.cards.values())
with widgets.problems():
    PARTS[part][1](scene)
