"""RECIPES: every setting of a training by name; `--set key=value` changes single ones."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from explorer import models
from explorer.data.augment import BORDERS, FLIPS
from explorer.text import N_, Problem

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("triangular", "cosine", "step", "constant")
AVERAGES = ("none", "ema", "lookahead")


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: the optimiser and what surrounds it. HELP has a sentence for each setting.

    lr: peak learning rate for the mean loss of a batch;  batch: pictures a step, over all devices together
    optimizer: torch's;  momentum: of "sgd" and "rmsprop";  nesterov: for "sgd" with momentum
    schedule: "triangular" = from lr * lr_start linearly up to lr at the share `lr_peak` of all steps, then linearly
        down to lr * lr_end;  "cosine" = the same way up, then down along half a cosine;
        "step" = torch's StepLR, times `gamma` every `step_epochs` epochs;  "constant" = lr
    weight_decay: on matrices and kernels only, decoupled from the gradient with "adamw", else added to it (L2)
    norm_lr: factor on the learning rate of BatchNorm's parameters
    frozen_after: epochs after which the whitening bias stops learning
    average: "ema" = a moving average with decay min(`decay`, (1 + n) / (10 + n)) after n steps is what is kept;
        "lookahead" = every 5 steps the weights move to an average whose inertia grows as 0.95^5 (t/T)^3 (Jordan 2024)
    flip, shift, border, cutout: see data.augment;  jitter, randaugment, magnitude: see data.transforms
    grow: share of the steps that see smaller pictures: the first half of these at half the side, the second half at
        three quarters of it (progressive resizing; a net learns the coarse things cheaply first). Not for DRNs: at half
        the side their dilated kernels read padding again, and four epochs so brought drn-d-22 to 58 % only
    mixup, cutmix: alpha of the Beta distribution that the shares come from, see data.mixing
    holdout: training pictures set aside to choose and calibrate on
    keep: "best" = the epoch with the best held-out accuracy, "last" = the last step
    """

    summary: str = ""
    epochs: float = 15
    batch: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    norm_lr: float = 1.0
    schedule: str = "triangular"
    lr_start: float = 0.2
    lr_peak: float = 0.2
    lr_end: float = 0.0
    step_epochs: int = 30
    gamma: float = 0.1
    label_smoothing: float = 0.1
    average: str = "ema"
    decay: float = 0.998
    frozen_after: float = 1e9
    flip: str = "alternating"
    shift: int = 2
    border: str = "reflect"
    jitter: float = 0.0
    randaugment: int = 0
    magnitude: int = 9
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    grow: float = 0.0
    holdout: int = 5000
    keep: str = "best"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise Problem(
                    "Recipe: {name} is {value}; known: {known}.",
                    name=name,
                    value=repr(getattr(self, name)),
                    known=", ".join(known),
                )
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise Problem(
                    "Recipe: {name} is {value}; it must lie between {low} and {high}.",
                    name=name,
                    value=getattr(self, name),
                    low=low,
                    high=high,
                )

    def rate(self, step: int, total: int, steps_per_epoch: int) -> float:
        """The learning rate of a step (0 .. total - 1)."""
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "step":
            return self.lr * self.gamma ** (step // (self.step_epochs * steps_per_epoch))
        peak = self.lr_peak * total
        if step < peak:
            return self.lr * (self.lr_start + (1 - self.lr_start) * step / peak)
        if self.schedule == "cosine":
            height = (1 + math.cos(math.pi * (step - peak) / max(total - peak, 1e-9))) / 2
            return self.lr * (self.lr_end + (1 - self.lr_end) * height)
        return self.lr * (1 - (1 - self.lr_end) * (step - peak) / max(total - peak, 1e-9))

    def side(self, step: int, total: int, size: int) -> int:
        """The side in pixels at which step (0 .. total - 1) sees pictures of size x size."""
        if step < self.grow * total / 2:
            return size // 2
        return 3 * size // 4 if step < self.grow * total else size

    def work(self, step: int, total: int) -> float:
        """What `step` of `total` steps cost, in steps on whole pictures, going by the number of pixels."""
        half = self.grow * total / 2
        return min(step, half) / 4 + 9 / 16 * min(max(step - half, 0), half) + max(step - 2 * half, 0)


# What a setting may be: one of these names, or a number from the first to the last of these.
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "average": AVERAGES,
    "flip": FLIPS,
    "border": BORDERS,
    "keep": ("best", "last"),
}
RANGES: dict[str, tuple[float, float]] = {
    "epochs": (0.01, 10_000), "batch": (2, 100_000), "lr": (0, 100), "momentum": (0, 0.9999), "weight_decay": (0, 1),
    "norm_lr": (0, 1000), "lr_start": (0, 1), "lr_peak": (0, 1), "lr_end": (0, 1), "step_epochs": (1, 10_000),
    "gamma": (0, 1), "label_smoothing": (0, 0.9), "decay": (0, 1), "frozen_after": (0, 1_000_000_000),
    "shift": (0, 16), "jitter": (0, 1), "randaugment": (0, 10), "magnitude": (0, 30), "cutout": (0, 32),
    "mixup": (0, 10), "cutmix": (0, 10), "grow": (0, 1), "holdout": (0, 1_000_000),
}  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "short": Recipe(summary=N_("SGD, triangular rate, moving average: any classifier in 10 to 20 epochs")),
    "fastnet": Recipe(
        # airbench94's settings, its sum over the batch turned into a mean: lr = 11.5 / 7851 * 1024
        summary=N_("airbench94's settings: fastnet on CIFAR-10 in twelve epochs"),
        epochs=12,
        batch=1024,
        lr=1.5,
        momentum=0.85,
        weight_decay=1.33e-3,
        norm_lr=64,
        lr_peak=0.23,
        lr_end=0.07,
        label_smoothing=0.2,
        average="lookahead",
        frozen_after=3,
        holdout=1000,
        keep="last",
    ),
    "digits": Recipe(
        summary=N_("any classifier on the digits, in seconds"),
        epochs=15,
        batch=64,
        lr=0.1,
        label_smoothing=0.1,
        decay=0.98,
        flip="none",
        shift=3,
        holdout=140,
        keep="last",
    ),
    "slides": Recipe(
        summary=N_("the course slides' settings, epochs not stated there"),
        epochs=90,
        lr=0.001,
        nesterov=False,
        weight_decay=0.0,
        schedule="step",
        label_smoothing=0.0,
        average="none",
        flip="random",
        shift=4,
        border="zero",
    ),
}


