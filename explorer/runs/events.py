"""The same rows as metrics.jsonl for TensorBoard, for who wants them: train with --tensorboard, then

    tensorboard --logdir runs

They are written by tensorboardX, which needs neither TensorBoard nor TensorFlow.
"""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from explorer.text import Problem

SKIPPED = {"attempt", "step", "time"}


def check() -> None:
    """Problem when tensorboardX is not installed."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise Problem("--tensorboard needs one more package: pip install tensorboardX")


@contextlib.contextmanager
def writer(folder: Path, wanted: bool, start: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that takes a row of metrics.jsonl; it does nothing unless wanted.

    start: the step a run goes on from; what an earlier attempt wrote beyond it is taken back.
    """
    if not wanted:
        yield lambda row: None
        return
    check()
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1, flush_secs=5) as events:

        def write(row: dict[str, Any]) -> None:
            for key in row.keys() - SKIPPED:
                if isinstance(row[key], int | float):  # a confusion matrix is no curve
                    events.add_scalar(key, row[key], row["step"], walltime=row["time"])

        yield write
