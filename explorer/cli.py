"""The commands: everything a page shows is also a line in a terminal.

A command returns an Answer: a value, and how to print it for a person. With --json the value goes to stdout as
one JSON object or list and everything else to stderr. A Problem is one sentence and exit status 1.
"""

import contextlib
import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from explorer.reporter import Reporter, attached
from explorer.text import N_, Problem, set_language, t

INTERRUPTED = 130  # the exit status of a command ended by Ctrl-C
app = typer.Typer(
    help="Train or load image models, and see what they say, why, and how often they are wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets: what is here, get one, add your own.", no_args_is_help=True)
runs_app = typer.Typer(help="Trainings: list them, look at one, continue one.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")

Json = Annotated[bool, typer.Option("--json", help="One JSON object or list on stdout, all else on stderr.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


@dataclass(frozen=True)
class Answer:
    """value: ready for JSON;  text: for a person;  code: the exit status."""

    value: Any
    text: str
    code: int = 0


def command(group: typer.Typer, name: str, interrupted: str = N_("Interrupted.")) -> Callable:
    """Make a command of a function that takes `json` first of all and returns an Answer.

    interrupted: what Ctrl-C, SIGTERM or a page's stop button leave behind, in one sentence
    """

    def register(fn: Callable[..., Answer]) -> Callable:
        @functools.wraps(fn)
        def run(**options: Any) -> int:
            as_json = options.get("as_json", False)
            try:
                with attached() as job, contextlib.redirect_stdout(sys.stderr):
                    answer = fn(**options) if "job" not in fn.__annotations__ else fn(**options, job=job)
            except Problem as problem:
                return _fail(str(problem), as_json)
            except KeyboardInterrupt:
                return _fail(t(interrupted), as_json, INTERRUPTED)
            except Exception as error:  # a bug: the trace is what helps
                traceback.print_exc()
                return _fail(f"{type(error).__name__}: {error}", as_json)
            print(json.dumps(answer.value, ensure_ascii=False) if as_json else answer.text, flush=True)
            return answer.code

        group.command(name)(_without(run, "job"))
        return run

    return register


def _without(fn: Callable, hidden: str) -> Callable:
    """`fn` with a signature that lacks the parameter `hidden`, for typer to read."""
    import inspect

    signature = inspect.signature(fn)
    kept = [parameter for name, parameter in signature.parameters.items() if name != hidden]
    fn.__signature__ = signature.replace(parameters=kept)
    fn.__annotations__ = {name: kind for name, kind in fn.__annotations__.items() if name != hidden}
    return fn


def _fail(sentence: str, as_json: bool, code: int = 1) -> int:
    print(sentence, file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"error": sentence}, ensure_ascii=False), flush=True)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    set_language(os.environ.get("EXPLORER_LANG", "en"))
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="python -m explorer", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        usage = getattr(error, "ctx", None)
        hint = f"\n{usage.get_usage()}" if usage is not None else ""
        return _fail(error.format_message() + hint, "--json" in arguments, error.exit_code)
    return code if isinstance(code, int) else 0


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


@command(app, "models")
def models_command(as_json: Json = False) -> Answer:
    """The nets that can be trained."""
    import torch

    from explorer import models

    found = []
    for name, spec in models.MODELS.items():
        with torch.device("meta"):
            parameters = models.parameter_count(spec.build(10))
        found.append(
            {
                "name": name,
                "task": spec.task,
                "parameters": parameters,
                "paper": spec.paper,
                "stem": t(spec.stem),
                "pooled_linear": spec.pooled_linear,
            }
        )
    rows = [[m["name"], m["task"], m["parameters"], m["paper"]] for m in found]
    return Answer(found, table(["model", "task", "parameters", "paper"], rows))


@data_app.callback()
def _data() -> None:
    pass


@command(data_app, "show")
def data_show(
    name: Annotated[str | None, typer.Argument(help="A data set; all without one.")] = None,
    as_json: Json = False,
) -> Answer:
    """What data sets there are, and one of them in detail."""
    from explorer import data

    if name is None:
        found = [_data_entry(each) for each in data.names()]
        rows = [
            [e["name"], len(e["classes"]), "yes" if e["available"] else "no", e["summary"]] for e in found
        ]
        return Answer(found, table(["data", "classes", "here", "what"], rows))
    entry = _data_entry(name)
    if entry["available"]:
        sets = {split: data.load(name, split) for split in entry["splits"]}
        entry["splits"] = {
            split: {"n": len(found), "fingerprint": found.fingerprint} for split, found in sets.items()
        }
        some = next(iter(sets.values()))
        entry |= {"mean": some.mean, "std": some.std, "classes": some.classes}
    else:
        entry["splits"] = {}
    if name in data.folder.registered():
        found = data.folder.report(name)
        entry["skipped"] = [{"file": file, "reason": reason} for file, reason in found.skipped]
        entry["path"] = str(found.path)
    lines = [f"{name}: {entry['summary']}", ", ".join(entry["classes"])]
    lines += [
        f"{split}: n = {of['n']:,}, fingerprint {of['fingerprint'][:16]}"
        for split, of in entry["splits"].items()
    ]
    lines += [f"skipped {bad['file']}: {bad['reason']}" for bad in entry.get("skipped", [])]
    if not entry["available"]:
        lines.append(t("Not here yet: python -m explorer data get {name}", name=name))
    return Answer(entry, "\n".join(lines))


