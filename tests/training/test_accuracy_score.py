"""The accuracy score of drawn pictures, and that of as many real ones beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from explorer import data
from explorer.analysis import together
from explorer.training import accuracy_score as module
from explorer.training.accuracy_score import AccuracyScore, accuracy_score, real_accuracy


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "accuracy"


@pytest.fixture(scope="module")
def digits() -> tuple[data.ImageSet, data.ImageSet]:
    return data.load("digits", "train"), data.load("digits", "test")


def test_real_pictures_are_trained_on_once_as_drawn_ones_are(digits: tuple, place: Path, monkeypatch) -> None:
    """As many of every class, and by the same recipe: real pictures that were "drawn" get the same score."""
    train, test = digits
    seen = []
    trained = module._trained
    monkeypatch.setattr(module, "_trained", lambda *given: seen.append(given) or trained(*given))
    found = real_accuracy(train, test, 200, epochs=2, device="cpu")
    counts = np.bincount(seen[0][0].labels)
    assert found.trained_on == counts.sum() == len(seen[0][0]) and abs(found.trained_on - 200) <= 5
    assert counts.min() >= 18 and (found.n, found.epochs) == (len(test), 2) and 0 <= found.accuracy <= 1
    assert real_accuracy(train, test, 200, epochs=2, device="cpu") == found and len(seen) == 1
    drawn = accuracy_score(seen[0][0].images, seen[0][0].labels, test, 2, 0, "cpu")
    assert drawn == found and seen[1][2] == seen[0][2]
    (kept,) = place.glob("*.json")
    kept.write_text(json.dumps({"accuracy": "high"}))
    assert real_accuracy(train, test, 200, epochs=2, device="cpu") == found, "what is damaged is made anew"


def test_where_fewer_are_real_all_of_them_are_taken(digits: tuple, monkeypatch) -> None:
    train, test = digits
    monkeypatch.setattr(module, "_trained", lambda pictures, *_: AccuracyScore(0.5, 1, len(pictures), 20))
    assert real_accuracy(train.take(np.arange(150)), test, 5000, device="cpu").trained_on == 150


def test_another_number_epoch_or_seed_or_other_pictures_are_found_elsewhere(digits: tuple) -> None:
    train, test = digits
    some, recipe = train.take(np.arange(200)), module._recipe(200, test, 2)
    places = {
        module._kept_at(pictures, on, module._recipe(count, test, epochs), seed)
        for pictures, on in ((some, test), (train, test), (some, train))
        for count in (200, 1438)
        for epochs in (2, 3)
        for seed in (0, 1)
    }
    assert len(places) == 24 and module._kept_at(some, test, recipe, 0) in places


def test_a_disk_that_refuses_costs_no_training(digits: tuple, place: Path) -> None:
    train, test = digits
    place.parent.mkdir()
    place.write_text("a file in the folder's place")
    assert real_accuracy(train, test, 100, epochs=1, device="cpu").trained_on >= 95


@pytest.mark.parametrize("world", range(1, 17))
def test_a_batch_is_shared_out_evenly_by_any_number_of_processes(
    digits: tuple, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    from explorer.training import check_batch

    monkeypatch.setattr(together, "join", lambda: (0, world))
    for count in (100, 600, 5000):
        recipe = module._recipe(count, digits[1], 20)
        check_batch(recipe, count, world)
        assert recipe.batch <= 1024 and (world > 1 or recipe.batch == {100: 8, 600: 72, 5000: 624}[count])
