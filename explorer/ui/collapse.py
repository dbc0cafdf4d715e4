"""The section "Why GANs fail": the two of `moments`, a collapse to watch, and the theory of `game`."""

import functools
import math
import secrets
import time
from datetime import timedelta

import streamlit as st

from explorer import jobs, reach, runs
from explorer.text import Problem, t
from explorer.ui import generating, grids, measured, progress, widgets
from explorer.ui.game import MEAN, WIDTH, game
from explorer.ui.generating import Scene
from explorer.ui.moments import picture, plain_and_healthy, there
from explorer.views.measures import percent
from explorer.views.rows import epoch_words

EVERY = timedelta(seconds=2)
RECIPE = "dcgan-collapse"  # of the live run, always on the digits
EARLIER = 3  # grids of the live run below its newest


def collapse(scene: Scene) -> None:
    """All of the section; each part stands when another cannot."""
    asked = st.query_params.get_all
    words = there(scene) | {"collapse": [name for name in asked("collapse") if _collapses(name)]}
    meet = {word for word in asked("meet") if word.lower() in ("true", "false")}
    odd = generating.note_odd(words | {"meet": meet}, {"mean": MEAN[:2], "width": WIDTH[:2]})
    for key in words.keys() & odd:  # said once
        widgets.to_url(key, None)
    for part in (functools.partial(plain_and_healthy, scene), _live, game):
        with widgets.problems():
            part()


def _live() -> None:
    st.subheader(t("Watch one collapse"), anchor=False)
    st.markdown(
        t(
            "A plain DCGAN on the digits, too fast and with too much momentum: in minutes its pictures become one."
        )
    )
    problem = st.session_state.pop("collapse problem", None)
    if problem:
        st.error(str(problem), icon=":material/warning:")
    name = _run()
    run = jobs.run_status(name) if name else None
    live = run is not None and run.state in jobs.LIVE
    if reach.public_mode():
        st.caption(t("This server is public: only its owner can start a training here."))
    elif not live:
        following = st.session_state.get("name of the next collapse")
        if not following or (runs.root() / following).exists():
            # Chosen now, not at the click: then a double click asks twice for the same run.
            following = f"collapse-{time.strftime('%m%d-%H%M', time.gmtime())}-{secrets.token_hex(2)}"
            st.session_state["name of the next collapse"] = following
        st.button(
            t("Let it collapse"), on_click=_start, args=(following,), key="let it collapse", type="primary",
            icon=":material/play_arrow:",
        )  # fmt: skip
    if run is None:
        return
    job = jobs.job_of(run)
    if job and job.live:
        progress.follow(job.id)
    elif job:
        progress.ended(job)
    (st.fragment(_newest, run_every=EVERY) if live else _newest)(run.name)
    query = {"do": "runs", "run": run.name}
    widgets.page_link("train", t("Its curves on the Train page"), "show_chart", query)


def _start(name: str) -> None:
    """Make the run and submit its job. A callback: a Problem is kept for the next run of the page."""
    from explorer.device import choose

    options = {
        "model": "dcgan", "data": "digits", "recipe": RECIPE, "settings": {}, "seed": 0, "device": choose().type,
        "tensorboard": False,
    }  # fmt: skip
    try:
        st.query_params["collapse"] = jobs.begin(name, options)
    except Problem as problem:
        st.session_state["collapse problem"] = problem


def _run() -> str | None:
    """The run of a collapse that the address names, else one that is under way."""
    asked = st.query_params.get("collapse")
    if asked and _collapses(asked):
        return asked
    widgets.to_url("collapse", None)
    live = (run for run in jobs.run_statuses() if run.model == "dcgan" and run.state in jobs.LIVE)
    return next((run.name for run in live if _collapses(run.name)), None)


def _collapses(name: str) -> bool:
    try:
        return runs.config_of(name).get("recipe_name") == RECIPE
    except Problem:  # addresses are typed by strangers, and runs are deleted
        return False


def _newest(name: str) -> None:
    """The newest grid of a run large, and earlier ones below it."""
    with widgets.problems():  # a fragment runs without the page around it
        steps, rows = grids.steps_of(name), measured.rows_of(name)
        if not steps:
            st.caption(t("Its first pictures come after some seconds."))
            return
        batch = runs.config_of(name)["recipe"]["batch"]
        folder = runs.folder_of(name) / "grids"

        def show(step: int, factor: int) -> None:
            words = t("{name}, {n} pictures seen", name=name, n=f"{step * batch:,}")
            picture(folder / f"{runs.folder.step_name(step)}.png", words, factor)

        show(steps[-1], 3 if widgets.large_type() else 2)
        right = rows[-1].get("d_accuracy") if rows else None
        if isinstance(right, float) and math.isfinite(right):
            st.markdown(t("The discriminator is right about {value} of the pictures at epoch {epoch}",
                          value=percent(right), epoch=epoch_words(rows[-1]["epoch"])))  # fmt: skip
        earlier = steps[:-1]
        places = {round(k * (len(earlier) - 1) / (EARLIER - 1)) for k in range(EARLIER)} if earlier else set()
        with st.grid(EARLIER, min_column_width=320):
            for place in sorted(places):
                with st.container():
                    show(earlier[place], 1)
        st.caption(t("Always the same seeds: where they all give one picture, the net has collapsed."))