def _data_entry(name: str) -> dict:
    from explorer import data

    spec = data.spec(name)
    return {
        "name": name,
        "summary": t(spec.summary),
        "classes": spec.classes,
        "splits": spec.splits,
        "available": spec.available(),
        "can_be_got": spec.fetch is not None,
    }


@command(
    data_app, "get", interrupted=N_("Interrupted; nothing half-written was left. Run it again to start anew.")
)
def data_get(
    name: Annotated[str, typer.Argument(help="A data set that can be downloaded: cifar10.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Download a data set; the pixels are compared with the original's."""
    from explorer import data

    spec = data.spec(name)
    if spec.fetch is None:
        got = [each for each, found in data.DATASETS.items() if found.fetch]
        raise Problem("{name} needs no download; these do: {known}.", name=name, known=", ".join(got))
    bar = Bar(job)
    try:
        folder = spec.fetch(bar)
    finally:
        bar.close()
    entry = {"name": name, "path": str(folder), "splits": {}}
    for split in spec.splits:
        found = data.load(name, split)
        entry["splits"][split] = {"n": len(found), "fingerprint": found.fingerprint}
    counts = ", ".join(f"{split} n = {of['n']:,}" for split, of in entry["splits"].items())
    return Answer(entry, t("{name} is in {path}: {counts}.", name=name, path=folder, counts=counts))


@command(data_app, "add")
def data_add(
    path: Annotated[Path, typer.Argument(help="A folder with one folder of pictures per class.")],
    name: Annotated[str, typer.Option(help="What to call it: a-z, 0-9, _ and -.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Add your own pictures as a data set; broken ones are named and left out."""
    from explorer import data

    data.valid_name(name, t("Data set"))
    if name in data.DATASETS:
        raise Problem("{name} is the name of a built-in data set; choose another.", name=name)
    bar = Bar(job)
    try:
        found = data.folder.add(name, path, bar)
    finally:
        bar.close()
    for file, reason in found.skipped:
        print(t("skipped {file}: {reason}", file=file, reason=reason), file=sys.stderr)
    value = asdict(found) | {"name": name, "path": str(found.path)}
    value["skipped"] = [{"file": file, "reason": reason} for file, reason in found.skipped]
    text = t(
        "{name}: {n} pictures in {classes} classes, {skipped} skipped.",
        name=name, n=sum(found.counts), classes=len(found.classes), skipped=len(found.skipped),
    )  # fmt: skip
    return Answer(value, text)


@command(data_app, "remove")
def data_remove(
    name: Annotated[str, typer.Argument(help="A data set you added.")], as_json: Json = False
) -> Answer:
    """Forget a data set you added; your own files stay."""
    from explorer import data

    data.folder.remove(name)
    return Answer({"removed": name}, t("{name} was removed; your own files stay.", name=name))


@command(app, "doctor")
def doctor_command(device: Device = "auto", as_json: Json = False) -> Answer:
    """Versions, device, memory, precision, speed, and whether the device computes what the CPU computes."""
    from explorer import doctor

    found = doctor.examine(device)
    rows = [[name, value] for name, value in found.versions.items()]
    rows += [["system", found.system], ["device", found.device], ["threads", str(found.threads)]]
    rows += [["memory", f"{found.memory[0] / 1e9:.1f} of {found.memory[1] / 1e9:.1f} GB in use"]]
    rows += [["precision", found.precision]]
    for kind, of in found.speed.items():
        rows.append(
            [f"{doctor.MODEL}, {kind}", f"{of['forward']:.0f} images/s forward, {of['step']:.0f} training"]
        )
    for kind, of in found.parity.items():
        rows.append([f"parity, {kind}", f"logits off by {of['forward']:.1e}, one step by {of['step']:.1e}"])
    rows += [[f"data {name}", "here" if here else "not here"] for name, here in found.data.items()]
    return Answer(
        found.as_dict(), f"{table(['', ''], rows).strip()}\n\n{found.line()}", 0 if found.healthy else 1
    )
