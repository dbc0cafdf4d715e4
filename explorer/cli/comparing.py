"""Commands that set numbers side by side: samplers, conventions of FID, what FID sees, the slides' claims."""

import sys
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

KEPT = N_("Interrupted; nothing was kept.")


@command(app, "samplers", interrupted=KEPT)
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
    loaded = checkpoints.load(checkpoint, device, "generator")
    samplers.check(loaded)
    bar = Bar(job)
    try:
        extractor = Extractor(choose(device))
        target = scores.against(data.load(loaded.card.data, "train"), extractor, bar)
        found = list(samplers.rows(loaded, target, extractor, bar))
    finally:
        bar.close()
    about = _about(loaded)
    _keep(loaded, samplers.FILE, samplers.packed(found, about))
    rows = [[row.sampler, row.steps, row.guidance, row.fid, row.milliseconds] for row in found]
    named = fid.label(found[0].n, found[0].reference_n, "train")
    listed = table(["sampler", "steps", "guidance", named, "ms a picture"], rows)
    return Answer({"checkpoint": checkpoint} | about | {"rows": [asdict(row) for row in found]}, listed)


@command(app, "protocols", interrupted=KEPT)
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
    loaded = checkpoints.load(checkpoint, device, "generator")
    sets = [data.load(loaded.card.data, split) for split in ("train", "test")]
    bar = Bar(job)
    try:
        found = protocols.rows(loaded, *sets, str(choose(device)), bar)
    finally:
        bar.close()
    about = _about(loaded)
    _keep(loaded, protocols.FILE, protocols.packed(found, about))
    rows = [[*map(t, protocols.PROTOCOLS[row.protocol]), row.n, row.m, row.fid] for row in found]
    listed = table(["against", "resize", "n", "m", "FID"], rows)
    return Answer({"checkpoint": checkpoint} | about | {"rows": [asdict(row) for row in found]}, listed)


@command(app, "perturb", interrupted=KEPT)
def perturb_command(
    kind: Annotated[str, typer.Argument(help="blur, noise, jpeg, shrink, classes or repeats.")],
    strength: Annotated[float, typer.Argument(help="How much of it; 0 is none.")],
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
    pictures = data.load(data_name, "test")
    perturbing.check(kind, strength)
    bar = Bar(job)
    try:
        extractor = Extractor(choose(device))
        target = scores.against(data.load(data_name, "train"), extractor, bar)
        found = perturbing.seen(pictures, kind, strength, target, extractor, bar)
    finally:
        bar.close()
    rows = [[fid.label(found.n, found.reference_n, "train"), found.fid]]
    rows += [[name, getattr(found, name)] for name in ("kid", "precision", "recall", "density", "coverage")]
    return Answer(asdict(found), table(["", ""], rows).strip())


def _about(loaded: "Loaded") -> dict:
    """What stored numbers rest on besides their rows."""
    from explorer.device import describe

    return {"device": describe(loaded.device), "checkpoint_sha256": loaded.card.sha256}


def _keep(loaded: "Loaded", file: str, content: bytes) -> None:
    """Put a file beside the weights, unless they were replaced meanwhile."""
    from explorer import checkpoints

    try:  # it took a while: the card is read anew, and what was added beside it meanwhile stays
        card = checkpoints.read_card(loaded.card.name)
        if card.sha256 == loaded.card.sha256:
            checkpoints.update(card.name, card, {file: content})
    except Problem as problem:  # a read-only checkpoint is no reason to lose the numbers
        print(problem, file=sys.stderr)


@command(app, "claims")
def claims_command(as_json: Json = False) -> Answer:
    """What the course slides say of DCGAN against DDPM, held against the stored scores."""
    from explorer import checkpoints
    from explorer.analysis import claims

    cards = [entry.card for entry in checkpoints.catalogue() if entry.card]
    found, lines = [], []
    for dcgan, ddpm, same in claims.pairs(cards):
        lines.append(
            t("{a} and {b}, both in the slides' recipe", a=dcgan.name, b=ddpm.name)
            if same
            else t("{a} and {b}, recipes as their cards say", a=dcgan.name, b=ddpm.name)
        )
        for verdict in claims.verdicts(dcgan, ddpm, same):
            found.append(asdict(verdict))
            figures = ", ".join(
                f"{t(claims.LABELS[name])} {a:.3g} : {b:.3g}" for name, (a, b) in verdict.figures.items()
            )
            favoured = claims.CLAIMS[verdict.claim].winner.upper()
            said = f"{t(claims.CLAIMS[verdict.claim].text)}: {t(claims.WORDS[verdict.verdict])}"
            lines.append(f"  {said} ({favoured} first: {figures})")
    if not lines:
        raise Problem("No pair of a DCGAN and a DDPM on CIFAR-10 has stored scores yet.")
    return Answer(found, "\n".join(lines))
