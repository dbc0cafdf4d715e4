"""KID is torch-fidelity's, unbiased, and does not care about order."""

import numpy as np
import pytest
import torch
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.metric_kid import kid_features_to_metric

from explorer.analysis.kid import SIZE, SUBSETS, cubic, kid, mmd2
from explorer.text import Problem


def theirs(a: np.ndarray, b: np.ndarray, **options) -> tuple[float, float]:
    found = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), verbose=False, **options)
    return found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]


@pytest.mark.parametrize("seed", [2020, 7])
def test_the_same_seed_gives_torch_fidelity_s_number(features, seed: int) -> None:
    options = {"kid_subsets": 5, "kid_subset_size": 300, "rng_seed": seed}
    for a, b in ((features(400), features(500, 1)), (features(400), features(310, 1, 0.5))):
        found = kid(a, b, subsets=5, size=300, seed=seed)
        mean, std = theirs(a.astype(np.float64), b.astype(np.float64), **options)
        assert (found.mean, found.std) == pytest.approx((mean, std), rel=1e-9, abs=1e-12)
        mean, std = theirs(a, b, **options)  # float32 all through, as it comes
        assert found.mean == pytest.approx(mean, abs=1e-7 + 1e-5 * abs(mean))


def test_the_defaults_are_torch_fidelity_s(features) -> None:
    assert [DEFAULTS[f"kid_{name}"] for name in ("subsets", "subset_size")] == [SUBSETS, SIZE]
    a, b = features(1001)[:, :8], features(1002, 1)[:, :8]
    found = kid(a, b, subsets=2)
    assert (found.subsets, found.size, found.seed, found.n, found.m) == (
        2,
        1000,
        DEFAULTS["rng_seed"],
        1001,
        1002,
    )
    assert found.mean == pytest.approx(theirs(a.astype(float), b.astype(float), kid_subsets=2)[0], abs=1e-10)


def test_a_small_set_has_smaller_subsets_and_says_so(features) -> None:
    found = kid(features(40), features(900, 1), subsets=3)
    assert found.size == 40 and kid(features(40), features(40, 1), subsets=3).std < 1e-12


def test_it_is_not_biased(features) -> None:
    """Two samples of one source, however small: 0 in the mean, where FID would be far above it."""
    found = [mmd2(features(30, k).astype(float), features(30, 1000 + k).astype(float)) for k in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert min(found) < 0 < max(found)


def test_by_hand() -> None:
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [2.0, 0.0]])
    k = lambda a, b: (a @ b / 2 + 1) ** 3  # noqa: E731
    within = k(x[0], x[1]) + k(y[0], y[1])
    assert mmd2(x, y) == pytest.approx(within - 2 * np.mean([k(a, b) for a in x for b in y]))
    assert cubic(x, y).shape == (2, 2)


def test_more_shift_is_further_away_and_the_order_does_not_matter(features) -> None:
    x = features(200)
    found = [kid(x, features(200, 1, shift), subsets=2, size=200).mean for shift in (0, 0.1, 0.3, 1)]
    assert found == sorted(found)
    y = features(200, 1, 0.3)
    assert kid(x[::-1], y, subsets=2).mean == pytest.approx(found[2], rel=1e-9)
    assert kid(y, x, subsets=2).mean == pytest.approx(found[2], rel=1e-9)


def test_what_cannot_be_compared_is_one_sentence(features) -> None:
    x = features(9)
    with pytest.raises(Problem, match="at least 2 pictures, got 1"):
        kid(x[:1], x)
    with pytest.raises(Problem, match="48 and of 5 numbers"):
        kid(x, x[:, :5])
    with pytest.raises(Problem, match="not finite"):
        kid(x, np.where(x > x.mean(), np.inf, x))
    with pytest.raises(Problem, match="as floats"):
        kid(x.astype(np.uint8), x)
    assert kid(np.zeros((9, 4)), np.zeros((5, 4))).mean == 0
