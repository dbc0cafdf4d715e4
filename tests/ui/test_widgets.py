"""The parts pages are made of: choices in the address, galleries, charts, alt texts, jobs."""

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import jobs
from explorer.jobs import JobStatus
from explorer.ui import cache, widgets


def address(app: AppTest, key: str) -> str | None:
    """A parameter of the address; AppTest gives what the test has set as a list, what the page has set as a text."""
    found = app.query_params.get(key)
    return found[-1] if isinstance(found, list) else found


def choice() -> None:
    import streamlit as st

    from explorer.ui import widgets

    found = widgets.select(
        "Order", {"name": "by name", "worst": "worst first"}, key="order", kind="segmented"
    )
    st.title(found)


def test_a_choice_stands_in_the_address_by_its_id_and_not_by_its_words() -> None:
    app = AppTest.from_function(choice).run()
    assert app.title[0].value == "name" and "order" not in app.query_params
    app.segmented_control(key="order").select("worst").run()
    assert app.title[0].value == "worst" and address(app, "order") == "worst"
    app.segmented_control(key="order").select("name").run()
    assert "order" not in app.query_params


@pytest.mark.parametrize(
    ("asked", "expected"), [("worst", "worst"), ("worst first", "name"), ("../x", "name"), ("", "name")]
)
def test_a_link_opens_the_choice_it_names_or_the_default(asked: str, expected: str) -> None:
    app = AppTest.from_function(choice)
    app.query_params["order"] = asked
    app.run()
    assert app.title[0].value == expected and not app.exception
    assert address(app, "order") == ("worst" if expected == "worst" else None)


@pytest.mark.parametrize("left", [["worst", "name"], [], 3])
def test_what_another_page_left_under_the_key_is_no_choice(left: Any) -> None:
    """Explain chooses several models under the key under which Retrieve chooses one."""
    app = AppTest.from_function(choice)
    app.session_state["order"] = left
    app.run()
    assert not app.exception and app.title[0].value == "name"


@pytest.mark.parametrize("multiple, left", [(True, "cifar10-resnet18"), (False, ["cifar10-resnet18"])])
def test_a_picker_bears_what_a_page_with_another_picker_left(multiple: bool, left: Any) -> None:
    app = AppTest.from_string(
        "import streamlit as st; from explorer.ui import widgets\n"
        f"st.title(str(widgets.checkpoint_picker('Models', 'model', multiple={multiple})))"
    )
    app.session_state["model"] = left
    app.run()
    name = next(iter(cache.cards("classifier")))
    assert not app.exception and app.title[0].value == str([name] if multiple else name)


@pytest.mark.parametrize(
    ("left", "expected"),
    [(["c", "b", "a"], ["c", "b"]), (["gone", "b"], ["b"]), (["gone"], ["a"]), ([], [])],
)
def test_a_picker_of_several_keeps_of_what_stands_there_what_there_is_and_fits(
    left: Any, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "cards", lambda kind: dict.fromkeys("abc"))
    app = AppTest.from_string(
        "import streamlit as st; from explorer.ui import widgets\n"
        "st.title(str(widgets.checkpoint_picker('Models', 'model', multiple=True, max=2)))"
    ).run()
    app.session_state["model"] = left
    app.run()
    assert not app.exception and app.multiselect(key="model").value == expected
    assert app.title[0].value == str(expected or ["a"])


@pytest.mark.parametrize(
    ("asked", "expected"), [(["b", "a"], ["b", "a"]), (["b", "x", "b", "a", "c"], ["b", "a"]), (["x"], ["a"])]
)
def test_a_picker_of_several_opens_those_of_the_address_that_are_there(
    asked: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "cards", lambda kind: dict.fromkeys("abc"))
    app = AppTest.from_string(
        "import streamlit as st; from explorer.ui import widgets\n"
        "st.title(str(widgets.checkpoint_picker('Models', 'model', multiple=True, max=2)))"
    )
    app.query_params["model"] = asked
    app.run()
    assert app.title[0].value == str(expected) and not app.exception
    assert app.query_params.get("model") == (None if expected == ["a"] else expected)


