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
from explorer.text import N_, Problem

GRID = f"{EVALUATION}/grid.png"
TRAINING = N_("Training a classifier on drawn pictures (steps)")
COMPARING = N_("Training the same classifier on real pictures (steps)")
# Settings of a recipe that may differ without making it another one: how far a training went is told by the pictures
# that it saw, and compiling is about speed. Cards do not have the summary.
FREE = {"epochs", "compile", "summary"}
Step = Callable[[int, int, str], None]


def store_scores(name: str | Path, on_step: Step | None = None, device: str = "auto", **asked: Any) -> Card:
    """Draw 5,000 pictures with a checkpoint, score them, and keep scores and grid beside the weights.

    asked: sampler, steps, guidance, as analysis.sampling.options_for takes them. Raises Problem for a classifier, when
    the checkpoint was replaced meanwhile, and where Inception's weights or the data that an FID in the card rests on
    are not here: it would be lost. Under torchrun all processes work on it and the first one writes.
    """
    from explorer.analysis import together

    allow("score")
    loaded = checkpoints.load(name, device, "generator")
    whole = "fid" in loaded.card.metrics.get("samples", {})
    card, extra = examined(loaded, on_step, whole=whole, **asked)
    metrics = {"samples": card.metrics["samples"]}
    return together.of_first(lambda: checkpoints.add(name, card, extra, metrics, card.recipe))


def examined(
    loaded: checkpoints.Loaded, on_step: Step | None = None, whole: bool = False, **asked: Any
) -> tuple[Card, dict[str, bytes]]:
    """The card of a generator with the scores of its pictures under "samples", and the files that go with it.

    whole: raise the Problem of what is not here instead of leaving out what needs it
    """
    from explorer.analysis import examination
    from explorer.training.accuracy_score import accuracy_score, real_accuracy

    card, real = loaded.card, None
    try:
        real = load(card.data, "train"), load(card.data, "test")
    except Problem:  # CIFAR-10 is not here, or a data set without a test split
        if whole and "accuracy_score" in card.metrics.get("samples", {}):
            raise
    found, drawn = examination.examine(loaded, on_step=on_step, whole=whole, **asked)
    if real and (drawn.labels >= 0).all():
        train, test = real
        device = str(loaded.device)
        score = accuracy_score(
            drawn.images, drawn.labels, test, device=device, on_step=_told(on_step, TRAINING)
        )
        beside = real_accuracy(
            train, test, score.trained_on, score.epochs, device=device, on_step=_told(on_step, COMPARING)
        )
        found["accuracy_score"] = dataclasses.asdict(score) | {
            "real": beside.accuracy,
            "real_trained_on": beside.trained_on,
        }
    card = dataclasses.replace(
        card,
        metrics=card.metrics | {"samples": found},
        recipe=card.recipe | {"changed": changed(card.recipe)},
    )
    return card, {GRID: png(examination.grid(drawn))}


def changed(recipe: dict[str, Any]) -> list[str]:
    """The settings in which a card's recipe is not the one that it is named after, FREE ones left out; ["name"] when
    there is none of that name."""
    from explorer.training.recipes import RECIPES

    name = str(recipe.get("name"))
    if name not in RECIPES:
        return ["name"]
    named, usual = dataclasses.asdict(RECIPES[name]), dataclasses.asdict(type(RECIPES[name])())
    # A setting that came after the training was as it is by default.
    return [key for key in named if key not in FREE and recipe.get(key, usual[key]) != named[key]]


def _told(on_step: Step | None, what: str) -> Callable[[int, int], None] | None:
    return (lambda done, total: on_step(done, total, what)) if on_step else None


def png(pixels: Any) -> bytes:
    """A picture uint8 (H, W, 3) as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
