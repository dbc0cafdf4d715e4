"""From pictures to a batch: as before where nothing new is asked for, and a preview that shows what the net sees."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.data.augment import flip_coins, generator
from explorer.training import RECIPES, Recipe
from explorer.training.batches import prepare, preview

ROOT = Path(__file__).resolve().parents[2]
MEAN, STD = (0.49, 0.48, 0.44), (0.2, 0.25, 0.3)
PLAIN = Recipe(flip="none", shift=0)
EVERYTHING = Recipe(
    border="zero", jitter=0.4, randaugment=2, magnitude=14, cutout=8, mixup=0.4, cutmix=1.0, shift=4
)
ALONE = {
    "flip": {"flip": "random"}, "shift": {"shift": 4}, "border": {"shift": 16, "border": "zero"},
    "jitter": {"jitter": 0.5},
    "randaugment": {"randaugment": 2}, "cutout": {"cutout": 12}, "mixup": {"mixup": 1.0}, "cutmix": {"cutmix": 1.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def labels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 7, 40))


def run(pictures: np.ndarray, labels: torch.Tensor, recipe: Recipe, seed: int = 3):
    coins = torch.from_numpy(flip_coins(seed, len(pictures)))
    return prepare(torch.from_numpy(pictures), labels, 7, recipe, MEAN, STD, generator(seed, 3, 5, 0), coins)


def plainly(pictures: np.ndarray, recipe: Recipe, seed: int = 3) -> np.ndarray:
    """Flip, shift, normalise, cutout in numpy, drawing in the order in which shipped models were trained."""
    count, rng = len(pictures), generator(seed, 3, 5, 0)
    dy, dx = rng.integers(-recipe.shift, recipe.shift + 1, (2, count))
    coins = rng.random(count) < 0.5 if recipe.flip == "random" else flip_coins(seed, count)
    scale = (1 / (np.float32(255) * np.float32(STD)))[:, None, None]
    shift = (-np.float32(MEAN) / np.float32(STD))[:, None, None]
    seen = []
    for k, picture in enumerate(pictures):
        side = picture[:, :, ::-1] if coins[k] and recipe.flip != "none" else picture
        wide = np.pad(side, ((0, 0), (16, 16), (16, 16)), mode="reflect")
        window = wide[:, 16 + dy[k] : 48 + dy[k], 16 + dx[k] : 48 + dx[k]]
        seen.append(window.astype(np.float32) * scale + shift)
    if recipe.cutout:
        top, left = rng.integers(0, 32, count), rng.integers(0, 32, count)
        for k, half in enumerate([recipe.cutout // 2] * count):
            y, x = top[k] - half, left[k] - half
            seen[k][:, max(y, 0) : max(y + recipe.cutout, 0), max(x, 0) : max(x + recipe.cutout, 0)] = 0
    return np.stack(seen)


@pytest.mark.parametrize("cutout", [0, 6, 9])
@pytest.mark.parametrize("name", ["short", "fastnet", "digits", "random"])
def test_the_old_options_give_the_old_batches_bit_by_bit(pictures, labels, name: str, cutout: int) -> None:
    """Shipped models say by which recipe and seed they were trained: that must go on meaning the same pictures."""
    recipe = RECIPES[name] if name in RECIPES else Recipe(flip="random", shift=4)
    recipe = dataclasses.replace(recipe, cutout=cutout)
    x, targets = run(pictures, labels, recipe)
    assert np.array_equal(x.numpy(), plainly(pictures, recipe)) and targets is labels
    assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ALONE)
def test_every_option_does_something_and_is_drawn_from_the_generator(pictures, labels, name: str) -> None:
    recipe = dataclasses.replace(PLAIN, **ALONE[name])
    torch.manual_seed(1)
    x, targets = run(pictures, labels, recipe)
    torch.manual_seed(2)
    again, same = run(pictures, labels, recipe)
    assert torch.equal(x, again) and torch.equal(targets, same)
    assert not torch.equal(x, run(pictures, labels, PLAIN)[0])
    assert not torch.equal(x, run(pictures, labels, recipe, seed=4)[0])
    mixed = name in ("mixup", "cutmix")
    assert targets.shape == ((40, 7) if mixed else (40,)) and targets.is_floating_point() == mixed


def test_everything_at_once_is_a_batch(pictures, labels) -> None:
    x, targets = run(pictures, labels, EVERYTHING)
    assert x.dtype == torch.float32 and x.shape == pictures.shape and torch.isfinite(x).all()
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(targets.sum(1), torch.ones(40))


# The preview


def test_the_preview_of_a_plain_recipe_is_the_pictures(pictures) -> None:
    found = preview(pictures, PLAIN, MEAN, STD, rows=3)
    assert found.shape == (3, 40, 3, 32, 32) and found.dtype == np.uint8
    assert all(np.array_equal(row, pictures) for row in found)


def test_the_preview_shows_both_sides_in_turn(pictures) -> None:
    found = preview(pictures, dataclasses.replace(PLAIN, flip="alternating"), MEAN, STD, seed=5, rows=4)
    coins = flip_coins(5, len(pictures))
    for row, shown in enumerate(found):
        for k, picture in enumerate(pictures):
            mirrored = coins[k] ^ bool(row % 2)
            assert np.array_equal(shown[k], picture[:, :, ::-1] if mirrored else picture)


def test_the_preview_is_what_a_batch_holds(pictures, labels) -> None:
    found = preview(pictures, EVERYTHING, MEAN, STD, seed=9, rows=2)[1]
    rng, coins = generator(9, 3, 1), torch.from_numpy(flip_coins(9, 40))
    x, _ = prepare(torch.from_numpy(pictures), labels, 7, EVERYTHING, MEAN, STD, rng, ~coins)
    pixels = x.numpy() * np.reshape(STD, (3, 1, 1)) + np.reshape(MEAN, (3, 1, 1))
    assert np.abs(found - (pixels * 255).clip(0, 255)).max() <= 0.51
    assert not np.array_equal(found, preview(pictures, EVERYTHING, MEAN, STD, seed=10, rows=2)[1])


def test_the_preview_of_no_and_of_one_picture(pictures) -> None:
    for count in (0, 1):
        assert preview(pictures[:count], EVERYTHING, MEAN, STD).shape == (4, count, 3, 32, 32)


def test_the_preview_is_quick(pictures) -> None:
    def once() -> float:
        began = time.process_time()
        preview(pictures[:10], EVERYTHING, MEAN, STD)
        return time.process_time() - began

    assert min(once() for _ in range(5)) < 0.1


def test_the_preview_needs_no_lightning_and_no_threads() -> None:
    code = (
        "import sys, threading, numpy as np\n"
        "from explorer.training import Recipe\n"
        "from explorer.training.batches import preview\n"
        "preview(np.zeros((10, 3, 32, 32), np.uint8), Recipe(randaugment=2, jitter=0.4, mixup=1, cutmix=1),"
        " (0.5,) * 3, (0.5,) * 3)\n"
        "print([name for name in sys.modules if 'lightning' in name], threading.active_count())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == ["[]", "1"]
