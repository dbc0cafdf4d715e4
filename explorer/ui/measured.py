"""What a run has measured, on its page: numbers of the moment, curves with others laid over them, the matrix."""

from typing import Any

import numpy as np
import streamlit as st

from explorer import models, runs
from explorer.files import read_json
from explorer.text import t
from explorer.ui import cache, widgets
from explorer.ui.evidence import dark, drawn, halves
from explorer.views import matrix
from explorer.views import training as charts
from explorer.views.measures import ACROSS, MEASURES, measures_of, nats, percent, short, tiny

COLUMNS = {"loss", "epoch", "lr", "images_per_second"}  # what the page shows of every row
# Held-out pictures that an evaluation looks at, at most.
MOST_HELD = {"gan": 1000, "vae": 2000, "diffusion": 2000}

_rows = cache.Kept(32)


def rows_of(name: str) -> list[dict[str, Any]]:
    """The run's metrics, read anew when the file has changed: several tabs look at it every two seconds."""
    try:
        stamp = (runs.folder_of(name) / "metrics.jsonl").stat()
    except OSError:
        return []

    def whole() -> list[dict[str, Any]]:
        return [row for row in runs.metrics(name) if row.keys() >= COLUMNS]

    return _rows.get((str(runs.root()), name, stamp.st_mtime_ns, stamp.st_size), whole)


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


def numbers(rows: list[dict], config: dict) -> None:
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
        more = when if lowest is held else t("best {value}, epoch {epoch}", **at)
        _tile(t("KID, held-out"), tiny(held["held_out_kid"]), more, t(MEASURES["kid"].note))
    if "d_accuracy" in last:
        _tile(t("Told apart"), percent(last["d_accuracy"]), t("50 % is chance"),
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


def curves(name: str, others: list[str], config: dict) -> None:
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


def confusion(name: str, rows: list[dict], config: dict) -> None:
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
