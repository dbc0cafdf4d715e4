"""The map of features: every picture is one point, found again by its id, and names stay names."""

import json

import numpy as np
import pytest

from explorer.views import style
from explorer.views.embedding import SYMBOLS, map_figure

N, NAMES = 40, tuple("0123456789") + ("<b>eleven</b>", "개")
TITLE = ("t-SNE keeps neighbours together", "made-up · n = 40")


def figure(own: tuple = (), colours: list[str] | None = None, dark: bool = False) -> dict:
    """A map of 40 pictures with odd ids in twelve groups, as JSON."""
    rng = np.random.default_rng(0)
    found = map_figure(
        rng.normal(size=(N, 2)).astype(np.float32), ids(), rng.permutation(np.arange(N) % len(NAMES)), NAMES,
        [f"picture {k}" for k in ids()], TITLE, own, colours, dark,
    )  # fmt: skip
    return json.loads(found.to_json())


def ids() -> np.ndarray:
    return np.random.default_rng(1).choice(10_000, N, replace=False)


@pytest.mark.parametrize("dark", [False, True])
def test_every_picture_stands_once_on_the_map_beside_its_own_words(dark: bool) -> None:
    shown = figure(dark=dark)
    json.dumps(shown, allow_nan=False)
    assert sorted(each for trace in shown["data"] for each in trace["customdata"]) == sorted(ids())
    for trace in shown["data"]:
        assert trace["text"] == [f"picture {k}" for k in trace["customdata"]]
        assert len(trace["x"]) == len(trace["y"]) == len(trace["customdata"])
    rng = np.random.default_rng(0)
    places = dict(zip(ids().tolist(), rng.normal(size=(N, 2)).astype(np.float32).tolist()))
    for trace in shown["data"]:
        for k, x, y in zip(trace["customdata"], trace["x"], trace["y"]):
            assert [x, y] == pytest.approx(places[k], abs=6e-4)


def test_groups_have_names_colours_and_marks() -> None:
    light, dark = figure(), figure(dark=True)
    assert [trace["name"] for trace in light["data"]] == list(NAMES)
    pairs = {(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in light["data"][: len(SYMBOLS)]}
    assert len(pairs) == len(SYMBOLS)
    assert [trace["marker"]["color"] for trace in dark["data"]] == style.class_colours(len(NAMES), True)
    own = figure(colours=["#000000"] * len(NAMES))
    assert {trace["marker"]["color"] for trace in own["data"]} == {"#000000"}


def test_the_title_says_what_is_seen_and_of_how_many() -> None:
    layout = figure()["layout"]
    assert layout["title"]["text"].replace("<br>", " ") == TITLE[0]
    assert layout["title"]["subtitle"]["text"] == TITLE[1] and layout["dragmode"] == "lasso"


def test_a_picture_of_ones_own_is_a_star_that_no_lasso_takes_for_one_of_the_map() -> None:
    star = figure(own=((1.5, -2.0, "mine.png"),))["data"][-1]
    assert (star["x"], star["y"], star["text"]) == ([1.5], [-2.0], ["mine.png"])
    assert star["marker"]["symbol"] == "star" and "customdata" not in star
