"""Talks that run inside the app: every step is live. And a game against a model."""

import streamlit as st

from explorer.story.steps import Story
from explorer.text import t
from explorer.ui import beat, presenting, taking, telling, widgets

found = telling.stories()
room, follows = telling.seen(), st.session_state.get(telling.FOLLOWS)
choosing = telling.leads() and "story" not in st.query_params  # the next talk for the room
# Who comes by a room's code is taken to where it is, and without the token sees nothing else.
if room and not choosing and (follows or "step" not in st.query_params):
    telling.join(room)
name = st.query_params.get("story")
story = found.get(name)

if isinstance(story, Story):
    if st.query_params.get("notes") == "1" and telling.may_lead():
        presenting.present(story)
    else:
        telling.tell(story)
        taking.take_along(story, telling.current(story))
elif st.query_params.get("part") == "beat" and not follows:
    beat.beat()
    st.button(t("Other talks"), icon=":material/close:", key="talk leave", on_click=telling.leave)
else:
    widgets.heading(
        t("Story"), t("A talk that runs inside the app: each step shows its picture here, and opens live.")
    )
    if room and choosing:
        taking.between_talks(room)
    elif room:
        telling.wait()
    else:
        widgets.odd_address(["story"] if name is not None and name not in found else [])
    if not follows:
        telling.choose(found)
