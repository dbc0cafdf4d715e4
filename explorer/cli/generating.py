"""Commands about generators: draw pictures, score pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reach import allow, cap
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t

if TYPE_CHECKING:
    import numpy as np

    from explorer.analysis.sampling import Samples
    from explorer.data import ImageSet

MOST_SEED = 2**62
Sampler = Annotated[
    str | None, typer.Option(help="ddim, dpm or ddpm; without it that of the stored scores. Diffusion only.")
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        help="Steps from noise to picture; with guidance the net is asked twice in each. Diffusion only.",
    ),
]
Guidance = Annotated[
    float | None, typer.Option(help="w in u + w (c - u): 1 is plain conditional. Diffusion only.")
]


@command(app, "sample", interrupted=N_("Interrupted; nothing was written."))
def sample_command(
    checkpoint: Name,
    out: Annotated[
        Path | None,
        typer.Option(help="An .npz file or a new folder of PNGs; a job may leave it to its own folder."),
    ] = None,
    n: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many pictures.")] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="The first seed; picture k has seed + k.")
    ] = 0,
    class_: Annotated[
        str | None,
        typer.Option("--class", help="Only this class, by name or number; without it all in turn."),
    ] = None,
    sampler: Sampler = None,
    steps: Steps = None,
    guidance: Guidance = None,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Draw pictures with a generator: the same seed is the same picture."""
    import numpy as np

    from explorer import checkpoints
    from explorer.analysis import examination, sampling, together
    from explorer.data.drawn import check_target, write_drawn

    own = out is None and job is not None
    allow("draw" if own else "sample")
    if out is None and job is None:
        raise Problem("Say where the pictures go: --out FILE.npz, or a new folder.")
    out = check_target(out or job.folder / "drawn.npz")
    rank, world = together.join()
    together.check_shares(n)
    loaded = checkpoints.load(checkpoint, device)
    options = sampling.options_for(loaded, sampler, steps, guidance)
    cap(n, options.get("steps", 1))
    wanted = None if class_ is None else class_number(loaded.card.classes, class_)
    seeds = np.arange(seed, seed + n)[rank::world]
    bar = Bar(job if rank == 0 else None)
    try:
        found = sampling.draw(
            loaded,
            seeds,
            wanted,
            on_step=lambda done, total: bar(done, total, examination.DRAWING),
            **options,
        )
    finally:
        bar.close()
    found = sampling.whole(found)
    value = found.how | {"n": n, "seed": seed, "class": wanted}
    value["milliseconds"] = round(found.milliseconds, 3)
    if rank == 0:
        write_drawn(out, found.images, found.seeds, found.labels, value)
    said = t(
        "{path}: {n} pictures, seeds {first} to {last}, {ms} ms each",
        path=out,
        n=f"{n:,}",
        first=seed,
        last=seed + n - 1,
        ms=f"{value['milliseconds']:.1f}",
    )
    return Answer(value | {"path": str(out)}, said)  # not in the file: it is handed on


def class_number(classes: tuple[str, ...], text: str) -> int:
    """The number of a class given by name or number; Problem that lists the known ones."""
    if text in classes:
        return classes.index(text)
    if text.isdecimal() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    raise Problem("Unknown class {name}; known: {known}.", name=repr(text[:80]), known=", ".join(classes))


@command(app, "score", interrupted=N_("Interrupted; what was computed of the data set is kept."))
def score_command(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A checkpoint, a folder of PNGs, an .npz, or cifar10:train.")
    ],
    b: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]", help="What to compare with, the same kinds; without it A's training data."
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Pictures that a checkpoint draws; without it 5000."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_SEED,
            help="A's first seed, without it 0; a checkpoint as B begins at seed + n.",
        ),
    ] = None,
    sampler: Sampler = None,
    steps: Steps = None,
    guidance: Guidance = None,
    store: Annotated[bool, typer.Option("--store", help="Keep the scores in the checkpoint's card.")] = False,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """FID, KID, precision, recall, density, coverage; for a checkpoint also what a classifier sees in its pictures.

    Two checkpoints draw of other seeds, so that their pictures are independent.
    """
    import numpy as np

    from explorer import runs
    from explorer.analysis import examination, fid, scores, together
    from explorer.analysis.inception import Extractor
    from explorer.device import choose

    allow("score")
    if store and (b or n not in (None, examination.COUNT) or seed):
        raise Problem(
            "What is stored are 5,000 pictures from seed 0 against the training data: leave B, --n, --seed."
        )
    rank, _ = together.join()
    bar = Bar(job if rank == 0 else None)
    asked = {"sampler": sampler, "steps": steps, "guidance": guidance}
    try:
        if store:
            card = runs.store_scores(a, bar, device, **asked)
            value: dict = {"a": a, "b": f"{card.data}:train"} | card.metrics["samples"]
            return Answer(value, scores_in_words(value))
        # What can be refused is refused before anything is drawn or computed.
        count, begin = examination.COUNT if n is None else n, seed or 0
        first = named(a, count, begin, device, **asked)
        if b is None and not first.data:
            raise Problem("Say what to compare {name} with, for example cifar10:train.", name=a)
        second = named(b or f"{first.data}:train", count, begin + count, device)
        if first.draw is None:
            given = asked | ({"n": n, "seed": seed} if second.draw is None else {})
            check_unasked(first.name, given)
        fid.check_count(first.n, second.n)
        scores.check_sizes(first.name, first.size, second.name, second.size)
        for side in (first, second):
            together.check_shares(side.n)
        # A net of digits that was asked for a 3 was not asked for what CIFAR-10 has at that number.
        alike = first.data in ("", second.data)
        if second.pictures is not None and first.labels is not None and alike:
            check_told(first.labels, len(second.pictures.classes), first.name)
        extractor = Extractor(choose(device))
        if second.pictures is None:
            target = scores.against_pictures(second.drawn(bar).images, second.name, extractor, bar)
        else:
            target = scores.against(second.pictures, extractor, bar)
        first = first.drawn(bar)
        value = {"a": a, "b": second.name} | first.how | scores.score(first.images, target, extractor, bar)
        if second.pictures is not None:
            labels = first.labels if alike and first.labels is not None else np.full(first.n, -1)
            try:
                value |= scores.judged(first.images, labels, second.data, device)
            except Problem as problem:  # a damaged classifier: what is computed is worth saying
                value["without"] = [*value.get("without", []), str(problem)]
    finally:
        bar.close()
    return Answer(value, scores_in_words(value))


