"""Cosine against Euclidean over a data set: the charts hold the numbers they are given, and their titles name them."""

import json

import altair
import pytest

from explorer.views import study as views

NAMES = {"cosine": "cosine", "euclidean": "Euclidean"}
CURVES = {"cosine": [0.5, 0.75, 0.7], "euclidean": [0.6, 0.55, 0.6]}


def sound(spec: dict) -> dict:
    """The chart itself, after a look at whether a browser could draw it."""
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    return spec


def words(spec: dict) -> str:
    return " ".join(spec["title"]["text"])


def group(name: str, difference: float, low: float, high: float, apart: int = 9) -> dict:
    return {
        "name": name, "difference": difference, "low": low, "high": high, "a": 0.9, "b": 0.9 - difference,
        "apart": apart, "n": 36,
    }  # fmt: skip


def feature(
    name: str, metric: str, accuracy: float, map_r: float | None = None, group: str = "the net's layers"
) -> dict:
    return {
        "feature": name, "group": group, "metric": metric, "accuracy": accuracy, "low": accuracy - 0.02,
        "high": accuracy + 0.02, "n": 300, "map_r": map_r, "map_n": 200,
    }  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
def test_right_votes_over_k_are_those_given_and_no_best_is_crowned(dark: bool) -> None:
    spec = sound(views.over_k(CURVES, NAMES, "made-up", dark))
    for metric, curve in CURVES.items():
        rows = [row for row in spec["data"]["values"] if row["metric"] == NAMES[metric]]
        assert [(row["k"], row["value"]) for row in rows] == list(enumerate(curve, 1))
    assert words(spec) == "cosine 50.0–75.0 %, Euclidean 55.0–60.0 % for k = 1 to 3"
    assert spec["title"]["subtitle"] == ["made-up"]


@pytest.mark.parametrize("winner", [1, 0, -1])
def test_the_difference_over_k_has_its_band_and_the_title_crowns_whom_the_interval_crowns(
    winner: int,
) -> None:
    low, high = [-0.2, 0.1, 0.0], [0.0, 0.3, 0.2]
    spec = sound(views.apart_over_k(CURVES, low, high, 2, winner, "made-up", winner > 0))
    rows = spec["data"]["values"]
    assert [(row["k"], row["low"], row["high"]) for row in rows] == list(zip((1, 2, 3), low, high))
    assert [row["difference"] for row in rows] == pytest.approx([-0.1, 0.2, 0.1])
    said = {1: "cosine is", -1: "Euclidean is", 0: "neither metric is"}[winner]
    assert words(spec) == f"By votes of 2 neighbours {said} ahead"
    assert views.apart_over_k(CURVES, low, high, 2, 0, "made-up")["layer"][0]["mark"]["type"] == "area"


@pytest.mark.parametrize("dark", [False, True])
def test_only_a_difference_whose_interval_leaves_none_out_is_coloured(dark: bool) -> None:
    rows = [
        group("cat", 0.1, 0.02, 0.18), group('a "dog"', -0.1, -0.18, -0.02), group("개", 0.05, -0.05, 0.15),
        group("<b>", 0.0, 0.0, 0.0), group("frog", 0.004, 0.001, 0.008, 4),
    ]  # fmt: skip
    spec = sound(views.by_group(rows, "class", "Class by class", "made-up", dark))
    shown = spec["data"]["values"]
    assert [row["clear"] for row in shown] == [True, True, False, False, False], "four of them are chance"
    assert [row["apart"] for row in shown] == [9, 9, 9, 9, 4]
    assert "apart" in [each["field"] for each in spec["layer"][2]["encoding"]["tooltip"]]
    assert [(row["name"], row["difference"], row["low"], row["high"]) for row in shown] == [
        (row["name"], row["difference"], row["low"], row["high"]) for row in rows
    ]
    assert (shown[0]["cosine"], shown[0]["euclidean"]) == ("90.0 %", "80.0 %")
    assert words(spec) == "Class by class"


@pytest.mark.parametrize("dark", [False, True])
def test_the_features_stand_in_the_order_given_and_no_best_is_crowned(dark: bool) -> None:
    of = {"pooled": (0.9, 0.85), "logits": (0.8, 0.95), "pixels": (0.4, 0.3), "HOG": (0.6, 0.5)}
    rows = [
        feature(name, metric, value, group="net" if name in ("pooled", "logits") else name)
        for name, both in of.items()
        for metric, value in zip(NAMES, both)
    ]
    spec = sound(views.by_feature(rows, NAMES, "made-up", dark))
    assert words(spec) == "Right votes: net 80.0–95.0 %; pixels 30.0–40.0 %; HOG 50.0–60.0 %"
    assert [(row["feature"], row["metric"], row["value"]) for row in spec["data"]["values"]] == [
        (row["feature"], NAMES[row["metric"]], row["accuracy"]) for row in rows
    ]
    assert spec["layer"][1]["encoding"]["y"]["sort"] == list(of)


def test_map_at_r_is_told_only_where_it_was_measured() -> None:
    rows = [feature("pooled", metric, 0.9, 0.75) for metric in NAMES]
    spec = sound(views.by_feature(rows, NAMES, "made-up"))
    assert [row["map"] for row in spec["data"]["values"]] == ["75.0 %, n = 200"] * 2
    told = [[each["field"] for each in spec["layer"][1]["encoding"]["tooltip"]]]
    spec = sound(views.by_feature([row | {"map_r": None} for row in rows], NAMES, "made-up"))
    told += [[each["field"] for each in spec["layer"][1]["encoding"]["tooltip"]]]
    assert ["map" in fields for fields in told] == [True, False]


def test_a_metric_has_one_colour_and_a_mark_of_its_own_on_either_ground() -> None:
    for dark in (False, True):
        colour, shape = views.keys(NAMES, dark)
        assert colour["scale"]["domain"] == shape["scale"]["domain"] == list(NAMES.values())
        assert len({*colour["scale"]["range"]}) == len({*shape["scale"]["range"]}) == 2
