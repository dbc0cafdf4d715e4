"""The value of the game against -log 4, log 2 and SciPy's quadrature."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from explorer.analysis import gan_theory
from explorer.analysis.gan_theory import DATA, LEAST, Density, play

HERE = [Density((mean,), (width,)) for mean in (-5.0, -2.0, 0.0, 0.7, 5.0) for width in (0.2, 0.6, 2.1, 4.0)]


def named(density: Density) -> str:
    return f"{density.means[0]:g}±{density.widths[0]:g}"


@pytest.mark.parametrize("data", [DATA, *HERE], ids=named)
def test_where_both_are_one_the_value_is_its_least_and_the_discriminator_is_at_a_half(data: Density) -> None:
    found = play(data, data)
    assert found.value == pytest.approx(LEAST, abs=1e-6) and found.divergence == pytest.approx(0, abs=1e-9)
    assert np.allclose(found.discriminator, 0.5, atol=1e-12)


@pytest.mark.parametrize("generated", HERE, ids=named)
def test_the_value_is_that_of_the_paper_and_the_divergence_stays_within_its_bounds(
    generated: Density,
) -> None:
    found = play(generated)
    assert 0 < found.divergence <= math.log(2) + 1e-9
    assert found.value == pytest.approx(LEAST + 2 * found.divergence, abs=1e-9)
    assert np.all((found.discriminator >= 0) & (found.discriminator <= 1))
    assert np.isfinite(found.discriminator).all()


@pytest.mark.parametrize("generated", HERE, ids=named)
def test_it_agrees_with_scipy(generated: Density) -> None:
    def density(x: float, means: tuple, widths: tuple, weights: tuple) -> float:
        each = zip(means, widths, weights)
        return sum(w * math.exp(-(((x - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi)) for m, s, w in each)

    def integrand(x: float) -> float:
        a = density(x, DATA.means, DATA.widths, DATA.weights)
        b = density(x, generated.means, generated.widths, generated.weights)
        return (a * math.log(a / (a + b)) if a else 0) + (b * math.log(b / (a + b)) if b else 0)

    mean, width = generated.means[0], generated.widths[0]
    low, high = min(-8, mean - 10 * width), max(8, mean + 10 * width)
    breaks = sorted({-2, 2, mean, mean - 2 * width, mean + 2 * width} - {low, high})
    expected, _ = quad(integrand, low, high, points=breaks, limit=400, epsabs=1e-10)
    assert play(generated).value == pytest.approx(expected, abs=1e-7)


def test_the_two_are_densities() -> None:
    found = play(Density((1.0,), (0.3,)))
    for each in (found.data, found.generated):
        assert np.trapezoid(each, found.x) == pytest.approx(1, abs=1e-9) and each.min() >= 0


def test_the_discriminator_is_what_it_is_defined_as_and_no_other_does_better() -> None:
    found = play(Density((0.5,), (1.0,)))
    there = found.data + found.generated > 1e-200
    expected = found.data[there] / (found.data + found.generated)[there]
    assert np.allclose(found.discriminator[there], expected, atol=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.clip(found.discriminator + rng.normal(scale=0.1, size=len(found.x)), 1e-6, 1 - 1e-6)
        worth = np.trapezoid(found.data * np.log(other) + found.generated * np.log(1 - other), found.x)
        assert worth < found.value


def test_far_apart_the_value_goes_to_nothing_and_the_discriminator_is_sure() -> None:
    values = [play(Density((mean,), (0.6,))).value for mean in (2.0, 4.0, 6.0, 10.0)]
    assert values == sorted(values) and values[-1] == pytest.approx(0, abs=1e-9)
    found = play(Density((50.0,), (0.2,)))
    assert found.divergence == pytest.approx(math.log(2), abs=1e-9)
    at = [found.discriminator[np.abs(found.x - x).argmin()] for x in (-2, 2, 50)]
    assert at == pytest.approx([1, 1, 0])


def test_the_further_the_hills_stand_apart_the_less_one_normal_can_do() -> None:
    assert gan_theory.hills(4.0) == DATA
    values = [play(Density((0.0,), (1.0,)), gan_theory.hills(apart)).value for apart in (2.4, 4.0, 8.0)]
    assert values == sorted(values) and LEAST < values[0] < values[-1] < 0


def test_a_share_of_a_density() -> None:
    assert DATA.near(2, 1.2) == pytest.approx(0.5 * 0.9545, abs=1e-4)
    assert DATA.near(0, 100) == pytest.approx(1)
    assert Density((-2.0,), (0.6,)).near(2, 1.2) < 1e-5


def test_the_grid_of_a_very_narrow_one_is_finer() -> None:
    wide, narrow = (gan_theory.play(Density((0.0,), (width,))).x for width in (0.6, 0.05))
    assert np.diff(narrow)[0] < np.diff(wide)[0] / 10
