"""The form of a training: task, net, data, and every setting of its recipe, with a live preview of the pictures."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from explorer import data, device, models, reported, runs
from explorer.text import N_, Problem, t
from explorer.training import (
    CHOICES,
    HELP,
    RANGES,
    RECIPES,
    Settings,
    check_sizes,
    default_recipe,
    fitted,
    make_recipe,
    recipes_of,
)
from explorer.training.batches import preview
from explorer.ui import cache, evidence, papers, progress, widgets
from explorer.views import schedule

# Every setting of every kind of recipe stands in one group (a test compares); a recipe's summary is no setting.
GROUPS: dict[str, tuple[str, ...]] = {
    N_("Optimiser"): (
        "optimizer", "lr", "batch", "epochs", "lr_ratio", "d_steps", "momentum", "nesterov", "weight_decay", "beta1",
        "beta2", "clip",
    ),
    N_("Net and loss"): (
        "width", "latent", "kl", "gan_loss", "spectral", "conditional", "prediction", "betas", "weighting",
        "label_drop", "compile",
    ),
    N_("Learning rate over time"): ("schedule", "lr_start", "lr_peak", "lr_end", "step_epochs", "gamma"),
    N_("Augmentation"): (
        "flip", "shift", "border", "jitter", "randaugment", "magnitude", "cutout", "mixup", "cutmix",
        "grow",
    ),
    N_("Labels, averages, what is held out and kept"): (
        "label_smoothing", "average", "decay", "holdout", "keep", "norm_lr", "frozen_after",
    ),
}  # fmt: skip
NAMES: dict[str, str] = {  # what a setting is called on screen; the name in the recipe stands beside it
    "optimizer": N_("Optimiser"), "lr": N_("Learning rate"), "batch": N_("Batch size"), "momentum": N_("Momentum"),
    "nesterov": N_("Nesterov"), "weight_decay": N_("Weight decay"), "norm_lr": N_("Rate of BatchNorm's parameters"),
    "frozen_after": N_("Whitening bias learns for (epochs)"), "epochs": N_("Epochs"), "schedule": N_("Schedule"),
    "lr_start": N_("Starts at (share)"), "lr_peak": N_("Peak at (share of all steps)"),
    "lr_end": N_("Ends at (share)"), "step_epochs": N_("Step every (epochs)"), "gamma": N_("Step times"),
    "flip": N_("Flip"), "shift": N_("Crop, shift up to (pixels)"), "border": N_("Border"),
    "jitter": N_("Colour jitter"), "randaugment": N_("RandAugment, operations"), "magnitude": N_("its magnitude"),
    "cutout": N_("Cutout (pixels)"), "mixup": N_("Mixup, alpha"), "cutmix": N_("CutMix, alpha"),
    "grow": N_("Smaller pictures first (share)"),
    "label_smoothing": N_("Label smoothing"), "average": N_("Average of the weights"),
    "decay": N_("Decay of the moving average"),
    "holdout": N_("Held-out pictures"), "keep": N_("Checkpoint kept"),
    "beta1": N_("Beta 1"), "beta2": N_("Beta 2"), "clip": N_("Gradient at most"), "width": N_("Width (channels)"),
    "latent": N_("Numbers of the code"), "kl": N_("KL divergence counts"), "gan_loss": N_("Loss"),
    "lr_ratio": N_("Discriminator's rate, times"), "d_steps": N_("Discriminator's steps"),
    "spectral": N_("Spectral norm"), "conditional": N_("Told the class"), "prediction": N_("Net predicts"),
    "betas": N_("Schedule of noise"), "weighting": N_("Noise levels weighed by"),
    "label_drop": N_("Labels hidden (share)"), "compile": N_("Compile"),
}  # fmt: skip
TASKS = {"classify": N_("Classify pictures"), "draw": N_("Draw pictures")}
KINDS = {  # what a net that draws is called beside its name
    "vae": N_("variational autoencoder"), "gan": N_("GAN"), "diffusion": N_("diffusion model"),
}  # fmt: skip
# The course's recipes: which kind of net each is for, and what stands of it in reported.toml.
COURSE = {
    "classifier": ("slides", "slides_classifiers", "accuracy"), "gan": ("dcgan-slides", "slides_dcgan", "fid"),
    "diffusion": ("ddpm-slides", "slides_ddpm", "fid"),
}  # fmt: skip
USUAL = {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-4}  # rates; what suits SGD makes these diverge
PREVIEWED, ROWS = 10, 3  # pictures of the preview, and how often each is augmented


@dataclass(frozen=True)
class Choice:
    """What the form asks for: `recipe` with `settings` changed, as `runs.create` takes them."""

    model: str
    data: str
    recipe: str
    settings: dict[str, str]
    seed: int
    device: str
    tensorboard: bool
    made: Settings

    def options(self) -> dict[str, Any]:
        """The arguments of `runs.create` besides the run's name."""
        return {
            "model": self.model, "data": self.data, "recipe": self.recipe, "settings": self.settings,
            "seed": self.seed, "device": self.device, "tensorboard": self.tensorboard,
        }  # fmt: skip

    def arguments(self) -> list[str]:
        """The same as words of a command line."""
        changes = [word for key, value in self.settings.items() for word in ("--set", f"{key}={value}")]
        return ["--model", self.model, "--data", self.data, "--recipe", self.recipe, *changes,
                "--device", self.device]  # fmt: skip


