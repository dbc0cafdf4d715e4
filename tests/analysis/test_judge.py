"""Entropy and accuracy by hand; the alarm trips on a collapsed generator and keeps silent on real pictures."""

import dataclasses
import json
import math

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis.judge import FEWER, SURE, collapse, entropy, judge
from explorer.analysis.memorisation import memorisation
from explorer.analysis.predict import logits
from explorer.text import Problem


def even(n: int = 1000, classes: int = 10) -> np.ndarray:
    return np.arange(n) % classes


def test_by_hand() -> None:
    found = judge(np.array([0, 0, 0, 0, 1, 1, 2, 3]), 4)
    assert found.class_counts == (4, 2, 1, 1) and found.n == 8
    assert found.entropy_bits == pytest.approx(1.75) and found.entropy_share == pytest.approx(0.875)
    assert found.classes_in_effect == pytest.approx(2**1.75) and found.classes_expected == pytest.approx(4)
    assert found.surprise == pytest.approx(((2**2 + 0 + 1 + 1) / 2 - 3) / math.sqrt(6))
    assert found.class_accuracy is None and found.class_accuracies is None
    assert (
        judge(even(), 10).entropy_share == pytest.approx(1) and judge(np.zeros(5, int), 10).entropy_bits == 0
    )
    assert entropy(np.array([0.5, 0.5, 0.0])) == 1


def test_what_was_asked_for_is_held_against_what_is_seen() -> None:
    found = judge(np.array([0, 1, 1, 2, 2]), 4, asked=np.array([0, 0, 1, 2, 2]))
    assert found.class_accuracy == pytest.approx(0.8)
    assert found.class_accuracies == (0.5, 1.0, 1.0, None)
    swapped = judge(np.array([0, 0, 1, 2, 2]), 4, asked=np.array([0, 1, 1, 2, 2]))
    assert swapped.class_accuracies == (1.0, 0.5, 1.0, None), "asked and seen cannot be told apart"


def test_it_is_ready_for_json_and_order_does_not_matter() -> None:
    asked, seen = even(), np.roll(even(), 300)
    found = judge(seen, 10, asked)
    assert json.loads(json.dumps(dataclasses.asdict(found)))["class_counts"] == [100] * 10
    order = np.random.default_rng(0).permutation(1000)
    assert judge(seen[order], 10, asked[order]) == found


def test_fewer_classes_have_less_entropy_and_trip_the_alarm() -> None:
    found = [judge(even(1000, drawn), 10) for drawn in (10, 9, 7, 5, 2, 1)]
    assert [each.entropy_bits for each in found] == sorted(
        (each.entropy_bits for each in found), reverse=True
    )
    assert [each.classes_missing for each in found] == [False, False, True, True, True, True]
    assert f"{found[3].classes_in_effect:.1f} in effect, expected 10.0" in str(collapse(found[3])[0])


@pytest.mark.parametrize("n", [10, 30, 100, 1000])
def test_chance_alone_never_trips_it(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [judge(rng.integers(0, 10, n), 10) for _ in range(500)]
    assert not any(each.classes_missing for each in found)
    assert n == 10 or abs(np.mean([each.surprise for each in found])) < 0.2


def test_uneven_training_data_is_no_collapse() -> None:
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    seen = np.random.default_rng(0).choice(4, 2000, p=shares)
    assert judge(seen, 4).classes_missing and not judge(seen, 4, expected=shares).classes_missing
    assert judge(np.zeros(2000, int), 4, expected=7 * shares).classes_missing


def test_real_pictures_do_not_trip_it() -> None:
    """False alarms, checked on what is shipped: the classifiers' own errors do not look like collapse."""
    for name, data_set in (("digits-fastnet", "digits"), ("cifar10-fastnet", "cifar10-sheet")):
        images = data.load(data_set, "test")
        seen = logits(checkpoints.load(name, "cpu"), images.images).argmax(1)
        found = judge(seen, 10, images.labels)
        assert collapse(found) == () and found.classes_in_effect > 9.8, name
        assert found.class_accuracy > 0.9 and found.surprise < SURE / 2


def test_a_generator_that_repeats_ten_pictures_trips_the_alarm(features) -> None:
    """One of each class, so that the histogram is perfect: the duplicates say it. Of two classes: both say it."""
    train, test = features(2000), features(500, 1)
    ten = np.arange(1000) % 10
    near = memorisation(features(10, 5)[ten], train, test)
    assert [problem.template[:9] for problem in collapse(judge(ten, 10), near)] == ["Pictures "]
    reasons = collapse(judge(ten % 2, 10), near)
    assert [problem.template[:9] for problem in reasons] == ["Few class", "Pictures "]
    assert "100.0 % have a near-duplicate" in str(reasons[1]) and "n = 1,000" in str(reasons[1])
    healthy = memorisation(features(1000, 6), train, test)
    assert collapse(judge(even(), 10), healthy) == () == collapse()


def test_what_cannot_be_judged_is_one_sentence() -> None:
    with pytest.raises(Problem, match="at least one class number"):
        judge(np.zeros(0, int), 10)
    with pytest.raises(Problem, match="from 0 to 9"):
        judge(np.array([0, 10]), 10)
    with pytest.raises(Problem, match="from 0 to 9"):
        judge(np.array([0.0, np.nan]), 10)
    with pytest.raises(Problem, match="Expected 2 class numbers, got 3"):
        judge(np.array([0, 1]), 10, asked=np.array([0, 1, 2]))
    with pytest.raises(Problem, match="from 0 to 9"):
        judge(np.array([0, 1]), 10, asked=np.array([0, -1]))
    with pytest.raises(Problem, match="at least two classes"):
        judge(np.array([0]), 1)
    for shares in (np.ones(9), np.zeros(10), np.full(10, np.nan), -np.ones(10)):
        with pytest.raises(Problem, match="positive shares"):
            judge(even(), 10, expected=shares)
    assert 0 < FEWER < 1
