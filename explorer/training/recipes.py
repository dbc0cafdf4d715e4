"""RECIPES: every setting of a training by name; `--set key=value` changes single ones."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from explorer import models
from explorer.text import N_, Problem
from explorer.training.settings import Settings


@dataclass(frozen=True)
class Recipe(Settings):
    """How a classifier is trained: the optimiser and what surrounds it.

    optimizer: torch's;  momentum: of "sgd" and "rmsprop";  nesterov: for "sgd" with momentum
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
    """

    task: ClassVar[str] = "classifier"
    judged_by: ClassVar[tuple[str, bool]] = ("accuracy", True)
    measures: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    norm_lr: float = 1.0
    label_smoothing: float = 0.1
    average: str = "ema"
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

    def side(self, step: int, total: int, size: int) -> int:
        """The side in pixels at which step (0 .. total - 1) sees pictures of size x size."""
        if step < self.grow * total / 2:
            return size // 2
        return 3 * size // 4 if step < self.grow * total else size

    def work(self, step: int, total: int) -> float:
        """What `step` of `total` steps cost, in steps on whole pictures, going by the number of pixels."""
        half = self.grow * total / 2
        return min(step, half) / 4 + 9 / 16 * min(max(step - half, 0), half) + max(step - 2 * half, 0)


@dataclass(frozen=True)
class DiffusionRecipe(Settings):
    """How a diffusion model is trained, with AdamW. decay: of the moving average of the weights, which is what is kept;
    in a run of more than 9 / (1 - decay) steps it rises to 1 - 9 / steps, so that the average spans a ninth of them.

    prediction: what the net says, "v" (Salimans and Ho 2022) or "eps", the noise
    betas: the schedule of noise, "cosine" (Nichol and Dhariwal 2021) or "linear" (Ho et al. 2020)
    weighting: "min-snr" = each level counts by min(SNR, 5) in the error of the noise-free picture (Hang et al. 2023,
        arXiv 2303.09556);  "none" = the plain mean square of what the net says
    conditional: the net is told the class
    label_drop: share of the pictures whose label is hidden, so that guidance has a prediction without label
    clip: the gradient's largest norm, 0 for none;  width: channels at 16x16, twice as many at 8x8
    compile: let torch.compile fuse what it can: a tenth faster here after a minute; needs a C++ compiler
    """

    task: ClassVar[str] = "diffusion"
    measures: ClassVar[tuple[str, ...]] = ("loss", "gradient_norm")

    epochs: float = 12
    batch: int = 64
    lr: float = 5e-4
    schedule: str = "cosine"
    lr_start: float = 0.0
    lr_peak: float = 0.03
    lr_end: float = 0.02
    decay: float = 0.999
    holdout: int = 1000
    keep: str = "last"
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0
    prediction: str = "v"
    betas: str = "cosine"
    weighting: str = "min-snr"
    conditional: bool = True
    label_drop: float = 0.1
    flip: str = "random"
    width: int = 96
    compile: bool = False

    def model_args(self) -> dict[str, Any]:
        # Cards from before these settings do not name them.
        told = {} if self.conditional else {"conditional": False}
        told |= {} if self.betas == "cosine" else {"betas": self.betas}
        return {"widths": [self.width, 2 * self.width], "prediction": self.prediction} | told


@dataclass(frozen=True)
class AdversarialRecipe(Settings):
    """How a GAN is trained, with Adam. An epoch is one pass of the real pictures through the discriminator.

    decay: of the moving average of the generator, which is what is kept; 0 keeps the generator itself
    gan_loss: "bce" = the paper's, non-saturating;  "hinge" (Lim and Ye 2017)
    lr_ratio: the discriminator's rate over the generator's (two time scales: Heusel et al. 2017, arXiv 1706.08500)
    d_steps: steps of the discriminator for one of the generator;  spectral: spectral norm in place of its BatchNorm
    conditional: both are told the class;  width: channels of the largest maps
    """

    task: ClassVar[str] = "gan"
    judged_by: ClassVar[tuple[str, bool]] = ("kid", False)
    measures: ClassVar[tuple[str, ...]] = ("loss", "d_loss", "d_accuracy", "gradient_norm", "d_gradient_norm")

    epochs: float = 100
    batch: int = 64
    lr: float = 2e-4
    schedule: str = "constant"
    decay: float = 0.999
    holdout: int = 1000
    beta1: float = 0.5
    beta2: float = 0.999
    gan_loss: str = "hinge"
    lr_ratio: float = 2.0
    d_steps: int = 1
    spectral: bool = True
    conditional: bool = True
    flip: str = "random"
    width: int = 64

    def model_args(self) -> dict[str, Any]:
        return {"width": self.width, "conditional": self.conditional}


@dataclass(frozen=True)
class VariationalRecipe(Settings):
    """How a VAE is trained, with Adam. decay: of the moving average of the weights, which is what is kept.

    kl: how much the code's distance from a normal distribution counts; 1 is the variational bound
    latent: numbers of the code;  width: channels of the largest maps;  clip: the gradient's largest norm, 0 for none
    """

    task: ClassVar[str] = "vae"
    measures: ClassVar[tuple[str, ...]] = ("loss", "reconstruction", "kl", "gradient_norm")

    epochs: float = 60
    batch: int = 128
    lr: float = 1e-3
    schedule: str = "cosine"
    lr_start: float = 0.1
    lr_peak: float = 0.05
    lr_end: float = 0.02
    decay: float = 0.999
    holdout: int = 1000
    kl: float = 1.0
    clip: float = 1000.0
    flip: str = "random"
    width: int = 64
    latent: int = 128

    def model_args(self) -> dict[str, Any]:
        return {"width": self.width, "latent": self.latent}


RECIPES: dict[str, Settings] = {
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
    "vae": VariationalRecipe(summary=N_("told the class, variance fitted to each batch, moving average")),
    "vae-digits": VariationalRecipe(
        summary=N_("the same for the digits, in seconds"),
        epochs=100,
        batch=64,
        holdout=140,
        decay=0.99,
        flip="none",
        kl=4.0,  # at 1 the codes of the few pictures leave gaps between them, and what is drawn there is noise
        width=32,
        latent=16,
    ),
    "dcgan": AdversarialRecipe(
        summary=N_(
            "labels, spectral norm, hinge loss, two time scales, moving average; the best by held-out KID"
        ),
        # Spectral norm bears, and wants, a rate four times DCGAN's own once Adam has no momentum: after 48,000 pictures
        # the Fréchet distance in fastnet's features was 37 at 2e-4, 31 at 4e-4, 20 at 8e-4 and 32 at 1.6e-3; with
        # beta1 0.5 at 2e-4, 43.
        epochs=54,
        lr=8e-4,
        schedule="cosine",
        lr_peak=0.02,
        lr_end=0.02,
        beta1=0.0,
        lr_ratio=1.5,
    ),
    "dcgan-digits": AdversarialRecipe(
        summary=N_("the same for the digits, in minutes"),
        epochs=200,
        batch=64,
        holdout=140,
        decay=0.99,
        flip="none",
        width=32,
        lr=8e-4,
        schedule="cosine",
        lr_peak=0.02,
        lr_end=0.02,
        beta1=0.0,
        lr_ratio=1.5,
    ),
    "dcgan-slides": AdversarialRecipe(
        summary=N_("the course slides' settings: the plain form, lr 1e-4, batch 128, 200 epochs"),
        epochs=200,
        batch=128,
        lr=1e-4,
        decay=0.0,
        gan_loss="bce",
        lr_ratio=1.0,
        spectral=False,
        conditional=False,
        flip="none",
        keep="last",
    ),
    "dcgan-collapse": AdversarialRecipe(
        summary=N_(
            "the plain form on the digits, too fast and with too much momentum: it collapses in minutes"
        ),
        # Of 1,000 pictures 84 % have a near-duplicate after 30 epochs. With beta1 0.5 none has, at lr 2e-3 and at 1e-2.
        epochs=30,
        batch=64,
        lr=2e-3,
        beta1=0.9,
        holdout=140,
        decay=0.0,
        gan_loss="bce",
        lr_ratio=1.0,
        spectral=False,
        conditional=False,
        flip="none",
        width=32,
        keep="last",
    ),
    "ddpm": DiffusionRecipe(
        summary=N_("v-prediction, min-SNR weights, labels: recognisable pictures in two hours")
    ),
    "ddpm-digits": DiffusionRecipe(
        summary=N_("the same for the digits, in minutes"),
        epochs=60,
        batch=64,
        holdout=140,
        decay=0.995,
        flip="none",
        width=48,
    ),
    "ddpm-slides": DiffusionRecipe(
        summary=N_("the course slides' settings: noise predicted, lr 2e-4, batch 128, 50 epochs"),
        epochs=50,
        batch=128,
        lr=2e-4,
        schedule="constant",
        prediction="eps",
        betas="linear",  # the paper's own, as the slides name no other
        weighting="none",
        conditional=False,  # "random generation by DCGAN and DDPM gives no labels"
        label_drop=0.0,
        beta2=0.999,
        keep="last",
    ),
}


RECIPE_OF: dict[str, type[Settings]] = {
    kind.task: kind for kind in (Recipe, VariationalRecipe, AdversarialRecipe, DiffusionRecipe)
}


def recipe_class(model: str) -> type[Settings]:
    """The kind of recipe that a model is trained with, by its task."""
    return RECIPE_OF[models.spec(model).task]


def recipes_of(model: str) -> list[str]:
    """The names of the recipes that a model can be trained with."""
    return [name for name, recipe in RECIPES.items() if type(recipe) is recipe_class(model)]


def default_recipe(model: str, data: str) -> str:
    """The recipe that a training without --recipe uses."""
    if models.spec(model).task != "classifier":
        return f"{model}-digits" if data == "digits" else model
    if data == "digits":
        return "digits"
    return "fastnet" if (model, data) == ("fastnet", "cifar10") else "short"


def fitted(recipe: Settings, count: int, asked: Collection[str] = ()) -> Settings:
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


def check_batch(recipe: Settings, count: int, devices: int) -> None:
    """Problem unless `count` pictures to fit on give at least one batch that divides evenly over the devices."""
    if recipe.batch > count or recipe.batch % devices:
        raise Problem(
            "Batch {batch} does not fit {n} training pictures on {devices} devices; choose a smaller multiple.",
            batch=recipe.batch,
            n=count,
            devices=devices,
        )


def check_sizes(recipe: Settings, model: str) -> None:
    """Problem when the recipe is for another kind of net, or shows the net smaller pictures than it can take."""
    if models.spec(model).weights:
        raise Problem(
            "{model} is not trained here, its weights come from elsewhere: python -m explorer import-published {model}",
            model=model,
        )
    if type(recipe) is not recipe_class(model):
        raise Problem(
            "This recipe is not for {model}; recipes for it: {known}.",
            model=model,
            known=", ".join(recipes_of(model)),
        )
    if isinstance(recipe, DiffusionRecipe) and recipe.width % 32 and recipe.width not in (16, 48, 80):
        raise Problem(  # heads of about 64 channels must share them out evenly
            "Width {width} does not suit {model}: choose a multiple of 32, or 16, 48 or 80.",
            width=recipe.width,
            model=model,
        )
    if getattr(recipe, "grow", 0) and not models.spec(model).pooled_linear:
        raise Problem("{model} takes pictures of one size only: set grow to 0.", model=model)


def _truth(text: str) -> bool:
    """A switch as people write it; ValueError for anything else."""
    word = str(text).strip().lower()
    if word not in ("true", "yes", "1", "false", "no", "0"):
        raise ValueError
    return word in ("true", "yes", "1")


_READERS: dict[type, Callable[[str], Any]] = {bool: _truth}  # other types read text themselves


def make_recipe(name: str, changes: dict[str, str] | None = None, **fixed: Any) -> Settings:
    """The named recipe with single settings changed; text values are read as the setting's type.

    Raises Problem for an unknown recipe or setting (listing the known ones) and for a value that does not fit.
    """
    if name not in RECIPES:
        raise Problem(
            "Unknown recipe {name}; known: {known}.", name=repr(name[:80]), known=", ".join(RECIPES)
        )
    types = {f.name: f.type for f in dataclasses.fields(RECIPES[name]) if f.name != "summary"}
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
