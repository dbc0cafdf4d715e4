"""From page to page inside the frame: a link opens what it promises, the back button what was there before."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest, local_script_runner

from explorer import text
from explorer.ui import subject as subjects
from tests.made_up import made_up_checkpoints, made_up_generator
from tests.test_pages import PAGES, SHELL, everything

ROOT = Path(__file__).resolve().parents[2]
ABC = ["cifar10-a", "digits-a", "digits-b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    made_up_generator(root)
    return root


@pytest.fixture(autouse=True)
def surroundings(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    yield
    text.set_language("en")


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def visit(app: AppTest, page: str, **query: object) -> AppTest:
    """Turn to a page as the browser does: with the address of the link, and no widget of the page that one leaves."""
    app.switch_page(str(ROOT / "pages" / f"{page}.py"))
    app.query_params.clear()
    # Explain's section with no maps, which these nets have none of, and nothing to wait for.
    app.query_params.update(({"part": "dilation"} if page == "explain" else {}) | query)
    return sound(app._run())


def back(app: AppTest, page: str, monkeypatch: pytest.MonkeyPatch, **query: object) -> AppTest:
    """The same by the browser's back button."""
    with monkeypatch.context() as patch:
        gone_back = functools.partial(local_script_runner.RerunData, is_history_navigation=True)
        patch.setattr(local_script_runner, "RerunData", gone_back)
        return visit(app, page, **query)


def opened(page: str, **query: object) -> AppTest:
    return visit(AppTest.from_file(SHELL, default_timeout=60).run(), page, **query)


def chosen(app: AppTest) -> list[str]:
    return app.multiselect(key="model").value


def models_of(app: AppTest) -> list[str]:
    found = app.query_params.get("model", [])
    return [found] if isinstance(found, str) else found


def test_of_more_models_than_a_page_takes_it_takes_the_first() -> None:
    app = opened("predict")
    sound(app.multiselect(key="model").set_value(ABC).run())
    assert models_of(app) == ABC
    visit(app, "explain")
    assert chosen(app) == ABC[:2] == models_of(app)
    sound(app.run())
    assert chosen(app) == ABC[:2]


def test_models_may_be_taken_out_one_after_the_other() -> None:
    app = opened("predict", model=["digits-a", "digits-b"])
    assert chosen(app) == ["digits-a", "digits-b"]
    sound(app.multiselect(key="model").set_value([]).run())
    assert chosen(app) == [] and models_of(app) == [] and len(app.get("vega_lite_chart")) == 1
    sound(app.multiselect(key="model").set_value(["digits-b"]).run())
    assert chosen(app) == ["digits-b"] == models_of(app)


def test_a_link_with_one_of_the_models_opens_that_one() -> None:
    app = opened("predict", model=["digits-a", "digits-b"])
    visit(app, "explain", model="digits-b")
    assert chosen(app) == ["digits-b"]
    visit(app, "retrieve", model="digits-a")
    assert app.selectbox(key="model").value == "digits-a"
    visit(app, "predict")
    assert chosen(app) == ["digits-b"], "what was chosen last on a page that has several"


@pytest.mark.parametrize("page", ["explain", "retrieve"])
def test_a_link_opens_the_crop_that_it_names(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("predict", model="digits-a", sample="scan-3")
    sound(app.slider(key="size").set_value(40).run())
    assert app.query_params["size"] in ("40", ["40"])
    cut, crop = [], subjects.crop
    monkeypatch.setattr(subjects, "crop", lambda *parts: cut.append(crop(*parts)) or cut[-1])
    part = {"part": "duel"} if page == "retrieve" else {}
    visit(app, page, model="digits-a", sample="scan-3", size="40", x="20", **part)
    assert [found.box for found in cut] == [(4, 10, 13)]
    assert [app.slider(key=key).value for key in ("size", "x", "y")] == [40, 20, 50]


def test_a_link_that_names_no_crop_opens_the_whole_picture() -> None:
    app = opened("predict", model="digits-a", size="40", invert="true")
    assert app.slider(key="size").value == 40 and app.toggle(key="invert").value
    visit(app, "retrieve", model="digits-a", part="duel")
    assert app.slider(key="size").value == 100 and not app.toggle(key="invert").value


def test_the_back_button_brings_back_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"model": "digits-b", "size": "40", "x": "10", "invert": "true", "camera": "true"}
    app = opened("predict", **there)
    visit(app, "explain", model="digits-a", size="60", x="90")
    back(app, "predict", monkeypatch, **there)
    assert chosen(app) == ["digits-b"] and app.toggle(key="invert").value and app.toggle(key="camera").value
    assert [app.slider(key=key).value for key in ("size", "x", "y")] == [40, 10, 50]
    assert {key: app.query_params[key] for key in there} == there
    back(app, "explain", monkeypatch, size="60")
    assert app.slider(key="size").value == 60 and chosen(app) != ["digits-b"], "that address names no model"


def test_the_back_button_on_one_page_brings_back_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("predict", model="digits-b")
    sound(app.slider(key="size").set_value(40).run())
    app.multiselect(key="model").set_value(["digits-a"])
    sound(app.run())
    back(app, "predict", monkeypatch, model="digits-b")
    assert chosen(app) == ["digits-b"] and app.slider(key="size").value == 100


def test_an_address_that_comes_late_does_not_undo_a_click() -> None:
    """The browser sends the address that it has: of two quick clicks the second comes with the one before the first."""
    app = opened("predict")
    sound(app.slider(key="size").set_value(40).run())
    app.query_params.clear()
    app.slider(key="size").set_value(50)
    app.toggle(key="invert").set_value(True)
    sound(app.run())
    assert app.slider(key="size").value == 50 and app.query_params["size"] in ("50", ["50"])
    app.query_params.clear()
    sound(app.run())
    assert app.toggle(key="invert").value


def test_what_moves_the_kernel_does_not_choose_the_seeds() -> None:
    app = opened("explain", side="32")
    sound(app.slider(key="tap_row").set_value(30).run())
    visit(app, "generate")
    assert app.slider(key="row").value == 1
    visit(app, "explain", side="32", tap_row="9")
    assert app.slider(key="tap_row").value == 9


def test_no_two_pages_have_streamlit_bind_one_parameter() -> None:
    """It would be taken out of the links between them, and out of the address on the way back."""
    queries = {"retrieve": {"part": "duel"}, "explain": {"size": "40", "opacity": "50"}}
    owner: dict[str, str] = {}
    for page in PAGES:
        app = opened(page, **queries.get(page, {}))
        bound = {
            getattr(getattr(node, "proto", None), "query_param_key", "") for node in everything(app._tree)
        }
        for key in bound - {"", "large"}:  # that of the frame goes with every page
            assert owner.setdefault(key, page) == page, key
    assert "calibrated" in owner, "the test sees what is bound"
