"""Precision, recall, density, coverage: by brute force, against torch-fidelity and theory, and which is which."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from explorer.analysis import distances
from explorer.analysis.distances import blocks, nearest
from explorer.analysis.manifold import manifold
from explorer.text import Problem


def all_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a.astype(float)[:, None] - b.astype(float)[None], axis=2)


def by_force(generated: np.ndarray, real: np.ndarray, k: int = 3, k_coverage: int = 5) -> tuple[float, ...]:
    """All four from the definitions, with every distance at once."""
    across = all_distances(generated, real)
    ball = lambda x, k: np.sort(all_distances(x, x), 1)[:, k]  # noqa: E731 (the first of a row is the picture itself)
    inside = across < ball(real, k_coverage)
    return (
        float((across <= ball(real, k)).any(1).mean()),
        float((across <= ball(generated, k)[:, None]).any(0).mean()),
        float(inside.sum() / (k_coverage * len(generated))),
        float(inside.any(0).mean()),
    )


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.5])
def test_all_four_are_what_their_definitions_say(features, monkeypatch, shift: float) -> None:
    generated, real = features(130, 0, shift), features(150, 1)
    expected = by_force(generated, real)
    for block in (7, 64, 2048):
        monkeypatch.setattr(distances, "BLOCK", block)
        found = manifold(generated, real)
        assert (found.precision, found.recall, found.density, found.coverage) == expected
    assert (found.n, found.m, found.k, found.k_coverage) == (130, 150, 3, 5)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_precision_and_recall_are_torch_fidelity_s(features, shift: float) -> None:
    generated, real = features(700, 0, shift), features(600, 1)
    found = manifold(generated, real)
    theirs = prc_features_to_metric(torch.from_numpy(generated), torch.from_numpy(real), verbose=False)
    assert found.precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert found.recall == pytest.approx(theirs["recall"], abs=1e-6)


def collapsed(features) -> tuple[np.ndarray, np.ndarray]:
    """A generator that draws one real picture over and over, nearly."""
    real = features(300, 1)
    return real[:1] + np.float32(1e-3) * features(200, 2), real


def generated_first(score) -> bool:
    """The law: to draw one good picture again and again is precise and recalls nothing."""
    precision, recall = score
    return precision == 1 and recall < 0.02


def test_a_collapsed_generator_is_precise_and_recalls_nothing(features) -> None:
    generated, real = collapsed(features)
    found = manifold(generated, real)
    assert generated_first((found.precision, found.recall)) and found.coverage < 0.1
    swapped = manifold(real, generated)
    assert not generated_first((swapped.precision, swapped.recall)), "swapped arguments would go unseen"


def test_a_set_that_is_the_real_one_is_perfect(features) -> None:
    real = features(200)
    found = manifold(real, real[::-1])
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density == pytest.approx(1)  # itself and four nearer ones of five


def test_two_samples_of_one_source_score_what_theory_says() -> None:
    """Density 1; coverage 1 - (N-1)…(N-k) / (M+N-1)…(M+N-k) (Naeem et al. 2020, section 3.3)."""
    rng, n, m, k = np.random.default_rng(0), 1500, 1200, 5
    found = manifold(rng.normal(size=(m, 4)), rng.normal(size=(n, 4)))
    missed = np.prod([(n - j) / (m + n - j) for j in range(1, k + 1)])
    assert found.coverage == pytest.approx(1 - missed, abs=0.01)
    assert found.density == pytest.approx(1, abs=0.06)


def test_far_apart_is_zero_in_all_four_and_the_order_does_not_matter(features) -> None:
    x, y = features(60), features(70, 1)
    far = manifold(x, y + 1000)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    assert manifold(x, y) == manifold(x[::-1], y[::-1])


def test_a_strange_generated_picture_does_not_lift_density_and_coverage(features) -> None:
    """What recall falls for: one scattered group of generated pictures whose balls hold every real one."""
    real = features(200)
    strange = np.random.default_rng(0).normal(0, 60, (200, 48)).astype(np.float32)
    found = manifold(strange, real)
    assert found.recall == 1 and (found.density, found.coverage, found.precision) == (0, 0, 0)


def test_what_cannot_be_scored_is_one_sentence(features) -> None:
    x = features(9)
    with pytest.raises(Problem, match="at least 6 pictures, got 5"):
        manifold(x[:5], x)
    with pytest.raises(Problem, match="at least 6 pictures, got 5"):
        manifold(x, x[:5])
    with pytest.raises(Problem, match="48 and of 3 numbers"):
        manifold(x, x[:, :3])
    with pytest.raises(Problem, match="not finite"):
        manifold(np.where(x > x.mean(), np.nan, x), x)
    still = manifold(
        np.ones((9, 4)), np.ones((9, 4))
    )  # constant features: all balls are points, and hold each other
    assert (still.precision, still.recall) == (1, 1)


# Distances


def test_distances_are_the_plain_ones_and_equal_vectors_are_exactly_0_apart(features, monkeypatch) -> None:
    a, b = (
        100 + features(50),
        100 + features(40, 1),
    )  # far from the origin, where float32 would lose the difference
    b[7] = a[3]
    monkeypatch.setattr(distances, "BLOCK", 16)
    whole = np.empty((50, 40))
    for rows, columns, squared in blocks(a, b):
        whole[rows, columns] = np.sqrt(squared)
    assert np.abs(whole - all_distances(a, b)).max() < 1e-6 and whole[3, 7] == 0


@pytest.mark.parametrize("block", [4, 16, 2048])
@pytest.mark.parametrize("within", [False, True])
def test_the_nearest_are_found_across_blocks(features, monkeypatch, block: int, within: bool) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    a = features(45)
    b = a if within else features(33, 1)
    plain = all_distances(a, b)
    if within:
        np.fill_diagonal(plain, np.inf)
    found, index = nearest(a, b, 6, within=within)
    assert found == pytest.approx(np.sort(plain, 1)[:, :6], abs=1e-6)
    assert np.array_equal(index, np.argsort(plain, 1)[:, :6]) and index.dtype == np.int64
