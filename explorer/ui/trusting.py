"""Does a map deserve belief? The badge of four tests, and how maps do against random ones on many pictures."""

from typing import Any

import numpy as np
import streamlit as st

from explorer import checkpoints
from explorer.analysis import cam, contest, faithfulness
from explorer.analysis.cam import CAM_METHODS
from explorer.analysis.faithfulness import AGREEMENT_LIMIT, FILLS, HEAD_LIMIT, SHIFT_LIMIT, Trust
from explorer.checkpoints import Card
from explorer.text import N_, Missing, t
from explorer.ui import cache, evidence, explaining, widgets
from explorer.ui.explaining import Scene, sides
from explorer.ui.widgets import plain
from explorer.views import faithfulness as charts
from explorer.views import style

# Test -> (its name, what it asks)
TESTS = {
    "gap": (
        N_("Better than chance"),
        N_("Pixels that the map calls important are taken away first, then brought back first: the probability must "
           "follow sooner than with 95 % of 20 random maps."),
    ),
    "head": (
        N_("Depends on what was learnt"),
        N_("With a random head the map must become another one (|rank correlation| below {limit})."),
    ),
    "shift": (
        N_("Moves with the picture"),
        N_("Two pixels further, the map must move along (rank correlation above {limit})."),
    ),
    "agreement": (
        N_("Other methods agree"),
        N_("The median rank correlation with the other quick methods, where they come to another map, must be above "
           "{limit}."),
    ),
}  # fmt: skip
LIMITS = {"head": HEAD_LIMIT, "shift": SHIFT_LIMIT, "agreement": AGREEMENT_LIMIT}


def trust(scene: Scene) -> None:
    """The badge of the chosen method's map, for each checkpoint; below, what holds on five hundred pictures."""
    st.markdown(
        t("A map can look right and say nothing. Four tests, none of which needs to know the true class; a map that "
          "fails them may still be right, but it has not earned belief.")
    )  # fmt: skip
    fill = widgets.select(
        t("Pixels are taken away to"),
        {key: t(words) for key, words in FILLS.items()},
        key="fill",
        kind="segmented",
    )
    for card, place in sides(scene):
        with place, widgets.problems():
            _badge_of(card, scene, fill)
    with widgets.problems():
        _contests(scene.cards)


def _badge_of(card: Card, scene: Scene, fill: str) -> None:
    found = scene.maps(card)
    st.markdown(f"**{card.name}**")
    if found is None:
        return
    k, pixels = scene.class_of(card, found.logits[0]), scene.subject.pixels(card)
    method, layer = scene.look.method, scene.layers[card.name]
    kept: dict[tuple, Any] = st.session_state.setdefault("badges", {})
    about = (card.sha256, pixels.tobytes(), k, fill)
    key, rivals = (*about, method, layer), (*about, found.raw.shape[2:])
    if key not in kept:
        loaded = cache.model(card.name)
        passes = faithfulness.cost(loaded, method, layer, rivals in kept)
        seconds = explaining.seconds_of(card, "cam", layer, passes)
        words = t("Test this map: {n} forward passes, about {s} s here", n=f"{passes:,}", s=f"{seconds:.0f}")

        def make(on_step: cam.OnStep) -> Trust:
            own = explaining.own_copy(card)
            if rivals not in kept:  # they serve all methods
                kept[rivals] = faithfulness.rivals(
                    own, pixels, k, rivals[-1], fill, on_step=lambda done, of: on_step(done, passes)
                )
            return faithfulness.trust(
                own, pixels, k, method, layer, fill, kept[rivals],
                on_step=lambda done, of: on_step(passes - of + done, passes),
            )  # fmt: skip

        made = explaining.on_request(words, seconds, f"badge {card.name}", make)
        if made is None:
            return
        kept[key] = made
        while len(kept) > 48:
            del kept[next(iter(kept))]
    _show(card, kept[key], method, card.classes[k])
    if scene.look.flip:
        st.caption(t("Tested is the map of the picture alone, without its mirror image."))
    if k != found.logits[0].argmax():
        st.caption(
            t("The model does not take this for “{name}”: of a small probability little can be taken away.",
              name=plain(card.classes[k]))
        )  # fmt: skip


def _show(card: Card, found: Trust, method: str, name: str) -> None:
    marks = "".join("●" if good else "○" for good in found.passed.values())
    st.markdown(
        "### " + t("{marks} {count} of 4 tests passed", marks=marks, count=found.count) + "\n"
        + f":small[:gray[{CAM_METHODS[method].title}, “{plain(name)}”]]"
    )  # fmt: skip
    figures = {
        "gap": t("gap {gap}; 95 % of random maps stay below {random}; the centred blob has {centre}",
                 gap=f"{found.gap:.3f}", random=f"{found.random:.3f}", centre=f"{found.centre:.3f}"),
        "head": f"{found.head:.2f}",
        "shift": f"{found.shift:.2f}",
        "agreement": f"{found.agreement:.2f}" if np.isfinite(found.agreement) else t("no other method to ask"),
    }  # fmt: skip
    for test, good in found.passed.items():
        title, words = TESTS[test]
        mark, colour = (style.RIGHT_MARK, "green") if good else (style.WRONG_MARK, "red")
        limit = {"limit": LIMITS[test]} if test in LIMITS else {}
        st.markdown(f":{colour}[{mark}] **{t(title)}**: {figures[test]}", help=t(words, **limit))
    if found.centre > found.gap:
        st.caption(
            t(
                "A blob in the middle of the picture does better than this map: in CIFAR-10 things stand in the middle."
            )
        )
    spec = charts.curves_chart(found, card.name, evidence.dark())
    widgets.chart(spec, key=f"curves {card.name}", alt=" ".join(spec["title"]["text"]))


def _contests(cards: list[Card]) -> None:
    """What was measured over many pictures and stored beside the checkpoints."""
    found = {}
    for card in cards:
        try:
            path = checkpoints.folder_of(card.name) / contest.FILE
            stamp = path.stat().st_mtime_ns if path.is_file() else 0
            found[card.name] = evidence.kept(
                ("contest", card.name, card.sha256, stamp),
                lambda name=card.name: contest.stored_contest(name),
            )
        except Missing:
            st.caption(
                t(
                    "{name} was not measured over many pictures: python -m explorer faithfulness {name}",
                    name=card.name,
                )
            )
    if found:
        spec = charts.contest_chart(found, evidence.dark())
        widgets.chart(spec, key="contest", alt=" ".join(spec["title"]["text"]))
