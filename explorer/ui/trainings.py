"""Trainings on a page: start one, watch it live, lay several over each other, and what to do with one that ended."""

from datetime import timedelta
from typing import Any

import streamlit as st

from explorer import checkpoints, data, jobs, models, reach, runs
from explorer.text import N_, Problem, t
from explorer.training import recipe_class
from explorer.ui import cache, grids, measured, progress, settings, widgets

EVERY = timedelta(seconds=2)
STATES = jobs.STATES
# What runs are judged by, in their list: as a column where all are judged alike, and beside their values elsewhere.
JUDGED = {
    "accuracy": (N_("Held-out accuracy"), "%.2f %%", N_("accuracy {value}")),
    "kid": (N_("Held-out KID"), "%.4g", N_("KID {value}")),
    "loss": (N_("Held-out loss"), "%.4g", N_("loss {value}")),
}
MOST_OVERLAID, LISTED = 6, 50
TORCHRUN = "torchrun --standalone --nproc_per_node N -m -- explorer runs resume {name}"


def start(choice: settings.Choice, name: str) -> None:
    """Make the run, submit its job, and show it. A callback: a Problem is kept for the next run of the page.

    name: chosen when the page was drawn, so that a double click asks twice for the same run
    """
    try:
        show(jobs.begin(name, choice.options()))
    except Problem as problem:
        st.session_state["train problem"] = problem


def show(name: str) -> None:
    """Turn the page to a run."""
    st.query_params["do"], st.query_params["run"] = "runs", name
    for key in ("clone", "grid"):
        st.query_params.pop(key, None)


def problem_of_last_click() -> None:
    """What went wrong in a callback."""
    problem = st.session_state.pop("train problem", None)
    if problem:
        st.error(str(problem), icon=":material/warning:")


# --- what is there ---------------------------------------------------------------------------------------------------


def overview(live: bool) -> None:
    """A table of the runs, kept up to date while one is live; a click on a row shows the run."""
    (st.fragment(_overview, run_every=EVERY) if live else _overview)()


def _overview() -> None:
    found = jobs.run_statuses()
    head, values = _judged(found[:LISTED])
    rows = [
        {
            t("Run"): run.name,
            t("State"): t(STATES[run.state]),
            t("Net"): run.model,
            t("Data"): run.data,
            t("Done"): run.step / run.total if run.total else 0.0,
            head: value,
            t("Begun"): run.created.replace("T", " ").rstrip("Z"),
        }
        for run, value in zip(found[:LISTED], values)
    ]

    def picked() -> None:
        chosen = st.session_state["runs table"]["selection"]["rows"]
        if chosen and chosen[0] < len(rows):
            show(found[chosen[0]].name)
            st.session_state["run picked"] = True

    if st.session_state.pop("run picked", False):
        st.rerun()  # the whole page, not only this table
    st.dataframe(
        rows, key="runs table", on_select=picked, selection_mode="single-row", hide_index=True, width="stretch",
        column_config={
            t("Done"): st.column_config.ProgressColumn(format="percent"),
            **{t(words): st.column_config.NumberColumn(format=form) for words, form, _ in JUDGED.values()},
        },
    )  # fmt: skip
    if len(found) > LISTED:
        st.caption(
            t("{shown} of {n} runs; all of them: python -m explorer runs list", shown=LISTED, n=len(found))
        )


def _judged(found: list[runs.RunStatus]) -> tuple[str, list]:
    """The head of a column of the list, and for each run what held-out pictures say of it: numbers where all nets are
    of one kind, else words, for an accuracy and a KID are no two numbers of one kind."""
    kinds = [recipe_class(run.model if run.model in models.MODELS else "lenet") for run in found]
    measures = [kind.judged_by[0] for kind in kinds]
    values = [
        run.judged if measure != "accuracy" else None if run.held_out is None else 100 * run.held_out
        for run, measure in zip(found, measures)
    ]
    if len(set(kinds)) == 1:
        return t(JUDGED[measures[0]][0]), values
    words = []
    for value, measure in zip(values, measures):
        _, form, template = JUDGED[measure]
        words.append("" if value is None else t(template, value=form % value))
    return t("Held-out"), words


def one(name: str, others: list[str]) -> None:
    """A run, live while it is trained: numbers, curves (others laid over it), matrix, log, and what can be done."""
    live = jobs.run_status(name).state in jobs.LIVE
    # Both are fragments of one function: while nothing happens nothing is drawn anew.
    (st.fragment(_one, run_every=EVERY) if live else _one)(name, others, live)


