"""What can be drawn of a training: each column of its metrics, and the sentence that says what is seen of it."""

import math
from collections.abc import Callable, Iterable
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


def nats(value: float) -> str:
    """Nats of a whole picture: "-5,731.2"; far out, "1e+308"."""
    return f"{value:,.1f}" if abs(value) < 1e9 else f"{value:.3g}"


def tiny(value: float) -> str:
    """A distance to four digits, however small: "0.01234", "-0.0003"."""
    return f"{value:.4g}" if abs(value) >= 1e-4 or not value else f"{value:.1e}"


@dataclass(frozen=True)
class Measure:
    """Columns of the metrics that are drawn together.

    training: the column of the training's batches, None where only held-out pictures tell
    held: the column of the same on held-out pictures;  best: max or min
    noisy: neighbouring rows are averaged where they are thinned;  tick: d3 format of the axis
    beside: a second column of the training in the same chart;  lines: what the two are called
    says: which number a training column's legend says, "epoch" = the mean over the last epoch, "median" or "most"
    zero: the axis begins at 0;  share: it stays in 0..1;  marked: the best gets a ring
    settles: it falls steeply at first and slowly from then on, so the axis shows what comes after the first tenth
    level: a value that means something, and what;  note: a sentence for below the chart
    """

    label: str
    held: str | None
    best: Callable[[list[float]], float]
    noisy: bool
    show: Callable[[float], str]
    tick: str = ""
    training: str | None = None
    beside: str | None = None
    lines: tuple[str, str] = ("", "")
    says: str = "epoch"
    zero: bool = True
    share: bool = False
    marked: bool = False
    settles: bool = False
    level: tuple[float, str] | None = None
    note: str = ""


_TWO = (N_("generator"), N_("discriminator"))
# Losses of different kinds of nets are different quantities, so each has a name of its own here.
MEASURES = {
    "loss": Measure(N_("loss"), "held_out_loss", min, True, short, training="loss"),
    "accuracy": Measure(
        N_("accuracy"), "held_out_accuracy", max, True, percent, ".1~%", "accuracy", zero=False, share=True
    ),
    "kid": Measure(
        N_("KID"), "held_out_kid", min, False, tiny, marked=True,
        note=N_(
            "KID: how far drawn pictures lie from held-out ones in the features of our own classifier; 0 is alike. It "
            "compares epochs, and runs on the same pictures; papers ask another net, so it compares with none of them."
        ),
    ),
    "gan_loss": Measure(
        N_("losses"), None, min, True, short, training="loss", beside="d_loss", lines=_TWO, zero=False,
        note=N_("Neither loss says how good the pictures are: each is measured against an opponent that learns too."),
    ),
    "d_accuracy": Measure(
        N_("discriminator is right"), None, min, True, percent, ".1~%", "d_accuracy", zero=False, share=True,
        level=(0.5, N_("50 %: it cannot tell real from drawn")),
        note=N_(
            "The share of pictures, half of them drawn, that the discriminator tells rightly. "
            "Near 100 % it is far ahead of the generator."
        ),
    ),
    "gan_gradients": Measure(
        N_("gradient norms"), None, min, True, short, training="gradient_norm", beside="d_gradient_norm", lines=_TWO
    ),
    "vae_loss": Measure(
        N_("loss, nats"), "held_out_loss", min, True, nats, ",~g", "loss", zero=False, settles=True,
        note=N_("Reconstruction and KL divergence together, in nats a picture up to a constant: below 0 is no fault."),
    ),
    "reconstruction": Measure(
        N_("reconstruction, nats"), None, min, True, nats, ",~g", "reconstruction", zero=False, settles=True,
        note=N_("How far pictures that went through the code are from themselves, up to a constant; lower is closer."),
    ),
    "kl": Measure(
        N_("KL divergence, nats"), None, min, True, nats, ",~g", "kl",
        note=N_("How much a code tells of its picture: at 0 all codes are alike and the picture is lost."),
    ),
    "noise_loss": Measure(
        N_("loss"), "held_out_loss", min, True, tiny, training="loss", settles=True,
        note=N_("Held-out: of the averaged weights, with always the same noise."),
    ),
    "gradient_norm": Measure(N_("gradient norm"), None, min, True, short, training="gradient_norm"),
    "lr": Measure(N_("learning rate"), None, max, False, "{:.3g}".format, training="lr", says="most"),
    "images_per_second": Measure(
        N_("pictures a second"), None, max, True, "{:,.0f}".format, training="images_per_second", says="median"
    ),
}  # fmt: skip
ALL = ("lr", "images_per_second")  # what every training has
OF_TASK = {  # task -> what is drawn of it; the second names what is shown first
    "classifier": (("loss", "accuracy", *ALL), "accuracy"),
    "gan": (("kid", "gan_loss", "d_accuracy", "gan_gradients", *ALL), "kid"),
    "vae": (("vae_loss", "reconstruction", "kl", "gradient_norm", *ALL), "vae_loss"),
    "diffusion": (("noise_loss", "gradient_norm", *ALL), "noise_loss"),
}


