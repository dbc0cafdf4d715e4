"""FID: laws, two independent formulas, planted faults that the laws catch, and what is refused."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from explorer.analysis import fid as module
from explorer.analysis import reference, together
from explorer.analysis.fid import Statistics, fid, fid_infinity, label, line, short, statistics
from explorer.text import Problem


def theirs(a: np.ndarray, b: np.ndarray) -> float:
    """torch-fidelity's: eigenvalues of the product of the covariances."""
    sides = [fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (a, b)]
    return fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]


def by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    """As in Heusel's code: scipy's root of the product."""
    import scipy.linalg

    (m1, s1), (m2, s2) = ((x.astype(float).mean(0), np.cov(x.astype(float), rowvar=False)) for x in (a, b))
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float((m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)


def test_the_distance_is_torch_fidelity_s_and_that_of_the_matrix_root(features) -> None:
    for a, b in ((features(700), features(800, 1)), (features(700), 2 * features(900, 2, 0.4))):
        found = fid(statistics(a), statistics(b))
        assert found.value == pytest.approx(theirs(a, b), rel=1e-7, abs=1e-9)
        assert found.value == pytest.approx(by_matrix_root(a, b), rel=1e-6, abs=1e-8)
        assert (found.n, found.m, found.value) == (700, len(b), found.raw)


def far_from_itself(distance, x: np.ndarray) -> float:
    """The law: no set is away from itself. How much this distance breaks it, of what the set spreads."""
    return abs(distance(x, x)) / np.trace(np.cov(x.astype(float), rowvar=False))


def test_no_set_is_away_from_itself_even_where_the_covariance_is_singular(features) -> None:
    wide = np.hstack([features(600, seed) for seed in range(14)])  # 672 numbers, 600 pictures: singular
    for x in (features(600), wide):
        found = statistics(x)
        assert far_from_itself(lambda a, b: fid(statistics(a), statistics(b)).raw, x) < 1e-12
        assert fid(found, found).value >= 0


def test_the_law_catches_float32_sums(features) -> None:
    """The planted fault: the same formula on a float32 covariance."""

    def careless(a: np.ndarray, b: np.ndarray) -> float:
        sides = [
            Statistics(len(x), x.sum(0), (x.T @ x)) for x in (a.astype(np.float32), b.astype(np.float32))
        ]
        roots = [module._root(Statistics(s.n, s.total, s.outer)) for s in sides]
        covariances = [((s.outer - np.outer(s.total, s.total) / s.n) / (s.n - 1)) for s in sides]
        shared = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
        return float(sum(map(np.trace, covariances)) - 2 * shared)

    wide = np.hstack([features(600, seed) for seed in range(14)]) + 5
    assert far_from_itself(careless, wide) > 1e-9


def test_two_normal_sets_whose_means_differ_by_one_are_d_apart() -> None:
    """N(0, I) and N(1, I) in d dimensions: from their moments exactly d, from pictures nearly."""
    for d in (1, 7, 64):
        n = 10**6
        zero = Statistics(n, np.zeros(d), (n - 1) * np.eye(d))
        one = Statistics(n, np.full(d, float(n)), (n - 1) * np.eye(d) + n * np.ones((d, d)))
        assert fid(zero, one).value == pytest.approx(d, rel=1e-9)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20_000, 5)), rng.normal(1, 1, (20_000, 5))
    assert fid(statistics(x), statistics(y)).value == pytest.approx(5, rel=0.03)


def test_order_and_the_split_into_batches_do_not_matter(features, monkeypatch) -> None:
    x, y = features(700), statistics(features(600, 1))
    whole = fid(statistics(x), y).value
    assert fid(statistics(x[::-1]), y).value == pytest.approx(whole, rel=1e-10)
    assert fid(y, statistics(x)).value == pytest.approx(whole, rel=1e-10)
    for block in (1, 64, 699):
        monkeypatch.setattr(module, "BLOCK", block)
        assert fid(statistics(x), y).value == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shards_add_up_to_the_whole(features, world: int) -> None:
    x = features(701)
    parts = [statistics(x[rank::world]) for rank in range(world)]
    found, whole = sum(parts[1:], start=parts[0]), statistics(x)
    assert found.n == whole.n == 701
    for ours, one in ((found.total, whole.total), (found.outer, whole.outer)):
        assert ours.dtype == np.float64 and np.abs(ours - one).max() < 1e-12 * np.abs(one).max()
    assert together.added(whole) is whole  # alone; what processes do: tests/analysis/test_together.py


def test_more_noise_is_further_away(features) -> None:
    x, rng = features(800), np.random.default_rng(0)
    noise = rng.normal(size=x.shape).astype(np.float32)
    found = [fid(statistics(x), statistics(x + level * noise)).value for level in (0, 0.1, 0.3, 1, 3)]
    assert found == sorted(found) and found[0] < 1e-9 < found[1] and found[-1] > 100 * found[1]


def test_a_set_without_spread_has_a_distance(features) -> None:
    x = features(600)
    still = np.zeros_like(x)
    expected = (x.astype(float).mean(0) ** 2).sum() + np.trace(np.cov(x.astype(float), rowvar=False))
    assert fid(statistics(still), statistics(x)).value == pytest.approx(expected, rel=1e-9)
    assert fid(statistics(still), statistics(still)).value == 0


def test_n_stands_in_every_label_and_small_sets_are_marked(features) -> None:
    assert label(5000, 50_000, "train") == "FID-5k against 50k train"
    assert (short(600), short(1234), short(1_000_000)) == ("600", "1,234", "1,000k")
    few, many = statistics(features(2047)), statistics(features(2048))
    assert fid(few, many).few and fid(many, few).few and not fid(many, many).few


