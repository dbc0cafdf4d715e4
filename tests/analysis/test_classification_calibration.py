"""ECE against torchmetrics; the temperature against what it promises."""

import numpy as np
import pytest

from explorer.analysis.calibration import (
    calibrate,
    ece,
    fit_temperature,
    nll,
    reliability,
    softmax,
)


def logits_of(n=10_000, classes=10, seed=0, heat=1.0):
    """Logits whose labels are drawn from softmax(logits), then `heat` times larger: T = `heat` is right."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, classes))
    cumulative = softmax(logits).cumsum(1)
    labels = (rng.random((n, 1)) > cumulative).sum(1).clip(0, classes - 1)
    return (heat * logits).astype(np.float32), labels


@pytest.mark.parametrize("heat", [0.3, 1.0, 3.0, 30.0])
def test_ece_equals_torchmetrics(heat):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import (
        multiclass_calibration_error as theirs,
    )  # slow to import

    logits, labels = logits_of(heat=heat)
    probabilities = softmax(logits).astype(np.float32)
    assert heat < 30 or (probabilities.max(1) == 1).any()  # probabilities rounded to exactly 1 are met
    expected = theirs(
        torch.from_numpy(probabilities).double(),
        torch.from_numpy(labels),
        num_classes=10,
        n_bins=15,
        norm="l1",
    )
    assert ece(labels, probabilities) == pytest.approx(float(expected), abs=1e-6)


def test_a_value_on_an_edge_falls_where_torchmetrics_puts_it():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import (
        multiclass_calibration_error as theirs,
    )  # slow to import

    edges = torch.linspace(0, 1, 16)[8:].numpy()
    edges = np.concatenate([edges, np.nextafter(edges, np.float32(0))])
    probabilities = np.stack([edges, 1 - edges], 1)
    for labels in (np.zeros(len(edges), int), np.arange(len(edges)) % 2):
        expected = theirs(torch.from_numpy(probabilities), torch.from_numpy(labels), num_classes=2, n_bins=15)
        assert ece(labels, probabilities) == pytest.approx(float(expected), abs=1e-6)


def test_the_bins_hold_every_picture_once_and_explain_the_ece():
    logits, labels = logits_of(2000, heat=3.0)
    probabilities = softmax(logits)
    found = reliability(labels, probabilities)
    assert sorted(np.concatenate([b.members for b in found.bins])) == list(range(2000))
    for b in found.bins:
        sure = probabilities[b.members].max(1)
        assert ((sure >= b.low - 1e-7) & (sure <= b.high + 1e-7)).all()
        if b.n:
            assert b.accuracy == (probabilities[b.members].argmax(1) == labels[b.members]).mean()
            assert b.confidence == pytest.approx(sure.mean(), abs=1e-6)
    assert found.ece == pytest.approx(sum(abs(b.accuracy - b.confidence) * b.n for b in found.bins) / 2000)


@pytest.mark.parametrize("heat", [0.25, 1.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(heat):
    logits, labels = logits_of(heat=heat)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(heat, rel=0.05)
    best = nll(logits, labels, found)
    grid = found * np.exp(np.linspace(-0.5, 0.5, 41))
    assert all(best <= nll(logits, labels, t) + 1e-12 for t in grid)


@pytest.mark.parametrize(("labels", "expected"), [([0, 1, 2], 0.2), ([1, 2, 0], 10.0)])
def test_a_temperature_without_an_optimum_stays_in_its_bounds(labels, expected):
    assert fit_temperature(5 * np.eye(3), np.array(labels)) == pytest.approx(expected, rel=1e-6)


def test_calibrate_improves_an_overconfident_model_and_leaves_the_order():
    logits, labels = logits_of(heat=3.0)
    found = calibrate(logits[:5000], labels[:5000])
    assert found.nll_after < found.nll_before and found.ece_after < found.ece_before / 3
    unseen = softmax(logits[5000:], found.temperature)
    assert ece(labels[5000:], unseen) < 0.03
    assert (unseen.argmax(1) == logits[5000:].argmax(1)).all()
