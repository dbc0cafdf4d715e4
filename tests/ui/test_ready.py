"""Readiness, errors of the script, and who may do what at which address."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import checkpoints
from explorer.text import Problem
from explorer.ui import ready

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, os, sys
from streamlit.web import bootstrap
bootstrap.load_config_options({"server_address": sys.argv[1]})  # as `streamlit run --server.address` does
import app
print(json.dumps({key: os.environ.get(key) for key in ("EXPLORER_PUBLIC", "EXPLORER_ASK_TOKEN")}))
"""


@pytest.mark.parametrize(
    ("address", "token", "public", "asked"),
    [
        ("127.0.0.1", None, False, False),
        ("localhost", "secret", False, False),
        ("::1", None, False, False),
        ("0.0.0.0", None, True, False),
        ("192.168.1.5", "secret", False, True),
        ("example.org", None, True, False),
    ],
)
def test_an_address_others_can_reach_is_public_or_asks_for_the_token(address, token, public, asked) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EXPLORER_")}
    environment |= {"EXPLORER_TOKEN": token} if token else {}
    command = [sys.executable, "-c", SCRIPT, address]
    said = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(said.splitlines()[-1]) == {
        "EXPLORER_PUBLIC": "1" if public else None,
        "EXPLORER_ASK_TOKEN": "1" if asked else None,
    }


def test_ready_only_after_a_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_progress", {"step": "importing torch", "forward": None, "seconds": None})
    assert ready.state()["ready"] is False and ready.state()["step"] == "importing torch"
    monkeypatch.setattr(ready, "_progress", {"step": "done", "forward": "digits", "seconds": 1.0})
    assert ready.state()["ready"] is True


def test_not_ready_when_the_checkpoints_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> list:
        raise PermissionError("no")

    monkeypatch.setattr(ready, "_progress", {"step": "done", "forward": "digits", "seconds": 1.0})
    monkeypatch.setattr(checkpoints, "catalogue", unreadable)
    assert ready.state() == {"ready": False, "step": "the checkpoints cannot be read: no"}


def test_a_forward_pass_that_fails_leaves_the_server_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> str:
        raise Problem("{name} was altered.", name="digits")

    monkeypatch.setattr(ready, "_progress", {"step": "starting", "forward": None, "seconds": None})
    monkeypatch.setattr(ready, "IMPORTS", ())
    monkeypatch.setattr(ready, "_forward", fails)
    monkeypatch.setattr(ready.gc, "freeze", lambda: None)
    ready.warm_up()
    assert ready.state()["ready"] is False and "digits was altered." in ready.state()["step"]


def test_readyz_answers_503_then_200(monkeypatch: pytest.MonkeyPatch, apart) -> None:
    import app

    for is_ready, status in [(False, 503), (True, 200)]:
        monkeypatch.setattr(ready, "state", lambda is_ready=is_ready: {"ready": is_ready, "step": "x"})
        answer = apart(lambda: asyncio.run(app.readyz(None)))
        assert answer.status_code == status and json.loads(answer.body)["step"] == "x"


def test_an_error_of_the_script_is_shown_by_its_id_only(caplog: pytest.LogCaptureFixture) -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        import app

        app.on_script_error(RuntimeError("secret words"))

    shown = AppTest.from_function(script).run()
    (error,) = shown.error
    assert "secret words" not in error.value
    assert (
        f"error {error.value.rstrip('.').rpartition(' ')[2]}" in caplog.text and "secret words" in caplog.text
    )
