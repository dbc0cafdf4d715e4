"""What a probe tells, against a net that takes a known time and memory."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from explorer.models import MODELS, ModelSpec
from explorer.models.lenet import LeNet
from explorer.text import Problem
from explorer.training import RECIPES
from explorer.training.probe import probe

ROOT = Path(__file__).resolve().parents[2]
STEP, LOOK = 0.05, 0.02


class Slow(LeNet):
    """A forward takes 50 ms in training and 20 ms otherwise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(STEP if self.training else LOOK)
        return super().forward(x)


class Large(LeNet):
    """A forward holds 200 MB for a moment."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ones(50_000_000).sum()
        return super().forward(x)


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "slow", ModelSpec(Slow, "classifier", "-", "-"))


def test_time_adds_up() -> None:
    recipe = dataclasses.replace(RECIPES["digits"], epochs=2.5)  # 20 steps an epoch
    found = probe("slow", "digits", recipe, "cpu", seconds=0.3)
    assert found.steps == 50 and found.batch == 64
    assert STEP < found.seconds_per_step < STEP + 0.2
    assert found.images_per_second == pytest.approx(64 / found.seconds_per_step)
    # 140 held-out pictures by a part of 64
    assert LOOK * 140 / 64 < found.evaluate_seconds < (LOOK + 0.2) * 140 / 64
    expected = 50 * found.seconds_per_step + 3 * found.evaluate_seconds
    assert found.total_seconds == pytest.approx(expected)
    assert found.memory_bytes >= 0


def test_at_least_two_steps_and_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.training.supervised import Supervised

    steps, step = [], Supervised.step
    monkeypatch.setattr(Supervised, "step", lambda self, k: steps.append(k) or step(self, k))
    recipe = dataclasses.replace(RECIPES["digits"], epochs=0.2)  # 4 steps in all
    probe("slow", "digits", recipe, "cpu", seconds=0.0)
    assert steps == [0, 1]
    steps.clear()
    probe("slow", "digits", recipe, "cpu", seconds=0.5)
    assert len(steps) >= 3 and max(steps) <= 3, "a step beyond the run's last has no learning rate"


def test_smaller_pictures_are_counted_as_less_work_and_whole_ones_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from explorer.training.supervised import Supervised

    steps, step = [], Supervised.step
    monkeypatch.setattr(Supervised, "step", lambda self, k: steps.append(k) or step(self, k))
    recipe = dataclasses.replace(RECIPES["digits"], epochs=1, grow=0.8, holdout=0)
    found = probe("fastnet", "digits", recipe, "cpu", seconds=0.0)
    assert min(steps) >= 0.8 * found.steps
    assert found.total_seconds == pytest.approx(
        found.seconds_per_step * recipe.work(found.steps, found.steps)
    )


def test_without_held_out_pictures_no_evaluation() -> None:
    recipe = dataclasses.replace(RECIPES["digits"], holdout=0, epochs=1)
    found = probe("slow", "digits", recipe, "cpu", seconds=0.0)
    assert found.evaluate_seconds == 0 and found.total_seconds == pytest.approx(22 * found.seconds_per_step)


def test_an_evaluation_of_what_draws_is_measured_whole() -> None:
    """Its grid takes as long for a few held-out pictures as for many."""
    from explorer.training.variational import Variational

    recipe = dataclasses.replace(RECIPES["vae-digits"], width=16, epochs=1)
    seen, evaluate = [], Variational.evaluate

    def slow(self: Variational) -> dict:
        seen.append(len(self.held))
        time.sleep(LOOK)
        return evaluate(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Variational, "evaluate", slow)
        found = probe("vae", "digits", recipe, "cpu", seconds=0.0)
    assert seen == [140] and found.evaluate_seconds >= LOOK
    expected = found.steps * found.seconds_per_step + found.evaluate_seconds
    assert found.total_seconds == pytest.approx(expected)


def test_memory_is_the_peak_even_of_what_is_given_back() -> None:
    ballast = bytearray(700_000_000)  # a server is large: what it has must not hide what its child takes
    code = (
        "from tests.training.test_probe import *\n"
        "MODELS['large'] = ModelSpec(Large, 'classifier', '-', '-')\n"
        "print(probe('large', 'digits', RECIPES['digits'], 'cpu', 0.0).memory_bytes)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 150e6 < int(found.stdout) < 600e6 and len(ballast)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"batch": 2000}, "Batch 2000 does not fit"), ({"holdout": 5000}, "Cannot hold out 5000 of")],
)
def test_what_does_not_fit_is_one_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        probe("lenet", "digits", dataclasses.replace(RECIPES["digits"], **changes), "cpu")


def test_unknown_names_are_one_sentence() -> None:
    with pytest.raises(Problem, match="Unknown model"):
        probe("nonet", "digits", RECIPES["digits"], "cpu")
    with pytest.raises(Problem, match="Unknown device"):
        probe("lenet", "digits", RECIPES["digits"], "abacus")
