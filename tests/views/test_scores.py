"""Charts of what scores are worth."""

from itertools import pairwise

import altair
import numpy as np
import pytest

from explorer.views import scores

CURVE = [(1250, 42 + 26_000 / 1250), (2500, 42 + 26_000 / 2500), (5000, 42 + 26_000 / 5000)]
ROW = {"kind": "blur", "n": 1000, "reference_n": 50_000, "fid": 40.0, "kid": 0.01, "precision": 0.7, "recall": 0.6,
       "density": 1.0, "coverage": 0.9}  # fmt: skip
WAYS = [
    {
        "sampler": way,
        "steps": steps,
        "guidance": 1.0,
        "fid": fid,
        "n": 2000,
        "reference_n": 50_000,
        "milliseconds": ms,
    }
    for way, steps, fid, ms in (("ddim", 10, 60.0, 30.0), ("ddim", 100, 48.0, 300.0), ("dpm", 20, 49.0, 61.0))
]


def sound(spec: dict) -> dict:
    """Vega-Lite takes it."""
    altair.Chart.from_dict({"data": {"values": []}, **spec})
    return spec


def text_of(spec: dict) -> str:
    return " ".join(spec["title"]["text"])


def test_every_model_has_its_limit_with_the_error_where_there_is_one() -> None:
    table = scores.limits({"a": CURVE, "b": CURVE[:2]}, (50_000, "train"))
    rows = list(zip(*table.values()))
    assert rows == [
        ("**a**", "47.20", "FID-5k against 50k train", "42.00 ± 0.00"),
        ("**b**", "52.40", "FID-2,500 against 50k train", "42.00"),
    ]


@pytest.mark.parametrize("dark", [False, True])
def test_fid_over_n_says_the_number_at_n_and_the_limit(dark: bool) -> None:
    spec = sound(scores.over_n({"a": CURVE, "b": [(n, value + 10) for n, value in CURVE]}, 10_000, dark))
    assert "a: by the fitted line FID 44.60 by 10,000 pictures, 42.00 by" in text_of(spec)
    points = spec["layer"][1]["data"]["values"]
    assert len(points) == 6 and {row["name"] for row in points} == {"a", "b"}
    line = [row for row in spec["layer"][0]["data"]["values"] if row["name"] == "a"]
    assert any(row["n"] == 10_000 and row["fid"] == pytest.approx(44.6) for row in line)


def test_what_was_measured_at_n_is_said_as_it_stands_in_the_table() -> None:
    bent = [(1250, 60.0), (2500, 52.0), (5000, 47.9)]
    assert "a: FID 47.90 by 5,000 pictures" in text_of(scores.over_n({"a": bent}, 5000))
    assert next(iter(zip(*scores.limits({"a": bent}, (50_000, "train")).values())))[1] == "47.90"


def test_a_bias_is_one_where_the_slope_exceeds_its_error() -> None:
    """The digits' own: -471 and 480 with errors of 859 and 634 are none; 1741 with 1366 is one."""
    assert scores.biased(CURVE) and scores.biased(CURVE[:2])
    for slope in (-20_000, 0, 500):
        assert not scores.biased([(n, 72 + slope / n + wobble) for (n, _), wobble in zip(CURVE, (1, -3, 2))])
    inverse = np.array([1 / n for n, _ in CURVE])
    values = np.array([60.0, 52.0, 50.0])
    design = np.stack([np.ones(3), inverse], 1)
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    error = np.sqrt(
        rest @ rest * np.linalg.inv(design.T @ design)[1, 1]
    )  # the textbook's, one degree of freedom
    steepness = np.linalg.lstsq(design, values, rcond=None)[0][1]
    for share in (0.99, 1.01):
        tilted = values + (share * error - steepness) * inverse
        assert scores.biased([(n, value) for (n, _), value in zip(CURVE, tilted)]) == (share > 1)


