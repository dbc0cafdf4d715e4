"""The training step against one written out by hand; exact resumption; what a training must never do."""

import copy
import io
import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from explorer import data
from explorer.analysis.ranking import auc_macro
from explorer.models import MODELS, ModelSpec
from explorer.models.fastnet import FastNet
from explorer.text import Problem
from explorer.training import CHOICES, Recipe
from explorer.training.loop import fit
from explorer.training.supervised import Supervised

pytestmark = pytest.mark.usefixtures("one_thread")


class Tiny(nn.Module):
    """A convolution, BatchNorm, dropout and a head: everything with a state or a random number of its own."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, stride=4, bias=False), nn.BatchNorm2d(8)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(8, classes)

    def features(self, x):
        return self.norm(self.conv(x)).relu()

    def embed(self, x):
        return self.drop(self.features(x).mean((2, 3)))

    def forward(self, x):
        return self.head(self.embed(x))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", ModelSpec(Tiny, "classifier", "-", "-"))
    narrow = partial(FastNet, widths=(8, 16, 16))  # the real one takes ten times as long
    monkeypatch.setitem(MODELS, "narrow", replace(MODELS["fastnet"], build=narrow))


@pytest.fixture(scope="module")
def digits() -> data.ImageSet:
    return data.load("digits", "train").take(np.arange(160))


def make(
    digits: data.ImageSet,
    model: str = "tiny",
    held=None,
    precision: str = "32-true",
    seed: int = 7,
    **settings,
):
    """A task of 8 steps an epoch, in float32, on the CPU."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    recipe = Recipe(**{"batch": 20, "epochs": 2.5, "holdout": 0, "lr": 0.2} | settings)
    return Supervised(fabric, model, recipe, seed, digits, held)


