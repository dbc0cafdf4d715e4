"""The section "How it draws": a diffusion model's way from noise to picture, and the parts of `noising`, `between` and
`anew`: noise laid over any picture, ways between two codes, a picture drawn anew.

What costs a forward pass is made once for the same controls. Each part is a fragment, so that a control of one draws
nothing of the others anew; the scrubber only ever shows pictures that were encoded before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from explorer.analysis import trajectory
from explorer.checkpoints import Card
from explorer.text import t
from explorer.ui import anew, between, cache, drawn, generating, noising, uploads, widgets
from explorer.ui.generating import Scene
from explorer.views import pictures
from explorer.views.figure import percentage

COUNT = 4  # pictures whose way is shown
MOST_STEPS = 100
MOST_COLUMNS = 11  # steps side by side in the file

_ways = cache.Kept(8)  # Trajectory: at most 2.5 MB each
_frames = cache.Kept(8)  # Frames: at most 6 MB each


def steps(scene: Scene) -> None:
    """All of the section."""
    cards = list(scene.cards.values())
    known, chosen, most = noising.known_pictures(cards[0]), None, min(MOST_STEPS, drawn.most_steps())
    classes = {*cards[0].classes, ""}
    able = _diffusion(cards)
    way = able.get(widgets.from_url("way_with", able) or next(iter(able), ""), cards[0])
    generating.note_odd_controls(
        way, most,
        {"picture": {*known, *(["mine"] if uploads.carried() else [])}, "way": classes, "as": classes,
         "way_with": able},
        {**dict.fromkeys(("from", "to", "third"), (0, generating.MOST_SEED)), "level": (0, 999), "amount": (0.1, 1)},
    )  # fmt: skip
    with widgets.problems():
        st.subheader(t("From noise to picture"), anchor=False)
        _way(cards, most)
    with widgets.problems():
        st.subheader(t("Noise over any picture"), anchor=False)
        st.markdown(
            t("What training shows a diffusion model: a picture, and ever more of the same noise over it.")
        )
        chosen = noising.choose_picture(cards[0], known)
        noising.noising(chosen, cards)
    with widgets.problems():
        st.subheader(t("Between two codes"), anchor=False)
        st.markdown(
            t(
                "A seed gives a code, and the code a picture. Along the sphere from one code to another every place "
                "is a code too: a model that has learnt more than single pictures has one to draw at each of them."
            )
        )
        between.between(cards)
    with widgets.problems():
        st.subheader(t("Draw a picture anew"), anchor=False)
        if chosen:  # else the sentence that says why stands above
            anew.anew(chosen, cards)


@dataclass(frozen=True, eq=False)
class Frames:
    """A trajectory ready to be looked at; S steps.

    noisy, guesses: S + 1 data addresses of one picture each that shows all; the last of both is the finished one
    away: float, (S + 1,), grey levels between guess and finished picture, on average over pixels and pictures
    """

    noisy: tuple[str, ...]
    guesses: tuple[str, ...]
    levels: tuple[int, ...]
    signal: tuple[float, ...]
    away: tuple[float, ...]
    who: str


def _diffusion(cards: Sequence[Card]) -> dict[str, Card]:
    """Those that draw step by step, by name."""
    return {card.name: card for card in cards if card.task == "diffusion"}


def _way(cards: Sequence[Card], most: int) -> None:
    """The controls of the trajectory, the trajectory made or taken, and the scrubber over it."""
    able = _diffusion(cards)
    if not able:
        widgets.empty_state(
            t(
                "Only a diffusion model draws step by step, and none is among the chosen ones: choose one above."
            )
        )
        return
    name = next(iter(able))
    if len(able) > 1:
        name = widgets.select(t("Model"), {name: name for name in able}, key="way_with")
    card = able[name]
    st.markdown(
        t(
            "{name} begins with noise. At each step it guesses the whole picture, and goes a little of the way there.",
            name=widgets.plain(card.name),
        )
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = generating.seed(t("First of four seeds"), "seed", 0)
        wanted = None  # of a model that is told no class
        if card.conditional:
            wanted = generating.class_of(t("Class"), "class", card, t("another for each seed"))
        else:
            generating.no_class("class")
        options = generating.diffusion(card, most)
    key = (card.sha256, seed, wanted, *options.values())
    place = st.empty()  # always there, so that what follows keeps its place on the page

    @generating.among_few()
    def make() -> trajectory.Trajectory:
        words = t("Drawing four pictures in {n} steps", n=options["steps"])
        bar = place.progress(0.0, text=words)  # a click elsewhere ends this run at its next message, so here

        def on_step(done: int, of: int) -> None:
            bar.progress(min(done / of, 1.0), text=words)

        loaded = cache.model(card.name, "generator")
        found = trajectory.trajectory(loaded, list(range(seed, seed + COUNT)), wanted, on_step, **options)
        place.empty()
        return found

    found = _ways.get(key, make)
    factor = 7 if widgets.large_type() else 5
    _scrubber(_frames.get((*key, factor), lambda: _framed(found, factor, card.classes)), 64 * factor + 8)
    widgets.download("PNG", lambda: pictures.png(sheet(found)), f"{card.name}-{seed}-steps.png", "image/png")


def sheet(found: trajectory.Trajectory) -> Image.Image:
    """The whole way in one picture: of each seed a row of what the net sees and a row of its guesses, from noise to the
    finished picture, at most MOST_COLUMNS steps of it."""
    last = len(found.levels)
    at = np.unique(np.linspace(0, last, min(last + 1, MOST_COLUMNS)).round().astype(int))
    guesses = np.concatenate([found.guesses, found.noisy[-1:]])  # at the end nothing is left to guess
    rows = np.stack([found.noisy[at], guesses[at]]).transpose(2, 0, 1, 3, 4, 5)  # (N, 2, steps, 3, H, W)
    return pictures.grid(rows.reshape(-1, *rows.shape[3:]), len(at))


def _framed(found: trajectory.Trajectory, factor: int, classes: Sequence[str]) -> Frames:
    """Every step's pictures two by two, enlarged and encoded: what the scrubber moves over."""

    def sheets(rows: Sequence[np.ndarray]) -> tuple[str, ...]:
        return tuple(pictures.data_uri(pictures.grid(row, 2, factor, 8)) for row in rows)

    last = found.noisy[-1].astype(int)
    away = [float(np.abs(guess.astype(int) - last).mean()) for guess in found.guesses]
    who = [
        f"{seed} ({classes[label]})" if label >= 0 else str(seed)
        for seed, label in zip(found.seeds.tolist(), found.labels.tolist())
    ]
    noisy, guesses = sheets(found.noisy), sheets(found.guesses)
    return Frames(
        noisy, (*guesses, noisy[-1]), tuple(found.levels.tolist()), tuple(found.signal.tolist()), (*away, 0.0),
        ", ".join(who),
    )  # fmt: skip


