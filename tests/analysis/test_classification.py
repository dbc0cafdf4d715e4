"""Reports, intervals and the METRICS table, against scikit-learn, scipy, torchmetrics and against laws."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from explorer.analysis.classification import (
    METRICS,
    ORDERS,
    Metric,
    brier,
    by_likeness,
    by_recall,
    confusion,
    log_loss,
    members,
    report,
    top_confusions,
    wilson,
)
from explorer.text import Problem

NAMES = ("a", "b", "c", "d", "e")


def made_up(n=400, classes=5, seed=0, sharpness=2.0):
    """Labels (n,) and probabilities (n, classes) that lean towards the label; no two scores tie."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + sharpness * np.eye(classes)[labels]
    weights = np.exp(logits)
    return labels, weights / weights.sum(1, keepdims=True)


def sk_report(labels, predicted, names):
    return sk.classification_report(
        labels, predicted, labels=range(len(names)), target_names=names, output_dict=True, zero_division=0
    )


@pytest.mark.parametrize(
    "case", ["ordinary", "never predicted", "no pictures of a class", "both", "one picture"]
)
def test_the_report_equals_scikit_learn(case):
    labels, probabilities = made_up()
    predicted = probabilities.argmax(1)
    if case in ("never predicted", "both"):
        predicted = np.where(predicted == 2, 3, predicted)
    if case in ("no pictures of a class", "both"):
        labels = np.where(labels == (2 if case == "both" else 1), 0, labels)
    if case == "one picture":
        labels, predicted = labels[:1], predicted[:1]
    ours, theirs = report(labels, predicted, NAMES), sk_report(labels, predicted, NAMES)
    lines = [(row, row.name) for row in ours.rows] + [
        (ours.macro, "macro avg"),
        (ours.weighted, "weighted avg"),
    ]
    for row, name in lines:
        expected = theirs[name]
        assert row.precision == pytest.approx(expected["precision"], abs=1e-15)
        assert row.recall == pytest.approx(expected["recall"], abs=1e-15)
        assert row.f1 == pytest.approx(expected["f1-score"], abs=1e-15)
        assert row.support == expected["support"]
    assert ours.accuracy == sk.accuracy_score(labels, predicted)
    assert (ours.confusion == sk.confusion_matrix(labels, predicted, labels=range(5))).all()


def test_the_report_is_json():
    labels, probabilities = made_up(50)
    read = json.loads(json.dumps(report(labels, probabilities.argmax(1), NAMES).as_dict()))
    assert set(read) == {"accuracy", "n", "per_class", "macro_avg", "weighted_avg", "confusion"}
    assert list(read["per_class"]) == list(NAMES)


@pytest.mark.parametrize(
    ("right", "n"), [(0, 1), (1, 1), (0, 10_000), (9338, 10_000), (355, 360), (10_000, 10_000)]
)
def test_the_wilson_interval_equals_scipys(right, n):
    expected = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_members_are_the_cell_and_come_surest_first():
    labels, probabilities = made_up()
    predicted = probabilities.argmax(1)
    matrix = confusion(labels, predicted, 5)
    for true in range(5):
        for found in range(5):
            inside = members(labels, probabilities, true, found)
            assert len(inside) == matrix[true, found]
            assert (labels[inside] == true).all() and (predicted[inside] == found).all()
            assert (np.diff(probabilities[inside].max(1)) <= 0).all()
        assert len(members(labels, probabilities, true, None)) == matrix[true].sum() - matrix[true, true]
        assert len(members(labels, probabilities, None, true)) == matrix[:, true].sum() - matrix[true, true]
    assert len(members(labels, probabilities, None, None)) == (labels != predicted).sum()


def test_top_confusions_are_the_largest_cells_off_the_diagonal():
    matrix = np.array([[90, 7, 3], [0, 100, 0], [5, 7, 88]])
    found = top_confusions(matrix, 3)
    assert [(c.true, c.predicted, c.count, c.support) for c in found] == [
        (0, 1, 7, 100),
        (2, 1, 7, 100),
        (2, 0, 5, 100),
    ]
    assert top_confusions(np.diag([3, 4])) == []


