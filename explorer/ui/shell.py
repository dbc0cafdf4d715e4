"""The frame around every page: who may enter, language, type size, navigation. Runs at every rerun, then the page."""

import hmac
import os
import time

import streamlit as st

from explorer import text
from explorer.jobs import PROJECT
from explorer.text import N_, t
from explorer.ui import document, language, ready, widgets

ROOT = PROJECT  # this script runs for every visitor at every click: no path is resolved here

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
    st.navigation(pages(), position="hidden")  # keeps the page that the address names for afterwards
    widgets.heading("Model Explorer", t("This server asks for a token."))
    given = st.text_input(t("Token"), type="password", max_chars=512)
    if given:
        if hmac.compare_digest(given.encode(), os.environ.get("EXPLORER_TOKEN", "").encode()):
            st.session_state["token given"] = True
            st.rerun()
        time.sleep(1)  # guessing is slow
        st.error(t("That is not the token."))
    st.stop()


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
    st.caption(ready.device_line())
with widgets.problems():
    page.run()
ready.drawn(page.url_path)
