"""Commands that set numbers side by side: samplers, conventions of FID, what FID sees, the slides' claims."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reach import allow
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t

if TYPE_CHECKING:
    from explorer.checkpoints import Loaded

OF_DATA = N_("Interrupted; what was computed of the data set is kept.")


@command(
    app,
    "samplers",
    interrupted=N_("Interrupted; what was finished is kept, and the same command goes on from there."),
)
def samplers_command(
    checkpoint: Name,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """A diffusion model drawn with in eight ways: FID of 2,000 pictures and milliseconds each; kept beside it."""
    from explorer import checkpoints, data
    from explorer.analysis import fid, samplers, scores
    from explorer.analysis.inception import Extractor
    from explorer.device import choose

    allow("samplers")
    with _bar(job) as bar:
        loaded = checkpoints.load(checkpoint, device, "generator")
        samplers.check(loaded)
        extractor = Extractor(choose(device))
        target = scores.against(data.load(loaded.card.data, "train"), extractor, bar)
        found = list(samplers.rows(loaded, target, extractor, bar))
    about = samplers.evidence(loaded, target)
    without = _keep(loaded, samplers.FILE, samplers.packed(found, about))
    if not without:
        with suppress(OSError):
            samplers.partial(about, found[0].n).unlink(missing_ok=True)
    rows = [[row.sampler, row.steps, row.guidance, row.fid, row.milliseconds] for row in found]
    named = fid.label(found[0].n, found[0].reference_n, "train")
    lines = [table(["sampler", "steps", "guidance", named, "ms a picture"], rows)]
    lines += _caution(any(row.few for row in found)) + without
    return Answer({"checkpoint": checkpoint} | about | _rows(found, without), "\n".join(lines))


@command(app, "protocols", interrupted=OF_DATA)
def protocols_command(
    checkpoint: Name,
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """The same 5,000 drawn pictures under four conventions of FID: reference and resize; kept beside the weights."""
    from explorer import checkpoints, data
    from explorer.analysis import protocols
    from explorer.device import choose

    allow("protocols")
    with _bar(job) as bar:
        loaded = checkpoints.load(checkpoint, device, "generator")
        sets = [data.load(loaded.card.data, split) for split in ("train", "test")]
        found = protocols.rows(loaded, *sets, str(choose(device)), bar)
    about = protocols.evidence(loaded, *sets)
    without = _keep(loaded, protocols.FILE, protocols.packed(found, about))
    rows = [[*protocols.words(row.protocol, row.m), row.n, row.m, row.fid] for row in found]
    lines = [table(["against", "resize", "n", "m", "FID"], rows)]
    if about["left_out"]:
        lines.append(protocols.left_out_words(about["left_out"]))
    lines += _caution(any(row.few for row in found)) + without
    return Answer({"checkpoint": checkpoint} | about | _rows(found, without), "\n".join(lines))


@command(app, "perturb", interrupted=OF_DATA)
def perturb_command(
    kind: Annotated[str, typer.Argument(help="blur, noise, jpeg, shrink, classes or repeats.")],
    strength: Annotated[float, typer.Argument(help="How much of it; 0 is none, of repeats 1.")],
    data_name: Annotated[str, typer.Option("--data", help="Whose test pictures are spoilt.")] = "cifar10",
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """What FID, KID, precision and recall make of 1,000 test pictures that were spoilt in one way."""
    from explorer import data
    from explorer.analysis import fid, perturbing, scores
    from explorer.analysis.inception import Extractor
    from explorer.device import choose

    allow("perturb")
    strength = perturbing.check(kind, strength)
    pictures, train = (data.load(data_name, split) for split in ("test", "train"))
    perturbing.chosen(pictures.labels, kind, strength)  # too few are refused before the long work
    with _bar(job) as bar:
        extractor = Extractor(choose(device))
        target = scores.against(train, extractor, bar)
        found = perturbing.seen(pictures, kind, strength, target, extractor, bar)
    rows = [[fid.label(found.n, found.reference_n, "train"), found.fid]]
    rows += [[name, getattr(found, name)] for name in ("kid", "precision", "recall", "density", "coverage")]
    return Answer(asdict(found), "\n".join([table(["", ""], rows).strip(), *_caution(found.few)]))


@contextmanager
def _bar(job: Reporter | None) -> Iterator[Bar | None]:
    """The bar of this block; None in the processes of torchrun that are not the first."""
    from explorer.analysis import together

    rank, _ = together.join()
    bar = Bar(job) if rank == 0 else None
    try:
        yield bar
    finally:
        if bar:
            bar.close()


def _keep(loaded: "Loaded", file: str, content: bytes) -> list[str]:
    """Put a file beside the weights, the first process for all. What cannot be kept is told all the same: the sentence
    why, or an empty list."""
    from explorer import checkpoints
    from explorer.analysis import together

    try:
        together.of_first(lambda: checkpoints.add(loaded.card.name, loaded.card, {file: content}))
    except Problem as problem:
        return [str(problem)]
    return []


def _rows(found: list, without: list[str]) -> dict:
    """Rows for JSON, whether they were kept, and if not, why."""
    value = {"rows": [asdict(row) for row in found], "kept": not without}
    return value | ({"without": without} if without else {})


def _caution(few: bool) -> list[str]:
    """The sentence that goes with an FID of few pictures."""
    from explorer.analysis.fid import FEW

    return [t(FEW)] if few else []


@command(app, "claims")
def claims_command(as_json: Json = False) -> Answer:
    """What the course slides say of DCGAN against DDPM, held against the stored scores."""
    from explorer import checkpoints
    from explorer.analysis import claims

    cards = [entry.card for entry in checkpoints.catalogue() if entry.card]
    pairs = claims.pairs(cards)
    if not pairs:
        raise Problem("No pair of a DCGAN and a DDPM on CIFAR-10 has stored scores yet.")
    absent = claims.absent(pairs)
    found, lines = [], [absent] if absent else []
    for dcgan, ddpm, same in pairs:
        lines.append(
            t("{a} and {b}, {how}", a=dcgan.name, b=ddpm.name, how=claims.trained(dcgan, ddpm, same))
        )
        for verdict in claims.verdicts(dcgan, ddpm, same):
            found.append(asdict(verdict))
            figures = ", ".join(
                f"{t(claims.LABELS[name])} {a:.3g} : {b:.3g}" for name, (a, b) in verdict.figures.items()
            )
            favoured = claims.CLAIMS[verdict.claim].winner.upper()
            said = f"{t(claims.CLAIMS[verdict.claim].text)}: {t(claims.WORDS[verdict.verdict])}"
            lines.append(f"  {said} ({favoured} first: {figures})")
    return Answer(found, "\n".join(lines))
