"""The charts of the noise schedule: what is drawn is the schedule, the marked level in its place, nothing infinite."""

import json

import altair
import numpy as np
import pytest

from explorer import text
from explorer.views import noise

SHARE = np.cos(np.linspace(0, np.pi / 2, 1000)) ** 2  # from 1 to 0, both ends among them
SOURCE = "the schedule of made-up, 1,000 levels"


def test_log_snr_is_that_of_the_share_and_finite_at_the_ends() -> None:
    found = noise.log_snr(np.array([0, 0.25, 0.5, 1]))
    assert found[1] == pytest.approx(-np.log(3)) and found[2] == pytest.approx(0)
    assert np.isfinite(found).all() and found[0] == pytest.approx(-found[3], rel=1e-3) and found[0] < -25


def test_signal_and_noise_are_even_where_half_is_signal() -> None:
    assert noise.even_level(SHARE) == 500
    assert noise.even_level(np.full(10, 0.9)) == 9


@pytest.mark.parametrize("draw", [noise.share_curve, noise.snr_curve])
@pytest.mark.parametrize("level", [0, 400, 999])
@pytest.mark.parametrize("dark", [False, True])
def test_a_curve_is_valid_and_marks_the_level(draw, level: int, dark: bool) -> None:
    spec = draw(SHARE, level, SOURCE, dark)
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    rows = spec["data"]["values"]
    values = SHARE if draw is noise.share_curve else noise.log_snr(SHARE)
    assert len(rows) == noise.POINTS and rows[0]["level"] == 0 and rows[-1]["level"] == 999
    assert all(row["value"] == pytest.approx(values[row["level"]]) for row in rows)
    marked = [layer["data"]["values"] for layer in spec["layer"] if "data" in layer]
    assert marked == [[{"level": level, "value": pytest.approx(values[level])}]] * 2
    assert SOURCE in " ".join(spec["title"]["subtitle"])


def test_titles_say_what_is_seen() -> None:
    shown = " ".join(noise.share_curve(SHARE, 333, SOURCE)["title"]["text"])
    assert shown == f"At level 333 {100 * SHARE[333]:.1f} % of the variance is signal"
    shown = " ".join(noise.snr_curve(SHARE, 333, SOURCE)["title"]["text"])
    assert (
        shown
        == f"Log SNR {noise.log_snr(SHARE)[333]:.1f} at level 333; signal and noise are even at level 500"
    )


def test_a_schedule_of_few_levels_is_drawn_whole() -> None:
    rows = noise.share_curve(np.array([1.0, 0.5, 0.1]), 1, SOURCE)["data"]["values"]
    assert [row["level"] for row in rows] == [0, 1, 2]


def test_the_words_are_in_the_language_of_the_session() -> None:
    text.set_language("ko")
    try:
        assert noise.share_curve(SHARE, 5, SOURCE)["layer"][0]["encoding"]["x"]["title"] == text.t(
            "level of noise"
        )
    finally:
        text.set_language("en")
