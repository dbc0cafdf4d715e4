"""What a talk shows of classifiers: classes, answers, and where in a picture they look."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from explorer import data
from explorer.analysis import answer as answers
from explorer.analysis import cam as cams
from explorer.analysis import contest as contests
from explorer.analysis import dead_weights as weights
from explorer.analysis.calibration import softmax
from explorer.data import samples
from explorer.data.picture import Picture, square, to_input
from explorer.story.canvas import (
    HEIGHT,
    SHARP,
    WIDTH,
    Canvas,
    Figure,
    card_of,
    loaded,
    named,
    on_slide,
    one_of,
    read,
    title_of,
    within,
)  # fmt: skip
from explorer.text import t
from explorer.views import dilation, explanation, faithfulness, prediction, style
from explorer.views.pictures import enlarge

NETS = {"drn-d-22": "DRN-D-22", "drn-c-26": "DRN-C-26"}
OPACITY = 0.75  # of the strongest value of a map, as on the Explain page


# --- pictures and answers ---------------------------------------------------------------------------------------------


def classes(options: Mapping[str, Any]) -> Figure:
    """The ten classes, some pictures of each from the shipped sheet. rows: pictures of a class, 1 to 5"""
    asked = read(options, rows=5)
    rows = int(within("rows", asked["rows"], 1, 5))
    found, canvas = data.load("cifar10-sheet", "test"), Canvas(asked["dark"])
    colours = style.class_colours(len(found.classes), asked["dark"])
    for k, name in enumerate(found.classes):
        left = 30 + 105 * k
        canvas.bar(left, 14, 96, 6, colours[k])
        canvas.words(left + 48, 26, name, 17, bold=True, anchor="ma")
        for row, place in enumerate(np.flatnonzero(found.labels == k)[:rows]):
            canvas.pixels(left, 54 + 101 * row, found.images[place], 3)
    names = ", ".join(found.classes)
    return Figure(
        image=canvas.image,
        evidence=t(
            "CIFAR-10, test · the first {n} of 500 shipped pictures of each class · 32x32 pixels", n=rows
        ),
        alt=t("{n} test pictures of each of ten classes: {names}", n=rows, names=names),
    )


def answer(options: Mapping[str, Any]) -> Figure:
    """One picture, and how likely a classifier finds its classes. checkpoint, sample: of data.samples"""
    asked = read(options, checkpoint="cifar10-fastnet", sample="cat", top=5)
    card = card_of(asked["checkpoint"], "classifier")
    picture = _sample(asked["sample"])
    said = answers.classify(
        loaded(card), to_input(picture.image, square(picture.image.size), size=card.size)[None]
    )[0]
    canvas = Canvas(asked["dark"])
    shown = _shown(picture.image, 440)
    canvas.paste(20, (HEIGHT - shown.height / SHARP) / 2, shown)
    best = said.top(int(within("top", asked["top"], 2, len(card.classes))))
    colours = dict(zip(card.classes, style.class_colours(len(card.classes), asked["dark"])))
    left, wide, step = 510, 550, min(86, 420 // len(best))
    heading = (
        prediction.verdict(said) if said.fits else t("None of its {n} classes fits well", n=len(card.classes))
    )
    canvas.words(left, 44, heading, 34, bold=True)
    for k, (name, p) in enumerate(best):
        top = 116 + step * k
        canvas.words(left, top, name, 20)
        canvas.words(left + wide, top, prediction.percent(p), 20, bold=True, anchor="ra")
        canvas.bar(left, top + 30, wide, 18, "#30343C" if asked["dark"] else "#E3DFD5")
        canvas.bar(left, top + 30, wide * p, 18, colours[name])
    about = [t("n = 1: {what}", what=_words(asked["sample"])), named(card), t("calibrated")]
    if said.similarity is not None:
        words = t("similarity with the nearest class {x}, 95 % of held-out pictures have {limit} or more",
                  x=f"{said.similarity:.2f}", limit=f"{said.threshold:.2f}")  # fmt: skip
        about.append(words)
    return Figure(
        image=canvas.image,
        evidence=" · ".join(about),
        alt=prediction.spoken(said, card.name, len(best)),
    )


def _sample(name: str) -> Picture:
    return samples.sample(one_of("sample", name, samples.SAMPLES))


def _words(sample: str) -> str:
    """Which picture a sample is."""
    of = samples.origin(sample)
    if of:
        return t("{data}, {split}, picture {i}: {true}", data=of[0], split=of[1], i=of[2],
                 true=sample.removeprefix("scan-"))  # fmt: skip
    return f"{t(samples.SAMPLES[sample].title)}, {t(samples.SAMPLES[sample].source)}"


def _shown(image: Image.Image, side: int) -> Image.Image:
    """A picture as large as fits into `side` shown pixels: small ones in sharp squares, photographs smoothly."""
    if max(image.size) <= 64:
        return enlarge(np.asarray(image).transpose(2, 0, 1), side * SHARP // max(image.size))
    scale = side * SHARP / max(image.size)
    return image.resize([round(each * scale) for each in image.size], Image.Resampling.LANCZOS)


# --- where it looks ---------------------------------------------------------------------------------------------------


def cam(options: Mapping[str, Any]) -> Figure:
    """The class activation maps of one picture for some classes, on one scale. method: one that needs one pass"""
    asked = read(
        options, checkpoint="cifar10-resnet18", sample="dog", classes=["dog", "airplane"], method="cam"
    )
    card = card_of(asked["checkpoint"], "classifier")
    quick = [name for name, spec in cams.CAM_METHODS.items() if not spec.forwards(1)]
    method = one_of("method", asked["method"], quick)
    wanted = [card.classes.index(one_of("classes", name, card.classes)) for name in asked["classes"][:3]]
    picture = _sample(asked["sample"]).image
    pixels = to_input(picture, square(picture.size), size=card.size)
    found = cams.explain(loaded(card), pixels[None], method)
    chances = softmax(found.logits, card.temperature)[0]
    top = float(np.abs(found.raw[0, wanted]).max())
    side, gap = (330, 25) if len(wanted) < 3 else (255, 20)
    canvas = Canvas(asked["dark"])
    large = enlarge(pixels, side * SHARP // card.size)
    left, up = (WIDTH - (len(wanted) + 1) * side - len(wanted) * gap) / 2, 90
    canvas.words(left, up - 62, t("what the model received"), 20, bold=True)
    canvas.quiet(left, up - 32, f"{card.size}x{card.size}")
    canvas.paste(left, up, large)
    for place, k in enumerate(wanted, 1):
        x, values = left + place * (side + gap), found.raw[0, k]
        drawn = explanation.overlay(
            large.convert("L"), cams.enlarged(values, large.size[::-1]), top, True, OPACITY
        )
        canvas.words(x, up - 62, t("for “{name}”", name=card.classes[k]), 20, bold=True)
        canvas.quiet(x, up - 32, t("{p} · strongest cell {most}", p=prediction.percent(float(chances[k])),
                                   most=f"{values.max():+.1f}".replace("-", "−")))  # fmt: skip
        canvas.paste(x, up, drawn)
    bar = explanation.scale_bar(True, width=360 * SHARP, height=14 * SHARP)
    middle, below = WIDTH / 2 - 180, up + side + 34
    canvas.paste(middle, below, bar)
    canvas.quiet(middle - 12, below + 7, f"−{top:.1f}", anchor="rm")
    canvas.quiet(middle + 372, below + 7, f"+{top:.1f}", anchor="lm")
    canvas.quiet(
        WIDTH / 2, below + 24, t("evidence against the class, and for it; one scale for all"), anchor="ma"
    )
    said = "; ".join(
        t(
            "for “{name}” the strongest cell says {most}",
            name=card.classes[k],
            most=f"{found.raw[0, k].max():+.1f}",
        )
        for k in wanted
    )
    how = "{}, {}, {}x{}".format(cams.CAM_METHODS[method].title, found.layer, *found.raw.shape[2:])
    return Figure(
        image=canvas.image,
        evidence=" · ".join([t("n = 1: {what}", what=_words(asked["sample"])), named(card), how]),
        alt=t("A picture of {what} and its maps: {said}", what=asked["sample"], said=said),
    )


def contest(options: Mapping[str, Any]) -> Figure:
    """Are maps better than random ones, and than pointing at the middle? Measured on 500 pictures, stored."""
    asked = read(options, checkpoints=["cifar10-resnet18"])
    cards = [card_of(name, "classifier") for name in asked["checkpoints"][:2]]
    found = {card.name: contests.stored_contest(card.name) for card in cards}
    chart = on_slide(faithfulness.contest_chart(found, asked["dark"]))
    first = next(iter(found.values()))
    evidence = [f"{first.data}, test · n = {first.n:,}", *map(named, cards), t("paired, 95 % intervals")]
    return Figure(chart, evidence=" · ".join(evidence), alt=title_of(chart))


def taps(options: Mapping[str, Any]) -> Figure:
    """One 3x3 kernel at three dilations on a map: nine weights each, and how far they reach. size: of the map"""
    asked = read(options, size=16)
    size, canvas = int(within("size", asked["size"], 8, 32)), Canvas(asked["dark"])
    for k, rate in enumerate((1, 2, 4)):
        drawn, left = (
            dilation.taps_picture(size, 3, rate, 1, size // 2, size // 2, asked["dark"]),
            20 + 364 * k,
        )
        drawn = drawn.resize((332 * SHARP, 332 * SHARP), Image.Resampling.LANCZOS)
        spans = dilation.field_of([(3, rate, 1)])
        canvas.words(left, 40, t("dilation {n}", n=rate), 24, bold=True)
        canvas.quiet(left, 76, t("9 weights span {n}x{n} cells", n=spans), 18)
        canvas.paste(left, 112, drawn)
    seven = dilation.field_of([(3, 1, 1), (3, 2, 1)])
    canvas.words(
        20, 480, t("A 3x3 with dilation 1, then one with dilation 2: {n}x{n} cells, 18 weights", n=seven), 22
    )
    canvas.quiet(20, 516, t("One 7x7 kernel: 49 weights"), 18)
    return Figure(
        image=canvas.image,
        evidence=t("computed: a map of {n}x{n} cells, stride 1, and the padding that each kernel needs", n=size),
        alt=t("Three 3x3 kernels with dilation 1, 2 and 4 on a map of {n}x{n} cells: they span 3, 5 and 9 cells",
              n=size),
    )  # fmt: skip


def field(options: Mapping[str, Any]) -> Figure:
    """How far a cell sees after one layer, two, three …, with dilation and without."""
    asked = read(options, size=32, kernel=3, dilation=2, stride=1)
    size, stride = int(within("size", asked["size"], 4, 64)), int(within("stride", asked["stride"], 1, 2))
    kernel = int(one_of("kernel", asked["kernel"], (1, 3, 5, 7)))
    rate = int(within("dilation", asked["dilation"], 1, 8))
    chart = on_slide(dilation.growth_chart(size, kernel, rate, stride, asked["dark"]))
    evidence = t(
        "n = 0 to {n} layers, kernel {kernel}x{kernel}, stride {stride} · computed",
        n=dilation.LAYERS, kernel=kernel, stride=stride,
    )  # fmt: skip
    return Figure(chart, evidence=evidence, alt=t("Receptive field. {title}", title=title_of(chart)))


def dead_weights(options: Mapping[str, Any]) -> Figure:
    """Which weights of a DRN never learn at 32x32, published strides against ours."""
    asked = read(options, net="drn-d-22")
    net = one_of("net", asked["net"], NETS)
    published, fixed = weights.declared(f"{net}-published"), weights.declared(net)
    chart = on_slide(dilation.dead_chart(NETS[net], published, fixed, asked["dark"]))
    evidence = t(
        "{name} · n = {published} and {fixed} weights · declaration in MODELS for 32x32, checked by tests",
        name=NETS[net], published=f"{dilation.shares(published)[1]:,}", fixed=f"{dilation.shares(fixed)[1]:,}",
    )  # fmt: skip
    return Figure(chart, evidence=evidence, alt=t("Weights by level. {title}", title=title_of(chart)))