def test_orders_are_permutations_and_say_what_they_promise():
    matrix = np.diag([90, 70, 90, 80, 90, 90])
    for one, other in [(0, 3), (3, 5), (1, 4), (4, 2)]:
        matrix[one, other] = matrix[other, one] = 9
    matrix[5, 1] = 1  # the two chains 0-3-5 and 1-4-2 hang together by one picture
    for order, label in ORDERS.values():
        for case in (matrix, np.diag([5, 5, 5]), np.zeros((3, 3), int)):
            assert sorted(order(case)) == list(range(len(case)))
        assert label
    assert by_likeness(matrix).tolist() in ([0, 3, 5, 1, 4, 2], [2, 4, 1, 5, 3, 0])
    recall = np.diag(matrix) / matrix.sum(1)
    assert (np.diff(recall[by_recall(matrix)]) >= 0).all()


def test_log_loss_and_brier_equal_scikit_learn():
    labels, probabilities = made_up()
    assert log_loss(labels, probabilities) == pytest.approx(sk.log_loss(labels, probabilities), abs=1e-12)
    one_hot = np.eye(5)[labels]
    per_class = [sk.brier_score_loss(one_hot[:, k], probabilities[:, k]) for k in range(5)]
    assert brier(labels, probabilities) == pytest.approx(sum(per_class), abs=1e-12)
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(np.finfo(float).eps))


# --- laws over the whole table: a new metric is tested by its line in METRICS


def law_order_of_pictures(metric):
    labels, probabilities = made_up(seed=1)
    order = np.random.default_rng(2).permutation(len(labels))
    assert metric.fn(labels[order], probabilities[order]) == pytest.approx(
        metric.fn(labels, probabilities), abs=1e-9
    )


def law_names_of_classes(metric):
    labels, probabilities = made_up(seed=3)
    new = np.array([3, 0, 4, 1, 2])  # class k is now called new[k]
    moved = np.empty_like(probabilities)
    moved[:, new] = probabilities
    assert metric.fn(new[labels], moved) == pytest.approx(metric.fn(labels, probabilities), abs=1e-9)


def law_perfect_score(metric):
    labels, _ = made_up(seed=4)
    assert metric.fn(labels, np.eye(5)[labels]) == pytest.approx(metric.best, abs=1e-9)


def law_worse_is_worse(metric):
    labels, good = made_up(seed=5, sharpness=4.0)
    bad = good[np.random.default_rng(6).permutation(len(good))]
    better, worse = metric.fn(labels, good), metric.fn(labels, bad)
    assert better > worse if metric.higher else better < worse


def law_refuses_nonsense(metric):
    labels, probabilities = made_up(20)
    poisoned = probabilities.copy()
    poisoned[3, 1] = np.nan
    for l, p in [
        (labels[:0], probabilities[:0]),
        (labels[:-1], probabilities),
        (labels, poisoned),
        (labels + 1, probabilities),
        (labels - 1, probabilities),
        (labels.astype(float), probabilities),
        (labels, probabilities[:, :1]),
    ]:
        with pytest.raises(Problem):
            metric.fn(l, p)


LAWS = [
    law_order_of_pictures,
    law_names_of_classes,
    law_perfect_score,
    law_worse_is_worse,
    law_refuses_nonsense,
]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_metric_keeps_the_laws(law, name):
    law(METRICS[name])


def test_every_metric_explains_itself():
    for metric in METRICS.values():
        assert metric.sentence.endswith(".") and metric.label


ACCURACY = METRICS["accuracy"].fn
PLANTED = {
    "law_order_of_pictures": lambda l, p: ACCURACY(l, p) + 1e-6 * float(l @ np.arange(len(l))),
    "law_names_of_classes": lambda l, p: ACCURACY(l[l == 0], p[l == 0]),
    "law_perfect_score": lambda l, p: 0.99 * ACCURACY(l, p),
    "law_worse_is_worse": lambda l, p: 1.0,
    "law_refuses_nonsense": lambda l, p: float((np.resize(l, len(p)) == p.argmax(1)).sum()),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_catch_a_planted_wrong_metric(law):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        law(Metric(PLANTED[law.__name__], "planted", 1.0, True, "Wrong."))