def _one(name: str, others: list[str], was_live: bool) -> None:
    with widgets.problems():  # a fragment runs without the page around it
        run = jobs.run_status(name)
        job = jobs.job_of(run)
        if was_live and run.state not in jobs.LIVE:
            st.rerun()
        problem_of_last_click()
        rows = measured.rows_of(name)
        config = runs.config_of(name)
        _state(run, job, rows, config)
        if rows:
            measured.numbers(rows, config)
            with widgets.problems():
                grids.show(name, others, rows, config)
            measured.curves(name, others, config)
            measured.confusion(name, rows, config)
        _log(name, job)


def _state(run: runs.RunStatus, job: jobs.JobStatus | None, rows: list[dict], config: dict) -> None:
    """How far it is in words and as a bar, and the buttons that fit."""
    words = t(STATES[run.state])
    if run.total:
        words += " · " + t("step {step} of {total}", step=f"{run.step:,}", total=f"{run.total:,}")
        words += " · " + t("epoch {epoch}", epoch=f"{run.epoch:.2f}")
    if run.state == "running" and rows:
        words += " · " + t("{time} left", time=duration(_left(run, rows, config)))
    st.progress(min(run.step / run.total, 1.0) if run.total else 0.0, text=words)
    if run.state == "failed":
        # The job's error can be translated, the run's is only text.
        reason = job.error if job and job.error and job.kind != "sweep" else run.message
        st.error(widgets.plain(str(reason)) or t(STATES["failed"]), icon=":material/warning:")
    if run.state in ("cancelled", "interrupted") and run.step:
        st.info(t("These are the numbers of a part of the training; it can go on from its last checkpoint."))
    if reach.public_mode():
        return
    with st.container(horizontal=True):
        if run.state in jobs.LIVE:
            if job and job.live:
                st.button(t("Stop"), on_click=_callback(jobs.ask_to_stop), args=(job.id,), icon=":material/stop:",
                          key="stop run", disabled=run.state == "stopping")  # fmt: skip
            else:
                st.caption(t("It is trained from a terminal; Ctrl-C there stops it."))
        elif run.state != "done":
            st.button(t("Resume") if run.step else t("Train it"), on_click=_callback(_resume), args=(run.name,),
                      type="primary", icon=":material/play_arrow:", key="resume run")  # fmt: skip
        if st.button(t("Clone with changes"), icon=":material/content_copy:", key="clone run",
                     help=t("A new run whose form starts with this run's settings")):  # fmt: skip
            _clone(run.name, config)
            st.rerun()  # the whole page: it is another part of it
        if run.state not in jobs.LIVE:
            with st.popover(t("Delete"), icon=":material/delete:"):
                st.markdown(t("The run and its checkpoints are removed; what was published of it stays."))
                st.button(t("Delete {name}", name=run.name), on_click=_callback(_delete), args=(run.name,),
                          key="delete run", type="primary")  # fmt: skip


def _resume(name: str) -> None:
    jobs.train(name, device_of(runs.config_of(name)))


def device_of(config: dict) -> str:
    """The device a run was made for; where this machine has none such, the one it would take of itself."""
    from explorer.device import choose

    try:
        return choose(config.get("device", "auto")).type
    except Problem:
        return choose().type


def _callback(action: Any) -> Any:
    """`action` as a button's callback: its Problem is shown by the next run of the page."""

    def act(*args: Any) -> None:
        try:
            action(*args)
        except Problem as problem:
            st.session_state["train problem"] = problem

    return act


def _delete(name: str) -> None:
    jobs.delete_run(name)
    st.query_params.pop("run", None)


def _clone(name: str, config: dict) -> None:
    st.query_params.update(
        {"do": "new", "clone": name, "net": config["model"], "data": config["data"],
         "recipe": config["recipe_name"]}
    )  # fmt: skip
    st.query_params.pop("task", None)  # the net says it


