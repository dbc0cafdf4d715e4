"""What a search costs as pictures become many: every number that is given is drawn, and none that is not."""

import json

import altair
import pytest

from explorer.views.growth import dial_chart, over_n

MEASURED = [
    {"n": 10_000, "engine": "exact", "ms": 1.5, "gb": 0.02},
    {"n": 50_000, "engine": "exact", "ms": 8.0, "gb": 0.1},
    {"n": 50_000, "engine": 'a "graph"', "ms": 0.4, "gb": 0.12},
]
ESTIMATED = [{"n": 1_000_000_000, "engine": "exact", "ms": 160_000.0, "gb": 2048.0}]
DIAL = [
    {"ef": 16, "recall": 0.91, "p50_ms": 0.1, "p95_ms": 0.2},
    {"ef": 64, "recall": 0.995, "p50_ms": 0.3, "p95_ms": 0.4},
    {"ef": 256, "recall": 1.0, "p50_ms": 0.9, "p95_ms": 1.1},
]


def sound(spec: dict) -> dict:
    """The chart itself, after a look at whether a browser could draw it."""
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    return spec


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("field", ["ms", "gb"])
def test_measured_and_estimated_are_told_apart(field: str, dark: bool) -> None:
    spec = sound(over_n(MEASURED, ESTIMATED, field, field, "It grows", "made-up", dark))
    assert spec["title"]["text"] == ["It grows"] and spec["title"]["subtitle"] == ["made-up"]
    assert [
        (row["n"], row["engine"], row["value"], row["how"]) for row in spec["data"]["values"]
    ] == [(row["n"], row["engine"], row[field], "measured") for row in MEASURED] + [
        (row["n"], row["engine"], row[field], "estimated") for row in ESTIMATED
    ]  # fmt: skip
    colours = spec["layer"][0]["encoding"]["color"]["scale"]
    assert colours["domain"] == ["exact", 'a "graph"'] and len({*colours["range"]}) == 2


def test_what_has_no_place_on_a_logarithm_is_left_out() -> None:
    rows = [{"n": 10, "engine": "exact", "ms": 0.0}, {"n": 20, "engine": "exact"}, MEASURED[0]]
    assert [row["n"] for row in sound(over_n(rows, [], "ms", "ms", "x", "y"))["data"]["values"]] == [10_000]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ef", [16, 64, 256])
def test_the_dial_says_what_the_chosen_ef_finds(ef: int, dark: bool) -> None:
    spec = sound(dial_chart(DIAL, 2.0, ef, "made-up", dark))
    row = next(row for row in DIAL if row["ef"] == ef)
    assert " ".join(spec["title"]["text"]) == (
        f"ef {ef}: {100 * row['recall']:.1f} % found in {row['p50_ms']:.2f} ms, exact search takes 2.00 ms"
    )
    assert spec["data"]["values"] == DIAL
    assert spec["layer"][0]["data"]["values"] == [{"p50_ms": 2.0}]
    low, high = spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert low < 0.91 and high == 1
    framed = [layer["transform"][0]["filter"] for layer in spec["layer"] if "transform" in layer]
    assert framed == [f"datum.ef == {ef}"]