def controls() -> None:
    import streamlit as st

    from explorer.ui import widgets

    number, on = widgets.slider("Size", 10, 90, 50, key="size"), widgets.toggle("Swap", key="swap")
    st.title(f"{number} {on}")


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        (choice, {"order": "name"}),
        (controls, {"size": "50"}),
        ("several", {"model": "a"}),
        ("one", {"model": "a"}),
    ],
)
def test_a_link_that_names_what_a_page_begins_with_is_left_as_it_is(
    page: Any, asked: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken out, it would be one more step of the browser's history: Back would lead to the same view again."""
    monkeypatch.setattr(cache, "cards", lambda kind: dict.fromkeys("abc"))
    picker = f"widgets.checkpoint_picker('Models', 'model', multiple={page == 'several'})"
    script = f"import streamlit as st; from explorer.ui import widgets\nst.title(str({picker}))"
    app = AppTest.from_string(script) if isinstance(page, str) else AppTest.from_function(page)
    app.query_params.update(asked)
    for _ in range(2):
        app.run()
        assert {key: address(app, key) for key in app.query_params} == asked and not app.exception


def test_a_slider_and_a_toggle_stand_in_the_address() -> None:
    app = AppTest.from_function(controls).run()
    assert app.title[0].value == "50 False" and not app.query_params
    app.slider(key="size").set_value(70)
    app.toggle(key="swap").set_value(True)
    app.run()
    assert app.title[0].value == "70 True" and address(app, "size") == "70" and address(app, "swap") == "true"
    app.slider(key="size").set_value(50)
    app.toggle(key="swap").set_value(False)
    assert app.run().title[0].value == "50 False" and not app.query_params


@pytest.mark.parametrize(
    "asked", ["", "9", "91", "-1", "1e1", "50.0", " 50", "nan", "７０", "9" * 5000, "True", "x"]
)
def test_a_slider_and_a_toggle_bear_any_address(asked: str) -> None:
    app = AppTest.from_function(controls)
    app.query_params["size"] = app.query_params["swap"] = asked
    app.run()
    assert app.title[0].value == "50 False" and not app.exception and not app.query_params


def test_the_back_button_brings_the_earlier_choice_back() -> None:
    app = AppTest.from_function(choice).run()
    app.segmented_control(key="order").select("worst").run()
    app.query_params.clear()  # what the browser does when it goes back
    app.run()
    assert app.title[0].value == "name"


PAGE = """
import streamlit as st
from explorer.ui import cache, widgets
options = {"": "any", "cat": "cat", "dog": "dog"}
st.title(options[widgets.select("True class", options, key="true", default="")])
st.button("all", on_click=lambda: st.session_state.update({"true": ""}))
"""
FRAME = """
import streamlit as st
st.navigation([st.Page("matrix.py", default=True), st.Page("maps.py")]).run()
"""


@pytest.mark.parametrize(
    ("here", "link", "expected"),
    [("cat", "cat", "cat"), ("cat", "dog", "dog"), ("cat", None, "any"), (None, "cat", "cat")],
)
def test_a_link_to_another_page_with_the_same_choice_opens_what_it_names(
    here: str | None, link: str | None, expected: str, tmp_path: Path
) -> None:
    for name, script in {"app.py": FRAME, "matrix.py": PAGE, "maps.py": PAGE}.items():
        (tmp_path / name).write_text(script)
    app = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=60)
    app.query_params.update({"true": here} if here else {})
    app.run()
    assert app.title[0].value == (here or "any")
    for page in ("maps.py", "matrix.py", "maps.py"):
        app.query_params.clear()
        app.query_params.update({"true": link} if link else {})
        app.switch_page(str(tmp_path / page)).run()
        for _ in range(2):  # a rerun keeps it
            assert app.title[0].value == expected and not app.exception
            assert address(app, "true") == link
            app.run()
    app.button[0].click().run()
    assert app.title[0].value == "any" and address(app, "true") is None


