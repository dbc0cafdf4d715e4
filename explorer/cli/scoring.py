"""Commands about checkpoints: what is here, how often it is wrong, what it says to a picture."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reporter import Reporter
from explorer.text import N_, Missing, Problem, t


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
    from explorer.analysis import fid

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
        test, samples = each["metrics"].get("test", {}), each["metrics"].get("samples", {})
        score = f"{test['accuracy']:.2%} (n = {test['n']:,})" if "accuracy" in test else "-"
        if "fid" in samples:
            score = f"{samples['fid']:.2f} ({fid.label(*checkpoints.fid_of(samples))})"
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
    return Answer(
        found, table(["checkpoint", "model", "data", "accuracy, test, plain, or FID", "size", "for"], rows)
    )


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

    card = checkpoints.read_card(checkpoint, "classifier")
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
            checkpoints.add(checkpoint, card, {file: predict.packed(found)})
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

    loaded = checkpoints.load(checkpoint, device, "classifier")
    value, inputs = [], []
    for file in files:
        entry: dict = {"file": str(file)}
        value.append(entry)
        try:
            image = open_picture(read(file), file.name).image
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


def read(file: Path, limit: int = 20_000_000) -> bytes:
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


@command(app, "import-published")
def import_published_command(
    model: Annotated[str, typer.Argument(help="A net whose weights come from elsewhere: ddpm-published.")],
    name: Annotated[str, typer.Option(help="What to call the checkpoint; without it the net's name.")] = "",
    as_json: Json = False,
) -> Answer:
    """Get the published weights of a net from the Hugging Face Hub: safetensors of one pinned revision."""
    from explorer import foreign

    card = foreign.import_published(model, name)
    said = t(
        "{name}: {n} values of {model}, imported.", name=card.name, n=f"{card.parameters:,}", model=model
    )
    return Answer(asdict(card), said)
