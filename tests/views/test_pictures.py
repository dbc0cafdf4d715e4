"""Small pictures made large: no pixel invented, none lost."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from explorer.views import pictures


def random_picture(seed=0, shape=(3, 8, 6)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("factor", [1, 4, 8])
def test_every_pixel_becomes_a_square_of_itself(factor):
    picture = random_picture()
    large = np.asarray(pictures.enlarge(picture, factor))
    assert large.shape == (8 * factor, 6 * factor, 3)
    for dy in range(factor):
        for dx in range(factor):
            assert (large[dy::factor, dx::factor] == picture.transpose(1, 2, 0)).all()


def test_grey_pictures_stay_grey():
    assert pictures.enlarge(random_picture(shape=(8, 6)), 2).mode == "L"


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 4, 4)), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 3, 4, 4), np.uint8)]
)
def test_other_arrays_are_refused(bad):
    with pytest.raises(ValueError, match="uint8"):
        pictures.enlarge(bad)


@pytest.mark.parametrize("factor", [0, -1, 1.5])
def test_only_whole_multiples(factor):
    with pytest.raises(ValueError, match="whole"):
        pictures.enlarge(random_picture(), factor)


def test_a_grid_holds_every_picture_at_its_place():
    many = np.stack([random_picture(k) for k in range(5)])
    sheet = np.asarray(pictures.grid(many, columns=3, factor=2, gap=1, ground="#FF0000"))
    assert sheet.shape == (2 * 16 + 1, 3 * 12 + 2, 3)
    for k in range(5):
        top, left = k // 3 * 17, k % 3 * 13
        assert (sheet[top : top + 16 : 2, left : left + 12 : 2] == many[k].transpose(1, 2, 0)).all()
    assert (sheet[17:, 26:] == (255, 0, 0)).all()  # the sixth place is empty


@pytest.mark.parametrize("margin", [0, 6])
def test_a_data_address_gives_the_very_pixels_back(margin):
    picture = random_picture()
    for _ in range(2):  # the second time from the cache
        head, _, body = pictures.thumbnail_uri(picture, 4, margin).partition(",")
        assert head == "data:image/png;base64"
        read = np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))
        assert read.shape[1] == 24 + 2 * margin
        inside = read[:, margin : margin + 24]
        assert (inside[::4, ::4, :3] == picture.transpose(1, 2, 0)).all()
        if margin:
            assert (inside[..., 3] == 255).all() and (read[:, :margin, 3] == 0).all()
