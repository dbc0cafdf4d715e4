"""Charts of trust: valid Vega-Lite, numbers that are the dataclass's, and a title that says who wins."""

import json

import altair
import numpy as np
import pytest

from explorer import text
from explorer.analysis.contest import WHO, Contest, Duel
from explorer.analysis.deletion import Curves
from explorer.analysis.faithfulness import Trust
from explorer.views import faithfulness, style

GROUNDS = {False: "#FFFFFF", True: "#14161A"}
STEPS = np.linspace(0, 1, 33)


@pytest.fixture(params=["en", "ko"])
def language(request):
    text.set_language(request.param)
    yield request.param
    text.set_language("en")


def falling(power: float) -> Curves:
    """Two pictures; of the second the curves are exchanged."""
    sooner, later = (1 - STEPS) ** power, STEPS ** (1 / power)
    return Curves(np.stack([sooner, later]), np.stack([later, sooner]))


def duel(difference: float, width: float = 0.05) -> Duel:
    return Duel(difference, difference - width, difference + width, 0.6)


def contest(random: float, centre: float, n: int = 500, data: str = "cifar10-sheet") -> Contest:
    gaps = {who: np.full(n, 0.1) for who in WHO}
    aucs = dict.fromkeys(WHO, 0.4)
    duels = {"random": duel(random), "centre": duel(centre)}
    return Contest("cam", "layer4", "mean", 0, 1000, gaps, aucs, aucs, duels, "s", data, "f")


def title_of(spec: dict) -> str:
    return " ".join(spec["title"]["text"])


def charts(dark: bool) -> list[dict]:
    return [
        faithfulness.curves_chart(falling(3), "net-a", dark),
        faithfulness.contest_chart({"net-a": contest(0.2, -0.1), "net-b": contest(0.2, 0.0)}, dark),
        faithfulness.contest_chart({"net-a": contest(0.2, 0.1)}, dark),
    ]


@pytest.mark.parametrize("dark", GROUNDS)
def test_every_chart_is_valid_vega_lite_and_json_with_a_message(dark: bool, language: str) -> None:
    for spec in charts(dark):
        altair.Chart.from_dict(spec, validate=True)
        json.dumps(spec, allow_nan=False)
        assert title_of(spec) and "n = " in " ".join(spec["title"]["subtitle"])


@pytest.mark.parametrize("dark", GROUNDS)
def test_lines_names_and_intervals_stand_out_on_either_ground(dark: bool) -> None:
    curves, several, _ = charts(dark)
    used = set(curves["layer"][0]["encoding"]["color"]["scale"]["range"])
    assert used == {layer["mark"]["color"] for layer in curves["layer"][1:]} and len(used) == 2
    used |= set(several["layer"][1]["encoding"]["color"]["scale"]["range"])
    assert all(style.contrast(colour, GROUNDS[dark]) >= 3 for colour in used)


def test_the_curves_are_those_of_the_picture_and_both_are_named_beside_them() -> None:
    found = falling(3)
    for at in (0, 1):
        spec = faithfulness.curves_chart(found, "net-a", at=at)
        drawn = {name: [row["p"] for row in spec["data"]["values"] if row["curve"] == name]
                 for name in ("insertion", "deletion")}  # fmt: skip
        assert drawn == {"insertion": found.insertion[at].tolist(), "deletion": found.deletion[at].tolist()}
        assert [row["share"] for row in spec["data"]["values"][:33]] == pytest.approx(STEPS)
        names = [layer["data"]["values"][0]["label"] for layer in spec["layer"][1:]]
        assert names == ["insertion", "deletion"]
        for auc in (found.insertion_auc[at], found.deletion_auc[at]):
            assert f"{auc:.3f}" in title_of(spec)


def test_a_badge_is_drawn_as_its_curves() -> None:
    found = falling(3)
    badge = Trust(0.5, 0.2, 0.3, 0.1, 0.9, 0.8, found)
    assert faithfulness.curves_chart(badge, "net-a") == faithfulness.curves_chart(found, "net-a")


def test_the_title_says_whether_what_the_map_marks_counts() -> None:
    good, bad = (title_of(faithfulness.curves_chart(falling(3), "net-a", at=at)) for at in (0, 1))
    assert "is likelier than without it" in good and "is no likelier than without it" in bad


@pytest.mark.parametrize("seed", range(8))
def test_names_stand_inside_beside_their_own_line_and_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = Curves(*(np.clip(rng.random((1, 33)).cumsum(1) / 16 * side, 0, 1) for side in (1, 0.5)))
    spec = faithfulness.curves_chart(found, "net-a")
    (one, other) = (layer["data"]["values"][0] for layer in spec["layer"][1:])
    for name, line in ((one, found.insertion[0]), (other, found.deletion[0])):
        assert 0.1 < name["share"] < 0.9 and 0 < name["p"] < 1
        assert abs(np.interp(name["share"], STEPS, line) - name["p"]) == pytest.approx(faithfulness.NAME[1])
    assert abs(one["share"] - other["share"]) > 0.2 or abs(one["p"] - other["p"]) > 0.1


def test_flat_curves_are_drawn_too() -> None:
    for level in (0.0, 0.5, 1.0):
        flat = np.full((1, 33), level)
        altair.Chart.from_dict(faithfulness.curves_chart(Curves(flat, flat), "net-a"), validate=True)


def test_points_and_intervals_are_the_contests() -> None:
    rows = {"net-a": contest(0.2, -0.1), "net-b": contest(0.3, 0.02)}
    values = faithfulness.contest_chart(rows)["data"]["values"]
    assert [(row["checkpoint"], row["difference"], row["verdict"]) for row in values] == [
        ("net-a", 0.2, 1), ("net-a", -0.1, -1), ("net-b", 0.3, 1), ("net-b", 0.02, 0),
    ]  # fmt: skip
    assert all(row["low"] < row["difference"] < row["high"] for row in values)
    assert [row["label"] for row in values[:2]] == ["net-a\nrandom maps", "net-a\na blob in the middle"]
    alone = faithfulness.contest_chart({"net-a": contest(0.2, -0.1)})
    assert [row["label"] for row in alone["data"]["values"]] == ["random maps", "a blob in the middle"]
    assert alone["layer"][0]["data"]["values"] == [{"zero": 0}]


@pytest.mark.parametrize(
    ("random", "centre", "said"),
    [
        (0.2, 0.1, "better than random maps and better than pointing at the middle"),
        (0.2, 0.01, "better than random maps and about as good as pointing at the middle"),
        (0.2, -0.1, "better than random maps and worse than pointing at the middle"),
        (-0.01, -0.1, "about as good as random maps and worse than pointing at the middle"),
        (-0.2, 0.1, "worse than random maps and better than pointing at the middle"),
    ],
)
def test_the_title_says_who_wins(random: float, centre: float, said: str) -> None:
    spec = faithfulness.contest_chart({"net-a": contest(random, centre)})
    assert title_of(spec) == f"net-a: the maps are {said}"


def test_checkpoints_that_came_out_alike_share_a_sentence() -> None:
    rows = {"net-a": contest(0.2, 0.1), "net-b": contest(0.3, 0.2, n=359, data="digits")}
    spec = faithfulness.contest_chart(rows)
    assert title_of(spec).startswith("net-a, net-b: the maps are better") and ";" not in title_of(spec)
    assert "cifar10-sheet, digits, test · n = 500, 359" in " ".join(spec["title"]["subtitle"])
    apart = title_of(faithfulness.contest_chart(rows | {"net-b": contest(0.3, -0.2)}))
    assert apart.count("the maps are") == 2 and "; net-b:" in apart
