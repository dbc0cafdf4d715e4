"""What the sections of the Generate page share: which generators are looked at, the controls that several of them have,
and what an address may say."""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer import reach
from explorer.analysis import sampling
from explorer.checkpoints import Card
from explorer.text import N_, Problem, t
from explorer.ui import cache, widgets

FIRST = {  # of each data set, those that stand side by side at first
    "cifar10": ("cifar10-vae", "cifar10-dcgan", "cifar10-ddpm"),
    "digits": ("digits-vae", "digits-dcgan", "digits-ddpm"),
}
ORDER = {"vae": 0, "gan": 1, "diffusion": 2}
SAMPLERS = {  # those of explorer.models.ddpm, whose module would bring torch along
    "dpm": N_("DPM-Solver++, second order"),
    "ddim": N_("DDIM, deterministic"),
    "ddpm": N_("DDPM, fresh noise at every step"),
}
MOST_SEED = 999_999
MOST_GUIDANCE = 5.0
PATIENCE = 2.0  # seconds that a stranger's page waits until it may draw
_strangers = threading.BoundedSemaphore(reach.MOST_JOBS)


@contextmanager
def among_few() -> Iterator[None]:
    """Around what a page draws itself, not as a job: in public mode for so many strangers at once as may have jobs.
    Problem for one more of them."""
    if not reach.public_mode():
        yield
        return
    if not _strangers.acquire(timeout=PATIENCE):
        raise Problem("This server is busy drawing for others; try again in a moment.")
    try:
        yield
    finally:
        _strangers.release()


@dataclass(frozen=True)
class Scene:
    """What the page is about: checkpoints that draw, all of one data set, VAEs first, diffusion models last."""

    cards: Mapping[str, Card]

    @property
    def data(self) -> str:
        """The name of the data set that they were trained on."""
        return next(iter(self.cards.values())).data


def choose() -> Scene:
    """The data set and up to four of its generators; stops the page where there is none."""
    known = cache.cards("generator")
    if not known:
        widgets.empty_state(
            t(
                "There is no checkpoint that draws yet. Train one, in half a minute: "
                "`python -m explorer train --model vae --data digits`"
            )
        )
        st.stop()
    families = sorted({card.data for card in known.values()}, key=lambda name: (name not in FIRST, name))
    left, right = st.columns([1, 3])
    with left:
        family = widgets.select(t("Data"), {name: name for name in families}, key="data")
    with right:
        names = sorted(
            (name for name, card in known.items() if card.data == family), key=lambda name: place(known[name])
        )
        begin = [name for name in FIRST.get(family, ()) if name in names] or names[:3]
        chosen = st.multiselect(
            t("Models, up to four"), names, default=begin, max_selections=4, key=f"model_{family}",
            bind="query-params",
        )  # fmt: skip
    chosen = [name for name in names if name in chosen] or begin
    return Scene({name: known[name] for name in chosen})


def place(card: Card) -> tuple[int, str]:
    """Where a checkpoint stands among others."""
    return ORDER.get(card.task, 9), card.name


def named(card: Card, told: int | None) -> str:
    """A checkpoint and the class that it was told, in plain words."""
    return f"{card.name} · {t('it is told no class') if told is None else card.classes[told]}"


# --- controls, each bound to the address under its key ----------------------------------------------------------------


def seed(label: str, key: str, first: int) -> int:
    """A seed. Streamlit breaks on ?seed=inf for whole numbers, so it is a float to it."""
    found = st.number_input(
        label, 0.0, float(MOST_SEED), float(first), step=1.0, format="%.0f", key=key, bind="query-params"
    )
    return math.floor(found + 0.5)  # as the browser rounds what it shows


def class_of(label: str, key: str, card: Card, first: str | None = None) -> int | None:
    """The place of a class, which the address has by name. first: the words of None, which is offered with them."""
    options = ({"": first} if first else {}) | {name: name for name in card.classes}
    name = widgets.select(label, options, key=key)
    return card.classes.index(name) if name else None


def no_class(key: str) -> None:
    """Where no class is asked for: take out of the address what the control of `class_of` has put into it for another
    model. What a link says stays, and is named by `note_odd_controls`."""
    if widgets.forget(key):
        widgets.to_url(key, None)


