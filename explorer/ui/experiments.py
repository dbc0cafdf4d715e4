"""What is tried before a long training: how long it will take, which learning rate, and a sweep over two settings."""

import secrets
import time
from datetime import timedelta
from typing import Any

import streamlit as st

from explorer import jobs, models, reach, runs
from explorer.text import N_, Problem, t
from explorer.training import CHOICES, RANGES
from explorer.ui import measured, progress, settings, trainings, widgets
from explorer.ui.evidence import dark, drawn
from explorer.views import training as charts

EVERY = timedelta(seconds=2)
SWEPT = [name for name in RANGES if name not in ("holdout", "frozen_after", "norm_lr")]
OPTIMIZERS = {"vae": "adam", "diffusion": "adamw"}
METRICS = {"accuracy": N_("Held-out accuracy"), "auc": N_("Macro AUC")}  # of a sweep of classifiers
JUDGED = {
    "gan": "kid",
    "vae": "vae_loss",
    "diffusion": "noise_loss",
}  # of others, as `views.training.SWEPT` calls it


def submit(args: list[str], kind: str, device: str) -> None:
    """Submit a job (a callback)."""
    try:
        jobs.submit(args, kind, " ".join(args), device)
    except Problem as problem:
        st.session_state["train problem"] = problem


def _job(args: list[str]) -> jobs.JobStatus | None:
    return jobs.latest(" ".join(args))


# --- how long, how much memory ---------------------------------------------------------------------------------------


def estimate(choice: settings.Choice) -> None:
    """Time and memory of the whole training, from two seconds of it."""
    args = ["probe", *choice.arguments(), "--json"]
    job = _job(args)
    if job and job.live:
        progress.follow(job.id)
        return
    if job and job.state == "done":
        found = jobs.result(job.id)
        st.markdown(
            t(
                "About **{time}** for {steps} steps at {speed} pictures a second, and {memory} GB of memory.",
                time=trainings.duration(found["total_seconds"]),
                steps=f"{found['steps']:,}",
                speed=f"{found['images_per_second']:,.0f}",
                memory=f"{found['memory_bytes'] / 1e9:.1f}",
            )
        )
        return
    if job:
        progress.ended(job)
    st.button(t("Estimate time and memory"), on_click=submit, args=(args, "probe", choice.device), key="estimate",
              icon=":material/timer:", help=t("Trains for two seconds and measures"))  # fmt: skip


# --- which learning rate ---------------------------------------------------------------------------------------------


def rate_test(choice: settings.Choice) -> None:
    """The learning-rate range test (Smith 2017): the loss while the rate grows."""
    if models.spec(choice.model).task == "gan":
        st.info(
            t(
                "Not for a GAN: its loss is measured against an opponent that learns too, so that it falls says "
                "nothing. Try rates by a sweep, which is judged by the KID to held-out pictures."
            ),
            icon=":material/balance:",
        )
        return
    args = ["lr-range", *choice.arguments(), "--seed", str(choice.seed), "--json"]
    job = _job(args)
    if job and job.live:
        progress.follow(job.id)
        return
    if job and job.state != "done":
        progress.ended(job)
    if job and job.state == "done":
        found = jobs.result(job.id)
        # What draws has one optimiser each, and its recipe no choice.
        optimizer = getattr(choice.made, "optimizer", OPTIMIZERS.get(choice.made.task, ""))
        source = f"{choice.model}, {choice.data}, {optimizer}, " + t(
            "batch {batch}, {n} steps", batch=choice.made.batch, n=len(found["lrs"])
        )
        figure = drawn(
            ("lr range", job.id, dark()),
            lambda: charts.lr_range(
                found["lrs"], found["losses"], found["smoothed"], found["suggestion"], dark(), source
            ),
        )
        widgets.plotly(figure, key="lr range", alt=figure.layout.title.text)
        st.caption(
            t(
                "One short training in which the learning rate grows with every step (Smith 2017, arXiv 1506.01186). "
                "Where the loss falls fastest is a good peak; where it turns up, training breaks."
            )
        )
    st.button(
        t("Run the test") if not job else t("Run it again"), on_click=submit,
        args=(args, "lr-range", choice.device), key="lr range run", icon=":material/trending_up:",
        type="secondary" if job else "primary",
    )  # fmt: skip


# --- a sweep over two settings ------------------------------------------------------------------------------------


