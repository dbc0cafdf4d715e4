"""The presenter's own screen: what to say, what comes next, the time. It moves the room."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from explorer.story.steps import Story
from explorer.text import t
from explorer.ui import rooms, telling, widgets


def present(story: Story) -> None:
    """The note of the step at hand, the next headline, clock, and in a room the time since it was opened."""
    step, room = telling.current(story), telling.notice(story)
    telling.head(story, step)
    _times(room and room.code)
    if room:
        telling.keep_up()
    if st.query_params.get("all"):
        telling.all_steps(story, step)
        return
    st.title(widgets.plain(step.say("headline")), anchor=False)
    st.markdown(f"#### {widgets.plain(step.say('note'))}")
    after = story.steps[step.number].say("headline") if step.number < len(story.steps) else t("the end")
    st.markdown(t("Next: {headline}", headline=f"**{widgets.plain(after)}**"))
    with st.container(horizontal=True):
        telling.back_and_on(story, step)
        if room:
            st.button(t("Start the clock again"), icon=":material/timer:", key="clock",
                      on_click=rooms.restart_clock, args=(room.code,))  # fmt: skip


@st.fragment(run_every=telling.EVERY)
def _times(code: str | None) -> None:
    """The time of day where the browser is, and since the room was opened."""
    room = rooms.find(code)
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    left, right = st.columns(2)
    left.metric(t("Clock"), f"{datetime.now(zone):%H:%M}")
    if room:
        gone = int(time.monotonic() - room.opened)
        right.metric(t("Elapsed"), f"{gone // 60}:{gone % 60:02}")
