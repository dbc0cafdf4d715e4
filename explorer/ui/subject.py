"""The picture that the Explain page speaks of: brought, named by the address, or a sample; what of it is looked at."""

import re
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from PIL import Image

from explorer import data
from explorer.checkpoints import Card
from explorer.data import samples, sheet
from explorer.data.picture import Box, Picture, square, to_input
from explorer.text import Missing, t
from explorer.ui import cache, predicting, uploads, widgets
from explorer.ui.widgets import plain

FIRST = "dog"  # the course's example
LINK = ("data", "split", "index")


@dataclass(frozen=True)
class Subject:
    """The picture that is explained.

    key: an id that stands for its pixels within the session;  box: the part that goes to the models, None = all of it
    true: the name of its class where that is known;  words: what it is, in plain text
    """

    key: str
    picture: Picture
    words: str
    true: str | None = None
    box: Box | None = None
    invert: bool = False

    def pixels(self, card: Card) -> np.ndarray:
        """What a checkpoint receives: uint8 (3, S, S)."""

        def cut() -> np.ndarray:
            found = to_input(self.picture.image, self.box, squash=self.box is None, size=card.size)
            return 255 - found if self.invert else found

        return cache.in_session(("input", self.key, self.box, self.invert, card.size), cut)


def choose() -> Subject:
    """The picture: dropped here, named by the address, brought on another page, or one of the samples."""
    brought = uploads.drop_zone(several=False)
    if brought:
        uploads.carry(next(iter(brought.items())))
        forget_link()
    found = None if brought else linked()
    carried = None if found or "sample" in st.query_params else uploads.carried()

    def picked() -> None:
        uploads.carry(None)
        forget_link()

    with st.container():
        sample = uploads.sample_gallery(FIRST, "" if not (found or carried) else None, picked)
    if found:
        return found
    if carried:
        key, picture = carried
        return Subject(key, picture, picture.name)
    picture = samples.sample(sample)
    true = sample if sample in data.DATASETS["cifar10"].classes else None
    return Subject(f"sample {sample}", picture, t(samples.SAMPLES[sample].title), true)


def forget_link() -> None:
    """Take the picture of a data set out of the address."""
    for key in LINK:
        widgets.to_url(key, None)


def link(name: str, split: str, index: int) -> None:
    """Put a picture of a data set into the address, for `linked` to find."""
    for key, value in zip(LINK, (name, split, str(index))):
        widgets.to_url(key, value)


def linked() -> Subject | None:
    """The picture of a data set that the address names as data, split and index; None when it names none."""
    name = widgets.from_url("data", data.names())
    index = st.query_params.get("index", "")
    if name is None or not re.fullmatch(r"[0-9]{1,9}", index):
        return None
    split = widgets.from_url("split", data.spec(name).splits, "test")
    place = int(index)
    try:
        found = cache.images(name, split)
    except Missing:
        known = {int(i): k for k, i in enumerate(sheet.test_indices())} if name == "cifar10" else {}
        if split != "test" or place not in known:
            return None
        found, place = cache.images("cifar10-sheet"), known[place]
    if place >= len(found):
        return None
    image = Image.fromarray(np.ascontiguousarray(found.images[place].transpose(1, 2, 0)))
    true = found.classes[found.labels[place]]
    words = t("{data}, {split}, picture {i}: {true}", data=name, split=split, i=index, true=true)
    return Subject(
        f"{name} {split} {index} {found.fingerprint}", Picture(image, words, image.size), words, true
    )


def crop(subject: Subject) -> Subject:
    """The controls of what goes to the models, and the subject with them."""
    squash = predicting.crop_controls(subject.picture)
    invert = st.toggle(
        t("Swap light and dark"), key="invert", bind="query-params",
        help=t("For dark ink on light paper: the digits models learnt light strokes on a dark ground."),
    )  # fmt: skip
    box = None if squash else square(subject.picture.image.size, *predicting.crop_place())
    return replace(subject, box=box, invert=invert)


def title_of(subject: Subject) -> str:
    """What the picture is, harmless in Markdown."""
    return plain(subject.words)
