"""The section "What FID sees" of the Generate page: what stored rows rest on, and only buttons that can succeed."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, jobs, text
from explorer.analysis import fid, protocols, samplers
from explorer.ui import fid_sees
from tests.analysis.test_sampling import made
from tests.made_up import SCORES
from tests.ui.test_generate_page import buttons, sound, words

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two generators of digits without anything measured, as if the Inception weights had been got."""
    for model in ("vae", "ddpm"):
        made(tmp_path, model)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(fid_sees.data, "available", lambda name: True)
    monkeypatch.setattr(fid_sees.inception, "available", lambda: True)
    yield tmp_path
    text.set_language("en")


def opened(**query: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/generate.py"), default_timeout=120)
    for key, value in ({"part": "fid", "data": "digits"} | query).items():
        app.query_params[key] = str(value)
    app.run()
    return sound(app)


def test_stored_rows_say_what_they_rest_on_and_what_was_left_out(registry: Path) -> None:
    card = checkpoints.read_card("tiny-ddpm")
    shared = {
        "checkpoint_sha256": card.sha256, "device": "A processor, 2 threads", "first_seed": 0,
        "reference": "digits:train", "reference_fingerprint": "abcdef0123456789",
    }  # fmt: skip
    row = {"fid": 41.0, "n": 5000, "few": True}
    conventions = shared | {
        "sampler": "dpm", "steps": 20, "guidance": 1.5, "left_out": {"test5k": 359},
        "rows": [row | {"protocol": key, "m": 1438} for key in ("train", "train5k", "half")],
    }  # fmt: skip
    way = {
        "sampler": "ddim",
        "steps": 5,
        "guidance": 1.5,
        "n": 2000,
        "reference_n": 1438,
        "milliseconds": 2.0,
    }
    files = {protocols.FILE: conventions, samplers.FILE: shared | {"rows": [row | way]}}
    checkpoints.update("tiny-ddpm", card, {file: json.dumps(found).encode() for file, found in files.items()})
    app = opened(model_digits="tiny-ddpm")
    said = words(app)
    assert f"weights {card.sha256[:12]} · seeds 0 to 4999 · dpm, 20 steps, guidance 1.5" in said
    assert f"weights {card.sha256[:12]} · seeds 0 to 1999 · guidance 1.5 · digits:train abcdef012345" in said
    assert said.count("A processor, 2 threads") == 2
    assert (
        "tiny-ddpm: Left out, as FID needs at least 500 pictures on either side: 359 test pictures." in said
    )
    assert fid.FEW in said
    assert any("1,438 training pictures" in table.value.to_string() for table in app.table)


def test_rows_of_several_guidances_name_each() -> None:
    rows = [{"sampler": "dpm", "steps": n, "guidance": w} for n, w in ((10, 1.0), (20, 1.5))]
    assert fid_sees._guidance(rows) == "1 (dpm 10), 1.5 (dpm 20)"
    assert fid_sees._guidance(rows[:1]) == "1" and fid_sees._guidance([{"n": 5}]) == ""


STEEP, FLAT = [[1250, 62.0], [2500, 52.0], [5000, 47.0]], [[1250, 72.0], [2500, 73.0], [5000, 72.5]]


@pytest.mark.parametrize(
    ("vae", "ddpm", "said", "unsaid"),
    [(STEEP, STEEP, "FID comes out too high", "no bias"), (FLAT, FLAT, "On these pictures no bias is seen", "of tiny"),
     (FLAT, STEEP, "Here that is seen of tiny-ddpm; of the others no bias", "comes out too high")],
)  # fmt: skip
def test_a_bias_is_said_where_the_curves_show_one(vae: list, ddpm: list, said: str, unsaid: str) -> None:
    for name, curve in (("tiny-vae", vae), ("tiny-ddpm", ddpm)):
        metrics = {"samples": SCORES | {"fid_curve": curve}}
        checkpoints.update(name, dataclasses.replace(checkpoints.read_card(name), metrics=metrics))
    found = words(opened())
    assert said in found and unsaid not in found


# Faults

ROW = {"kind": "blur", "n": 1000, "reference_n": 50_000, "kid": 0.01, "precision": 0.7, "recall": 0.65}
STORED = [ROW | {"strength": strength, "fid": 40.0 + 50 * strength} for strength in (0, 0.4, 1.2)]


def job(key: str, state: str = "running") -> jobs.JobStatus:
    name = key.replace(" ", "-").replace(".", "-")
    return jobs.JobStatus(name, "perturb", state, None, "", 0, None, None, 1.0, None, 0.0, key)


@pytest.fixture
def under_way(monkeypatch: pytest.MonkeyPatch) -> list[jobs.JobStatus]:
    """The jobs there are, the newest last: none at first, and a click adds one."""
    found: list[jobs.JobStatus] = []

    def submit(words: list[str], kind: str, key: str, device: str) -> str:
        assert kind == "perturb" and device == "cpu" and key == " ".join(words)
        found.append(job(key))
        return found[-1].id

    def status(job_id: str) -> jobs.JobStatus:
        for each in found:
            if each.id == job_id:
                return each
        raise text.Problem("There is no job {id}.", id=job_id)

    monkeypatch.setattr(jobs, "submit", submit)
    monkeypatch.setattr(jobs, "status", status)
    of = lambda begin: [each for each in found if each.key.startswith(begin)]  # noqa: E731
    monkeypatch.setattr(jobs, "all_of", of)
    monkeypatch.setattr(jobs, "result", lambda job_id: ROW | {"strength": 0.5, "fid": 61.23})
    monkeypatch.setattr(fid_sees, "table_of_faults", lambda: {"rows": STORED})
    return found


def test_a_strength_that_is_typed_with_the_click_is_the_one_measured(under_way: list) -> None:
    app = opened(fault="blur")
    app.number_input(key="strength blur").set_value(0.5)
    sound(app.button(key="measure").click().run())
    assert [each.key for each in under_way] == ["perturb blur 0.5"]
    assert "Being measured: Blur 0.5" in words(app), "in the run of the click"


def test_another_s_measurement_keeps_nobody_from_another_strength(under_way: list) -> None:
    under_way.append(job("perturb blur 0.5"))  # somebody else's
    app = opened(fault="blur", strength=3)
    assert "Being measured: Blur 0.5" in words(app)
    sound(app.button(key="measure").click().run())
    assert [each.key for each in under_way] == ["perturb blur 0.5", "perturb blur 3"]
    for strength in ("0.5", "3"):  # each can be stopped, whoever waits for it
        assert f"Being measured: Blur {strength}" in words(sound(app.run()))
    assert {"stop perturb-blur-0-5", "stop perturb-blur-3"} <= buttons(app)
    assert "Being measured: Blur 3" in words(opened(fault="blur"))


def test_what_was_measured_here_has_its_words_and_its_row(
    under_way: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    download = lambda label, make, name, mime: files.update({name: make()})  # noqa: E731
    monkeypatch.setattr(fid_sees.widgets, "download", download)
    assert "measured here" not in words(opened(fault="blur"))
    assert files["fid-blur.csv"].count("before") == 3 and "here" not in files["fid-blur.csv"]
    under_way.append(job("perturb blur 0.5", "done"))
    under_way.append(job("perturb blur 0.7"))  # does not hide what is finished
    app = opened(fault="blur")
    assert "measured here (diamond): Blur 0.5, FID 61.2, n = 1,000" in words(app)
    alts = [chart.proto.alt for chart in app.get("vega_lite_chart") if chart.proto.alt.startswith("Blur, ")]
    assert len(alts) == 4 and all("measured here (diamond): Blur 0.5, " in alt for alt in alts)
    assert [row.split(",")[-3:] for row in files["fid-blur.csv"].splitlines()[-1:]] == [
        ["0.5", "61.23", "here"]
    ]


def test_one_measurement_alone_is_drawn_without_a_range(
    under_way: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid_sees, "table_of_faults", dict)
    under_way.append(job("perturb blur 0.5", "done"))
    said = words(opened(fault="blur"))
    assert (
        "measured here (diamond): Blur 0.5" in said and "Not measured yet" in said and "From 0.5" not in said
    )


def test_the_pictures_of_a_spoilt_set_say_how_it_is_spoilt() -> None:
    app = opened(fault="classes")
    assert "Ten pictures of such a set. Classes left out, classes of ten: 9" in words(app)
    alts = [image.alt for part in app.get("image") for image in part.proto.imgs]
    assert "truck (Classes left out, classes of ten: 9)" in alts


def test_no_button_is_offered_where_there_are_too_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"score tiny-ddpm", "protocols tiny-ddpm", "samplers tiny-ddpm"}
    assert offered <= buttons(opened(model_digits="tiny-ddpm"))
    monkeypatch.setattr(fid, "LEAST", 2000)  # digits have 1,438 to train on
    app = opened(model_digits="tiny-ddpm")
    assert not offered & buttons(app)
    assert "cannot be: FID needs at least 2000 pictures on either side, got 1438 and 1438." in words(app)


def test_a_data_set_that_is_gone_offers_no_button(registry: Path) -> None:
    card = dataclasses.replace(checkpoints.read_card("tiny-vae"), data="gone")
    checkpoints.update("tiny-vae", card)
    app = opened(data="gone", model_gone="tiny-vae")
    assert "Unknown data set 'gone'" in words(app) and "protocols tiny-vae" not in buttons(app)


def test_whoever_asked_is_told_why_nothing_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    done = jobs.JobStatus("protocols-1", "protocols", "done", 1.0, "", 1, 1, None, 1.0, None, 0.0)
    monkeypatch.setattr(jobs, "latest", lambda key: done if key == "protocols tiny-vae" else None)
    monkeypatch.setattr(jobs, "status", lambda job_id: done)
    monkeypatch.setattr(jobs, "result", lambda job_id: {"kept": False, "without": ["It was replaced."]})
    assert "It was replaced." not in words(opened(model_digits="tiny-vae"))
    app = opened(model_digits="tiny-vae", job="protocols-1")
    assert [part.value.replace("\\", "") for part in app.warning] == ["It was replaced."]
    assert "protocols tiny-vae" in buttons(app)