def default_recipe(model: str, data: str) -> str:
    """The recipe that a training without --recipe uses."""
    if data == "digits":
        return "digits"
    return "fastnet" if (model, data) == ("fastnet", "cifar10") else "short"


def fitted(recipe: Recipe, count: int, asked: Collection[str] = ()) -> Recipe:
    """The recipe for `count` training pictures: at most a fifth is held out, at most an eighth of the rest is a batch,
    and the learning rate falls with the batch. What is `asked` for by name stays as it is."""
    changes: dict[str, Any] = {}
    if "holdout" not in asked and recipe.holdout > count // 5:
        changes["holdout"] = count // 5
    most = max(2, (count - changes.get("holdout", recipe.holdout)) // 8)
    most -= most % 8 if most >= 8 else most % 2  # so that it divides over several devices
    if "batch" not in asked and recipe.batch > most:
        changes["batch"] = most
        if "lr" not in asked:
            changes["lr"] = recipe.lr * most / recipe.batch
    return dataclasses.replace(recipe, **changes)


def check_batch(recipe: Recipe, count: int, devices: int) -> None:
    """Problem unless `count` pictures to fit on give at least one batch that divides evenly over the devices."""
    if recipe.batch > count or recipe.batch % devices:
        raise Problem(
            "Batch {batch} does not fit {n} training pictures on {devices} devices; choose a smaller multiple.",
            batch=recipe.batch,
            n=count,
            devices=devices,
        )


def check_sizes(recipe: Recipe, model: str) -> None:
    """Problem when the recipe shows the net smaller pictures than it can take."""
    if recipe.grow and not models.spec(model).pooled_linear:
        raise Problem("{model} takes pictures of one size only: set grow to 0.", model=model)


def _truth(text: str) -> bool:
    """A switch as people write it; ValueError for anything else."""
    word = str(text).strip().lower()
    if word not in ("true", "yes", "1", "false", "no", "0"):
        raise ValueError
    return word in ("true", "yes", "1")


_READERS: dict[type, Callable[[str], Any]] = {bool: _truth}  # other types read text themselves


def make_recipe(name: str, changes: dict[str, str] | None = None, **fixed: Any) -> Recipe:
    """The named recipe with single settings changed; text values are read as the setting's type.

    Raises Problem for an unknown recipe or setting (listing the known ones) and for a value that does not fit.
    """
    if name not in RECIPES:
        raise Problem(
            "Unknown recipe {name}; known: {known}.", name=repr(name[:80]), known=", ".join(RECIPES)
        )
    types = {f.name: f.type for f in dataclasses.fields(Recipe) if f.name != "summary"}
    values: dict[str, Any] = {key: value for key, value in fixed.items() if value is not None}
    for key, text in (changes or {}).items():
        if key not in types:
            raise Problem(
                "Unknown setting {name}; known: {known}.", name=repr(key[:80]), known=", ".join(types)
            )
        try:
            values[key] = _READERS.get(types[key], types[key])(text)
            if isinstance(values[key], float) and not math.isfinite(values[key]):
                raise ValueError
        except ValueError as error:
            raise Problem(
                "{name}={value}: expected {kind}.",
                name=key,
                value=repr(str(text)[:80]),
                kind=types[key].__name__,
            ) from error
    return dataclasses.replace(RECIPES[name], **values)
