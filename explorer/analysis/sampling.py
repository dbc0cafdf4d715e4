"""Drawing pictures with a generator, seeds first: a seed names a picture, whatever else is drawn beside it.

The noise of a picture comes from its own seed alone. Convolutions sum in another order when a batch has another size,
so between batch sizes a pixel may differ by one level now and then; with the batch and the threads the same, nothing
differs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.analysis import together
from explorer.text import Problem, t

if TYPE_CHECKING:
    from explorer.checkpoints import Card, Loaded

BATCH = 64
MOST_GUIDANCE = 20.0
# What a diffusion model draws with unless it is told otherwise or has stored scores (see `stored_options`).
DEFAULTS: dict[str, Any] = {"sampler": "dpm", "steps": 20, "guidance": 1.0}


@dataclass(frozen=True)
class Samples:
    """Drawn pictures and how they came about.

    images: uint8 (N, 3, H, W);  seeds: int64 (N,);  labels: int64 (N,), -1 where nothing was asked for
    how: checkpoint, its sha256, sampler, steps, guidance, batch;  milliseconds: of one picture, on average
    """

    images: np.ndarray
    seeds: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    how: dict[str, Any] = field(default_factory=dict)
    milliseconds: float = 0.0


def options_for(
    loaded: "Loaded", sampler: str | None = None, steps: int | None = None, guidance: float | None = None
) -> dict[str, Any]:
    """The options of `draw` for a checkpoint, those of its stored scores where nothing is asked for.

    Raises Problem for what it cannot take, so that nothing has been drawn or computed by then.
    """
    from explorer.models.ddpm import SAMPLERS, TIMES

    asked = {"sampler": sampler, "steps": steps, "guidance": guidance}
    asked = {key: value for key, value in asked.items() if value is not None}
    if loaded.card.task != "diffusion":
        if asked:
            raise Problem(
                "{name} draws in one step: {options} are for diffusion models.",
                name=loaded.card.name,
                options=", ".join(asked),
            )
        return {}
    chosen = stored_options(loaded.card) | asked
    if not loaded.card.guidable and chosen["guidance"] != 1:
        problem = "{name} was trained without labels: there is nothing to guide by."
        if loaded.card.conditional:
            problem = "{name} was never trained without labels: there is nothing to guide by."
        raise Problem(problem, name=loaded.card.name)
    if chosen["sampler"] not in SAMPLERS:
        known, name = ", ".join(SAMPLERS), repr(chosen["sampler"][:80])
        raise Problem("Unknown sampler {name}; known: {known}.", name=name, known=known)
    if not 1 <= chosen["steps"] <= TIMES:
        raise Problem("A sampler takes 1 to {most} steps, not {steps}.", most=TIMES, steps=chosen["steps"])
    if not 0 <= chosen["guidance"] <= MOST_GUIDANCE:
        raise Problem(
            "The guidance scale is {value}; it must lie between 0 and {most}.",
            value=chosen["guidance"],
            most=MOST_GUIDANCE,
        )
    return chosen


def stored_options(card: "Card") -> dict[str, Any]:
    """Sampler, steps and guidance that a diffusion model's stored scores were drawn with, else DEFAULTS."""
    scored = card.metrics.get("samples", {})
    return {key: scored.get(key, value) for key, value in DEFAULTS.items()}


def words(options: Mapping[str, Any], guided: bool) -> str:
    """How a diffusion model draws, for the screen. options: as `options_for` gives them;  guided: whether the guidance
    means anything"""
    told = {"sampler": options["sampler"], "steps": options["steps"]}
    if not guided:
        return t("{sampler}, {steps} steps", **told)
    return t("{sampler}, {steps} steps, guidance {w}", **told, w=f"{options['guidance']:g}")


def labels_for(loaded: "Loaded", seeds: np.ndarray, wanted: int | None = None) -> np.ndarray:
    """int64 (N,): the class `wanted`, else seed modulo the number of classes, so that many seeds draw all alike; -1 for
    a generator that knows no classes (Problem when one is wanted of it)."""
    count = len(loaded.card.classes)
    if not getattr(loaded.model, "conditional", True):
        if wanted is not None:
            raise Problem("{name} was trained without labels: it cannot draw a class.", name=loaded.card.name)
        return np.full(len(seeds), -1)
    if wanted is None:
        return np.asarray(seeds, np.int64) % count
    if not 0 <= wanted < count:
        raise Problem("Class {index}: the classes are 0 to {last}.", index=wanted, last=count - 1)
    return np.full(len(seeds), wanted)


def draw(
    loaded: "Loaded",
    seeds: Sequence[int] | np.ndarray,
    wanted: int | None = None,
    batch: int = BATCH,
    on_step: Callable[[int, int], None] | None = None,
    on_noise: Callable[[int, int, np.ndarray, np.ndarray], None] | None = None,
    **options: Any,
) -> Samples:
    """Draw a picture for each seed in float32; `options` as `options_for` gives them.

    on_step: told (steps done, all of them), a batch counting as its pictures times the steps; with a guidance other
        than 0 and 1 the net is evaluated twice in a step
    on_noise: told (steps done, steps, the noisy pictures, the guess of the pictures, uint8) of each batch
    The model's lock is taken for a batch at a time. Problem for a classifier, and for what `options` cannot be.
    """
    import torch

    from explorer.models.pixels import as_pixels

    if not hasattr(loaded.model, "sample"):
        raise Problem("{name} is no generator: it draws no pictures.", name=loaded.card.name)
    seeds = np.asarray(seeds, np.int64)
    if seeds.ndim != 1 or not len(seeds) or seeds.min() < 0 or batch < 1:
        raise Problem("Drawing needs at least one seed, from 0 on, and batches of at least 1.")
    labels, found = labels_for(loaded, seeds, wanted), []
    steps = int(options.get("steps", 1))
    began = time.monotonic()
    for start in range(0, len(seeds), batch):
        some = slice(start, start + batch)
        generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds[some]]
        told = torch.from_numpy(labels[some]) if labels[0] >= 0 else None

        def step(done: int, of: int, x: torch.Tensor, guess: torch.Tensor, start: int = start) -> None:
            if on_step:
                on_step(start * steps + len(x) * done, len(seeds) * steps)
            if on_noise:
                on_noise(done, of, as_pixels(x), as_pixels(guess))

        with loaded.lock, torch.inference_mode():
            found.append(as_pixels(loaded.model.sample(generators, told, on_step=step, **options)))
    card = loaded.card
    return Samples(
        images=np.concatenate(found),
        seeds=seeds,
        labels=labels,
        classes=card.classes,
        how={"checkpoint": card.name, "sha256": card.sha256, "batch": batch} | options,
        milliseconds=1000 * (time.monotonic() - began) / len(seeds),
    )


def whole(part: Samples) -> Samples:
    """What all processes drew, in the order of the seeds, each having drawn every world-th; the same everywhere."""
    _, world = together.join()
    images, seeds, labels = (together.gathered(each) for each in (part.images, part.seeds, part.labels))
    return replace(part, images=images, seeds=seeds, labels=labels, milliseconds=part.milliseconds / world)
