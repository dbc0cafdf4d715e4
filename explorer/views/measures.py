"""What can be drawn of a training: each column of its metrics, and the sentence that says what is seen of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.text import N_, t
from explorer.views.figure import percentage
from explorer.views.rows import Run, epoch_words

ACROSS = {"epoch": N_("epoch"), "step": N_("step"), "time": N_("minutes of work")}


def percent(value: float) -> str:
    """A share in [0, 1] as "97.1 %"."""
    return f"{percentage(value)} %"


def short(value: float) -> str:
    """A number of any size in a few digits: "0.312", "1.9e-05"."""
    return f"{value:.3f}" if 0.01 <= abs(value) < 1000 else f"{value:.3g}"


@dataclass(frozen=True)
class Measure:
    """A column of the metrics that can be drawn.

    held: the column of the same on held-out pictures;  best: max or min
    noisy: neighbouring rows are averaged where they are thinned;  tick: d3 format of the axis
    """

    label: str
    held: str | None
    best: Callable[[list[float]], float]
    noisy: bool
    show: Callable[[float], str]
    tick: str = ""


MEASURES = {
    "loss": Measure(N_("loss"), "held_out_loss", min, True, short),
    "accuracy": Measure(N_("accuracy"), "held_out_accuracy", max, True, percent, ".1~%"),
    "lr": Measure(N_("learning rate"), None, max, False, "{:.3g}".format),
    "images_per_second": Measure(N_("pictures a second"), None, max, True, "{:,.0f}".format),
}


def _headline(run: Run, measure: Measure, best: bool) -> tuple[float, float] | None:
    """(held-out value, its epoch): the best, or the last; None before the first."""
    k = run.last(run.held)
    if k is None:
        return None
    if best:
        k = int(np.flatnonzero(run.held == measure.best(run.held[np.isfinite(run.held)].tolist()))[0])
    return float(run.held[k]), float(run.epoch[k])


def _training(run: Run) -> tuple[float, float]:
    """(training value over the epoch up to the last row, that row's epoch); the last value where epochs lack."""
    k = run.last(run.training)
    if k is None:
        return math.nan, math.nan
    value = run.over_epoch(float(run.epoch[k]))
    return (value if math.isfinite(value) else float(run.training[k])), float(run.epoch[k])


def value_of(run: Run, column: np.ndarray, measure: Measure, several: bool) -> str:
    """What the legend says of a line: the number that the title says of it."""
    held = _headline(run, measure, best=several)
    if column is run.held:
        return measure.show(held[0]) if held else ""
    if not measure.held:
        found = column[np.isfinite(column)]
        return measure.show(float(np.median(found) if measure.noisy else found.max()))
    value = run.over_epoch(held[1]) if held else _training(run)[0]
    return measure.show(value) if math.isfinite(value) else ""


def sentence(runs: list[Run], what: str, measure: Measure, several: bool) -> str:
    """What is seen of `what`; several: runs are told apart by name."""
    runs = [run for run in runs if np.isfinite(run.training).any() or np.isfinite(run.held).any()]
    if not runs:
        return t("No values yet")
    if what == "lr":
        return _of_rates(runs, measure, several)
    if what == "images_per_second":
        return _of_speeds(runs, measure, several)
    return _of_several(runs, what, measure) if several else _of_one(runs[0], what, measure)


def _of_one(run: Run, what: str, measure: Measure) -> str:
    held = _headline(run, measure, best=False)
    if held is None:
        value, epoch = _training(run)
        fields = {"value": measure.show(value), "epoch": epoch_words(epoch)}
        if what == "loss":
            return t("Training loss {value} at epoch {epoch}", **fields)
        return t("Training accuracy {value} at epoch {epoch}", **fields)
    training = run.over_epoch(held[1])
    fields = {
        "held": measure.show(held[0]), "epoch": epoch_words(held[1]),
        "training": measure.show(training) if math.isfinite(training) else "–",
    }  # fmt: skip
    if what == "loss":
        return t("Held-out loss {held} at epoch {epoch}; training {training} over that epoch", **fields)
    return t("Held-out accuracy {held} at epoch {epoch}; training {training} over that epoch", **fields)


def _of_several(runs: list[Run], what: str, measure: Measure) -> str:
    found = {run.name: _headline(run, measure, best=True) for run in runs}
    held = {name: pair for name, pair in found.items() if pair}
    if not held:
        values = {run.name: _training(run)[0] for run in runs}
        top = measure.best(list(values.values()))
        name = next((name for name, value in values.items() if value == top), runs[0].name)
        if what == "loss":
            return t("Lowest training loss so far: {name}, {value}", name=name, value=measure.show(top))
        return t("Highest training accuracy so far: {name}, {value}", name=name, value=measure.show(top))
    top = measure.best([value for value, _ in held.values()])
    names = [name for name, (value, _) in held.items() if value == top]
    fields = {"name": names[0], "value": measure.show(top), "epoch": epoch_words(held[names[0]][1])}
    if len(names) > 1:
        return t("{n} runs are level on held-out pictures: {value}", n=len(names), value=fields["value"])
    if what == "loss":
        return t("Lowest loss on held-out pictures: {name}, {value} at epoch {epoch}", **fields)
    return t("Best on held-out pictures: {name}, {value} at epoch {epoch}", **fields)


def _of_rates(runs: list[Run], measure: Measure, several: bool) -> str:
    most = measure.show(max(float(np.nanmax(run.training)) for run in runs))
    if several:
        return t("Learning rates reach {most} at their highest", most=most)
    k = runs[0].last(runs[0].training)
    now, epoch = measure.show(float(runs[0].training[k])), epoch_words(float(runs[0].epoch[k]))
    return t(
        "Learning rate {value} at epoch {epoch}; {most} at its highest", value=now, epoch=epoch, most=most
    )


def _of_speeds(runs: list[Run], measure: Measure, several: bool) -> str:
    speeds = {run.name: float(np.nanmedian(run.training)) for run in runs}
    name = max(speeds, key=lambda name: speeds[name])
    value = measure.show(speeds[name])
    if not several:
        return t("{value} pictures a second, the median", value=value)
    return t("Fastest: {name}, {value} pictures a second, the median", name=name, value=value)
