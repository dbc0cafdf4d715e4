"""A drawn picture by its address, `?drawn=CHECKPOINT/SEED/CLASS/SAMPLER/STEPS/GUIDANCE`, the same on every page.

A seed names a picture. Only checkpoint and seed must be there; the rest is as its stored scores were drawn.
"""

import re
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from explorer import data, reach
from explorer.analysis import sampling
from explorer.checkpoints import Card
from explorer.data.picture import Picture
from explorer.text import t
from explorer.ui import cache, widgets
from explorer.ui.generating import SAMPLERS, among_few

KEY = "drawn"
MOST_STEPS = 250  # while somebody waits for a page
_pictures = cache.Kept(512)


@dataclass(frozen=True)
class Drawn:
    """Which picture. wanted: its class, None for the seed's own;  options: as sampling.options_for gives them"""

    card: Card
    seed: int
    wanted: int | None = None
    options: tuple[tuple[str, str | int | float], ...] = ()

    @property
    def address(self) -> str:
        """What `parsed` reads."""
        parts = [self.card.name, str(self.seed)]
        if self.wanted is not None or self.options:
            parts.append("" if self.wanted is None else str(self.wanted))
        return "/".join(
            parts + [f"{value:g}" if isinstance(value, float) else str(value) for _, value in self.options]
        )

    @property
    def label(self) -> int:
        """The class it is drawn for, -1 where the model is told none."""
        if not self.card.conditional:
            return -1
        return self.seed % len(self.card.classes) if self.wanted is None else self.wanted

    @property
    def words(self) -> str:
        """What it is, for a person."""
        if self.label < 0:
            said = t("drawn by {name}, seed {seed}", name=self.card.name, seed=self.seed)
        else:
            true = self.card.classes[self.label]
            said = t("drawn by {name}, seed {seed}: {true}", name=self.card.name, seed=self.seed, true=true)
        if self.options:
            sampler, steps, guidance = (value for _, value in self.options)
            more = f", w = {guidance:g}" if self.card.guidable else ""
            said += f" ({t('{sampler}, {steps} steps', sampler=sampler, steps=steps)}{more})"
        return said


def most_steps() -> int:
    """Steps of a diffusion model that a page may take at once."""
    return reach.MOST_STEPS if reach.public_mode() else MOST_STEPS


def parsed(text: str) -> Drawn | None:
    """What an address names; None for anything that is not there or not allowed: strangers type addresses."""
    name, *rest = text[:200].split("/")
    card = cache.cards("generator").get(name)
    if card is None or len(rest) not in (1, 2, 5) or not re.fullmatch(r"[0-9]{1,9}", rest[0]):
        return None
    wanted: int | None = None
    if len(rest) > 1 and rest[1]:
        if (
            not re.fullmatch(r"[0-9]{1,3}", rest[1])
            or not card.conditional
            or int(rest[1]) >= len(card.classes)
        ):
            return None
        wanted = int(rest[1])
    options: tuple = ()
    if len(rest) == 5:
        sampler, steps, guidance = rest[2:]
        if card.task != "diffusion" or sampler not in SAMPLERS or not re.fullmatch(r"[0-9]{1,3}", steps):
            return None
        if (
            not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", guidance)
            or float(guidance) > sampling.MOST_GUIDANCE
        ):
            return None
        if not 1 <= int(steps) <= most_steps() or (float(guidance) != 1 and not card.guidable):
            return None
        options = (("sampler", sampler), ("steps", int(steps)), ("guidance", float(guidance)))
    return Drawn(card, int(rest[0]), wanted, options)


def linked() -> Drawn | None:
    """The picture that the page's own address names."""
    text = st.query_params.get(KEY)
    return parsed(text) if text else None


def odd() -> list[str]:
    """What of the address names a drawn picture that is not there, for widgets.odd_address."""
    return [KEY] if KEY in st.query_params and linked() is None else []


def forget() -> None:
    """Take the drawn picture out of the address."""
    widgets.to_url(KEY, None)


def pixels(of: Drawn) -> np.ndarray:
    """uint8 (3, 32, 32): drawn now, or found again. Problem as sampling.draw, and for strangers above their limits."""

    # Asked of the card as it is now: what is loaded may be from before a new score, which can change these.
    options = dict(of.options) or (sampling.stored_options(of.card) if of.card.task == "diffusion" else {})

    @among_few()
    def make() -> np.ndarray:
        loaded = cache.model(of.card.name, "generator")
        reach.cap(1, options.get("steps", 1))
        return sampling.draw(loaded, [of.seed], of.wanted, batch=1, **options).images[0]

    return _pictures.get((of.card.sha256, of.address, *options.items()), make)


def picture(of: Drawn) -> Picture:
    """The same as the picture that Predict and Explain speak of."""
    image = Image.fromarray(np.ascontiguousarray(pixels(of).transpose(1, 2, 0)))
    return Picture(image, of.words, image.size)


def links(of: Drawn) -> None:
    """To the pages on which the picture can be looked at, those that are there."""
    from explorer.analysis.scores import JUDGES  # brings torch along

    judge = {"model": JUDGES[of.card.data]} if of.card.data in JUDGES else {}
    if judge and data.available(of.card.data):
        # named, for where their features are not made yet: the page would begin with test pictures
        nearest, there = t("Which training pictures are nearest?"), {"gallery": f"{of.card.data}/train"}
    else:
        nearest, there = t("Which pictures are nearest?"), {}
    with st.container(horizontal=True):
        for page, words, icon, more in (
            ("predict", t("What do the classifiers see?"), "image_search", {}),
            ("explain", t("Where is the evidence?"), "center_focus_strong", {}),
            ("retrieve", nearest, "travel_explore", {"part": "duel"} | there),
        ):
            widgets.page_link(page, words, icon, {KEY: of.address} | judge | more)
