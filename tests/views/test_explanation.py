"""Maps over pictures: a strength that grows linearly with the value, on a scale that the caller fixes."""

import numpy as np
import pytest
from PIL import Image

from explorer.text import Problem
from explorer.views import explanation, style

GREY = Image.new("RGB", (4, 2), "#808080")


def laid(values: list[float], top: float = 1.0, signed: bool = False, opacity: float = 0.6) -> np.ndarray:
    """The first row of an overlay whose rows are `values`, as whole numbers (4, 3)."""
    return np.asarray(explanation.overlay(GREY, np.array([values] * 2), top, signed, opacity))[0].astype(int)


def test_nothing_is_laid_where_the_map_is_0_and_everything_at_full_opacity() -> None:
    row = laid([0, 1, 2, 0.5], opacity=1.0)
    assert (row[0] == 128).all()
    assert (row[1] == explanation.SEQUENTIAL[-1]).all() and (row[2] == row[1]).all()


def test_half_the_value_is_laid_on_with_half_the_strength() -> None:
    middle = explanation.SEQUENTIAL[round(0.5 * 255)].astype(float)
    assert np.abs(laid([0.5, 0, 0, 0])[0] - (0.7 * 128 + 0.3 * middle)).max() <= 1


def test_evidence_against_shows_on_a_signed_scale_only() -> None:
    assert (laid([-1, 0, 0, 0])[0] == 128).all()
    against, none, wholly, _ = laid([-1, 0, 1, 0], signed=True, opacity=1.0)
    ends = style.table(style.SIGNED)
    assert (against == ends[0]).all() and (wholly == ends[-1]).all() and (none == 128).all()


def test_one_scale_for_two_maps_keeps_the_weaker_one_weaker() -> None:
    strong, weak = laid([10, 0, 0, 0], top=10), laid([1, 0, 0, 0], top=10)
    assert np.abs(weak[0] - 128).max() < np.abs(strong[0] - 128).max() / 5


def test_a_map_without_anything_leaves_the_picture_as_it_is() -> None:
    for signed in (False, True):
        assert (laid([0, 0, 0, 0], top=0.0, signed=signed) == 128).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(Problem, match="cells"):
        explanation.overlay(GREY, np.zeros((3, 3)), 1, False)
    for values, top in ((np.full((2, 4), np.nan), 1), (np.zeros((2, 4)), -1), (np.zeros((2, 4)), np.nan)):
        with pytest.raises(Problem, match="must be finite"):
            explanation.coloured(values, top, False)


def test_pictures_stand_in_a_row_with_a_gap() -> None:
    made = explanation.side_by_side([GREY, GREY, GREY], gap=3)
    assert made.size == (18, 2) and made.getpixel((0, 0)) == (128, 128, 128)