def _left(run: runs.RunStatus, rows: list[dict], config: dict) -> float:
    """Seconds to go at the mean speed of the last rows, steps on smaller pictures counted as less."""
    speeds = [row["images_per_second"] for row in rows[-20:] if row.get("images_per_second")]
    if not speeds:
        return 0.0
    recipe = runs.recipe_of(config)
    done, each = (recipe.work(step, run.total) for step in (run.step, run.step - 1))
    left = (recipe.work(run.total, run.total) - done) / max(done - each, 1 / 16)
    return left * recipe.batch * sum(1 / speed for speed in speeds) / len(speeds)


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return t("{s} s", s=seconds)
    if seconds < 3600:
        return t("{m} min {s} s", m=seconds // 60, s=seconds % 60)
    return t("{h} h {m} min", h=seconds // 3600, m=seconds % 3600 // 60)


def _log(name: str, job: jobs.JobStatus | None) -> None:
    with st.expander(t("What it says"), icon=":material/notes:"):
        lines = runs.folder_of(name) / "log.txt"
        said = (
            lines.read_text(encoding="utf-8", errors="replace").splitlines()[-20:] if lines.exists() else []
        )
        said += jobs.logs(job.id, 20) if job and not reach.public_mode() else []
        st.code("\n".join(said) or "-", language=None)
        st.caption(t("On several devices, in a terminal:"))
        st.code(TORCHRUN.format(name=name), language="bash")
        st.caption(t("The same curves in TensorBoard, for runs trained with its switch:"))
        st.code(
            f"tensorboard --logdir {'runs' if runs.root() == jobs.PROJECT / 'runs' else '$EXPLORER_RUNS'}"
        )


# --- what comes after ------------------------------------------------------------------------------------------------


def afterwards(name: str) -> None:
    """Put the run's model on the other pages, or take it away as a ZIP."""
    if reach.public_mode() or not runs.saved(name):
        return
    st.subheader(t("Use it"), anchor=False)
    run = runs.status(name)
    if run.state != "done":
        st.caption(
            t(
                "Not all of it is trained: step {step} of {total}.",
                step=f"{run.step:,}",
                total=f"{run.total:,}",
            )
        )
    left, right = st.columns(2, gap="large")
    with left:
        _publish(name)
    with right:
        st.markdown(t("The checkpoint as a Hugging Face folder: weights, config, and README with its card."))
        widgets.download(t("Download ZIP"), lambda: runs.zipped(name), f"{name}.zip", "application/zip")


def _publish(name: str) -> None:
    draws = measured.task_of(runs.config_of(name)) != "classifier"
    if draws:
        st.markdown(t("As a checkpoint, stored small: to draw with, and to be scored."))
    else:
        st.markdown(t("On the other pages: calibrated on the held-out pictures and tested, once."))
    there = {entry.name for entry in cache.entries()}
    job = jobs.latest(f"publish {name}")
    if job and job.live:
        progress.follow(job.id)
        return
    done = jobs.result(job.id).get("name") if job and job.state == "done" else None
    if done in there and draws:
        st.markdown(t("Checkpoint **{name}** is there; it draws with:", name=widgets.plain(done)))
        st.code(f"python -m explorer sample {done} --n 100 --out {done}.npz", language="bash")
        return
    if done in there:
        with st.container(horizontal=True):
            for page, words, key in (
                ("predict", t("Predict"), "model"), ("evaluate", t("Evaluate"), "checkpoint"),
            ):  # fmt: skip
                st.page_link(jobs.PROJECT / "pages" / f"{page}.py", label=f"{words}: {done}",
                             query_params={key: done}, icon=":material/arrow_forward:")  # fmt: skip
        return
    if job and job.state != "done":
        progress.ended(job)
    wished = st.text_input(t("Name of the checkpoint"), name, max_chars=64, key=f"publish as {name}")

    def publish() -> None:
        if (checkpoints.root() / data.valid_name(wished, t("Checkpoint"))).exists():
            raise Problem("There is a checkpoint {name} already; choose another name.", name=wished)
        device = device_of(runs.config_of(name))
        jobs.submit(["runs", "publish", name, wished], "publish", f"publish {name}", device)

    words = t("Make it a checkpoint") if draws else t("Put it on the other pages")
    st.button(words, on_click=_callback(publish), type="primary", key="publish run",
              icon=":material/publish:")  # fmt: skip


def pick_others(name: str, found: list[runs.RunStatus]) -> list[str]:
    """Which runs to lay over this one."""
    names = [run.name for run in found if run.name != name and run.step]
    if not names:
        return []
    chosen = st.multiselect(
        t("Lay other runs over it"), names, max_selections=MOST_OVERLAID, key="with", bind="query-params",
        placeholder=t("none"),
    )  # fmt: skip
    return [each for each in chosen if each in names]
