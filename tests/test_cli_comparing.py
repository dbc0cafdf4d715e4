"""The commands samplers, protocols, perturb and claims: what they write and say, what an interruption leaves, and one
sentence for what is wrong."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import checkpoints, data
from explorer.analysis import fid, perturbing, protocols, samplers, sampling, scores
from explorer.text import Problem
from tests.analysis.test_protocols import Either
from tests.analysis.test_scores import WIDE

SHORT = (("ddim", 1), ("dpm", 2), ("ddpm", 1))


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A small extractor in Inception's place, few pictures, and every device that an extractor was made for."""
    seen = []

    class Noted(Either):
        def __init__(self, device: object, half_pixel: bool = False):
            super().__init__(half_pixel=half_pixel)
            seen.append(str(device))

    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    monkeypatch.setattr("explorer.analysis.inception.Extractor", Noted)
    monkeypatch.setattr(protocols, "Extractor", Noted)
    monkeypatch.setattr(samplers, "TABLE", SHORT)
    monkeypatch.setattr(samplers.rows, "__defaults__", (None, 500))
    monkeypatch.setattr(protocols.rows, "__defaults__", (None, 500))
    monkeypatch.setattr("explorer.device.choose", lambda name: torch.device(f"{name}:0"))
    return seen


@pytest.fixture
def few_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 359 test pictures of digits are enough."""
    monkeypatch.setattr(fid, "LEAST", 300)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing that takes no time: of every seed a scanned digit."""

    def draw(loaded: checkpoints.Loaded, seeds: np.ndarray, **options: object) -> sampling.Samples:
        digits = data.load("digits", "train")
        return sampling.Samples(
            digits.images[seeds], seeds, digits.labels[seeds], digits.classes, milliseconds=1
        )

    monkeypatch.setattr(sampling, "draw", draw)


def never(*_: object, **__: object) -> None:
    raise AssertionError("work was done")


# samplers


def test_samplers_are_compared_and_kept_with_what_they_rest_on(run, registry: Path, devices: list) -> None:
    code, said, _ = run("samplers", "tiny-ddpm", "--json", "--device", "cpu")
    value = json.loads(said)
    rows = value["rows"]
    assert code == 0 and [(row["sampler"], row["steps"]) for row in rows] == list(SHORT)
    assert all(row["n"] == 500 and row["fid"] > 0 and row["milliseconds"] > 0 for row in rows)
    assert all(row["few"] for row in rows) and value["kept"] and "without" not in value
    assert devices == ["cpu:0"]
    kept = json.loads((registry / "tiny-ddpm" / samplers.FILE).read_text())
    assert kept["rows"] == rows and kept["checkpoint_sha256"] == checkpoints.read_card("tiny-ddpm").sha256
    assert kept["reference_fingerprint"] == data.load("digits", "train").fingerprint[:16]
    assert (kept["first_seed"], kept["features"], kept["reference"]) == (0, 1, "digits:train")
    assert not list(data.data_root().rglob("samplers-*")), "the whole is stored: no part is needed"
    code, _, said = run("samplers", "tiny-vae", "--device", "cpu")
    assert code == 1 and "one step" in said


