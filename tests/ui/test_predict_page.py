"""The Predict page by AppTest: uploads that are let go, limits, the camera, models of different classes."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from explorer import text
from explorer.data import samples
from explorer.text import Problem
from explorer.ui import incoming, uploads
from explorer.ui.widgets import plain
from tests.made_up import made_up_checkpoints

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    yield
    text.set_language("en")


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def opened(**query: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/predict.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [part.value for part in app.exception]
    return app


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


def test_there_is_an_answer_before_anything_is_done() -> None:
    app = opened()
    assert not app.error
    assert charts(app) == 1
    assert not app.toggle(key="camera").value
    assert not app.get("camera_input")


def test_every_sample_is_answered() -> None:
    for name in samples.SAMPLES:
        app = opened(sample=name, model="digits-a")
        assert not app.error, name
        assert charts(app) == 1, name


def test_an_unknown_sample_lists_the_known_ones() -> None:
    with pytest.raises(Problem, match="drawn-ship"):
        samples.sample("nope")


def test_four_models_of_two_kinds_of_classes() -> None:
    app = opened(model=["digits-a", "digits-b", "cifar10-a"])
    assert charts(app) == 3
    told = [part.value for part in [*app.info, *app.success, *app.warning]]
    assert len(told) == 1 and told[0].startswith("digits-a, digits-b")  # the third is not compared with them
    names = " ".join(part.value for part in app.markdown)
    assert "airplane" in names and ":gray-badge[7]" in names


def test_uploads_are_read_once_and_their_bytes_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager that holds uploads for the session keeps the entry and loses the bytes."""
    kept: dict[str, int] = {}
    add = MemoryUploadedFileManager.add_file

    def noted(self, session_id, file):
        kept[file.file_id] = len(file.data)
        add(self, session_id, file)

    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", noted)
    reads = []
    monkeypatch.setattr(uploads, "open_picture", lambda *a, **k: reads.append(a[1]) or real(*a, **k))
    app = opened(model="digits-a")
    app.file_uploader(key="files").set_value(
        [("a.png", png(), "image/png"), ("b.png", b"no", "image/png")]
    ).run()
    assert [part.value for part in app.error] == ["b\\.png is not a picture that can be read here\\. "
                                                  "Choose a PNG, JPEG or WEBP picture\\."]  # fmt: skip
    assert kept and set(kept.values()) == {0}
    app.toggle(key="flip").set_value(True).run()
    assert reads == ["a.png", "b.png"]
    assert len(app.session_state["uploaded pictures"]) == 2
    assert len(app.error) == 1 and charts(app) == 1


real = uploads.open_picture


def test_a_click_while_a_picture_is_read_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that reads it ends at the next message; its bytes have been let go by then."""
    reads = []

    def interrupted(data: bytes, name: str, **limits: int) -> object:
        reads.append(name)
        ctx = get_script_run_ctx()
        states = WidgetStates(widgets=ctx.session_state.get_widget_states())
        again = RerunData(widget_states=states, page_script_hash=ctx.page_script_hash)
        ctx.script_requests.request_rerun(again)
        return real(data, name, **limits)

    monkeypatch.setattr(uploads, "open_picture", interrupted)
    app = opened(model="digits-a")
    app.file_uploader(key="files").set_value([("a.png", png(), "image/png")]).run()
    assert not app.error and not app.exception and reads == ["a.png"]
    assert "a\\.png, 40 x 30 pixels" in app.get("image")[0].proto.imgs[0].caption
    app.file_uploader(key="files").set_value([]).run()
    assert app.session_state["uploaded pictures"] == {}


def test_a_file_on_its_way_in_does_not_touch_the_disk(apart) -> None:
    """Starlette would spool a file of more than 1 MB to disk; the page's import has lifted that."""
    body = (
        b"--x\r\nContent-Disposition: form-data; name=f; filename=a.png\r\n\r\n"
        + bytes(20_000_000)
        + b"\r\n--x--\r\n"
    )

    async def stream():
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    async def parsed():
        from starlette.datastructures import Headers

        form = await MultiPartParser(
            Headers({"content-type": "multipart/form-data; boundary=x"}), stream()
        ).parse()
        return form["f"].file

    file = apart(lambda: asyncio.run(parsed()))
    assert len(file.read()) == 20_000_000
    assert not file._rolled


def test_the_size_limit_follows_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert incoming.most_megabytes() == 20
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert incoming.most_megabytes() == 5
    assert opened().file_uploader(key="files").proto.max_upload_size_mb == 5


def test_a_session_may_leave_ten_files_unread_and_all_together_ten_times_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has a session could otherwise send files for ever, without a page that reads them."""
    monkeypatch.setattr(incoming, "LOCAL_MB", 0.001)  # 1,000 bytes
    manager = MemoryUploadedFileManager("/upload")

    def send(session: str, name: str, size: int = 1000) -> None:
        manager.add_file(session, UploadedFileRec(name, name, "image/png", bytes(size)))

    for session in range(incoming.SESSIONS):
        for n in range(incoming.FILES):
            send(f"s{session}", f"f{n}")
    for session in ("s0", "another"):
        with pytest.raises(HTTPException, match="413"):
            send(session, "one more", 1)
    send("s0", "f0", 0)  # let go
    send("s0", "one more")
    for n in range(incoming.ENTRIES - 11):
        send("s0", f"empty {n}", 0)
    send("s0", "f1", 0)
    with pytest.raises(HTTPException):
        send("s0", "entry 201", 1)
    manager.remove_session_files("s1")
    send("another", "f0")


def test_only_named_endings_are_taken() -> None:
    taken = set(opened().file_uploader(key="files").allowed_type)
    assert taken == {".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif"}


def test_a_model_that_fails_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.ui import predicting

    ask = predicting.ask

    def sometimes(card, inputs, views):
        if card.name == "digits-a":
            raise Problem("{name} is damaged.", name=card.name)
        return ask(card, inputs, views)

    monkeypatch.setattr(predicting, "ask", sometimes)
    app = opened(model=["digits-a", "digits-b"])
    assert [part.value for part in app.error] == ["digits-a is damaged."]
    assert charts(app) == 1


@pytest.mark.parametrize(
    "said", ["*a* _b_", "[x](y)", "![x](y)", "<b>", "$x$", ":red[x]", "`a`", "# a", "a\\b", "~~a~~"]
)
def test_plain_text_stays_what_it_is(said: str) -> None:
    """Escaped, and unescaped again as Markdown does: nothing is lost, and no sign is left to act."""
    escaped = plain(said)
    assert json.loads(json.dumps(escaped)) == escaped
    assert "".join(c for n, c in enumerate(escaped) if not _escaping(escaped, n)) == said
    assert all(_escaping(escaped, n - 1) for n, c in enumerate(escaped) if c in "*_[]()!<>$:`#~" and n)


def _escaping(words: str, n: int) -> bool:
    """Whether the backslash at `n` escapes the next sign (an escaped backslash does not)."""
    before = len(words[:n]) - len(words[:n].rstrip("\\")) if n > 0 else 0
    return n >= 0 and words[n] == "\\" and before % 2 == 0
