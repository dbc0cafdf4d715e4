"""What takes too long for a page: the button that starts it as a job, how far that is, how it ended."""

from collections.abc import Sequence

import streamlit as st

from explorer import jobs, reach
from explorer.text import Problem
from explorer.ui import progress, widgets


def offer(words: Sequence[str], missing: str, button: str, closed: str, icon: str, key: str) -> None:
    """Offer the command `words`, whose first is its kind of job, where its result is not there yet.

    missing: what is not there and how long it takes;  closed: what a public server says instead;  key: of the button
    """
    if reach.public_mode():
        st.info(closed, icon=":material/lock:")
        return
    job = jobs.latest(" ".join(words))
    if job and job.live:
        progress.follow(job.id)
        return
    if job and st.query_params.get("job") == job.id:
        progress.ended(job)
    problem = st.session_state.pop(f"{key} problem", None)
    if problem:
        st.error(str(problem), icon=":material/warning:")
    widgets.empty_state(missing)
    st.button(
        button, key=key, on_click=_submit, args=(list(words), key), type="primary", icon=f":material/{icon}:"
    )


def _submit(words: list[str], key: str) -> None:
    """Submit the job and put its id into the address (a callback, so a Problem is kept for the next run to show)."""
    try:
        st.query_params["job"] = jobs.submit(words, words[0], " ".join(words), device="cpu")
    except Problem as problem:
        st.session_state[f"{key} problem"] = problem
