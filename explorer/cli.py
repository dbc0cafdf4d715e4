"""The commands: the main numbers of every page, as lines in a terminal.

python -m explorer --help
"""

import contextlib
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from explorer.console import Answer, Bar, Device, Json, TrainingBar, command, fail, table
from explorer.reporter import Reporter
from explorer.text import N_, Missing, Problem, set_language, t

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
Name = Annotated[str, typer.Argument(help="The name of a checkpoint; `checkpoints` lists them.")]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    set_language(os.environ.get("EXPLORER_LANG", "en"))
    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="python -m explorer", standalone_mode=False
        )
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        usage = getattr(error, "ctx", None)
        hint = f"\n{usage.get_usage()}" if usage is not None else ""
        return fail(error.format_message() + hint, "--json" in arguments, error.exit_code)
    return code if isinstance(code, int) else 0


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

    print(t("Measuring; this takes half a minute."), file=sys.stderr)
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


@command(app, "checkpoints")
def checkpoints_command(as_json: Json = False) -> Answer:
    """The trained models that are here, and those that cannot be used with the reason."""
    from explorer import checkpoints

    found = []
    for entry in checkpoints.catalogue():
        if entry.card is None:
            found.append({"name": entry.name, "problem": str(entry.problem)})
        else:
            found.append(asdict(entry.card) | {"name": entry.name})
    rows = []
    for each in found:
        if "problem" in each:
            print(
                t("{name} cannot be used: {reason}", name=each["name"], reason=each["problem"]),
                file=sys.stderr,
            )
            continue
        test = each["metrics"].get("test", {})
        score = f"{test['accuracy']:.2%} (n = {test['n']:,})" if "accuracy" in test else "-"
        rows.append(
            [
                each["name"],
                each["model"],
                each["data"],
                score,
                f"{each['bytes'] / 1e6:.1f} MB",
                each["purpose"],
            ]
        )
    return Answer(found, table(["checkpoint", "model", "data", "accuracy, test, plain", "size", "for"], rows))