@pytest.mark.parametrize("n", [100, 500, 5000, 50_000])
def test_the_line_is_drawn_closely_as_far_as_it_is_looked_at(n: int) -> None:
    spec = scores.over_n({"a": CURVE}, n, reference=(50_000, "train"))
    sizes = [row["n"] for row in spec["layer"][0]["data"]["values"]]
    assert sizes[0] == min(n, 500) and sizes[-1] == max(n, 5000) and n in sizes
    assert max(b / a for a, b in pairwise(sizes)) < 1.3
    assert spec["layer"][0]["encoding"]["y"]["title"] == "FID against 50k train"
    assert ("Fewer than 2,048" in " ".join(spec["title"]["subtitle"])) == (n < 2048)


def test_a_fault_has_four_measures_in_order_of_strength_and_the_point_of_now() -> None:
    rows = [ROW | {"strength": strength, "fid": 40 + 10 * strength} for strength in (2, 0, 1)]
    specs = scores.faults(rows, "sigma", None)
    assert list(specs) == list(scores.MEASURES)
    for measure, spec in specs.items():
        assert sound(spec)["width"] == "container", "it fits a phone"
        assert spec["layer"][0]["encoding"]["y"]["field"] == measure and len(spec["layer"]) == 1
        assert [row["strength"] for row in spec["data"]["values"]] == [0, 1, 2]
    assert scores.fault_words(rows).startswith("From 0 to 2: FID 40 to 60")
    assert scores.strength_words(rows[2], "Blur") == "Blur 1: FID 50, KID 0.01, precision 0.7, recall 0.6"
    marked = sound(scores.faults(rows, "sigma", None, at=1)["kid"])
    assert marked["layer"][1]["data"]["values"] == [{"strength": 1}]
    live = sound(scores.faults(rows, "sigma", ROW | {"strength": 1.5})["fid"])
    assert live["layer"][1]["data"]["values"][0]["strength"] == 1.5
    assert scores.live_words(ROW | {"strength": 1.5}, "Blur", "kid") == (
        "measured here (diamond): Blur 1.5, KID 0.01, n = 1,000"
    )


def test_factors_stand_on_a_logarithmic_axis_so_that_small_ones_are_apart() -> None:
    rows = [ROW | {"kind": "repeats", "strength": strength} for strength in (1, 2, 5, 20, 100)]
    for spec in scores.faults(rows, "times each", None, factor=True).values():
        x = sound(spec)["layer"][0]["encoding"]["x"]
        assert x["scale"]["type"] == "log" and x["axis"]["values"] == [1, 2, 5, 20, 100]
    alone = scores.faults([], "times each", rows[1], factor=True)["fid"]
    assert (
        sound(alone)["layer"][1]["data"]["values"] == [rows[1]]
        and "values" not in alone["layer"][0]["encoding"]["x"]["axis"]
    )


def test_the_source_of_a_fault_says_against_how_many_each_score_is() -> None:
    said = scores.fault_source(ROW | {"compared_with": 5000, "strength": 0})
    assert "CIFAR-10, n = 1,000 test pictures each; FID against 50,000 training pictures" in said
    assert "KID, precision and recall against 5,000 of these" in said and said.endswith("mostly bias.")
    older = scores.fault_source(ROW | {"n": 5000, "strength": 0})  # of a job from before this was told
    assert "KID" not in older and "bias" not in older


def test_time_against_fid_names_the_best_and_the_quickest() -> None:
    spec = sound(scores.time_against_fid(WAYS))
    assert "Best: ddim 100, FID 48.0 in 300 ms; quickest: ddim 10, FID 60.0 in 30 ms" in text_of(spec)
    assert len(spec["data"]["values"]) == 3
    assert spec["layer"][0]["encoding"]["y"]["title"] == "FID-2k against 50k train"
    assert "Fewer than 2,048" in " ".join(spec["title"]["subtitle"])
