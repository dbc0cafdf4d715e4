"""The range test: rates that grow evenly, an end where the loss explodes, a suggestion that can be checked by hand."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from explorer import data
from explorer.text import Problem
from explorer.training import Recipe
from explorer.training.lr_range import lr_range, smoothed, suggest
from explorer.training.supervised import Supervised


def told(losses) -> SimpleNamespace:
    """A task whose step k loses losses[k] and remembers the rates."""
    rates = []

    def step(k: int, rate: float) -> dict[str, torch.Tensor]:
        rates.append(rate)
        return {"loss": torch.tensor(losses[k])}

    return SimpleNamespace(step=step, rates=rates)


def test_the_rates_grow_by_one_factor_from_low_to_high() -> None:
    task = told([1.0] * 30)
    found = list(lr_range(task, 1e-4, 10.0, 30))
    assert [step for step, _, _ in found] == list(range(30)) and [rate for _, rate, _ in found] == task.rates
    assert task.rates[0] == pytest.approx(1e-4) and task.rates[-1] == pytest.approx(10)
    factors = np.divide(task.rates[1:], task.rates[:-1])
    assert factors == pytest.approx(1e5 ** (1 / 29))


def test_it_ends_where_the_smoothed_loss_is_four_times_its_lowest() -> None:
    """One wild batch does not end it; the mean of the last six does."""
    falling = [2.0] * 10 + [1.0] * 20
    once = falling + [9.0] + [1.0] * 20
    assert len(list(lr_range(told(once), steps=len(once)))) == len(once)
    found = list(lr_range(told(falling + [9.0] * 20), steps=50))
    # (2 * 1 + 4 * 9) / 6 = 6.3 > 4, and with three nines 5.0 > 4, with two 3.7
    assert len(found) == 33 and found[-1][2] == 9.0


def test_a_loss_that_falls_below_zero_goes_on_until_it_has_risen_as_far() -> None:
    falling = [-100.0] * 10 + [-1000.0] * 20
    assert len(list(lr_range(told(falling), steps=30))) == 30
    found = list(lr_range(told([*falling, *[9000.0] * 20]), steps=50))
    assert 31 < len(found) < 36
    rates = np.geomspace(1e-5, 10, 100)
    assert (
        suggest(rates, np.full(100, -1000.0)) is None
        and suggest(rates, np.linspace(-100, -3000, 100)) is not None
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_it_ends_before_a_loss_that_is_no_number(bad: float) -> None:
    found = list(lr_range(told([2.0, 1.5, bad, 1.0]), steps=4))
    assert [loss for _, _, loss in found] == [2.0, 1.5]


@pytest.mark.parametrize(
    ("low", "high", "steps"),
    [(0, 1, 10), (-1, 1, 10), (1, 1, 10), (2, 1, 10), (1e-5, math.inf, 10), (math.nan, 1, 10), (1e-5, 1, 1)],
)
def test_rates_that_do_not_rise_are_one_sentence(low: float, high: float, steps: int) -> None:
    with pytest.raises(Problem, match="two rising learning rates above 0 and at least 2 steps"):
        next(lr_range(told([1.0] * 10), low, high, steps))


def test_smoothing_is_the_mean_of_up_to_eleven_around() -> None:
    losses = np.random.default_rng(0).random(40)
    by_hand = [losses[max(k - 5, 0) : k + 6].mean() for k in range(40)]
    assert smoothed(losses) == pytest.approx(by_hand)
    assert smoothed([3.0]) == pytest.approx([3.0])


@pytest.mark.parametrize("centre", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_suggestion_is_where_the_loss_falls_most_steeply(centre: float, noise: float) -> None:
    """A logistic fall over log(rate) is steepest in its centre; far right it explodes."""
    rates = np.geomspace(1e-5, 10, 100)
    place = np.log10(rates)
    losses = 2.3 - 1.5 / (1 + np.exp(-4 * (place - math.log10(centre)))) + 10.0 ** (4 * (place - 0.3))
    losses += noise * np.random.default_rng(3).standard_normal(100)
    found = suggest(rates, losses)
    assert abs(math.log10(found / centre)) < (0.07 if noise == 0 else 0.5)


def test_no_suggestion_without_a_fall_or_with_few_points() -> None:
    rates = np.geomspace(1e-5, 10, 100)
    for losses in (np.full(100, 2.3), np.linspace(2.3, 9, 100), np.linspace(2.3, 2.25, 100), np.zeros(100)):
        assert suggest(rates, losses) is None
    assert suggest(rates[:10], np.linspace(2.3, 1, 10)) is None
    assert suggest(rates[:11], np.linspace(2.3, 1, 11)) in rates[:11].tolist()
    assert suggest([], []) is None


def test_on_digits_it_falls_then_explodes_and_suggests_a_rate_that_trains() -> None:
    few = data.load("digits", "train").take(np.arange(400))

    def make(**settings) -> Supervised:
        recipe = Recipe(
            **{"batch": 40, "epochs": 4, "holdout": 0, "flip": "none", "average": "lookahead"} | settings
        )
        return Supervised(Fabric(accelerator="cpu", devices=1), "lenet", recipe, 0, few)

    task = make()  # a run of 40 steps: the test goes on beyond its end
    found = list(lr_range(task, 1e-4, 10.0, 160))
    _, rates, losses = zip(*found)
    assert min(losses) < 0.85 * losses[0] and rates == tuple(sorted(rates))
    lr = suggest(rates, losses)
    assert lr is not None and 5e-3 < lr < 0.5
    trained = make(lr=lr, average="none", epochs=10)
    after = [trained.step(step)["loss"].item() for step in range(100)]
    assert np.mean(after[-5:]) < 0.7 * after[0]
    first = list(itertools.islice(lr_range(make(), 1e-4, 10.0, 160), 5))
    assert first == found[:5], "a range test is a function of the seed"
