"""Commands about jobs: what runs in the background, whoever started it, a page or a terminal."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from explorer.cli.apps import jobs_app
from explorer.console import Answer, Json, command, table
from explorer.text import Problem, t

Id = Annotated[str, typer.Argument(help="A job; `jobs list` lists them.")]


def _value(found) -> dict:
    return asdict(found) | {"error": str(found.error) if found.error else None}


@command(jobs_app, "list")
def jobs_list(as_json: Json = False) -> Answer:
    """Every job, the newest first; how far those are that run."""
    from explorer import jobs

    found = jobs.jobs()
    rows = [
        [
            job.id,
            t(jobs.STATES[job.state]),
            "-" if job.progress is None else f"{job.progress:.0%}",
            f"{job.seconds:.0f} s",
            "-" if job.left is None else f"{job.left:.0f} s",
        ]
        for job in found
    ]
    return Answer([_value(job) for job in found], table(["job", "state", "done", "for", "left"], rows))


@command(jobs_app, "show")
def jobs_show(
    name: Id,
    tail: Annotated[int, typer.Option(min=0, max=1000, help="So many lines of its log.")] = 20,
    as_json: Json = False,
) -> Answer:
    """How one job stands, and what it said last."""
    from explorer import jobs

    found = jobs.status(name)
    value = _value(found) | {"log": jobs.logs(name, tail), "result": jobs.result(name)}
    lines = [f"{found.id}: {t(jobs.STATES[found.state])}"]
    lines += [value["error"]] if value["error"] else []
    return Answer(value, "\n".join([*lines, "", *value["log"]]))


@command(jobs_app, "submit")
def jobs_submit(
    words: Annotated[
        list[str], typer.Argument(help="A command as it follows `python -m explorer`, after two dashes.")
    ],
    device: Annotated[
        str, typer.Option(help="cpu, cuda or mps: then it takes turns with the other jobs there.")
    ] = "",
    as_json: Json = False,
) -> Answer:
    """Run a command in the background: `jobs submit --device cpu -- train --model lenet --data digits`."""
    from explorer import jobs
    from explorer.device import DEVICES

    if device and device not in DEVICES[1:]:
        raise Problem(
            "Unknown device {name}; known: {known}.", name=repr(device), known=", ".join(DEVICES[1:])
        )
    job = jobs.submit(words, words[0], device=device)
    return Answer({"job": job}, t("{job} is under way: python -m explorer jobs show {job}", job=job))


@command(jobs_app, "stop")
def jobs_stop(name: Id, as_json: Json = False) -> Answer:
    """End a job: ask it, then tell it, then kill it; the whole of it is gone within ten seconds."""
    from explorer import jobs

    begun = time.monotonic()
    found = jobs.stop(name)
    said = t(
        "{job}: {state} after {s} s",
        job=name,
        state=t(jobs.STATES[found.state]),
        s=f"{time.monotonic() - begun:.1f}",
    )
    return Answer(_value(found), said, 1 if found.live else 0)


@command(jobs_app, "resume")
def jobs_resume(name: Id, as_json: Json = False) -> Answer:
    """Ask again for what an ended job was asked for; a training goes on where it was."""
    from explorer import jobs

    again = jobs.resume(name)
    return Answer({"job": again}, t("{job} is under way: python -m explorer jobs show {job}", job=again))


@command(jobs_app, "delete")
def jobs_delete(name: Id, as_json: Json = False) -> Answer:
    """Forget a job that has ended; what it made stays."""
    from explorer import jobs

    jobs.delete(name)
    return Answer({"deleted": name}, t("{job} is forgotten.", job=name))