def test_the_limit_is_nearer_the_truth_than_any_n(features) -> None:
    """Two samples of one source: the true distance is 0, and FID falls like 1/N towards it."""
    found = fid_infinity(features(2400), statistics(features(40_000, 1)), points=6)
    sizes, values = zip(*found.curve)
    assert sizes == (600, 706, 857, 1091, 1500, 2400)
    assert values[0] > 2.5 * values[-1] > 0
    assert abs(found.value) < values[-1] / 3 and found.error < values[-1] / 3
    assert (found.value, found.error) == line(found.curve)[::2] and line(found.curve)[1] > 0
    assert values[-1] == fid(statistics(features(2400)), statistics(features(40_000, 1))).raw
    again = fid_infinity(features(2400), statistics(features(40_000, 1)), points=6)
    assert again == found


def test_the_line_is_that_of_least_squares_with_its_standard_error() -> None:
    rng, sizes = np.random.default_rng(0), np.array([600, 800, 1200, 2400])
    exact = 42 + 26_000 / sizes
    limit, slope, error = line(list(zip(sizes, exact)))
    assert (limit, slope) == pytest.approx((42, 26_000)) and error == pytest.approx(0, abs=1e-6)
    noisy = exact + rng.normal(size=4)
    (slope, limit), covariance = np.polyfit(1 / sizes, noisy, 1, cov=True)
    assert line(list(zip(sizes, noisy))) == pytest.approx((limit, slope, np.sqrt(covariance[1, 1])))
    assert line([(5000, 40.0)])[:2] == (40.0, 0.0) and np.isnan(line([(5000, 40.0)])[2])


def test_what_cannot_be_compared_is_one_sentence(features) -> None:
    x = statistics(features(500))
    with pytest.raises(Problem, match="at least 500 pictures on either side, got 499 and 500"):
        fid(statistics(features(499)), x)
    with pytest.raises(Problem, match="48 and of 7 numbers"):
        fid(x, statistics(features(500)[:, :7]))
    with pytest.raises(Problem, match="48 and of 7 numbers"):
        x + statistics(features(500)[:, :7])
    with pytest.raises(Problem, match="at least 2000 pictures"):
        fid_infinity(features(1999), x)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.full((600, 8), np.nan), "not finite"),
        (np.zeros((600, 8), np.uint8), "as floats"),
        (np.zeros(600), "as floats"),
        (np.zeros((0, 8)), "at least 1 pictures"),
        (np.zeros((600, 0)), "as floats"),
        (np.array([["a"]]), "as floats"),
    ],
)
def test_what_are_no_features_is_one_sentence(wrong: np.ndarray, sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        statistics(wrong)


# On disk


def test_packed_statistics_come_back_bit_for_bit(features) -> None:
    one = statistics(features(600))
    again = reference.unpack(reference.pack(one))
    assert again.n == one.n
    assert np.array_equal(again.total, one.total) and np.array_equal(again.outer, one.outer)


def test_packed_small_a_reference_gives_the_same_fid(features) -> None:
    one, other = statistics(features(700) + 50), statistics(2 * features(900, 2, 0.4) + 50)
    again = reference.unpack(reference.pack_small(one))
    assert again.n == one.n and np.array_equal(again.total, one.total)
    assert len(reference.pack_small(one)) < len(reference.pack(one))
    assert fid(again, other).value == pytest.approx(fid(one, other).value, rel=1e-6)
    sums = Statistics(one.n, one.total, one.outer.astype(np.float32).astype(np.float64))
    lost, kept = (abs(found.covariance - one.covariance).max() for found in (sums, again))
    assert lost > 100 * kept, "the sums would not bear the rounding"


def test_shipped_statistics_are_found_where_none_are_kept(tmp_path, monkeypatch, features) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(reference, "SHIPPED", tmp_path / "shipped")
    one, other = statistics(features(600)), statistics(features(700, 1))
    assert reference.kept("f" * 64, "net") is None
    reference.SHIPPED.mkdir()
    (reference.SHIPPED / reference.path("f" * 64, "net").name).write_bytes(reference.pack_small(one))
    assert reference.kept("f" * 64, "net").n == 600
    assert reference.kept("e" * 64, "net") is None
    reference.keep("f" * 64, other, "net")
    assert reference.kept("f" * 64, "net").n == 700, "what this machine has computed comes first"


def test_a_reference_is_never_taken_for_another(tmp_path, monkeypatch, features) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    first = statistics(features(500))
    reference.keep("f" * 64, first, "net")
    assert np.array_equal(reference.kept("f" * 64, "net").outer, first.outer)
    assert reference.kept("e" * 64, "net") is None  # other pictures
    assert reference.kept("f" * 64, "another") is None  # another extractor
    assert reference.kept("f" * 64, "net").n == first.n


@pytest.mark.parametrize("damage", ["half", "empty", "one bit", "a pickle", "other arrays"])
def test_a_damaged_reference_counts_as_none(tmp_path, monkeypatch, features, damage: str) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    right = statistics(features(500))
    reference.keep("f" * 64, right, "net")
    path = reference.path("f" * 64, "net")
    whole = path.read_bytes()
    if damage == "a pickle":
        np.savez(path, n=np.array([None], object), total=np.zeros(2), outer=np.zeros(3))
    elif damage == "other arrays":
        np.savez(path, n=np.int64(5), total=np.zeros(2), outer=np.zeros(4))
    else:
        turned = bytearray(whole)
        turned[len(whole) // 2] ^= 1
        path.write_bytes({"half": whole[: len(whole) // 2], "empty": b"", "one bit": bytes(turned)}[damage])
    assert reference.kept("f" * 64, "net") is None
    with pytest.raises(Problem, match="no stored statistics"):
        reference.unpack(path.read_bytes())
    reference.keep("f" * 64, right, "net")
    assert path.read_bytes() == whole
