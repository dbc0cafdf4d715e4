"""RECIPES and the schedules, against values worked out by hand."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from explorer import models, text
from explorer.text import Problem
from explorer.training import (
    CHOICES,
    HELP,
    RANGES,
    RECIPES,
    Recipe,
    check_sizes,
    default_recipe,
    fitted,
    make_recipe,
    recipe_class,
    recipes_of,
)
from explorer.training.recipes import RECIPE_OF

# name -> type of every setting that any kind of recipe has, in the order of the kinds
SETTINGS = {
    field.name: field.type
    for kind in RECIPE_OF.values()
    for field in dataclasses.fields(kind)
    if field.name != "summary"
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_is_valid_and_says_what_it_is_for(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.summary and dataclasses.replace(recipe) == recipe
    rates = [recipe.rate(step, 1000, 100) for step in range(1000)]
    assert all(0 <= rate <= recipe.lr * 1.0001 for rate in rates) and max(rates) > 0.99 * recipe.lr


def test_the_triangular_rate_by_hand() -> None:
    recipe = Recipe(lr=2.0, lr_start=0.25, lr_peak=0.2, lr_end=0.1)
    by_hand = {0: 0.5, 10: 1.25, 20: 2.0, 60: 1.1, 100: 0.2}  # of 100 steps; 100 is where it would end
    for step, rate in by_hand.items():
        assert recipe.rate(step, 100, 10) == pytest.approx(rate)


@pytest.mark.parametrize(("peak", "first", "middle", "end"), [(0.0, 1.0, 0.5, 0.0), (1.0, 0.0, 0.5, 1.0)])
def test_a_peak_at_either_end(peak: float, first: float, middle: float, end: float) -> None:
    recipe = Recipe(lr=1.0, lr_start=0.0, lr_peak=peak, lr_end=0.0)
    assert [recipe.rate(step, 10, 5) for step in (0, 5, 10)] == pytest.approx([first, middle, end])


def test_the_step_rate_is_torchs() -> None:
    recipe = Recipe(schedule="step", lr=0.4, step_epochs=3, gamma=0.5)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    for epoch in range(10):
        for step in range(epoch * 7, epoch * 7 + 7):
            assert recipe.rate(step, 70, 7) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()


def test_the_cosine_rate_by_hand() -> None:
    recipe = Recipe(schedule="cosine", lr=2.0, lr_start=0.25, lr_peak=0.2, lr_end=0.1)
    half = 0.2 + (2.0 - 0.2) * (1 + math.cos(math.pi / 4)) / 2  # a quarter of the way down
    by_hand = {0: 0.5, 10: 1.25, 20: 2.0, 40: half, 60: 1.1, 100: 0.2}
    for step, rate in by_hand.items():
        assert recipe.rate(step, 100, 10) == pytest.approx(rate)


def test_the_cosine_rate_without_a_way_up_is_torchs() -> None:
    recipe = Recipe(schedule="cosine", lr=0.4, lr_peak=0.0, lr_end=0.05)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.02)
    for step in range(50):
        assert recipe.rate(step, 50, 10) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()


def test_the_constant_rate_is_constant() -> None:
    recipe = Recipe(schedule="constant", lr=0.3, lr_start=0.0)
    assert {recipe.rate(step, 100, 10) for step in range(100)} == {0.3}


@pytest.mark.parametrize("schedule", CHOICES["schedule"])
@pytest.mark.parametrize("peak", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("total", [1, 2, 7])
def test_no_schedule_leaves_its_bounds(schedule: str, peak: float, total: int) -> None:
    recipe = Recipe(schedule=schedule, lr=3.0, lr_peak=peak, step_epochs=1)
    rates = [recipe.rate(step, total, 1) for step in range(total)]
    assert all(0 <= rate <= 3.0 * 1.0001 for rate in rates)


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("Yes", True), ("1", True),
    ("false", False), (" NO ", False), ("0", False)])  # fmt: skip
def test_switches_are_read_as_people_write_them(written: str, meant: bool) -> None:
    assert make_recipe("short", {"nesterov": written}).nesterov is meant


@pytest.mark.parametrize("written", ["", "maybe", "2", "None", "truefalse", "참"])
def test_anything_else_is_no_switch(written: str) -> None:
    with pytest.raises(Problem, match=f"nesterov='{written}': expected bool"):
        make_recipe("short", {"nesterov": written})


def test_settings_are_read_as_their_type_and_the_rest_stays() -> None:
    changed = make_recipe("fastnet", {"batch": "256", "lr": "3e-1", "flip": "random"}, epochs=2)
    assert (changed.batch, changed.lr, changed.flip, changed.epochs) == (256, 0.3, "random", 2)
    same = dataclasses.replace(RECIPES["fastnet"], batch=256, lr=0.3, flip="random", epochs=2)
    assert changed == same and make_recipe("fastnet", epochs=None) == RECIPES["fastnet"]


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(Problem, match="Unknown recipe 'long'; known: short, fastnet, digits, slides, vae"):
        make_recipe("long")
    with pytest.raises(
        Problem,
        match=r"Unknown setting 'learning_rate'; known: epochs, batch, lr, schedule, .* optimizer, momentum, nest",
    ):
        make_recipe("short", {"learning_rate": "1"})
    with pytest.raises(Problem, match="Unknown setting 'summary'"):
        make_recipe("short", {"summary": "mine"})
    for name, known in (
        ("optimizer", "sgd, adam, adamw, rmsprop"),
        ("schedule", "triangular, cosine, step, constant"),
        ("border", "reflect, zero"),
        ("average", "none, ema, lookahead"),
        ("keep", "best, last"),
    ):
        with pytest.raises(Problem, match=f"Recipe: {name} is 'x'; known: {known}"):
            make_recipe("short", {name: "x"})
    for recipe, name, known in (
        ("ddpm", "prediction", "v, eps"),
        ("ddpm", "weighting", "min-snr, none"),
        ("dcgan", "gan_loss", "bce, hinge"),
    ):
        with pytest.raises(Problem, match=f"Recipe: {name} is 'x'; known: {known}"):
            make_recipe(recipe, {name: "x"})
    with pytest.raises(Problem, match="Unknown setting 'shift'"):
        make_recipe("vae", {"shift": "2"})


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("lr", "fast", "lr='fast': expected float"), ("batch", "12.5", "batch='12.5': expected int"),
        ("lr", "nan", "expected float"), ("lr", "inf", "expected float"), ("lr", "-1", "between 0 and 100"),
        ("batch", "1", "between 2 and"), ("label_smoothing", "1", "between 0 and 0.9"), ("momentum", "1", "between"),
        ("epochs", "0", "between"), ("shift", "17", "between 0 and 16"), ("cutout", "33", "between 0 and 32"),
        ("holdout", "-1", "between"), ("decay", "1.1", "between"), ("step_epochs", "0", "between 1 and"),
        ("frozen_after", "-1", "between"), ("jitter", "1.1", "between 0 and 1"), ("jitter", "nan", "expected float"),
        ("randaugment", "11", "between 0 and 10"), ("randaugment", "1e3", "expected int"),
        ("magnitude", "31", "between 0 and 30"), ("magnitude", "-1", "between 0 and 30"),
        ("mixup", "-0.1", "between 0 and 10"), ("cutmix", "inf", "expected float"), ("cutmix", "11", "between"),
        ("grow", "1.5", "between 0 and 1"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_one_sentence(setting: str, value: str, reason: str) -> None:
    with pytest.raises(Problem, match=reason):
        make_recipe("short", {setting: value})


@pytest.mark.parametrize(
    ("recipe", "setting", "value", "reason"),
    [
        ("dcgan", "beta1", "1", "between 0 and 0.9999"), ("ddpm", "beta2", "-1", "between"),
        ("ddpm", "clip", "1001", "between 0 and 1000"), ("ddpm", "label_drop", "1.5", "between 0 and 1"),
        ("vae", "width", "8", "between 16 and 1024"), ("vae", "latent", "1", "between 2 and 1024"),
        ("vae", "kl", "-1", "between 0 and 100"), ("dcgan", "lr_ratio", "0", "between 0.01 and 100"),
        ("dcgan", "d_steps", "0", "between 1 and 10"), ("dcgan", "spectral", "maybe", "expected bool"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_what_draws_is_one_sentence(
    recipe: str, setting: str, value: str, reason: str
) -> None:
    with pytest.raises(Problem, match=reason):
        make_recipe(recipe, {setting: value})


def test_every_net_has_recipes_of_its_own_kind_and_refuses_others() -> None:
    assert {recipe.task for recipe in RECIPES.values()} == {spec.task for spec in models.MODELS.values()}
    for model, spec in models.MODELS.items():
        if spec.weights:
            with pytest.raises(Problem, match=f"{model} is not trained here"):
                check_sizes(RECIPES["ddpm"], model)
            continue
        names = recipes_of(model)
        assert default_recipe(model, "digits") in names and default_recipe(model, "cifar10") in names
        for name, recipe in RECIPES.items():
            if name in names:
                check_sizes(recipe, model)
            else:
                with pytest.raises(Problem, match=f"not for {model}; recipes for it: {', '.join(names)}"):
                    check_sizes(recipe, model)


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_kind_is_judged_by_is_one_of_what_it_measures_or_a_distance(name: str) -> None:
    kind = recipe_class({"classifier": "lenet", "vae": "vae", "gan": "dcgan"}.get(RECIPES[name].task, "ddpm"))
    assert type(RECIPES[name]) is kind and "loss" in kind.measures
    assert kind.judged_by[0] in {*kind.measures, "kid"}
    assert [RECIPES[name].work(step, 10) for step in (0, 5, 10)] == [0, 5, 10]


@pytest.mark.parametrize(
    ("width", "fits"),
    [(16, True), (48, True), (80, True), (96, True), (112, False), (60, False), (128, True)],
)
def test_a_width_that_attention_cannot_share_out_is_refused_before_training(width: int, fits: bool) -> None:
    recipe = make_recipe("ddpm", {"width": str(width)})
    net = models.build("ddpm", 3, seed=0, **recipe.model_args()) if fits else None
    if net:
        check_sizes(recipe, "ddpm")
        said = net(
            torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
        )
        assert said.shape == (1, 3, 32, 32)
        return
    with pytest.raises(Problem, match=f"Width {width} does not suit ddpm"):
        check_sizes(recipe, "ddpm")


@pytest.mark.parametrize("grow", [0.0, 0.25, 0.8, 1.0])
def test_pictures_grow_from_a_half_over_three_quarters_to_whole_and_work_adds_up(grow: float) -> None:
    recipe = make_recipe("short", {"grow": str(grow)})
    sides = [recipe.side(step, 200, 32) for step in range(200)]
    assert [sides.count(side) / 200 for side in (16, 24, 32)] == pytest.approx([grow / 2, grow / 2, 1 - grow])
    assert sides == sorted(sides)
    costs = np.cumsum([(side / 32) ** 2 for side in sides])
    assert [recipe.work(step + 1, 200) for step in range(200)] == pytest.approx(costs)


def test_a_net_of_one_size_is_not_shown_others() -> None:
    recipe = make_recipe("short", {"grow": "0.5"})
    with pytest.raises(Problem, match="lenet takes pictures of one size only"):
        check_sizes(recipe, "lenet")
    check_sizes(recipe, "drn-d-22")
    check_sizes(make_recipe("short"), "lenet")


def test_every_setting_has_its_bounds_or_names() -> None:
    assert {name for name, kind in SETTINGS.items() if kind in (int, float)} == set(RANGES)
    assert {name for name, kind in SETTINGS.items() if kind is str} == set(CHOICES)
    switches = {"nesterov", "spectral", "conditional", "compile"}
    assert {name for name, kind in SETTINGS.items() if kind is bool} == switches


def unhelpful(helps: dict[str, str]) -> list[str]:
    """Settings whose sentence is missing, left over, or does not say the bounds or names in either language."""
    found = [name for name in {*SETTINGS, *helps} if name not in helps or name not in SETTINGS]
    for name in helps.keys() - set(found):
        words = CHOICES.get(name) or [f"{bound:,}" for bound in RANGES.get(name, ())]
        for sentence in (helps[name], text.catalogue()[helps[name]]):
            if not all(word in sentence for word in words):
                found.append(name)
    return found


def test_every_setting_says_what_it_does_and_its_bounds() -> None:
    assert unhelpful(HELP) == []
    assert HELP.keys() == SETTINGS.keys()


def test_the_law_of_help_sees_a_fault() -> None:
    assert unhelpful({name: words for name, words in HELP.items() if name != "lr"}) == ["lr"]
    assert unhelpful(HELP | {"rate": HELP["lr"]}) == ["rate"]
    assert set(unhelpful(HELP | {"mixup": HELP["cutout"]})) == {"mixup"}


def test_the_course_recipe_is_the_one_on_the_slides() -> None:
    """reported.toml, slides_classifiers: SGD + momentum, StepLR, random crop with (black) padding 4, flip."""
    slides = RECIPES["slides"]
    assert (slides.optimizer, slides.momentum, slides.nesterov, slides.weight_decay) == ("sgd", 0.9, False, 0)
    assert (slides.lr, slides.batch, slides.schedule) == (0.001, 128, "step")
    assert (slides.flip, slides.shift, slides.border) == ("random", 4, "zero")


def test_the_course_generators_are_those_on_the_slides() -> None:
    """reported.toml, slides_dcgan and slides_ddpm; and "random generation by DCGAN and DDPM gives no labels"."""
    for model, lr, epochs in (("dcgan", 1e-4, 200), ("ddpm", 2e-4, 50)):
        slides = RECIPES[f"{model}-slides"]
        assert (slides.lr, slides.batch, slides.epochs, slides.schedule) == (lr, 128, epochs, "constant")
        assert slides.model_args()["conditional"] is False
    assert RECIPES["ddpm-slides"].model_args() | {"widths": 0} == {
        "widths": 0, "prediction": "eps", "conditional": False, "betas": "linear",
    }  # fmt: skip


def test_a_recipe_is_fitted_to_few_pictures_except_what_was_asked_for() -> None:
    recipe = fitted(RECIPES["short"], 800)
    assert (recipe.holdout, recipe.batch) == (160, 80) and recipe.lr == pytest.approx(0.1 * 80 / 128)
    asked = fitted(make_recipe("short", {"batch": "128"}), 800, {"batch"})
    assert (asked.holdout, asked.batch, asked.lr) == (160, 128, 0.1)
    assert fitted(RECIPES["short"], 50_000) == RECIPES["short"]
    assert fitted(RECIPES["fastnet"], 50_000) == RECIPES["fastnet"]
    assert fitted(RECIPES["digits"], 1437) == RECIPES["digits"]


def test_the_recipe_without_asking_for_one_exists() -> None:
    chosen = {
        (model, data): default_recipe(model, data)
        for model in ("lenet", "fastnet")
        for data in ("digits", "cifar10", "x")
    }
    assert chosen == {
        ("lenet", "digits"): "digits", ("fastnet", "digits"): "digits",
        ("lenet", "cifar10"): "short", ("fastnet", "cifar10"): "fastnet",
        ("lenet", "x"): "short", ("fastnet", "x"): "short",
    }  # fmt: skip
    assert set(chosen.values()) <= set(RECIPES)
