"""Maps as they are drawn on the Explain page, kept for the session, and the files of them."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import streamlit as st
from PIL import Image

from explorer.analysis import cam
from explorer.analysis.cam import Maps
from explorer.checkpoints import Card
from explorer.text import N_, t
from explorer.ui import cache, widgets
from explorer.ui.explaining import Look, scale
from explorer.ui.subject import Subject
from explorer.views import explanation, pictures

SHOWN, SAVED = 320, 1024  # pixels of a picture with its map, on the page (ten times 32) and in a file
FILES = {"picture": N_("Map on the picture, PNG"), "input": N_("Map on the input, PNG")}


def at(values: np.ndarray, size: tuple[int, int], look: Look) -> np.ndarray:
    """A raw map (h, w) at `size` (height, width), smooth or as its cells."""
    return explanation.cells(values, size) if look.cells else cam.enlarged(values, size)


def on_input(pixels: np.ndarray, values: np.ndarray, top: float, look: Look, factor: int) -> Image.Image:
    """What the model received, uint8 (3, S, S), `factor` times as large, with a raw map laid over it."""
    return _overlaid(pictures.enlarge(pixels, factor), values, top, look)


def on_upload(
    subject: Subject, values: np.ndarray, top: float, look: Look, longest: int = SHOWN
) -> Image.Image:
    """The picture as it was brought, at a size for the page, with a raw map laid over what the model received."""
    shown, edges = explanation.region(subject.picture.image, subject.box, longest)
    return explanation.laid_on(shown, edges, _overlaid(shown.crop(edges), values, top, look))


def _overlaid(image: Image.Image, values: np.ndarray, top: float, look: Look) -> Image.Image:
    below = image.convert("L") if look.grey else image
    large = at(values, image.size[::-1], look)
    return explanation.overlay(below, large, top, look.signed, look.opacity, look.colours)


def data_uri(image: Image.Image, subject: Subject) -> str:
    """An address that travels with the page: small pictures without loss, photographs as JPEG."""
    small = max(subject.picture.image.size) <= 64
    return pictures.data_uri(image) if small else pictures.jpeg_uri(image)


def scale_caption(top: float, look: Look) -> None:
    """The colour bar of a scale and what its ends are."""
    bar = cache.in_session(
        ("bar", look.signed, look.colours),
        lambda: pictures.data_uri(explanation.scale_bar(look.signed, look.colours)),
    )
    unit = t("in units of the logit") if look.method in ("cam",) else t("in the method's own unit")
    ends = f"−{top:.3g} … 0 … +{top:.3g}" if look.signed else f"0 … {top:.3g}"
    words = t("each map to its own largest value, whatever its sign") if look.alone else f"{ends}, {unit}"
    st.image(bar, alt=t("Colour scale: {words}", words=words), caption=words, width=240)


# --- downloads --------------------------------------------------------------------------------------------------------


def downloads(
    card: Card,
    subject: Subject,
    found: Maps,
    look: Look,
    class_: int,
    views: dict[str, Callable[[], Image.Image]],
) -> None:
    """The map as it is drawn (PNG), as it is (NPY), and what it rests on (JSON), offered once asked for."""
    place = st.popover(t("Download"), icon=":material/download:", key=f"files {card.name}", on_change="rerun")
    if not place.open:
        return
    stem = f"{card.name}-{look.method}-{re.sub('[^a-zA-Z0-9]+', '-', card.classes[class_])[:40]}"
    with place:
        for name, draw in views.items():
            widgets.download(
                t(FILES[name]), lambda draw=draw: pictures.png(draw()), f"{stem}-{name}.png", "image/png"
            )
        widgets.download(
            t("Raw maps of all classes, NPY"),
            lambda: as_npy(found.raw[0]),
            f"{stem}.npy",
            "application/octet-stream",
        )
        widgets.download(
            t("What it rests on, JSON"), lambda: as_json(card, subject, found, look, class_), f"{stem}.json",
            "application/json",
        )  # fmt: skip


def as_npy(raw: np.ndarray) -> bytes:
    """float32 (classes, h, w), before any scaling, as a .npy file."""
    out = io.BytesIO()
    np.save(out, raw)
    return out.getvalue()


def as_json(card: Card, subject: Subject, found: Maps, look: Look, class_: int) -> str:
    """What a map rests on: checkpoint hash, picture, layer, method, class, scale."""
    values = found.raw[0, class_]
    about = {
        "drawing": asdict(look), "light_and_dark_swapped": subject.invert,
        "checkpoint": card.name, "checkpoint_sha256": card.sha256, "picture": subject.words, "box": subject.box,
        "true_class": subject.true, "class": card.classes[class_], "classes": list(card.classes),
        "layer": found.layer, "cells": list(values.shape), "logit": float(found.logits[0, class_]),
        "max": float(values.max()), "min": float(values.min()), "mean": float(values.mean()),
        "scale": scale(found, look, class_), "method": found.method,
    }  # fmt: skip
    if found.bias is not None:
        about |= {"bias": float(found.bias[class_]), "adds_up_within": cam.adds_up(found)}
    return json.dumps(about, indent=1, ensure_ascii=False)
