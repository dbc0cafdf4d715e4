"""What a model was shown that is most like a picture, and how far outside that is: a part of the Predict page."""

import numpy as np
import streamlit as st

from explorer.checkpoints import Card
from explorer.data import samples
from explorer.data.picture import Box, Picture
from explorer.text import t
from explorer.ui import drawn, duel, predicting, retrieving, widgets
from explorer.ui.subject import Subject

SHOWN = 6


def nearest(card: Card, key: str, picture: Picture, box: Box | None, invert: bool) -> None:
    """Computed once it is opened: the neighbours by cosine, how far the nearest is, and the way to Retrieve."""
    place = st.expander(
        t("How far outside is it?"),
        icon=":material/travel_explore:",
        key=f"nearest {card.name}",
        on_change="rerun",
    )
    if not place.open:
        return
    with place, widgets.problems():
        sample = key.removeprefix("sample ") if key.startswith("sample ") else ""
        of = samples.origin(sample) if sample else None  # where it stands in the gallery, it is left out
        subject = Subject(key, picture, picture.name, box=box, invert=invert, of=of)
        scene = retrieving.scene_of(card)
        gallery = retrieving.gallery(scene)
        if gallery is None:
            return
        duel.how_far(scene, gallery, subject)
        found = gallery.exact.search(
            retrieving.vector(scene, subject)[None], gallery.most(SHOWN), "cosine",
            without=np.array([gallery.place(of)]),
        )  # fmt: skip
        st.caption(t("The nearest of {source}, by cosine", source=gallery.source))
        widgets.strip(
            [gallery.images.images[k] for k in found.ids[0]],
            [gallery.words(int(k)) for k in found.ids[0]],
            [
                f"{widgets.plain(gallery.name(k))} · {value:.3f} · |x| {gallery.exact.lengths[k]:.2f}"
                for k, value in zip(found.ids[0], found.values[0])
            ],
        )
        asked = {"part": "duel", "model": card.name} | _cut(box, invert)
        asked |= {"sample": sample} if sample else {}
        asked |= {drawn.KEY: key.removeprefix(f"{drawn.KEY} ")} if key.startswith(f"{drawn.KEY} ") else {}
        widgets.page_link("retrieve", t("Cosine against Euclidean"), "travel_explore", asked)


def _cut(box: Box | None, invert: bool) -> dict[str, str]:
    """What of the picture is looked at, and how, in the words of the address; nothing for what is so at first."""
    place = {
        key: str(value)
        for key, value in zip(("x", "y", "size"), predicting.crop_place())
        if value != predicting.SLIDERS[key][2]
    }
    return place | ({"fit": "squash"} if box is None else {}) | ({"invert": "true"} if invert else {})
