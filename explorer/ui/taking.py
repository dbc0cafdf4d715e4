"""What can be taken along from a talk: a slide, the whole as a file, and others, who follow in a room."""

from datetime import date
from functools import partial
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit import net_util

from explorer import reach
from explorer.story import figures, report, still
from explorer.story.steps import Step, Story
from explorer.text import Problem, language, set_language, t
from explorer.ui import cache, clipboard, rooms, telling, widgets
from explorer.ui.rooms import Room
from explorer.views import pictures

OWN = ("localhost", "127.0.0.1", "::1")  # hosts that only this machine reaches
EVERYWHERE = (None, "", "0.0.0.0", "::")  # server.address of a server that others reach as well
# A stranger who asks again and again costs nothing.
_slides, _reports = cache.Kept(64), cache.Kept(8)


def take_along(story: Story, step: Step) -> None:
    """The slide, the report, others in the room; made only when they are opened."""
    with st.container(horizontal=True):
        slides = st.popover(
            t("Copy as slide"), icon=":material/content_copy:", key="slide", on_change="rerun"
        )
        others = st.popover(t("Take others along"), icon=":material/group:", key="others", on_change="rerun")
        if telling.may_lead():  # the speaker's notes are in it
            made = partial(whole_report, story, language())
            widgets.download(t("Report"), made, f"{story.name}.html", "text/html")
    if slides.open:
        with slides, widgets.problems():
            _slide(story, step)
    if others.open:
        with others, widgets.problems():
            _others(story, step)


def whole_report(story: Story, code: str) -> str:
    """The talk as one HTML file in the language `code`; Problem in public mode.

    Made when the button is pressed, in a thread that knows nothing of the session.
    """
    reach.allow("story report")
    set_language(code)
    return _reports.get((str(story), date.today(), *telling.stamp()), lambda: report.report(story))


def _slide(story: Story, step: Step) -> None:
    picture = _slides.get(
        (str(step), len(story.steps), *telling.stamp()),
        lambda: still.png(step, *figures.shown(step), len(story.steps)),
    )
    clipboard.copy_button(picture, step.say("headline"), t("Copy"), t("Copied"),
                          t("This browser lets no page copy pictures here: save it instead."))  # fmt: skip
    widgets.download(t("Save PNG"), picture, f"{story.name}-{step.number:02}.png", "image/png")


def _others(story: Story, step: Step) -> None:
    """Open a room, its code and QR code; or leave it."""
    room = rooms.find(st.query_params.get("room"))
    if room is None:
        if reach.public_mode():
            telling.say_how_to_lead()
            return
        if not telling.may_lead():
            st.markdown(t("Here one can only follow: open the address that the presenter shows."))
            return
        st.markdown(t("A room keeps tabs together: whoever opens its address sees the step that you show."))
        st.button(
            t("Open a room"), key="open room", type="primary", on_click=_open, args=(story.name, step.number)
        )
        problem = st.session_state.pop("room problem", None)
        if problem:
            st.error(str(problem), icon=":material/warning:")
        return
    address = address_of(room)
    st.markdown(t("Room {code}", code=f"**{room.code}**"))
    st.image(
        pictures.data_uri(still.qr(address)), alt=t("A QR code of {address}", address=address), width=240
    )
    st.code(address, language=None)
    if urlsplit(address).hostname in OWN and st.get_option("server.address") not in EVERYWHERE:
        st.caption(
            t(
                "Only this machine reaches that address. Start with HOST=0.0.0.0 and EXPLORER_TOKEN=… for a room."
            )
        )
    if telling.may_lead():
        st.link_button(
            t("Presenter's view in a new tab"), address_of(room, notes=True), icon=":material/speaker_notes:"
        )
        st.button(t("End the room"), key="close room", on_click=_close, args=(room.code,))


def between_talks(room: Room) -> None:
    """For who leads a room and chooses its next talk: that it is still open, and a way to end it."""
    if telling.notice(None):
        st.info(
            t(
                "Room {code} is still open: whoever follows waits there, and goes along when you begin a talk.",
                code=room.code,
            ),
            icon=":material/group:",
        )
        st.button(t("End the room"), key="close room", on_click=_close, args=(room.code,))


def address_of(room: Room, notes: bool = False) -> str:
    """Where to follow a room, or to lead it with notes."""
    base = (st.context.url or "").partition("?")[0]
    asked = {"story": room.story, "room": room.code} | ({"notes": "1"} if notes else {"lang": language()})
    return f"{base if notes else _for_others(base)}?{urlencode(asked)}"


def _for_others(base: str) -> str:
    """An address as other machines reach it: the presenter's own browser calls this machine 127.0.0.1."""
    parts = urlsplit(base)
    if parts.hostname not in OWN or st.get_option("server.address") not in EVERYWHERE:
        return base
    host = net_util.get_internal_ip() or parts.hostname  # 127.0.0.1 where it is in no network
    return parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()


def _open(story: str, step: int) -> None:
    try:
        st.query_params["room"] = rooms.open_room(story, step).code
        # Whoever reloads this tab is asked for the token again, and not taken for one who follows.
        st.query_params["lead"] = "1"
    except Problem as problem:
        st.session_state["room problem"] = problem


def _close(code: str) -> None:
    rooms.close(code)
    for key in ("room", "lead", "notes"):
        st.query_params.pop(key, None)
