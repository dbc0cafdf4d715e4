"""What a talk shows of how often a classifier is wrong, from the predictions that are stored beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from explorer import data
from explorer.analysis import predict
from explorer.analysis.calibration import reliability, softmax
from explorer.analysis.classification import ORDERS, Report, members, report, top_confusions
from explorer.analysis.predict import Predictions
from explorer.checkpoints import Card
from explorer.data import sheet
from explorer.story.canvas import (
    VIEWS,
    WIDTH,
    Canvas,
    Figure,
    card_of,
    named,
    on_slide,
    one_of,
    read,
    title_of,
    within,
)  # fmt: skip
from explorer.text import N_, Missing, t
from explorer.views import classification as bars
from explorer.views import matrix, prediction, style

COLUMNS = {"recall": N_("Recall"), "precision": N_("Precision"), "f1": N_("F1")}


def _scored(asked: Mapping[str, Any]) -> tuple[Card, Predictions, Report, str]:
    """A checkpoint's stored predictions, their report, and the line of evidence."""
    card = card_of(asked["checkpoint"], "classifier")
    views = int(one_of("views", asked["views"], VIEWS))
    found = predict.stored(card.name, "test", views)
    summary = report(found.labels, found.predicted, found.classes)
    source = f"{found.data}, {found.split} · n = {summary.n:,} · {t(VIEWS[views])} · {named(card)}"
    return card, found, summary, source


def confusion(options: Mapping[str, Any]) -> Figure:
    """What is taken for what, the commonest mistake framed. numbers: "percent" or "counts";  order: of the classes"""
    asked = read(options, checkpoint="cifar10-fastnet", views=1, numbers="percent", order="classes")
    _, found, summary, source = _scored(asked)
    percent = one_of("numbers", asked["numbers"], ("percent", "counts")) == "percent"
    order = ORDERS[one_of("order", asked["order"], ORDERS)][0](summary.confusion)
    spec = matrix.confusion_matrix(summary.confusion, found.classes, order, source, percent)
    worst = top_confusions(summary.confusion, 1)
    if worst:
        spec = matrix.framed(spec, found.classes[worst[0].true], found.classes[worst[0].predicted])
    chart = on_slide(spec)
    return Figure(chart, evidence=source, alt=t("Confusion matrix. {title}", title=title_of(chart)))


def per_class(options: Mapping[str, Any]) -> Figure:
    """Recall, precision or F1 of every class, the lowest first."""
    asked = read(options, checkpoint="cifar10-fastnet", views=1, column="recall")
    _, _, summary, source = _scored(asked)
    column = one_of("column", asked["column"], COLUMNS)
    chart = on_slide(bars.class_bars(summary, column, t(COLUMNS[column]), False, source, asked["dark"]))
    return Figure(chart, evidence=source, alt=title_of(chart))


def calibration(options: Mapping[str, Any]) -> Figure:
    """How sure against how often right. calibrated: logits divided by the card's temperature"""
    asked = read(options, checkpoint="cifar10-fastnet", views=1, calibrated=True)
    card, found, _, source = _scored(asked)
    temperature = card.temperature if asked["calibrated"] else 1.0
    words = t("calibrated, T = {t}", t=f"{temperature:.2f}") if asked["calibrated"] else t("as trained")
    bins = reliability(found.labels, softmax(found.logits, temperature).astype(np.float32))
    chart = on_slide(bars.reliability_diagram(bins, source))
    return Figure(
        chart, evidence=f"{source} · {words}", alt=t("Reliability diagram. {title}", title=title_of(chart))
    )


def mistakes(options: Mapping[str, Any]) -> Figure:
    """The surest mistakes among the shipped pictures: what it says, what it is. count: of them, 1 to 12"""
    asked = read(options, checkpoint="cifar10-fastnet", views=1, count=10)
    card, found, _, source = _scored(asked)
    count = int(within("count", asked["count"], 1, 12))
    pool, numbers = data.load("cifar10-sheet", "test"), sheet.test_indices()
    if found.data != "cifar10":
        raise Missing("The pictures of {data} are not on the shipped sheet.", data=found.data)
    place = {int(i): k for k, i in enumerate(numbers)}
    chances = softmax(found.logits, card.temperature).astype(np.float32)
    wrong = members(found.labels, chances, None, None)
    here = [int(i) for i in wrong if int(i) in place]
    canvas, columns = Canvas(asked["dark"]), -(-count // 2)
    side = 128 if columns > 5 else 160
    step = WIDTH / columns
    for k, i in enumerate(here[:count]):
        x, y = step * (k % columns) + (step - side) / 2, 24 + 272 * (k // columns)
        said, true = int(found.predicted[i]), int(found.labels[i])
        canvas.pixels(x, y, pool.images[place[i]], side / 32)
        says = f"{style.WRONG_MARK} {found.classes[said]} {prediction.percent(float(chances[i, said]))}"
        red = style.verdict_ink(False, asked["dark"])
        canvas.words(x + side / 2, y + side + 10, says, 18, bold=True, colour=red, anchor="ma")
        is_true = t("is {true} {q}", true=found.classes[true], q=prediction.percent(float(chances[i, true])))
        canvas.words(x + side / 2, y + side + 36, is_true, 17, anchor="ma")
        canvas.quiet(x + side / 2, y + side + 60, t("test picture {i}", i=f"{i:,}"), 14, anchor="ma")
    sure = int((chances[wrong].max(1) > 0.9).sum())
    evidence = t("{source} · {n} mistakes, {k} of them with more than 90 %, {here} on the shipped sheet",
                 source=source, n=f"{len(wrong):,}", k=f"{sure:,}", here=len(here))  # fmt: skip
    listed = ", ".join(
        t("{said} for {true}", said=found.classes[found.predicted[i]], true=found.classes[found.labels[i]])
        for i in here[:count]
    )
    return Figure(
        image=canvas.image, evidence=evidence,
        alt=t("The {k} surest of {n} mistakes on the sheet: {listed}", k=len(here[:count]), n=len(here), listed=listed),
    )  # fmt: skip
