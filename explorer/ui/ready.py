"""The warm-up before the first visitor, and what /readyz tells about it."""

import gc
import importlib
import logging
import pkgutil
import time
from functools import cache
from pathlib import Path
from typing import Any

from explorer import checkpoints, reach
from explorer.text import Problem, language, t

log = logging.getLogger("explorer")

# What pages import: paid here once instead of by the first visitor.
IMPORTS = (
    "numpy",
    "pandas",
    "PIL.Image",
    "altair",
    "plotly.graph_objects",
    "sklearn.datasets",
    "torch",
    "torchvision",
)
FIRST = ("cifar10-fastnet", "digits-fastnet")  # which checkpoint to load first, when it is here

_progress: dict[str, Any] = {"step": "starting", "forward": None, "seconds": None}


def warm_up() -> None:
    """Import, load a checkpoint, do one forward pass, then take what is in memory out of garbage collection."""
    started = time.monotonic()
    own = [f"explorer.ui.{found.name}" for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    for module in (*IMPORTS, *own):
        if module == "explorer.ui.shell":  # the script itself, which runs in a session only
            continue
        _progress["step"] = f"importing {module}"
        try:
            importlib.import_module(module)
        except Exception as error:  # one page's trouble: that page will say so, the others are served
            log.warning("not imported: %s (%r)", module, error)
    try:
        _progress["step"] = "one forward pass"
        _progress["forward"] = _forward()
        _progress["step"] = "done"
    except Problem as problem:
        _progress["step"] = f"no forward pass: {problem}"
        log.error("warm-up: %s", problem)
    except Exception as error:
        _progress["step"] = f"no forward pass: {error!r}"
        log.exception("warm-up failed")
    # A full collection costs 300 ms of CPU with torch in memory, nearly 0 once what is there now is frozen.
    gc.collect()
    gc.freeze()
    _progress["seconds"] = round(time.monotonic() - started, 1)


COLLECT_EVERY = 5.0  # seconds

_drawn: set[str] = set()
_collected = 0.0


def drawn(page: str) -> None:
    """Called after each run of a page, instead of Streamlit's own full collection after every run.

    That one grows with all sessions that are kept (0.13 ms each, for two minutes after a visitor has left: 16 ms a
    run after 120 visits), so it is made once in a few seconds for all. What a page's first run on this server has
    imported and cached is frozen, once a page, so that what that one session leaves behind stays small.
    """
    global _collected
    if _progress["seconds"] is None:
        return
    if page not in _drawn:
        _drawn.add(page)
        gc.collect()
        gc.freeze()
    elif time.monotonic() - _collected > COLLECT_EVERY:
        _collected = time.monotonic()  # before: another session's thread need not do it too
        gc.collect()


def _forward() -> str:
    """Load a checkpoint through the cache that pages use and predict one grey picture; returns its name."""
    import numpy as np

    from explorer import device
    from explorer.analysis import predict
    from explorer.ui import cache

    device.set_threads()
    names = list(cache.cards("classifier"))
    if not names:
        return "nothing to load"
    name = next((first for first in FIRST if first in names), names[0])
    loaded = cache.model(name)
    logits = predict.logits(loaded, np.full((1, 3, 32, 32), 127, np.uint8))
    if not np.isfinite(logits).all():
        raise Problem("{name} gives numbers that are not finite.", name=name)
    return name


def state() -> dict[str, Any]:
    """Whether a visitor would be served well now, and what that rests on: see the keys below."""
    try:
        entries = checkpoints.catalogue()
    except (OSError, Problem) as error:
        return {"ready": False, "step": f"the checkpoints cannot be read: {error}"}
    return {
        "ready": _progress["forward"] is not None and _progress["seconds"] is not None,
        "public": reach.public_mode(),
        "step": _progress["step"],
        "checkpoints": [entry.name for entry in entries if entry.card],
        "unreadable": {entry.name: str(entry.problem) for entry in entries if not entry.card},
        "forward": _progress["forward"],
        "seconds": _progress["seconds"],
    }


def device_line() -> str:
    """Device and precision in words, or that the imports are still under way."""
    return _device(language()) if _progress["seconds"] is not None else t("Warming up …")


@cache
def _device(code: str) -> str:
    """`code`, the language in use, is what the words depend on."""
    from explorer import device

    chosen = device.choose()
    return t(
        "Device: {device}. Answers in float32, training in {training}.",
        device=device.describe(chosen),
        training=str(device.precision("conv", chosen)).removeprefix("torch."),
    )
