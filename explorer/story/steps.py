"""Story files: story/*.toml, a talk each, as a list of steps in two languages. Read with every field checked.

A file that is broken is reported by file, step and field, and the other stories go on: whoever writes one before a
lecture sees at once what to mend.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer import reported
from explorer.jobs import PROJECT
from explorer.text import LANGUAGES, N_, Problem, language

MOST_BYTES, MOST_STEPS, MOST_STORIES = 256 * 1024, 99, 30
MOST_PROBLEMS, MOST_PARAMETERS = 20, 20
MOST_OPTIONS = 2000  # characters, written out: in so few no table lies too deep in others
# field -> most characters in each language
WORDS = {"part": 60, "headline": 90, "sentence": 260, "note": 2000}
FIELDS = frozenset({*WORDS, "page", "query", "figure", "options", "needs", "reported"})
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
KEY = re.compile(r"[a-z0-9_]{1,40}")
STREAMLIT_S = {"embed", "embed_options"}  # parameters that a link may not carry


@dataclass(frozen=True)
class Step:
    """One step of a talk.

    part: of the talk, given at the step that begins it, carried on to the next ones
    page, query: where the step is live, and how that page is preset; page "" where there is none yet
    figure, options: a name in story.figures.FIGURES, and what it is drawn from
    needs: checkpoints without which the step shows what was reported; reported: keys of reported.toml
    """

    number: int
    headline: dict[str, str]
    sentence: dict[str, str]
    note: dict[str, str]
    part: dict[str, str]
    page: str = ""
    query: dict[str, str] = field(default_factory=dict)
    figure: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()

    def say(self, name: str) -> str:
        """A field in the current language: part, headline, sentence or note."""
        return getattr(self, name)[language()]


@dataclass(frozen=True)
class Story:
    """A talk: name (that of its file), title and one sentence in each language, its steps."""

    name: str
    title: dict[str, str]
    sentence: dict[str, str]
    steps: tuple[Step, ...]

    def say(self, name: str) -> str:
        return getattr(self, name)[language()]


@dataclass(frozen=True)
class Broken:
    """A story file that cannot be told: its name, and everything that is wrong in it."""

    name: str
    problems: tuple[Problem, ...]


def folder() -> Path:
    """Where the stories are: EXPLORER_STORIES, else story/ of the project."""
    return Path(os.environ.get("EXPLORER_STORIES") or PROJECT / "story")


def pages() -> frozenset[str]:
    """The pages that a step can name."""
    return frozenset(path.stem for path in (PROJECT / "pages").glob("*.py"))


def stories(figures: frozenset[str] | None = None) -> dict[str, Story | Broken]:
    """Every story by name, in the order of the files; a broken one says what is wrong with it.

    figures: the figures that a step can name; None: any
    """
    found: dict[str, Story | Broken] = {}
    for path in sorted(folder().glob("*.toml"))[:MOST_STORIES]:
        found[path.stem] = read(path, figures)
    return found


def read(path: Path, figures: frozenset[str] | None = None) -> Story | Broken:
    """One story file. Never raises for what stands in it."""
    check = _Check(path.name, figures)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            most = MOST_BYTES // 1024
            return Broken(path.stem, (Problem("{file} has more than {most} kB.", file=path.name, most=most),))
        content = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        return Broken(
            path.stem, (_unread(N_("{file} cannot be read: {error}"), path, error.strerror or error),)
        )
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number of more than 4,300 digits
        return Broken(path.stem, (_unread(N_("{file} is not a TOML file: {error}"), path, error),))
    story = check.story(path.stem, content)
    return Broken(path.stem, tuple(check.problems)) if check.problems else story


def _unread(template: str, path: Path, error: object) -> Problem:
    return Problem(template, file=path.name, error=str(error)[:200])


class _Check:
    """Walks through a file, collects what is wrong in it, and goes on."""

    def __init__(self, file: str, figures: frozenset[str] | None):
        self.file, self.figures, self.step = file, figures, 0
        self.problems: list[Problem] = []

    def wrong(self, name: str, expected: Problem, came: Any) -> None:
        """Note a field that is not as expected, with what stands there."""
        if came is None:
            came = Problem("nothing")
        else:
            came = _written(came)[:80] or Problem("a value too long to show")
        if self.step:
            place = Problem("{file}, step {n}, field {name}", file=self.file, n=self.step, name=name)
        else:
            place = Problem("{file}, field {name}", file=self.file, name=name)
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(
                Problem(
                    "{place}: expected {expected}; found {came}.",
                    place=place,
                    expected=expected,
                    came=came,
                )
            )

    def story(self, name: str, content: Mapping[str, Any]) -> Story:
        if not NAME.fullmatch(name):
            self.wrong("", Problem("a file name of small letters, digits and hyphens"), name)
        self.known(content, {"title", "sentence", "step"})
        title, sentence = (
            self.words(content, "title", "headline"),
            self.words(content, "sentence", "sentence"),
        )
        steps = content.get("step")
        if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS:
            came = len(steps) if isinstance(steps, list) else steps
            self.wrong("step", Problem("1 to {most} tables [[step]]", most=MOST_STEPS), came)
            return Story(name, title, sentence, ())
        part, made = dict.fromkeys(LANGUAGES, ""), []
        for self.step, entry in enumerate(steps, 1):
            if not isinstance(entry, dict):
                self.wrong("step", Problem("a table"), entry)
                continue
            part = self.words(entry, "part", "part") if "part" in entry else part
            made.append(self.one(entry, part))
        return Story(name, title, sentence, tuple(made))

    def one(self, entry: Mapping[str, Any], part: dict[str, str]) -> Step:
        self.known(entry, FIELDS)
        return Step(
            self.step,
            *(self.words(entry, name, name) for name in ("headline", "sentence", "note")),
            part,
            self.one_of(entry, "page", pages()),
            self.query(entry),
            self.one_of(entry, "figure", self.figures),
            self.options(entry),
            self.names(entry, "needs", None),
            self.names(entry, "reported", frozenset(reported.figures())),
        )

    def known(self, entry: Mapping[str, Any], names: frozenset[str] | set[str]) -> None:
        for name in entry.keys() - names:
            self.wrong(name[:40], Problem("one of the fields {known}", known=", ".join(sorted(names))), name)

    def words(self, entry: Mapping[str, Any], name: str, kind: str) -> dict[str, str]:
        """Words in every language: {en = "…", ko = "…"}."""
        value, most = entry.get(name), WORDS[kind]
        whole = isinstance(value, dict) and value.keys() == LANGUAGES.keys()
        if whole and all(
            isinstance(words, str) and 0 < len(words.strip()) <= most for words in value.values()
        ):
            return {code: words.strip() for code, words in value.items()}
        expected = Problem(
            "words in {languages}, at most {most} letters each", languages=", ".join(LANGUAGES), most=most
        )
        self.wrong(name, expected, value)
        return dict.fromkeys(LANGUAGES, "")

    def one_of(self, entry: Mapping[str, Any], name: str, known: frozenset[str] | None) -> str:
        value = entry.get(name, "")
        if isinstance(value, str) and (
            value == "" or (known is None and NAME.fullmatch(value)) or value in (known or ())
        ):
            return value
        self.wrong(name, Problem("one of {known}", known=", ".join(sorted(known or ()))), value)
        return ""

    def query(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """Parameters of the page's address; numbers and truth as that address has them."""
        value = entry.get("query", {})
        if isinstance(value, dict) and len(value) <= MOST_PARAMETERS:
            found = {key: _in_address(one) for key, one in value.items()}
            if all(
                KEY.fullmatch(key) and key not in STREAMLIT_S and one is not None
                for key, one in found.items()
            ):
                return found
        self.wrong(
            "query", Problem("a table of at most {most} words and numbers", most=MOST_PARAMETERS), value
        )
        return {}

    def options(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        value = entry.get("options", {})
        fits = isinstance(value, dict) and len(value) <= MOST_PARAMETERS
        if fits and 0 < len(_written(value)) <= MOST_OPTIONS:
            return value
        self.wrong(
            "options", Problem("a table of at most {most} words and numbers", most=MOST_PARAMETERS), value
        )
        return {}

    def names(self, entry: Mapping[str, Any], name: str, known: frozenset[str] | None) -> tuple[str, ...]:
        value = entry.get(name, [])

        def right(one: Any) -> bool:
            return isinstance(one, str) and len(one) <= 80 and (known is None or one in known)

        if isinstance(value, list) and len(value) <= MOST_PARAMETERS and all(map(right, value)):
            return tuple(value)
        expected = (
            Problem("a list of checkpoints") if known is None else Problem("a list of keys of reported.toml")
        )
        self.wrong(name, expected, value)
        return ()


def _written(value: Any) -> str:
    """A value as Python writes it; "" where it refuses to: a hex number of thousands of digits, too deep a table."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return ""


def _in_address(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _written(value) or None
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None
