"""Commands about talks: which there are, whether their files are right, a step as a picture, a talk as one file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer import files
from explorer.cli.apps import story_app
from explorer.console import Answer, Bar, Json, command, table
from explorer.reach import allow
from explorer.reporter import Reporter
from explorer.text import LANGUAGES, N_, Missing, Problem, language, set_language, t

if TYPE_CHECKING:
    from explorer.story.steps import Broken, Story

STEPS = N_("Drawing the steps")
Talk = Annotated[str, typer.Argument(help="The name of a talk; `story list` lists them.")]
Lang = Annotated[str, typer.Option("--lang", help="en or ko; without it that of EXPLORER_LANG.")]


@command(story_app, "list")
def list_command(as_json: Json = False) -> Answer:
    """The talks in story/, or where EXPLORER_STORIES says."""
    from explorer.story.steps import folder

    found = _stories()
    value = [
        {"name": name, "problems": [str(problem) for problem in story.problems]}
        if _broken(story)
        else {"name": name, "title": story.say("title"), "steps": len(story.steps)}
        for name, story in found.items()
    ]
    rows = [
        [each["name"], each.get("steps", "-"), each.get("title") or t("cannot be told: story check says why")]
        for each in value
    ]
    said = (
        table([t("talk"), t("number of steps"), t("title")], rows)
        if rows
        else t("No talk in {folder}.", folder=folder())
    )
    return Answer(value, said)


@command(story_app, "check")
def check_command(
    file: Annotated[Path | None, typer.Argument(help="A story file; without it all that are there.")] = None,
    as_json: Json = False,
) -> Answer:
    """Read story files, draw every figure, say what is wrong by file, step and field; exit status 1 when something is.

    What is no fault is told too: figures for which something is not here, letters that the typeface lacks.
    """
    from explorer.story import figures, steps

    known = frozenset(figures.FIGURES)
    if file is not None and not file.is_file():
        raise Problem("There is no file {path}.", path=file)
    found = steps.stories(known) if file is None else {file.stem: steps.read(file, known)}
    value, lines = {}, []
    for name, story in found.items():
        wrong, told = ([str(each) for each in story.problems], []) if _broken(story) else _tried(story)
        value[name] = {"wrong": wrong, "told": told}
        lines += wrong or [t("{name}: {n} steps, nothing is wrong.", name=name, n=len(story.steps))]
        lines += [f"  {line}" for line in told]
    lines = lines or [t("No talk in {folder}.", folder=steps.folder())]
    return Answer(value, "\n".join(lines), int(any(of["wrong"] for of in value.values())))


@command(story_app, "slide")
def slide_command(
    name: Talk,
    step: Annotated[int, typer.Argument(help="The number of a step, from 1.")],
    out: Annotated[Path, typer.Option(help="Where to: FILE.png.")],
    dark: Annotated[bool, typer.Option("--dark", help="On dark ground.")] = False,
    lang: Lang = "",
    as_json: Json = False,
) -> Answer:
    """A step as one picture, 1920 x 1080: its words, its figure, and what that rests on."""
    from explorer.story import draw, figures, still

    allow("story slide")
    _check_name(out, ".png")
    _speak(lang)
    story = _story(name)
    if not 1 <= step <= len(story.steps):
        raise Problem(
            "{name} has the steps 1 to {most}; there is no step {number}.",
            name=name, most=len(story.steps), number=step,
        )  # fmt: skip
    told = story.steps[step - 1]
    lacking = draw.lacking("".join(told.say(each) for each in ("part", "headline", "sentence")))
    if lacking:
        print(t("The typeface lacks {letters}; a ? stands there.", letters=lacking), file=sys.stderr)
    figure, said = figures.shown(told, dark)
    picture = still.png(told, figure, said, len(story.steps), dark)
    files.write_bytes(out, picture)
    value = {
        "out": str(out),
        "step": step,
        "headline": told.say("headline"),
        "bytes": len(picture),
        "said": said,
    }
    return Answer(value, f"{out}: {told.say('headline')}" + (f"\n{said}" if said else ""))


@command(story_app, "report", interrupted=N_("Interrupted; nothing was written."))
def report_command(
    name: Talk,
    out: Annotated[Path, typer.Option(help="Where to: FILE.html.")],
    lang: Lang = "",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """A whole talk with notes as one HTML file that needs nothing else, to send or to print."""
    from explorer.story import figures, report

    allow("story report")
    _check_name(out, ".html")
    _speak(lang)
    story, shown = _story(name), {}
    bar = Bar(job)
    try:
        for step in story.steps:
            bar(step.number - 1, len(story.steps), STEPS)
            shown[step.number] = figures.shown(step)
    finally:
        bar.close()
    page = report.report(story, shown).encode()
    files.write_bytes(out, page)
    instead = {str(number): said for number, (_, said) in shown.items() if said}
    lines = [
        f"{out}: {story.say('title')}",
        t("{n} steps, {kb} kB", n=len(story.steps), kb=f"{len(page) / 1000:,.0f}"),
    ]
    lines += [t("step {n}: {said}", n=number, said=said) for number, said in instead.items()]
    value = {"out": str(out), "steps": len(story.steps), "bytes": len(page), "said": instead}
    return Answer(value, "\n".join(lines))


def _stories() -> "dict[str, Story | Broken]":
    from explorer.story import figures, steps

    return steps.stories(frozenset(figures.FIGURES))


def _story(name: str) -> "Story":
    found = _stories()
    if name not in found:
        raise Problem(
            "Unknown talk {name}; known: {known}.", name=repr(name[:40]), known=", ".join(found) or "-"
        )
    if _broken(found[name]):
        raise Problem(
            "{name} cannot be told: {problem} (python -m explorer story check says all.)",
            name=name, problem=found[name].problems[0],
        )  # fmt: skip
    return found[name]


def _broken(story: "Story | Broken") -> bool:
    from explorer.story.steps import Broken

    return isinstance(story, Broken)


def _tried(story: "Story") -> tuple[list[str], list[str]]:
    """(what is wrong, what else there is to tell) of the steps of a talk whose file can be read."""
    from explorer.story import draw, figures

    wrong, told, bar = [], [], Bar(None)
    for step in story.steps:
        bar(step.number, len(story.steps), STEPS)
        try:
            if step.figure:
                figures.figure(step)
        except Missing as missing:
            told.append(t("step {n}: {said}", n=step.number, said=missing))
        except Problem as problem:
            place = t(
                "{file}, step {n}, field {name}", file=f"{story.name}.toml", n=step.number, name="figure"
            )
            wrong.append(f"{place}: {problem}")
        words = [text for each in (step.part, step.headline, step.sentence) for text in each.values()]
        letters = draw.lacking("".join(words))
        if letters:
            said = t("The typeface lacks {letters}; a ? stands there.", letters=letters)
            told.append(t("step {n}: {said}", n=step.number, said=said))
    bar.close()
    return wrong, told


def _speak(code: str) -> None:
    if code and code not in LANGUAGES:
        raise Problem(
            "Unknown language {code}; known: {known}.", code=repr(code[:20]), known=", ".join(LANGUAGES)
        )
    set_language(code or language())


def _check_name(out: Path, kind: str) -> None:
    if out.suffix.lower() != kind:
        raise Problem("{out}: expected a name that ends in {known}.", out=out, known=kind)
