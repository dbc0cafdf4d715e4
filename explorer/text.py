"""Sentences in English and Korean. The English sentence is the key; the Korean one stands in ko.toml.

`t("n = {n} pictures", n=500)` gives the sentence in the language of the current session. An error carries its template
and its values, so that it can be read in any language wherever it is shown.
"""

import tomllib
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "ko": "한국어"}
_language: ContextVar[str | None] = ContextVar("language", default=None)
_ask: Callable[[], str] = lambda: "en"  # noqa: E731 (replaced by `ask_language_of`)


@cache
def catalogue() -> dict[str, str]:
    """The Korean sentence for each English one."""
    return tomllib.loads((Path(__file__).parent / "ko.toml").read_text(encoding="utf-8"))


def set_language(code: str) -> None:
    """Use this language from here on in the current context; an unknown code means English."""
    _language.set(code if code in LANGUAGES else "en")


def ask_language_of(source: Callable[[], str]) -> None:
    """Where nothing has set a language, ask `source` for its code.

    The app answers here with the language of the session: callbacks and fragments run before, or without, the frame
    that would set one.
    """
    global _ask
    _ask = source


def language() -> str:
    """The language code in use: "en" or "ko"."""
    code = _language.get() or _ask()
    return code if code in LANGUAGES else "en"


def t(template: str, /, **values: object) -> str:
    """The sentence in the current language, its {fields} filled with `values`. Without a translation: in English."""
    sentence = catalogue().get(template, template) if language() == "ko" else template
    return sentence.format(**values) if values else sentence


def N_(template: str) -> str:
    """Mark a sentence in a table for the catalogue (gettext's name); it is translated where `t(sentence)` shows it."""
    return template


class Problem(Exception):
    """What went wrong, in one sentence for the person: what was expected, what came, what to do."""

    def __init__(self, template: str, /, **values: object):
        super().__init__(template, values)
        self.template, self.values = template, values

    def __str__(self) -> str:
        return t(self.template, **self.values)


class Hopeless(Problem):
    """It was tried, and with these settings it cannot be done; with others it may."""


class Missing(Problem):
    """Something is not here yet but can be fetched or made: a data set, weights, stored predictions."""