def test_samplers_go_on_where_they_were_interrupted(
    run, registry: Path, devices: list, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw = [], sampling.draw

    def interrupted(loaded: object, seeds: object, **options: object) -> sampling.Samples:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append((options["sampler"], options["steps"]))
        return draw(loaded, seeds, **options)

    monkeypatch.setattr(sampling, "draw", interrupted)
    code, _, said = run("samplers", "tiny-ddpm", "--device", "cpu")
    assert code == 130 and "goes on from there" in said and drawn == list(SHORT[:2])
    assert not (registry / "tiny-ddpm" / samplers.FILE).exists()
    (part,) = data.data_root().rglob("samplers-*")
    first = json.loads(part.read_text())["rows"]
    drawn[:] = [None]  # one more may be drawn
    code, said, _ = run("samplers", "tiny-ddpm", "--device", "cpu", "--json")
    rows = json.loads(said)["rows"]
    assert code == 0 and drawn[1:] == list(SHORT[2:]) and rows[:2] == first and len(rows) == 3
    assert not part.exists()


def test_what_was_finished_of_other_weights_or_is_damaged_is_not_taken(
    registry: Path, devices: list, quick: None
) -> None:
    loaded = checkpoints.load("tiny-ddpm", "cpu")
    extractor = Either()
    target = scores.against(data.load("digits", "train"), extractor)
    list(samplers.rows(loaded, target, extractor))
    place = samplers.partial(samplers.evidence(loaded, target), 500)
    seen = extractor.seen
    list(samplers.rows(loaded, target, extractor))
    assert extractor.seen == seen, "all rows are there"
    other = dataclasses.replace(loaded, card=dataclasses.replace(loaded.card, sha256="1" * 64))
    assert samplers.partial(samplers.evidence(other, target), 500) != place
    assert samplers.partial(samplers.evidence(loaded, target), 600) != place
    for damaged in ('{"rows": [{"sampler": "ddim"}]}', '{"rows": 7}', "{", '{"rows": [1]}'):
        place.write_text(damaged)
        before = extractor.seen
        list(samplers.rows(loaded, target, extractor))
        assert extractor.seen == before + 3 * 500, damaged


@pytest.mark.parametrize("command", ["samplers", "protocols"])
def test_few_pictures_are_said_to_be_few_once(
    run, registry: Path, devices: list, quick: None, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    _, said, _ = run(command, "tiny-ddpm", "--device", "cpu")
    assert said.count(fid.FEW) == 1
    monkeypatch.setattr(fid, "ENOUGH", 400)
    _, said, _ = run(command, "tiny-ddpm", "--device", "cpu")
    assert fid.FEW not in said


@pytest.mark.parametrize("command", ["samplers", "protocols"])
@pytest.mark.parametrize("fault", ["replaced", "disk"])
def test_numbers_that_cannot_be_kept_are_told_all_the_same(
    run, registry: Path, devices: list, quick: None, monkeypatch: pytest.MonkeyPatch, command: str, fault: str
) -> None:
    loaded = checkpoints.load("tiny-ddpm", "cpu")
    if fault == "replaced":
        changed = dataclasses.replace(loaded.card, sha256="1" * 64)
        monkeypatch.setattr("explorer.checkpoints.weights.read_card", lambda *_: changed)
        words = "tiny-ddpm was replaced while it was being measured; nothing was stored."
    else:
        words = "Cannot write it."
        monkeypatch.setattr(
            "explorer.checkpoints.weights.update", lambda *_: (_ for _ in ()).throw(Problem(words))
        )
    monkeypatch.setattr(checkpoints, "load", lambda *_: loaded)
    code, said, _ = run(command, "tiny-ddpm", "--device", "cpu", "--json")
    value = json.loads(said)
    assert code == 0 and value["kept"] is False and value["without"] == [words] and value["rows"]
    code, said, _ = run(command, "tiny-ddpm", "--device", "cpu")
    assert code == 0 and words in said
    assert not (registry / "tiny-ddpm/evaluation").exists()


# protocols


def test_protocols_compare_each_split_on_the_chosen_device(
    run, registry: Path, devices: list, few_enough: None
) -> None:
    scored = {"samples": {"sampler": "ddim", "steps": 1, "guidance": 1.5}}
    checkpoints.update("tiny-ddpm", dataclasses.replace(checkpoints.read_card("tiny-ddpm"), metrics=scored))
    code, said, _ = run("protocols", "tiny-ddpm", "--json", "--device", "cpu")
    value = json.loads(said)
    rows = {row["protocol"]: row for row in value["rows"]}
    assert code == 0 and devices == ["cpu:0", "cpu:0"] and value["left_out"] == {}
    assert {key: row["m"] for key, row in rows.items()} == {
        "train": 1438,
        "train5k": 1438,
        "test5k": 359,
        "half": 1438,
    }
    loaded = checkpoints.load("tiny-ddpm", "cpu")
    options = sampling.options_for(loaded)
    images = sampling.draw(loaded, np.arange(500), **options).images
    for key, split, half in (("train", "train", False), ("test5k", "test", False), ("half", "train", True)):
        a, b = (
            fid.statistics(Either(half_pixel=half).features(part))
            for part in (images, data.load("digits", split).images)
        )
        assert rows[key]["fid"] == pytest.approx(fid.fid(a, b).value, rel=1e-6), key
    kept = json.loads((registry / "tiny-ddpm" / protocols.FILE).read_text())
    assert kept["rows"] == value["rows"] and value["kept"]
    assert kept["checkpoint_sha256"] == checkpoints.read_card("tiny-ddpm").sha256
    assert {key: kept[key] for key in options} == options == scored["samples"]
    assert (kept["first_seed"], kept["features"]) == (0, 1)
    for key, split in (("reference", "train"), ("test", "test")):
        assert kept[f"{key}_fingerprint"] == data.load("digits", split).fingerprint[:16]
    code, _, said = run("protocols", "digits-fastnet", "--device", "cpu")
    assert code == 1 and "draws" in said


def test_protocols_leave_out_and_name_a_side_that_is_too_small(run, registry: Path, devices: list) -> None:
    code, said, _ = run("protocols", "tiny-vae", "--device", "cpu")
    assert code == 0 and "359 test pictures." in said and "Left out" in said and "at least 500" in said
    assert "1,438 training pictures" in said and "5,000" not in said
    kept = json.loads((registry / "tiny-vae" / protocols.FILE).read_text())
    assert [row["protocol"] for row in kept["rows"]] == ["train", "train5k", "half"]
    assert kept["left_out"] == {"test5k": 359}


def test_protocols_refuse_too_few_before_they_draw(
    run, registry: Path, devices: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "LEAST", 1439)
    for part in (sampling, "draw"), (protocols, "Extractor"), (scores, "against"):
        monkeypatch.setattr(*part, never)
    code, _, said = run("protocols", "tiny-vae", "--device", "cpu")
    assert code == 1 and "at least 1439" in said


# perturb


def test_perturb_spoils_test_pictures_and_compares_with_training_pictures(
    run, devices: list, few_enough: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perturbing.seen, "__defaults__", (None, 300))
    monkeypatch.setattr(perturbing.chosen, "__defaults__", (300, 0))
    words = ("perturb", "blur", 1.2, "--data", "digits", "--device", "cpu")
    code, said, _ = run(*words, "--json")
    value = json.loads(said)
    assert code == 0 and devices == ["cpu:0"] and value["few"]
    assert (value["kind"], value["strength"], value["n"], value["reference_n"]) == ("blur", 1.2, 300, 1438)
    test, train = (data.load("digits", split) for split in ("test", "train"))
    spoilt = perturbing.spoilt(test, "blur", 1.2, 300)
    a, b = (fid.statistics(Either().features(images)) for images in (spoilt, train.images))
    assert value["fid"] == pytest.approx(fid.fid(a, b).value, rel=1e-6)
    code, said, _ = run(*words)
    assert code == 0 and "FID-300 against 1,438 train" in said and said.count(fid.FEW) == 1


def test_perturb_refuses_in_one_sentence_before_the_reference(
    run, devices: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "against", never)
    for words, sentence in (
        (("fog", 1, "--data", "digits"), "Unknown fault"),
        (("blur", 99, "--data", "digits"), "between 0 and 4"),
        (("blur", 1, "--data", "digits"), "There are 359 pictures to choose from, 1000 are needed."),
        (("repeats", 2, "--data", "digits"), "There are 359 pictures to choose from, 500 are needed."),
    ):
        code, _, said = run("perturb", *words)
        assert code == 1 and sentence in said and "Traceback" not in said, (words, said)
    assert devices == []


# claims


def test_claims_need_a_pair(run, registry: Path) -> None:
    code, _, said = run("claims")
    assert code == 1 and "No pair" in said
    scored = {"recall": 0.4, "coverage": 0.5, "precision": 0.6, "fid_5k_train50k": 41.06, "milliseconds": 2.0}
    for name in ("tiny-dcgan", "tiny-ddpm"):
        card = dataclasses.replace(checkpoints.read_card(name), data="cifar10", metrics={"samples": scored})
        checkpoints.update(name, card)
    code, said, _ = run("claims")
    assert "The pair in the slides' recipe is not here" in said
    assert code == 0 and "tiny-dcgan and tiny-ddpm" in said and "DDPM first: precision 0.6 : 0.6" in said
    assert "FID-5k against 50k train 41.1 : 41.1" in said and "fid_5k" not in said