def measures_of(tasks: Iterable[str]) -> tuple[list[str], str]:
    """(the keys of MEASURES that trainings of all these tasks have, the one to show first)."""
    kinds = [OF_TASK.get(task, (ALL, ALL[0])) for task in tasks] or [(ALL, ALL[0])]
    shared = [key for key in kinds[0][0] if all(key in keys for keys, _ in kinds)]
    return shared, kinds[0][1] if kinds[0][1] in shared else shared[0]


def _headline(run: Run, measure: Measure, best: bool) -> tuple[float, float] | None:
    """(held-out value, its epoch): the best, or the last; None before the first."""
    k = best_row(run, measure) if best else run.last(run.held)
    return None if k is None else (float(run.held[k]), float(run.epoch[k]))


def best_row(run: Run, measure: Measure) -> int | None:
    """The first row with the best held-out value."""
    there = run.held[np.isfinite(run.held)]
    return int(np.flatnonzero(run.held == measure.best(there.tolist()))[0]) if len(there) else None


def _training(run: Run, column: np.ndarray | None = None) -> tuple[float, float]:
    """(training value over the epoch up to the last row, that row's epoch); the last value where epochs lack."""
    column = run.training if column is None else column
    k = run.last(column)
    if k is None:
        return math.nan, math.nan
    value = run.over_epoch(float(run.epoch[k]), column)
    return (value if math.isfinite(value) else float(column[k])), float(run.epoch[k])


def value_of(run: Run, column: np.ndarray, measure: Measure, several: bool) -> str:
    """What the legend says of a line: the number that the title says of it."""
    held = _headline(run, measure, best=several or measure.marked)
    if column is run.held:
        return measure.show(held[0]) if held else ""
    found = column[np.isfinite(column)]
    if measure.says == "median":
        value = float(np.median(found))
    elif measure.says == "most":
        value = float(found.max())
    else:
        value = run.over_epoch(held[1], column) if held else _training(run, column)[0]
    return measure.show(value) if math.isfinite(value) else ""


def sentence(runs: list[Run], what: str, measure: Measure, several: bool) -> str:
    """What is seen of `what`; several: runs are told apart by name."""
    runs = [run for run in runs if np.isfinite(run.training).any() or np.isfinite(run.held).any()]
    if not runs:
        return t("No values yet")
    if what in _SAID:
        return _SAID[what](runs, measure, several)
    return _of_several(runs, what, measure) if several else _of_one(runs[0], what, measure)


def _of_one(run: Run, what: str, measure: Measure) -> str:
    held = _headline(run, measure, best=False)
    if held is None:
        value, epoch = _training(run)
        fields = {"value": measure.show(value), "epoch": epoch_words(epoch)}
        if what == "accuracy":
            return t("Training accuracy {value} at epoch {epoch}", **fields)
        return t("Training loss {value} at epoch {epoch}", **fields)
    training = run.over_epoch(held[1])
    fields = {
        "held": measure.show(held[0]), "epoch": epoch_words(held[1]),
        "training": measure.show(training) if math.isfinite(training) else "–",
    }  # fmt: skip
    if what == "accuracy":
        return t("Held-out accuracy {held} at epoch {epoch}; training {training} over that epoch", **fields)
    return t("Held-out loss {held} at epoch {epoch}; training {training} over that epoch", **fields)


