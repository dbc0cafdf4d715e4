"""Three arrows in the plane: the two metrics against numpy, and what normalising does to them."""

import math

import numpy as np
import pytest

from explorer.analysis.plane import Arrow, between, cosine, distance
from explorer.text import Problem


def test_angles_and_distances_are_those_of_the_vectors() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (Arrow(rng.uniform(-400, 400), rng.uniform(0.1, 9)) for _ in range(2))
        x, y = np.array(a.tip), np.array(b.tip)
        assert cosine(a, b) == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-12)
        assert distance(a, b) == pytest.approx(np.linalg.norm(x - y))
        assert between(a, b) == pytest.approx(math.degrees(math.acos(np.clip(cosine(a, b), -1, 1))), abs=1e-4)


def test_on_unit_vectors_the_squared_distance_is_two_minus_two_cosines() -> None:
    a, b = Arrow(12, 3).unit, Arrow(81, 0.2).unit
    assert distance(a, b) ** 2 == pytest.approx(2 - 2 * cosine(a, b))


def test_an_arrow_without_length_has_no_direction() -> None:
    nothing = Arrow(40, 0)
    assert cosine(nothing, Arrow(40, 2)) == 0 and nothing.unit == nothing
    assert distance(nothing, Arrow(40, 2)) == pytest.approx(2)


@pytest.mark.parametrize("wrong", [(0, -1), (math.nan, 1), (0, math.inf)])
def test_what_is_no_arrow_is_one_sentence(wrong: tuple[float, float]) -> None:
    with pytest.raises(Problem, match="needs a finite angle"):
        Arrow(*wrong)
