"""Two rankings side by side: moves, the sentence above them, the lines between them, the votes."""

import json
import math

import altair
import pytest

from explorer.views.duel import Hit, moved, number, slope_chart, verdict, votes_chart

CLASSES = ("cat", 'a "quoted" dog', "개")


def hits(*ids: int) -> list[Hit]:
    return [Hit(each, "data:image/png;base64,AA==", CLASSES[each % 3], f"{each}.0", 1.5) for each in ids]


def test_a_move_is_a_mark() -> None:
    assert [moved(by) for by in (2, -1, 0, None)] == ["▲2", "▼1", "=", "new"]


@pytest.mark.parametrize(
    ("left", "right", "tau", "said"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0, "alike"),
        ([1, 2, 3], [4, 5, 6], math.nan, "Not one"),
        ([1, 2, 3], [1, 5, 6], math.nan, "1 of the first 3 are the same"),
        ([1, 2, 3], [2, 1, 6], -1.0, "tau of the shared ones alone −1.00"),
    ],
)
def test_the_sentence_says_what_is_seen(left: list[int], right: list[int], tau: float, said: str) -> None:
    assert said in verdict(left, right, tau)
    assert number(math.nan) == "–"


def test_a_line_joins_what_both_have_and_nothing_else() -> None:
    spec = slope_chart(hits(1, 2, 3), hits(3, 7, 1), ("cosine", "Euclidean"), 0.0, "made-up")
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    rows = spec["data"]["values"]
    assert [(row["column"], row["rank"], row["id"]) for row in rows if row["joined"]] == [
        ("cosine", 1, 1), ("cosine", 3, 3), ("Euclidean", 1, 3), ("Euclidean", 3, 1),
    ]  # fmt: skip
    assert len(rows) == 6 and not any(row["joined"] for row in rows if row["id"] in (2, 7))


@pytest.mark.parametrize("dark", [False, True])
def test_the_votes_name_the_winners_that_they_are_told(dark: bool) -> None:
    tied = {
        "cosine": (CLASSES[1], {CLASSES[0]: 2, CLASSES[1]: 2}),
        "Euclidean": (CLASSES[0], {CLASSES[0]: 4}),
    }
    spec = votes_chart(tied, CLASSES, 4, dark)
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    assert "different classes" in " ".join(spec["title"]["text"]), (
        "a tie is decided by whoever counted, not here"
    )
    assert sum(row["n"] for row in spec["data"]["values"]) == 8
    alike = votes_chart({"cosine": ("개", {"개": 1}), "Euclidean": ("개", {"개": 1})}, CLASSES, 1)
    assert "Both vote for 개" in " ".join(alike["title"]["text"])
