"""What a talk shows of cosine against Euclidean distance: arrows, a duel, votes over a data set, copies."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from explorer import data
from explorer.analysis import agreement, leak_report, plane, retrieval_study, votes
from explorer.analysis.retrieval import METRICS
from explorer.data import samples, sheet
from explorer.story import stored
from explorer.story.canvas import Canvas, Figure, card_of, named, on_slide, one_of, read, title_of, within
from explorer.story.charts import dots
from explorer.text import Missing, t
from explorer.views import duel as duels
from explorer.views import plane as planes
from explorer.views import study, style

ARROW_LETTERS = str.maketrans("▲▼", "↑↓")  # the subset of the typeface has no triangles
ANGLES, LENGTHS = (0.0, 90.0), (0.2, 6.0)  # as far as the page's sliders go
ARROWS = {"x": (30.0, 2.5), "y": (38.0, 5.4), "z": (72.0, 2.1)}  # angle and length, as the page begins


def arrows(options: Mapping[str, Any]) -> Figure:
    """Three feature vectors in the plane, of which cosine and Euclidean distance call different ones alike.

    angle_x, length_x, … of each;  unit: all brought to length 1, where both agree
    """
    first = {f"angle_{name}": angle for name, (angle, _) in ARROWS.items()}
    first |= {f"length_{name}": length for name, (_, length) in ARROWS.items()}
    asked = read(options, unit=False, **first)
    made = []
    for name in ARROWS:
        angle = within(f"angle_{name}", asked[f"angle_{name}"], *ANGLES)
        arrow = plane.Arrow(angle, within(f"length_{name}", asked[f"length_{name}"], *LENGTHS))
        made.append(arrow.unit if asked["unit"] else arrow)
    x, y, z = made
    chart = on_slide(planes.plane_chart(x, y, z, asked["dark"]), planes.verdict(x, y, z), square=True)
    numbers = [
        t("X to {name}: {angle}°, cosine {cosine}, Euclidean {distance}", name=name,
          angle=f"{plane.between(x, other):.0f}", cosine=f"{plane.cosine(x, other):.3f}",
          distance=f"{plane.distance(x, other):.2f}")
        for name, other in (("Y", y), ("Z", z))
    ]  # fmt: skip
    return Figure(
        chart, evidence=" · ".join([*numbers, t("computed")]), alt=f"{title_of(chart)}. {'; '.join(numbers)}"
    )


def duel(options: Mapping[str, Any]) -> Figure:
    """A picture of the sheet, and its nearest by cosine above its nearest by Euclidean distance; k: 3 to 8.

    sample: a sample of the sheet;  index: of the test split, instead of it, where it is on the sheet
    """
    asked = read(options, checkpoint="cifar10-fastnet", sample="frog", index=-1, k=8)
    card, pool = card_of(asked["checkpoint"], "classifier"), data.load("cifar10-sheet", "test")
    k, found = int(within("k", asked["k"], 3, 8)), stored.neighbours(card)
    index = samples.origin(one_of("sample", asked["sample"], pool.classes))[2]
    index = int(asked["index"]) if asked["index"] >= 0 else index
    query = {int(i): place for place, i in enumerate(sheet.test_indices())}.get(index, -1)
    if query < 0:
        raise Missing("Test picture {i} is not among the 500 that are shipped.", i=index)
    ids = {metric: found[f"{metric} ids"][query, :k].astype(np.int64) for metric in METRICS}
    canvas, true = Canvas(asked["dark"]), pool.classes[pool.labels[query]]
    canvas.words(20, 44, t("the query"), 18, bold=True)
    canvas.pixels(20, 78, pool.images[query], 5)
    canvas.words(20, 248, true, 20, bold=True)
    canvas.quiet(20, 276, t("test picture {i}", i=f"{index:,}"), 15)
    canvas.quiet(20, 298, t("length {x}", x=f"{found['lengths'][query]:.2f}"), 15)
    left, step = 220, 868 / k
    side = 96 if step > 104 else 80
    said = {}
    for row, (metric, words) in enumerate(METRICS.items()):
        up, other = 44 + 270 * row, ids["euclidean" if metric == "cosine" else "cosine"]
        counted = votes.vote(votes.labels_of(ids[metric][None], pool.labels), len(pool.classes))
        said[metric] = pool.classes[counted.winner[0]]
        heading = t("{metric}: {n} of {k} votes for “{name}”", metric=t(words), k=k, name=said[metric],
                    n=int(counted.counts[0].max()))  # fmt: skip
        canvas.words(left, up, heading, 20, bold=True)
        moves = {move.id: move.by for move in agreement.moves(ids[metric], other)}
        for rank, each in enumerate(ids[metric]):
            x, right = left + step * rank, pool.labels[each] == pool.labels[query]
            canvas.pixels(x, up + 36, pool.images[each], side / 32)
            mark = style.RIGHT_MARK if right else style.WRONG_MARK
            canvas.words(x, up + 44 + side, f"{mark} {pool.classes[pool.labels[each]]}", 15, bold=True,
                         colour=style.verdict_ink(right, asked["dark"]))  # fmt: skip
            canvas.quiet(x, up + 66 + side, f"{found[f'{metric} values'][query, rank]:.3f}", 15)
            canvas.quiet(x, up + 88 + side, duels.moved(moves[int(each)]).translate(ARROW_LETTERS), 15)
    tau = agreement.agreement(*(each[None] for each in ids.values())).tau[0]
    words = duels.verdict(ids["cosine"].tolist(), ids["euclidean"].tolist(), tau)
    evidence = [
        named(card), t("pooled, after the last activation"), t("searched: the other n = 499 shipped test pictures"),
    ]  # fmt: skip
    return Figure(
        image=canvas.image,
        evidence=" · ".join([*evidence, words]),
        alt=t("The nearest pictures of a {true}: by cosine most are {one}, by Euclidean distance {other}. {words}.",
              true=true, one=said["cosine"], other=said["euclidean"], words=words),
    )  # fmt: skip


def knn(options: Mapping[str, Any]) -> Figure:
    """How often the k nearest training pictures vote right, over k, by both metrics; stored."""
    asked = read(options, checkpoint="cifar10-fastnet")
    card = card_of(asked["checkpoint"])
    value = retrieval_study.stored(card.name)
    curves = {metric: value["metrics"][metric]["curve"] for metric in METRICS}
    names = {metric: t(words) for metric, words in METRICS.items()}
    evidence = [
        t("n = {n} test pictures ask {m} training pictures", n=f"{value['query_n']:,}", m=f"{value['gallery_n']:,}"),
        t("pooled, after the last activation"), named(card),
    ]  # fmt: skip
    if "head" in value:
        evidence.append(t("the net's own head: {p} %", p=f"{100 * value['head']['accuracy']:.2f}"))
    chart = on_slide(study.over_k(curves, names, "", asked["dark"]))
    return Figure(
        chart, evidence=" · ".join(evidence), alt=t("Right votes over k. {title}", title=title_of(chart))
    )


def leaks(options: Mapping[str, Any]) -> Figure:
    """Accuracy on all test pictures, without those that are in the training set too, and on these alone; stored."""
    asked = read(options, checkpoint="cifar10-fastnet")
    card = card_of(asked["checkpoint"], "classifier")
    value = leak_report.stored(card.name)
    words = {"all": t("all test pictures"), "clean": t("without the copies"), "leaked": t("the copies alone")}
    rows = [
        {"name": f"{words[key]}, n = {of['n']:,}", "series": card.name, "value": 100 * of["accuracy"],
         "print": f"{100 * of['accuracy']:.2f} %"}
        for key, of in value["accuracy"].items() if key in words and of["accuracy"] is not None
    ]  # fmt: skip
    count = value["accuracy"]["leaked"]["n"]
    sentence = t(
        "{n} of {of} test pictures have a copy in the training set", n=f"{count:,}", of=f"{value['test_n']:,}"
    )
    chart = on_slide(dots(rows, t("accuracy, %"), asked["dark"]), sentence)
    pairs = len(leak_report.pairs_of(value["across"]))
    evidence = t(
        "{data}: n = {n} test pictures against {m} training pictures · {pairs} pairs of equal edges · {name} · plain",
        data=value["data"], n=f"{value['test_n']:,}", m=f"{value['train_n']:,}", pairs=f"{pairs:,}", name=named(card),
    )  # fmt: skip
    listed = "; ".join(f"{row['name']}: {row['print']}" for row in rows)
    return Figure(chart, evidence=evidence, alt=f"{sentence}. {listed}")
