"""The section "Draw": a job that is submitted stands in the session's gallery, whatever else is clicked meanwhile."""

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.testing.v1 import AppTest

from explorer import jobs

PAGE = """
import streamlit as st
from explorer.ui import drawing
if st.button("Draw", key="draw"):
    drawing._start(["sample"])
st.title(", ".join(st.session_state.get(drawing.GALLERY, [])))
"""


@pytest.mark.parametrize("clicked", [False, True])
def test_a_click_while_a_job_is_submitted_does_not_lose_it(
    clicked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that submits it ends at the next thing that it writes."""
    ids = ["first", "second", "first"]

    def submit(*asked: object, **how: object) -> str:
        if clicked:
            ctx = get_script_run_ctx()
            again = RerunData(widget_states=WidgetStates(), page_script_hash=ctx.page_script_hash)
            ctx.script_requests.request_rerun(again)
        return ids.pop(0)

    monkeypatch.setattr(jobs, "submit", submit)
    app = AppTest.from_string(PAGE).run()
    shown = [app.button(key="draw").click().run().title[0].value for _ in range(3)]
    assert shown == ["first", "second, first", "first, second"] and not app.exception
