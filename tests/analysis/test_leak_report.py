"""Accuracy with and without what leaked, and the stored report: read back whole, or refused in a sentence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints
from explorer.analysis import leak_report
from explorer.analysis.leak_report import as_dict, cleaned, packed, pairs_of, rows_of, stored
from explorer.analysis.leaks import Pairs
from explorer.text import Missing, Problem

PAIRS = Pairs(
    np.array([3, 1]), np.array([7, 9]), np.array([0, 0.125]), np.array([True, False]), np.array([False, True]),
    np.array([[0, 0], [-2, 1]]), 0.3,
)  # fmt: skip


def test_accuracy_with_and_without() -> None:
    labels, predicted = np.array([0, 1, 2, 2, 1]), np.array([0, 1, 2, 0, 0])
    found = cleaned(labels, predicted, np.array([0, 1, 1]))
    assert (found.all, found.clean, found.leaked) == ((0.6, 5), (pytest.approx(1 / 3), 3), (1.0, 2))
    none = cleaned(labels, predicted, np.zeros(0, int))
    assert none.clean == none.all and np.isnan(none.leaked[0]) and none.leaked[1] == 0
    with pytest.raises(Problem, match="Expected 5 class numbers, got 3"):
        cleaned(labels, predicted[:3], np.zeros(0, int))
    with pytest.raises(Problem, match="from 0 to 4"):
        cleaned(labels, predicted, np.array([5]))


def test_pairs_come_back_as_they_were() -> None:
    value = json.loads(json.dumps(rows_of(PAIRS)))
    found = pairs_of(value)
    for name in ("a", "b", "distance", "exact", "mirrored", "shift", "limit"):
        assert np.array_equal(getattr(found, name), getattr(PAIRS, name)), name
    assert len(pairs_of({"pairs": [], "limit": 0.3})) == 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), tmp_path / "digits-fastnet")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    return tmp_path / "digits-fastnet"


def report(**changed: object) -> dict:
    accuracy = as_dict(cleaned(np.array([0, 1]), np.array([0, 0]), np.array([1])))
    sha256 = checkpoints.read_card("digits-fastnet").sha256
    return {"checkpoint_sha256": sha256, "accuracy": accuracy} | {
        name: rows_of(PAIRS) for name in leak_report.SETS
    } | changed  # fmt: skip


def test_the_stored_report_is_read_back_or_refused(folder: Path) -> None:
    with pytest.raises(Missing, match="leaks --data digits --checkpoint digits-fastnet"):
        stored("digits-fastnet")
    path = folder / leak_report.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed(report()))
    assert stored("digits-fastnet")["accuracy"]["clean"] == {"accuracy": 1.0, "n": 1}
    for broken in (
        report(across={"pairs": [[1, 2]], "limit": 0.3}),
        report(test={"pairs": [[-1] * 7], "limit": 0.3}),
        report(train=None),
        report(accuracy=[]),
    ):
        path.write_bytes(packed(broken))
        with pytest.raises(Problem, match="cannot be read"):
            stored("digits-fastnet")
    for content in (b"", b"[]", b"{"):
        path.write_bytes(content)
        with pytest.raises(Problem, match="cannot be read"):
            stored("digits-fastnet")
    path.write_bytes(packed(report(checkpoint_sha256="0" * 64)))
    with pytest.raises(Problem, match="other weights"):
        stored("digits-fastnet")


def test_what_is_of_other_pictures_is_refused_in_a_sentence() -> None:
    value, here = {"train_fingerprint": "a", "test_fingerprint": "b"}, {"train_fingerprint": "a"}
    leak_report.check_pictures(value, here, leak_report.FILE, "leaks --data mine")
    leak_report.check_pictures({}, here, leak_report.FILE, "leaks --data mine")
    with pytest.raises(
        Problem, match=r"^leaks.json is of other pictures .* again: python -m explorer leaks --data m"
    ):
        leak_report.check_pictures(
            value, here | {"test_fingerprint": "c"}, leak_report.FILE, "leaks --data mine"
        )


def test_without_leaked_pictures_there_is_no_accuracy_on_them() -> None:
    found = as_dict(cleaned(np.array([0, 1]), np.array([0, 0]), np.zeros(0, int)))
    assert found["leaked"] == {"accuracy": None, "n": 0} and found["all"] == found["clean"]
    assert b"NaN" not in packed(found)
