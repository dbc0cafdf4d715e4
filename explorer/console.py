"""How a command speaks: values and sentences, one JSON object, progress, exit status.

A command returns an Answer: a value, and how to print it for a person. With --json the value goes to stdout as
one JSON object or list and everything else to stderr. A Problem is one sentence and exit status 1.
"""

import contextlib
import functools
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from explorer.reporter import Reporter, attached
from explorer.text import N_, Problem, t

INTERRUPTED = 130  # the exit status of a command ended by Ctrl-C
TRAINING = N_("Training (steps)")
_BAR_FORMAT = "{percentage:3.0f}% {bar:20} {n_fmt}/{total_fmt}, {remaining} left{postfix}"
Json = Annotated[bool, typer.Option("--json", help="One JSON object or list on stdout, all else on stderr.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


@dataclass(frozen=True)
class Answer:
    """value: ready for JSON;  text: for a person;  code: the exit status."""

    value: Any
    text: str
    code: int = 0


def command(group: typer.Typer, name: str, interrupted: str = N_("Interrupted.")) -> Callable:
    """Make a command of a function that takes `as_json` and returns an Answer.

    interrupted: what Ctrl-C, SIGTERM or a page's stop button leave behind, in one sentence
    """

    def register(fn: Callable[..., Answer]) -> Callable:
        @functools.wraps(fn)
        def run(**options: Any) -> int:
            as_json = options.get("as_json", False)
            try:
                with attached() as job:  # a job is done when its answer is in the log, not before
                    with contextlib.redirect_stdout(sys.stderr):
                        answer = fn(**options) if "job" not in fn.__annotations__ else fn(**options, job=job)
                    if not int(os.environ.get("RANK", 0)):  # under torchrun the first process speaks for all
                        said = json.dumps(answer.value, ensure_ascii=False) if as_json else answer.text
                        print(said, flush=True)
                    if job:
                        job.answer(answer.value)
            except Problem as problem:
                return fail(str(problem), as_json)
            except KeyboardInterrupt as stop:  # its text, if it has one, knows more
                return fail(str(stop) or t(interrupted), as_json, INTERRUPTED)
            except Exception as error:  # a bug: the trace is what helps
                traceback.print_exc()
                return fail(f"{type(error).__name__}: {error}", as_json)
            return answer.code

        group.command(name)(_without(run, "job"))
        return run

    return register


def _without(fn: Callable, hidden: str) -> Callable:
    """`fn` with a signature that lacks the parameter `hidden`, for typer to read."""
    signature = inspect.signature(fn)
    kept = [parameter for name, parameter in signature.parameters.items() if name != hidden]
    fn.__signature__ = signature.replace(parameters=kept)
    fn.__annotations__ = {name: kind for name, kind in fn.__annotations__.items() if name != hidden}
    return fn


def fail(sentence: str, as_json: bool, code: int = 1) -> int:
    print(sentence, file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"error": sentence}, ensure_ascii=False), flush=True)
    return code


def table(header: list[str], rows: list[list[object]]) -> str:
    """Aligned columns; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[k]) for row in [header, *cells]) for k in range(len(header))]
    right = [bool(rows) and all(isinstance(row[k], int | float) for row in rows) for k in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right)
        )
        for row in [header, *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


class Bar:
    """Progress on stderr, live in a terminal and silent elsewhere; told to the job's folder too."""

    def __init__(self, job: Reporter | None):
        self.job, self.bar, self.what = job, None, None

    def __call__(self, done: int, total: int | None, what: str = N_("Reading the pictures")) -> None:
        """How far it is: `done` of `total` (None: unknown) of `what`, an English sentence for t()."""
        from tqdm import tqdm

        if self.job:
            self.job.step(done, total, what)
        if what != self.what:
            self.close()
            self.what = what
            self.bar = tqdm(total=total, desc=t(what), unit_scale=True, disable=not sys.stderr.isatty())
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Leave the line as it is."""
        if self.bar is not None:
            self.bar.close()


class TrainingBar:
    """A training on stderr: in a terminal a live line with the time left, elsewhere a line an epoch."""

    def __init__(self, job: Reporter | None):
        self.job, self.bar, self.held_out = job, None, None

    def __call__(self, progress: Any) -> None:
        """Draw a `training.loop.Progress`."""
        from tqdm import tqdm

        if self.job:
            self.job.step(progress.step, progress.total, TRAINING)
        live = sys.stderr.isatty()
        if self.bar is None and live:
            self.bar = tqdm(
                total=progress.total,
                initial=progress.step,
                unit="step",
                bar_format=_BAR_FORMAT,
                dynamic_ncols=True,
            )
        self.held_out = progress.held_out.get("accuracy", self.held_out)
        words = [f"{key.replace('_', ' ')} {value:.3f}" for key, value in progress.logs.items()]
        words += [f"held-out {self.held_out:.4f}"] if self.held_out is not None else []
        words += [f"{progress.images_per_second:,.0f} images/s"]
        if live:
            self.bar.set_postfix_str(", ".join(words), refresh=False)
            self.bar.update(progress.step - self.bar.n)
        elif progress.held_out or progress.step == progress.total:
            line = f"epoch {progress.epoch:.2f}, step {progress.step}/{progress.total}, {', '.join(words)}"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line as it is."""
        if self.bar is not None:
            self.bar.close()
