"""The frame around every page: who may enter, language, type size, navigation. Runs at every rerun, then the page."""

import hmac
import os
import time

import streamlit as st

from explorer import text
from explorer.jobs import PROJECT
from explorer.text import N_, t
from explorer.ui import document, keys, language, ready, rooms, telling, uploads, widgets
from explorer.ui.rooms import Room

ROOT = PROJECT  # this script runs for every visitor at every click: no path is resolved here
STORY = ROOT / "pages/story.py"

# Section -> pages as (file in pages/, title, icon, what it is for). Adding a page: its script and one line here.
PAGES = {
    N_("Start"): [
        ("home", N_("Overview"), "home", N_("What you can ask here, and what the models reach")),
    ],
    N_("Classifiers"): [
        ("predict", N_("Predict"), "image_search", N_("Drop in a picture and see what the models say")),
        ("evaluate", N_("Evaluate"), "grid_on", N_("How often a model is wrong, and where")),
        (
            "explain",
            N_("Explain"),
            "center_focus_strong",
            N_("Where the evidence is, and whether to believe it"),
        ),
        ("train", N_("Train"), "model_training", N_("Watch a model learn, and put it on the other pages")),
    ],
    N_("Generators"): [
        ("generate", N_("Generate"), "brush", N_("One seed through three models, and what FID sees")),
    ],
    N_("Features"): [
        (
            "retrieve",
            N_("Retrieve"),
            "travel_explore",
            N_("Which pictures are alike, by cosine and by Euclidean distance"),
        ),
    ],
    N_("Talks"): [
        (
            "story",
            N_("Story"),
            "slideshow",
            N_("A talk whose every step is live, and a game against a model"),
        ),
    ],
}


def pages() -> dict[str, list]:
    """The pages whose script is there, by section, titled in the session's language."""
    found = {}
    for section, entries in PAGES.items():
        there = [entry for entry in entries if (ROOT / "pages" / f"{entry[0]}.py").is_file()]
        if there:
            found[t(section)] = [
                st.Page(
                    ROOT / "pages" / f"{name}.py",
                    title=t(title),
                    icon=f":material/{icon}:",
                    url_path=None if name == "home" else name,
                    default=name == "home",
                    help=t(sentence),
                )
                for name, title, icon, sentence in there
            ]
    return found


def ask_for_token() -> None:
    """On a server that others can reach and that has a token: nothing is shown before it has been given."""
    if os.environ.get("EXPLORER_ASK_TOKEN") != "1" or st.session_state.get("token given"):
        return
    page = st.navigation(pages(), position="hidden")  # keeps the page that the address names for afterwards
    room = telling.seen()
    # Who was given the code of a room may follow it, nothing more; who leads it gives the token again.
    if room and not {"notes", "lead"} & set(st.query_params):
        st.session_state[telling.FOLLOWS] = True
        if page.url_path != "story":
            st.switch_page(STORY, query_params={"room": room.code})
        with widgets.problems():
            page.run()
        st.stop()
    st.session_state.pop(telling.FOLLOWS, None)
    widgets.heading("Model Explorer", t("This server asks for a token."))
    telling.ask_for_room()
    given = st.text_input(t("Token"), type="password", max_chars=512)
    if given:
        if hmac.compare_digest(given.encode(), os.environ.get("EXPLORER_TOKEN", "").encode()):
            st.session_state["token given"] = True
            st.rerun()
        time.sleep(1)  # guessing is slow
        st.error(t("That is not the token."))
    st.stop()


def talk_link() -> None:
    """The way back to the step of a talk that was left for a live page: a link, or Escape."""
    left = st.session_state.get(telling.TALK)
    if left:
        back = telling.link(*left)
        widgets.page_link("story", t("Back to the talk, step {n}", n=left[1]), "slideshow", back)
        if keys.escape():
            st.switch_page(STORY, query_params=back)
        if left[2]:
            called_back(left[2])


@st.fragment(run_every=telling.EVERY)
def called_back(left: Room) -> None:
    """Look every second whether the room has gone on since this tab left it for a live page, and go along."""
    room = rooms.find(left.code)
    if room and (room.story, room.step) != (left.story, left.step):
        st.switch_page(STORY, query_params=telling.link(room.story, room.step, room))


st.set_page_config(
    page_title="Model Explorer", page_icon=str(ROOT / "explorer/ui/static/mark.svg"), layout="wide"
)
st.logo(str(ROOT / "explorer/ui/static/mark.svg"), size="large")
with st.sidebar:
    language.language_switch()
    large = st.toggle(
        t("Large type"), key="large", bind="query-params", help=t("For the last row of the room")
    )
    document.apply(text.language(), large)
ask_for_token()
page = st.navigation(pages())
with st.sidebar:
    if page.url_path != "story":
        talk_link()
    st.caption(ready.device_line())
uploads.arrive(page.url_path)
with widgets.problems():
    page.run()
ready.drawn(page.url_path)
