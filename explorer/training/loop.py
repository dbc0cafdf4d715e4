"""The one loop. It trains whatever offers `step`, `evaluate`, `state` and `load_state`, yields how far it is, and
writes no file: who drives it saves what it reaches (explorer.runs), draws it, or stops it between two steps."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from explorer.training.supervised import check_finite


class Task(Protocol):
    """What the loop needs: nets and optimisers behind four functions."""

    total_steps: int
    steps_per_epoch: int
    model: Any  # what learns
    average: Any  # what is kept
    recipe: Any
    train: Any
    held: Any

    def step(self, step: int, rate: float | None = None) -> dict[str, torch.Tensor]: ...
    def evaluate(self) -> dict[str, Any]: ...
    def take_statistics(self) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def load_state(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Progress:
    """Where a training stands after `step` of `total` steps.

    logs: means since the last Progress (loss, accuracy as a share)
    held_out: what the task's `evaluate` found, at the ends of epochs, else empty
    grid: a generator's pictures of always the same seeds, uint8 (N, 3, H, W), where it evaluated
    drawn: what a GAN was judged by then: (pictures uint8 (N,3,H,W), labels (N,) they were drawn for, -1 for none)
    images_per_second: since the last Progress, held-out evaluation left out;  seconds: since this process began
    """

    step: int
    total: int
    epoch: float
    logs: dict[str, float]
    images_per_second: float
    seconds: float
    held_out: dict[str, Any] = field(default_factory=dict)
    grid: Any = None
    drawn: Any = None


def fit(task: Task, batch: int, start: int = 0, every: float = 1.0) -> Iterator[Progress]:
    """Run the steps from `start` on; yield about every `every` seconds and at the end of each epoch.

    Between two yields the caller may save `task.state()` or leave the loop. Raises Problem when the loss is not finite.
    """
    began = last = time.monotonic()
    sums: dict[str, torch.Tensor] = {}
    counted = 0
    for step in range(start, task.total_steps):
        for key, value in task.step(step).items():
            sums[key] = sums.get(key, 0) + value
        counted += 1
        done = step + 1
        epoch_over = done % task.steps_per_epoch == 0 or done == task.total_steps
        if not epoch_over and time.monotonic() - last < every:
            continue
        logs = {key: float(value) / counted for key, value in sums.items()}
        for value in logs.values():
            check_finite(value, step)
        now = time.monotonic()
        speed = counted * batch / max(now - last, 1e-9)
        held_out = task.evaluate() if epoch_over else {}
        last = time.monotonic()
        grid, drawn = held_out.pop("grid", None), held_out.pop("drawn", None)
        yield Progress(
            done,
            task.total_steps,
            done / task.steps_per_epoch,
            logs,
            speed,
            last - began,
            held_out,
            grid,
            drawn,
        )
        sums, counted = {}, 0
        last = time.monotonic()
