"""Commands about what is alike: cosine against Euclidean over a data set, copies among its pictures."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer.cli.apps import Name, app
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reach import allow
from explorer.reporter import Reporter
from explorer.text import N_, Missing, Problem, t

if TYPE_CHECKING:
    import numpy as np

    from explorer.analysis.leaks import Pairs
    from explorer.checkpoints import Card, Loaded
    from explorer.data import ImageSet

KEPT = N_("Interrupted; nothing was kept.")
FEATURES, COMPARING = N_("Making the features (pictures)"), N_("Comparing the metrics (queries)")
COMPARING_ALL = N_("Comparing the metrics (lines of the table)")
LOOKING = N_("Looking for copies (pairs)")


@command(app, "retrieval", interrupted=KEPT)
def retrieval_command(
    checkpoint: Name,
    layer: Annotated[str | None, typer.Option(help="Which features; without it the pooled last map.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="So many neighbours vote.")] = 20,
    grid: Annotated[bool, typer.Option("--grid", help="All kinds of features in one table instead.")] = False,
    store: Annotated[bool, typer.Option("--store", help="Keep it beside the checkpoint.")] = False,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Cosine against Euclidean: every test picture asks the training pictures, and both metrics are judged."""
    from explorer import checkpoints, data
    from explorer.analysis import paired, retrieval_study, vectors
    from explorer.analysis.retrieval import Exact

    allow("retrieval")
    card = checkpoints.read_card(checkpoint)
    if grid and layer:
        raise Problem("--grid compares all features of a checkpoint: leave out --layer.")
    first = vectors.layers_of(card)[0]
    layer = layer or first
    vectors.check_layer(card, layer)
    if store and layer != first:
        raise Problem(
            "Only the study of {first} is kept beside {name}, its card speaks of that: leave out --store or --layer.",
            first=first, name=card.name,
        )  # fmt: skip
    sets = [data.load(card.data, split) for split in ("train", "test")]
    loaded = checkpoints.load(checkpoint, device, checkpoints.kind_of(card))
    about = {"checkpoint_sha256": card.sha256, "data": card.data, "split": "test", "gallery_split": "train"}
    about |= {"gallery_fingerprint": sets[0].fingerprint, "data_fingerprint": sets[1].fingerprint}
    bar = Bar(job)
    if grid:
        return _grid(loaded, sets, k, about, store, bar)
    leaked = _leaked(card, *sets)
    try:
        gallery, queries = (_features(loaded, each, layer, bar) for each in sets)
        value = retrieval_study.study(
            Exact(gallery), sets[0].labels, queries, sets[1].labels, sets[0].classes, k=k, leaked=leaked,
            head=_head(loaded, sets[1], bar), on_step=lambda done, total: bar(done, total, COMPARING),
        )  # fmt: skip
    finally:
        bar.close()
    value = about | {"layer": layer} | value
    if store:
        kept = {"retrieval": retrieval_study.summary(value)}
        _keep(card, {retrieval_study.FILE: retrieval_study.packed(value)}, kept)
    rows = [
        [metric, *("-" if of[name] is None else of[name] for name in retrieval_study.MEASURES)]
        for metric, of in value["metrics"].items()
    ]
    verdicts = [
        paired.verdict(retrieval_study.difference_of(value, key), t(words, k=k))
        for key, words in retrieval_study.ASKED.items()
        if key in value["differences"]
    ]
    agreed = value["agreement"]
    lines = [
        f"{checkpoint}, {layer}: {value['query_n']:,} test pictures ask {value['gallery_n']:,} training pictures",
        "",
        table(["", f"{k}-NN accuracy", f"precision@{k}", "R-precision", "MAP@R"], rows),
        "",
        *(t(template, **said) for template, said in verdicts),
        f"of the first {k} pictures {agreed['overlap']:.1%} are the same for both, "
        f"of the very first {agreed['first_same']:.1%}, Kendall's tau over all of either {agreed['tau_top']:.2f}; "
        f"R-precision and MAP@R on {value['deep_n']:,} queries",
    ]
    if "clean" in value:
        of = value["clean"]
        lines.append(
            f"without those in the training set: cosine {of['a']:.4f}, Euclidean {of['b']:.4f}, n = {of['n']:,}"
        )
    if value["blank_n"]:
        lines.append(f"{value['blank_n']:,} have features of length 0 and did not ask")
    return Answer({"checkpoint": checkpoint} | value, "\n".join(lines))