def test_a_gallery_shows_its_pictures_page_by_page_each_with_its_alt() -> None:
    def script() -> None:
        import numpy as np

        from explorer.ui import widgets

        tile = np.zeros((3, 32, 32), np.uint8)
        widgets.gallery([(tile, f"caption {k}", f"picture {k}") for k in range(60)], key="cell")

    app = AppTest.from_function(script).run()
    assert not app.exception
    (first,) = app.get("image")
    assert [image.caption for image in first.proto.imgs] == [f"caption {k}" for k in range(12)]
    assert [image.alt for image in first.proto.imgs] == [f"picture {k}" for k in range(12)]
    assert app.caption[-1].value == "12 of 60 pictures"
    app.query_params["cell_page"] = "2"
    app.run()
    app.session_state["cell_page"] = 2
    app.run()
    assert [image.alt for image in app.get("image")[0].proto.imgs] == [f"picture {k}" for k in range(12, 24)]


@pytest.mark.parametrize("page", ["0", "-3", "99999999999999999999", "NaN", "🐈"])
def test_a_page_of_a_gallery_that_does_not_exist_is_the_first_or_last(page: str) -> None:
    def script() -> None:
        import numpy as np

        from explorer.ui import widgets

        widgets.gallery([(np.zeros((3, 32, 32), np.uint8), "", f"{k}") for k in range(60)], key="cell")

    app = AppTest.from_function(script)
    app.query_params["cell_page"] = page
    app.run()
    assert not app.exception and 0 < len(app.get("image")[0].proto.imgs) <= 12


def test_pictures_are_enlarged_by_whole_multiples_and_shown_at_that_size() -> None:
    def script() -> None:
        import numpy as np

        from explorer.ui import widgets

        widgets.picture(
            np.zeros((3, 32, 32), np.uint8), alt="black", caption="a caption that is quite long", factor=6
        )

    (drawn,) = AppTest.from_function(script).run().get("image")
    head, _, packed = drawn.proto.imgs[0].url.partition(",")
    assert head == "data:image/png;base64" and drawn.proto.imgs[0].alt == "black"
    assert Image.open(BytesIO(b64decode(packed))).size == (192, 192)


def test_a_charts_rows_travel_as_an_arrow_table_when_they_are_a_table() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2.5, "b": None}]
    table = widgets.with_table({"mark": "bar", "data": {"values": rows}})["data"]["values"]
    assert isinstance(table, pa.Table) and table.to_pylist() == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]
    for odd in ([{"a": 1}, {"b": 2}], [{"a": 1}, {"a": "x"}], [], {"a": 1}):
        spec = {"data": {"values": odd}}
        assert widgets.with_table(spec) == spec
    assert widgets.with_table({"data": {"url": "x"}}) == {"data": {"url": "x"}}


def test_a_chart_has_an_alt_and_grows_with_the_type() -> None:
    def script() -> None:
        import streamlit as st

        from explorer.ui import widgets

        st.session_state["large"] = True
        spec = {"mark": "bar", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}}
        widgets.chart(spec, key="bars", alt="one bar")

    (drawn,) = AppTest.from_function(script).run().get("vega_lite_chart")
    assert drawn.proto.alt == "one bar"
    assert '"labelFontSize": 16' in drawn.proto.spec


def test_large_type_leaves_the_charts_own_sizes_alone() -> None:
    larger = widgets._larger({"config": {"axis": {"labelFontSize": 30}}})
    assert larger["config"]["axis"] == {"labelFontSize": 30, "titleFontSize": 18}


def strip_page() -> None:
    import streamlit as st

    from explorer.ui.picker import Item, picture_strip

    for size in ("small", "middle", "large"):
        picture_strip("", (Item("a", "data:", "", "", ""),), None, size, st.write, f"strip wrap {size}")


@pytest.mark.parametrize(
    ("large", "sizes"), [(False, ["small", "middle", "large"]), (True, ["middle", "large", "large"])]
)
def test_large_type_has_larger_pictures_to_choose_from(large: bool, sizes: list[str]) -> None:
    app = AppTest.from_function(strip_page, default_timeout=60)
    app.session_state["large"] = large
    shown = [json.loads(strip.proto.bytes)["look"] for strip in app.run().get("bidi_component")]
    assert shown == [f"strip wrap {size}" for size in sizes]


