"""A user's own folder of class folders: what is taken, what is named and left out, what is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import data
from explorer.data import folder
from explorer.text import Missing, Problem


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 50)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    """Two classes of ten pictures, PNG and JPEG, one of them a folder deeper."""
    root = tmp_path / "leaves"
    for k in range(10):
        picture(root / "oak" / f"{k}.png", k)
        picture(root / "beech" / ("deep" if k == 0 else "") / f"{k}.JPG", 100 + k)
    (root / "oak" / "notes.txt").write_text("not a picture")
    (root / "oak" / ".DS_Store").write_bytes(b"\0")
    (root / ".hidden").mkdir()
    return root


def test_a_folder_becomes_a_data_set_like_any_other(leaves: Path):
    found = folder.add("leaves", leaves)
    assert (found.classes, found.counts, found.skipped, found.other) == (("beech", "oak"), (10, 10), (), 1)
    assert "leaves" in data.names() and data.available("leaves")
    train, test = data.load("leaves", "train"), data.load("leaves", "test")
    assert (len(train), len(test)) == (16, 4) and np.bincount(test.labels).tolist() == [2, 2]
    assert (
        train.images.shape == (16, 3, 32, 32)
        and train.images.dtype == np.uint8
        and train.labels.dtype == np.int64
    )
    assert train.classes == ("beech", "oak") and data.spec("leaves").classes == ("beech", "oak")
    assert train.fingerprint != test.fingerprint and len(train.fingerprint) == 64
    assert train.mean == pytest.approx(train.images.mean((0, 2, 3)) / 255, abs=1e-6)
    assert train.std == pytest.approx(train.images.std((0, 2, 3)) / 255, abs=1e-6) and test.mean == train.mean


def test_no_picture_is_in_both_splits_and_the_split_never_changes(leaves: Path):
    folder.add("leaves", leaves)
    train, test = folder.load("leaves", leaves, "train"), folder.load("leaves", leaves, "test")
    seen = {image.tobytes() for image in train.images}
    assert len(seen | {image.tobytes() for image in test.images}) == 20
    assert folder.load("leaves", leaves, "test").fingerprint == test.fingerprint


def test_every_picture_is_the_centred_square_of_its_file(leaves: Path):
    from explorer.data.picture import open_picture, to_input

    folder.add("leaves", leaves)
    every = [data.load("leaves", split) for split in ("train", "test")]
    images = {image.tobytes(): int(label) for part in every for image, label in zip(part.images, part.labels)}
    for file in leaves.rglob("*.[pJ][nP][gG]"):
        expected = to_input(open_picture(file.read_bytes(), file.name).image)
        label = 0 if "beech" in file.parts else 1
        assert images[expected.tobytes()] == label


def test_broken_pictures_are_named_and_skipped(leaves: Path):
    good = (leaves / "oak/1.png").read_bytes()
    (leaves / "oak/cut.png").write_bytes(good[: len(good) // 2])
    (leaves / "oak/empty.jpg").write_bytes(b"")
    (leaves / "beech/page.png").write_bytes(b"<html>")
    with (leaves / "beech/huge.png").open("wb") as file:
        file.truncate(folder.MOST_BYTES + 1)  # a hole: no disk is used
    os.mkfifo(leaves / "beech/pipe.png")  # opening it would wait for ever
    found = folder.add("leaves", leaves)
    assert found.counts == (10, 10)
    names = {file for file, _ in found.skipped}
    assert names == {"oak/cut.png", "oak/empty.jpg", "beech/page.png", "beech/huge.png", "beech/pipe.png"}
    assert all(reason for _, reason in found.skipped)
    assert folder.report("leaves").skipped == found.skipped


def test_links_that_leave_the_folder_are_refused_those_inside_are_not(leaves: Path, tmp_path: Path):
    picture(tmp_path / "secret/0.png", 7)
    (leaves / "oak/out.png").symlink_to(tmp_path / "secret/0.png")
    (leaves / "oak/in.png").symlink_to(leaves / "oak/1.png")
    (leaves / "oak/loop").symlink_to(leaves)
    (leaves / "oak/gone.png").symlink_to(leaves / "nowhere.png")
    found = folder.add("leaves", leaves)
    assert found.counts == (10, 11)
    assert dict(found.skipped)["oak/out.png"] == "a link that leaves the folder"
    assert "oak/gone.png" in dict(found.skipped)


def test_a_class_that_is_a_link_out_of_the_folder_is_refused(leaves: Path, tmp_path: Path):
    for k in range(5):
        picture(tmp_path / f"secret/{k}.png", k)
    (leaves / "secret").symlink_to(tmp_path / "secret")
    with pytest.raises(Problem, match="The class secret has 0 pictures"):
        folder.add("leaves", leaves)


REFUSED = {
    "a file": (lambda root: shutil.rmtree(root) or root.write_text("x"), "is not a folder"),
    "nothing there": (lambda root: shutil.rmtree(root), "is not a folder"),
    "one class": (lambda root: shutil.rmtree(root / "oak"), "needs two or more"),
    "splits": (
        lambda root: [(root / a).rename(root / b) for a, b in (("oak", "train"), ("beech", "test"))],
        "splits",
    ),
    "an empty class": (lambda root: (root / "birch").mkdir(), "The class birch has 0 pictures"),
    "two pictures": (
        lambda root: [picture(root / f"birch/{k}.png", k) for k in range(2)],
        "birch has 2 pictures",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_data_set_is_refused_in_one_sentence(leaves: Path, what: str):
    spoil, sentence = REFUSED[what]
    spoil(leaves)
    with pytest.raises(Problem, match=sentence):
        folder.add("leaves", leaves)
    assert "leaves" not in data.names()


def test_a_changed_folder_is_read_anew_and_an_absent_one_from_the_cache(leaves: Path):
    folder.add("leaves", leaves)
    before = data.load("leaves", "train").fingerprint
    picture(leaves / "oak/new.png", 77)
    after = data.load("leaves", "train").fingerprint
    assert after != before
    assert len(list((data.data_root() / "folders/leaves").iterdir())) == 1  # the old reading is gone
    shutil.rmtree(leaves)
    assert data.available("leaves") and data.load("leaves", "train").fingerprint == after
    shutil.rmtree(data.data_root() / "folders")
    data._load.cache_clear()
    assert not data.available("leaves")
    with pytest.raises(Missing):
        data.load("leaves", "train")


def test_the_same_name_for_another_folder_is_refused(leaves: Path, tmp_path: Path):
    folder.add("leaves", leaves)
    other = shutil.copytree(leaves, tmp_path / "other")
    with pytest.raises(Problem, match="already the name"):
        folder.add("leaves", other)
    folder.add("leaves", leaves)  # the same once more is fine


def test_remove_forgets_the_folder_and_leaves_the_pictures(leaves: Path):
    folder.add("leaves", leaves)
    folder.remove("leaves")
    assert "leaves" not in data.names() and not (data.data_root() / "folders/leaves").exists()
    assert (leaves / "oak/1.png").exists()
    with pytest.raises(Problem, match="known: -"):
        folder.remove("leaves")
    with pytest.raises(Problem, match="Unknown data set"):
        data.load("leaves")


@pytest.mark.parametrize("torn", ["", "[]", "{", '{"x": 3}', "\0"])
def test_a_torn_registry_hides_nothing_else(torn: str):
    folder.registry().parent.mkdir(parents=True)
    folder.registry().write_text(torn)
    assert data.names() == list(data.DATASETS)


def test_flat_pictures_can_still_be_normalised(tmp_path: Path):
    for name, grey in (("black", 0), ("white", 0)):
        for k in range(4):
            path = tmp_path / "flat" / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), (grey,) * 3).save(path)
    folder.add("flat", tmp_path / "flat")
    assert data.load("flat", "train").std == (1 / 255,) * 3


def test_a_cache_that_cannot_be_written_is_one_sentence_and_nothing_is_registered(leaves: Path):
    data.data_root().mkdir()
    (data.data_root() / "folders").write_text("in the way")
    with pytest.raises(Problem, match="Cannot write"):
        folder.add("leaves", leaves)
    assert "leaves" not in data.names()
