"""mixup and CutMix worked out by hand, picture by picture and pixel by pixel."""

import numpy as np
import pytest
import torch

from explorer.data.augment import generator
from explorer.data.mixing import cutmix, mix, mixup

LABELS = torch.tensor([0, 2, 1, 2, 0])


@pytest.fixture
def pictures() -> torch.Tensor:
    """Picture k holds the value k + 1 everywhere."""
    return (torch.arange(5.0) + 1)[:, None, None, None].repeat(1, 3, 32, 32)


def test_mixup_by_hand(pictures) -> None:
    found, targets = mix(pictures, LABELS, 3, 0.4, 0.0, generator(7, 3, 0))
    rng = generator(7, 3, 0)
    partners, share = rng.permutation(5), rng.beta(0.4, 0.4)
    assert 0.01 < share < 0.99, "a share that shows nothing"
    for k in range(5):
        assert found[k].numpy() == pytest.approx(share * (k + 1) + (1 - share) * (partners[k] + 1), abs=1e-5)
        by_hand = np.zeros(3)
        by_hand[LABELS[k]] += share
        by_hand[LABELS[partners[k]]] += 1 - share
        assert targets[k].numpy() == pytest.approx(by_hand, abs=1e-6)


def test_cutmix_by_hand(pictures) -> None:
    """Over many draws: one box, the partner inside, itself outside, labels by the area that is really there."""
    sizes, cut_short = [], 0
    for seed in range(200):
        rng = generator(seed, 3, 0)
        found, targets = mix(pictures, LABELS, 3, 0.0, 1.0, rng)
        rng = generator(seed, 3, 0)
        partners, share = rng.permutation(5), rng.beta(1.0, 1.0)
        y, x = int(rng.integers(32)), int(rng.integers(32))
        half = int(32 * np.sqrt(1 - share)) // 2
        inside = np.zeros((32, 32), bool)
        inside[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = True
        kept = 1 - inside.mean()
        for k in range(5):
            assert np.array_equal(found[k, 0].numpy(), np.where(inside, partners[k] + 1.0, k + 1.0)), (
                seed,
                k,
            )
            assert torch.equal(found[k, 0], found[k, 1]) and torch.equal(found[k, 0], found[k, 2])
            by_hand = np.zeros(3)
            by_hand[LABELS[k]] += kept
            by_hand[LABELS[partners[k]]] += 1 - kept
            assert targets[k].numpy() == pytest.approx(by_hand, abs=1e-6)
        sizes.append(1 - share)
        cut_short += kept > share + 0.05
    assert np.mean(sizes) == pytest.approx(0.5, abs=0.08) and 20 < cut_short < 180


def test_with_both_a_coin_decides_for_the_batch(pictures) -> None:
    boxes = 0
    for seed in range(200):
        found, targets = mix(pictures, LABELS, 3, 1.0, 1.0, generator(seed, 3, 0))
        whole = all(len(picture.unique()) == 1 for picture in found)
        pure = set(found.unique().tolist()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
        assert whole or pure, "both at once"
        assert torch.allclose(targets.sum(1), torch.ones(5)) and (targets >= 0).all()
        boxes += pure
    assert 75 < boxes < 130  # a box that is empty or everything is one too


@pytest.mark.parametrize("method", [mixup, cutmix])
@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 1.0, 10.0])
def test_any_alpha_gives_a_share(pictures, method, alpha: float) -> None:
    for seed in range(50):
        found, share = method(pictures, torch.arange(4, -1, -1), alpha, generator(seed))
        assert 0 <= share <= 1 and torch.isfinite(found).all()


def test_the_input_stays_and_the_layout_too(pictures) -> None:
    batch = pictures.to(memory_format=torch.channels_last)
    before = batch.clone()
    for alphas in ((1.0, 0.0), (0.0, 1.0)):
        found, _ = mix(batch, LABELS, 3, *alphas, generator(1))
        assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, before)


def test_a_single_picture_is_mixed_with_itself(pictures) -> None:
    for alphas in ((1.0, 0.0), (0.0, 1.0)):
        found, targets = mix(pictures[:1], LABELS[:1], 3, *alphas, generator(1))
        assert torch.allclose(found, pictures[:1]) and torch.allclose(
            targets, torch.tensor([[1.0, 0.0, 0.0]])
        )