def _job(**values: Any) -> JobStatus:
    known = {
        "id": "data-1", "kind": "data", "state": "running", "progress": 0.25, "message": "", "done": 1,
        "total": 4, "error": None, "seconds": 65.0, "left": 130.0, "created": 0.0,
    }  # fmt: skip
    return JobStatus(**{**known, **values})


def button_page() -> None:
    from explorer.ui.progress import get_data_button

    get_data_button("cifar10")


def test_the_data_button_starts_a_job_and_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(jobs, "submit", lambda args, kind: asked.append((args, kind)) or "data-1")
    monkeypatch.setattr(jobs, "jobs", list)
    monkeypatch.setattr(jobs, "status", lambda job: _job())
    app = AppTest.from_function(button_page).run()
    app.button[0].click().run()
    assert asked == [(["data", "get", "cifar10"], "data")]
    assert address(app, "job") == "data-1"
    progress = app.get("progress")[0].proto
    assert progress.value == 25 and all(part in progress.text for part in ("25 %", "1:05", "2:10 left"))
    assert [button.label for button in app.button] == ["Stop"]


def follow_page() -> None:
    from explorer.ui.progress import follow

    follow("one")


@pytest.mark.parametrize(("kind", "buttons"), [("draw", ["Stop"]), ("train", [])])
def test_a_stranger_may_stop_what_he_may_start(
    kind: str, buttons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    monkeypatch.setattr(jobs, "status", lambda job: _job(id="one", kind=kind))
    monkeypatch.setattr(jobs, "ask_to_stop", stopped.append)
    app = AppTest.from_function(follow_page, default_timeout=60).run()
    assert [button.label for button in app.button] == buttons
    for button in app.button:
        button.click().run()
    assert stopped == ["one"] * len(buttons)


def test_how_a_job_failed_is_said_and_the_button_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.text import Problem

    ended = _job(state="failed", progress=None, error=Problem("No source answered."))
    monkeypatch.setattr(jobs, "jobs", list)
    monkeypatch.setattr(jobs, "status", lambda job: ended)
    monkeypatch.setattr(jobs, "logs", lambda job, tail: ["the last line"])
    app = AppTest.from_function(button_page)
    app.query_params["job"] = "data-1"
    app.run()
    assert [part.value for part in app.error] == ["No source answered\\."]
    assert app.code[0].value == "the last line"
    assert len(app.button) == 1


def test_a_refused_job_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.text import Problem

    def refuse(args: list[str], kind: str) -> str:
        raise Problem("The disk is full.")

    monkeypatch.setattr(jobs, "submit", refuse)
    app = AppTest.from_function(button_page).run()
    app.button[0].click().run()
    assert [part.value for part in app.error] == ["The disk is full."] and "job" not in app.query_params
    app.run()
    assert not app.error


@pytest.mark.parametrize("job", ["../../etc/passwd", "", "nothing", "x" * 10_000, "🐈"])
def test_a_job_in_the_address_that_does_not_exist_is_no_job(job: str) -> None:
    app = AppTest.from_function(button_page)
    app.query_params["job"] = job
    app.run()
    assert not app.exception and not app.error and len(app.button) == 1


def test_in_public_mode_there_is_no_data_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = AppTest.from_function(button_page).run()
    assert not app.button and "public" in app.caption[0].value


def test_a_strip_of_nothing_draws_nothing() -> None:
    def script() -> None:
        from explorer.ui import widgets

        widgets.strip([], alts=[])

    assert not AppTest.from_function(script).run().get("image")


def test_arrays_of_pictures_are_not_changed_by_showing_them() -> None:
    tile = np.arange(3 * 32 * 32, dtype=np.uint8).reshape(3, 32, 32)
    before = tile.copy()
    widgets.pictures.thumbnail_uri(tile, 4)
    assert (tile == before).all()
