"""The pictures behind a survey's numbers, each with its map: those of the data set, or those on the shipped sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from explorer import data
from explorer.analysis.calibration import softmax
from explorer.analysis.survey import Survey
from explorer.checkpoints import Card
from explorer.data import sheet
from explorer.text import t
from explorer.ui import cache, evidence, explaining, overlays, widgets
from explorer.ui.evidence import kept
from explorer.ui.widgets import plain
from explorer.views import prediction, style

Pick = Callable[[str, str, int], None]  # (data, split, index in the split) of a picture that was clicked

_tiles = cache.Kept(512)


def key_of(found: Survey) -> tuple:
    """What stands for a survey in caches."""
    return (found.checkpoint_sha256, found.fingerprint, found.split)


def percent(share: float) -> str:
    """A share as a whole percentage, a dash where there is none."""
    return "–" if np.isnan(share) else f"{100 * share:.0f}\u00a0%"


@dataclass(frozen=True)
class Tiles(Sequence):
    """Gallery items made only when they are shown: (picture, caption, alt) of each index.

    pixels: index -> uint8 (3, S, S);  of_said: map and caption are about the predicted class, else about the true one
    laid: with the map over each picture, on a scale up to `top`, its true `cells` or smooth
    buttons: captions are then plain text, else Markdown
    """

    card: Card
    found: Survey
    pixels: Callable[[int], np.ndarray]
    indices: np.ndarray
    of_said: bool
    laid: bool
    cells: bool
    top: float
    buttons: bool

    @property
    def maps(self) -> np.ndarray:
        """Float32 (N, h, w)."""
        return self.found.said if self.of_said else self.found.true

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self._tile(int(i)) for i in self.indices[at]]
        return self._tile(int(self.indices[at]))

    def _tile(self, i: int) -> tuple[np.ndarray, str, str]:
        found, names = self.found, self.card.classes
        k, j = int(found.labels[i]), int(found.logits[i].argmax())
        values = {"i": f"{i:,}", "true": names[k], "said": names[j]}
        if not self.of_said:
            share = percent(float(kept(("border shares", *key_of(found)), found.border_shares)[i]))
            alt = t("Picture {i}, {true}, predicted to be {said}; {share} of its evidence on the outermost cells",
                    share=share, **values)  # fmt: skip
        else:
            p = softmax(found.logits[i : i + 1], self.card.temperature)[0]
            share = prediction.percent(float(p[j]))
            alt = (
                t("Picture {i}, {true}, rightly predicted with {p}", i=values["i"], true=names[k], p=share)
                if k == j
                else t("Picture {i}, {true} ({q}), predicted to be {said} ({p})",
                       p=share, q=prediction.percent(float(p[k])), **values)
            )  # fmt: skip
        mark = style.RIGHT_MARK if k == j else style.WRONG_MARK
        name = names[j] if self.buttons else plain(names[j])
        return self._drawn(i), f"{mark} {name} · {share}", alt

    def _drawn(self, i: int) -> np.ndarray:
        pixels, top, look = self.pixels(i), self.top, explaining.Look(cells=self.cells)
        if not self.laid:
            return pixels
        return _tiles.get(
            (*key_of(self.found), i, self.of_said, top, look),
            lambda: np.asarray(overlays.on_input(pixels, self.maps[i], top, look, 1)).transpose(2, 0, 1),
        )


def seen(found: Survey, indices: np.ndarray) -> tuple[Callable[[int], np.ndarray], np.ndarray] | None:
    """How to get a picture of the split, and those of `indices` that can be had; None when none at all can.

    Without the data set: those on the shipped sheet.
    """
    if found.data in data.names() and data.available(found.data):
        full = cache.images(found.data, found.split)
        return ((lambda i: full.images[i]), indices) if full.fingerprint == found.fingerprint else None
    if (found.data, found.split) != ("cifar10", "test"):
        return None
    place = {int(i): k for k, i in enumerate(sheet.test_indices())}
    images = cache.images("cifar10-sheet").images
    return (lambda i: images[place[i]]), np.array([i for i in indices.tolist() if i in place], np.int64)


def gallery(tiles: Tiles, key: str, on_pick: Pick | None) -> None:
    """These pictures; with `on_pick` each is a button."""
    if not len(tiles):
        st.info(t("There is no such picture."), icon=":material/check:")
        return
    found, indices = tiles.found, tiles.indices
    if on_pick is None:
        widgets.gallery(tiles, key)
        return
    widgets.gallery(
        tiles, key, on_pick=lambda n: on_pick(found.data, found.split, int(indices[n])),
        hint=t("Look at this picture alone"),
    )  # fmt: skip


def sheet_only(found: Survey, here: np.ndarray, indices: np.ndarray) -> None:
    """What to say where only the shipped sheet is here."""
    if data.available(found.data):
        return
    st.caption(t("{k} of these {n} pictures are on the shipped sheet.", k=len(here), n=f"{len(indices):,}"))
    evidence.offer(found.data)


def no_pictures(card: Card, found: Survey) -> None:
    """What to say where none of the pictures is here."""
    if found.data in data.names() and data.available(found.data):
        words = t("The pictures of {data} have changed since; make the maps again: "
                  "python -m explorer survey {name} --split {split}",
                  data=found.data, name=card.name, split=found.split)  # fmt: skip
    else:
        words = t("{data} is not here; these are the stored maps.", data=found.data)
    widgets.empty_state(words)
    evidence.offer(found.data)