def irrelevant(name: str, now: dict[str, Any]) -> bool:
    """Whether a setting changes nothing beside the others as they are: then it is shown, but cannot be changed.

    now: the settings that the recipe has; one that it does not have decides nothing
    """
    if name == "momentum":
        return now.get("optimizer") not in ("sgd", "rmsprop")
    if name == "nesterov":
        return now.get("optimizer") != "sgd" or not now.get("momentum")
    if name in ("step_epochs", "gamma"):
        return now.get("schedule") != "step"
    if name in ("lr_start", "lr_peak", "lr_end"):
        return now.get("schedule") not in ("triangular", "cosine")
    if name == "decay":
        return now.get("average", "ema") != "ema"
    if name == "magnitude":
        return not now.get("randaugment")
    if name == "border":
        return not now.get("shift")
    if name == "label_drop":
        return now.get("conditional") is False
    if name == "keep":
        return not now.get("holdout", 1)
    return False


def devices() -> list[str]:
    """The devices that this machine has, the one that "auto" would take first."""
    found = [device.choose().type]
    for name in device.DEVICES[1:]:
        try:
            found.append(device.choose(name).type)
        except Problem:
            continue
    return list(dict.fromkeys(found))


def form(key: str = "") -> Choice | None:
    """Draw the form and return what it asks for; None, with the reason on screen, when that cannot be trained.

    key: tells several forms of one page apart
    """
    clone, config = _cloned()
    with st.grid(4, min_column_width=190):
        # A link names the net alone.
        asked = st.query_params.get("net", config.get("model", ""))
        task = widgets.select(
            t("Task"), {key: t(words) for key, words in TASKS.items()}, key="task",
            default="draw" if asked in models.GENERATORS else "classify",
        )  # fmt: skip
        model = widgets.select(t("Net"), _nets(task), key="net", default=config.get("model", "fastnet"))
        sets = {name: name for name in data.names() if "train" in data.spec(name).splits}
        chosen = widgets.select(t("Data"), sets, key="data", default=config.get("data", "digits"))
        kinds = {"": t("best known for the net")} | {name: name for name in recipes_of(model)}
        course, *said = COURSE.get(models.spec(model).task, ("", "", ""))
        with st.container():
            recipe = widgets.select(t("Recipe"), kinds, key="recipe", default=config.get("recipe_name", ""))
            if course and recipe != course:
                st.button(t("The course's recipe"), on_click=_to_course, args=(course,), key="slides",
                          type="tertiary", icon=":material/school:")  # fmt: skip
    recipe = recipe or default_recipe(model, chosen)
    spec = models.spec(model)
    st.caption(f"{model}: {spec.paper}; {t(spec.stem)} · {recipe}: {t(RECIPES[recipe].summary)}")
    papers.button([model])
    if recipe == course:
        _reported(model, *said)
    if not data.available(chosen):
        widgets.empty_state(t("{name} is not here yet; training needs all of its pictures.", name=chosen))
        progress.get_data_button(chosen)
        return None
    pictures = cache.images(chosen, "train")
    fits = (config.get("model"), config.get("data"), config.get("recipe_name")) == (model, chosen, recipe)
    base = runs.recipe_of(config) if fits else fitted(RECIPES[recipe], len(pictures))
    mark = f"{key}|{clone}|{model}|{chosen}|{recipe}"  # another net, data or recipe: another set of values
    now = _knobs(base, mark, pictures)
    left, right, last = st.columns(3, vertical_alignment="bottom")
    with left:
        seed = int(
            st.number_input(
                t("Seed"), 0, 2**31 - 1, int(config.get("seed", 0)), key=f"seed|{mark}",
                help=t("Decides everything that is random: the same seed gives the same training."),
            )
        )  # fmt: skip
    with right:
        where = widgets.select(t("Device"), {name: name for name in devices()}, key="device")
    with last:
        events = st.toggle(
            t("Also for TensorBoard"),
            key="tensorboard",
            bind="query-params",
            help=t("Writes its event files beside the run's own: point TensorBoard at the folder of runs"),
        )
    # What differs from the recipe, and what differs from how the recipe was fitted to the pictures.
    plain = RECIPES[recipe]
    changes = {
        name: str(value)
        for name, value in now.items()
        if value != getattr(plain, name) or value != getattr(base, name)
    }
    with widgets.problems():
        made = make_recipe(recipe, changes)
        check_sizes(made, model)
        return Choice(model, chosen, recipe, changes, seed, where, events, made)
    return None


