"""The benchmarks of speed: what they check first, print, write and end with. No bar is measured."""

import json
import math
import sys
from pathlib import Path

import pytest

from benchmarks import ddpm_speed, drawing_times, fid_speed, retrieval_growth, retrieval_speed
from explorer import checkpoints, models
from explorer.analysis import features, samplers
from explorer.text import Missing
from tests.made_up import SCORES, made_up_generator


def never(*_: object) -> None:
    raise AssertionError("work was done")


@pytest.fixture(autouse=True)
def nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    for script in (ddpm_speed, drawing_times, fid_speed):
        monkeypatch.setattr(script.device, "set_threads", lambda: 1)


@pytest.mark.parametrize(("median", "code", "word"), [(1.8, 0, "; met"), (1.79, 1, "MISSED")])
def test_fid_speed_ends_with_1_below_its_bar(
    median: float, code: int, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(fid_speed.source, "get_weights", lambda: None)
    monkeypatch.setattr(fid_speed, "measure", lambda batch, rounds: {"median": median})
    monkeypatch.setattr(sys, "argv", ["fid_speed.py", "--rounds", "3", "--json", str(tmp_path / "a.json")])
    assert fid_speed.main() == code and word in capsys.readouterr().out
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["median"], found["rounds"], found["threads"]) == (median, 3, 1)


