"""What is read is what was painted: colours, direction, size; and the square that a model receives."""

import io

import numpy as np
import pytest
from PIL import Image

from explorer.data import picture
from explorer.data.picture import open_picture, shown_name, square, to_input, windows
from explorer.text import Problem

QUARTERS = [
    (220, 30, 30),
    (30, 200, 40),
    (40, 60, 210),
    (240, 220, 40),
]  # top left, top right, bottom left, right


def painted(size: int = 64) -> Image.Image:
    """Four quarters in four colours: which way is up can be told."""
    image = Image.new("RGB", (size, size))
    half = size // 2
    for i, colour in enumerate(QUARTERS):
        image.paste(colour, (i % 2 * half, i // 2 * half, i % 2 * half + half, i // 2 * half + half))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    w, h = image.size
    return [image.getpixel((w // 4 + i % 2 * w // 2, h // 4 + i // 2 * h // 2)) for i in range(4)]


def near(found, expected, by=6) -> bool:
    return bool(np.abs(np.asarray(found, int) - np.asarray(expected, int)).max() <= by)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_upright(orientation):
    """A camera that stores the picture turned and notes the turn gives the same upright picture."""
    wide = painted().crop((0, 0, 64, 48))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposes that undo each note
    stored = wide.transpose(Image.Transpose(back[orientation])) if orientation > 1 else wide
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = open_picture(encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0), "x.jpg")
    assert found.size == found.image.size == (64, 48)
    assert near(found.image.getpixel((10, 10)), QUARTERS[0])
    assert near(found.image.getpixel((50, 10)), QUARTERS[1])
    assert near(found.image.getpixel((10, 44)), QUARTERS[2])
    assert bool(found.notices) == (orientation > 1)


def test_transparent_is_laid_on_white():
    image = painted().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 32, 32))  # the top left quarter is not there
    alpha.paste(128, (32, 0, 64, 32))
    image.putalpha(alpha)
    for kind in ("PNG", "WEBP"):
        found = open_picture(encoded(image, kind, lossless=True), "x." + kind.lower()).image
        half = [round(c * 128 / 255 + 127) for c in QUARTERS[1]]
        assert near(quarters(found), [(255, 255, 255), half, *QUARTERS[2:]], 2)


def test_an_opaque_alpha_channel_is_no_news():
    assert open_picture(encoded(painted().convert("RGBA"), "PNG"), "x.png").notices == ()


def test_modes():
    grey = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in QUARTERS]
    found = open_picture(encoded(painted().convert("L"), "PNG"), "x.png")
    assert near(quarters(found.image), [(v, v, v) for v in grey], 1)
    assert near(quarters(open_picture(encoded(painted().quantize(4), "PNG"), "x.png").image), QUARTERS, 2)
    cmyk = open_picture(encoded(painted().convert("CMYK"), "JPEG", quality=95), "x.jpg")
    assert near(quarters(cmyk.image), QUARTERS, 8)


def test_a_jpeg_of_hundreds_of_scans_is_refused_unread():
    """Each scan makes a decoder go over all pixels again: 5 MB of them would take minutes."""
    data = encoded(Image.linear_gradient("L"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert open_picture(data, "a.jpg").size == (256, 256)
    with pytest.raises(Problem, match="more than 100 scans"):
        open_picture(data[:last] + 100 * data[last:-2] + data[-2:], "a.jpg")


def test_sixteen_bits():
    values = np.array([[0, 256 * 100], [256 * 200 + 255, 65535]], np.uint16).repeat(8, 0).repeat(8, 1)
    found = open_picture(encoded(Image.fromarray(values), "PNG"), "x.png").image
    assert [v[0] for v in quarters(found)] == [0, 100, 200, 255]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_large_is_reduced(kind):
    found = open_picture(encoded(painted(5000), kind), "x." + kind.lower())
    assert found.size == (5000, 5000)
    assert picture.MAX_SIDE // 2 <= max(found.image.size) <= picture.MAX_SIDE
    assert near(quarters(found.image), QUARTERS, 8)


def test_limits_are_the_callers():
    data = encoded(painted(), "PNG")
    with pytest.raises(Problem, match=r"at most 0\.0001 MB"):
        open_picture(data, "x.png", max_bytes=100)
    with pytest.raises(Problem, match="64 x 64 pixels"):
        open_picture(data, "x.png", max_pixels=64 * 64 - 1)
    assert open_picture(data, "x.png", max_pixels=64 * 64).size == (64, 64)


def test_metadata_does_not_come_through():
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    found = open_picture(encoded(painted(), "JPEG", exif=exif, comment=b"secret"), "x.jpg").image
    assert not found.info
    assert b"secret" not in encoded(found, "PNG")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.png", "a.png"),
        ("../../../x.png", "x.png"),
        ("C:\\a\\b.png", "b.png"),
        ("a\0b\nc.png", "a\\x00b\\x0ac.png"),
        ("\u202egnp.exe", "\\x202egnp.exe"),
        ("고양이.png", "고양이.png"),
        ("", "?"),
        ("folder/", "?"),
        ("\ud800.png", "\\xd800.png"),
    ],
)
def test_names(name, shown):
    assert shown_name(name) == shown


def test_long_names_keep_both_ends():
    shown = shown_name("a" * 290 + "-the-end.png")
    assert len(shown) == 60
    assert shown.startswith("aaa")
    assert shown.endswith("-the-end.png")


def test_a_32_by_32_picture_arrives_unchanged():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    found = to_input(open_picture(encoded(Image.fromarray(pixels), "PNG"), "x.png").image)
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels.transpose(2, 0, 1))


