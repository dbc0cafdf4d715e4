"""A survey of a data set: the same maps as one by one, means by hand, shares that know the border."""

import dataclasses
import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis import cam, predict
from explorer.analysis.survey import BATCH, Survey, check, packed, stored, survey
from explorer.checkpoints import maps
from explorer.text import Missing, Problem


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
    return Survey(maps, -maps, tops, logits, np.array(labels), "digits", "test", "f" * 64, "c" * 64)


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
    with pytest.raises(Problem, match=r"digits-fastnet has no exact class activation maps.*lenet.*fastnet"):
        check(dataclasses.replace(loaded.card, model="lenet"))


def test_a_class_is_the_mean_of_its_shares_and_lists_its_pictures_by_them() -> None:
    middle, edge, even, none = np.zeros((3, 3)), np.zeros((3, 3)), np.ones((3, 3)), -np.ones((3, 3))
    middle[1, 1], edge[0, 0] = 5, 5
    found = made([middle, edge, even, none, none], [0, 0, 0, 0, 1], [0] * 5)
    assert found.border_by_class()[0] == pytest.approx((0 + 1 + 8 / 9) / 3)
    assert np.isnan(found.border_by_class()[1:]).all()
    assert found.by_border(0).tolist() == [1, 2, 0] and len(found.by_border(1)) == 0
    assert [found.of_class(k) for k in range(3)] == [4, 1, 0]


def test_ratios_are_those_of_every_class_and_say_how_many_pictures_they_rest_on() -> None:
    highest = [[10, 1, 0], [10, 3, -2], [10, 5, 1], [-1, 9, 9]]
    found = made([np.zeros((2, 2))] * 4, [0] * 4, [0, 0, 0, 0], highest)
    assert found.ratios(0) == pytest.approx([1, 0.3, 0]) and found.recognised(0) == 3
    assert np.isnan(found.ratios(2)).all() and found.recognised(2) == 0


def test_a_cell_lists_its_pictures_the_surest_first() -> None:
    found = made([np.zeros((2, 2))] * 4, [0, 0, 0, 1], [2, 1, 2, 2])
    found.logits[2] *= 3
    assert found.inside(0, 2).tolist() == [2, 0] and len(found.inside(1, 0)) == 0


# --- stored beside the checkpoint -------------------------------------------------------------------------------------

FILE = "evaluation/test-maps.npz"


@pytest.fixture
def victim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Survey:
    """A survey of 20 made-up pictures, two of them mistaken, beside a copy of digits-fastnet called victim."""
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), tmp_path / "victim")
    shutil.rmtree(tmp_path / "victim" / "evaluation")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    card = checkpoints.read_card("victim")
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 10
    logits = rng.normal(size=(20, 10)).astype(np.float32)
    logits[np.arange(20), labels] += 10
    logits[[3, 7], 0] += 30
    true, said, highest = (
        rng.normal(size=shape).astype(np.float32) for shape in ((20, 4, 4), (20, 4, 4), (20, 10))
    )
    said = np.where((logits.argmax(1) == labels)[:, None, None], true, said)
    found = Survey(true, said, highest, logits, labels, "digits", "test", "f" * 64, card.sha256)
    checkpoints.update("victim", card, {checkpoints.maps_file("test"): packed(found)})
    return found


def rewrite(change: dict, folder: Path) -> None:
    """The stored file with other values, as whoever means harm would write it."""
    path = folder / "victim" / FILE
    with np.load(path) as found:
        values = {key: found[key] for key in found.files}
    np.savez(path, **{key: value for key, value in (values | change).items() if value is not None})


def test_what_was_stored_is_read_again(victim: Survey) -> None:
    found = stored("victim")
    assert (found.data, found.split, found.fingerprint) == ("digits", "test", "f" * 64)
    assert found.checkpoint_sha256 == checkpoints.read_card("victim").sha256
    assert np.array_equal(found.logits, victim.logits) and np.array_equal(found.labels, victim.labels)
    for name in ("true", "said", "highest"):
        was, now = getattr(victim, name), getattr(found, name)
        assert now.dtype == np.float32 and now.shape == was.shape
        assert np.abs(now - was).max() < 0.002, name
    assert not np.array_equal(found.said[3], found.true[3]), "of a mistake there are two maps"
    checkpoints.load("victim", "cpu")


def test_what_was_never_stored_is_missing_with_the_command_that_makes_it(victim: Survey) -> None:
    with pytest.raises(Missing, match="python -m explorer survey victim --split train"):
        stored("victim", "train")
    with pytest.raises(Problem, match="is not a name"):
        stored("victim", "../test")


