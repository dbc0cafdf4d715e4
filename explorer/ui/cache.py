"""What sessions share: cards, models, pictures and predictions. Every cache has a bound, and its key is a content hash.

The values are shared objects, not copies: read them, never change them.
"""

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import WeakValueDictionary

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer import checkpoints, data
from explorer.analysis import predict
from explorer.analysis.predict import Predictions
from explorer.checkpoints import Card, Entry, Loaded
from explorer.data import ImageSet, cifar10
from explorer.text import Missing, Problem

COMPUTE_AT_MOST = 2_000  # pictures a page predicts while somebody waits; more belongs in `evaluate`


_LONG = threading.RLock()  # held by the one piece of long work that is done at a time: it uses every core
_inside = threading.local()  # .making: this thread is within somebody's `make`


class Kept:
    """What is made once per key for all sessions, at most `most` of it, the longest unused goes first.

    For what every rerun asks: Streamlit's own caches hash their arguments anew each time, which costs more than many
    of these values. Sessions that ask for the same at the same moment wait for the one that makes it.

    long: it takes seconds of every core, so that of all that are long one is made at a time, whoever asks
    """

    def __init__(self, most: int, long: bool = False):
        self._most, self._long, self._made, self._lock = most, long, {}, threading.Lock()
        self._turns = WeakValueDictionary()  # key -> its lock, for as long as somebody makes it or waits

    def get(self, key: Hashable, make: Callable[[], Any], words: str = "") -> Any:
        """The value of `key`, made by `make` when it is not here; what `make` raises is raised and not kept.

        words: said with a spinner while it is made. It is never put inside `make`: where a spinner ends, the script of
        a visitor who has clicked again ends too, and what was made would be lost.
        """
        with self._lock:
            if key in self._made:
                return self._again(key)
            turn = self._turns.setdefault(key, threading.Lock())
        with st.spinner(words, show_time=True) if words else nullcontext(), _alone(turn, self._long):
            with self._lock:
                if key in self._made:  # by the one that was waited for
                    return self._again(key)
            value = make()
            with self._lock:
                self._made[key] = value
                while len(self._made) > self._most:
                    del self._made[next(iter(self._made))]
        return value

    def _again(self, key: Hashable) -> Any:
        """What is kept, from now on the youngest; under the lock."""
        self._made[key] = self._made.pop(key)
        return self._made[key]


@contextmanager
def _alone(turn: threading.Lock, long: bool) -> Iterator[None]:
    """Hold the lock of a key through the block, and, for what is long, that of all long work.

    Within another `make` no key is waited for: at worst it is made twice, but no two can wait for each other.
    """
    outermost = not getattr(_inside, "making", False)
    with turn if outermost else nullcontext(), _one_at_a_time() if long else nullcontext():
        _inside.making = True
        try:
            yield
        finally:
            _inside.making = not outermost


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    while not _LONG.acquire(timeout=0.3):
        if get_script_run_ctx(suppress_warning=True):
            st.session_state.get("waiting")  # here Streamlit ends the script of a visitor who has gone on
    try:
        yield
    finally:
        _LONG.release()


def in_session(key: Hashable, make: Callable[[], Any], most: int = 96) -> Any:
    """What `make` gives, once a session for the same key, at most `most` values, the longest unused goes first.

    For what comes from pictures that a visitor brought: it stays in the visitor's own session. The key names all that
    the value depends on, the language too where there are words in it.
    """
    kept = st.session_state.setdefault("kept in session", {})
    value = kept.pop(key) if key in kept else make()
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]
    return value


def _stamp(root: str) -> tuple[tuple[str, int], ...]:
    """Names and times of the cards on disk: changes when a checkpoint is added, replaced or removed."""
    found = []
    try:
        folders = sorted(entry.name for entry in os.scandir(root))
    except OSError:  # no folder, no checkpoints
        return ()
    for name in folders:
        try:
            found.append((name, os.stat(f"{root}/{name}/config.json").st_mtime_ns))  # noqa: PTH116 (five times as fast)
        except OSError:  # no card, or removed between the two looks
            continue
    return tuple(found)


