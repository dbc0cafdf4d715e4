"""The chart of the game on the line: its curves are those of the game, and its title says what is seen."""

import json

import altair
import numpy as np
import pytest

from explorer.analysis.gan_theory import DATA, Density, hills, play
from explorer.views import gan_theory as views

GAMES = {
    "its least: they meet": DATA,
    "mode collapse": Density((2.0,), (0.6,)),
    "hardly overlap": Density((5.0,), (0.2,)),
    "covers both hills": Density((0.0,), (2.2,)),
    "only in part": Density((0.8,), (1.0,)),
}


def words(spec: dict) -> str:
    return " ".join(spec["title"]["text"])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("generated", GAMES.values(), ids=GAMES)
def test_a_chart_is_valid_vega_lite_and_json(generated: Density, dark: bool) -> None:
    spec = views.game_chart(play(generated), generated, dark)
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize("said", GAMES)
def test_the_verdict_says_what_is_seen(said: str) -> None:
    generated = GAMES[said]
    game = play(generated)
    found = views.verdict(game, generated)
    assert said in found and f"{game.value:.3f}".replace("-", "−") in found
    assert words(views.game_chart(game, generated)) == found


def test_the_verdict_is_on_the_hills_as_they_stand() -> None:
    data, on_one, wide = hills(8.0), Density((4.0,), (0.6,)), Density((0.0,), (4.0,))
    assert "mode collapse" in views.verdict(play(on_one, data), on_one, data)
    assert "covers both hills" in views.verdict(play(wide, data), wide, data)
    assert "they meet" in views.verdict(play(data, data), data, data)
    near, on_near = hills(2.4), Density((1.2,), (0.6,))
    spec = views.game_chart(play(on_near, near), on_near, data=near)
    assert "mode collapse" in words(spec)
    assert max(spec["data"]["values"], key=lambda row: row["data"])["x"] == pytest.approx(-1.2, abs=0.1)


def test_where_they_meet_the_number_is_that_of_the_paper() -> None:
    assert views.verdict(play(DATA), DATA).startswith("The value is −1.386")


def test_the_curves_are_those_of_the_game() -> None:
    generated = Density((1.0,), (0.5,))
    spec = views.game_chart(play(generated), generated)
    rows = spec["data"]["values"]
    x = np.array([each["x"] for each in rows])
    for key, expected in (("data", DATA(x)), ("generated", generated(x))):
        assert np.allclose([each[key] for each in rows], expected, atol=2e-3)
    certain = np.array([each["discriminator"] for each in rows])
    assert certain.min() >= 0 and certain.max() <= 1 and certain[np.abs(x + 2).argmin()] > 0.99
    assert certain[np.abs(x - 1).argmin()] == pytest.approx(
        DATA(1.0) / (DATA(1.0) + generated(1.0)), abs=1e-2
    )
