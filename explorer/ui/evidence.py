"""A classifier's scores on a data set, ready for a page, and the pictures behind any of its numbers."""

import pickle
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from explorer import data
from explorer.analysis.calibration import softmax
from explorer.analysis.classification import Report, report
from explorer.analysis.predict import Predictions
from explorer.data import sheet
from explorer.jobs import PROJECT
from explorer.text import N_, language, t
from explorer.ui import cache, progress, widgets
from explorer.views import style

VIEWS = {1: N_("plain"), 2: N_("mean of 2 views (flipped)"), 6: N_("mean of 6 views (flipped, shifted)")}
SHORT = {1: N_("plain"), 2: N_("2 views"), 6: N_("6 views")}


@dataclass(frozen=True)
class Scores:
    """What a checkpoint says about every picture of a split.

    predicted: int64 (N,);  probabilities: float32 (N, K), softmax of logits / temperature
    key: what these numbers depend on, for caches
    """

    name: str
    predictions: Predictions
    predicted: np.ndarray
    probabilities: np.ndarray
    temperature: float
    calibrated: bool
    report: Report
    key: tuple

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,), the true classes."""
        return self.predictions.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in class order."""
        return self.predictions.classes

    @property
    def source(self) -> str:
        """Where the numbers come from, for the caption of a figure."""
        p = self.predictions
        words = (
            t("as trained")
            if self.temperature == 1
            else t("calibrated, T = {t}", t=f"{self.temperature:.2f}")
        )
        place = f"{self.name} · {p.data}, {p.split} · n = {len(p.labels):,}"
        return f"{place} · {t(VIEWS[p.views])} · {words}"


def scores(name: str, split: str, views: int, calibrated: bool) -> Scores:
    """A checkpoint's scores, stored or computed, shared by all sessions; Missing when neither can be had."""
    temperature = cache.card(name).temperature if calibrated else 1.0
    found = cache.predictions(name, split, views)
    key = (name, *_key(found), temperature, calibrated)
    return _scores.get(key, lambda: _scored(found, name, temperature, calibrated))


_scores = cache.Kept(8)


def _scored(found: Predictions, name: str, temperature: float, calibrated: bool) -> Scores:
    probabilities = softmax(found.logits, temperature).astype(np.float32)
    predicted = found.predicted
    summary = report(found.labels, predicted, found.classes)
    return Scores(
        name,
        found,
        predicted,
        probabilities,
        temperature,
        calibrated,
        summary,
        (name, *_key(found), temperature),
    )


def _key(found: Predictions) -> tuple:
    return (found.checkpoint_sha256, found.fingerprint, found.data, found.split, found.views)


def dark() -> bool:
    """Whether the visitor's theme is dark, as far as is known."""
    return st.context.theme.type == "dark"


def halves(widths: list[int]) -> list:
    """A chart and its pictures side by side; one below the other in large type, which needs the room."""
    if widgets.large_type():
        return [st.container(), st.container()]
    return st.columns(widths, gap="medium")


def kept(key: tuple, make: Callable[[], Any]) -> Any:
    """What `make` computes, once per key for all sessions: a shared object, to be read and never changed."""
    return _kept.get(key, make)


_kept = cache.Kept(256)


def drawn(key: tuple, draw: Callable[[], Any]) -> Any:
    """A chart (dict or figure), drawn once per key and language; the key names all that the chart depends on."""

    def packed() -> bytes:
        made = draw()
        return pickle.dumps(widgets.with_table(made) if isinstance(made, dict) else made)

    return pickle.loads(_drawn.get((*key, language()), packed))  # a copy of its own, which may be changed


_drawn = cache.Kept(128)


# --- the pictures behind a number ---------------------------------------------------------------------------------


