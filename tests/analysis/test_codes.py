"""Codes: those of the seeds, ways along the sphere, sums, and a picture's own where there is an encoder."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from explorer import data
from explorer.analysis import codes, sampling
from explorer.text import Problem
from tests.analysis.test_sampling import TINY, made


@pytest.fixture(params=list(TINY))
def loaded(request: pytest.FixtureRequest, tmp_path: Path):
    return made(tmp_path, request.param)


def options(loaded) -> dict:
    return {"sampler": "ddpm", "steps": 3, "guidance": 1.0} if loaded.card.task == "diffusion" else {}


def test_the_code_of_a_seed_draws_the_picture_of_the_seed(loaded) -> None:
    found = codes.codes(loaded, [0, 1])
    assert found.dtype == np.float32 and len(found) == 2
    drawn = codes.drawn(loaded, found, wanted=4, **options(loaded))
    expected = sampling.draw(loaded, [0, 1], wanted=4, **options(loaded)).images
    if loaded.card.task == "diffusion":  # ancestral: its own noise comes from the generators after the code's
        assert drawn.shape == expected.shape
    else:
        assert np.array_equal(drawn, expected)


def test_a_way_begins_and_ends_at_its_codes_and_keeps_their_length(loaded) -> None:
    a, b = codes.codes(loaded, [5, 6])
    way = codes.between(a, b, 7)
    assert way.shape == (7, *a.shape) and way.dtype == np.float32
    assert np.allclose(way[0], a, atol=1e-5) and np.allclose(way[-1], b, atol=1e-5)
    lengths = np.linalg.norm(way.reshape(7, -1), axis=1)
    low, high = sorted((lengths[0], lengths[-1]))
    assert 0.97 * low < lengths.min() and lengths.max() < 1.03 * high, (
        "a straight line would be a third shorter"
    )
    cosines = [float(x.ravel() @ y.ravel() / np.linalg.norm(x) / np.linalg.norm(y)) for x, y in pairwise(way)]
    assert np.ptp(cosines) < 0.05, "even steps, up to what the two lengths differ by"


def test_ways_that_have_no_angle_are_straight() -> None:
    a = np.ones(8, np.float32)
    assert np.allclose(codes.between(a, 2 * a, 3)[1], 1.5 * a)
    assert np.isfinite(codes.between(a, -a, 5)).all() and np.isfinite(codes.between(a, 0 * a, 5)).all()
    for wrong in ((a, a, 1), (a, a[:4], 5)):
        with pytest.raises(Problem, match="two codes"):
            codes.between(*wrong)


def test_a_sum_has_the_length_of_a_code(loaded) -> None:
    a, b, c = codes.codes(loaded, [1, 2, 3])
    found = codes.sum_of(a, b, c)
    assert np.linalg.norm(found) == pytest.approx(np.sqrt(a.size), rel=1e-4)
    direct = (a - b + c).ravel()
    assert found.ravel() @ direct / np.linalg.norm(found) / np.linalg.norm(direct) == pytest.approx(
        1, abs=1e-5
    )
    unit = a / np.linalg.norm(a) * np.sqrt(a.size)
    assert np.allclose(codes.sum_of(unit, b, b), unit, atol=1e-4), "what is taken and given back leaves it"
    with pytest.raises(Problem, match="cancel out"):
        codes.sum_of(a, a, 0 * a)


def test_a_picture_s_code_leads_back_to_it(tmp_path: Path) -> None:
    vae, test = made(tmp_path, "vae"), data.load("digits", "test")
    for k in (0, 1):
        code = codes.code_of(vae, test.images[k], int(test.labels[k]))
        assert code.shape == (8,) and code.dtype == np.float32
        assert codes.drawn(vae, code[None], wanted=int(test.labels[k])).shape == (1, 3, 32, 32)
    one, other = (codes.code_of(vae, test.images[k], 0) for k in (0, 1))
    assert not np.allclose(one, other)
    with pytest.raises(Problem, match="classes are 0 to 9"):
        codes.code_of(vae, test.images[0], 10)
    for model in ("dcgan", "ddpm"):
        with pytest.raises(Problem, match="no encoder"):
            codes.code_of(made(tmp_path, model), test.images[0], 0)
