"""Train a model: from the form to a live run, a sweep, or a learning-rate test; jobs that outlive the page."""

import secrets
import time

import streamlit as st

from explorer import jobs, reach, runs
from explorer.text import t
from explorer.ui import experiments, papers, settings, trainings, widgets

widgets.heading(
    t("Train a model"),
    t("Choose a net, data and a recipe, and watch it learn. Trainings go on when this page is closed."),
)
public = reach.public_mode()
if public:
    st.info(
        t(
            "This server is public: here you can look at what was trained. To train yourself, run it on your own "
            "machine, or: python -m explorer train --help"
        ),
        icon=":material/lock:",
    )
trainings.problem_of_last_click()
parts = {"new": t("New training"), "runs": t("Runs"), "sweep": t("Sweep"), "range": t("Learning-rate test")}
if public:
    parts = {"runs": parts["runs"], "sweep": parts["sweep"]}
part = widgets.select(t("What to do"), parts, key="do", kind="segmented", bare=True)

if part == "new":
    choice = settings.form()
    if choice:
        prefix = f"{choice.data[:16]}-{choice.model}-"
        name = st.session_state.get("name of the next run")
        if not name or (runs.root() / name).exists() or not name.startswith(prefix):
            # Chosen now, not at the click: then a double click asks twice for the same run.
            stamp = time.strftime("%m%d-%H%M", time.gmtime())
            name = f"{prefix}{stamp}-{secrets.token_hex(2)}"
            st.session_state["name of the next run"] = name
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                t("Start training"), on_click=trainings.start, args=(choice, name), type="primary", key="start",
                icon=":material/play_arrow:",
            )  # fmt: skip
            experiments.estimate(choice)
elif part == "runs":
    found = jobs.run_statuses()
    if not found:
        widgets.empty_state(
            t("Nothing has been trained here yet. Train something: python -m explorer train --help")
        )
    else:
        trainings.overview(any(run.state in jobs.LIVE for run in found))
        names = {run.name: run.name for run in found}
        left, right = st.columns(2)
        with left:
            name = widgets.select(t("Run"), names, key="run")
        with right:
            others = trainings.pick_others(name, found)
        papers.button(run.model for run in found if run.name in (name, *others))
        with widgets.problems():
            trainings.one(name, others)
            trainings.afterwards(name)
elif part == "sweep":
    if not public:
        choice = settings.form("sweep")
        if choice:
            experiments.sweep_form(choice)
    with widgets.problems():
        experiments.sweep_results()
else:
    choice = settings.form("range")
    if choice:
        experiments.rate_test(choice)
