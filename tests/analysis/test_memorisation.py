"""Replayed training pictures are caught, unseen real ones are not; repeated pictures are duplicates, real ones not."""

import numpy as np
import pytest

from explorer import data
from explorer.analysis.memorisation import (
    ALIKE,
    duplicate_threshold,
    memorisation,
    nearest_train,
    neighbour,
)
from explorer.text import Problem


def test_unseen_real_pictures_are_as_far_as_unseen_real_pictures(features) -> None:
    found = memorisation(features(1500, 2), features(3000), features(1500, 1))
    assert found.nearest_ratio == pytest.approx(1, abs=0.05)
    assert found.nearest_close == pytest.approx(0.01, abs=0.01) and found.duplicate_rate < 10 * ALIKE
    assert (found.n, found.n_train, found.n_test) == (1500, 3000, 1500)


def test_replayed_training_pictures_are_caught(features) -> None:
    train, test = features(2000), features(800, 1)
    chosen = np.random.default_rng(0).permutation(2000)[:600]
    exact = memorisation(train[chosen], train, test)
    assert exact.nearest_ratio == 0 and exact.nearest_close == 1 and exact.duplicate_rate < 0.01
    nearly = memorisation(train[chosen] + np.float32(0.01) * features(600, 3), train, test)
    assert nearly.nearest_ratio < 0.1 and nearly.nearest_close > 0.99
    distances, index = nearest_train(train[chosen], train)
    assert np.array_equal(index, chosen) and not distances.any()
    half = np.concatenate([train[chosen[:300]], features(300, 4)])
    assert memorisation(half, train, test).nearest_close == pytest.approx(0.5, abs=0.03)


def test_a_generator_that_repeats_ten_pictures_is_all_duplicates(features) -> None:
    train = features(2000)
    ten = features(10, 5)[np.arange(500) % 10]
    assert memorisation(ten, train, features(500, 1)).duplicate_rate == 1
    trembling = ten + np.float32(1e-3) * features(500, 6)
    assert memorisation(trembling, train, features(500, 1)).duplicate_rate == 1


@pytest.mark.parametrize(("share", "count"), [(0.001, 1500), (0.02, 1500), (0.02, 300)])
def test_the_threshold_is_met_by_its_share_of_unseen_real_pictures(
    features, share: float, count: int
) -> None:
    """From 1,500 training pictures to sets of other sizes: the rate stays what was asked for."""
    threshold = duplicate_threshold(features(1500), count, share)
    found = np.concatenate([neighbour(features(count, seed))[0] for seed in range(1, 5)])
    assert (found <= threshold).mean() == pytest.approx(share, rel=0.6, abs=0.003)


def test_fewer_pictures_are_further_apart(features) -> None:
    train = features(900)
    found = [duplicate_threshold(train, count) for count in (900, 300, 30, 2)]
    assert found == sorted(found) and found[0] < found[-1]
    index = neighbour(train)[1]
    assert (index != np.arange(900)).all()


def test_copies_in_the_training_set_are_no_reason_to_miss_copies(features) -> None:
    """CIFAR-10 has duplicates itself: the threshold may be 0, and exact copies are counted all the same."""
    train = features(1000)
    train[:20] = train[20]
    assert duplicate_threshold(train, 1000) == 0
    ten = features(10, 5)[np.arange(100) % 10]
    assert (neighbour(ten)[0] <= 0).all()


def test_real_digits_are_no_copies_of_each_other() -> None:
    """The false alarms on real pictures, in pixels: the test scans as if they had been generated."""
    train, test = (
        data.load("digits", split).images.reshape(-1, 3072)[:, ::3].astype(np.float32)
        for split in ("train", "test")
    )
    found = memorisation(test[::2], train, test[1::2])
    assert found.nearest_ratio == pytest.approx(1, abs=0.15)
    assert found.nearest_close < 0.05 and found.duplicate_rate <= 0.02
    replay = memorisation(train[:180], train, test)
    assert replay.nearest_ratio == 0 and replay.nearest_close == 1


def test_what_cannot_be_measured_is_one_sentence(features) -> None:
    x, y = features(30), features(30, 1)
    with pytest.raises(Problem, match="Most test pictures are training pictures"):
        memorisation(y, x, x[:20])
    with pytest.raises(Problem, match="at least 2 pictures, got 1"):
        memorisation(x[:1], x, y)
    with pytest.raises(Problem, match="4 and of 48 numbers"):
        memorisation(x[:, :4], x, y)
    with pytest.raises(Problem, match="4 and of 48 numbers"):
        memorisation(x, x, y[:, :4])
    with pytest.raises(Problem, match="not finite"):
        memorisation(x, np.where(x > x.mean(), np.nan, x), y)
    for share, count in ((0, 9), (1, 9), (-1, 9), (float("nan"), 9), (0.1, 1)):
        with pytest.raises(Problem, match="between 0 and 1 and at least two"):
            duplicate_threshold(x, count, share)
