"""Trainings on a page: start one, watch it live, lay several over each other, and what to do with one that ended."""

from datetime import timedelta
from typing import Any

import numpy as np
import streamlit as st

from explorer import checkpoints, data, jobs, models, reach, runs
from explorer.files import read_json
from explorer.text import N_, Problem, t
from explorer.training import recipe_class
from explorer.ui import cache, grids, progress, settings, widgets
from explorer.ui.evidence import dark, drawn, halves
from explorer.views import matrix
from explorer.views import training as charts
from explorer.views.measures import ACROSS, MEASURES, measures_of, nats, percent, short, tiny

EVERY = timedelta(seconds=2)
STATES = jobs.STATES
COLUMNS = {"loss", "epoch", "lr", "images_per_second"}  # what the page shows of every row
MOST_HELD = {
    "gan": 1000,
    "vae": 2000,
    "diffusion": 2000,
}  # held-out pictures that an evaluation looks at, at most
JUDGED = {"kid": N_("Held-out KID"), "loss": N_("Held-out loss")}  # of what draws, in the list of runs
MOST_OVERLAID, LISTED = 6, 50
TORCHRUN = "torchrun --standalone --nproc_per_node N -m -- explorer runs resume {name}"

_rows = cache.Kept(32)


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
    judged = {run.name: _judged_by(run.model) for run in found[:LISTED]}
    # A column for each measure that there is a run of: an accuracy and a KID are not for one column.
    others = [measure for measure in JUDGED if measure in judged.values()]
    accuracy = not others or "accuracy" in judged.values()
    rows = [
        {
            t("Run"): run.name,
            t("State"): t(STATES[run.state]),
            t("Net"): run.model,
            t("Data"): run.data,
            t("Done"): run.step / run.total if run.total else 0.0,
            **(
                {t("Held-out accuracy"): None if run.held_out is None else 100 * run.held_out}
                if accuracy
                else {}
            ),
            **{t(JUDGED[each]): run.judged if judged[run.name] == each else None for each in others},
            t("Begun"): run.created.replace("T", " ").rstrip("Z"),
        }
        for run in found[:LISTED]
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
            t("Held-out accuracy"): st.column_config.NumberColumn(format="%.2f %%"),
            **{t(words): st.column_config.NumberColumn(format="%.4g") for words in JUDGED.values()},
        },
    )  # fmt: skip
    if len(found) > LISTED:
        st.caption(
            t("{shown} of {n} runs; all of them: python -m explorer runs list", shown=LISTED, n=len(found))
        )


def _judged_by(model: str) -> str:
    """The measure that runs of a model are judged by, "accuracy" where the model is of another version."""
    return recipe_class(model).judged_by[0] if model in models.MODELS else "accuracy"