class Tiles(Sequence):
    """Gallery items made only when they are shown: (picture, caption in plain text, alt) of each index."""

    def __init__(self, found: Scores, pixels: Callable[[int], np.ndarray], indices: np.ndarray):
        self.found, self.pixels, self.indices = found, pixels, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: Any) -> Any:
        return (
            [self._tile(int(i)) for i in self.indices[at]]
            if isinstance(at, slice)
            else self._tile(int(self.indices[at]))
        )

    def _tile(self, i: int) -> tuple[np.ndarray, str, str]:
        found = self.found
        true, said = int(found.labels[i]), int(found.predicted[i])
        p, q = found.probabilities[i, said], found.probabilities[i, true]
        values = {
            "i": f"{i:,}",
            "true": found.classes[true],
            "said": found.classes[said],
            "p": _percent(p),
            "q": _percent(q),
        }
        if true == said:
            caption = f"{style.RIGHT_MARK} {values['said']} {values['p']}"
            return self.pixels(i), caption, t("Picture {i}, {true}, rightly predicted with {p}", **values)
        caption = f"{style.WRONG_MARK} {values['said']} {values['p']}\n" + t("is {true} {q}", **values)
        return self.pixels(i), caption, t("Picture {i}, {true} ({q}), predicted to be {said} ({p})", **values)


def _percent(p: float) -> str:
    return f"{100 * p:.1f}\u00a0%" if p < 0.9995 else "100\u00a0%"


def show_pictures(found: Scores, indices: np.ndarray, key: str) -> None:
    """A gallery of these pictures of the split, in this order. Without the data set: those of them that the shipped
    sheet has, or the empty state; both with the button that gets the data. A click on one opens it on Explain."""
    follow(found)
    if not len(indices):
        st.info(t("There is no such picture."), icon=":material/check:")
        return
    p = found.predictions
    full = _full(p)
    if full is not None:
        _clickable(Tiles(found, lambda i: full.images[i], indices), key)
        return
    if p.data == "cifar10" and p.split == "test":
        place = {int(i): k for k, i in enumerate(sheet.test_indices())}
        here = np.array([i for i in indices.tolist() if i in place], np.int64)
        if len(here):
            pictures = cache.images("cifar10-sheet").images
            _clickable(Tiles(found, lambda i: pictures[place[i]], here), key)
        st.caption(
            t("{k} of these {n} pictures are on the shipped sheet.", k=len(here), n=f"{len(indices):,}")
        )
        offer(p.data)
        return
    if p.data in data.names() and data.available(p.data):
        words = t(
            "The pictures of {data} have changed since; evaluate again: "
            "python -m explorer evaluate {name} --split {split} --views {views}",
            data=p.data, name=found.name, split=p.split, views=p.views,
        )  # fmt: skip
    else:
        words = t(
            "The pictures of {data} are not here; the numbers come from stored predictions.", data=p.data
        )
    widgets.empty_state(words)
    offer(p.data)


_PICKED = "picture to explain"


def _clickable(tiles: Tiles, key: str) -> None:
    def picked(n: int) -> None:
        st.session_state[_PICKED] = int(tiles.indices[n])

    widgets.gallery(
        tiles, key, on_pick=picked, hint=t("Where does the model look? Click to explain this picture.")
    )


def follow(found: Scores) -> None:
    """Open the picture that was clicked on the Explain page, with the model and the class that it was taken for."""
    i = st.session_state.pop(_PICKED, None)
    if i is not None and i < len(found.labels):
        p = found.predictions
        st.switch_page(
            PROJECT / "pages" / "explain.py",
            query_params={
                "data": p.data, "split": p.split, "index": str(i), "model": found.name,
                "class": found.classes[found.predicted[i]],
            },
        )  # fmt: skip


_read: set[tuple[str, str]] = set()


def _full(p: Predictions) -> data.ImageSet | None:
    """The split these predictions were made on, when it is here and its content is the same."""
    if p.data not in data.names() or not data.available(p.data):
        return None
    first = (p.data, p.split) not in _read  # a spinner costs a rerun a sixth, and shows only where one waits
    with st.spinner(t("Reading {name}", name=p.data)) if first else nullcontext():
        found = cache.images(p.data, p.split)
    _read.add((p.data, p.split))
    return found if found.fingerprint == p.fingerprint else None


def offer(name: str) -> None:
    """The button that gets a data set, where there is one to press."""
    if name == "cifar10" and not data.available(name):
        progress.get_data_button(name)