def diffusion(card: Card, most: int) -> dict[str, Any]:
    """Sampler, steps and guidance of a diffusion model, as sampling.draw takes them; at first those of its stored
    scores. most: steps that the section takes."""
    first = sampling.stored_options(card)
    titles = {name: t(words) for name, words in SAMPLERS.items()}
    sampler = widgets.select(t("Sampler"), titles, key="sampler", default=first["sampler"])
    if st.session_state.get("steps", 0) > most:  # left by a section that takes more: Streamlit would raise
        st.session_state["steps"] = most
    begin = min(first["steps"], most)
    steps = st.slider(t("Steps"), 1, most, begin, key="steps", bind="query-params")
    guidance = 1.0
    if card.guidable:
        guidance = st.slider(
            t("Guidance scale"), 0.0, MOST_GUIDANCE, min(float(first["guidance"]), MOST_GUIDANCE), 0.1,
            key="guidance", bind="query-params",
            help=t("w in u + w (c - u): 0 = without the class, 1 = as trained, above: more of what makes the class."),
        )  # fmt: skip
    # As an address may say it: Streamlit takes any number out of one, whatever the slider's steps.
    return {"sampler": sampler, "steps": steps, "guidance": round(guidance, 3)}


def count_of(
    label: str, options: Sequence[int], key: str, first: int, own: str = "", help: str | None = None
) -> int:
    """One of some numbers of pictures, on a slider. In the address it has no commas, and may have them.

    own: the slider's key, where what there is to choose from changes
    """
    asked, own, before = spelt(options).get(st.query_params.get(key, "")), own or key, f"{key} in the address"
    if st.session_state.get(own) not in options or st.session_state.get(before) != asked:  # a visit, a link
        st.session_state[own] = asked or first
    at = st.session_state[own]
    if len(options) > 1:
        at = st.select_slider(label, options, key=own, format_func="{:,}".format, help=help)
    widgets.to_url(key, str(at), str(first))
    st.session_state[before] = spelt(options).get(st.query_params.get(key, ""))
    return at


def spelt(counts: Iterable[int]) -> dict[str, int]:
    """What the address may say for each count."""
    return {text: n for n in counts for text in (str(n), f"{n:,}")}


def waiting(words: str, make: Callable[[], Any]) -> Callable[[], Any]:
    """`make` with a spinner around it: none is drawn where the value is at hand."""

    def waited() -> Any:
        with st.spinner(words, show_time=True):
            return make()

    return waited


# --- the address ------------------------------------------------------------------------------------------------------


def note_odd_address(parts: Collection[str]) -> None:
    """Say so when the address asks for a section, a data set or a model that is not there."""
    known = cache.cards("generator")
    families = {card.data for card in known.values()}
    models = {
        f"model_{family}": {"", *(name for name, card in known.items() if card.data == family)}
        for family in families
    }
    note_odd({"part": parts, "data": families, **models})


def note_odd_controls(
    card: Card,
    most: int,
    words: Mapping[str, Collection[str]],
    numbers: Mapping[str, tuple[float, float]] | None = None,
    odd: Sequence[str] = (),
) -> None:
    """`note_odd` of the controls above, as a section has them, and of its own; most: as `diffusion` has it"""
    shared = {"seed": (0, MOST_SEED), "steps": (1, most), "guidance": (0, MOST_GUIDANCE)}
    classes = {*card.classes, ""} if card.conditional else {""}
    if card.task == "diffusion" and not card.guidable:
        shared["guidance"] = (1, 1)
    note_odd({"class": classes, "sampler": SAMPLERS, **words}, shared | dict(numbers or {}), odd)


def note_odd(
    words: Mapping[str, Collection[str]],
    numbers: Mapping[str, tuple[float, float]] | None = None,
    odd: Sequence[str] = (),
) -> list[str]:
    """Say so when the address asks for what is not there, and return the keys; each control begins with its default.

    words: key -> what there is;  numbers: key -> least and most;  odd: keys that are known to be
    """
    odd = [*odd]
    odd += [key for key, known in words.items() if not set(st.query_params.get_all(key)) <= set(known)]
    for key, (low, high) in (numbers or {}).items():
        asked = st.query_params.get_all(key)
        # What stands in the session was set by a control, of this section or of another that takes more.
        if asked and key not in st.session_state and not (len(asked) == 1 and _within(asked[0], low, high)):
            odd.append(key)
    widgets.odd_address(odd)
    return odd


def _within(text: str, low: float, high: float) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and low <= value <= high