def sweep_form(choice: settings.Choice) -> None:
    """Which two settings, and which values of each."""
    with st.grid(4, min_column_width=190):
        words = {name: f"{t(settings.NAMES[name])} ({name})" for name in SWEPT if hasattr(choice.made, name)}
        first = widgets.select(t("Across"), words, key="sweep_x", default="lr")
        second = widgets.select(t("Down"), words, key="sweep_y", default="batch")
        xs = st.text_input(t("Values across"), _around(choice, first), key=f"xs {first}", max_chars=200)
        ys = st.text_input(t("Values down"), _around(choice, second), key=f"ys {second}", max_chars=200)
    over = {first: _values(xs), second: _values(ys)}
    count = len(over[first]) * len(over.get(second, []))
    settled = {key: value for key, value in choice.settings.items() if key not in over}
    asked = repr((choice.options() | {"settings": settled}, over))
    known = st.session_state.get("name of the next sweep", ("", ""))
    if known[0] != asked or not known[1]:
        # The same form asks for the same sweep, however often the button is pressed.
        known = asked, f"sweep-{time.strftime('%m%d-%H%M', time.gmtime())}-{secrets.token_hex(2)}"
        st.session_state["name of the next sweep"] = known
    name = known[1]

    def begin() -> None:
        try:
            if not runs.cells(name):
                runs.create_sweep(name, over=over, **(choice.options() | {"settings": settled}))
            jobs.train_sweep(name, choice.device)
            st.query_params["sweep"] = name
        except Problem as problem:
            st.session_state["train problem"] = problem

    st.button(t("Train {n} runs", n=count), on_click=begin, type="primary", key="sweep start",
              icon=":material/grid_view:", disabled=first == second or not count)  # fmt: skip


def _values(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _around(choice: settings.Choice, name: str) -> str:
    """Three values around the form's, within the range: a third (a whole number: half) of it, and as many times it."""
    value = getattr(choice.made, name)
    low, high = RANGES[name]
    if isinstance(value, bool) or name in CHOICES:
        return str(value)
    if isinstance(value, int):
        found = [max(int(low), value // 2), value, min(int(high), value * 2)]
        return ", ".join(str(each) for each in dict.fromkeys(found))
    found = [value / 3, value, value * 3] if value else [0.0, 0.1]
    rounded = [min(float(f"{each:.3g}"), high) for each in found]
    return ", ".join(f"{each:g}" if each != high else str(high) for each in dict.fromkeys(rounded))


def sweep_results() -> None:
    """A sweep as a map of its cells, live while it is trained."""
    there = runs.sweeps()
    if not there:
        st.caption(t("No sweep has been trained here yet."))
        return
    name = widgets.select(t("Sweep"), {each: each for each in there}, key="sweep")
    job = jobs.latest(jobs.sweep_key(name))
    live = bool(job and job.live)
    if live:
        progress.follow(job.id)
    elif job and job.state != "done":
        progress.ended(job)
    (st.fragment(_sweep, run_every=EVERY) if live else _sweep)(name, live)


def _sweep(name: str, live: bool) -> None:
    with widgets.problems():  # a fragment runs without the page around it
        cells = runs.cells(name)
        if not cells:
            return
        keys = list(cells[0]["over"])
        if (
            not live
            and not reach.public_mode()
            and any(cell["state"] not in ("done", "failed") for cell in cells)
        ):
            st.button(t("Resume"), on_click=_go_on, args=(name, cells[0]["run"]), key="sweep resume",
                      icon=":material/play_arrow:", type="primary")  # fmt: skip
        metric = _metric(cells[0]["model"])
        column = metric if metric in METRICS else "judged"
        # A cell has its value once its run is done: a part of a training would not be fair to the others.
        flat = [
            cell["over"]
            | {metric: cell[column] if cell["state"] == "done" else None}
            | {"run": cell["run"], "state": jobs.STATES[cell["state"]]}
            for cell in cells
        ]
        source = t(
            "n = {n} held-out pictures, one seed ({seed}) a cell",
            n=f"{_held_out_count(cells[0]):,}",
            seed=cells[0]["seed"],
        )
        labels = tuple(t(settings.NAMES[key]) for key in keys)
        spec = charts.sweep_map(flat, keys[0], keys[1], metric, dark(), source, labels)
        members = {cell["run"] for cell in cells}

        def picked() -> None:
            chosen: Any = st.session_state["sweep map"].get("selection", {}).get("cell") or []
            if chosen and chosen[0].get("run") in members:
                trainings.show(chosen[0]["run"])
                st.session_state["turned"] = True

        widgets.chart(spec, key="sweep map", alt=" ".join(spec["title"]["text"]), on_select=picked)
        st.caption(t("A click on a cell opens its run."))
        if st.session_state.pop("turned", False):
            st.rerun()


def _held_out_count(cell: dict[str, Any]) -> int:
    return measured.held_out_count({"model": cell["model"], "recipe": {"holdout": cell["n"]}})


def _metric(model: str) -> str:
    """What the map shows: of classifiers a choice, of others what their recipe is judged by."""
    task = models.spec(model).task
    if task in JUDGED:
        return JUDGED[task]
    return widgets.select(
        t("Shown"), {key: t(words) for key, words in METRICS.items()}, key="metric", kind="segmented"
    )


def _go_on(name: str, run: str) -> None:
    """Go on with a sweep (a callback)."""
    try:
        jobs.train_sweep(name, trainings.device_of(runs.config_of(run)))
    except Problem as problem:
        st.session_state["train problem"] = problem
