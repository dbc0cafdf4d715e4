"""Every sentence that the product shows has a Korean one with the same fields."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import checkpoints, reported, text
from explorer.text import N_, Missing, Problem, t

ROOT = Path(__file__).resolve().parent.parent
SHOWN = {"t", "N_", "Problem", "Missing", "Hopeless"}
SOURCES = [
    ROOT / "app.py",
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted((ROOT / "explorer").rglob("*.py")),
]


def subclasses(sources: list[str]) -> set[str]:
    """Names of the classes that are made from Problem, at any remove: their first argument is a sentence as well."""
    known = {"Problem"}
    trees = [ast.parse(source) for source in sources]
    for _ in range(4):
        for tree in trees:
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.ClassDef)
                    and {getattr(base, "id", "") for base in node.bases} & known
                ):
                    known.add(node.name)
    return known


def sentences(source: str, shown: set[str] = SHOWN) -> Iterator[tuple[int, str | None]]:
    """(line, sentence) of every t(), N_(), Problem() and Missing(); None where a Problem has no literal sentence."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in shown:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield node.lineno, first.value
                elif isinstance(first, ast.JoinedStr):
                    yield node.lineno, None  # an f-string can have no translation


def fields(sentence: str) -> set[str]:
    return {
        name.partition(".")[0].partition("[")[0]
        for _, name, _, _ in string.Formatter().parse(sentence)
        if name is not None
    }


def faults(source: str, korean: dict[str, str], shown: set[str] = SHOWN) -> list[str]:
    """What is missing or differs, one line each."""
    found = []
    for line, sentence in sentences(source, shown):
        if sentence is None:
            found.append(f"line {line}: an f-string instead of a sentence with fields")
        elif sentence not in korean:
            found.append(f"line {line}: no Korean for {sentence!r}")
        elif fields(sentence) != fields(korean[sentence]):
            found.append(f"line {line}: other fields in {korean[sentence]!r} than in {sentence!r}")
    return found


@pytest.fixture(scope="module")
def shown() -> set[str]:
    return SHOWN | subclasses([source.read_text(encoding="utf-8") for source in SOURCES])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_has_a_korean_one(path: Path, shown: set[str]) -> None:
    assert faults(path.read_text(encoding="utf-8"), text.catalogue(), shown) == []


def test_every_reported_figure_has_korean_words() -> None:
    words = {
        word for figure in reported.figures().values() for word in (figure.unit, figure.why, figure.source)
    }
    assert sorted(word for word in words if word not in text.catalogue()) == []


def literals(value: object) -> Iterator[str]:
    """All texts in nested lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from literals(part)


def test_no_korean_sentence_is_left_over() -> None:
    said = {
        node.value
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for path in (ROOT / "explorer").glob("*.toml"):
        if path.name != "ko.toml":
            said |= {*literals(tomllib.loads(path.read_text(encoding="utf-8")))}
    said |= {entry.card.purpose for entry in checkpoints.catalogue() if entry.card}
    assert sorted(text.catalogue().keys() - said) == []


def test_the_korean_sentences_are_korean() -> None:
    """A sentence copied over in English would pass the other tests; names, numbers and symbols may stay."""
    same = [key for key, value in text.catalogue().items() if key == value]
    words = {key: re.findall(r"[A-Za-z]{2,}", re.sub(r"\{[^}]*\}", "", key)) for key in same}
    assert [key for key in same if len(words[key]) > 2] == []


@pytest.mark.parametrize(
    "planted",
    [
        't("Nobody has translated this.")',
        'raise Problem("Nobody has translated {this}.", this=1)',
        'Missing("Nobody has translated this.")',
        'x = N_("Nobody has translated this.")',
        't("known {field}", field=1)',
        't(f"known {field}")',
        'raise Own("Nobody has translated this.")\nclass Own(Missing): pass',
    ],
)
def test_a_planted_fault_is_caught(planted: str) -> None:
    korean = {"known {field}": "다른 {칸}"}
    assert len(faults(planted, korean, SHOWN | subclasses(["class Missing(Problem): pass", planted]))) == 1


def test_a_problem_is_read_in_the_language_of_whoever_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "catalogue", lambda: {"{n} pictures": "사진 {n}장"})
    problem = Problem("{n} pictures", n=3)
    text.set_language("ko")
    try:
        assert str(problem) == "사진 3장"
        assert t("not in the catalogue {n}", n=1) == "not in the catalogue 1"
        text.set_language("xx")
        assert str(problem) == "3 pictures"
    finally:
        text.set_language("en")
    assert isinstance(Missing("x"), Problem)
    assert N_("x") == "x"


def test_without_a_language_set_the_session_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextvars

    monkeypatch.setattr(text, "_ask", lambda: "ko")
    assert contextvars.Context().run(text.language) == "ko"
    monkeypatch.setattr(text, "_ask", lambda: "klingon")
    assert contextvars.Context().run(text.language) == "en"