@st.fragment
def _scrubber(frames: Frames, width: int) -> None:
    """The pictures at one step, and the slider over all of them; nothing is computed here."""
    last = len(frames.levels)
    if "at" not in st.session_state:  # set by the slider itself, when there were more steps
        generating.note_odd({"at": [str(k) for k in range(last + 1)]})
    at = st.select_slider(t("Steps taken"), list(range(last + 1)), last // 2, key="at", bind="query-params")
    if at < last:
        st.markdown(
            t(
                "After {at} of {n} steps, at level {level}, {percent} % of the variance is signal; the guesses are on "
                "average {away} grey levels of 255 from the finished pictures.",
                at=at, n=last, level=frames.levels[at], percent=percentage(frames.signal[at]),
                away=f"{frames.away[at]:.1f}",
            )
        )  # fmt: skip
    else:
        st.markdown(
            t("After all {n} steps the pictures are finished: there is nothing left to guess.", n=last)
        )
    with st.container(horizontal=True, gap="large"):
        for images, caption, alt in (
            (frames.noisy, t("What the net sees, x_t"), t("Noisy pictures after {at} of {n} steps, seeds {who}",
                                                          at=at, n=last, who=frames.who)),
            (frames.guesses, t("What it takes for the pictures, x_0"),
             t("Guessed pictures after {at} of {n} steps, seeds {who}", at=at, n=last, who=frames.who)),
        ):  # fmt: skip
            st.image(images[at], caption=widgets.plain(caption), width=width, alt=alt)
    st.caption(widgets.plain(t("Seeds {who}", who=frames.who)))
