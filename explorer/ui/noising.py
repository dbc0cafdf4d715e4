"""Noise laid over any picture: which picture it is, what stays of it at each level, and the schedule of a diffusion
model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from explorer.analysis import trajectory
from explorer.checkpoints import Card
from explorer.data import samples
from explorer.data.picture import to_input
from explorer.text import Missing, t
from explorer.ui import cache, evidence, uploads, widgets
from explorer.views import noise

SHOWN = (0, 200, 400, 600, 800, 999)  # levels that always stand in the row
LEVEL = 300  # at first


@dataclass(frozen=True, eq=False)
class Chosen:
    """The picture that is spoilt and drawn anew. pixels: uint8 (3, 32, 32);  true: its class, where that is known"""

    pixels: np.ndarray
    words: str
    true: str | None = None


def known_pictures(card: Card) -> dict[str, str]:
    """What there is to choose from, id -> words: a test picture of each class of the data set, and the samples."""
    own = {}
    if card.data != "cifar10":  # whose classes are all among the samples
        own = {f"test-{k}": t("test picture: {name}", name=name) for k, name in enumerate(card.classes[:10])}
    return own | {name: t(one.title) for name, one in samples.SAMPLES.items()}


def choose_picture(card: Card, known: dict[str, str]) -> Chosen:
    """The picture: brought here, brought on another page before, or one of the known ones."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.container()
        with st.popover(t("Bring a picture"), icon=":material/upload:", key="bring"):
            new = next(iter(uploads.drop_zone(several=False).items()), None)
    if uploads.take(new):
        st.session_state["picture"] = "mine"
    brought = uploads.carried()
    mine = {"mine": t("yours: {name}", name=brought[1].name)} if brought else {}
    with place:
        name = widgets.select(t("Picture"), mine | known, key="picture")
    if name == "mine":
        return Chosen(to_input(brought[1].image), brought[1].name)
    if name.startswith("test-"):
        label = int(name.removeprefix("test-"))
        try:
            found = cache.images(card.data, "test")
            pixels = found.images[int(np.flatnonzero(found.labels == label)[0])]
        except (Missing, IndexError):
            st.caption(t("The test pictures of {data} are not here; a sample is shown.", data=card.data))
            name = "noise"
        else:
            return Chosen(np.ascontiguousarray(pixels), known[name], card.classes[label])
    true = name.removeprefix("scan-")
    pixels = to_input(samples.sample(name).image)
    return Chosen(pixels, known[name], true if true in card.classes else None)


def _schedule(cards: Sequence[Card]) -> tuple[np.ndarray, str]:
    """(share of signal in the variance at each level, float64 (1000,), whose schedule that is)."""
    card = next((card for card in cards if card.task == "diffusion"), None)
    if card:
        share = evidence.kept(
            ("schedule", card.sha256), lambda: trajectory.schedule(cache.model(card.name, "generator"))
        )
        return share, t("the schedule of {name}, 1,000 levels", name=card.name)

    def cosine() -> np.ndarray:
        from explorer.models.ddpm import cosine_alphas  # brings torch along

        return cosine_alphas().numpy()

    return evidence.kept(("schedule",), cosine), t("the cosine schedule, 1,000 levels")


@st.fragment
def noising(chosen: Chosen, cards: Sequence[Card]) -> None:
    """The picture at some levels of noise, the chosen level large, and the schedule."""
    with widgets.problems():
        share, source = _schedule(cards)

        def at(level: int) -> np.ndarray:
            found = trajectory.noised(chosen.pixels, level, share)
            return ((found + 1) * 127.5).round().clip(0, 255).astype(np.uint8)

        widgets.strip(
            [at(level) for level in SHOWN],
            [t("{name} at level {level}", name=chosen.words, level=level) for level in SHOWN],
            [t("level {level}", level=level) for level in SHOWN],
            factor=3,
        )
        level = st.slider(t("Level of noise"), 0, len(share) - 1, LEVEL, key="level", bind="query-params")
        left, right = evidence.halves([1, 2])
        with left:
            words = t("{name} at level {level}", name=chosen.words, level=level)
            widgets.picture(at(level), words, widgets.plain(words), factor=7)
        with right:
            for draw, key in ((noise.share_curve, "share curve"), (noise.snr_curve, "snr curve")):
                spec = draw(share, level, source, evidence.dark())
                widgets.chart(spec, key=key, alt=" ".join(spec["title"]["text"]))
