"""Drawn pictures on disk: what comes back is what was written, and whatever does not fit is one sentence."""

import json
import struct
import zlib
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
    assert np.array_equal(found, images) and labels.tolist() == [0, 1] * 6
    (folder / "how.json").unlink()
    found, labels = drawn.read_drawn(folder)
    assert np.array_equal(found, images) and labels is None, "pictures from elsewhere: a number is no class"


def test_seeds_go_on_beyond_six_digits_and_a_picture_put_beside_them_comes_last(
    tmp_path: Path, images
) -> None:
    seeds, labels = np.arange(999_994, 1_000_006), np.array([-1, 0, 12] * 4)
    drawn.write_drawn(tmp_path / "a", images, seeds, labels, {})
    Image.fromarray(images[0].transpose(1, 2, 0)).save(tmp_path / "a/000000x.png")
    found, told = drawn.read_drawn(tmp_path / "a")
    assert np.array_equal(found, np.concatenate([images, images[:1]]))
    assert told.tolist() == [*labels, -1]


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
    (tmp_path / "c.txt").write_text("pictures")
    (tmp_path / "empty.npz").touch()
    with pytest.raises(Problem, match=r"^a\.npz cannot be read: "):
        drawn.read_drawn(tmp_path / "a.npz")
    for name in ("b.npy", "c.txt", "empty.npz"):
        with pytest.raises(Problem, match=f"^{name} is no .npz: one with an array called images is needed.$"):
            drawn.read_drawn(tmp_path / name)
    with pytest.raises(Problem, match="neither a checkpoint nor a folder"):
        drawn.read_drawn(tmp_path / "absent")


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"^a{80} cannot be read: File name too long$"):
        drawn.read_drawn(tmp_path / ("a" * 300))
    for name in ("a" * 300, "a" * 300 + ".npz"):
        with pytest.raises(Problem, match=r"^Cannot write .*: File name too long\.$"):
            drawn.check_target(tmp_path / name)


def test_where_nothing_can_be_written_is_said_before_there_is_anything_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (
        tmp_path / "file/a.npz",
        tmp_path / "file/new/a",
        Path("/proc/a.npz"),
        Path("/proc/new/a"),
    ):
        with pytest.raises(Problem, match=r"^Cannot write "):
            drawn.check_target(target)
    (tmp_path / "link.npz").symlink_to(tmp_path / "absent")
    with pytest.raises(Problem, match="already there"):
        drawn.check_target(tmp_path / "link.npz")
    assert drawn.check_target(tmp_path / "new/folder/a.npz") == tmp_path / "new/folder/a.npz"
    assert list((tmp_path / "new/folder").iterdir()) == [], "nothing is left of the trial"


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


def png(path: Path, depth: int, colour: int, row: bytes) -> None:
    """One row of two pixels of a bit depth and PNG's colour type (0 grey, 2 RGB, 4 and 6 with alpha)."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + row)),
    )
    whole = [struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in (*chunks, (b"IEND", b""))]  # fmt: skip
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(whole))


@pytest.mark.parametrize(
    ("depth", "colour", "channels", "words"),
    [
        (8, 0, 1, None),
        (8, 2, 3, None),
        (16, 0, 1, "16 bits a channel"),
        (16, 2, 3, "16 bits a channel"),
        (16, 6, 4, "16 bits a channel"),
        (8, 4, 2, "alpha channel"),
        (8, 6, 4, "alpha channel"),
    ],
)
def test_a_png_that_8_bit_rgb_cannot_hold_is_refused(
    tmp_path: Path, depth: int, colour: int, channels: int, words: str | None
) -> None:
    png(tmp_path / "a.png", depth, colour, bytes(range(channels * depth // 4)))
    if words is None:
        found, _ = drawn.read_drawn(tmp_path)
        assert found[0, 0, 0].tolist() == [0, channels]
        return
    with pytest.raises(Problem, match=rf"^a\.png has .*{words}"):
        drawn.read_drawn(tmp_path)


def test_a_palette_and_black_and_white_are_read_and_a_transparent_colour_is_not(
    tmp_path: Path, images
) -> None:
    colours = Image.fromarray(images[0].transpose(1, 2, 0)).quantize(16)
    for image in (colours, colours.convert("1")):
        image.save(tmp_path / "a.png")
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        assert np.array_equal(drawn.read_drawn(tmp_path)[0], expected[None])
    colours.save(tmp_path / "a.png", transparency=0)
    with pytest.raises(Problem, match="a transparent colour"):
        drawn.read_drawn(tmp_path)


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.webp", "x.bmp"])
def test_other_pictures_in_a_folder_are_refused_and_not_passed_over(
    tmp_path: Path, images, name: str
) -> None:
    folder = written(tmp_path / "a", images)
    Image.fromarray(images[0].transpose(1, 2, 0)).save(folder / name)
    with pytest.raises(Problem, match=rf"no PNGs \(1, the first is {name}\)"):
        drawn.read_drawn(folder)


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
