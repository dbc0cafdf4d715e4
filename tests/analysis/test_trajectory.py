"""The way from noise to picture and back: what is kept is what was drawn, and noise is laid on as the schedule says."""

from pathlib import Path

import numpy as np
import pytest

from explorer.analysis import sampling, trajectory
from explorer.models.ddpm import cosine_alphas
from explorer.text import Problem
from tests.analysis.test_sampling import made


@pytest.fixture
def loaded(tmp_path: Path):
    return made(tmp_path, "ddpm")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 32, 32), np.uint8)


@pytest.mark.parametrize("sampler", ["ddim", "dpm", "ddpm"])
def test_the_way_ends_at_the_picture_that_the_seed_draws(loaded, sampler: str) -> None:
    options = {"sampler": sampler, "steps": 4, "guidance": 1.0}
    found = trajectory.trajectory(loaded, [3, 8], **options)
    drawn = sampling.draw(loaded, [3, 8], **options)
    assert found.noisy.shape == (5, 2, 3, 32, 32) and found.guesses.shape == (4, 2, 3, 32, 32)
    assert found.noisy.dtype == found.guesses.dtype == np.uint8
    assert np.array_equal(found.noisy[-1], drawn.images) and np.array_equal(found.labels, drawn.labels)
    assert np.abs(found.guesses[-1].astype(int) - drawn.images).max() <= 1
    assert found.levels.tolist() == [999, 749, 499, 249] and found.how["steps"] == 4
    assert (np.diff(found.signal) > 0).all() and found.signal[0] < 1e-6
    again = trajectory.trajectory(loaded, [8], **options)
    assert np.abs(again.noisy[:, 0].astype(int) - found.noisy[:, 1]).max() <= 1, "whatever is drawn beside it"
    assert np.array_equal(again.noisy[0, 0], found.noisy[0, 1])


def test_a_class_and_the_number_of_pictures_are_what_was_asked_for(loaded) -> None:
    found = trajectory.trajectory(loaded, [1], wanted=7, sampler="dpm", steps=2, guidance=2.0)
    assert found.labels.tolist() == [7] and found.how["guidance"] == 2.0
    with pytest.raises(Problem, match="at most 16 pictures"):
        trajectory.trajectory(loaded, range(17))


def test_noise_is_laid_on_as_the_schedule_says(loaded) -> None:
    share = trajectory.schedule(loaded)
    assert np.allclose(share, cosine_alphas().numpy(), rtol=2e-4, atol=1e-9)
    grey = np.full((3, 32, 32), 204, np.uint8)  # 0.6 in the units of the net
    for level in (0, 300, 600, 999):
        found = trajectory.noised(grey, level, share, seed=4)
        assert found.mean() == pytest.approx(0.6 * np.sqrt(share[level]), abs=0.06)
        assert found.std() == pytest.approx(np.sqrt(1 - share[level]), rel=0.05, abs=1e-3)
    one, other = (trajectory.noised(picture(), level, share, seed=4) for level in (500, 900))
    rest = [
        (found - np.sqrt(share[level]) * (picture() / 127.5 - 1)) / np.sqrt(1 - share[level])
        for found, level in ((one, 500), (other, 900))
    ]
    assert np.allclose(rest[0], rest[1], atol=1e-5), "always the same noise, more of it"
    for level in (-1, 1000):
        with pytest.raises(Problem, match="0 to 999"):
            trajectory.noised(picture(), level, share)


def test_the_more_noise_the_further_from_the_picture(loaded) -> None:
    options = {"sampler": "ddim", "steps": 10, "guidance": 1.0}
    away = []
    for amount in (0.1, 0.5, 1.0):
        noisy, found = trajectory.reimagined(loaded, picture(), amount, seed=2, wanted=3, **options)
        assert noisy.shape == found.shape == (3, 32, 32) and noisy.dtype == found.dtype == np.uint8
        away.append(np.abs(noisy.astype(int) - picture()).mean())
    assert away == sorted(away) and away[0] < 40 < away[-1]
    one, other = (
        trajectory.reimagined(loaded, picture(k), 1.0, seed=2, wanted=3, **options)[1] for k in (0, 1)
    )
    assert np.abs(one.astype(int) - other).mean() < 3, (
        "at the noisiest level hardly anything is left of the picture"
    )
    least = trajectory.reimagined(loaded, picture(), 0.001, wanted=3, **options)
    assert np.array_equal(least[1], trajectory.reimagined(loaded, picture(), 0.1, wanted=3, **options)[1])


@pytest.mark.parametrize("amount", [0, -1, 1.01, float("nan")])
def test_amounts_that_are_none_are_one_sentence(loaded, amount: float) -> None:
    with pytest.raises(Problem, match="above 0 and up to 1"):
        trajectory.reimagined(loaded, picture(), amount)


def test_what_takes_no_steps_has_no_way(tmp_path: Path) -> None:
    vae = made(tmp_path, "vae")
    for ask in (
        lambda: trajectory.trajectory(vae, [1]),
        lambda: trajectory.schedule(vae),
        lambda: trajectory.reimagined(vae, picture(), 0.5),
    ):
        with pytest.raises(Problem, match="draws in one step"):
            ask()
    with pytest.raises(Problem, match=r"uint8 \(3, 32, 32\)"):
        trajectory.reimagined(made(tmp_path, "ddpm"), np.zeros((3, 8, 8), np.uint8), 0.5)
