"""The form in which pictures move: fingerprints, statistics, splits, names."""

import hashlib

import numpy as np
import pytest

from explorer import data
from explorer.data import imageset
from explorer.data.imageset import ImageSet, channel_statistics, fingerprint, pixel_hash, spread, stratified
from explorer.text import Problem

NAMES = ("cat", "dog", "owl")


@pytest.fixture
def small() -> ImageSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(30) % 3
    found = fingerprint(images, labels, NAMES)
    return ImageSet("small", "train", images, labels, NAMES, (0.5,) * 3, (0.25,) * 3, found)


def test_the_pixel_hash_is_that_of_the_bytes_in_picture_order(small: ImageSet) -> None:
    interleaved = np.stack([np.moveaxis(picture, 0, -1) for picture in small.images])
    assert pixel_hash(small.images) == hashlib.sha256(interleaved.tobytes()).hexdigest()


def test_the_fingerprint_does_not_depend_on_how_the_bytes_lie_in_memory(small: ImageSet) -> None:
    view = np.ascontiguousarray(small.images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert view.strides != small.images.strides
    assert fingerprint(view, small.labels.astype(np.int32), NAMES) == small.fingerprint


@pytest.mark.parametrize("change", ["pixel", "label", "order", "class name"])
def test_the_fingerprint_changes_with_what_it_stands_for(small: ImageSet, change: str) -> None:
    images, labels, names = small.images.copy(), small.labels.copy(), NAMES
    if change == "pixel":
        images[17, 2, 31, 0] ^= 1
    elif change == "label":
        labels[29] = 0
    elif change == "order":
        images, labels = images[::-1], labels[::-1]
    else:
        names = ("cat", "dog", "0wl")
    assert fingerprint(images, labels, names) != small.fingerprint
    assert len(small.fingerprint) == 64 and int(small.fingerprint, 16) >= 0


def test_class_names_cannot_run_into_each_other(small: ImageSet) -> None:
    two = fingerprint(small.images, small.labels, ("ab", "c"))
    assert two != fingerprint(small.images, small.labels, ("a", "bc"))


def test_take_keeps_the_order_asked_for_and_has_a_fingerprint_of_its_own(small: ImageSet) -> None:
    taken = small.take(np.array([4, 2, 2]), "some")
    assert len(taken) == 3 and taken.split == "some" and taken.labels.tolist() == [1, 2, 2]
    assert np.array_equal(taken.images[0], small.images[4])
    assert taken.fingerprint == fingerprint(taken.images, taken.labels, NAMES) != small.fingerprint
    assert small.take(np.arange(30)).fingerprint == small.fingerprint


def test_channel_statistics_are_those_of_the_pixels() -> None:
    images = np.random.default_rng(1).integers(0, 256, (7, 3, 32, 32), dtype=np.uint8)
    mean, std = channel_statistics(images)
    assert np.allclose(mean, images.mean((0, 2, 3)) / 255) and np.allclose(std, images.std((0, 2, 3)) / 255)
    assert channel_statistics(np.full((2, 3, 32, 32), 9, np.uint8))[1] == (1 / 255,) * 3


def test_a_stratified_split_takes_the_same_share_of_every_class_once() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    rest, taken = stratified(labels, 0.1, seed=3)
    assert np.bincount(labels[taken]).tolist() == [5, 3, 2]
    assert sorted([*rest, *taken]) == list(range(100)) and (np.diff(taken) > 0).all()
    assert stratified(labels, 0.1, seed=3)[1].tolist() == taken.tolist()
    assert stratified(labels, 0.1, seed=4)[1].tolist() != taken.tolist()


def test_holdout_gives_two_parts_that_share_no_picture(small: ImageSet) -> None:
    fit, held = data.holdout(small, 6, seed=0)
    assert (len(fit), len(held)) == (24, 6) and np.bincount(held.labels).tolist() == [2, 2, 2]
    assert (fit.split, held.split) == ("fit", "held-out")
    assert not {picture.tobytes() for picture in fit.images} & {picture.tobytes() for picture in held.images}
    for count in (0, 30, -1):
        with pytest.raises(Problem, match="Cannot hold out"):
            data.holdout(small, count)


@pytest.mark.parametrize("name", ["digits", "a", "0-_z", "x" * 64])
def test_names_that_can_be_names(name: str) -> None:
    assert data.valid_name(name, "run") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        "A",
        "..",
        ".",
        "a/b",
        "../a",
        "a\n",
        "a b",
        "a.b",
        "a\0",
        "/etc",
        "~",
        "é",
        "c:\\a",
        "%2e",
    ],
)
def test_names_that_could_become_paths_or_tricks_are_refused(name: str) -> None:
    with pytest.raises(Problem, match="is not a name"):
        data.valid_name(name, "run")


def test_unknown_names_and_splits_list_the_known_ones() -> None:
    with pytest.raises(Problem, match=r"Unknown data set 'mnist'; known: digits, cifar10, cifar10-sheet"):
        data.load("mnist")
    with pytest.raises(Problem, match=r"digits has no split 'val'; it has: train, test"):
        data.load("digits", "val")
    with pytest.raises(Problem, match=r"cifar10-sheet has no split 'train'; it has: test"):
        data.load("cifar10-sheet", "train")


def test_the_data_root_is_the_environments_or_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", "~/somewhere")
    assert imageset.data_root().parts[-1] == "somewhere" and imageset.data_root().is_absolute()
    monkeypatch.delenv("EXPLORER_DATA")
    assert imageset.data_root().parts[-2:] == (".cache", "model-explorer")


@pytest.mark.parametrize("name", list(data.DATASETS))
def test_every_data_set_keeps_the_promises_of_an_image_set(name: str) -> None:
    """The law for every entry of DATASETS; one that is not here promises to say so."""
    spec = data.spec(name)
    assert spec.summary and spec.splits[-1] == "test" and len(set(spec.classes)) == len(spec.classes) >= 2
    if not spec.available():
        with pytest.raises(data.Missing):
            data.load(name)
        return
    found = data.load(name)
    assert found is data.load(name), "read twice"
    assert found.images.dtype == np.uint8 and found.images.shape == (len(found), 3, 32, 32)
    assert found.labels.dtype == np.int64 and found.labels.shape == (len(found),)
    assert set(found.labels.tolist()) == set(range(len(spec.classes))) and found.classes == spec.classes
    assert all(0 < m < 1 for m in found.mean) and all(0 < s < 1 for s in found.std)
    assert found.fingerprint == fingerprint(found.images, found.labels, found.classes)
    assert (found.name, found.split) == (name, "test")


@pytest.mark.parametrize(
    ("count", "most"), [(10, 3), (10, 10), (3, 10), (49_000, 5000), (1, 1), (5001, 5000)]
)
def test_spread_reaches_from_end_to_end_without_repeating(count: int, most: int) -> None:
    found = spread(count, most)
    assert len(found) == min(count, most) == len(set(found.tolist()))
    assert found[0] == 0 and (found[-1] == count - 1 or most == 1) and (np.diff(found) > 0).all()


def test_of_a_set_sorted_by_class_every_class_is_among_the_spread_ones() -> None:
    labels = np.repeat(np.arange(10), 800)
    assert (np.bincount(labels[spread(8000, 5000)]) == 500).all()
