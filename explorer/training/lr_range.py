"""The learning-rate range test (Smith 2017, arXiv 1506.01186): raise the rate at every step, and watch the loss.

It falls while the rate is useful, is steepest where training goes fastest, and rises where the rate is too high.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from explorer.text import Problem
from explorer.training.loop import Task

REACH = 5  # steps on either side over which losses are averaged
# Times the lowest loss: no higher rate is tried then. A loss that may be negative (a VAE's) counts by its size.
HOPELESS = 4


def lr_range(
    task: Task, low: float = 1e-5, high: float = 10.0, steps: int = 100
) -> Iterator[tuple[int, float, float]]:
    """Train `steps` steps while the rate grows by a constant factor from low to high; yield (step, rate, loss).

    Ends early where the smoothed loss is above four times its lowest, or is not finite (that loss is not yielded).
    The task is used up: its weights have been trained. Raises Problem for rates that do not rise.
    """
    if not (0 < low < high < math.inf and steps >= 2):
        raise Problem("A range test needs two rising learning rates above 0 and at least 2 steps.")
    losses: list[float] = []
    for step in range(steps):
        rate = low * (high / low) ** (step / (steps - 1))
        losses.append(float(task.step(step, rate)["loss"]))
        if not math.isfinite(losses[-1]):
            return
        yield step, rate, losses[-1]
        curve = smoothed(losses)
        if curve[-1] > curve.min() + (HOPELESS - 1) * abs(curve.min()):
            return


def smoothed(losses: Sequence[float]) -> np.ndarray:
    """Each loss averaged with up to five on either side, fewer near the ends: (N,) -> (N,).

    A running mean over what came before would lag behind, and suggest too high a rate.
    """
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    k = np.arange(len(losses))
    first, last = np.maximum(k - REACH, 0), np.minimum(k + REACH + 1, len(losses))
    return (sums[last] - sums[first]) / (last - first)


def suggest(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate at which the smoothed loss falls most steeply over log(rate), left of its minimum.

    A peak for the triangular or cosine schedule. None where nothing can be read off: fewer than 11 points, or a fall
    of less than a twentieth of the first loss.
    """
    if len(lrs) <= 2 * REACH:
        return None
    curve = smoothed(losses)
    lowest = int(curve.argmin())
    if curve[0] - curve[lowest] <= abs(curve[0]) / 20:
        return None
    slopes = np.gradient(curve, np.log(lrs))[:lowest]
    return float(lrs[int(slopes.argmin())])