def rows_of(name: str) -> list[dict[str, Any]]:
    """The run's metrics, read anew when the file has changed: several tabs look at it every two seconds."""
    try:
        stamp = (runs.folder_of(name) / "metrics.jsonl").stat()
    except OSError:
        return []

    def whole() -> list[dict[str, Any]]:
        return [row for row in runs.metrics(name) if row.keys() >= COLUMNS]

    return _rows.get((str(runs.root()), name, stamp.st_mtime_ns, stamp.st_size), whole)


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
        rows = rows_of(name)
        config = runs.config_of(name)
        _state(run, job, rows, config)
        if rows:
            _numbers(rows, config)
            with widgets.problems():
                grids.show(name, others, rows, config)
            _curves(name, others, config)
            _confusion(name, rows, config)
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
    return left * recipe.batch * float(np.mean([1 / speed for speed in speeds]))


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return t("{s} s", s=seconds)
    if seconds < 3600:
        return t("{m} min {s} s", m=seconds // 60, s=seconds % 60)
    return t("{h} h {m} min", h=seconds // 3600, m=seconds % 3600 // 60)


def task_of(config: dict) -> str:
    """What the net of a run is for: a key of `measures.OF_TASK`."""
    return models.spec(config["model"]).task


def held_out_count(config: dict) -> int:
    """How many held-out pictures an evaluation of the run looks at."""
    count = config["recipe"]["holdout"]
    return min(count, MOST_HELD.get(task_of(config), count))


def _tile(label: str, value: str, more: str | None = None, help: str | None = None) -> None:
    """A number in large type; more: a quiet line below it."""
    st.metric(
        label, value, more, delta_color="off", delta_arrow="off", border=True, height="stretch", help=help
    )


def _numbers(rows: list[dict], config: dict) -> None:
    """The numbers of the moment: what held-out pictures say, what the training's batches say, and the speed."""
    last = rows[-1]
    tiles = {"gan": _of_gan, "vae": _of_vae, "diffusion": _of_diffusion}.get(task_of(config), _of_classifier)
    with st.grid(4, min_column_width=260 if widgets.large_type() else 170):
        tiles(rows, last, config)
        _tile(
            t("Images/s"),
            f"{last['images_per_second']:,.0f}",
            t("learning rate {lr}", lr=f"{last['lr']:.3g}"),
        )


def _held(rows: list[dict], measure: str, config: dict) -> tuple[dict | None, str]:
    """(the last row with a held-out measure, on how many pictures and when)."""
    row = next((row for row in reversed(rows) if row.get(f"held_out_{measure}") is not None), None)
    n = f"{held_out_count(config):,}"
    return row, t("n = {n}, epoch {epoch}", n=n, epoch=f"{row['epoch']:g}") if row else ""


def _of_classifier(rows: list[dict], last: dict, config: dict) -> None:
    held, when = _held(rows, "accuracy", config)
    if held:
        _tile(t("Accuracy, held-out"), f"{100 * held['held_out_accuracy']:.2f} %", when)
    if "accuracy" in last:
        _tile(t("Accuracy, training"), f"{100 * last['accuracy']:.2f} %",
              help=t("Of the last second's batches, augmented, while the weights were still moving"))  # fmt: skip
    _tile(t("Loss, training"), f"{last['loss']:.4f}")


def _of_gan(rows: list[dict], last: dict, config: dict) -> None:
    held, when = _held(rows, "kid", config)
    if held:
        there = [row for row in rows if row.get("held_out_kid") is not None]
        lowest = min(there, key=lambda row: row["held_out_kid"])
        at = {"value": tiny(lowest["held_out_kid"]), "epoch": f"{lowest['epoch']:g}"}
        more = when if lowest is held else t("lowest {value} at epoch {epoch}", **at)
        _tile(t("KID, held-out"), tiny(held["held_out_kid"]), more, t(MEASURES["kid"].note))
    if "d_accuracy" in last:
        _tile(t("Discriminator is right"), percent(last["d_accuracy"]), t("50 %: it cannot tell"),
              t(MEASURES["d_accuracy"].note))  # fmt: skip
    more = t("discriminator {loss}", loss=short(last["d_loss"])) if "d_loss" in last else None
    _tile(t("Loss, generator"), short(last["loss"]), more, t(MEASURES["gan_loss"].note))


def _of_vae(rows: list[dict], last: dict, config: dict) -> None:
    held, when = _held(rows, "loss", config)
    if held:
        _tile(t("Loss, held-out"), nats(held["held_out_loss"]), when, t(MEASURES["vae_loss"].note))
    for key, words in (
        ("reconstruction", t("Reconstruction, training")),
        ("kl", t("KL divergence, training")),
    ):
        if key in last:
            _tile(words, nats(last[key]), t("nats a picture"), t(MEASURES[key].note))


def _of_diffusion(rows: list[dict], last: dict, config: dict) -> None:
    held, when = _held(rows, "loss", config)
    if held:
        _tile(t("Loss, held-out"), f"{held['held_out_loss']:.4f}", when, t(MEASURES["noise_loss"].note))
    _tile(t("Loss, training"), f"{last['loss']:.4f}")
    if "gradient_norm" in last:
        _tile(t("Gradient norm"), short(last["gradient_norm"]), t("before it is clipped"))


def _curves(name: str, others: list[str], config: dict) -> None:
    """A curve of the run, the others laid over it: of several kinds of nets only what all of them have."""
    tasks = dict.fromkeys([task_of(config), *(task_of(runs.config_of(other)) for other in others)])
    keys, first = measures_of(tasks)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = widgets.select(
            t("Curve"),
            {key: t(MEASURES[key].label) for key in keys},
            key="curve",
            default=first,
            kind="segmented",
        )
        across = widgets.select(
            t("Against"), {k: t(words) for k, words in ACROSS.items()}, key="across", kind="segmented"
        )
    shown = {each: rows_of(each) for each in [name, *others]}
    n = held_out_count(config)
    if not MEASURES[what].held:
        source = f"{config['data']}, {t('training')}"
    else:
        source = f"{config['data']}, {t('held-out')}, n = {n:,}" if n else t("nothing held out")
    key = ("curves", what, across, dark(), tuple((each, id(rows), len(rows)) for each, rows in shown.items()))
    figure = drawn(key, lambda: charts.learning_curves(shown, what, across, dark(), source))
    widgets.plotly(figure, key="curves", alt=figure.layout.title.text)
    if len(tasks) > 1:
        st.caption(t("Different kinds of nets: only what all of them have can be laid over each other."))
    elif MEASURES[what].note:
        st.caption(t(MEASURES[what].note))


def _confusion(name: str, rows: list[dict], config: dict) -> None:
    """The confusion matrix of every epoch, the last one first."""
    epochs = [row for row in rows if row.get("held_out_confusion")]
    if not epochs:
        return
    at = len(epochs)
    if len(epochs) > 1:
        at = st.slider(
            t("Confusion matrix after epoch"), 1, len(epochs), len(epochs), key=f"epoch {len(epochs)}"
        )
    row = epochs[at - 1]
    counts = np.array(row["held_out_confusion"])
    classes = tuple(read_json(runs.folder_of(name) / "card.json").get("classes", ()))
    if len(classes) != len(counts):  # before the first checkpoint
        classes = tuple(str(k) for k in range(len(counts)))
    source = f"{name} · {config['data']}, {t('held-out')} · n = {counts.sum():,} · " + t(
        "epoch {epoch}", epoch=f"{row['epoch']:g}"
    )
    spec = drawn(
        ("growing", name, row["step"], config["created"]),
        lambda: matrix.confusion_matrix(counts, classes, np.arange(len(classes)), source, percent=False),
    )
    left, right = halves([3, 2])
    with left:
        widgets.chart(spec, key="growing matrix", alt=" ".join(spec["title"]["text"]))
    with right:
        recall = counts.diagonal() / np.maximum(counts.sum(1), 1)
        st.dataframe(
            {t("class"): list(classes), t("Recall"): recall, t("pictures"): counts.sum(1)}, hide_index=True,
            column_config={t("Recall"): st.column_config.ProgressColumn(format="percent")},
        )  # fmt: skip


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
    draws = task_of(runs.config_of(name)) != "classifier"
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
            for page, words in (("predict", t("Predict")), ("evaluate", t("Evaluate"))):
                st.page_link(jobs.PROJECT / "pages" / f"{page}.py", label=f"{words}: {done}",
                             query_params={"model": done}, icon=":material/arrow_forward:")  # fmt: skip
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
