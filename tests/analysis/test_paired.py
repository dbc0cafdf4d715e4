"""The interval is scipy's, it holds what it promises, and no winner is crowned that it does not crown."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from explorer.analysis.paired import FEW, LEAST_APART, Difference, interval, paired, verdict
from explorer.text import Problem, t


def right(n: int, share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < share).astype(float)


def test_the_interval_is_scipys_percentile_interval() -> None:
    a, b = np.random.default_rng(0).random((2, 400))
    found = paired(a, b, draws=4000)
    theirs = bootstrap((a - b,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert found.difference == pytest.approx((a - b).mean()) and found.n == 400 and found.apart == 400
    assert (found.a, found.b) == pytest.approx((a.mean(), b.mean()))


def test_one_seed_is_one_interval_and_columns_are_drawn_together() -> None:
    a, b = right(300, 0.8, 0), right(300, 0.7, 1)
    assert paired(a, b, seed=5) == paired(a, b, seed=5) != paired(a, b, seed=6)
    low, high = interval(np.stack([a - b, b - a, a - b], 1))
    assert low[0] == low[2] and high[0] == high[2] and low[0] == pytest.approx(-high[1])
    one = paired(a, b)
    assert (low[0], high[0]) == pytest.approx((one.low, one.high))


def test_swapped_sides_swap_the_winner() -> None:
    a, b = right(800, 0.9, 0), right(800, 0.6, 1)
    one, other = paired(a, b), paired(b, a)
    assert one.winner == 1 and other.winner == -1
    assert one.difference == -other.difference and one.low == pytest.approx(-other.high, abs=0.01)


def test_what_is_common_to_both_cancels() -> None:
    """Hard and easy queries: each mean is uncertain, their difference is not."""
    hard = right(500, 0.5, 0)
    a, b = hard, np.clip(hard - 0.05, 0, 1)
    found = paired(a, b)
    assert found.winner == 1 and found.high - found.low < 0.01
    low, high = interval(a)
    assert high - low > 0.05


def test_equal_ways_are_crowned_in_about_one_in_twenty() -> None:
    crowned = [paired(right(200, 0.7, k), right(200, 0.7, 1000 + k), draws=300).winner for k in range(200)]
    assert np.count_nonzero(crowned) <= 22


def test_a_clean_sweep_of_too_few_queries_is_chance() -> None:
    """Four of 10,000: the bootstrap's interval leaves zero out, a sign test does not (p = 0.125)."""
    for apart in range(LEAST_APART):
        a = np.zeros(2000)
        a[:apart] = 1
        found = paired(a, np.zeros(2000))
        assert found.winner == 0 and verdict(found, "Votes")[0] == FEW
    assert paired(np.ones(1), np.zeros(1)).winner == 0
    assert paired(np.ones(6), np.zeros(6)).winner == 1


def test_the_sentence_crowns_whom_the_interval_crowns() -> None:
    def sentence(found: Difference) -> str:
        template, values = verdict(found, "Votes")
        return t(template, **values)

    ahead, behind = right(800, 0.9, 0), right(800, 0.6, 1)
    assert sentence(paired(ahead, behind)).startswith("Votes: cosine is ahead")
    assert sentence(paired(behind, ahead)).startswith("Votes: Euclidean is ahead")
    even = paired(right(800, 0.7, 0), right(800, 0.7, 1))
    said = sentence(even)
    assert said.startswith("Votes: no winner") and "n = 800" in said and even.low < 0 < even.high
    assert f"{100 * even.low:+.2f} to {100 * even.high:+.2f}".replace("-", "−") in said
    values = verdict(paired(behind, ahead), "Votes")[1]
    assert 0 < float(values["low"]) < float(values["by"]) < float(values["high"])
    few = "Votes: no winner, the two differ on 0 of 800 queries, too few to tell."
    assert sentence(paired(ahead, ahead)) == few


def test_hostile_values_are_refused() -> None:
    good = np.ones(3)
    for bad in (np.zeros(0), np.array([1, np.nan, 0]), np.ones((3, 1)), np.float64(1)):
        with pytest.raises(Problem, match="at least one query"):
            paired(bad, good)
        with pytest.raises(Problem, match="at least one query"):
            paired(good, bad)
    for other in (np.ones(2), np.ones(1)):
        with pytest.raises(Problem, match="of 3 and of"):
            paired(good, other)
