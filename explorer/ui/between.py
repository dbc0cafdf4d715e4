"""Ways between two codes, a strip of pictures for each model, and sums of codes where a code is a few numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from explorer.analysis import codes, sampling
from explorer.checkpoints import Card
from explorer.text import t
from explorer.ui import cache, generating, widgets

PLACES = 8  # pictures on the way between two codes
_strips = cache.Kept(64)  # uint8 pictures of seeds, some KB each


def few_steps(card: Card) -> dict[str, Any]:
    """What a strip is drawn with: as the stored scores, but in 20 steps and with a sampler whose picture depends on the
    code alone."""
    if card.task != "diffusion":
        return {}
    options = sampling.stored_options(card)
    sampler = "dpm" if options["sampler"] == "ddpm" else options["sampler"]
    return options | {"sampler": sampler, "steps": 20}


@st.fragment
def between(cards: Sequence[Card]) -> None:
    """Two seeds, a class, and a strip from one to the other for each checkpoint; sums of codes where they mean one."""
    with widgets.problems():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            a, b = generating.seed(t("From seed"), "from", 1), generating.seed(t("To seed"), "to", 2)
            wanted = None
            if any(card.conditional for card in cards):
                wanted = generating.class_of(t("Class of the way"), "way", cards[0])
        factor = 4 if widgets.large_type() else 3
        for card in cards:
            with widgets.problems():  # one damaged file is no reason to show nothing of the others
                told = wanted if card.conditional else None
                images = _strip(card, (a, b), told, _along)
                words = generating.named(card, told)
                st.caption(widgets.plain(words))
                alts = [
                    t(
                        "{what}, place {k} of {n} from seed {a} to seed {b}",
                        what=words,
                        k=k + 1,
                        n=PLACES,
                        a=a,
                        b=b,
                    )
                    for k in range(PLACES)
                ]
                widgets.strip(list(images), alts, factor=factor)
                widgets.strip_download(images, f"{card.name}-{a}-to-{b}.png")
        _sums([card for card in cards if card.task in ("vae", "gan")], a, b, wanted, factor)


def _along(found: np.ndarray) -> np.ndarray:
    """Codes from the first of two to the second: (2, …) -> (PLACES, …)."""
    return codes.between(found[0], found[1], PLACES)


def _summed(found: np.ndarray) -> np.ndarray:
    """Three codes and a - b + c: (3, …) -> (4, …)."""
    return np.stack([*found, codes.sum_of(*found)])


def _strip(
    card: Card, seeds: tuple[int, ...], told: int | None, of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Pictures uint8 (N, 3, 32, 32) of what `of` makes of the codes of seeds, drawn once for all sessions."""
    options = few_steps(card)

    @generating.among_few()
    def make() -> np.ndarray:
        loaded = cache.model(card.name, "generator")
        return codes.drawn(loaded, of(codes.codes(loaded, seeds)), told, **options)

    key = (card.sha256, seeds, told, of.__name__, *options.values())
    return _strips.get(key, make, t("Drawing {name}", name=card.name))


def _sums(cards: Sequence[Card], a: int, b: int, wanted: int | None, factor: int) -> None:
    """a - b + c for the models whose codes are a few numbers."""
    if not cards:
        return
    st.markdown(
        t(
            "With codes one can reckon, too: the first less the second plus a third, brought back to the length of a "
            "code, is a code again. Between codes picked for what their pictures show, a difference can carry a "
            "meaning; random seeds show only that every sum has a picture."
        )
    )
    third = generating.seed(t("Plus seed"), "third", 3)
    captions = [
        t("seed {n}", n=a), t("less seed {n}", n=b), t("plus seed {n}", n=third), t("the sum"),
    ]  # fmt: skip
    for card in cards:
        with widgets.problems():
            told = wanted if card.conditional else None
            images = _strip(card, (a, b, third), told, _summed)
            words = generating.named(card, told)
            st.caption(widgets.plain(words))
            widgets.strip(list(images), [f"{words}: {caption}" for caption in captions], captions, factor)
            widgets.strip_download(images, f"{card.name}-{a}-less-{b}-plus-{third}.png")
