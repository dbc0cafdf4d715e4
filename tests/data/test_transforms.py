"""Colour jitter and RandAugment against torchvision's own, one picture and one operation at a time."""

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, RandAugment, autoaugment
from torchvision.transforms import functional as F

from explorer.data.augment import generator
from explorer.data.transforms import BINS, OPERATIONS, jitter, randaugment

THEIRS = RandAugment(num_magnitude_bins=BINS)._augmentation_space(BINS, (32, 32))


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Smooth ones, noisy ones and one of a single colour; channels last, as a batch is."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (6, 3, 32, 32))
    ramps = np.linspace(20, 180, 32)[:, None] * rng.uniform(0.3, 1.2, (5, 3, 1, 1)) + np.arange(32)
    flat = np.full((1, 3, 32, 32), 77)
    found = np.concatenate([noise, ramps.clip(0, 255), flat]).astype(np.uint8)
    return torch.from_numpy(found).to(memory_format=torch.channels_last)


def their_strength(name: str, magnitude: int) -> float:
    values, _ = THEIRS[name]
    return float(values[magnitude]) if values.ndim else 0.0


def alone(picture: torch.Tensor, name: str, strength: float) -> torch.Tensor:
    """torchvision's operation on one picture (3, H, W)."""
    return autoaugment._apply_op(picture, name, strength, InterpolationMode.NEAREST, None)


def test_the_operations_are_torchvisions() -> None:
    assert list(OPERATIONS) == list(THEIRS)
    assert {name: each.signed for name, each in OPERATIONS.items()} == {n: s for n, (_, s) in THEIRS.items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_at_every_magnitude_is_torchvisions(pictures, name: str) -> None:
    operation = OPERATIONS[name]
    for magnitude in (0, 1, 9, 14, 15, 22, 30):
        for sign in (1, -1) if operation.signed else (1,):
            found = operation.apply(pictures, sign * operation.strength(magnitude))
            assert found.dtype == torch.uint8 and found.shape == pictures.shape
            for ours, picture in zip(found, pictures):
                expected = alone(picture, name, sign * their_strength(name, magnitude))
                worst = (ours.int() - expected.int()).abs().max()
                # A mean over a picture may add up in another order, and rounding down then loses one.
                assert worst <= (1 if name == "Contrast" else 0), (magnitude, sign, int(worst))


@pytest.mark.parametrize(("count", "magnitude"), [(1, 9), (3, 14)])
def test_each_picture_gets_its_own_operations_in_its_own_order(pictures, count: int, magnitude: int) -> None:
    many = pictures.repeat(8, 1, 1, 1)
    found = randaugment(many, count, magnitude, generator(1, 3, 0))
    rng, names = generator(1, 3, 0), list(OPERATIONS)
    draws = [(rng.integers(14, size=len(many)), rng.integers(2, size=len(many))) for _ in range(count)]
    assert {names[k] for chosen, _ in draws for k in chosen} == set(names), "too few pictures for this test"
    for k, picture in enumerate(many):
        for chosen, minus in draws:
            name = names[chosen[k]]
            strength = their_strength(name, magnitude) * (-1 if minus[k] and OPERATIONS[name].signed else 1)
            picture = alone(picture, name, strength)
        # Up to three operations may each carry a difference of one further, and stretch it.
        assert (found[k].int() - picture.int()).abs().max() <= (1 if count == 1 else 8), k


def test_no_operations_change_nothing_and_the_input_stays(pictures) -> None:
    before = pictures.clone()
    assert torch.equal(randaugment(pictures, 0, 30, generator(0)), before)
    randaugment(pictures, 2, 30, generator(0))
    jitter(pictures, 1.0, generator(0))
    assert torch.equal(pictures, before)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_jitter_is_torchvisions_with_factors_of_each_picture(pictures, strength: float) -> None:
    found = jitter(pictures, strength, generator(2, 3, 0))
    factors = generator(2, 3, 0).uniform(1 - strength, 1 + strength, (3, len(pictures)))
    for k, picture in enumerate(pictures):
        expected = F.adjust_brightness(picture, factors[0, k])
        expected = F.adjust_contrast(expected, factors[1, k])
        expected = F.adjust_saturation(expected, factors[2, k])
        assert (found[k].int() - expected.int()).abs().max() <= 1, k
    assert strength > 0 or torch.equal(found, pictures)


def test_what_is_drawn_comes_from_the_generator_alone(pictures) -> None:
    def both(seed: int) -> torch.Tensor:
        rng = generator(seed, 3, 0)
        return jitter(randaugment(pictures, 2, 9, rng), 0.4, rng)

    torch.manual_seed(1)
    first, state = both(5), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(both(5), first) and not torch.equal(both(6), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state), "torch's global generator was used"
