"""The laws of papers.toml: every model has its paper, in both languages, told shortly, with an address that can be;
what else has one is named by a step of a talk."""

import copy
import datetime
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer import models, papers, text
from explorer.story import steps
from explorer.text import LANGUAGES
from explorer.ui import telling

WORDS = {"aim": 220, "result": 260, "here": 260}  # field -> most letters in a language
POINT, POINTS, KEYWORDS, KEYWORD = 460, range(2, 6), range(3, 7), 30
ARXIV = re.compile(r"(\d\d)(0[1-9]|1[0-2])\.(\d{4,5})")


def words_faults(where: str, value: Any, most: int) -> list[str]:
    """What is wrong with words that should be there in every language."""
    if not isinstance(value, dict) or value.keys() != LANGUAGES.keys():
        return [f"{where}: not in every language"]
    found = [
        f"{where}: empty or long in {code}"
        for code, words in value.items()
        if not 0 < len(words.strip()) <= most
    ]
    if not re.search(r"[가-힣]", value["ko"]) and value["ko"] == value["en"]:
        found.append(f"{where}: the Korean is English")
    found += [f"{where}: a formula is not closed" for words in value.values() if words.count("$") % 2]
    return found


def faults(entries: list[dict], known: set[str], named: set[str]) -> list[str]:
    """What in the papers breaks the laws. known: the names of all models;  named: those that steps of talks name"""
    found, told = [], set()
    for entry in entries:
        key = entry["key"]
        told |= set(entry["models"])
        found += [f"{key}: there is no model {name}" for name in entry["models"] if name not in known | named]
        found += [f"{key}: for no model"] if not entry["models"] else []
        for name, most in WORDS.items():
            found += words_faults(f"{key}, {name}", entry[name], most)
        for n, point in enumerate(entry["idea"], 1):
            found += words_faults(f"{key}, point {n}", point, POINT)
        found += [f"{key}: {len(entry['idea'])} points"] if len(entry["idea"]) not in POINTS else []
        keywords = entry["keywords"]
        if keywords.keys() != LANGUAGES.keys() or len({len(one) for one in keywords.values()}) != 1:
            found.append(f"{key}: other keywords in another language")
        found += [
            f"{key}: keyword {word!r}"
            for one in keywords.values()
            for word in one
            if len(one) not in KEYWORDS or not 0 < len(word) <= KEYWORD or re.search(r"[\[\]$:]", word)
        ]
        found += address_faults(entry)
        found += [
            f"{key}, {name}: empty or long"
            for name, most in {"short": 12, "title": 120, "authors": 80, "venue": 40}.items()
            if not 0 < len(entry[name]) <= most
        ]
    found += [f"{name} has no paper" for name in sorted(known - told)]
    keys = [entry["key"] for entry in entries]
    return found + [f"{key} is there twice" for key in set(keys) if keys.count(key) > 1]


def address_faults(entry: dict) -> list[str]:
    """An arXiv id has the form YYMM.number of the month in which the paper first stood there; else there is a URL."""
    key, date = entry["key"], entry["date"]
    try:
        day = datetime.date.fromisoformat(date if len(date) > 7 else f"{date}-01")
    except ValueError:
        return [f"{key}: {date} is no date"]
    if not entry["arxiv"]:
        return [] if entry["url"].startswith("https://") else [f"{key}: no address"]
    form = ARXIV.fullmatch(entry["arxiv"])
    if not form:
        return [f"{key}: {entry['arxiv']} is no arXiv id"]
    near = abs((day.year - 2000 - int(form[1])) * 12 + day.month - int(form[2]))
    # From 2015 on numbers have five digits. A paper of the last days of a month gets the id of the next.
    digits = 5 if int(form[1]) >= 15 else 4
    found = [f"{key}: dated {date}, but arXiv {entry['arxiv']}"] if near > (day.day >= 28) else []
    return found + ([f"{key}: {entry['arxiv']} has another length"] if len(form[3]) != digits else [])


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    return tomllib.loads(Path(papers.__file__).with_suffix(".toml").read_text(encoding="utf-8"))["paper"]


