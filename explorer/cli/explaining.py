"""The commands that say where in a picture the evidence is, and where in all the pictures of a data set."""

import io
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.cli.scoring import read
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reporter import Reporter
from explorer.text import N_, Missing, Problem, t

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from explorer.analysis.survey import Survey
    from explorer.checkpoints import Card
    from explorer.data import ImageSet

LONGEST = 512  # pixels of a side of the PNG


@command(app, "explain")
def explain_command(
    checkpoint: Name,
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WEBP picture.")],
    out: Annotated[Path, typer.Option(help="Where to: FILE.npy for numbers, FILE.png for a picture.")],
    method: Annotated[
        str, typer.Option(help="How: cam, grad-cam, grad-cam++, layer-cam, score-cam …")
    ] = "cam",
    class_: Annotated[
        str | None, typer.Option("--class", help="A class, or all; without it the predicted one.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="A layer's name; without it the last map.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Before any scaling: signed float32 (classes, h, w), as FILE.npy.")
    ] = False,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """A class activation map: where a checkpoint sees evidence for a class.

    FILE.npy without --raw: positive evidence only, from 0 to 1 on one scale for all classes, as large as what the model
    receives: float32 (classes, 32, 32). FILE.png: the same, laid over the picture.
    """
    import numpy as np

    from explorer import checkpoints, files
    from explorer.analysis import cam, layers
    from explorer.analysis.calibration import softmax
    from explorer.data.picture import open_picture, square, to_input

    kind = out.suffix.lower()
    if kind not in (".npy", ".png") or (raw and kind == ".png"):
        raise Problem(
            "{out}: expected a name that ends in {known}.", out=out, known=".npy" if raw else ".npy, .png"
        )
    loaded = checkpoints.load(checkpoint, device, "classifier")
    card = loaded.card
    image = open_picture(read(file), file.name).image
    pixels = to_input(image, size=card.size)[None]
    chosen = _classes(class_, card.classes)
    bar = Bar(job)
    if cam.method_spec(method).forwards(1):
        seconds = cam.estimate(loaded, method, layer or cam.last_layer(card.model))
        print(t("{method} takes about {s} s here.", method=method, s=f"{seconds:.0f}"), file=sys.stderr)
    begun = time.perf_counter()
    try:
        found = cam.explain(
            loaded, pixels, method, chosen, layer, on_step=lambda k, n: bar(k, n, N_("Masking the channels"))
        )
    finally:
        bar.close()
    if class_ is None:  # known only now; the logits came with the maps of all classes
        found = cam.of_classes(found, [int(found.logits[0].argmax())])
    seconds = time.perf_counter() - begun
    maps = found.raw[0]
    top = float(maps.max())
    shown = cam.enlarged(cam.relu(maps) / max(top, 1e-12), (card.size, card.size))
    if kind == ".npy":
        blob = io.BytesIO()
        np.save(blob, maps if raw else shown)
        files.write_bytes(out, blob.getvalue())
    else:
        left, upper, side = square(image.size)
        files.write_bytes(
            out, _drawn(image.crop((left, upper, left + side, upper + side)), maps, max(top, 0))
        )
    p = softmax(found.logits, card.temperature)[0]
    rows = [
        {
            "name": card.classes[k],
            "p": float(p[k]),
            "logit": float(found.logits[0, k]),
            "max": float(one.max()),
            "min": float(one.min()),
            "mean": float(one.mean()),
        }
        for k, one in zip(found.classes, maps)
    ]
    value = {
        "file": str(file),
        "out": str(out),
        "checkpoint": checkpoint,
        "checkpoint_sha256": card.sha256,
        "method": method,
        "layer": found.layer,
        "shape": list((maps if raw else shown).shape) if kind == ".npy" else None,
        "cells": list(maps.shape[1:]),
        "scale": "raw" if raw else {"from": 0.0, "to": top},
        "classes": rows,
        "milliseconds": 1000 * seconds,
    }
    if found.bias is not None:
        value["bias"] = [float(each) for each in found.bias]
        value["adds_up"] = cam.adds_up(found)
    spec = layers.receptive_fields(card.model).get(found.layer)
    value["receptive_field"] = spec.size if spec else None
    columns = ["p", "logit", "max", "min"]
    listed = table(["class", *columns], [[row["name"], *(row[key] for key in columns)] for row in rows])
    size = f"{maps.shape[1]}x{maps.shape[2]}"
    return Answer(value, f"{out}: {method}, {found.layer}, {size}\n{listed}")


def _classes(asked: str | None, names: tuple[str, ...]) -> list[int] | None:
    """Indices of the classes that were asked for; None for all of them."""
    if asked in (None, "all"):
        return None
    if asked not in names:
        raise Problem(
            "Unknown class {name}; known: {known}.",
            name=repr(asked[:80]),
            known=", ".join((*names[:20], "all")),
        )
    return [names.index(asked)]


def _drawn(picture: "Image.Image", maps: "np.ndarray", top: float) -> bytes:
    """The maps (k, h, w) over a square picture, one beside the other, on one scale; a PNG."""
    from PIL import Image

    from explorer.analysis import cam
    from explorer.views import explanation
    from explorer.views.pictures import png

    factor = LONGEST // picture.width
    side = picture.width * factor if factor else LONGEST  # small pictures by whole multiples, pixel by pixel
    large = picture.resize((side, side), Image.Resampling.NEAREST if factor else Image.Resampling.BICUBIC)
    drawn = [explanation.overlay(large, each, top, False) for each in cam.enlarged(maps, (side, side))]
    return png(explanation.side_by_side(drawn))


@command(app, "survey")
def survey_command(
    checkpoint: Name,
    data: Annotated[
        str | None, typer.Option(help="A data set; without it the one it was trained on.")
    ] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Where a checkpoint looks in all pictures of a data set, class by class; kept beside the checkpoint.

    border: the mean share of the positive evidence that lies on the outermost cells; ratio: how large the largest
    positive evidence of every other class is beside that of the class shown, the median over the recognised pictures.
    """
    from explorer import checkpoints
    from explorer.analysis.survey import check
    from explorer.reach import allow

    allow("survey")
    card = checkpoints.read_card(checkpoint, "classifier")
    check(card)
    found, source = _survey(checkpoint, card, data or card.data, split, device, job)
    borders = found.border_by_class()
    rows, lines = [], []
    for k, name in enumerate(card.classes):
        ratios = {
            other: _number(ratio)
            for n, (other, ratio) in enumerate(zip(card.classes, found.ratios(k)))
            if n != k
        }
        rows.append({"name": name, "n": found.of_class(k), "border": _number(borders[k]), "ratio": ratios})
        nearest = max(ratios, key=lambda other: ratios[other] or 0.0, default="-")
        values = [borders[k], ratios.get(nearest)]
        lines.append(
            [name, rows[-1]["n"], *("-" if _number(v) is None else float(v) for v in values), nearest]
        )
    value = {
        "checkpoint": checkpoint,
        "checkpoint_sha256": found.checkpoint_sha256,
        "data": found.data,
        "split": found.split,
        "n": len(found.labels),
        "data_fingerprint": found.fingerprint,
        "cells": list(found.true.shape[1:]),
        "border_of_even": found.border_of_even,
        "classes": rows,
        "source": source,
    }
    head = f"{checkpoint} on {found.data}, {split}, n = {len(found.labels):,}, fingerprint {found.fingerprint[:16]}"
    even = f"evidence on the outermost cells; spread evenly it would be {found.border_of_even:.4f}"
    listed = table(["class", "n", "border", "ratio", "of"], lines)
    return Answer(value, f"{head}\n{even}\n\n{listed}")


def _number(value: "float | None") -> float | None:
    """For JSON, which has no nan."""
    return None if value is None or math.isnan(value) else float(value)


def _survey(
    checkpoint: str, card: "Card", name: str, split: str, device: str, job: Reporter | None
) -> "tuple[Survey, str]":
    """A survey, and where it comes from: "computed" now, or "stored" when the data set is not here."""
    from explorer import checkpoints
    from explorer import data as sets
    from explorer.analysis import survey

    try:
        pictures = sets.load(name, split)
    except Missing as missing:
        if name != card.data:
            raise
        try:
            found = survey.stored(checkpoint, split)
        except Missing:
            raise missing from None
        print(t("{data} is not here; these are the stored maps.", data=name), file=sys.stderr)
        return found, "stored"
    loaded = checkpoints.load(checkpoint, device)
    bar = Bar(job)
    try:
        found = survey.survey(loaded, pictures, lambda done, total: bar(done, total, N_("Making the maps")))
    finally:
        bar.close()
    if name == card.data and not _is_stored(checkpoint, split, pictures.fingerprint):
        try:
            checkpoints.add(checkpoint, card, {checkpoints.maps_file(split): survey.packed(found)})
        except Problem as problem:  # a read-only checkpoint is no reason to lose the numbers
            print(problem, file=sys.stderr)
    return found, "computed"


def _is_stored(checkpoint: str, split: str, fingerprint: str) -> bool:
    """Whether the maps of these very pictures are stored."""
    from explorer import checkpoints

    try:
        return checkpoints.read_maps(checkpoint, split)["fingerprint"] == fingerprint
    except Problem:
        return False


@command(app, "faithfulness")
def faithfulness_command(
    checkpoint: Name,
    method: Annotated[
        str, typer.Option(help="How: cam, grad-cam, grad-cam++, layer-cam, score-cam …")
    ] = "cam",
    n: Annotated[
        int,
        typer.Option(
            "--n", min=2, help="So many test pictures, evenly spread; 500 of CIFAR-10: the shipped ones."
        ),
    ] = 500,
    fill: Annotated[
        str, typer.Option(help="What is put where pixels are taken away: mean or blur.")
    ] = "mean",
    seed: Annotated[int, typer.Option(min=0, help="Of the random maps and of the resampling.")] = 0,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Whether a checkpoint's maps point at what counts, better than random maps and the middle of the picture do.

    The pixels that a map calls important are taken away first, or brought back first, and the probability of the
    predicted class is watched: gap is the area under the second curve minus that under the first. About 200 forward
    passes a picture. With everything as it is by default the result is kept beside the checkpoint.
    """
    from dataclasses import replace

    from explorer import checkpoints
    from explorer.analysis import contest
    from explorer.analysis.deletion import FILLS
    from explorer.data import spread
    from explorer.reach import allow

    allow("faithfulness")
    loaded = checkpoints.load(checkpoint, device, "classifier")
    pictures = _test_pictures(loaded.card, n)
    images = pictures.images[spread(len(pictures), n)]
    bar = Bar(job)
    try:
        found = contest.contest(
            loaded, images, method, fill=fill, seed=seed,
            on_step=lambda done, total: bar(done, total, N_("Testing the maps (forward passes)")),
        )  # fmt: skip
    finally:
        bar.close()
    found = replace(found, data=pictures.name, fingerprint=pictures.fingerprint)
    if (method, n, fill, seed) == ("cam", contest.N, "mean", contest.SEED):
        try:
            checkpoints.add(checkpoint, loaded.card, {contest.FILE: contest.packed(found)})
        except Problem as problem:  # a read-only checkpoint is no reason to lose the numbers
            print(problem, file=sys.stderr)
    rows: list[list[object]] = [
        [who, found.gap(who), found.insertion[who], found.deletion[who]] for who in contest.WHO
    ]
    listed = table(["", "gap", "insertion", "deletion"], rows)
    duels: list[list[object]] = [
        [f"map - {rival}", duel.difference, duel.low, duel.high, f"{duel.wins:.1%}"]
        for rival, duel in found.duels.items()
    ]
    apart = table(["", "difference", "from", "to (95 %)", "map wins"], duels)
    head = (
        f"{checkpoint} on {found.data}, test, n = {found.n:,}, {method}, {found.layer}, "
        f"{t(FILLS[fill])}, seed {seed}, fingerprint {found.fingerprint[:16]}"
    )
    return Answer({"checkpoint": checkpoint} | found.as_dict(), f"{head}\n\n{listed}\n\n{apart}")


def _test_pictures(card: "Card", n: int) -> "ImageSet":
    """The test split of the checkpoint's data; of CIFAR-10, which may not be here, the shipped sheet when that is n."""
    from explorer import data as sets

    sheet = "cifar10-sheet"
    pictures = sets.load(
        sheet if card.data == "cifar10" and n == len(sets.load(sheet)) else card.data, "test"
    )
    if pictures.classes != card.classes:
        raise Problem(
            "{name} was trained for the classes {own}; {data} has {other}.",
            name=card.name, own=", ".join(card.classes[:12]),
            data=pictures.name, other=", ".join(pictures.classes[:12]),
        )  # fmt: skip
    return pictures