def test_fid_speed_says_first_that_the_weights_cannot_be_had(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def missing() -> None:
        raise Missing("The weights are not here.")

    monkeypatch.setattr(fid_speed.source, "get_weights", missing)
    monkeypatch.setattr(fid_speed, "measure", never)
    monkeypatch.setattr(sys, "argv", ["fid_speed.py"])
    assert fid_speed.main() == 1 and capsys.readouterr().err == "The weights are not here.\n"


@pytest.mark.parametrize(("median", "code", "word"), [(2.0, 0, "; met"), (1.99, 1, "MISSED")])
def test_ddpm_speed_ends_with_1_below_its_bar(
    median: float, code: int, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(ddpm_speed, "speeds", lambda *_: {"ours": [2.0], "theirs": [1.0], "median": median})
    monkeypatch.setattr(ddpm_speed, "after", never)
    monkeypatch.setattr(sys, "argv", ["ddpm_speed.py", "--json", str(tmp_path / "a.json")])
    assert ddpm_speed.main() == code and word in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["median"] == median


def test_ddpm_speed_tells_the_speeds_before_it_trains_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    said = []

    def after(minutes: float, model: str, batch: int, speed: float) -> dict:
        said.append((model, speed, capsys.readouterr().out, json.loads((tmp_path / "a.json").read_text())))
        if model == "unet2d":
            raise KeyboardInterrupt
        return {"fid_2k": 50.0}

    monkeypatch.setattr(ddpm_speed, "speeds", lambda *_: {"ours": [2.0], "theirs": [1.0], "median": 2.0})
    monkeypatch.setattr(ddpm_speed, "after", after)
    monkeypatch.setattr(ddpm_speed.data, "load", lambda *_: None)
    monkeypatch.setattr(ddpm_speed.weights, "weights", lambda: None)
    argv = ["ddpm_speed.py", "--minutes", "20", "--json", str(tmp_path / "a.json")]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(KeyboardInterrupt):
        ddpm_speed.main()
    ours, theirs = said
    assert ours[:2] == ("ddpm", 2.0) and "2.00 times as many" in ours[2] and ours[3]["median"] == 2.0
    assert theirs[:2] == ("unet2d", 1.0) and "'fid_2k': 50.0" in theirs[2]
    assert theirs[3]["ours trained"] == {"fid_2k": 50.0}


@pytest.mark.parametrize("lacks", ["data", "weights"])
def test_ddpm_speed_checks_data_and_weights_before_it_measures(
    lacks: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def missing(*_: object) -> None:
        raise Missing("It is not here.")

    monkeypatch.setattr(ddpm_speed.data, "load", missing if lacks == "data" else lambda *_: None)
    monkeypatch.setattr(ddpm_speed.weights, "weights", missing)
    monkeypatch.setattr(ddpm_speed, "speeds", never)
    monkeypatch.setattr(sys, "argv", ["ddpm_speed.py", "--minutes", "20"])
    assert ddpm_speed.main() == 1 and capsys.readouterr().err == "It is not here.\n"


def test_drawing_times_replaces_the_times_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    scored = {"samples": SCORES | {"steps": 2, "guidance": 1.5, "milliseconds": -1.0}}
    drawn = {"task": "diffusion", "model": "ddpm", "model_args": {"widths": [16, 32]}, "metrics": scored}
    card = made_up_generator(tmp_path, "digits-ddpm", **drawn)
    rows = [
        {"sampler": "ddim", "steps": steps, "guidance": 1.5, "fid": 7.5, "milliseconds": -1.0}
        for steps in (1, 20)
    ]
    table = json.dumps({"device": "another", "processes": 2, "rows": rows}).encode()
    checkpoints.update(tmp_path / card.name, card, {samplers.FILE: table})
    made_up_generator(tmp_path, "digits-vae")  # not scored: has no times
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(drawing_times, "COUNT", {"diffusion": 4})
    before = (tmp_path / card.name / samplers.FILE).read_bytes()

    monkeypatch.setattr(sys, "argv", ["drawing_times.py"])
    drawing_times.main()
    said = capsys.readouterr().out
    assert "digits-ddpm: " in said and "ddim 20: " in said and "digits-vae" not in said
    assert (tmp_path / card.name / samplers.FILE).read_bytes() == before

    monkeypatch.setattr(sys, "argv", ["drawing_times.py", "--write"])
    drawing_times.main()
    found = checkpoints.load(card.name)  # the manifest fits
    now = found.card.metrics["samples"]
    assert now["milliseconds"] > 0 and now == scored["samples"] | {
        key: now[key] for key in ("milliseconds", "device")
    }
    kept = json.loads((tmp_path / card.name / samplers.FILE).read_text())
    assert (kept["device"], kept["processes"]) == (now["device"], 1)
    assert [row | {"milliseconds": -1.0} for row in kept["rows"]] == rows
    one, twenty = (row["milliseconds"] for row in kept["rows"])
    assert 0 < one < twenty


MEASURED = [
    {"engine": "flat", "n": 10_000, "ms": 1.0},
    {"engine": "hnsw", "n": 10_000, "ms": 0.3},
    {"engine": "flat", "n": 1_000_000, "ms": 90.0},
    {"engine": "hnsw", "n": 200_000, "ms": 0.5},
]


def test_retrieval_growth_extrapolates_from_the_largest_that_was_measured() -> None:
    found = {(row["engine"], row["n"]): row for row in retrieval_growth.extrapolated(MEASURED, 512)}
    assert [n for engine, n in found if engine == "flat"] == [100_000_000, 1_000_000_000]
    assert [n for engine, n in found if engine == "hnsw"] == [1_000_000, 100_000_000, 1_000_000_000]
    assert found["flat", 1_000_000_000]["ms"] == pytest.approx(90_000)  # with the number
    grown = 0.5 * math.log(1e9) / math.log(2e5)  # with its logarithm
    assert found["hnsw", 1_000_000_000]["ms"] == pytest.approx(grown)
    assert found["flat", 1_000_000_000]["bytes"] == 2_048_000_000_000
    others = [row for (engine, _), row in found.items() if engine.startswith("ivf")]
    assert len(others) == 2 * len(retrieval_growth.AT) and not any("ms" in row for row in others)
    assert found["ivf-pq64", 1_000_000_000]["choose"]


def test_retrieval_growth_writes_what_was_measured_up_to_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def measure(n: int, d: int) -> list[dict]:
        rows = [retrieval_growth._row("flat", n, n / 1e4, 2.0, 4 * n * d, 0.0, 1.0) | {"batch_ms": 0.1}]
        return [*rows, retrieval_growth._row("hnsw", n, 0.3, 0.4, 5 * n * d, 7.0, 0.98765)]

    monkeypatch.setattr(retrieval_growth, "measure", measure)
    out = tmp_path / "growth.json"
    monkeypatch.setattr(sys, "argv", ["retrieval_growth.py", "--most", "50000", "--out", str(out)])
    retrieval_growth.main()
    table = json.loads(out.read_text())
    assert table["measured"] == [*measure(10_000, 512), *measure(50_000, 512)]
    assert table["estimated"] == retrieval_growth.extrapolated(table["measured"], 512)
    assert (table["dimension"], table["k"], table["ef"]) == (512, 10, retrieval_growth.hnsw.EF)
    said = capsys.readouterr().out
    assert "recall 0.9877" in said and "1,000,000,000 ivf-pq64" in said


BARS = {("cosine", 1): 3, ("euclidean", 1): 2, ("cosine", 1000): 1.3, ("euclidean", 1000): 1.3}


@pytest.mark.parametrize("how", ["slow", "wrong"])
@pytest.mark.parametrize("missed", [None, *BARS])
def test_retrieval_speed_ends_with_1_below_any_of_its_bars(
    missed: tuple[str, int] | None, how: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def compare(vectors: object, queries: list, metric: str, *_: object) -> dict:
        fault = how if (metric, len(queries)) == missed else ""
        ratio = BARS[metric, len(queries)] - (0.01 if fault == "slow" else 0)
        return {"ours": 1.0, "theirs": 2.0, "ratio": ratio, "agree": 0.999 if fault == "wrong" else 1.0}

    monkeypatch.setattr(retrieval_speed, "compare", compare)
    monkeypatch.setattr(retrieval_speed, "N", 20)  # nobody looks at the vectors
    monkeypatch.setattr(sys, "argv", ["retrieval_speed.py", "--n", "20"])
    assert retrieval_speed.main() == (missed is not None)
    said = capsys.readouterr().out
    assert said.count("; met") == 4 - (missed is not None) and said.count("MISSED") == (missed is not None)
    monkeypatch.setattr(sys, "argv", ["retrieval_speed.py", "--n", "30"])  # a look has no bar
    assert retrieval_speed.main() == 0 and "MISSED" not in capsys.readouterr().out


@pytest.mark.parametrize(("spent", "code", "word"), [(30.0, 0, "; met"), (30.1, 1, "MISSED")])
def test_retrieval_speed_ends_with_1_where_the_features_take_too_long(
    spent: float, code: int, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    monkeypatch.setattr(checkpoints, "load", lambda *_: None)
    monkeypatch.setattr(features, "features", lambda *_: None)
    monkeypatch.setattr(retrieval_speed, "seconds", lambda work: spent)
    monkeypatch.setattr(sys, "argv", ["retrieval_speed.py", "--features"])
    assert retrieval_speed.main() == code
    said = capsys.readouterr().out
    assert word in said and "the shipped 500, repeated" in said
