"""A survey of a data set: the same maps as one by one, means by hand, shares that know the border."""

import dataclasses

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis import cam, predict
from explorer.analysis.survey import BATCH, Survey, survey
from explorer.text import Problem


@pytest.fixture(scope="module")
def digits() -> data.ImageSet:
    return data.load("digits", "test").take(np.arange(BATCH + 30))


@pytest.fixture(scope="module")
def loaded() -> checkpoints.Loaded:
    return checkpoints.load("digits-fastnet")


def made(true: list, labels: list[int], predicted: list[int], highest: list | None = None) -> Survey:
    """A survey of pictures with these maps, whose predictions are these of three classes."""
    maps = np.array(true, np.float32)
    logits = np.eye(3, dtype=np.float32)[predicted]
    tops = np.array(highest, np.float32) if highest else logits
    return Survey(maps, -maps, tops, logits, np.array(labels))


def test_it_finds_what_single_maps_and_predictions_say(digits, loaded) -> None:
    steps: list[tuple[int, int]] = []
    found = survey(loaded, digits, lambda done, total: steps.append((done, total)))
    assert steps == [(BATCH, BATCH + 30), (BATCH + 30, BATCH + 30)]
    assert np.allclose(found.logits, predict.logits(loaded, digits.images), atol=1e-4)
    for k in (0, BATCH - 1, BATCH + 29):
        alone = cam.explain(loaded, digits.images[k : k + 1], "cam")
        assert np.allclose(found.true[k], alone.raw[0, digits.labels[k]], atol=1e-4)
        assert np.allclose(found.said[k], alone.raw[0, alone.logits[0].argmax()], atol=1e-4)
        assert np.allclose(found.highest[k], alone.raw[0].max((1, 2)), atol=1e-4)


def test_means_are_over_the_pictures_of_a_class_and_of_a_cell() -> None:
    ones = np.ones((3, 3))
    found = made([ones, 3 * ones, 10 * ones], [0, 0, 1], [0, 2, 1])
    assert (found.mean_map(0) == 2).all() and (found.mean_map(1) == 10).all()
    assert np.isnan(found.mean_map(2)).all()
    true, said = found.cell(0, 2)
    assert (true == 3).all() and (said == -3).all()
    assert np.isnan(found.cell(1, 0)[0]).all()


def test_border_shares_count_positive_evidence_only() -> None:
    middle, edge, mixed = np.zeros((3, 4, 4))
    middle[1, 2], edge[0, 3] = 5, 5
    mixed[1, 1], mixed[3, 0], mixed[0, 0] = 3, 1, -100
    found = made([middle, edge, mixed, -np.ones((4, 4))], [0] * 4, [0] * 4)
    assert found.border_shares()[:3].tolist() == [0, 1, 0.25] and np.isnan(found.border_shares()[3])
    assert found.border_of_even == 12 / 16
    even = made([np.ones((4, 4))], [0], [0])
    assert even.border_shares()[0] == even.border_of_even


def test_the_ratio_is_a_median_over_recognised_pictures_and_never_negative() -> None:
    blank = np.zeros((2, 2))
    highest = [[10, 1, 0], [10, -5, 0], [10, 4, 0], [1, 50, 0], [5, 5, 0]]
    found = made([blank] * 5, [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], highest)
    assert found.ratio(0, 1) == pytest.approx(0.1)
    assert np.isnan(found.ratio(2, 0))


def test_other_classes_and_nets_without_exact_maps_are_refused(digits, loaded) -> None:
    other = dataclasses.replace(digits, classes=tuple("abcdefghij"))
    with pytest.raises(Problem, match="was trained for the classes"):
        survey(loaded, other)
    with pytest.raises(Problem, match="holds no pictures"):
        survey(loaded, digits.take(np.arange(0)))