@dataclass(frozen=True)
class Side:
    """What A or B names. A checkpoint's pictures are not drawn yet: `images` is None until `drawn`.

    n, size: how many pictures of what height and width;  pictures: when it is a split of a data set
    data: its data set, "" if unknown
    """

    name: str
    n: int
    size: tuple[int, int]
    images: "np.ndarray | None" = None
    labels: "np.ndarray | None" = None
    pictures: "ImageSet | None" = None
    data: str = ""
    how: dict = field(default_factory=dict)
    draw: "Callable[[Callable], Samples] | None" = None

    def drawn(self, on_step: Callable) -> "Side":
        """Itself with its pictures."""
        if self.draw is None:
            return self
        found = self.draw(on_step)
        how = found.how | {"milliseconds": round(found.milliseconds, 3)}
        return replace(self, images=found.images, labels=found.labels, how=how, draw=None)


def named(text: str, n: int, seed: int, device: str, **asked: object) -> Side:
    """A checkpoint (which will draw n pictures), a split of a data set (cifar10:train), a folder of PNGs or an .npz.

    Raises Problem for anything else, and for a checkpoint that does not draw.
    """
    import numpy as np

    from explorer import checkpoints, data
    from explorer.analysis import examination, sampling, together
    from explorer.data.drawn import read_drawn

    name, sign, split = text.partition(":")
    if sign and name in data.names():
        found = data.load(name, split)
        return Side(text, len(found), found.images.shape[2:], found.images, pictures=found, data=name)
    try:
        known = Path(text).name == text and (checkpoints.root() / text / checkpoints.CONFIG).is_file()
        there = known or (Path(text) / checkpoints.CONFIG).is_file()
    except OSError as error:  # a name that is too long
        raise Problem("{path} cannot be read: {error}", path=text[:80], error=error.strerror) from error
    if there:  # by name, or a run's folder of one: ckpt/step-…
        loaded = checkpoints.load(text if known else Path(text), device, "generator")
        options = sampling.options_for(loaded, **asked)
        rank, world = together.join()

        def draw(on_step: Callable) -> "Samples":
            seeds = np.arange(seed, seed + n)[rank::world]
            told = lambda done, total: on_step(done, total, examination.DRAWING)  # noqa: E731
            return sampling.whole(sampling.draw(loaded, seeds, on_step=told, **options))

        return Side(text, n, (32, 32), data=loaded.card.data, draw=draw)
    images, labels = read_drawn(Path(text))
    return Side(text, len(images), images.shape[2:], images, labels)


def check_unasked(name: str, options: dict) -> None:
    """Problem for options that were given (not None) although they change nothing: what A names is not drawn."""
    given = [f"--{key}" for key, value in options.items() if value is not None]
    if given:
        raise Problem(
            "{name} is no checkpoint: leave out {options}, which would change nothing.",
            name=name,
            options=", ".join(given),
        )


def check_told(labels: "np.ndarray", classes: int, name: str) -> None:
    """Problem for labels that are no class of the data set, -1 for none of them being asked for."""
    if labels.max() >= classes or labels.min() < -1:
        raise Problem(
            "{name}: its labels go from {low} to {high}, the classes from 0 to {last}.",
            name=name,
            low=labels.min(),
            high=labels.max(),
            last=classes - 1,
        )


def scores_in_words(value: dict) -> str:
    """The scores for a person."""
    from explorer.analysis.fid import FEW, label
    from explorer.analysis.scores import alarms

    words = {
        "kid": "KID", "precision": "precision", "recall": "recall", "density": "density", "coverage": "coverage",
        "class_accuracy": "drawn as asked", "entropy_share": "classes, entropy", "nearest_ratio": "nearest-train ratio",
        "duplicate_rate": "duplicates", "inception_score": "Inception Score",
    }  # fmt: skip
    reasons = alarms(value)
    value = value | value.get("near", {}) | value.get("judged", {})
    rows = []
    if "fid" in value:
        of = value["reference"].partition(":")[2] or value["reference"]
        rows.append([label(value["fid_n"], value["reference_n"], of), value["fid"]])
    rows += [[words[key], value[key]] for key in words if value.get(key) is not None]
    lines = [table(["", ""], rows).strip()] if rows else []
    if value.get("fid_few"):
        lines.append(t(FEW))
    lines += [str(reason) for reason in reasons] + value.get("without", [])
    return "\n".join(lines)