def test_an_exact_window_arrives_unchanged():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    found = to_input(Image.fromarray(pixels), (11, 7, 32))
    assert np.array_equal(found, pixels[7:39, 11:43].transpose(2, 0, 1))


def test_crop_and_squash():
    image = painted(96)
    assert near(to_input(image, (0, 0, 48)).mean((1, 2)), QUARTERS[0], 1)
    assert near(to_input(image, (48, 0, 48)).mean((1, 2)), QUARTERS[1], 1)
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    assert to_input(wide).mean((1, 2)).tolist() == [0, 0, 255]  # the centred square is all blue
    squashed = to_input(wide, squash=True)
    assert near(squashed.mean((1, 2)), (170, 0, 85), 3)


def test_reduction_is_antialiased():
    """A one-pixel chequerboard becomes even grey; picking single pixels would give black or white."""
    board = np.indices((640, 640)).sum(0) % 2 * 255
    found = to_input(Image.fromarray(board.astype(np.uint8)).convert("RGB"))
    assert np.abs(found.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    "size", [(640, 480), (480, 640), (500, 500), (32, 32), (8192, 1), (1, 1), (2048, 31)]
)
def test_windows_lie_within(size):
    found = windows(size)
    image = Image.new("RGB", size)
    assert next(iter(found.items())) == (square(size), (50, 50, 100))
    assert all(square(size, *place) == box for box, place in found.items())
    assert len(found) <= 60
    assert len(found) >= (50 if min(size) >= 32 else 1)
    for left, top, side in found:
        assert side >= 1
        assert 0 <= left <= size[0] - side
        assert 0 <= top <= size[1] - side
        assert to_input(image, (left, top, side)).shape == (3, 32, 32)


@pytest.mark.parametrize("place", [(0, 0), (100, 100), (30, 90)])
def test_square_at_the_edges(place):
    for share in (10, 50, 100):
        for size in ((640, 480), (479, 481), (7, 5)):
            left, top, side = square(size, *place, share)
            assert side == pytest.approx(min(size) * share / 100, abs=1)
            assert 0 <= left <= size[0] - side
            assert 0 <= top <= size[1] - side
            assert left == pytest.approx((size[0] - side) * place[0] / 100, abs=1)
            assert top == pytest.approx((size[1] - side) * place[1] / 100, abs=1)
