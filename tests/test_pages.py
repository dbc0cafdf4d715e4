"""Every page by Streamlit's AppTest, inside the frame: both languages, and an address full of nonsense."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, text
from explorer.ui import language, widgets

ROOT = Path(__file__).resolve().parent.parent
SHELL = str(ROOT / "explorer/ui/shell.py")
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))

HOSTILE = {
    "empty": "",
    "words": "no-such-thing",
    "number": "1000000000000000000000",
    "minus": "-1",
    "nan": "nan",
    "infinite": "-inf",
    "list": "[1, 2]",
    "emoji": "🐈‍⬛",
    "path": "../../../../etc/passwd",
    "encoded": "%2e%2e%2f",
    "null": "a\x00b",
    "markup": "<script>alert(1)</script>",
    "markdown": "[x](javascript:alert(1)) {t} $x$",
    "sql": "'; drop table x; --",
    "long": "9" * 10_240,
    "twice": ["a", "b"],
}
CONTROLS = {  # that are put into the address by hand
    "predict": {"model", "fit", "size", "x", "y", "invert", "camera"}, "explain": {"model", "camera"},
    "evaluate": {"checkpoint"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_language_left_over() -> Iterator[None]:
    """AppTest runs pages in this process: what the frame sets must not reach the next test."""
    yield
    text.set_language("en")


def opened(page: str, query: dict[str, Any] | None = None) -> AppTest:
    """The page inside the frame, run once under this address."""
    app = AppTest.from_file(SHELL, default_timeout=120)
    for key, value in (query or {}).items():
        app.query_params[key] = value
    app.run()
    if page != "home":
        app.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for key, value in (query or {}).items():  # AppTest forgets the address when it changes the page
            app.query_params[key] = value
        app.run()
    return app


def shown(app: AppTest) -> list[str]:
    """Every exception and every error of ours that a person would see."""
    return [str(part.value) for part in [*app.exception, *app.error]]


def bound(page: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The parameters of the address that a page reads: those of Streamlit's bound widgets and those of ours."""
    keys = {"job"}
    select, from_url, picker = widgets.select, widgets.from_url, widgets.checkpoint_picker

    def record_select(label: str, options: Any, key: str, *rest: Any, **named: Any) -> str:
        keys.add(key)
        return select(label, options, key, *rest, **named)

    def record_from_url(key: str, *rest: Any, **named: Any) -> str | None:
        keys.add(key)
        return from_url(key, *rest, **named)

    def record_picker(label: str, key: str, *rest: Any, **named: Any) -> Any:
        keys.add(key)
        return picker(label, key, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(widgets, "checkpoint_picker", record_picker)
        patch.setattr(widgets, "select", record_select)
        patch.setattr(widgets, "from_url", record_from_url)
        app = opened(page)
    for node in everything(app._tree):
        keys.add(getattr(getattr(node, "proto", None), "query_param_key", "") or "job")
    return keys


def everything(node: Any) -> Iterator[Any]:
    """A node of AppTest's tree and all below it."""
    yield node
    for child in getattr(node, "children", {}).values():
        yield from everything(child)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("code", ["en", "ko"])
def test_a_page_opens_in_both_languages(page: str, code: str) -> None:
    app = opened(page, {"lang": code})
    assert shown(app) == []
    assert len(app.title) == 1
    words = " ".join(part.value for part in [*app.markdown, *app.subheader, *app.caption, *app.title])
    korean = sum("가" <= letter <= "힣" for letter in words)
    assert (korean > 20) == (code == "ko"), words[:500]
    app.run()
    assert shown(app) == [] and len(app.title) == 1


@pytest.mark.parametrize("page", PAGES)
def test_nothing_in_an_address_breaks_a_page(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = bound(page, monkeypatch)
    assert {"lang", "large"} | CONTROLS.get(page, set()) <= keys
    for name, value in HOSTILE.items():
        app = opened(page, dict.fromkeys(keys, value))
        assert not app.exception, f"{name}: {[part.value for part in app.exception]}"
        assert not [part for part in app.error if "error id" in part.value], f"{name}: {shown(app)}"
        assert len(app.title) == 1, name


def test_the_switch_changes_the_language_and_the_address() -> None:
    app = opened("home")
    assert app.segmented_control(key="lang").value == "en"
    app.segmented_control(key="lang").select("ko").run()
    assert "여기" in app.subheader[0].value
    assert app.query_params["lang"] in ("ko", ["ko"])
    app.segmented_control(key="lang").select("en").run()
    assert "lang" not in app.query_params
    assert not shown(app)


def test_a_page_that_fails_shows_an_error_id_that_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def script() -> None:
        import streamlit as st

        from explorer.text import Missing, Problem
        from explorer.ui.widgets import problems

        with problems():
            raise Problem("{n} is too many.", n=3)
        with problems():
            raise Missing("{n} is not here.", n=4)
        with problems():
            _ = 1 / 0
        st.title("still here")

    app = AppTest.from_function(script).run()
    assert [part.value for part in app.title] == ["still here"]
    assert [part.value for part in app.info] == ["4 is not here."]
    first, second = (part.value for part in app.error)
    assert first == "3 is too many."
    assert "ZeroDivisionError" not in second
    error_id = second.rstrip(".").rpartition(" ")[2]
    assert len(error_id) == 8 and f"error {error_id}" in caplog.text and "ZeroDivisionError" in caplog.text
    assert not app.exception


def test_without_checkpoints_every_page_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert checkpoints.root() == tmp_path
    for page in PAGES:
        app = opened(page)
        assert shown(app) == [], page
        if page == "story":  # a talk is told all the same: what was reported stands in
            continue
        assert any("train" in part.value.lower() for part in app.markdown), page


def test_a_broken_checkpoint_is_named_and_the_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    app = opened("home")
    assert not app.exception and not app.error
    assert any("broken" in part.value for part in app.warning)


def test_a_token_is_asked_for_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_ASK_TOKEN", "1")
    monkeypatch.setenv("EXPLORER_TOKEN", "open sesame")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    app = opened("home")
    assert [part.label for part in app.text_input] == ["Room code", "Token"] and not app.subheader
    app.text_input[1].set_value("guess").run()
    assert [part.value for part in app.error] == ["That is not the token."] and not app.subheader
    app.text_input[1].set_value("open sesame").run()
    assert not app.error and not app.text_input and app.subheader


def test_a_language_code_comes_from_switch_address_or_browser() -> None:
    assert language.session_language() == "en"  # outside of any session
