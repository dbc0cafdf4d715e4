"""Commands about trainings: start one, look at it, continue it, make a checkpoint of it."""

import contextlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import app, runs_app
from explorer.console import TRAINING, Answer, Bar, Device, Json, TrainingBar, command, table
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t

if TYPE_CHECKING:
    from explorer.runs import RunStatus

Net = Annotated[str, typer.Option(help="The net; `models` lists them.")]
Data = Annotated[str, typer.Option(help="The data set; `data show` lists them.")]
Recipe = Annotated[
    str | None, typer.Option(help="All settings by name; without it the best known for the net.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe.")
]
Seed = Annotated[int, typer.Option(min=0, help="Decides everything that is random.")]


@command(app, "train", interrupted=N_("Interrupted before the first step; nothing was trained."))
def train_command(
    model: Net,
    data: Data,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the pictures; without it the recipe's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Instead of --epochs: as many as fit into this time, by a short measurement."
        ),
    ] = None,
    seed: Seed = 0,
    recipe: Recipe = None,
    set_: Changes = None,
    run: Annotated[str | None, typer.Option(help="What to call the run: a-z, 0-9, _ and -.")] = None,
    device: Device = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write events for TensorBoard.")
    ] = False,
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Train a net; Ctrl-C leaves a run that `runs resume` continues."""
    from explorer import jobs, runs

    changes = _pairs(set_ or [], "--set")
    if minutes is not None:
        if epochs is not None:
            raise Problem("Give --minutes or --epochs, not both.")
        epochs = runs.epochs_within(minutes, model, data, recipe, changes, device)
    folder = runs.create(
        model,
        data,
        recipe,
        changes,
        epochs,
        seed=seed,
        device=device,
        name=run,
        tensorboard=tensorboard,
    )
    print(t("Run {name} in {path}", name=folder.name, path=folder), file=sys.stderr)
    if job:
        job.goes_on_with(["runs", "resume", folder.name], jobs.run_key(folder.name))
    return _follow(folder.name, job)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    """KEY=VALUE texts as a dictionary."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise Problem("{option} {text}: expected KEY=VALUE.", option=option, text=repr(text[:80]))
        found[key.strip()] = value.strip()
    return found


def _follow(name: str, job: Reporter | None) -> Answer:
    """Drive a run to its end, with a live bar."""
    from explorer import runs

    bar = TrainingBar(job)
    try:
        for progress in runs.drive(name):
            bar(progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_resumable(name)) from None
    finally:
        bar.close()
    value = _run_value(runs.status(name))
    if value["state"] == "cancelled":
        raise KeyboardInterrupt(_resumable(name))
    lines = [
        t(
            "Run {name} is done: step {step} of {total}.",
            **{key: value[key] for key in ("name", "step", "total")},
        )
    ]
    if value["judged"] is not None:
        lines.append(t("On the held-out pictures: {value}", value=_reached(value)))
    lines.append(t("Use it on the pages: python -m explorer runs publish {name} NAME", name=name))
    return Answer(value, "\n".join(lines))


def _resumable(name: str) -> str:
    return t("Cancelled; continue with: python -m explorer runs resume {name}", name=name)


def _run_value(found: "RunStatus") -> dict:
    from explorer import runs

    name = found.name
    value = asdict(found) | {"path": str(runs.folder_of(name)), "checkpoint": None}
    with contextlib.suppress(Problem):  # before the first one
        value["checkpoint"] = str(runs.result(name))
    return value


@command(runs_app, "list")
def runs_list(as_json: Json = False) -> Answer:
    """Every run, the newest first."""
    from explorer import jobs

    found = [asdict(each) for each in jobs.run_statuses()]
    rows = [
        [
            each["name"],
            each["state"],
            each["model"],
            each["data"],
            f"{each['step']}/{each['total']}",
            _reached(each),
        ]
        for each in found
    ]
    return Answer(found, table(["run", "state", "model", "data", "step", "held-out"], rows))


@command(runs_app, "show")
def runs_show(
    name: Annotated[str, typer.Argument(help="A run; `runs list` lists them.")], as_json: Json = False
) -> Answer:
    """One run: its settings, how far it is, and what it reached epoch by epoch."""
    from explorer import jobs, runs
    from explorer.files import read_json
    from explorer.training import recipe_class

    value = _run_value(jobs.run_status(name))
    value |= {"config": read_json(runs.folder_of(name) / "config.json"), "metrics": runs.metrics(name)}
    kind = recipe_class(value["model"])
    keys, judged = list(kind.measures), f"held_out_{kind.judged_by[0]}"
    epochs = [row for row in value["metrics"] if judged in row] or value["metrics"][-1:]
    rows = [
        [f"{row['epoch']:.2f}", row["step"], *(row.get(key, "-") for key in [*keys, judged])]
        for row in epochs
    ]
    lines = [f"{name}: {value['state']}, step {value['step']} of {value['total']}", value["message"], ""]
    lines.append(table(["epoch", "step", *keys, judged], rows))
    if value["state"] in ("cancelled", "interrupted", "failed"):
        lines += ["", t("Continue with: python -m explorer runs resume {name}", name=name)]
    return Answer(value, "\n".join(line for line in lines if line is not None))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _reached(run: dict) -> str:
    """What a run is judged by, and its value: "accuracy 0.9123", "kid 0.01234"; "-" before the first evaluation."""
    from explorer.training import recipe_class

    if run["judged"] is None:
        return "-"
    return f"{recipe_class(run['model']).judged_by[0]} {run['judged']:.4g}"


