"""The rows of metrics.jsonl as columns, and lines through them thin enough for a browser.

A row without a number for what is asked is left out, so a torn or a strange one costs its point and nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
POINTS = 400  # drawn per line


@dataclass(frozen=True)
class Run:
    """The columns of a run, NaN where a row has no number; all of one length, x ascending."""

    name: str
    x: np.ndarray
    epoch: np.ndarray
    step: np.ndarray
    training: np.ndarray
    held: np.ndarray
    beside: np.ndarray  # a second column of the training

    def over_epoch(self, end: float, column: np.ndarray | None = None) -> float:
        """The mean of the training values (or of `column`) over the epoch that ends at `end`, each step counted once;
        else NaN."""
        column = self.training if column is None else column
        steps = np.diff(self.step, prepend=0)
        there = np.isfinite(column) & (self.epoch > end - 1) & (self.epoch <= end) & (steps > 0)
        if not there.any():
            return math.nan
        return float(np.average(column[there], weights=steps[there]))

    def last(self, column: np.ndarray) -> int | None:
        """The last row with a number in `column`."""
        found = np.flatnonzero(np.isfinite(column))
        return int(found[-1]) if len(found) else None


def read(
    name: str, rows: Rows, training: str | None, held: str | None, across: str, beside: str | None = None
) -> Run:
    """The columns `training`, `held` and `beside` of a run over "epoch", "step" or "time", minutes of work."""
    rows = [row for row in rows if isinstance(row, Mapping)]
    x = minutes_of_work(rows) if across == "time" else _column(rows, across)
    kept = np.flatnonzero(np.isfinite(x))
    kept = kept[np.argsort(x[kept], kind="stable")]
    columns = [_column(rows, key)[kept] for key in ("epoch", "step", training, held, beside)]
    return Run(str(name), x[kept], *columns)


def minutes_of_work(rows: Rows) -> np.ndarray:
    """Minutes since the first row for each row; what lies between two attempts does not count, nor does a clock that
    is set back. NaN where a row has no time."""
    found, minutes = np.full(len(rows), np.nan), 0.0
    before, attempt = 0.0, object()
    for k, now in enumerate(_column(rows, "time")):
        if not math.isfinite(now):
            continue
        if rows[k].get("attempt") == attempt:
            minutes += max(0.0, now - before) / 60
        found[k], before, attempt = minutes, now, rows[k].get("attempt")
    return found


def _column(rows: Rows, key: str | None) -> np.ndarray:
    return numbers([row.get(key) for row in rows])


def numbers(values: Sequence[Any]) -> np.ndarray:
    """As float64; NaN for whatever is no finite number."""
    try:
        found = np.array(values, float)  # None becomes NaN; many times faster than one by one
    except (TypeError, ValueError, OverflowError):
        found = np.array([])
    if found.shape != (len(values),):
        found = np.array([_number(value) for value in values], float)
    found[~np.isfinite(found)] = np.nan
    return found


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def pairs(rates: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates above 0 with their values, ascending, where both are numbers."""
    n = min(len(rates), len(values))
    rates, values = rates[:n], values[:n]
    kept = np.flatnonzero((rates > 0) & np.isfinite(values))
    kept = kept[np.argsort(rates[kept], kind="stable")]
    return rates[kept], values[kept]


def groups(n: int, most: int = POINTS) -> np.ndarray:
    """Where n rows are cut into at most `most` groups of neighbours; the first and the last row stand alone."""
    if n <= most:
        return np.arange(n + 1)
    return np.concatenate([[0], np.linspace(1, n - 1, most - 1).round().astype(int), [n]])


def thinned(run: Run, column: np.ndarray, average: bool) -> dict[str, list]:
    """The points of a line: x, y, and for pointing at them epoch and step in words ("1,220–1,230" for a mean).

    average: a group of rows becomes its mean, never outside its range; otherwise its last row stands for it
    """
    kept = np.flatnonzero(np.isfinite(column))
    edges = groups(len(kept))
    if not len(kept):
        return {"x": [], "y": [], "epoch": [], "step": []}
    first, last = kept[edges[:-1]], kept[edges[1:] - 1]
    if average:
        x, y = (_means(values[kept], edges) for values in (run.x, column))
    else:
        x, y, first = run.x[last], column[last], last
    steps = [
        _whole(a) if a == b or math.isnan(a) else f"{_whole(a)}–{_whole(b)}"
        for a, b in zip(run.step[first], run.step[last])
    ]
    epochs = [epoch_words(value) for value in run.epoch[last]]
    return {"x": x.tolist(), "y": y.tolist(), "epoch": epochs, "step": steps}


def _means(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    starts = edges[:-1]
    with np.errstate(over="ignore"):
        means = np.add.reduceat(values, starts) / np.diff(edges)
    return np.clip(means, np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts))


def _whole(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def epoch_words(value: float) -> str:
    """ "8", "2.4", "0.03"; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f}".rstrip("0").rstrip(".")