def snapshot(task: Supervised) -> dict:
    """The state, through the bytes in which a run keeps it."""
    buffer = io.BytesIO()
    torch.save(task.state(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


def differences(a, b, path: str = "") -> list[str]:
    """Where two nested states differ, bit by bit."""
    if isinstance(a, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [path]
    if isinstance(a, dict):
        keys = [] if a.keys() == b.keys() else [f"{path}: keys"]
        return keys + [found for key in a for found in differences(a[key], b.get(key), f"{path}/{key}")]
    if isinstance(a, list | tuple):
        return [
            found
            for k, (x, y) in enumerate(zip(a, b, strict=True))
            for found in differences(x, y, f"{path}/{k}")
        ]
    return [] if a == b else [path]


# The step


def smoothed(logits: torch.Tensor, targets: torch.Tensor, share: float) -> torch.Tensor:
    """Mean over the batch of (1 - s) * -log p[target] + s * mean of -log p, written out.

    targets: labels (B,), or probabilities (B, K), which weigh the -log p
    """
    total = 0.0
    for row, target in zip(logits.double(), targets):
        log_p = row - torch.logsumexp(row, 0)
        own = log_p[target] if target.dim() == 0 else (target * log_p).sum()
        total += -(1 - share) * own - share * log_p.mean()
    return total / len(targets)


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_loss_is_the_smoothed_one_by_hand(digits, share: float, mixing: dict) -> None:
    task = make(digits, "lenet", label_smoothing=share, **mixing)
    net = copy.deepcopy(task.model)
    images, targets = task._batch(0)
    logs = task.step(0)
    with torch.no_grad():
        logits = net(images)
    assert logs["loss"].item() == pytest.approx(smoothed(logits, targets, share).item(), rel=1e-5)
    dominant = targets.argmax(1) if mixing else targets
    assert logs["accuracy"].item() == (logits.argmax(1) == dominant).float().mean().item()


def moved_by(recipe: Recipe, past: dict, p: torch.Tensor, gradient: torch.Tensor, n: int) -> torch.Tensor:
    """What step n (from 1 on) takes off a parameter, in units of the learning rate; `past` is its own memory."""
    decay = recipe.weight_decay if p.dim() > 1 else 0.0
    zero = torch.zeros_like(p)
    if recipe.optimizer != "adamw":
        gradient = gradient + decay * p
    if recipe.optimizer == "sgd":
        past["m"] = recipe.momentum * past.get("m", zero) + gradient
        return gradient + recipe.momentum * past["m"] if recipe.nesterov else past["m"]
    if recipe.optimizer == "rmsprop":
        past["v"] = 0.99 * past.get("v", zero) + 0.01 * gradient**2
        past["m"] = recipe.momentum * past.get("m", zero) + gradient / (past["v"].sqrt() + 1e-8)
        return past["m"]
    past["m"] = 0.9 * past.get("m", zero) + 0.1 * gradient
    past["v"] = 0.999 * past.get("v", zero) + 0.001 * gradient**2
    moved = past["m"] / (1 - 0.9**n) / ((past["v"] / (1 - 0.999**n)).sqrt() + 1e-8)
    return moved + decay * p if recipe.optimizer == "adamw" else moved


def by_hand(task: Supervised, steps: int) -> dict[str, torch.Tensor]:
    """The optimiser, weight decay on kernels and matrices only, the schedule: written out."""
    recipe, net = task.recipe, copy.deepcopy(task.model).train()
    past: dict[str, dict[str, torch.Tensor]] = {name: {} for name, _ in net.named_parameters()}
    norms = {
        f"{n}.{p}"
        for n, m in net.named_modules()
        if isinstance(m, nn.BatchNorm2d)
        for p in ("weight", "bias")
    }
    for step in range(steps):
        images, labels = task._batch(step)
        loss = F.cross_entropy(net(images), labels, label_smoothing=recipe.label_smoothing)
        net.zero_grad()
        loss.backward()
        rate = recipe.rate(step, task.total_steps, task.steps_per_epoch)
        with torch.no_grad():
            for name, p in net.named_parameters():
                if p.grad is None:
                    continue
                factor = recipe.norm_lr if name in norms else 1.0
                if name.startswith("whiten") and step >= recipe.frozen_after * task.steps_per_epoch:
                    factor = 0.0
                p -= rate * factor * moved_by(recipe, past[name], p, p.grad, step + 1)
    return net.state_dict()


OPTIMIZERS = {
    "nesterov": {"lr": 0.05},
    "heavy ball": {"lr": 0.05, "nesterov": False},
    "plain": {"lr": 0.05, "momentum": 0.0},
    "adam": {"lr": 2e-3, "optimizer": "adam"},
    "adamw": {"lr": 2e-3, "optimizer": "adamw"},
    "rmsprop": {"lr": 2e-4, "optimizer": "rmsprop"},
}


@pytest.mark.parametrize(
    ("model", "optimizer"), [("fastnet", "nesterov"), *(("lenet", name) for name in OPTIMIZERS)]
)
def test_the_weights_after_some_steps_are_those_worked_out_by_hand(
    digits, model: str, optimizer: str
) -> None:
    settings = {
        "weight_decay": 0.05,
        "momentum": 0.8,
        "norm_lr": 3.0,
        "frozen_after": 0.25,
        "average": "none",
    }
    task = make(digits, model, **(settings | OPTIMIZERS[optimizer]))
    start = copy.deepcopy(task.model.state_dict())
    expected = by_hand(task, 4)
    for step in range(4):
        task.step(step)
    found = task.model.state_dict()
    for key, value in expected.items():
        assert torch.allclose(found[key].float(), value.float(), atol=2e-5, rtol=1e-3), key
    if model == "fastnet":
        assert torch.equal(found["whiten.weight"], start["whiten.weight"]), "the whitening must not learn"
        assert not torch.equal(found["whiten.bias"], start["whiten.bias"])


@pytest.mark.parametrize("schedule", CHOICES["schedule"])
@pytest.mark.parametrize("optimizer", CHOICES["optimizer"])
def test_every_optimizer_learns_with_every_schedule(digits, optimizer: str, schedule: str) -> None:
    few = digits.take(np.arange(20))
    lr = {"sgd": 0.05, "adam": 3e-3, "adamw": 3e-3, "rmsprop": 5e-4}[optimizer]
    settings = {"average": "none", "flip": "none", "shift": 0, "label_smoothing": 0.0, "step_epochs": 40}
    task = make(few, "lenet", optimizer=optimizer, schedule=schedule, lr=lr, epochs=60, **settings)
    losses = [task.step(step)["loss"].item() for step in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_one_batch_is_learnt_by_heart(digits) -> None:
    few = digits.take(np.arange(20))
    settings = {"average": "none", "flip": "none", "shift": 0, "label_smoothing": 0.0, "weight_decay": 0.0}
    task = make(few, "lenet", epochs=60, lr=0.05, **settings)
    logs = [task.step(step) for step in range(60)]
    assert logs[0]["loss"] > 2 and logs[-1]["loss"] < 0.05 and logs[-1]["accuracy"] == 1


def test_labels_that_say_nothing_are_not_learnt(digits) -> None:
    """The same, but the pictures change every step: what it learns is the pictures, not some leak of the labels."""
    task = make(digits, "lenet", epochs=3, average="none")
    task.feed.labels = task.feed.labels[torch.randperm(160, generator=torch.Generator().manual_seed(0))]
    accuracy = np.mean([task.step(step)["accuracy"].item() for step in range(8)])
    assert accuracy < 0.3


# The averages


@pytest.mark.parametrize("model", ["tiny", "narrow"])
def test_the_moving_average_is_the_one_by_hand(digits, model: str) -> None:
    task = make(digits, model, average="ema", decay=0.7)
    expected = {key: value.clone().double() for key, value in task.model.state_dict().items()}
    parameters = dict(task.model.named_parameters())
    for step in range(15):
        task.step(step)
        n = step + 1
        decay = min(0.7, (1 + n) / (10 + n))  # 0.18, 0.25, 0.31 …, 0.7 from n = 20 on
        for key, value in task.model.state_dict().items():
            new = value.double()
            expected[key] = decay * expected[key] + (1 - decay) * new if key in parameters else new
    found = task.average.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.allclose(found[key].double(), value, atol=1e-6), key
    moved = task.model.state_dict()["head.weight"]
    assert not torch.allclose(found["head.weight"], moved, atol=1e-4), "the average is the model itself"


def test_at_the_end_of_an_epoch_the_moving_average_has_statistics_of_its_own(digits) -> None:
    """Those that torch's update_bn finds with the same pictures; in between, and at the start, the moving weights'."""
    task = make(digits, "narrow", average="ema", decay=0.7)
    for step in range(8):
        task.step(step)
        ours, theirs = (net.state_dict()["groups.0.norm1.running_mean"] for net in (task.average, task.model))
        assert torch.equal(ours, theirs) == (step < 7)
    reference = copy.deepcopy(task.average)
    x = task._normalized(torch.from_numpy(digits.images.copy()))
    torch.optim.swa_utils.update_bn([x], reference)
    found = task.average.state_dict()
    for key, value in reference.state_dict().items():
        assert torch.allclose(found[key].float(), value.float(), atol=1e-5), key
    momenta = {module.momentum for net in (task.average, task.model) for module in net.modules()
               if isinstance(module, nn.BatchNorm2d)}  # fmt: skip
    assert None not in momenta and not task.average.training


def test_the_lookahead_is_the_one_by_hand(digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every five steps, and at the last one, model and average become lerp(model, average, 0.95^5 (t/T)^3)."""
    task = make(digits, "narrow", average="lookahead")
    slow = {key: value.clone().double() for key, value in task.model.state_dict().items()}
    follow, seen = task._follow, []

    def watched(step: int) -> None:
        fast = {key: value.clone() for key, value in task.model.state_dict().items()}
        follow(step)
        done = step + 1
        now = task.model.state_dict()
        if done % 5 and done != 20:
            assert all(torch.equal(now[key], fast[key]) for key in fast)
            return
        seen.append(done)
        decay = 0.95**5 * (done / 20) ** 3
        for key, value in fast.items():
            if value.is_floating_point():
                slow[key] = decay * slow[key] + (1 - decay) * value.double()
                assert torch.allclose(now[key].double(), slow[key], atol=1e-6), (done, key)
                assert torch.equal(now[key], task.average.state_dict()[key]), (done, key)

    monkeypatch.setattr(task, "_follow", watched)
    assert task.total_steps == 20
    for step in range(20):
        task.step(step)
    assert seen == [5, 10, 15, 20]


def test_without_an_average_the_model_itself_is_kept(digits) -> None:
    task = make(digits, average="none")
    for step in range(3):
        task.step(step)
    assert differences(task.model.state_dict(), task.average.state_dict()) == []


# What a step sees


def test_each_picture_is_seen_once_an_epoch_in_an_order_of_the_epoch(digits) -> None:
    task = make(digits, flip="none", shift=0)
    orders = []
    for epoch in range(2):
        seen = [task._batch(epoch * 8 + step) for step in range(8)]
        found = torch.cat([images for images, _ in seen])
        labels = torch.cat([labels for _, labels in seen])
        whole = task._normalized(task.images)
        order = [int((whole - picture).abs().sum((1, 2, 3)).argmin()) for picture in found]
        assert sorted(order) == list(range(160)) or len({p.tobytes() for p in digits.images}) < 160
        assert torch.equal(task.feed.labels[order], labels)
        orders.append(order)
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])


def test_two_epochs_show_both_sides_of_every_picture(digits) -> None:
    task = make(digits, flip="alternating", shift=0)
    sides: dict[int, set[bool]] = {}
    whole = task._normalized(task.images)
    for step in range(16):
        epoch = step // 8
        images, _ = task._batch(step)
        for picture, index in zip(images, task.feed.order[1][(step % 8) * 20 :]):
            as_it_is, mirrored = (
                torch.equal(picture, whole[index]),
                torch.equal(picture, whole[index].flip(2)),
            )
            assert as_it_is or mirrored
            if as_it_is != mirrored:  # a symmetric digit is both
                sides.setdefault(int(index), set()).add(mirrored)
                assert mirrored == bool(task.feed.coins[index] ^ bool(epoch))
    assert len(sides) > 140 and all(side == {True, False} for side in sides.values())


def test_a_batch_depends_on_seed_and_step_only(digits) -> None:
    first, second, other = make(digits, cutout=8), make(digits, cutout=8), make(digits, cutout=8, seed=8)
    torch.rand(5)
    second._batch(0)
    assert torch.equal(first._batch(11)[0], second._batch(11)[0])
    assert not torch.equal(first._batch(11)[0], other._batch(11)[0])
    assert first._batch(11)[0].is_contiguous(memory_format=torch.channels_last)


# Resuming


def run_on(task: Supervised, start: int, stop: int | None = None) -> None:
    for progress in fit(task, 20, start, every=0.0):
        if progress.step == stop:
            return


@pytest.mark.parametrize("average", ["none", "ema", "lookahead"])
@pytest.mark.parametrize("model", ["tiny", "narrow"])
def test_two_interruptions_in_one_epoch_change_not_a_bit(digits, model: str, average: str) -> None:
    """At 3 and 6 of the 8 steps of an epoch, and at 13, in the second; dropout, BatchNorm and momentum included."""
    held = digits.take(np.arange(30))
    settings = {"average": average, "cutout": 6, "frozen_after": 1, "batch": 20}
    whole = make(digits, model, held, **settings)
    run_on(whole, 0)
    state, reached = None, 0
    for stop in (3, 6, 13, None):
        torch.manual_seed(stop or 99)  # whatever went on before in the process
        task = make(digits, model, held, **settings)
        if state is not None:
            task.load_state(state)
        run_on(task, reached, stop)
        state, reached = snapshot(task), stop
    assert differences(snapshot(whole), state) == []


EVERYTHING = {
    "grow": 0.7, "schedule": "cosine", "border": "zero", "randaugment": 2, "jitter": 0.4, "mixup": 0.4, "cutmix": 1.0,
    "cutout": 6,
}  # fmt: skip


@pytest.mark.parametrize("optimizer", CHOICES["optimizer"])
def test_two_interruptions_change_not_a_bit_with_every_option(digits, optimizer: str) -> None:
    settings = EVERYTHING | {"optimizer": optimizer, "lr": 0.01}
    whole = make(digits, **settings)
    run_on(whole, 0)
    state, reached = None, 0
    for stop in (3, 6, 13, None):
        torch.manual_seed(stop or 99)
        np.random.seed(stop or 99)
        task = make(digits, **settings)
        if state is not None:
            task.load_state(state)
        run_on(task, reached, stop)
        state, reached = snapshot(task), stop
    assert differences(snapshot(whole), state) == []


def test_the_net_sees_the_sizes_that_the_recipe_says(digits) -> None:
    task = make(digits, grow=0.5)
    sizes: list[int] = []
    task.model.register_forward_pre_hook(lambda module, inputs: sizes.append(inputs[0].shape[2]))
    run_on(task, 0)
    assert sizes == [task.recipe.side(step, task.total_steps, 32) for step in range(task.total_steps)]


def test_a_state_from_before_a_setting_was_there_goes_on(digits) -> None:
    """It was trained as that setting's default says; another value of it is another run."""
    state = snapshot(make(digits))
    for later in ("optimizer", "nesterov", "border", "mixup"):
        del state["about"]["recipe"][later]
    make(digits).load_state(state)
    with pytest.raises(Problem, match="The saved state is of another run"):
        make(digits, optimizer="adam").load_state(state)


def test_a_rate_from_elsewhere_takes_the_recipes_place(digits) -> None:
    task, still = make(digits, norm_lr=3.0, average="ema"), make(digits)
    before = copy.deepcopy(task.average.state_dict())
    task.step(0, 0.123)
    assert {group["lr"] / group["factor"] for group in task.optimizer.param_groups} == {0.123}
    assert differences(before, task.average.state_dict()) == [], "the average has followed"
    start = copy.deepcopy(dict(still.model.named_parameters()))
    still.step(0, 0.0)
    assert all(torch.equal(start[name], p) for name, p in still.model.named_parameters())


def test_the_comparison_sees_one_bit(digits) -> None:
    task = make(digits)
    task.step(0)
    a, b = snapshot(task), snapshot(task)
    assert differences(a, b) == []
    b["optimizer"]["state"][0]["momentum_buffer"].view(torch.int32)[0] ^= 1
    assert differences(a, b) == ["/optimizer/state/0/momentum_buffer"]


def test_a_resume_that_forgets_the_momentum_is_seen(digits) -> None:
    """The planted fault for the law above."""
    whole = make(digits)
    run_on(whole, 0)
    first, second = make(digits), make(digits)
    run_on(first, 0, 5)
    state = snapshot(first)
    state["optimizer"]["state"] = {}
    second.load_state(state)
    run_on(second, 5)
    assert differences(snapshot(whole), snapshot(second))


@pytest.mark.parametrize("change", [{"seed": 8}, {"model": "lenet"}, {"lr": 0.3}])
def test_the_state_of_another_run_is_refused(digits, change: dict) -> None:
    with pytest.raises(Problem, match="The saved state is of another run"):
        make(digits, **change).load_state(snapshot(make(digits)))


def test_looking_at_the_held_out_pictures_changes_nothing(digits) -> None:
    held = digits.take(np.arange(50))
    looked, blind = make(digits, held=held), make(digits, held=held)
    for step in range(6):
        blind.step(step)
        looked.step(step)
        found = looked.evaluate()
    assert differences(snapshot(looked), snapshot(blind)) == []
    assert found.keys() == {"accuracy", "loss", "auc", "confusion"}
    with torch.inference_mode():
        logits = looked.average.eval()(looked._normalized(torch.from_numpy(held.images.copy())))
    right = (logits.argmax(1).numpy() == held.labels).mean()
    assert found["accuracy"] == pytest.approx(right)
    assert found["loss"] == pytest.approx(
        F.cross_entropy(logits, torch.from_numpy(held.labels)).item(), rel=1e-4
    )
    expected = auc_macro(held.labels, logits.softmax(1).numpy())
    assert found["auc"] == pytest.approx(expected, abs=1e-5) and 0 <= expected <= 1
    counts = np.zeros((10, 10), int)
    for label, said in zip(held.labels, logits.argmax(1)):
        counts[label, said] += 1
    assert found["confusion"] == counts.tolist()
    assert json.loads(json.dumps(found)) == found
    assert make(digits).evaluate() == {}


def test_what_is_not_defined_is_not_in_an_evaluation(digits) -> None:
    one_class = digits.take(np.flatnonzero(digits.labels == 3))
    found = make(digits, held=one_class).evaluate()
    assert found.keys() == {"accuracy", "loss", "confusion"}
    assert np.sum(found["confusion"]) == np.sum(found["confusion"][3]) == len(one_class)
    many = replace(digits, classes=tuple(map(str, range(101))))
    assert make(many, held=many).evaluate().keys() == {"accuracy", "loss", "auc"}
    lost = make(digits, held=digits)
    with torch.no_grad():
        lost.average.head.bias[0] = torch.nan
    assert "auc" not in lost.evaluate()


# The loop


def test_progress_adds_up(digits) -> None:
    task = make(digits, held=digits.take(np.arange(30)))
    found = list(fit(task, 20, every=0.0))
    assert [p.step for p in found] == list(range(1, 21)) and {p.total for p in found} == {20}
    assert [p.epoch for p in found][7] == 1 and found[-1].epoch == 2.5
    assert [bool(p.held_out) for p in found] == [p.step in (8, 16, 20) for p in found]
    assert all(p.images_per_second > 0 and math.isfinite(p.logs["loss"]) for p in found)


def test_what_is_told_is_the_mean_since_the_last_time(digits) -> None:
    each = list(fit(make(digits), 20, every=0.0))
    some = list(fit(make(digits), 20, every=1e9))
    assert [p.step for p in some] == [8, 16, 20]
    for k, rows in enumerate((each[:8], each[8:16], each[16:])):
        for key in ("loss", "accuracy"):
            assert some[k].logs[key] == pytest.approx(np.mean([row.logs[key] for row in rows]), rel=1e-5)


def test_a_loss_that_is_no_number_is_one_sentence(digits) -> None:
    task = make(digits, "lenet")
    with torch.no_grad():
        task.model.head.weight[0, 0] = torch.nan
    with pytest.raises(Problem, match="The loss is not finite at step 0: lower the learning rate"):
        list(fit(task, 20, every=0.0))


def test_a_batch_that_does_not_fit_is_one_sentence(digits) -> None:
    with pytest.raises(Problem, match="Batch 161 does not fit 160 training pictures on 1 devices"):
        make(digits, batch=161)
    assert make(digits, batch=160).steps_per_epoch == 1
    assert make(digits, epochs=0.01).total_steps == 1
