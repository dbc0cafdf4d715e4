"""What every recipe shares: how long, how fast, how the rate moves, what is kept; and what any setting may be."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from explorer.data.augment import BORDERS, FLIPS
from explorer.text import Problem

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("triangular", "cosine", "step", "constant")
AVERAGES = ("none", "ema", "lookahead")


@dataclass(frozen=True)
class Settings:
    """What the loop, the runs and the pages know of a recipe, whatever it trains. HELP has a sentence for each setting.

    lr: peak learning rate for the mean loss of a batch;  batch: pictures a step, over all devices together
    schedule: "triangular" = from lr * lr_start linearly up to lr at the share `lr_peak` of all steps, then linearly
        down to lr * lr_end;  "cosine" = the same way up, then down along half a cosine;
        "step" = torch's StepLR, times `gamma` every `step_epochs` epochs;  "constant" = lr
    holdout: training pictures set aside to choose and calibrate on
    keep: "best" = the evaluation that was best by `judged_by`, "last" = the last step
    """

    task: ClassVar[str] = ""
    judged_by: ClassVar[tuple[str, bool]] = ("loss", False)  # a held-out measure, and whether more is better
    measures: ClassVar[tuple[str, ...]] = ("loss",)  # what a step reports

    summary: str = ""
    epochs: float = 15
    batch: int = 128
    lr: float = 0.1
    schedule: str = "triangular"
    lr_start: float = 0.2
    lr_peak: float = 0.2
    lr_end: float = 0.0
    step_epochs: int = 30
    gamma: float = 0.1
    decay: float = 0.998
    holdout: int = 5000
    keep: str = "best"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name, known[0]) not in known:
                raise Problem(
                    "Recipe: {name} is {value}; known: {known}.",
                    name=name,
                    value=repr(getattr(self, name)),
                    known=", ".join(known),
                )
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name, low) <= high:
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

    def work(self, step: int, total: int) -> float:
        """What `step` of `total` steps cost, in steps on whole pictures."""
        return float(step)

    def model_args(self) -> dict[str, Any]:
        """How the net differs from the one that `models.build` makes by itself."""
        return {}


# What a setting may be: one of these names, or a number from the first to the last of these.
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "average": AVERAGES,
    "flip": FLIPS,
    "border": BORDERS,
    "keep": ("best", "last"),
    "prediction": ("v", "eps"),
    "betas": ("cosine", "linear"),
    "weighting": ("min-snr", "none"),
    "gan_loss": ("bce", "hinge"),
}
RANGES: dict[str, tuple[float, float]] = {
    "epochs": (0.01, 10_000), "batch": (2, 100_000), "lr": (0, 100), "momentum": (0, 0.9999), "weight_decay": (0, 1),
    "norm_lr": (0, 1000), "lr_start": (0, 1), "lr_peak": (0, 1), "lr_end": (0, 1), "step_epochs": (1, 10_000),
    "gamma": (0, 1), "label_smoothing": (0, 0.9), "decay": (0, 1), "frozen_after": (0, 1_000_000_000),
    "shift": (0, 16), "jitter": (0, 1), "randaugment": (0, 10), "magnitude": (0, 30), "cutout": (0, 32),
    "mixup": (0, 10), "cutmix": (0, 10), "grow": (0, 1), "holdout": (0, 1_000_000),
    "beta1": (0, 0.9999), "beta2": (0, 0.9999), "clip": (0, 1_000), "label_drop": (0, 1), "width": (16, 1024),
    "lr_ratio": (0.01, 100), "d_steps": (1, 10), "kl": (0, 100), "latent": (2, 1024),
}  # fmt: skip