@command(runs_app, "resume", interrupted=N_("Interrupted; the run is as it was."))
def runs_resume(
    name: Annotated[str, typer.Argument(help="A run; `runs list` lists them.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Continue a run from its newest checkpoint, exactly as if it had never ended."""
    return _follow(name, job)


@command(runs_app, "delete")
def runs_delete(
    name: Annotated[str, typer.Argument(help="A run that is not being trained.")], as_json: Json = False
) -> Answer:
    """Remove a run with its checkpoints; what was published of it stays."""
    from explorer import jobs

    jobs.delete_run(name)
    return Answer({"deleted": name}, t("Run {name} was deleted.", name=name))


@command(runs_app, "export")
def runs_export(
    name: Annotated[str, typer.Argument(help="A run that has a checkpoint.")],
    file: Annotated[Path | None, typer.Argument(help="Where to; without it NAME.zip.")] = None,
    as_json: Json = False,
) -> Answer:
    """Write the run's checkpoint as a ZIP of a folder in Hugging Face layout, with its card."""
    from explorer import files, runs

    target = file or Path(f"{name}.zip")
    if target.exists():
        raise Problem("{path} is already there; choose another name.", path=target)
    files.write_bytes(target, runs.zipped(name))
    size = target.stat().st_size
    return Answer({"path": str(target), "bytes": size}, f"{target}: {size / 1e6:.1f} MB")


@command(runs_app, "sweep", interrupted=N_("Interrupted; the same command goes on where it was."))
def runs_sweep(
    name: Annotated[str, typer.Argument(help="A sweep that was begun with `sweep`.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Go on with a sweep that was interrupted."""
    return _follow_sweep(name, job)


@command(app, "sweep", interrupted=N_("Interrupted; `runs sweep NAME` goes on where it was."))
def sweep_command(
    name: Annotated[str, typer.Argument(help="What to call the sweep; its runs are NAME-01, NAME-02 ...")],
    model: Net,
    data: Data,
    over: Annotated[
        list[str], typer.Option("--over", metavar="KEY=V1,V2,…", help="A setting and its values; twice.")
    ],
    epochs: Annotated[float | None, typer.Option(help="Passes over the pictures, each run.")] = None,
    seed: Seed = 0,
    recipe: Annotated[str | None, typer.Option(help="All other settings by name.")] = None,
    set_: Changes = None,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Train one run for every pair of values of two settings; held-out accuracy and AUC as a table."""
    from explorer import jobs, runs

    pairs = {key: [each.strip() for each in text.split(",")] for key, text in _pairs(over, "--over").items()}
    runs.create_sweep(
        name, model, data, pairs, _pairs(set_ or [], "--set"),
        recipe=recipe, epochs=epochs, seed=seed, device=device,
    )  # fmt: skip
    if job:
        job.goes_on_with(["runs", "sweep", name], jobs.sweep_key(name))
    return _follow_sweep(name, job)


def _follow_sweep(name: str, job: Reporter | None) -> Answer:
    """Train what is left of a sweep, with a live bar over all its runs."""
    from explorer import runs

    bar = Bar(job)
    try:
        for k, count, _, progress in runs.drive_sweep(name):
            bar(round(1000 * (k + progress.step / progress.total)), 1000 * count, N_("Training the sweep"))
    finally:
        bar.close()
    found = runs.cells(name)
    if any(cell["state"] == "cancelled" for cell in found):
        raise KeyboardInterrupt
    keys = list(found[0]["over"])
    rows = [
        [
            cell["run"],
            *(cell["over"][key] for key in keys),
            _share(cell["accuracy"]),
            _share(cell["auc"]),
            cell["state"],
        ]
        for cell in found
    ]
    return Answer({"sweep": name, "runs": found}, table(["run", *keys, "held-out", "AUC", "state"], rows))


@command(app, "probe")
def probe_command(
    model: Net,
    data: Data,
    recipe: Recipe = None,
    set_: Changes = None,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """How long a training will take and how much memory, from two seconds of it."""
    from explorer import runs
    from explorer.training.probe import probe

    found = probe(model, data, runs.recipe_for(model, data, recipe, _pairs(set_ or [], "--set")), device)
    text = (
        f"{found.steps:,} steps of {found.batch}, {found.images_per_second:,.0f} images/s: "
        f"{found.total_seconds / 60:.1f} minutes, {found.memory_bytes / 1e9:.1f} GB"
    )
    return Answer(asdict(found), text)


@command(app, "lr-range")
def lr_range_command(
    model: Net,
    data: Data,
    recipe: Recipe = None,
    set_: Changes = None,
    seed: Seed = 0,
    low: Annotated[float, typer.Option(min=1e-9, help="The first learning rate.")] = 1e-5,
    high: Annotated[float, typer.Option(help="The last one, unless the loss explodes before.")] = 10.0,
    steps: Annotated[int, typer.Option(min=12, max=10_000, help="From one to the other.")] = 100,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """The loss while the learning rate grows at every step, and where it falls fastest (Smith 2017)."""
    from explorer import runs
    from explorer.training.lr_range import lr_range, smoothed, suggest

    chosen = runs.recipe_for(model, data, recipe, _pairs(set_ or [], "--set"))
    task = runs.task_for(
        {"model": model, "data": data, "recipe": asdict(chosen), "seed": seed, "device": device}
    )
    bar, found = Bar(job), []
    try:
        for step, lr, loss in lr_range(task, low, high, steps):
            found.append((lr, loss))
            bar(step + 1, steps, TRAINING)
    finally:
        bar.close()
    lrs, losses = [lr for lr, _ in found], [loss for _, loss in found]
    best = suggest(lrs, losses)
    value = {"lrs": lrs, "losses": losses, "smoothed": smoothed(losses).tolist(), "suggestion": best}
    rows = [[f"{lr:.2e}", loss] for lr, loss in found[:: max(1, len(found) // 20)]]
    said = (
        t("The loss falls fastest near {lr}.", lr=f"{best:.2g}")
        if best
        else t("No learning rate stands out.")
    )
    return Answer(value, f"{table(['lr', 'loss'], rows)}\n\n{said}")


@command(runs_app, "moments", interrupted=N_("Interrupted; nothing was written."))
def runs_moments(
    name: Annotated[str, typer.Argument(help="The run of a GAN.")],
    checkpoint: Annotated[str, typer.Argument(help="The checkpoint that was published of it.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Score what a GAN drew while it learned, for a checkpoint that is here already; `runs publish` does so itself."""
    from explorer.analysis import fid
    from explorer.runs import over_time

    bar = Bar(job)
    try:
        found = over_time.store(name, checkpoint, bar)
    finally:
        bar.close()
    keys = ["duplicate_rate", "entropy_share", "class_accuracy", "d_accuracy"]
    # A column for each number of pictures: FIDs of different ones do not compare.
    sizes = sorted({(row["fid_n"], row["reference_n"]) for row in found if "fid" in row})
    heads = ["images", "n", *(fid.label(*size, "train") for size in sizes), *keys]
    rows = [
        [
            row["images"],
            row["n"],
            *(row["fid"] if size == (row.get("fid_n"), row.get("reference_n")) else None for size in sizes),
            *(row.get(key) for key in keys),
        ]
        for row in found
    ]
    lines = [table(heads, [["-" if value is None else value for value in row] for row in rows])]
    few = sizes and min(map(min, sizes)) < fid.ENOUGH
    return Answer(found, "\n".join([*lines, *([t(fid.FEW)] if few else [])]))


@command(runs_app, "publish")
def runs_publish(
    name: Annotated[str, typer.Argument(help="A run that has a checkpoint.")],
    checkpoint: Annotated[str, typer.Argument(help="What to call it among the checkpoints.")],
    purpose: Annotated[str, typer.Option(help="One sentence on what it is for.")] = "",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Make a checkpoint for the pages of a run: tested, or 5,000 pictures drawn with it and scored."""
    from explorer import checkpoints, runs
    from explorer.cli.generating import scores_in_words
    from explorer.data import valid_name

    if (checkpoints.root() / valid_name(checkpoint, "checkpoint")).exists():
        raise Problem("There is a checkpoint {name} already; choose another name.", name=checkpoint)
    bar = Bar(job)
    try:
        card = runs.publish(name, checkpoint, purpose, on_step=bar)
    finally:
        bar.close()
    if "samples" in card.metrics:
        return Answer(asdict(card), f"{checkpoint}\n{scores_in_words(card.metrics['samples'])}")
    test = card.metrics["test"]
    said = t(
        "{name}: accuracy, test, n = {n}, plain: {accuracy}",
        name=checkpoint,
        n=test["n"],
        accuracy=f"{test['accuracy']:.4f}",
    )
    return Answer(asdict(card), said)
