"""Commands about generators: draw pictures, score pictures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.console import Answer, Bar, Device, Json, command
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t

DRAWING = N_("Drawing (network evaluations)")
Sampler = Annotated[
    str | None, typer.Option(help="ddim, dpm or ddpm; without it that of the stored scores. Diffusion only.")
]
Steps = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Network evaluations a picture. Diffusion only.")
]
Guidance = Annotated[
    float | None, typer.Option(help="w in u + w (c - u): 1 is plain conditional. Diffusion only.")
]


@command(app, "sample", interrupted=N_("Interrupted; nothing was written."))
def sample_command(
    checkpoint: Name,
    out: Annotated[Path, typer.Option(help="An .npz file or a new folder of PNGs.")],
    n: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many pictures.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; picture k has seed + k.")] = 0,
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
    from explorer.analysis import sampling, together
    from explorer.data.drawn import check_target, write_drawn

    check_target(out)
    rank, world = together.join()
    loaded = checkpoints.load(checkpoint, device)
    options = sampling.options_for(loaded, sampler, steps, guidance)
    wanted = None if class_ is None else class_number(loaded.card.classes, class_)
    seeds = np.arange(seed, seed + n)[rank::world]
    bar = Bar(job if rank == 0 else None)
    try:
        found = sampling.draw(
            loaded, seeds, wanted, on_step=lambda done, total: bar(done, total, DRAWING), **options
        )
    finally:
        bar.close()
    images, seeds, labels = (together.gathered(part) for part in (found.images, found.seeds, found.labels))
    value = found.how | {"n": n, "seed": seed, "class": wanted, "path": str(out)}
    value["milliseconds"] = round(found.milliseconds / world, 3)
    if rank == 0:
        write_drawn(out, images, seeds, labels, value)
    said = t(
        "{path}: {n} pictures, seeds {first} to {last}, {ms} ms each",
        path=out,
        n=f"{n:,}",
        first=seed,
        last=seed + n - 1,
        ms=f"{value['milliseconds']:.1f}",
    )
    return Answer(value, said)


def class_number(classes: tuple[str, ...], text: str) -> int:
    """The number of a class given by name or number; Problem that lists the known ones."""
    if text in classes:
        return classes.index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise Problem("Unknown class {name}; known: {known}.", name=repr(text[:80]), known=", ".join(classes))