def _grid(
    loaded: "Loaded", sets: "list[ImageSet]", k: int, about: dict[str, Any], store: bool, bar: Bar
) -> Answer:
    """Every kind of features by both metrics; one at a time in memory, and only what was kept already is read."""
    from explorer.analysis import features, quality, retrieval_study

    rows: list[quality.Row] = []
    layers = features.layers_of(loaded.card)
    making = lambda done, total: bar(done, total, FEATURES)  # noqa: E731
    comparing = lambda done, _: bar(len(rows) + done, 2 * len(layers), COMPARING_ALL)  # noqa: E731
    try:
        for layer in layers:
            found = [features.kept(loaded.card, each, layer) for each in sets]
            both = tuple(
                kept.vectors if kept else features.features(loaded, each.images, layer, making)
                for each, kept in zip(sets, found)
            )
            rows += quality.grid({layer: both}, sets[0].labels, sets[1].labels, k=k, on_step=comparing)
    finally:
        bar.close()
    value = about | {"k": k, "gallery_n": len(sets[0]), "rows": retrieval_study.rows_of(rows)}
    if store:
        _keep(loaded.card, {retrieval_study.GRID: retrieval_study.packed(value)}, {})
    shown = [
        [row.feature, row.metric, row.dimension, row.accuracy, row.precision, row.map_r, row.n]
        for row in rows
    ]
    lines = [
        f"{loaded.card.name}: {len(sets[1]):,} test pictures ask {len(sets[0]):,} training pictures",
        "",
        table(["", "", "numbers", f"{k}-NN accuracy", f"precision@{k}", "MAP@R", "n"], shown),
        f"MAP@R on {rows[0].map_n:,} queries",
    ]
    return Answer({"checkpoint": loaded.card.name} | value, "\n".join(lines))


def _leaked(card: "Card", train: "ImageSet", test: "ImageSet") -> "np.ndarray | None":
    """Test pictures that `leaks` found in the training set, with this checkpoint or another of the same data."""
    from explorer import checkpoints
    from explorer.analysis import leak_report

    here = {"train_fingerprint": train.fingerprint, "test_fingerprint": test.fingerprint}
    entries = [each for each in checkpoints.catalogue() if each.card and each.card.data == card.data]
    for entry in sorted(entries, key=lambda each: each.name != card.name):
        try:
            value = leak_report.stored(entry.name)
            leak_report.check_pictures(value, here, leak_report.FILE, f"leaks --data {card.data}")
        except Missing:  # nobody has looked with this one
            continue
        except Problem as problem:
            print(problem, file=sys.stderr)
            continue
        return leak_report.pairs_of(value["across"]).a
    return None


def _features(loaded: "Loaded", pictures: "ImageSet", layer: str, bar: Bar) -> "np.ndarray":
    """Kept ones, or computed now and kept."""
    from explorer.analysis import features

    found = features.at_hand(loaded, pictures, layer)
    if found is None:
        found = features.keep(loaded, pictures, layer, lambda done, total: bar(done, total, FEATURES))
    return found.vectors


def _head(loaded: "Loaded", pictures: "ImageSet", bar: Bar) -> "np.ndarray | None":
    """The classifier's own probabilities, stored or computed; None of a model that is no classifier."""
    if loaded.card.task != "classifier":
        return None
    return _predictions(loaded.card.name, pictures, loaded, bar).probabilities(loaded.card.temperature)


