"""Drawn pictures on disk: what comes back is what was written, and whatever does not fit is one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.data import drawn
from explorer.text import Problem


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 3, 8, 6), np.uint8)


def written(target: Path, images: np.ndarray, labels: np.ndarray | None = None) -> Path:
    n = len(images)
    drawn.write_drawn(target, images, np.arange(n), np.full(n, -1) if labels is None else labels, {"n": n})
    return target


def test_an_npz_comes_back_bit_for_bit_with_its_labels(tmp_path: Path, images: np.ndarray) -> None:
    path = written(tmp_path / "a.npz", images, np.arange(12) % 3)
    found, labels = drawn.read_drawn(path)
    assert np.array_equal(found, images) and labels.tolist() == (np.arange(12) % 3).tolist()
    with np.load(path) as file:
        assert file["images"].shape == (12, 8, 6, 3) and file["images"].dtype == np.uint8
        assert json.loads(bytes(file["how"])) == {"n": 12}


def test_a_folder_of_pngs_comes_back_bit_for_bit_in_the_order_of_seeds(
    tmp_path: Path, images: np.ndarray
) -> None:
    folder = written(tmp_path / "a", images, np.array([0, 1] * 6))
    assert (folder / "000003-1.png").is_file() and json.loads((folder / "how.json").read_text()) == {"n": 12}
    found, labels = drawn.read_drawn(folder)
    assert np.array_equal(found, images) and labels is None


def test_nothing_is_overwritten_and_nothing_is_half_written(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="already there"):
        written(written(tmp_path / "a.npz", images), images)
    with pytest.raises(Problem, match=r"\.npz file or to a folder"):
        written(tmp_path / "a.jpg", images)
    saved = Image.Image.save
    monkeypatch.setattr(
        Image.Image, "save", lambda self, path: saved(self, path) if "000005" not in str(path) else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        written(tmp_path / "b", images)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz"]


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": np.zeros((3, 8, 8, 3), np.uint8)}, "no array called images"),
        ({"images": np.zeros((3, 8, 8, 3), np.float32)}, "must be uint8"),
        ({"images": np.full((3, 8, 8, 3), np.nan)}, "not numbers"),
        ({"images": np.zeros((3, 3, 8, 8), np.uint8)}, "expected pictures of shape"),
        ({"images": np.zeros((0, 8, 8, 3), np.uint8)}, "expected pictures of shape"),
        ({"images": np.zeros((1, 2000, 8, 3), np.uint8)}, "more than 1024 pixels"),
        ({"images": np.array(["a"])}, "must be uint8"),
        ({"images": np.array([{}], object)}, "cannot be read"),
        ({"images": np.zeros((3, 8, 8, 3), np.uint8), "labels": np.zeros(2, int)}, "labels do not fit"),
    ],
)
def test_an_npz_that_does_not_fit_is_one_sentence(tmp_path: Path, arrays: dict, words: str) -> None:
    with pytest.raises(Problem, match=words):
        drawn.read_drawn(save(tmp_path / "a.npz", **arrays))


def test_a_file_that_is_no_npz_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 torn")
    np.save(tmp_path / "b.npy", np.zeros((3, 8, 8, 3), np.uint8))
    for name in ("a.npz", "b.npy"):
        with pytest.raises(Problem, match="cannot be read"):
            drawn.read_drawn(tmp_path / name)
    with pytest.raises(Problem, match="neither a checkpoint nor a folder"):
        drawn.read_drawn(tmp_path / "absent")


def test_a_folder_with_a_broken_png_is_refused_whole_and_named(tmp_path: Path, images: np.ndarray) -> None:
    folder = written(tmp_path / "a", images)
    torn = folder / "000004.png"
    torn.write_bytes(torn.read_bytes()[:60])
    with pytest.raises(Problem, match=r"000004\.png cannot be read"):
        drawn.read_drawn(folder)


def test_a_folder_with_a_jpeg_called_png_or_of_two_sizes_or_empty_is_refused(
    tmp_path: Path, images: np.ndarray
) -> None:
    folder = written(tmp_path / "a", images)
    Image.fromarray(images[0].transpose(1, 2, 0)).save(folder / "x.png", "JPEG")
    with pytest.raises(Problem, match=r"x\.png cannot be read"):
        drawn.read_drawn(folder)
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "x.png")
    with pytest.raises(Problem, match=r"x\.png is 9x9 pixels, the pictures before it 6x8"):
        drawn.read_drawn(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problem, match="no PNG"):
        drawn.read_drawn(tmp_path / "empty")


@pytest.mark.parametrize("compressed", [True, False])
def test_any_flipped_bit_is_a_sentence_or_other_pictures(tmp_path: Path, images, compressed: bool) -> None:
    """numpy's reader raises zlib, tokenizer, struct and memory errors on damaged files; a person reads one sentence."""
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    arrays = {"images": images.transpose(0, 2, 3, 1), "labels": np.arange(len(images))}
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    whole, refused = path.read_bytes(), 0
    head = whole.index(b"NUMPY") if not compressed else 0
    places = [*range(head, min(head + 300, len(whole))), *rng.integers(0, len(whole), 300)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found, _ = drawn.read_drawn(path)
            assert found.dtype == np.uint8 and found.ndim == 4
        except Problem as problem:
            refused += 1
            assert "a.npz" in str(problem)
    assert refused > 100


def test_a_header_that_promises_terabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((600, 32, 32, 3), np.uint8))
    lie = path.read_bytes().replace(b"(600, 32, 32, 3), }    ", b"(600, 32, 32, 3000000)}")
    path.write_bytes(lie)
    with pytest.raises(Problem, match=r"a\.npz"):
        drawn.read_drawn(path)
