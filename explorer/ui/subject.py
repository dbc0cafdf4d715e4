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
from explorer.text import Problem, t
from explorer.ui import cache, drawn, predicting, uploads, widgets
from explorer.ui.picker import Item, picture_strip
from explorer.ui.widgets import plain
from explorer.views import pictures

FIRST = "dog"  # the course's example
LINK = ("data", "split", "index")


@dataclass(frozen=True)
class Subject:
    """The picture that is explained.

    key: an id that stands for its pixels within the session;  box: the part that goes to the models, None = all of it
    true: the name of its class where that is known;  words: what it is, in plain text
    of: (data, split, index) of a picture of a data set
    """

    key: str
    picture: Picture
    words: str
    true: str | None = None
    box: Box | None = None
    invert: bool = False
    of: tuple[str, str, int] | None = None

    def pixels(self, card: Card) -> np.ndarray:
        """What a checkpoint receives: uint8 (3, S, S)."""

        def cut() -> np.ndarray:
            found = to_input(self.picture.image, self.box, squash=self.box is None, size=card.size)
            return 255 - found if self.invert else found

        return cache.in_session(("input", self.key, self.box, self.invert, card.size), cut)


def choose() -> Subject:
    """The picture: dropped here, named by the address, brought on another page, or one of the samples."""
    _take(uploads.drop_zone(several=False))
    found = linked() or drawn_link()
    carried = None if found or "sample" in st.query_params else uploads.carried()

    def picked() -> None:
        uploads.carry(None)
        forget_link()

    with st.container():
        sample = uploads.sample_gallery(FIRST, "" if not (found or carried) else None, picked)
    _sheet(found)
    if found:
        return found
    if carried:
        key, picture = carried
        return Subject(key, picture, picture.name)
    picture = samples.sample(sample)
    true = sample if sample in data.DATASETS["cifar10"].classes else None
    words = t(samples.SAMPLES[sample].title)
    return Subject(f"sample {sample}", picture, words, true, of=samples.origin(sample))


def _sheet(found: Subject | None) -> None:
    """The 500 shipped test pictures, a class at a time, to choose from; drawn once they are asked for."""
    place = st.popover(
        t("CIFAR-10 test pictures"), icon=":material/grid_view:", key="sheet", on_change="rerun"
    )
    if not place.open:
        return
    with place:
        pool, indices = cache.images("cifar10-sheet"), sheet.test_indices()
        names = {name: name for name in pool.classes}
        first = found.true if found and found.true in names else FIRST
        wanted = widgets.select(t("True class"), names, key="sheet_class", default=first)
        places = np.flatnonzero(pool.labels == pool.classes.index(wanted))
        items = tuple(
            Item(str(indices[k]), pictures.thumbnail_uri(pool.images[k], 2), "", words, words)
            for k in places
            for words in [t("{data}, {split}, picture {i}: {true}",
                            data="cifar10", split="test", i=indices[k], true=wanted)]
        )  # fmt: skip

        def picked(index: str) -> None:
            uploads.carry(None)
            widgets.to_url("sample", None)
            link("cifar10", "test", int(index))

        chosen = st.query_params.get("index") if found else None
        picture_strip("", items, chosen, "sheet pictures", picked, "strip wrap small")


def _take(brought: dict[str, Picture]) -> None:
    """A picture that has just been dropped is the one that is explained, until another is chosen or it is removed."""
    if uploads.take(next(iter(brought.items()), None)):
        forget_link()
        widgets.to_url("sample", None)


def forget_link() -> None:
    """Take the picture of a data set, or a drawn one, out of the address."""
    for key in (*LINK, drawn.KEY):
        widgets.to_url(key, None)


def data_names() -> set[str]:
    """The data sets whose pictures can be looked at: those that a checkpoint here was trained on."""
    return {card.data for card in cache.cards().values()} & set(data.names())


def link(name: str, split: str, index: int) -> None:
    """Put a picture of a data set into the address, for `linked` to find; it is looked at whole and as it is, because
    what was cut of another says nothing about it. Only in a callback, or before `crop` draws its controls."""
    for key, (_, _, first) in predicting.SLIDERS.items():
        st.session_state[key] = first
    st.session_state["fit"], st.session_state["invert"] = "crop", False
    for key in (*predicting.SLIDERS, "fit", "invert", drawn.KEY):
        widgets.to_url(key, None)
    for key, value in zip(LINK, (name, split, str(index))):
        widgets.to_url(key, value)


def linked() -> Subject | None:
    """The picture of a data set that the address names as data, split and index; None when it names none."""
    if "index" not in st.query_params:  # what follows asks the disk
        return None
    name = widgets.from_url("data", data_names())
    index = st.query_params["index"]
    if name is None or not re.fullmatch(r"[0-9]{1,9}", index):
        return None
    split = widgets.from_url("split", data.spec(name).splits, "test")
    place = int(index)
    try:
        found = cache.images(name, split)
    except Problem:  # not here, or damaged
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
        f"{name} {split} {index} {found.fingerprint}", Picture(image, words, image.size), words, true,
        of=(name, split, int(index)),
    )  # fmt: skip


def drawn_link() -> Subject | None:
    """The drawn picture that the address names; None when it names none."""
    of = drawn.linked()
    if of is None:
        return None
    true = of.card.classes[of.label] if of.label >= 0 else None
    return Subject(f"{drawn.KEY} {of.card.sha256} {of.address}", drawn.picture(of), of.words, true)


def crop(subject: Subject, drawn: bool) -> Subject:
    """The subject with its crop, by the controls of that when they are `drawn`, else as the address has it."""
    if not drawn:
        squash, place, invert = predicting.crop_link()
        box = None if squash else square(subject.picture.image.size, *place)
        return replace(subject, box=box, invert=invert)
    squash = predicting.crop_controls(subject.picture)
    invert = widgets.toggle(
        t("Swap light and dark"), key="invert",
        help=t("For dark ink on light paper: the digits models learnt light strokes on a dark ground."),
    )  # fmt: skip
    box = None if squash else square(subject.picture.image.size, *predicting.crop_place())
    return replace(subject, box=box, invert=invert)


def title_of(subject: Subject) -> str:
    """What the picture is, harmless in Markdown."""
    return plain(subject.words)