def _nets(task: str) -> dict[str, str]:
    """The nets of a task that are trained here, by name, those that draw with what kind they are."""
    if task == "classify":
        return {name: name for name in models.CLASSIFIERS}
    return {
        name: f"{name} · {t(KINDS.get(spec.task, spec.task))}"
        for name, spec in models.GENERATORS.items()
        if not spec.weights
    }


def _cloned() -> tuple[str, dict[str, Any]]:
    """The run whose settings the form starts with, and its config; "" without one."""
    asked = st.query_params.get("clone", "")
    try:
        config = runs.config_of(asked)
        runs.recipe_of(config)
    except Problem:  # gone, damaged, or made by another version with other settings
        return "", {}
    return asked, config


def _to_course(recipe: str) -> None:
    st.query_params["recipe"] = recipe


def _reported(model: str, recipe: str, measured: str) -> None:
    """What the slides say about this recipe, and what they reached with it; `measured` in reported.toml's words."""
    words = t("The course slides: {recipe}.", recipe=reported.recipes()[recipe])
    # What was reported for a DRN is of its published form; the figure's own words say so.
    figure = reported.figures().get(f"{measured}.{model.removesuffix('-published').replace('-', '_')}")
    if figure:
        words += " " + t(
            "Reported for {model}: {value} {unit} ({source}); {why}.",
            model=model, value=figure.value, unit=t(figure.unit), source=figure.source, why=t(figure.why),
        )  # fmt: skip
    st.info(words, icon=":material/school:")


def _knobs(base: Settings, mark: str, pictures: data.ImageSet) -> dict[str, Any]:
    """A widget for every setting, in groups; the first of them stands open, the preview below augmentation."""
    now = {
        field.name: st.session_state.get(f"{field.name}|{mark}", getattr(base, field.name))
        for field in dataclasses.fields(base)
        if field.name != "summary"
    }
    for n, (group, every) in enumerate(GROUPS.items()):
        names = [name for name in every if name in now]
        if not names:
            continue
        changed = sum(now[name] != getattr(base, name) for name in names)
        title = t(group) + (f" · {t('{n} changed', n=changed)}" if changed else "")
        place = _group(f"group {group}", title, n == 0)
        if not place.open:  # its values are kept; not drawing them halves the cost of the page
            continue
        with place:
            with st.grid(4, min_column_width=170):
                for name in names:
                    now[name] = _knob(name, base, mark, irrelevant(name, now))
            if group == "Learning rate over time":
                _rate_chart(now, base, len(pictures))
            if group == "Augmentation":
                _preview(now, base, pictures)
    return now


