"""The command that says where in a picture the evidence is."""

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.cli.scoring import read
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reporter import Reporter
from explorer.text import N_, Problem

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

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
    loaded = checkpoints.load(checkpoint, device)
    card = loaded.card
    image = open_picture(read(file), file.name).image
    pixels = to_input(image, size=card.size)[None]
    chosen = _classes(class_, card.classes)
    bar = Bar(job)
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
