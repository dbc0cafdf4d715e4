"""The report: one file that asks for nothing, in which words stay words, whatever a story file says."""

import re
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from explorer.story import report
from explorer.story.canvas import Figure
from explorer.story.steps import Step, Story
from explorer.text import language, set_language
from explorer.views import pictures
from tests.story.test_still import CHART, small

VOID = {"meta", "img", "br", "hr", "link", "input"}
HOSTILE = [
    "<script>alert(1)</script>", "</style><style>body{display:none}", "</title></head>", "\" onload=\"alert(1)",
    "' x='", "&lt;b&gt; & &amp;", "<!-- ", "]]>", "<img src=http://a.example/x>", "url(http://a.example)",
    "{0} {name} %s", "</svg>",
]  # fmt: skip
DAY = date(2026, 1, 2)


@dataclass
class Page(HTMLParser):
    """What a file consists of: tags in their order, attributes, words by the tag they stand in."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> str:
        """All words that stand in tags of this name."""
        return " ".join(words for where, words in self.words if where == tag)


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == [], "every tag is closed"
    return page


def told(words: str = "Words", korean: str = "낱말", steps: int = 3) -> Story:
    both = {"en": words, "ko": korean}
    one = lambda k: Step(  # noqa: E731
        k, both, both, {"en": f"{words}\n\nSecond line", "ko": korean}, both,
        page="explain", query={"model": words}, figure="accuracy", needs=("digits-fastnet",),
        reported=("accuracy.resnet18",),
    )  # fmt: skip
    return Story("talk", both, both, tuple(one(k) for k in range(1, steps + 1)))


def shown(words: str = "Words") -> dict:
    """A chart, a small picture, and another chart with something to be said of it."""
    chart = {**CHART, "title": {"text": [words]}}
    image = pictures.enlarge(small(), 1)
    return {
        1: (Figure(chart=chart, evidence=words, alt=words), ""),
        2: (Figure(image=image, evidence=words, alt=words, smooth=False), ""),
        3: (Figure(chart=chart, evidence=words, alt=words), words),
    }


@pytest.fixture(scope="module")
def plain() -> str:
    return report.report(told(), shown(), "en", DAY)


@pytest.fixture(scope="module")
def korean() -> str:
    return report.report(told(), shown("고양이"), "ko", DAY)


def test_it_is_a_whole_document_with_title_headings_and_contents(plain: str) -> None:
    page = read(plain)
    assert plain.startswith("<!DOCTYPE html>") and ("html", "lang", "en") in page.attributes
    assert page.of("title") == page.of("h1") == "Words"
    assert page.tags.count("h1") == 1 and page.tags.count("section") == page.tags.count("figure") == 3
    assert page.tags.index("h1") < page.tags.index("h2") < page.tags.index("h3")
    targets = {value for _, name, value in page.attributes if name == "id"}
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == ["#step-1", "#step-2", "#step-3"] and {link[1:] for link in links} <= targets
    assert "2026-01-02" in plain and "Model Explorer 0." in plain
    assert "Second line" in page.of("p"), "the notes of the speaker"


def test_it_says_what_it_rests_on(plain: str) -> None:
    listed = read(plain).of("li")
    assert re.search(r"digits-fastnet: weights [0-9a-f]{12}, digits [0-9a-f]{12}", listed)
    assert "accuracy.resnet18, reported: slides 1.2" in listed


def test_nothing_is_asked_of_anybody(plain: str, korean: str) -> None:
    for text in (plain, korean):
        page = read(text)
        assert "script" not in page.tags and "link" not in page.tags and "http:" not in text
        assert "https:" not in text and "//" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        for tag, name, value in page.attributes:
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                assert value.startswith("data:") or (tag == "a" and value.startswith("#")), value[:50]
        assert all(found.startswith(("data:", "#")) for found in re.findall(r"url\(['\"]?([^)]{0,9})", text))
        assert "@import" not in text


def test_a_chart_is_there_as_words_and_has_a_text_for_who_cannot_see_it(korean: str) -> None:
    page = read(korean)
    assert page.tags.count("svg") == 2 and "고양이" in page.of("text")
    assert [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")] == [
        "고양이"
    ] * 2
    assert [value for tag, name, value in page.attributes if (tag, name) == ("svg", "role")] == ["img"] * 2
    assert ("img", "alt", "고양이") in page.attributes


def test_charts_do_not_share_names(plain: str) -> None:
    """Each chart begins to count its clips anew; the first of a name would cut them all."""
    names = [value for _, name, value in read(plain).attributes if name == "id"]
    assert len(names) == len(set(names))
    used = set(re.findall(r"url\(#([^)]*)\)", plain))
    assert used <= set(names)


def test_a_small_picture_is_shown_in_whole_multiples_and_sharp(plain: str) -> None:
    found = {name: value for tag, name, value in read(plain).attributes if tag == "img"}
    assert (found["width"], found["height"], found["class"]) == ("352", "352", "sharp")
    assert ".sharp { image-rendering: pixelated; }" in plain


def test_it_is_korean_when_asked_and_the_session_stays_as_it_was(korean: str) -> None:
    set_language("en")
    text = report.report(told(steps=1), {}, "ko", DAY)
    assert language() == "en"
    assert '<html lang="ko">' in text and "낱말" in read(text).of("h2") and "낱말" in read(korean).of("h1")
    faces = re.findall(r"url\(data:font/woff2;base64,(\w{6})", text)
    assert len(faces) == 2 and set(faces) == {"d09GMg"}, "wOF2: the typeface is inside, regular and bold"
    set_language("ko")
    assert '<html lang="ko">' in report.report(told(steps=1), {}, day=DAY)
    set_language("en")


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_stay_words(words: str) -> None:
    """The same tags in the same order as with harmless words, and the words to be read as they are."""
    tame = read(report.report(told("Words", "Words"), _without_charts("Words"), "en", DAY))
    page = read(report.report(told(words, words), _without_charts(words), "en", DAY))
    assert page.tags == tame.tags
    assert [(tag, name) for tag, name, _ in page.attributes] == [
        (tag, name) for tag, name, _ in tame.attributes
    ]
    assert words in page.of("h1") and words in page.of("title") and words in page.of("figcaption")
    assert words in page.of("h3") and ("img", "alt", words) in page.attributes


def _without_charts(words: str) -> dict:
    image = pictures.enlarge(np.zeros((3, 4, 4), np.uint8), 1)
    return {k: (Figure(image=image, evidence=words, alt=words), words) for k in (1, 2, 3)}


def test_hostile_words_in_a_chart_stay_words(plain: str) -> None:
    words = " ".join(HOSTILE)
    page = read(report.report(told(), shown(words), "en", DAY))
    assert page.tags == read(plain).tags
    assert "<script>alert(1)</script>" in page.of("text")
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_a_chart_that_links_or_loads_loses_that_and_no_more() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" class="marks" width="20" height="10"><a xlink:href="http://a.example">'
        '<image href="data:image/png;base64,AA==" id="x"/><use xlink:href="#x"/><g clip-path="url(#x)"/>'
        '<text aria-label="a &gt; b"> id="x" role="y"</text></a></svg>'
    )
    assert report._inline(svg, "s1-", 'a "b"') == (
        '<svg role="img" aria-label="a &quot;b&quot;" width="760" height="380" viewBox="0 0 20 10"><a>'
        '<image href="data:image/png;base64,AA==" id="s1-x"/><use xlink:href="#s1-x"/><g clip-path="url(#s1-x)"/>'
        '<text> id="x" role="y"</text></a></svg>'
    )


def test_what_is_missing_shows_what_was_reported_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "shown", lambda step: (None, f"{step.number} is not here <b>."))
    page = read(report.report(told(), None, "en", DAY))
    assert "figure" not in page.tags and "2 is not here <b>." in page.of("p")


def test_a_chart_that_cannot_be_drawn_is_a_sentence_and_the_rest_is_there() -> None:
    broken = Figure(chart={"mark": "nothing"}, alt="a", evidence="b")
    page = read(report.report(told(), {**shown(), 1: (broken, "")}, "en", DAY))
    assert "This chart cannot be drawn" in page.of("p") and page.tags.count("svg") == 1


def test_a_checkpoint_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert "digits-fastnet" in read(report.report(told(), {}, "en", DAY)).of("li")