_catalogues: dict[str, tuple[tuple, list[Entry]]] = {}  # by root: the stamp and what was read under it


def entries() -> list[Entry]:
    """Every checkpoint on disk, also the unreadable ones (card None, problem set); read anew when a card changes.

    A plain dictionary: it is asked several times per run, and hashing the arguments of a Streamlit cache would cost
    more than the look at the folder.
    """
    root = str(checkpoints.root())
    stamp = _stamp(root)
    known = _catalogues.get(root)
    if known is None or known[0] != stamp:
        known = stamp, checkpoints.catalogue()
        if len(_catalogues) > 4:
            _catalogues.clear()
        _catalogues[root] = known
    return known[1]


def cards(kind: str | None = None) -> dict[str, Card]:
    """The cards that can be used by name: all, or those of a kind, "classifier" or "generator"."""
    return {
        entry.name: entry.card
        for entry in entries()
        if entry.card and kind in (None, checkpoints.kind_of(entry.card))
    }


def card(name: str, kind: str = "classifier") -> Card:
    """The card of a checkpoint; Problem that lists the known ones of its kind for an unknown name, or for one that is
    of the other kind."""
    for entry in entries():
        if entry.name == name:
            if entry.card is None:
                raise Problem("Checkpoint {name} cannot be used: {problem}", name=name, problem=entry.problem)
            return checkpoints.check_kind(entry.card, kind)
    known = ", ".join(cards(kind))
    raise Problem("Unknown checkpoint {name}; known: {known}.", name=repr(name[:80]), known=known)


@st.cache_resource(max_entries=4, show_spinner=False)
def _model(name: str, sha256: str) -> Loaded:
    return checkpoints.load(name)


def model(name: str, kind: str = "classifier") -> Loaded:
    """A checkpoint ready for forwards, one object for all sessions; analysis.predict takes its lock."""
    return _model(name, card(name, kind).sha256)


_refused: dict[str, tuple[tuple, Problem]] = {}  # by split of CIFAR-10: its files and what is wrong with them


def images(name: str, split: str = "test") -> ImageSet:
    """A split of a data set (kept by explorer.data); Missing when it has to be got first, Problem for wrong pixels.

    A copy of CIFAR-10 that was refused is not read again before its files change: that takes seconds of every rerun.
    """
    if name != "cifar10":
        return data.load(name, split)
    known = _refused.get(split)
    if known and known[0] == _files():
        raise known[1].with_traceback(None)
    try:
        return data.load(name, split)
    except Missing:
        raise
    except Problem as problem:
        _refused[split] = _files(), problem
        raise


def _files() -> tuple[tuple[str, int], ...]:
    """What lies in the folder of CIFAR-10, with its times."""
    try:
        return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in cifar10.folder().rglob("*")))
    except OSError:  # taken away between the two looks
        return ()


_stored = Kept(16)


@st.cache_resource(max_entries=4, show_spinner=False)
def _computed(name: str, sha256: str, data_name: str, split: str, views: int) -> Predictions:
    return predict.predict_set(model(name), data.load(data_name, split), views)


def predictions(name: str, split: str = "test", views: int = 1) -> Predictions:
    """A checkpoint's predictions on a split of its data: those stored beside it, else computed when that is quick.

    Missing when nothing is stored and the data is absent, or has more than COMPUTE_AT_MOST pictures.
    """
    found = card(name)
    try:
        return _stored.get((name, found.sha256, split, views), lambda: predict.stored(name, split, views))
    except Missing:
        count = len(data.load(found.data, split))
        if count > COMPUTE_AT_MOST:
            raise Missing(
                "No stored predictions for {name}, {split}, {views} view(s), and {count} pictures are too many to "
                "predict while you wait: run python -m explorer evaluate {name} --split {split} --views {views}.",
                name=name, split=split, views=views, count=count,
            ) from None  # fmt: skip
        with st.spinner(show_time=True):
            return _computed(name, found.sha256, found.data, split, views)
