"""What a search costs as pictures become many: every number that is given is drawn, and none that is not."""

import json

import altair
import pytest

from explorer.views.growth import dial_chart, grown, over_n

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
    assert all(row["found"] == row["built"] == "–" for row in spec["data"]["values"]), "nobody measured them"
    colours = spec["layer"][0]["encoding"]["color"]["scale"]
    assert colours["domain"] == ["exact", 'a "graph"'] and len({*colours["range"]}) == 2


def test_what_has_no_place_on_a_logarithm_is_left_out() -> None:
    rows = [{"n": 10, "engine": "exact", "ms": 0.0}, {"n": 20, "engine": "exact"}, MEASURED[0]]
    assert [row["n"] for row in sound(over_n(rows, [], "ms", "ms", "x", "y"))["data"]["values"]] == [10_000]


def test_a_time_stands_beside_what_was_found_and_how_long_it_was_built() -> None:
    row = {"n": 50_000, "engine": "graph", "ms": 0.4, "recall": 0.9875, "seconds": 1234.56}
    spec = sound(over_n([row], ESTIMATED, "ms", "ms", "x", "y"))
    shown = [(row["found"], row["built"]) for row in spec["data"]["values"]]
    assert shown == [("98.8 %", "1,234.6 s"), ("–", "–")]
    fields = [each["field"] for each in spec["layer"][1]["encoding"]["tooltip"]]
    assert {"value", "found", "built"} <= {*fields}


def test_the_title_of_times_compares_the_sizes_that_both_were_measured_at() -> None:
    def row(engine: str, n: int, ms: float, recall: float = 1.0) -> dict:
        return {"engine": engine, "n": n, "ms": ms, "recall": recall}

    rows = [
        row("flat", 1_000, 1.0), row("flat", 10_000, 2.0), row("hnsw", 10_000, 0.5, 0.99),
        row("flat", 80_000, 30.0), row("hnsw", 80_000, 2.0, 0.75), row("flat", 1_000_000, 400.0),
    ]  # fmt: skip
    assert grown(rows, 10) == (
        "From 10,000 to 80,000 vectors exact search takes 15.0 times as long, the HNSW graph 4.0 times; there it "
        "finds 75.0 % of the 10 nearest"
    )
    assert grown(rows[:3], 10) == grown(rows[:2], 10) == "Time of one query"


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
