"""A picture drawn anew: through the code of a VAE, and from the middle of the way of a diffusion model (SDEdit)."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from explorer.analysis import codes, predict, trajectory
from explorer.checkpoints import Card
from explorer.text import t
from explorer.ui import cache, generating, widgets
from explorer.ui.between import few_steps
from explorer.ui.generating import among_few
from explorer.ui.noising import Chosen

AMOUNT = 0.5  # at first
_made = cache.Kept(64)  # of pictures that everybody has, some KB each


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
        own = st.session_state.get("picture") == "mine"  # as noising.choose_picture has it
        true, first = chosen.true, None
        if true:
            first = t("its own class, {name}", name=true)
        elif true := _seen(able[0], chosen.pixels):
            first = t("{name}, as our classifier sees it", name=true)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            wanted = None
            if any(card.conditional for card in able):
                wanted = generating.class_of(t("Drawn as"), "as", able[0], first)
            if diffusion:
                amount = st.slider(
                    t("Amount of noise"), 0.1, 1.0, AMOUNT, 0.05, key="amount", bind="query-params"
                )
        label = wanted
        if label is None:  # of models that are told no class it does not matter
            label = able[0].classes.index(true) if true else 0
        factor = 7 if widgets.large_type() else 5
        for card in able:
            with widgets.problems():
                told = label if card.conditional else None
                words = generating.named(card, told)
                st.caption(widgets.plain(words))
                if card.task == "vae":
                    shown = [_reconstructed(card, chosen.pixels, label, own)]
                    captions = [t("original"), t("from its code")]
                else:
                    shown = list(_reimagined(card, chosen.pixels, round(amount, 2), told, own))
                    captions = [t("original"), t("with noise"), t("drawn from there")]
                alts = [f"{chosen.words}: {caption}, {words}" for caption in captions]
                widgets.strip([chosen.pixels, *shown], alts, captions, factor)
                widgets.strip_download([chosen.pixels, *shown], f"{card.name}-anew.png")


def _seen(card: Card, pixels: np.ndarray) -> str | None:
    """The class that our classifier of a generator's data set sees in a picture; None where there is none of it."""
    from explorer.analysis.scores import JUDGES  # brings torch along

    judge = cache.cards("classifier").get(JUDGES.get(card.data, ""))
    if judge is None or judge.classes != card.classes:
        return None

    def make() -> str:
        return judge.classes[int(predict.logits(cache.model(judge.name), pixels[None])[0].argmax())]

    return cache.in_session(("seen", judge.sha256, pixels.tobytes()), make)


def _reconstructed(card: Card, pixels: np.ndarray, label: int, own: bool) -> np.ndarray:
    """What a VAE makes of a picture, uint8 (3, 32, 32). own: as `_kept` has it"""

    @among_few()
    def make() -> np.ndarray:
        loaded = cache.model(card.name, "generator")
        return codes.drawn(loaded, codes.code_of(loaded, pixels, label)[None], label)[0]

    return _kept(("reconstructed", card.sha256, pixels.tobytes(), label), card, make, own)


def _reimagined(
    card: Card, pixels: np.ndarray, amount: float, told: int | None, own: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(noisy, result), uint8 (3, 32, 32) each. own: as `_kept` has it"""
    options = few_steps(card)

    @among_few()
    def make() -> tuple[np.ndarray, np.ndarray]:
        loaded = cache.model(card.name, "generator")
        return trajectory.reimagined(loaded, pixels, amount, wanted=told, **options)

    key = ("reimagined", card.sha256, pixels.tobytes(), amount, told, *options.values())
    return _kept(key, card, make, own)


def _kept(key: Hashable, card: Card, make: Callable[[], Any], own: bool) -> Any:
    """What `make` draws with a checkpoint, once for all sessions. own: the picture is the visitor's, and so what comes
    of it stays in the visitor's session"""
    words = t("Drawing {name}", name=card.name)
    if own:
        return cache.in_session(key, generating.waiting(words, make))
    return _made.get(key, make, words)
