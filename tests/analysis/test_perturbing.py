"""Pictures spoilt on purpose: each way does what it says, more strength does more of it, and the scores see it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from explorer import data
from explorer.analysis import perturbing, scores
from explorer.analysis.perturbing import PERTURBATIONS
from explorer.text import Problem
from tests.analysis.test_scores import WIDE, Small


@pytest.fixture
def digits() -> data.ImageSet:
    return data.load("digits", "train")


@pytest.mark.parametrize("kind", list(PERTURBATIONS))
def test_every_way_keeps_form_and_number_and_is_the_same_again(digits: data.ImageSet, kind: str) -> None:
    for strength in (*PERTURBATIONS[kind].strengths, PERTURBATIONS[kind].low, PERTURBATIONS[kind].high):
        count = 100 if kind == "classes" else 400
        found = perturbing.spoilt(digits, kind, strength, count)
        assert found.shape == (count, 3, 32, 32) and found.dtype == np.uint8
        assert np.array_equal(found, perturbing.spoilt(digits, kind, strength, count))


@pytest.mark.parametrize("kind", [kind for kind, spec in PERTURBATIONS.items() if spec.apply])
def test_more_strength_is_further_from_the_picture_and_none_is_the_picture(digits, kind: str) -> None:
    untouched = perturbing.spoilt(digits, kind, 0, 300)
    assert np.array_equal(untouched, digits.images[perturbing.chosen(digits.labels, kind, 0, 300)])
    away = [
        np.abs(perturbing.spoilt(digits, kind, strength, 300).astype(int) - untouched).mean()
        for strength in PERTURBATIONS[kind].strengths
    ]
    assert away == sorted(away) and 0 < away[0] < away[-1]


def test_classes_are_left_out_and_pictures_repeated(digits: data.ImageSet) -> None:
    for left_out in (0, 1, 5, 9):
        labels = digits.labels[perturbing.chosen(digits.labels, "classes", left_out, 100)]
        assert set(labels) == set(range(left_out, 10))
    for times in (1, 2, 20, 100):
        places = perturbing.chosen(digits.labels, "repeats", times, 200)
        assert np.bincount(np.unique(places, return_inverse=True)[1]).tolist() == [times] * (200 // times)
    with pytest.raises(Problem, match="1000 are needed"):
        perturbing.chosen(digits.labels, "classes", 9, 1000)


def test_whole_strengths_are_rounded_and_nothing_spoilt_is_said_as_each_fault_says_it(digits) -> None:
    for kind, spec in PERTURBATIONS.items():
        assert perturbing.check(kind, 2.4) == (2 if spec.whole else 2.4)
        assert spec.low <= spec.none < spec.strengths[0]
        assert not spec.whole or all(float(strength).is_integer() for strength in spec.strengths)
        count = 200 if kind == "classes" else 300
        plain = perturbing.spoilt(digits, kind, spec.none, count)
        assert np.array_equal(plain, digits.images[perturbing.chosen(digits.labels, "blur", 0, count)])
    table = [{"kind": "blur", "strength": 0.0}, *({"kind": kind, "strength": 2.0} for kind in PERTURBATIONS)]
    found = perturbing.of_kind(table, "repeats")
    assert [(row["kind"], row["strength"]) for row in found] == [("repeats", 1), ("repeats", 2)]
    assert perturbing.of_kind(table, "blur") == table[:2]


@pytest.mark.parametrize(
    ("kind", "strength", "words"),
    [
        ("fog", 1, "Unknown fault"),
        ("blur", -1, "between 0 and 4"),
        ("jpeg", 100, "between"),
        ("noise", np.nan, "between"),
    ],
)
def test_faults_that_are_none_are_one_sentence(digits, kind: str, strength: float, words: str) -> None:
    with pytest.raises(Problem, match=words):
        perturbing.spoilt(digits, kind, strength, 10)


def test_the_scores_see_what_they_should(digits, monkeypatch, tmp_path) -> None:
    """Noise and lost classes are a distance; repeats leave precision high and take recall away."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    target, extractor = scores.against(digits, Small()), Small()

    def of(kind: str, strength: float) -> perturbing.Seen:
        return perturbing.seen(digits, kind, strength, target, extractor, count=500)

    plain = of("noise", 0)
    assert plain.n == 500 and plain.reference_n == len(digits) and plain.recall > 0.9
    assert plain.fid < of("noise", 32).fid and plain.kid < of("noise", 32).kid
    repeated = of("repeats", 100)
    assert repeated.precision > 0.9 and repeated.recall < 0.3 < plain.recall and repeated.fid > plain.fid
    assert perturbing.rows([plain])[0]["kind"] == "noise"


def test_the_shipped_table_has_every_fault_at_every_strength_and_says_what_it_rests_on() -> None:
    found = json.loads(Path(perturbing.__file__).with_suffix(".json").read_text())
    wanted = {("blur", 0)} | {(kind, s) for kind, spec in PERTURBATIONS.items() for s in spec.strengths}
    rows = {(row["kind"], row["strength"]): row for row in found["rows"]}
    assert rows.keys() == wanted and len(found["rows"]) == len(wanted)
    assert {field.name for field in dataclasses.fields(perturbing.Seen)} == rows["blur", 0].keys()
    for row in rows.values():
        assert (row["n"], row["reference_n"], row["compared_with"]) == (
            perturbing.COUNT,
            50_000,
            scores.SAMPLE,
        )
    assert (
        found["reference"] == "cifar10:train"
        and {"device", "seed", "features", "test_fingerprint"} <= found.keys()
    )
    for kind, spec in PERTURBATIONS.items():
        last = rows[kind, spec.strengths[-1]]
        assert last["fid"] > rows["blur", 0]["fid"] and last["recall"] < rows["blur", 0]["recall"], kind