@command(app, "evaluate")
def evaluate_command(
    checkpoint: Name,
    data: Annotated[
        str | None, typer.Option(help="A data set; without it the one it was trained on.")
    ] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    views: Annotated[int, typer.Option(help="Average over 1, 2 (mirrored) or 6 (also shifted) views.")] = 1,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """How often a checkpoint is right: accuracy, report per class, confusion matrix, calibration, AUC."""
    from explorer import checkpoints
    from explorer.analysis import calibration, classification, ranking

    card = checkpoints.read_card(checkpoint)
    found, source = _predictions(checkpoint, card, data or card.data, split, views, device, job)
    probabilities = found.probabilities(card.temperature)
    report = classification.report(found.labels, found.predicted, found.classes)
    low, high = classification.wilson(int((found.labels == found.predicted).sum()), report.n)
    value = report.as_dict() | {
        "checkpoint": checkpoint,
        "checkpoint_sha256": found.checkpoint_sha256,
        "data": found.data,
        "split": found.split,
        "views": found.views,
        "data_fingerprint": found.fingerprint,
        "classes": list(found.classes),
        "accuracy_interval": [low, high],
        "temperature": card.temperature,
        "ece": calibration.ece(found.labels, probabilities),
        "auc_macro": ranking.auc_macro(found.labels, probabilities),
        "source": source,
    }
    averages = [(report.macro, "macro avg"), (report.weighted, "weighted avg")]
    rows = [[row.name, row.precision, row.recall, row.f1, row.support] for row in report.rows]
    rows += [[name, row.precision, row.recall, row.f1, row.support] for row, name in averages]
    plain = "plain" if views == 1 else f"{views} views"
    lines = [
        f"{checkpoint} on {found.data}, {split}, n = {report.n:,}, {plain}, fingerprint {found.fingerprint[:16]}",
        f"accuracy {report.accuracy:.4f} (95 %: {low:.4f} to {high:.4f})",
        f"ECE {value['ece']:.4f} (15 bins, T = {card.temperature:.2f})   AUC, macro {value['auc_macro']:.4f}",
        "",
        table(["class", "precision", "recall", "f1", "support"], rows),
    ]
    return Answer(value, "\n".join(lines))


def _predictions(checkpoint: str, card, name: str, split: str, views: int, device: str, job: Reporter | None):
    """Predictions, and where they come from: "computed" now, or "stored" when the data set is not here."""
    from explorer import checkpoints
    from explorer import data as sets
    from explorer.analysis import predict

    try:
        pictures = sets.load(name, split)
    except Missing as missing:
        if name != card.data:
            raise
        try:
            found = predict.stored(checkpoint, split, views)
        except Missing:
            raise missing from None
        print(t("{data} is not here; these are the stored predictions.", data=name), file=sys.stderr)
        return found, "stored"
    loaded = checkpoints.load(checkpoint, device)
    bar = Bar(job)
    try:
        found = predict.predict_set(
            loaded, pictures, views, lambda done, total: bar(done, total, N_("Predicting"))
        )
    finally:
        bar.close()
    if name == card.data and not _is_stored(checkpoint, split, views, pictures.fingerprint):
        try:
            file = checkpoints.prediction_file(split, views)
            checkpoints.update(checkpoint, card, {file: predict.packed(found)})
        except Problem as problem:  # a read-only checkpoint is no reason to lose the numbers
            print(problem, file=sys.stderr)
    return found, "computed"


def _is_stored(checkpoint: str, split: str, views: int, fingerprint: str) -> bool:
    """Whether the predictions on these very pictures are stored."""
    from explorer import checkpoints

    try:
        return checkpoints.read_predictions(checkpoint, split, views)["fingerprint"] == fingerprint
    except Problem:
        return False


@command(app, "predict")
def predict_command(
    checkpoint: Name,
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG or WEBP pictures.")],
    views: Annotated[int, typer.Option(help="2 averages each picture with its mirror image.")] = 1,
    squash: Annotated[
        bool, typer.Option(help="Squash the whole picture instead of its centred square.")
    ] = False,
    top: Annotated[int | None, typer.Option(min=1, help="Only so many classes, the likeliest first.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> Answer:
    """What a checkpoint says to pictures; a bad file is named and does not stop the good ones."""
    import numpy as np

    from explorer import checkpoints
    from explorer.analysis.answer import classify
    from explorer.data.picture import open_picture, to_input

    loaded = checkpoints.load(checkpoint, device)
    value, inputs = [], []
    for file in files:
        entry: dict = {"file": str(file)}
        value.append(entry)
        try:
            image = open_picture(_read(file), file.name).image
            inputs.append(to_input(image, squash=squash, size=loaded.card.size))
            entry["classes"] = []
        except Problem as problem:
            entry["error"] = str(problem)
    answers = classify(loaded, np.stack(inputs), views) if inputs else []
    for entry, answer in zip([entry for entry in value if "classes" in entry], answers, strict=True):
        likeliest = answer.top(top or len(answer.classes))
        entry["classes"] = [{"name": name, "p": p} for name, p in likeliest]
        entry["fits"] = answer.fits
    lines = []
    for entry in value:
        lines.append(entry["file"])
        lines += [f"  {entry['error']}"] if "error" in entry else []
        lines += [f"  {found['p']:6.1%}  {found['name']}" for found in entry.get("classes", [])[: top or 5]]
        if not entry.get("fits", True):
            lines.append("  " + t("None of the {n} classes fits well.", n=len(loaded.card.classes)))
    return Answer(value, "\n".join(lines), 0 if answers else 1)


def _read(file: Path, limit: int = 20_000_000) -> bytes:
    """The bytes of a plain file; one byte more than can be read when it is larger, for the sentence about that."""
    try:
        if not file.exists():
            raise Problem("{file} does not exist.", file=file)
        if not file.is_file():
            raise Problem("{file} is not a plain file.", file=file)
        with file.open("rb") as opened:
            return opened.read(limit + 1)
    except OSError as error:
        raise Problem(
            "{file} cannot be read: {reason}.", file=file, reason=error.strerror or error
        ) from error
    except ValueError as error:  # a NUL in the name
        raise Problem("{file} does not exist.", file=repr(str(file))) from error


@command(app, "import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A .pt file: a state_dict, or a dictionary that holds one.")],
    model: Annotated[str, typer.Option(help="The net it belongs to; `models` lists them.")],
    data: Annotated[str, typer.Option(help="The data set it was trained on.")],
    name: Annotated[str, typer.Option(help="What to call the checkpoint: a-z, 0-9, _ and -.")],
    trust: Annotated[bool, typer.Option("--trust", help="I know who made this file.")] = False,
    as_json: Json = False,
) -> Answer:
    """Make a checkpoint of a .pt file from elsewhere; only weights are read, and only with --trust."""
    from explorer import foreign

    card = foreign.import_pt(file, model, data, name, trust)
    said = t("{name}: {n} values of {model}, imported.", name=name, n=f"{card.parameters:,}", model=model)
    return Answer(asdict(card), said)


@command(app, "train", interrupted=N_("Interrupted before the first step; nothing was trained."))
def train_command(
    model: Annotated[str, typer.Option(help="The net; `models` lists them.")],
    data: Annotated[str, typer.Option(help="The data set; `data show` lists them.")],
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the pictures; without it the recipe's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is random.")] = 0,
    recipe: Annotated[
        str | None, typer.Option(help="All settings by name; without it the best known for the net.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="What to call the run: a-z, 0-9, _ and -.")] = None,
    device: Device = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write events for TensorBoard.")
    ] = False,
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Train a classifier; Ctrl-C leaves a run that `runs resume` continues."""
    settings = {}
    for each in set_ or []:
        key, sign, value = each.partition("=")
        if not sign:
            raise Problem("--set {text}: expected KEY=VALUE.", text=repr(each[:80]))
        settings[key.strip()] = value.strip()
    from explorer import runs

    folder = runs.create(
        model, data, recipe, settings, epochs, seed=seed, device=device, name=run, tensorboard=tensorboard
    )
    print(t("Run {name} in {path}", name=folder.name, path=folder), file=sys.stderr)
    return _follow(folder.name, job)


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
    value = _run_value(name)
    if value["state"] == "stopped":
        raise KeyboardInterrupt(_resumable(name))
    lines = [
        t(
            "Run {name} is done: step {step} of {total}.",
            **{key: value[key] for key in ("name", "step", "total")},
        )
    ]
    if value["held_out"] is not None:
        lines.append(t("Accuracy on the held-out pictures: {accuracy}", accuracy=f"{value['held_out']:.4f}"))
    lines.append(t("Use it on the pages: python -m explorer runs publish {name} NAME", name=name))
    return Answer(value, "\n".join(lines))


def _resumable(name: str) -> str:
    return t("Stopped; continue with: python -m explorer runs resume {name}", name=name)


def _run_value(name: str) -> dict:
    from explorer import runs

    value = asdict(runs.status(name)) | {"path": str(runs.folder_of(name)), "checkpoint": None}
    with contextlib.suppress(Problem):  # before the first one
        value["checkpoint"] = str(runs.result(name))
    return value


@command(runs_app, "list")
def runs_list(as_json: Json = False) -> Answer:
    """Every run, the newest first."""
    from explorer import runs

    found = [asdict(each) for each in runs.statuses()]
    rows = [
        [
            each["name"],
            each["state"],
            each["model"],
            each["data"],
            f"{each['step']}/{each['total']}",
            _share(each["held_out"]),
        ]
        for each in found
    ]
    return Answer(found, table(["run", "state", "model", "data", "step", "held-out"], rows))


@command(runs_app, "show")
def runs_show(
    name: Annotated[str, typer.Argument(help="A run; `runs list` lists them.")], as_json: Json = False
) -> Answer:
    """One run: its settings, how far it is, and what it reached epoch by epoch."""
    from explorer import runs
    from explorer.files import read_json

    value = _run_value(name)
    value |= {"config": read_json(runs.folder_of(name) / "config.json"), "metrics": runs.metrics(name)}
    epochs = [row for row in value["metrics"] if "held_out_accuracy" in row] or value["metrics"][-1:]
    rows = [
        [
            f"{row['epoch']:.2f}",
            row["step"],
            row["loss"],
            row["accuracy"],
            _share(row.get("held_out_accuracy")),
        ]
        for row in epochs
    ]
    lines = [f"{name}: {value['state']}, step {value['step']} of {value['total']}", value["message"], ""]
    lines.append(table(["epoch", "step", "loss", "accuracy", "held-out"], rows))
    if value["state"] in ("stopped", "interrupted", "failed"):
        lines += ["", t("Continue with: python -m explorer runs resume {name}", name=name)]
    return Answer(value, "\n".join(line for line in lines if line is not None))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


@command(runs_app, "resume", interrupted=N_("Interrupted; the run is as it was."))
def runs_resume(
    name: Annotated[str, typer.Argument(help="A run; `runs list` lists them.")],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Continue a run from its newest checkpoint, exactly as if it had never ended."""
    return _follow(name, job)


@command(runs_app, "publish")
def runs_publish(
    name: Annotated[str, typer.Argument(help="A run that has a checkpoint.")],
    checkpoint: Annotated[str, typer.Argument(help="What to call it among the checkpoints.")],
    purpose: Annotated[str, typer.Option(help="One sentence on what it is for.")] = "",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Make a checkpoint for the pages of a run: calibrated, tested, its predictions stored."""
    from explorer import checkpoints, runs
    from explorer.data import valid_name

    if (checkpoints.root() / valid_name(checkpoint, "checkpoint")).exists():
        raise Problem("There is a checkpoint {name} already; choose another name.", name=checkpoint)
    bar = Bar(job)
    try:
        card = runs.publish(
            name, checkpoint, purpose, on_step=lambda done, total: bar(done, total, N_("Predicting"))
        )
    finally:
        bar.close()
    test = card.metrics["test"]
    said = t(
        "{name}: accuracy, test, n = {n}, plain: {accuracy}",
        name=checkpoint,
        n=test["n"],
        accuracy=f"{test['accuracy']:.4f}",
    )
    return Answer(asdict(card), said)
