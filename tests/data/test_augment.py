"""Augmentation against a slow loop over pixels: every picture, every pixel."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as F

from explorer.data.augment import Augment, augment, cutout, flip_coins, generator, normalize, reflect


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8))


def slowly(picture: np.ndarray, dy: int, dx: int, flipped: bool) -> np.ndarray:
    """Mirror, pad by reflection, cut a window out: (3, H, W) -> (3, H, W)."""
    pad = 20
    side = picture[:, :, ::-1] if flipped else picture
    wide = np.pad(side, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    return wide[:, pad + dy : pad + dy + 32, pad + dx : pad + dx + 32]


@pytest.mark.parametrize("flip", ["none", "random", "alternating"])
@pytest.mark.parametrize("shift", [0, 2, 4, 16])
def test_every_pixel_is_that_of_mirroring_padding_and_cutting(pictures, flip: str, shift: int) -> None:
    flipped = torch.from_numpy(flip_coins(7, len(pictures)))
    found = augment(pictures, Augment(flip, shift), generator(7, 3, 0), flipped).numpy()
    rng = generator(7, 3, 0)
    dy, dx = rng.integers(-shift, shift + 1, (2, len(pictures)))
    coins = {"none": np.zeros(12, bool), "random": rng.random(12) < 0.5, "alternating": flipped.numpy()}[flip]
    assert flip == "none" or 0 < coins.sum() < 12
    for k, picture in enumerate(pictures.numpy()):
        assert np.array_equal(found[k], slowly(picture, dy[k], dx[k], coins[k])), (k, dy[k], dx[k], coins[k])


@pytest.mark.parametrize("shift", [0, 4, 16])
def test_a_black_border_is_torchvisions_random_crop(pictures, shift: int) -> None:
    """RandomCrop(32, padding=shift) after the mirror, at the same offsets."""
    flipped = torch.from_numpy(flip_coins(7, len(pictures)))
    found = augment(pictures, Augment("alternating", shift, "zero"), generator(7, 3, 0), flipped)
    dy, dx = generator(7, 3, 0).integers(-shift, shift + 1, (2, len(pictures)))
    for k, picture in enumerate(pictures):
        padded = F.pad(picture.flip(2) if flipped[k] else picture, [shift] * 4)
        assert torch.equal(found[k], F.crop(padded, shift + dy[k], shift + dx[k], 32, 32)), k
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_shifts_reach_the_bound_in_both_directions_and_no_further(pictures) -> None:
    """A picture whose pixels are their own coordinates tells by how much it was moved."""
    rows = torch.arange(32, dtype=torch.uint8)[:, None].expand(32, 32)
    coordinates = torch.stack([rows, rows.T, rows]).expand(2000, 3, 32, 32)
    found = augment(coordinates, Augment("none", 3), generator(0, 3, 1))
    moved_down, moved_right = found[:, 0, 16, 16].int() - 16, found[:, 1, 16, 16].int() - 16
    for moved in (moved_down, moved_right):
        assert sorted(set(moved.tolist())) == [-3, -2, -1, 0, 1, 2, 3]
        counts = torch.bincount(moved + 3)
        assert (counts > 2000 / 7 * 0.75).all() and (counts < 2000 / 7 * 1.25).all()
    assert (moved_down != moved_right).any()


def test_alternating_flips_show_both_sides_in_any_two_epochs(pictures) -> None:
    """As the loop does it: the coin of a picture, turned over every epoch; the pictures keep their own coins."""
    coins = torch.from_numpy(flip_coins(1, len(pictures)))
    shown = [
        augment(pictures, Augment("alternating", 0), generator(1, 3, epoch), coins ^ bool(epoch % 2))
        for epoch in range(4)
    ]
    mirrored = pictures.flip(3)
    for epoch in range(3):
        for k in range(len(pictures)):
            sides = {bytes(shown[e][k].contiguous().numpy()) for e in (epoch, epoch + 1)}
            assert sides == {bytes(p[k].contiguous().numpy()) for p in (pictures, mirrored)}
    assert 0 < coins.sum() < len(coins), "not every picture starts with the same side"


def test_random_numbers_depend_on_seed_and_stream_only() -> None:
    first = generator(3, 1, 5).random(4)
    generator(3, 1, 6).random(100)
    np.random.seed(0)
    torch.manual_seed(0)
    assert np.array_equal(generator(3, 1, 5).random(4), first)
    others = [generator(3, 1, 6), generator(3, 2, 5), generator(4, 1, 5), generator(3, 1)]
    assert all(not np.array_equal(other.random(4), first) for other in others)


def test_reflect_folds_without_repeating_the_border() -> None:
    assert reflect(torch.tensor([-3, -1, 0, 3, 4, 6]), 4).tolist() == [3, 1, 0, 3, 2, 0]


def test_the_result_is_uint8_and_channels_last_and_the_input_unchanged(pictures) -> None:
    before = pictures.clone()
    found = augment(pictures, Augment("random", 2), generator(0, 3, 0))
    assert found.dtype == torch.uint8 and found.shape == pictures.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(pictures, before)


def test_normalize_is_the_formula_and_keeps_the_layout(pictures) -> None:
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    found = normalize(pictures.to(memory_format=torch.channels_last), mean, std)
    expected = (pictures.numpy() / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert found.dtype == torch.float32 and np.allclose(found.numpy(), expected, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [1, 8, 9, 32])
def test_cutout_removes_one_square_a_picture_and_nothing_else(size: int) -> None:
    images = torch.ones(300, 3, 32, 32)
    found = cutout(images, size, generator(0, 3, 2))
    assert (images == 1).all() and set(found.unique().tolist()) <= {0.0, 1.0}
    whole = 0
    for picture in found:
        assert torch.equal(picture[0], picture[1]) and torch.equal(picture[0], picture[2])
        rows, columns = (picture[0] == 0).any(1), (picture[0] == 0).any(0)
        height, width = int(rows.sum()), int(columns.sum())
        assert 0 < height <= size and 0 < width <= size
        assert (picture[0] == 0).sum() == height * width, "not one rectangle"
        assert height == size or rows[0] or rows[-1], "cut short away from the border"
        whole += height == width == size
    assert whole > 0 or size == 32