def named_by_talks() -> set[str]:
    told = [
        step for story in steps.stories().values() if isinstance(story, steps.Story) for step in story.steps
    ]
    return {name for step in told for name in telling.models_of(step)}


def test_the_papers_keep_the_laws(entries: list[dict]) -> None:
    assert faults(entries, set(models.MODELS), named_by_talks()) == []


def test_the_steps_of_the_talk_bring_the_papers_that_they_are_about() -> None:
    talk = steps.stories()["seeing"].steps

    def keys(number: int) -> list[str]:
        step = talk[number - 1]
        return [
            paper.key for name in dict.fromkeys(telling.models_of(step)) for paper in papers.of_model(name)
        ]

    assert {"resnet", "efficientnet"} <= set(keys(3))
    assert set(keys(6)) == set(keys(7)) == {"drn", "cam"}
    assert keys(18) == ["fixmatch", "mpl"] and keys(19) == ["fixmatch", "simclr"] and keys(20) == ["mpl"]


PLANTED: list[Callable[[list[dict]], Any]] = [
    lambda all: all.pop(0),
    lambda all: all[1]["models"].clear(),
    lambda all: all[2]["models"].append("resnet9000"),
    lambda all: all[-1]["models"].append("a method of no step"),
    lambda all: all[2]["aim"].pop("ko"),
    lambda all: all[2]["aim"].update(ko=all[2]["aim"]["en"]),
    lambda all: all[2]["result"].update(en=" "),
    lambda all: all[3]["here"].update(en="x" * 261),
    lambda all: all[4]["idea"][0].update(en="a $ b"),
    lambda all: all[4].update(idea=all[4]["idea"][:1]),
    lambda all: all[5]["keywords"]["ko"].pop(),
    lambda all: all[5]["keywords"]["en"].__setitem__(0, "a]b"),
    lambda all: all[5].update(arxiv="1406.26611"),
    lambda all: all[5].update(arxiv="1413.2661"),
    lambda all: all[5].update(arxiv="cs/0001001"),
    lambda all: all[6].update(arxiv="1611.06434"),
    lambda all: all[0].update(url="http://example.org"),
    lambda all: all[7].update(date="2020-13"),
    lambda all: all[7].update(key="dcgan"),
    lambda all: all[7].update(short=""),
]


@pytest.mark.parametrize("n", range(len(PLANTED)))
def test_a_planted_fault_is_caught(entries: list[dict], n: int) -> None:
    spoilt = copy.deepcopy(entries)
    PLANTED[n](spoilt)
    assert faults(spoilt, set(models.MODELS), named_by_talks())


def test_each_model_has_its_papers_the_oldest_first() -> None:
    assert [paper.key for paper in papers.of_model("dcgan")] == ["gan", "dcgan"]
    assert [paper.key for paper in papers.of_model("resnet50")] == ["resnet"]
    assert papers.of_model("no-such-net") == ()
    for name, spec in models.MODELS.items():
        ids = re.findall(r"\d{4}\.\d{4,5}", spec.paper)  # what the net's own line in MODELS says
        assert set(ids) <= {paper.arxiv for paper in papers.of_model(name)}, name


def test_a_card_is_read_in_the_language_of_whoever_reads_it() -> None:
    paper = papers.papers()["resnet"]
    try:
        for code in LANGUAGES:
            text.set_language(code)
            assert paper.say("aim") == paper.aim[code]
            assert paper.say("idea") == [point[code] for point in paper.idea]
            assert paper.say("keywords") == paper.keywords[code]
    finally:
        text.set_language("en")
    assert paper.link == "https://arxiv.org/abs/1512.03385"
    assert papers.papers()["lenet"].link.startswith("https://doi.org/")


def test_the_summaries_points_on_resnet_and_gan_are_there() -> None:
    for code in LANGUAGES:
        residual = " ".join(point[code] for point in papers.papers()["resnet"].idea)
        assert all(
            word in residual for word in ("$H(x) = F(x) + x$", "28.54 %", "25.03 %", "24.52 %", "24.19 %")
        )
        game = " ".join(point[code] for point in papers.papers()["gan"].idea)
        assert all(word in game for word in (r"\min_G \max_D", "$D^*(x) =", "JSD", r"-\log 4"))
