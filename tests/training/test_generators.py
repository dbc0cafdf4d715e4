"""The trainings of what draws: losses by hand, exact resumption, what a step touches, what an evaluation tells."""

import copy
import io
import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from explorer import data
from explorer.data.augment import generator
from explorer.models import GENERATORS
from explorer.models.ddpm import ALPHAS, BETAS, TIMES, make_scheduler
from explorer.models.pixels import as_signed
from explorer.text import Problem
from explorer.training import diffusion, recipe_class
from explorer.training.carrying import follow, fresh_statistics
from explorer.training.diffusion import Diffusion, _levels
from explorer.training.feed import Feed
from explorer.training.loop import fit
from explorer.training.tasks import TASKS, make_task
from explorer.training.watching import Distance, grid

pytestmark = pytest.mark.usefixtures("one_thread")

NARROW: dict[str, dict[str, Any]] = {
    "vae": {"width": 16, "latent": 4, "lr": 2e-3},
    "dcgan": {"width": 16, "lr": 1e-3},
    "ddpm": {"width": 16, "lr": 2e-3},
}
TRAINED = [name for name, spec in GENERATORS.items() if not spec.weights]  # the others come from elsewhere
PLAIN = {"spectral": False, "conditional": False, "gan_loss": "bce", "lr_ratio": 1.0, "decay": 0.0}
# Every way of training: (model, settings)
WAYS = {
    "vae": ("vae", {"flip": "random", "kl": 0.5}),
    "vae, not averaged": ("vae", {"decay": 0.0, "clip": 0.0}),
    "gan": ("dcgan", {"flip": "alternating"}),
    "gan, the judge first": ("dcgan", {"d_steps": 3, "flip": "random"}),
    "gan, plain": ("dcgan", PLAIN),
    "ddpm": ("ddpm", {"flip": "random", "label_drop": 0.3}),
    "ddpm, noise": (
        "ddpm",
        {"prediction": "eps", "weighting": "none", "schedule": "constant", "weight_decay": 0.1},
    ),
    "ddpm, plain": (
        "ddpm",
        {
            "prediction": "eps",
            "betas": "linear",
            "weighting": "none",
            "conditional": False,
            "label_drop": 0.0,
        },
    ),
}


@pytest.fixture(scope="module")
def digits() -> data.ImageSet:
    return data.load("digits", "train").take(np.arange(160))


