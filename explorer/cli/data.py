"""Commands about nets and data sets."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.apps import app, data_app
from explorer.console import Answer, Bar, Json, command, table
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t


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
    name: Annotated[
        str, typer.Argument(help="What can be downloaded: cifar10, or inception, the weights of FID.")
    ],
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Download a data set, or the weights that FID is defined by; compared with the original's hash."""
    from explorer import data

    if name == "inception":
        return _inception(job)
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


def _inception(job: Reporter | None) -> Answer:
    from explorer.data import inception

    bar = Bar(job)
    try:
        path = inception.get_weights(bar)
    finally:
        bar.close()
    value = {"name": "inception", "path": str(path), "sha256": inception.SHA256}
    return Answer(value, t("{name} is in {path}.", name="inception", path=path))


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