def test_maps_that_float16_cannot_hold_are_not_stored(victim: Survey) -> None:
    for value in (70_000, np.nan):
        victim.true[5, 1, 1] = value
        with pytest.raises(Problem, match=r"not finite or beyond 65,504"):
            packed(victim)


def test_maps_damaged_at_any_byte_are_right_or_refused(victim: Survey, tmp_path: Path) -> None:
    path, expected = tmp_path / "victim" / FILE, stored("victim")
    whole, refusals, tried = path.read_bytes(), 0, 0
    for where in range(0, len(whole), 11):
        for changed in (whole[:where], whole[:where] + bytes([whole[where] ^ 0x55]) + whole[where + 1 :]):
            path.write_bytes(changed)
            tried += 1
            try:
                found = stored("victim")
            except Problem:
                refusals += 1
            else:
                for name in ("true", "said", "highest", "logits", "labels"):
                    assert np.array_equal(getattr(found, name), getattr(expected, name)), (name, where)
    assert refusals > tried / 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"sha256": "0" * 64},
            "belongs to other weights of victim; make the maps again: python -m explorer survey",
        ),
        ({"sha256": None}, "belongs to other weights of victim"),
        ({"true": np.zeros((20, 4, 5), np.float16)}, "unexpected shape or values"),
        ({"true": np.zeros((19, 4, 4), np.float16)}, "unexpected shape or values"),
        ({"true": np.zeros((20, 16), np.float16)}, "unexpected shape or values"),
        ({"said": np.zeros((3, 4, 4), np.float16)}, "unexpected shape or values"),
        ({"highest": np.zeros((20, 9), np.float16)}, "unexpected shape or values"),
        ({"logits": np.zeros((20, 9), np.float32)}, "unexpected shape or values"),
        ({"true": np.full((20, 4, 4), np.nan)}, "unexpected shape or values"),
        ({"highest": np.full((20, 10), np.inf)}, "unexpected shape or values"),
        ({"labels": np.full(20, 10)}, "unexpected shape or values|a label is out of range"),
        ({"labels": np.zeros((20, 2))}, "cannot be read"),
        ({"labels": np.zeros(0)}, "unexpected shape or values"),
        ({"true": None}, "cannot be read"),
        ({"fingerprint": None}, "about something else than its name says"),
        ({"split": "train"}, "about something else than its name says"),
        ({"fingerprint": np.zeros(3)}, "cannot be read"),
    ],
)
def test_maps_that_cannot_be_are_refused(victim: Survey, change: dict, reason: str, tmp_path: Path) -> None:
    rewrite({}, tmp_path)
    assert stored("victim"), "written in this way the true values are read"
    rewrite(change, tmp_path)
    with pytest.raises(Problem, match=reason):
        stored("victim")


def test_labels_out_of_range_are_refused(victim: Survey, tmp_path: Path) -> None:
    """With the number of mistakes as it should be, only the range is wrong."""
    labels = victim.labels.copy()
    labels[3] = 11
    rewrite({"labels": labels}, tmp_path)
    with pytest.raises(Problem, match="a label is out of range"):
        stored("victim")


@pytest.mark.parametrize("limit", ["stored", "unpacked"])
def test_a_file_that_is_or_unpacks_to_gigabytes_is_refused(
    victim: Survey, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "victim" / FILE
    np.savez_compressed(path, true=np.zeros((100_000, 4, 4), np.float16))
    size = path.stat().st_size
    assert size < 100_000
    monkeypatch.setattr(maps, "LARGEST_MAPS", size - 1 if limit == "stored" else 1_000_000)
    expected = f"more than {size - 1} bytes$" if limit == "stored" else "more than 1000000 bytes unpacked"
    with pytest.raises(Problem, match=expected):
        stored("victim")


class Canary:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_among_the_maps_is_refused_and_runs_no_code(victim: Survey, tmp_path: Path) -> None:
    path, canary = tmp_path / "victim" / FILE, tmp_path / "canary"
    evil = np.empty(20, object)
    evil[:] = Canary(canary)
    buffer = io.BytesIO()
    np.savez(buffer, labels=evil)
    for content in (pickle.dumps(Canary(canary)), buffer.getvalue()):
        path.write_bytes(content)
        with pytest.raises(Problem, match=r"test-maps\.npz cannot be read"):
            stored("victim")
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists(), "the canary itself does not sing"
