"""The stored scores of a generator: drawn, scored, judged, and beside the weights with a grid of what was drawn."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explorer import checkpoints
from explorer.checkpoints import EVALUATION, Card
from explorer.data import load
from explorer.reach import allow
from explorer.text import N_, Missing, Problem

GRID = f"{EVALUATION}/grid.png"
TRAINING = N_("Training a classifier on drawn pictures (steps)")
Step = Callable[[int, int, str], None]


def store_scores(name: str | Path, on_step: Step | None = None, device: str = "auto", **asked: Any) -> Card:
    """Draw 5,000 pictures with a checkpoint, score them, and keep scores and grid beside the weights.

    asked: sampler, steps, guidance, as analysis.sampling.options_for takes them. Raises Problem for a classifier, and
    when the checkpoint was replaced meanwhile. Under torchrun all processes work on it and the first one writes.
    """
    from explorer.analysis import together

    allow("score")
    loaded = checkpoints.load(name, device)
    card, extra = examined(loaded, on_step, **asked)
    return together.of_first(lambda: _kept(name, card, extra))


def _kept(name: str | Path, scored: Card, extra: dict[str, bytes]) -> Card:
    """The card as it stands now with the scores, written: it took a while, and more may have come into it."""
    card = checkpoints.read_card(name)
    if card.sha256 != scored.sha256:
        raise Problem("{name} was replaced while it was being scored; nothing was stored.", name=card.name)
    card = dataclasses.replace(card, metrics=card.metrics | {"samples": scored.metrics["samples"]})
    checkpoints.update(name, card, extra)
    return card


def examined(
    loaded: checkpoints.Loaded, on_step: Step | None = None, **asked: Any
) -> tuple[Card, dict[str, bytes]]:
    """The card of a generator with the scores of its pictures under "samples", and the files that go with it."""
    from explorer.analysis import examination
    from explorer.training.accuracy_score import accuracy_score

    found, drawn = examination.examine(loaded, on_step=on_step, **asked)
    if (drawn.labels >= 0).all():
        try:
            test = load(loaded.card.data, "test")
        except (Missing, Problem):  # CIFAR-10 is not here, or a data set without a test split
            test = None
        if test is not None:
            score = accuracy_score(
                drawn.images, drawn.labels, test, device=str(loaded.device),
                on_step=lambda done, total: on_step(done, total, TRAINING) if on_step else None,
            )  # fmt: skip
            found["accuracy_score"] = dataclasses.asdict(score)
    card = dataclasses.replace(loaded.card, metrics=loaded.card.metrics | {"samples": found})
    return card, {GRID: png(examination.grid(drawn))}


def png(pixels: Any) -> bytes:
    """A picture uint8 (H, W, 3) as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
