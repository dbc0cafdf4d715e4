"""ROC, PR and the comparison of two models, against scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2
from sklearn import metrics as sk

from explorer.analysis.comparison import compare, mcnemar, rates_of
from explorer.analysis.ranking import auc_macro, curve, curves
from explorer.text import Problem


@pytest.mark.parametrize("decimals", [None, 1, 0])  # fewer decimals: more ties
def test_curves_and_areas_equal_scikit_learn(decimals):
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.3
    scores = rng.normal(size=300) + positive
    if decimals is not None:
        scores = scores.round(decimals)
    ours = curve(positive, scores)
    fpr, tpr, thresholds = sk.roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(ours.false_rate, fpr, atol=1e-15) and np.allclose(ours.true_rate, tpr, atol=1e-15)
    assert np.array_equal(ours.thresholds, thresholds)
    precision, recall, _ = sk.precision_recall_curve(positive, scores)
    assert np.allclose(ours.precision[::-1], precision) and np.allclose(ours.recall[::-1], recall)
    assert ours.auc == pytest.approx(sk.roc_auc_score(positive, scores), abs=1e-12)
    assert ours.ap == pytest.approx(sk.average_precision_score(positive, scores), abs=1e-12)


def test_the_macro_auc_equals_scikit_learn():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 500)
    weights = np.exp(rng.normal(size=(500, 4)) + np.eye(4)[labels]).round(2)
    probabilities = weights / weights.sum(1, keepdims=True)
    expected = sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert auc_macro(labels, probabilities) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_pictures_has_no_curve_and_does_not_spoil_the_mean():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.7, 0.2, 0.1]])
    found = curves(labels, probabilities)
    assert np.isnan(found[2].auc) and found[2].support == 0
    assert auc_macro(labels, probabilities) == pytest.approx((found[0].auc + found[1].auc) / 2)
    assert np.isnan(auc_macro(np.zeros(4, int), probabilities))


@pytest.mark.parametrize(("fixed", "broken"), [(0, 1), (5, 5), (3, 12), (40, 61), (400, 330), (0, 0)])
def test_mcnemar_equals_the_binomial_test(fixed, broken):
    found, n = mcnemar(fixed, broken), fixed + broken
    if n == 0:
        assert (found.exact, found.mid, found.chi2, found.chi2_p) == (1.0, 1.0, 0.0, 1.0)
        return
    expected = binomtest(fixed, n).pvalue
    assert found.exact == pytest.approx(expected, rel=1e-9)
    point = binomtest(fixed, n).statistic
    assert point == fixed / n and found.mid <= found.exact
    statistic = max(abs(fixed - broken) - 1, 0) ** 2 / n
    assert found.chi2 == pytest.approx(statistic) and found.chi2_p == pytest.approx(chi2.sf(statistic, 1))


def test_mid_p_follows_fagerlands_example():
    # Fagerland, Lydersen, Laake (2013), table 1: 1 and 7 discordant pairs; exact p 0.070, mid-p 0.039
    found = mcnemar(1, 7)
    assert found.exact == pytest.approx(0.0703, abs=5e-5) and found.mid == pytest.approx(0.0391, abs=5e-5)


def test_compare_names_the_pictures_that_changed():
    labels = np.array([0, 0, 1, 1, 2, 2])
    a = np.array([0, 1, 1, 1, 0, 0])
    b = np.array([0, 0, 1, 2, 2, 1])
    found = compare(labels, a, b, 3)
    assert (
        found.fixed.tolist() == [1, 4] and found.broken.tolist() == [3] and found.both_wrong.tolist() == [5]
    )
    assert found.accuracy_b - found.accuracy_a == pytest.approx(1 / 6)
    assert np.allclose(found.difference.sum(1), 0) and found.difference[0].tolist() == [0.5, -0.5, 0]
    assert found.n == 6
    with pytest.raises(Problem):
        compare(labels, a[:-1], b, 3)


def test_rates_of_a_class_without_pictures_are_zero():
    assert rates_of(np.array([[3, 1], [0, 0]])).tolist() == [[0.75, 0.25], [0.0, 0.0]]