def make(digits, model: str, held=None, precision: str = "32-true", seed: int = 7, **settings: Any) -> Any:
    """A narrow task of 8 steps an epoch on the CPU."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    shared = {"batch": 20, "epochs": 2.5, "holdout": 0, "decay": 0.7, "flip": "none"}
    recipe = recipe_class(model)(**shared | NARROW[model] | settings)
    return make_task(fabric, model, recipe, seed, digits, held)


def snapshot(task: Any) -> dict:
    """The state, through the bytes in which a run keeps it."""
    buffer = io.BytesIO()
    torch.save(task.state(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two nested states differ, bit by bit."""
    if isinstance(a, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [path]
    if isinstance(a, dict):
        keys = [] if a.keys() == b.keys() else [f"{path}: keys"]
        return keys + [found for key in a for found in differences(a[key], b.get(key), f"{path}/{key}")]
    if isinstance(a, list | tuple):
        pairs = enumerate(zip(a, b, strict=True))
        return [found for k, (x, y) in pairs for found in differences(x, y, f"{path}/{k}")]
    return [] if a == b else [path]


def run_on(task: Any, start: int = 0, stop: int | None = None) -> None:
    for progress in fit(task, 20, start, every=0.0):
        if progress.step == stop:
            return


def test_every_model_that_draws_is_trained_by_its_task() -> None:
    assert {GENERATORS[name].task for name in GENERATORS} <= TASKS.keys() and NARROW.keys() == set(TRAINED)
    assert {recipe_class(name).task for name in GENERATORS} == {spec.task for spec in GENERATORS.values()}


# Resuming


@pytest.mark.parametrize("way", WAYS)
def test_two_interruptions_change_not_a_bit(digits, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 3 and 6 of the 8 steps of an epoch, and at 13, in the second."""
    monkeypatch.setattr(
        diffusion, "grid", lambda net, classes, steps: grid(net, classes, steps=1)
    )  # 20 take long
    model, settings = WAYS[way]
    whole = make(digits, model, **settings)
    run_on(whole)
    state, reached = None, 0
    for stop in (3, 6, 13, None):
        torch.manual_seed(stop or 99)  # whatever went on before in the process
        np.random.seed(stop or 99)
        task = make(digits, model, **settings)
        if state is not None:
            task.load_state(state)
        run_on(task, reached, stop)
        if stop:
            task.take_statistics()  # as a run does before it saves
        state, reached = snapshot(task), stop
    assert differences(snapshot(whole), state) == []


def test_a_resume_that_forgets_one_optimizer_is_seen(digits) -> None:
    """The planted fault for the law above."""
    whole, first, second = (make(digits, "dcgan") for _ in range(3))
    run_on(whole)
    run_on(first, 0, 5)
    state = snapshot(first)
    state["judge_optimizer"]["state"] = {}
    second.load_state(state)
    run_on(second, 5)
    assert differences(snapshot(whole), snapshot(second))


@pytest.mark.parametrize("model", TRAINED)
def test_the_state_of_another_run_is_refused(digits, model: str) -> None:
    state = snapshot(make(digits, model))
    for change in ({"seed": 8}, {"lr": 0.5}, {"width": 32}):
        with pytest.raises(Problem, match="The saved state is of another run"):
            make(digits, model, **change).load_state(state)
    del state["about"]["recipe"]["beta2" if model != "vae" else "kl"]  # a setting that came later
    make(digits, model).load_state(state)


@pytest.mark.parametrize("model", TRAINED)
def test_the_weights_follow_from_the_seed(digits, model: str) -> None:
    found = []
    for seed in (7, 7, 8):
        torch.manual_seed(len(found))
        task = make(digits, model, seed=seed)
        for step in range(3):
            task.step(step)
        found.append(task.model.state_dict())
    assert differences(found[0], found[1]) == [] and differences(found[0], found[2])


# Learning


def logs_of(task: Any, steps: int) -> dict[str, np.ndarray]:
    rows = [task.step(step) for step in range(steps)]
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("model", ["vae", "ddpm"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_loss_falls(digits, model: str, precision: str) -> None:
    task = make(digits.take(np.arange(40)), model, precision=precision, epochs=40)
    logs = logs_of(task, 50)
    assert all(np.isfinite(values).all() for values in logs.values()) and (logs["gradient_norm"] > 0).all()
    key = {"vae": "reconstruction", "ddpm": "loss"}[model]
    first, last = logs[key][:3].mean(), logs[key][-10:].mean()
    assert last < (first - 500 if model == "vae" else 0.7 * first), (first, last)
    assert logs.keys() == set(task.recipe.measures)


@pytest.mark.parametrize("way", ["gan", "gan, plain"])
def test_the_judge_learns_and_what_is_drawn_becomes_as_dark_as_the_digits(digits, way: str) -> None:
    model, settings = WAYS[way]
    task = make(digits, model, epochs=20, **settings)
    before = task.evaluate()["grid"].mean()
    logs = logs_of(task, 60)
    assert all(np.isfinite(values).all() for values in logs.values())
    assert logs["d_loss"][-10:].mean() < 0.9 * logs["d_loss"][0] and logs["d_accuracy"][-30:].mean() > 0.6
    seen = []  # a GAN swings, and by the rounding of each machine in another way: one moment alone says little
    for step in range(60, 160):
        task.step(step)
        if step % 10 == 9:
            seen.append(task.evaluate()["grid"].mean())
    after, real = np.mean(seen), digits.images.mean()
    assert abs(after - real) < abs(before - real), (before, after, real)
    assert logs.keys() == set(task.recipe.measures)


@pytest.mark.parametrize("model", TRAINED)
def test_one_step_in_bfloat16_is_finite(digits, model: str) -> None:
    assert all(value.isfinite() for value in make(digits, model, precision="bf16-mixed").step(0).values())


@pytest.mark.parametrize("way", WAYS)
def test_a_rate_from_elsewhere_takes_the_recipes_place(digits, way: str) -> None:
    model, settings = WAYS[way]
    task, still = make(digits, model, **settings), make(digits, model, **settings)
    before = copy.deepcopy(dict(task.average.named_parameters()))
    task.step(0, 1e-4)
    assert {group["lr"] for group in task.optimizer.param_groups} == {1e-4}
    if model == "dcgan":
        ratio = task.recipe.lr_ratio
        assert {group["lr"] for group in task.judge_optimizer.param_groups} == {1e-4 * ratio}
    assert differences(before, dict(task.average.named_parameters())) == [], "the average has followed"
    start = copy.deepcopy(dict(still.model.named_parameters()))
    still.step(0, 0.0)
    assert differences(start, dict(still.model.named_parameters())) == []


def test_the_recipes_rate_is_used(digits) -> None:
    task = make(digits, "dcgan", schedule="cosine", lr_ratio=3.0)
    for step in (0, 4, 11):
        task.step(step)
        rate = task.recipe.rate(step, 20, 8)
        assert task.optimizer.param_groups[0]["lr"] == rate
        assert task.judge_optimizer.param_groups[0]["lr"] == pytest.approx(3 * rate)


# The pictures


def test_the_feed_deals_every_picture_once_an_epoch_from_black_to_white(digits) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    feed = Feed(fabric, digits, 20, 7)
    orders = []
    for epoch in range(2):
        order = torch.cat([feed.chosen(8 * epoch + step) for step in range(8)])
        assert sorted(order.tolist()) == list(range(160))
        orders.append(order.tolist())
    assert orders[0] != orders[1]
    x, labels = feed.signed(11, feed.rng(11))
    chosen = feed.chosen(11)
    assert torch.equal(x, as_signed(torch.from_numpy(digits.images[chosen.numpy()])))
    assert labels.tolist() == digits.labels[chosen.numpy()].tolist()
    assert x.dtype == torch.float32 and (x.min(), x.max()) == (-1, 1)
    assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("flip", ["random", "alternating"])
def test_the_feed_mirrors_as_it_is_told(digits, flip: str) -> None:
    feed = Feed(Fabric(accelerator="cpu", devices=1), digits, 20, 7, flip)
    mirrored = 0
    for step in (0, 9):
        x, _ = feed.signed(step, feed.rng(step))
        whole = as_signed(feed.images[feed.chosen(step)])
        for one, original in zip(x, whole):
            assert torch.equal(one, original) or torch.equal(one, original.flip(2))
            mirrored += not torch.equal(one, original)
    assert 5 < mirrored < 35
    again = Feed(Fabric(accelerator="cpu", devices=1), digits, 20, 7, flip)
    assert torch.equal(again.signed(9, again.rng(9))[0], x)


# Diffusion: levels, targets, weights


def test_the_levels_of_a_batch_come_from_every_part_of_the_range() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 20, 64):
        many = np.stack([_levels(count, rng) for _ in range(400)])
        parts = np.arange(count + 1) * TIMES / count
        assert many.dtype == np.int64 and many.min() >= 0 and many.max() <= TIMES - 1
        assert (many >= np.floor(parts[:-1])).all() and (many <= np.ceil(parts[1:])).all()
        assert abs(many.mean() - 499.5) < 60
        assert len(np.unique(many)) > 0.25 * TIMES

    class Last:
        def random(self, count: int) -> np.ndarray:
            return np.full(count, np.nextafter(1, 0))

    assert _levels(64, Last()).max() == TIMES - 1


def loss_of(says: Callable, pictures: torch.Tensor, levels: np.ndarray, **settings: Any) -> float:
    """The loss of a net that says `says(noisy, signal, spoilt, picture, noise)` of noisy pictures, in float64."""
    task = SimpleNamespace(
        alphas=ALPHAS["cosine"]().float(),
        recipe=recipe_class("ddpm")(**settings),
    )
    task._weight = lambda t, is_v: Diffusion._weight(task, t, is_v)

    def net(noisy: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        share = task.alphas[t].double()[:, None, None, None]
        signal, spoilt = share.sqrt(), (1 - share).sqrt()
        noise = (noisy.double() - signal * pictures.double()) / spoilt
        return says(noisy.double(), signal, spoilt, pictures.double(), noise)

    return float(
        Diffusion._loss(task, net, pictures, torch.zeros(len(pictures)), levels, np.random.default_rng(0))
    )


LEVELS = np.array([20, 150, 400, 650, 900])


def some(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_targets_are_the_noise_and_v() -> None:
    """v = signal * noise - spoilt * picture, of which follows picture = signal * noisy - spoilt * v."""
    assert loss_of(lambda noisy, a, s, x, e: e, some(), LEVELS, prediction="eps") < 1e-6
    assert loss_of(lambda noisy, a, s, x, e: a * e - s * x, some(), LEVELS) < 1e-6
    assert loss_of(lambda noisy, a, s, x, e: (a * noisy - x) / s, some(), LEVELS) < 1e-6
    assert loss_of(lambda noisy, a, s, x, e: e, some(), LEVELS) > 0.01


@pytest.mark.parametrize("betas", BETAS)
def test_a_net_is_trained_on_the_schedule_that_it_draws_by(digits, betas: str) -> None:
    task = make(digits, "ddpm", betas=betas)
    assert torch.equal(task.alphas.cpu(), ALPHAS[betas]().float()) and task.model.betas is BETAS[betas]
    scheduler = make_scheduler("ddim", 20, "eps", task.model.betas)
    assert torch.allclose(scheduler.alphas_cumprod, task.alphas.cpu(), rtol=2e-3, atol=1e-8)


@pytest.mark.parametrize("prediction", ["v", "eps"])
def test_each_level_counts_by_min_snr_5_in_the_error_of_the_picture(prediction: str) -> None:
    wrong = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    terms = []

    def says(noisy, a, s, x, e):
        guess = (noisy - s * wrong) / a if prediction == "eps" else a * noisy - s * wrong
        snr = (a**2 / s**2)[:, 0, 0, 0]
        terms.extend((snr.clamp(max=5) * (guess - x).square().mean((1, 2, 3))).tolist())
        return wrong

    found = loss_of(says, some(), LEVELS, prediction=prediction, weighting="min-snr")
    assert found == pytest.approx(np.mean(terms), rel=1e-4)
    assert max(terms) / min(terms) > 3, "the levels hardly differ: this test would see nothing"
    plain = loss_of(lambda *_: wrong, some(), LEVELS, prediction=prediction, weighting="none")
    assert plain != pytest.approx(found, rel=0.05)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.3, 20, 80), (1.0, 160, 160)])
def test_labels_are_hidden_as_often_as_the_recipe_says(digits, share: float, least: int, most: int) -> None:
    task, seen = make(digits, "ddpm", label_drop=share), []
    task.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[2]))
    for step in range(8):
        task.step(step)
    given = torch.cat(seen)
    assert least <= int((given == 10).sum()) <= most and given.max() <= 10
    kept = given != 10
    dealt = torch.cat([task.feed.labels[task.feed.chosen(step)] for step in range(8)])
    assert torch.equal(given[kept], dealt[kept])


# The game of two nets


@pytest.mark.parametrize("way", ["gan", "gan, plain"])
def test_the_losses_of_both_nets_are_the_papers(digits, way: str) -> None:
    model, settings = WAYS[way]
    task = make(digits, model, **settings)
    drawer, judge = copy.deepcopy(task.model).train(), copy.deepcopy(task.critic).train()
    rng = task.feed.rng(0)
    real, labels = task.feed.signed(0, rng)
    with torch.no_grad():
        z, wanted = task._drawn(20, rng)
        on_real, on_drawn = judge(real, labels).double(), judge(drawer(z, wanted), wanted).double()
        if task.recipe.gan_loss == "hinge":  # Lim and Ye 2017
            expected = (1 - on_real).clamp(min=0).mean() + (1 + on_drawn).clamp(min=0).mean()
        else:  # Goodfellow et al. 2014, with the generator's own non-saturating loss
            expected = -(on_real.sigmoid().log().mean() + (1 - on_drawn.sigmoid()).log().mean())
    found = task._critic_step(0, task.feed.rng(0))
    assert found["d_loss"].item() == pytest.approx(expected.item(), rel=1e-4)
    right = ((on_real > 0).double().mean() + (on_drawn < 0).double().mean()) / 2
    assert found["d_accuracy"].item() == pytest.approx(right.item())
    judge.load_state_dict(task.critic.state_dict())
    drawer.load_state_dict(task.model.state_dict())
    rng = generator(1)
    with torch.no_grad():
        z, wanted = task._drawn(20, rng)
        answer = judge(drawer(z, wanted), wanted).double()
    hinge = task.recipe.gan_loss == "hinge"
    expected = -answer.mean() if hinge else -answer.sigmoid().log().mean()
    assert task._generator_step(generator(1))["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("way", ["gan", "gan, plain"])
def test_each_step_moves_one_net_only(digits, way: str) -> None:
    model, settings = WAYS[way]
    task = make(digits, model, **settings)

    def weights(net: nn.Module) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in net.named_parameters()}

    task.forward.train(), task.judge.train()
    drawer, judge = weights(task.model), weights(task.critic)
    task._critic_step(0, task.feed.rng(0))
    assert differences(drawer, weights(task.model)) == []
    # While nobody is beyond a hinge, real and drawn pull the last bias both ways with the same force.
    still = judge.keys() - {path.lstrip("/") for path in differences(judge, weights(task.critic))}
    assert still <= {"head.bias"}, "a part of the judge does not learn"
    judge = weights(task.critic)
    task._generator_step(task.feed.rng(0))
    assert differences(judge, weights(task.critic)) == []
    assert len(differences(drawer, weights(task.model))) == len(drawer), (
        "a part of the generator does not learn"
    )
    assert all(parameter.requires_grad for parameter in task.critic.parameters())


def test_the_generator_learns_at_every_nth_step_and_the_average_follows_it_then(digits) -> None:
    task, moved, followed = make(digits, "dcgan", d_steps=3), [], []
    for step in range(9):
        before = task.model.exit.weight.detach().clone(), task.average.exit.weight.clone()
        task.step(step)
        moved.append(not torch.equal(before[0], task.model.exit.weight))
        followed.append(not torch.equal(before[1], task.average.exit.weight))
    # At the first step too: the generator's numbers are told from the beginning.
    assert moved == [True, False, True, False, False, True, False, False, True] and followed == moved


# The averages


def test_the_average_follows_fast_at_first_and_takes_the_buffers() -> None:
    mine, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    value = 1.0
    with torch.no_grad():
        for step in range(40):
            other.weight.fill_(step)
            other.running_mean.fill_(-step)
            follow(mine, other, 0.8, step)
            decay = min(0.8, (2 + step) / (11 + step))  # 0.18, 0.25 …, 0.8 from step 34 on
            value = decay * value + (1 - decay) * step
            assert mine.weight.tolist() == pytest.approx([value] * 3, rel=1e-5)
            assert torch.equal(mine.running_mean, other.running_mean)
        follow(mine, other, 0.0, 10_000)
    assert torch.equal(mine.weight, other.weight), "without an average it is the net itself"


def test_fresh_statistics_are_those_of_update_bn_and_nothing_else_changes() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.BatchNorm2d(4, momentum=0.3)
    ).eval()
    batches = [
        torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(k)) * (k + 1) for k in range(3)
    ]
    expected = copy.deepcopy(net)
    expected[2] = nn.Identity()
    torch.optim.swa_utils.update_bn(batches, expected)
    with torch.no_grad(), fresh_statistics(net):
        for batch in batches:
            net(batch)
    for k in (1, 3):
        assert torch.allclose(net[k].running_mean, expected[k].running_mean, atol=1e-6)
        assert torch.allclose(net[k].running_var, expected[k].running_var, rtol=1e-5)
    assert [net[1].momentum, net[3].momentum] == [0.1, 0.3] and not any(each.training for each in net)
    with pytest.raises(ZeroDivisionError), fresh_statistics(net):
        raise ZeroDivisionError
    assert [net[1].momentum, net[3].momentum] == [0.1, 0.3] and not any(each.training for each in net)


@pytest.mark.parametrize("way", [way for way, (model, _) in WAYS.items() if model != "ddpm"])
def test_an_average_has_statistics_of_its_own_once_it_is_looked_at(digits, way: str) -> None:
    model, settings = WAYS[way]
    task = make(digits, model, **settings)
    for step in range(9):  # the last is the generator's, also where it learns at every third
        task.step(step)

    def statistics(net: nn.Module) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in net.named_buffers() if "running" in name}

    assert differences(statistics(task.average), statistics(task.model)) == []
    task.take_statistics()
    own = statistics(task.average)
    assert bool(differences(own, statistics(task.model))) == bool(task.recipe.decay)
    task.take_statistics()
    assert differences(own, statistics(task.average)) == [] and not task.average.training


# Evaluations


FIELDS = {"vae": {"grid", "loss"}, "dcgan": {"grid", "kid"}, "ddpm": {"grid", "loss"}}


@pytest.mark.parametrize("model", TRAINED)
def test_an_evaluation_tells_the_same_twice_and_changes_nothing(digits, model: str) -> None:
    held = data.load("digits", "train").take(np.arange(160, 200))
    looked, blind = make(digits, model, held), make(digits, model, held)
    for step in range(4):
        blind.step(step)
        looked.step(step)
        if step == 2:
            found, again = looked.evaluate(), looked.evaluate()
    assert differences(snapshot(looked), snapshot(blind)) == []
    if model == "dcgan":  # what it was judged by comes along
        judged, labels = found.pop("drawn")
        assert labels.tolist() == [k % 10 for k in range(1000)]
        assert judged.dtype == np.uint8 and judged.shape == (1000, 3, 32, 32), "enough for an FID"
        assert found["kid"] == pytest.approx(Distance(held)(judged[:40]), abs=1e-9), (
            "of as many as are held out"
        )
        assert np.array_equal(judged, again.pop("drawn")[0])
    drawn = found.pop("grid")
    assert drawn.dtype == np.uint8 and drawn.shape == (50, 3, 32, 32) and np.array_equal(drawn, again["grid"])
    assert found.keys() | {"grid"} == FIELDS[model] == again.keys()
    assert all(isinstance(value, float) and np.isfinite(value) for value in found.values())
    assert json.loads(json.dumps(found)) == found == {key: again[key] for key in found}
    measure = looked.recipe.judged_by[0]
    assert measure in found and make(digits, model).evaluate().keys() == {"grid"}


def test_a_gan_that_is_told_no_classes_was_asked_for_none(digits) -> None:
    held = data.load("digits", "train").take(np.arange(160, 200))
    images, labels = make(digits, "dcgan", held, conditional=False).evaluate()["drawn"]
    assert len(images) == 1000 and labels.tolist() == [-1] * 1000


@pytest.mark.parametrize(("classes", "pictures"), [(3, 15), (12, 50)])
def test_the_grid_has_a_column_for_each_class_up_to_ten(digits, classes: int, pictures: int) -> None:
    few = replace(digits, classes=tuple("abcdefghijkl"[:classes]), labels=digits.labels % classes)
    for model in ("vae", "dcgan"):
        assert make(few, model).evaluate()["grid"].shape == (pictures, 3, 32, 32)


def test_the_loop_hands_the_grid_over_apart(digits) -> None:
    found = list(fit(make(digits, "vae", digits.take(np.arange(30))), 20, every=0.0))
    assert [p.step for p in found if p.grid is not None] == [8, 16, 20]
    assert [set(p.held_out) for p in found if p.held_out] == [{"loss"}] * 3
    assert all(p.logs.keys() == {"loss", "reconstruction", "kl", "gradient_norm"} for p in found)


def test_the_held_out_loss_of_a_vae_is_that_of_its_average(digits) -> None:
    held = digits.take(np.arange(30))
    task = make(digits, "vae", held, kl=0.5)
    for step in range(3):
        task.step(step)
    found = task.evaluate()["loss"]
    rng, x = generator(7, 5), as_signed(torch.from_numpy(held.images.copy()))
    with torch.no_grad():
        error, kl = task._parts(task.average, x, torch.from_numpy(held.labels.copy()), rng)
    assert found == pytest.approx(float(error + 0.5 * kl), rel=1e-5)


def test_the_distance_to_held_out_pictures_is_small_for_their_like_and_large_for_noise(digits) -> None:
    held = data.load("digits", "train").take(np.arange(200, 260))
    distance = Distance(held)
    alike, noise = (
        distance(digits.images[:60]),
        np.random.default_rng(0).integers(0, 256, (60, 3, 32, 32), np.uint8),
    )
    assert abs(alike) < 0.2 * distance(noise) and distance(held.images) < alike + 1e-9


# What cannot be


@pytest.mark.parametrize("model", TRAINED)
def test_what_does_not_fit_is_one_sentence(digits, model: str) -> None:
    with pytest.raises(Problem, match="Batch 161 does not fit 160 training pictures on 1 devices"):
        make(digits, model, batch=161)
    other = recipe_class("ddpm" if model != "ddpm" else "vae")()
    with pytest.raises(Problem, match=f"This recipe is not for {model}"):
        make_task(Fabric(accelerator="cpu", devices=1), model, replace(other, batch=20), 0, digits)


@pytest.mark.parametrize("model", TRAINED)
def test_a_loss_that_is_no_number_is_one_sentence(digits, model: str) -> None:
    task = make(digits, model)
    with torch.no_grad():
        task.model.exit.weight[0, 0] = torch.nan
    with pytest.raises(Problem, match="The loss is not finite at step 0: lower the learning rate"):
        list(fit(task, 20, every=0.0))