def _of_several(runs: list[Run], what: str, measure: Measure) -> str:
    found = {run.name: _headline(run, measure, best=True) for run in runs}
    held = {name: pair for name, pair in found.items() if pair}
    if not held:
        values = {run.name: _training(run)[0] for run in runs}
        top = measure.best(list(values.values()))
        name = next((name for name, value in values.items() if value == top), runs[0].name)
        if what == "accuracy":
            return t("Highest training accuracy so far: {name}, {value}", name=name, value=measure.show(top))
        return t("Lowest training loss so far: {name}, {value}", name=name, value=measure.show(top))
    top = measure.best([value for value, _ in held.values()])
    names = [name for name, (value, _) in held.items() if value == top]
    fields = {"name": names[0], "value": measure.show(top), "epoch": epoch_words(held[names[0]][1])}
    if len(names) > 1:
        return t("{n} runs are level on held-out pictures: {value}", n=len(names), value=fields["value"])
    if what == "accuracy":
        return t("Best on held-out pictures: {name}, {value} at epoch {epoch}", **fields)
    return t("Lowest loss on held-out pictures: {name}, {value} at epoch {epoch}", **fields)


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


def _of_distances(runs: list[Run], measure: Measure, several: bool) -> str:
    held = {run.name: pair for run in runs if (pair := _headline(run, measure, best=True))}
    name = min(held, key=lambda name: held[name][0])
    fields = {"value": measure.show(held[name][0]), "epoch": epoch_words(held[name][1])}
    if several:
        return t("Lowest KID: {name}, {value} at epoch {epoch}", name=name, **fields)
    last, now = _headline(runs[0], measure, best=False)
    if last == held[name][0]:
        return t("KID {value} at epoch {epoch}, the lowest so far", **fields)
    return t(
        "Lowest KID {value} at epoch {epoch}; {last} at epoch {now}",
        **fields, last=measure.show(last), now=epoch_words(now),
    )  # fmt: skip


def _two(run: Run, measure: Measure) -> dict[str, str]:
    """The numbers of a generator and its discriminator over the last epoch."""
    (one, epoch), (other, _) = _training(run), _training(run, run.beside)
    shown = [measure.show(value) if math.isfinite(value) else "–" for value in (one, other)]
    return {"generator": shown[0], "discriminator": shown[1], "epoch": epoch_words(epoch)}


def _of_two_losses(runs: list[Run], measure: Measure, several: bool) -> str:
    if several:
        return t("Losses of {n} runs: they say who is ahead, not which draws better", n=len(runs))
    return t(
        "Loss of the generator {generator}, of the discriminator {discriminator} at epoch {epoch}",
        **_two(runs[0], measure),
    )


def _of_two_norms(runs: list[Run], measure: Measure, several: bool) -> str:
    if several:
        return t("Gradient norms of {n} generators and their discriminators", n=len(runs))
    return t(
        "Gradient norm of the generator {generator}, of the discriminator {discriminator} at epoch {epoch}",
        **_two(runs[0], measure),
    )


def _between(runs: list[Run], measure: Measure) -> dict[str, str]:
    values = [_training(run)[0] for run in runs]
    return {"low": measure.show(min(values)), "high": measure.show(max(values))}


def _of_right(runs: list[Run], measure: Measure, several: bool) -> str:
    if several:
        return t("Discriminators are right about {low} to {high} of the pictures", **_between(runs, measure))
    value, epoch = _training(runs[0])
    return t(
        "The discriminator is right about {value} of the pictures at epoch {epoch}",
        value=measure.show(value), epoch=epoch_words(epoch),
    )  # fmt: skip


def _of_parts(template: str, of_several: str) -> Callable[[list[Run], Measure, bool], str]:
    """A sentence on one column of the training."""

    def said(runs: list[Run], measure: Measure, several: bool) -> str:
        if several:
            return t(of_several, **_between(runs, measure))
        value, epoch = _training(runs[0])
        return t(template, value=measure.show(value), epoch=epoch_words(epoch))

    return said


_SAID: dict[str, Callable[[list[Run], Measure, bool], str]] = {
    "lr": _of_rates,
    "images_per_second": _of_speeds,
    "kid": _of_distances,
    "gan_loss": _of_two_losses,
    "gan_gradients": _of_two_norms,
    "d_accuracy": _of_right,
    "reconstruction": _of_parts(
        N_("Reconstruction {value} nats a picture at epoch {epoch}"),
        N_("Reconstruction from {low} to {high} nats a picture"),
    ),
    "kl": _of_parts(
        N_("KL divergence {value} nats a picture at epoch {epoch}"),
        N_("KL divergence from {low} to {high} nats a picture"),
    ),
    "gradient_norm": _of_parts(
        N_("Gradient norm {value} at epoch {epoch}, before it is clipped"),
        N_("Gradient norms from {low} to {high}, before they are clipped"),
    ),
}
