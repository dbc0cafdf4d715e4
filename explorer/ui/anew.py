"""A picture drawn anew: through the code of a VAE, and from the middle of the way of a diffusion model (SDEdit)."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from explorer.analysis import codes, trajectory
from explorer.checkpoints import Card, Loaded
from explorer.text import t
from explorer.ui import cache, generating, widgets
from explorer.ui.between import few_steps
from explorer.ui.noising import Chosen

AMOUNT = 0.5  # at first


@st.fragment
def anew(chosen: Chosen, cards: Sequence[Card]) -> None:
    """The picture through the code of each VAE, and from the middle of the way of each diffusion model."""
    with widgets.problems():
        able = [card for card in cards if card.task in ("vae", "diffusion")]
        if not able:
            widgets.empty_state(
                t("A GAN has no way from a picture back to a code. Choose a VAE or a diffusion model above.")
            )
            return
        st.markdown(
            t(
                "A VAE packs the picture into its code and unpacks it again. A diffusion model gets the picture with "
                "noise laid over it, and draws on from there: the more noise, the freer it is."
            )
        )
        diffusion, amount = any(card.task == "diffusion" for card in able), AMOUNT
        with st.container(horizontal=True, vertical_alignment="bottom"):
            wanted = generating.class_of(
                t("Drawn as"), "as", able[0],
                t("its own class, {name}", name=chosen.true) if chosen.true else None,
            )  # fmt: skip
            if diffusion:
                amount = st.slider(
                    t("Amount of noise"), 0.1, 1.0, AMOUNT, 0.05, key="amount", bind="query-params"
                )
        label = able[0].classes.index(chosen.true) if wanted is None else wanted
        for card in able:
            with widgets.problems():
                loaded = cache.model(card.name, "generator")
                told = label if generating.conditional(card) else None
                words = generating.named(card, told)
                st.caption(widgets.plain(words))
                if card.task == "vae":
                    shown = [_reconstructed(loaded, chosen.pixels, label)]
                    captions = [t("original"), t("from its code")]
                else:
                    shown = list(_reimagined(loaded, chosen.pixels, round(amount, 2), told))
                    captions = [t("original"), t("with noise"), t("drawn from there")]
                alts = [f"{chosen.words}: {caption}, {words}" for caption in captions]
                widgets.strip([chosen.pixels, *shown], alts, captions, factor=5)


def _reconstructed(loaded: Loaded, pixels: np.ndarray, label: int) -> np.ndarray:
    """What a VAE makes of a picture, uint8 (3, 32, 32); kept in the visitor's own session, whose picture it may be."""

    def make() -> np.ndarray:
        return codes.drawn(loaded, codes.code_of(loaded, pixels, label)[None], label)[0]

    return cache.in_session(("reconstructed", loaded.card.sha256, pixels.tobytes(), label), make)


def _reimagined(
    loaded: Loaded, pixels: np.ndarray, amount: float, told: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """(noisy, result), uint8 (3, 32, 32) each; kept in the visitor's own session."""
    options = few_steps(loaded)

    def make() -> tuple[np.ndarray, np.ndarray]:
        return trajectory.reimagined(loaded, pixels, amount, wanted=told, **options)

    key = ("reimagined", loaded.card.sha256, pixels.tobytes(), amount, told, *options.values())
    return cache.in_session(key, generating.waiting(t("Drawing {name}", name=loaded.card.name), make))