def _group(key: str, title: str, open_at_first: bool) -> Any:
    """An expander that stays as it is when its title changes: to Streamlit that is another one."""
    known = st.session_state.setdefault("groups of settings", {})  # key -> title and whether it was open
    before = known.get(key)
    if before and (before[0] != title or key not in st.session_state):
        st.session_state[key] = before[1]
    place = st.expander(title, expanded=open_at_first, key=key, on_change="rerun")
    known[key] = title, place.open
    return place


def _knob(name: str, base: Settings, mark: str, disabled: bool) -> Any:
    value, key = getattr(base, name), f"{name}|{mark}"
    shared: dict[str, Any] = {
        "key": key, "help": f"`{name}`: {t(HELP[name])}", "disabled": disabled, "persist_state": "session",
    }  # fmt: skip
    label = t(NAMES[name])
    if name == "optimizer":

        def usual() -> None:
            chosen = st.session_state[key]
            st.session_state[f"lr|{mark}"] = float(base.lr) if chosen == value else USUAL.get(chosen, 0.1)

        shared["on_change"] = usual
    # The recipe's value is the widget's own default: what a session has changed comes to the browser once, and where
    # that message is lost, as when the next click ends the run, it shows the default and sends that back.
    if name in CHOICES:
        return st.selectbox(label, CHOICES[name], list(CHOICES[name]).index(value), **shared)
    if isinstance(value, bool):
        return st.toggle(label, value, **shared)
    low, high = RANGES[name]
    if next(field.type for field in dataclasses.fields(base) if field.name == name) is int:
        step = 16 if name == "width" else 1
        return int(st.number_input(label, int(low), int(high), int(value), step=step, **shared))
    step = 1.0 if isinstance(value, int) else None  # a recipe may write 12 for 12.0
    return float(
        st.number_input(label, float(low), float(high), float(value), step=step, format="%g", **shared)
    )


def _rate_chart(now: dict[str, Any], base: Settings, count: int) -> None:
    """The learning rate over the run, at 200 of its steps."""
    with widgets.problems():
        recipe = dataclasses.replace(base, **now)
        per_epoch = max(1, (count - recipe.holdout) // recipe.batch)
        total = max(1, round(recipe.epochs * per_epoch))
        steps = sorted({round(k * (total - 1) / 199) for k in range(200)})
        rates = [recipe.rate(step, total, per_epoch) for step in steps]
        epochs = [step / per_epoch for step in steps]
        spec = schedule.rate_curve(epochs, rates, evidence.dark())
        widgets.chart(spec, key="rate chart", alt=" ".join(spec["title"]["text"]))


def _preview(now: dict[str, Any], base: Settings, pictures: data.ImageSet) -> None:
    """Training pictures as the net gets them, augmented anew in every row."""
    with widgets.problems():
        recipe = dataclasses.replace(base, **now)
        some = data.spread(len(pictures), PREVIEWED)
        key = ("preview", pictures.fingerprint, recipe)

        def make() -> np.ndarray:
            return preview(pictures.images[some], recipe, pictures.mean, pictures.std, rows=ROWS)

        rows = evidence.kept(key, make)
        names = [pictures.classes[int(label)] for label in pictures.labels[some]]
        st.caption(
            t("Training pictures as they are, and below them as the net gets them: augmented anew each time.")
        )
        for row, images in enumerate([pictures.images[some], *rows]):
            alts = [
                t("{name}, as it is", name=name) if row == 0 else t("{name}, augmented", name=name)
                for name in names
            ]
            widgets.strip(list(images), alts)
