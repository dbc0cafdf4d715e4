"""The charts of two nets over their moments and of what they draw."""

import json
import math
from typing import Any

import altair
import pytest

from explorer.views import gan_game as views

CLASSES = tuple("abcdefghij")


def row(images: int, **values: Any) -> dict:
    return {"images": images, "step": images // 128, **values}


def scored(images: int, fid: float) -> dict:
    return row(
        images,
        fid=fid,
        fid_n=1000,
        reference_n=50_000,
        duplicate_rate=0.25,
        entropy_share=0.5,
        d_accuracy=0.9,
    )


NETS = {
    "plain": [scored(1_000, 300.0), scored(10_000, 200.0), scored(900_000, 350.5)],
    "healthy": [scored(1_200, 290.0), scored(500_000, 60.0)],
}


def values_of(layer: dict) -> list:
    return [value for each in layer["data"]["values"] for value in each.values()]


def words(spec: dict) -> str:
    return " ".join(spec["title"]["text"])


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows", [None, {}, "rows", 7, [None, 3, "x"], [{}], [{"images": None}], [{"images": "x"}],
             [{"images": math.nan}, {"images": math.inf}, {"images": -5}, {"images": 0}]],
)  # fmt: skip
def test_rows_that_say_no_moment_are_none(rows: object) -> None:
    assert views.moments_of(rows) == []


def test_moments_are_ascending_and_the_nearest_is_so_in_proportion() -> None:
    rows = views.moments_of([row(10_000), {"step": 3}, row(100), row(1_000)])
    assert [each["images"] for each in rows] == [100, 1_000, 10_000]
    assert [views.nearest(rows, at) for at in (1, 300, 330, 4_000, 10**9)] == [0, 0, 1, 2, 2]


def test_every_chart_is_valid_vega_lite_and_json_with_a_message() -> None:
    counts = {"plain": [50, 0, 0, 0, 0, 0, 0, 0, 25, 25], "healthy": [10] * 10}
    specs = [
        *views.stack(NETS, 10_000).values(),
        *views.stack({"plain": NETS["plain"][:1]}, 1_000, dark=True).values(),
        views.histogram(counts, CLASSES),
    ]
    for spec in specs:
        altair.Chart.from_dict(spec, validate=True)
        json.dumps(spec, allow_nan=False)
        assert words(spec)
    with pytest.raises(Exception, match="no such mark"):
        altair.Chart.from_dict({**specs[0], "layer": [{"mark": "no such mark"}]}, validate=True)


def test_the_stack_shares_its_axis_its_rule_and_one_legend() -> None:
    specs = views.stack(NETS, 10_000)
    assert list(specs) == ["fid", "duplicate_rate", "entropy_share", "d_accuracy"]
    domains, legends, labelled, rules = [], [], [], []
    for spec in specs.values():
        encoding = spec["layer"][-1]["encoding"]
        domains.append(tuple(encoding["x"]["scale"]["domain"]))
        legends.append(bool(encoding["color"]["legend"]))
        labelled.append(encoding["x"]["axis"]["labels"])
        rules += [values_of(layer) for layer in spec["layer"] if "moment" in str(layer.get("data"))]
        assert encoding["x"]["scale"]["type"] == "log"
        assert encoding["y"]["axis"]["minExtent"] == encoding["y"]["axis"]["maxExtent"]
    assert len(set(domains)) == 1 and domains[0][0] < 1_000 and domains[0][1] > 900_000
    assert legends == [True, False, False, False] and labelled == [False, False, False, True]
    assert rules == [[10_000.0]] * 4


def test_a_title_says_the_number_of_the_moment_with_n() -> None:
    fid = views.stack(NETS, 10_000)["fid"]
    assert words(fid) == "FID-1k against 50k train"
    said = " ".join(fid["title"]["subtitle"])
    assert said.startswith("plain 200.0 · healthy 290.0 · Fewer than 2,048") and said.endswith("mostly bias.")
    many = {name: [each | {"fid_n": 5000} for each in rows] for name, rows in NETS.items()}
    assert views.stack(many, 10_000)["fid"]["title"]["subtitle"] == ["plain 200.0 · healthy 290.0"]
    assert views.stack(NETS, 900_000)["d_accuracy"]["title"]["subtitle"] == ["plain 90.0 % · healthy 90.0 %"]
    other = {**NETS, "healthy": [{**NETS["healthy"][0], "fid_n": 5000}]}
    assert "FID-1k against 50k train / FID-5k against 50k train" in words(views.stack(other, 1)["fid"])


def test_what_no_row_has_is_no_chart_and_what_one_lacks_is_no_point() -> None:
    nets = {"plain": [row(10, entropy_share=0.2), row(20, entropy_share=None, fid="x")], "healthy": [row(10)]}
    assert list(views.stack(nets, 10)) == ["entropy_share"]
    spec = views.over_time(nets, "entropy_share", 20)
    assert [(point["net"], point["images"]) for point in spec["data"]["values"]] == [("plain", 10)]
    assert spec["title"]["subtitle"] == ["plain – · healthy –"]
    assert views.over_time({"plain": [], "healthy": []}, "fid", 10) is None


def test_where_fid_is_missing_the_first_chart_says_why() -> None:
    few = {
        "few": [row(10, n=140, entropy_share=0.2), row(20, n=140)],
        "late": [row(10, n=1000), scored(20, 3.0)],
    }
    assert views.unscored(few | NETS) == [
        "few: no FID of 140 pictures a moment; it needs at least 500.",
        "late: no FID yet: python -m explorer runs moments RUN late",
    ]
    first, *others = views.stack({"few": few["few"]}, 10).values()
    assert "needs at least 500" in " ".join(first["title"]["subtitle"]) and not others
    both = list(views.stack(few, 10).values())
    assert ["no FID" in " ".join(spec["title"]["subtitle"]) for spec in both] == [
        True,
        *[False] * (len(both) - 1),
    ]


# --- what they draw ---------------------------------------------------------------------------------------------------


def test_the_title_of_the_classes_says_what_is_left_out() -> None:
    spec = views.histogram({"plain": [60, 0, 0, 0, 0, 0, 0, 0, 20, 20], "healthy": [10] * 10}, CLASSES)
    assert words(spec) == "plain leaves 7 of 10 classes out; 60.0 % of it is “a”"
    assert " ".join(spec["title"]["subtitle"]).startswith("plain: n = 100 · healthy: n = 100")
    shares = [each["share"] for each in spec["data"]["values"]]
    assert len(shares) == 20 and sum(shares) == pytest.approx(2)
    assert values_of(spec["layer"][-1]) == [0.1]
    assert "draws all 10 classes" in words(views.histogram({"healthy": [10] * 10}, CLASSES))


@pytest.mark.parametrize(
    "counts", [None, [], [1, 2], [0] * 10, [-1, *[5] * 9], ["x"] * 10, "0123456789", 7, [math.nan] * 10]
)
def test_counts_that_are_none_are_left_out(counts: object) -> None:
    assert views.histogram({"plain": counts}, CLASSES) is None
    spec = views.histogram({"plain": counts, "healthy": [10] * 10}, CLASSES)
    assert {each["net"] for each in spec["data"]["values"]} == {"healthy"}
