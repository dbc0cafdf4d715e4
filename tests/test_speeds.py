"""The benchmarks of speed: what they check first, print, write and end with. No bar is measured."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import ddpm_speed, drawing_times, fid_speed
from explorer import checkpoints, models
from explorer.analysis import samplers
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
