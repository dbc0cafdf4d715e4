"""The chart of three arrows: what it says is what the metrics say, and nothing leaves its square."""

import json

import altair
import numpy as np
import pytest

from explorer.analysis.plane import Arrow, cosine, distance
from explorer.ui.plane import FIRST
from explorer.views.plane import nearer, plane_chart, verdict

BEGIN = [Arrow(*FIRST[name]) for name in "xyz"]


def test_at_first_the_metrics_disagree_and_at_length_one_they_agree() -> None:
    assert nearer(*BEGIN) == {"cosine": "Y", "euclidean": "Z"}
    assert verdict(*BEGIN) == "Cosine calls Y nearer to X, Euclidean calls Z nearer"
    assert set(nearer(*(arrow.unit for arrow in BEGIN)).values()) == {"Y"}


def test_on_the_unit_circle_they_never_disagree() -> None:
    rng = np.random.default_rng(0)
    apart = 0
    for _ in range(300):
        arrows = [Arrow(rng.uniform(0, 90), rng.uniform(0.2, 6)) for _ in range(3)]
        said = nearer(*arrows)
        apart += said["cosine"] != said["euclidean"]
        unit = nearer(*(arrow.unit for arrow in arrows))
        assert unit["cosine"] == unit["euclidean"] == said["cosine"]
    assert apart > 50, "and on others they often do"


def test_a_tie_is_called_one() -> None:
    x, y, z = Arrow(30, 2), Arrow(50, 2), Arrow(10, 2)
    assert nearer(x, y, z) == {"cosine": None, "euclidean": None} and "A tie: for both" in verdict(x, y, z)


@pytest.mark.parametrize(
    ("y", "z", "said"),
    [
        (Arrow(30, 2.5), Arrow(60, 5), "For cosine Y and Z are equally near to X, Euclidean calls Y nearer"),
        (Arrow(30, 5), Arrow(60, 2.5), "For cosine Y and Z are equally near to X, Euclidean calls Z nearer"),
        (Arrow(45, 3.5), Arrow(45, 1.5), "A tie: for both metrics Y and Z are equally near to X"),
        (
            Arrow(45, 2.5 + 2.5 * 2**0.5),
            Arrow(135, 2.5),
            "For Euclidean Y and Z are equally near to X, cosine calls Y nearer",
        ),
    ],
)
def test_a_tie_of_one_metric_says_which_and_what_the_other_says(y: Arrow, z: Arrow, said: str) -> None:
    assert verdict(Arrow(45, 2.5), y, z) == said


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("arrows", [BEGIN, [Arrow(0, 0.2), Arrow(90, 6), Arrow(45, 0)], [Arrow(90, 6)] * 3])
def test_a_chart_is_valid_and_holds_all_of_it(arrows: list[Arrow], dark: bool) -> None:
    spec = plane_chart(*arrows, dark=dark)
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    x, y = (spec["layer"][0]["encoding"][side]["scale"]["domain"] for side in "xy")
    assert x[1] - x[0] == pytest.approx(y[1] - y[0]), "a circle must look like one"
    for layer in spec["layer"]:
        for row in layer["data"]["values"]:
            assert x[0] <= row["x"] <= x[1] and y[0] <= row["y"] <= y[1]
    printed = [row["words"] for row in spec["layer"][-1]["data"]["values"]]
    assert printed == [f"{distance(arrows[0], other):.2f}" for other in arrows[1:]]
    angles = len(spec["layer"][-2]["data"]["values"])
    assert angles == sum(bool(arrows[0].length and other.length) for other in arrows[1:])
    assert all(-1 <= cosine(arrows[0], other) <= 1 for other in arrows)