def _predictions(name: str, pictures: "ImageSet", loaded: "Loaded", bar: Bar):
    """Those stored on these very pictures, or computed now."""
    from explorer.analysis import predict

    try:
        found = predict.stored(name, pictures.split)
        if found.fingerprint == pictures.fingerprint:
            return found
    except Problem:
        pass
    return predict.predict_set(
        loaded, pictures, on_step=lambda done, total: bar(done, total, N_("Predicting"))
    )


@command(app, "leaks", interrupted=KEPT)
def leaks_command(
    data: Annotated[str, typer.Option("--data", help="A data set.")],
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="A classifier; its features propose pairs too, and it is scored."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Copies within the training pictures, within the test pictures, and test pictures that are in the training set.

    With a checkpoint: how often it is right with and without the test pictures that leaked; kept beside it.
    """
    from explorer import checkpoints
    from explorer import data as sets
    from explorer.analysis import leak_report, leaks

    allow("leaks")
    train, test = (sets.load(data, split) for split in ("train", "test"))
    loaded = checkpoints.load(checkpoint, device, "classifier") if checkpoint else None
    if loaded:
        _check_classes(loaded.card, test)
    bar = Bar(job)
    step = lambda done, total: bar(done, total, LOOKING)  # noqa: E731
    try:
        features = (
            [_features(loaded, each, "pooled", bar) for each in (train, test)] if loaded else [None, None]
        )
        both = (features[1], features[0]) if loaded else None
        found = {
            "across": leaks.across(test.images, train.images, both, step),
            "test": leaks.within(test.images, features[1], step),
            "train": leaks.within(train.images, features[0], step),
        }
        predicted = _predictions(loaded.card.name, test, loaded, bar).predicted if loaded else None
    finally:
        bar.close()
    value: dict[str, Any] = {
        "data": data, "train_n": len(train), "test_n": len(test),
        "train_fingerprint": train.fingerprint, "test_fingerprint": test.fingerprint,
    } | {name: leak_report.rows_of(pairs) for name, pairs in found.items()}  # fmt: skip
    if loaded:
        scored = leak_report.cleaned(test.labels, predicted, found["across"].a)
        value |= {"checkpoint_sha256": loaded.card.sha256, "accuracy": leak_report.as_dict(scored)}
        _keep(loaded.card, {leak_report.FILE: leak_report.packed(value)}, {})
    return Answer(value | ({"checkpoint": checkpoint} if loaded else {}), _in_words(value, found))


def _check_classes(card: "Card", pictures: "ImageSet") -> None:
    if pictures.classes != card.classes:
        raise Problem(
            "{name} was trained for the classes {own}; {data} has {other}.",
            name=card.name, own=", ".join(card.classes[:12]),
            data=pictures.name, other=", ".join(pictures.classes[:12]),
        )  # fmt: skip


def _in_words(value: dict[str, Any], found: "dict[str, Pairs]") -> str:
    leaked = len(set(found["across"].a.tolist()))
    rows = [
        [name, len(pairs), int(pairs.exact.sum()), int(pairs.mirrored.sum())] for name, pairs in found.items()
    ]
    lines = [
        table([value["data"], "pairs", "exact", "mirrored"], rows),
        "",
        t("{n} of {of} test pictures are in the training set, {share} %",
          n=f"{leaked:,}", of=f"{value['test_n']:,}", share=f"{100 * leaked / value['test_n']:.2f}"),
    ]  # fmt: skip
    for name, of in value.get("accuracy", {}).items():
        if of["n"]:
            lines.append(f"accuracy, {name}: {of['accuracy']:.4f}, n = {of['n']:,}")
    return "\n".join(lines)


def _keep(card: "Card", files: dict[str, bytes], metrics: dict[str, dict]) -> None:
    """Put files beside the weights and figures on their card; what cannot be kept is said."""
    from explorer import checkpoints

    try:
        checkpoints.add(card.name, card, files, metrics)
    except Problem as problem:  # a read-only checkpoint is no reason to lose the numbers
        print(problem, file=sys.stderr)
