"""What a training will take, from a few of its steps: time and memory, before anybody waits for it."""

import contextlib
import gc
import math
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

from explorer.data import holdout, load
from explorer.training.fabric import make_fabric
from explorer.training.loop import Task
from explorer.training.settings import Settings
from explorer.training.tasks import make_task


@dataclass(frozen=True)
class Probe:
    """seconds_per_step, images_per_second: of steps on whole pictures, augmentation included, the first left out
    evaluate_seconds: one evaluation on all held-out pictures, by a part of them; 0 without any
    steps: of the whole run;  total_seconds: all of them and an evaluation an epoch; saving is not in it
    memory_bytes: what the training adds at its peak: of the device on CUDA, else of this process
    """

    seconds_per_step: float
    images_per_second: float
    evaluate_seconds: float
    steps: int
    total_seconds: float
    memory_bytes: int
    batch: int


def probe(model: str, data: str, recipe: Settings, device: str = "auto", seconds: float = 2.0) -> Probe:
    """Train a first step and then for about `seconds`, at least one step; nothing is kept or written.

    recipe: as it will run (see `fitted`). Outside of Linux a process that has done larger things before reports too
    little memory on CPU, because its peak never falls: for that number, ask in a fresh one.
    Raises Problem for what does not fit, as starting the training would.
    """
    train = load(data, "train")
    fit, held = holdout(train, recipe.holdout) if recipe.holdout else (train, None)
    fabric = make_fabric(model, device)
    memory = _Memory(fabric.device)
    task = make_task(fabric, model, recipe, 0, fit, held)
    first = min(
        math.ceil(getattr(recipe, "grow", 0) * task.total_steps), task.total_steps - 1
    )  # where pictures are whole
    _step(task, first)
    done, began = 0, time.monotonic()
    while done < 1 or time.monotonic() - began < seconds:
        done += 1
        _step(task, first + done % (task.total_steps - first))
    per_step = (time.monotonic() - began) / done
    evaluation = _evaluation(task)
    epochs = math.ceil(task.total_steps / task.steps_per_epoch)
    return Probe(
        seconds_per_step=per_step,
        images_per_second=recipe.batch / per_step,
        evaluate_seconds=evaluation,
        steps=task.total_steps,
        total_seconds=recipe.work(task.total_steps, task.total_steps) * per_step + epochs * evaluation,
        memory_bytes=memory.added(),
        batch=recipe.batch,
    )


def _step(task: Task, step: int) -> None:
    float(task.step(step)["loss"])  # reading it waits for the device


def _evaluation(task: Task) -> float:
    """Seconds of one evaluation: as many held-out pictures as a batch has, the second time, times how often.

    A generator's once and whole: most of it is its grid, which does not grow with the held-out pictures.
    """
    if task.recipe.task != "classifier":
        began = time.monotonic()
        task.evaluate()
        return time.monotonic() - began
    held = task.held
    if held is None or not len(held):
        return 0.0
    part = min(len(held), task.recipe.batch, 500)
    task.held = held.take(np.arange(part))
    task.evaluate()  # the first warms up
    began = time.monotonic()
    task.evaluate()
    return (time.monotonic() - began) * len(held) / part


class _Memory:
    """Bytes that have come into use since this was made, at their peak."""

    def __init__(self, device: torch.device):
        gc.collect()
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(
                OSError
            ):  # Linux: the peak begins anew; elsewhere only a higher one is seen
                Path("/proc/self/clear_refs").write_text("5")
        self.before = self._now()

    def _now(self) -> tuple[int, int]:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device), 0
        return _peak(), psutil.Process().memory_info().rss

    def added(self) -> int:
        # The peak stands still while an earlier, higher one is not reached; what is resident now is certain.
        return max(0, *(after - before for before, after in zip(self.before, self._now())))


def _peak() -> int:
    """The most bytes that this process has had resident. getrusage would count what its parent had before the fork."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
