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
    assert f"weights {card.sha256[:12]} · seeds 0 to 1999 · digits:train abcdef012345" in said
    assert said.count("A processor, 2 threads") == 2
    assert (
        "tiny-ddpm: Left out, as FID needs at least 500 pictures on either side: 359 test pictures." in said
    )
    assert fid.FEW in said
    assert any("1,438 training pictures" in table.value.to_string() for table in app.table)


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
