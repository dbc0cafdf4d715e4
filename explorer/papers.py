"""The papers behind the models: what each wanted, its idea, its own result, in English and Korean."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from explorer.text import language


@dataclass(frozen=True)
class Paper:
    """One entry of papers.toml; fields in words are tables {en, ko}.

    short: what it is called in a word;  date: of its first public version, YYYY-MM or YYYY-MM-DD
    arxiv: its id there, "" where it has none: then `url` is an address;  idea: two to five points, each in words
    result: its own headline figure with the data;  here: how our net differs from the paper's
    models: the names in explorer.models.MODELS that it belongs to
    """

    key: str
    short: str
    title: str
    authors: str
    date: str
    venue: str
    arxiv: str
    url: str
    models: list[str]
    aim: dict[str, str]
    idea: list[dict[str, str]]
    result: dict[str, str]
    keywords: dict[str, list[str]]
    here: dict[str, str]

    @property
    def link(self) -> str:
        """The address of the paper."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else self.url

    def say(self, name: str) -> Any:
        """A field in the current language: aim, result, here, keywords (a list), or idea (the list of its points)."""
        value = getattr(self, name)
        return [each[language()] for each in value] if isinstance(value, list) else value[language()]


@cache
def papers() -> dict[str, Paper]:
    """Every paper, by key, in the order of the file."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {entry["key"]: Paper(**entry) for entry in content["paper"]}


def of_model(name: str) -> tuple[Paper, ...]:
    """The papers that a model of MODELS rests on, the oldest first; none for a name that has none."""
    return tuple(sorted((p for p in papers().values() if name in p.models), key=lambda paper: paper.date))
