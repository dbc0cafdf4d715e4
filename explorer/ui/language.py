"""Which language a session speaks: its switch, else the address (?lang=ko), else the browser."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer import text
from explorer.text import LANGUAGES
from explorer.ui import widgets


def browser_language() -> str:
    """The browser's language when it is one of ours, else English."""
    code = (st.context.locale or "").lower().partition("-")[0]
    return code if code in LANGUAGES else "en"


def session_language() -> str:
    """The language code of the session that runs in this thread; English outside of any session."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    for chosen in (st.session_state.get("lang"), st.query_params.get("lang")):
        if chosen in LANGUAGES:
            return chosen
    return browser_language()


def language_switch() -> None:
    """Draw the switch, bound to ?lang=, and use its language for the rest of this run."""
    code = widgets.select(
        "Language · 언어",
        LANGUAGES,
        key="lang",
        default=browser_language(),
        kind="segmented",
        sticky=True,
        bare=True,
    )
    text.set_language(code)


text.ask_language_of(session_language)  # for callbacks and fragments, which run without the frame
