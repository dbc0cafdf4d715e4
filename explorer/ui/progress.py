"""Start a job with a button and follow it. The job id stands in the address, so any session can follow it again."""

import contextlib
from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from explorer import jobs, reach
from explorer.jobs import JobStatus
from explorer.text import Problem, t
from explorer.ui import widgets

EVERY = timedelta(seconds=1)


def get_data_button(name: str) -> None:
    """The button that gets a data set; once pressed, how far that is, a way to stop it, and how it ended."""
    kind = "data"
    if reach.public_mode():
        st.caption(
            t(
                "This server is public: only its owner can get {name} (python -m explorer data get {name}).",
                name=name,
            )
        )
        return
    found = attached(kind)
    if found and found.live:
        follow(found.id)
        return
    if found:
        ended(found)
    problem = st.session_state.pop("job problem", None)
    if problem:
        st.error(str(problem), icon=":material/warning:")
    st.button(
        t("Get {name}", name=name),
        on_click=start,
        args=(["data", "get", name], kind),
        key=f"get {name}",
        type="primary",
        icon=":material/download:",
    )


def start(args: list[str], kind: str) -> None:
    """Submit a job and put its id into the address (a callback, so a Problem is kept for the next run to show)."""
    try:
        st.query_params["job"] = jobs.submit(args, kind)
    except Problem as problem:
        st.session_state["job problem"] = problem


def attached(kind: str) -> JobStatus | None:
    """The job of this kind that the address names, else one that is under way, else None."""
    asked = st.query_params.get("job")
    if asked:
        try:
            found = jobs.status(asked)
        except Problem:  # addresses are typed by strangers, and old jobs are forgotten
            found = None
        if found and found.kind == kind:
            return found
    return next((job for job in jobs.jobs() if job.live and job.kind == kind), None)


@st.fragment(run_every=EVERY)
def follow(job_id: str, shared: Callable[[str], bool] = lambda _: False) -> None:
    """Draw a live job anew every second; when it has ended, the whole page, which can go on then.

    shared: whether somebody else waits for it too; then it cannot be stopped here
    """
    found = jobs.status(job_id)
    if not found.live:
        st.rerun()
    words = t(found.message) if found.message else t(jobs.STATES[found.state])
    if found.progress is not None:
        words += f" · {100 * found.progress:.0f} %"
    words += f" · {_minutes(found.seconds)}"
    if found.left is not None:
        words += " · " + t("{time} left", time=_minutes(found.left))
    st.progress(found.progress or 0.0, text=words)
    if reach.public_mode() and f"stop {found.kind}" not in reach.PUBLIC:
        return
    if shared(job_id):
        st.caption(t("The same pictures were asked for elsewhere too, so they cannot be stopped here."))
        return
    st.button(t("Stop"), on_click=stop, args=(job_id, shared), key=f"stop {job_id}", icon=":material/stop:",
              disabled=found.state == "stopping")  # fmt: skip


def stop(job_id: str, shared: Callable[[str], bool] = lambda _: False) -> None:
    """Ask a job to stop (a callback: it may be gone, or the server public, or somebody has come to wait for it)."""
    if shared(job_id):
        return
    with contextlib.suppress(Problem):
        jobs.ask_to_stop(job_id)


def ended(found: JobStatus) -> None:
    """How a job ended, when it did not end well."""
    if found.state == "done":
        return
    # Strangers need no paths and traces of this machine.
    told = not reach.public_mode()
    reason = widgets.plain(str(found.error)) if found.error and told else t(jobs.STATES[found.state])
    st.error(reason, icon=":material/warning:")
    lines = jobs.logs(found.id, 20)
    if lines and told:
        with st.expander(t("What it said last")):
            st.code("\n".join(lines), language=None)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
