"""The report as a browser has it, offline: nothing asked for, Korean in its own typeface, nothing cut on paper."""

import re
from pathlib import Path

import pytest

from explorer.story import report
from explorer.story.canvas import Figure
from explorer.story.steps import WORDS, Step, Story
from explorer.text import set_language
from explorer.views import pictures
from tests.story.test_still import CHART, small

PAPER = {"width": 1017, "height": 702}  # of A4 lying within the margins, in CSS pixels
STEPS = 3


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in Korean, every word as long as allowed: a wide chart, a small picture, a square chart."""
    longest = {
        kind: dict.fromkeys(("en", "ko"), ("많은 글자를 쓰는 낱말 " * most)[:most].strip())
        for kind, most in WORDS.items()
    }
    steps = [
        Step(k, **longest, page="explain", query={"model": "cifar10-fastnet", "sample": "cat"})
        for k in range(1, STEPS + 1)
    ]
    said, evidence = (
        "여기에 없어서 보고된 수치를 대신 보입니다. " * 4,
        "cifar10, test, n = 10,000 · 단일 뷰 · " * 6,
    )
    shown = {
        1: (Figure(chart=CHART, evidence=evidence, alt="막대"), said),
        2: (Figure(image=pictures.enlarge(small(), 1), evidence=evidence, alt="그림", smooth=False), said),
        3: (Figure(chart={**CHART, "width": 500, "height": 500}, evidence=evidence, alt="막대"), said),
    }
    path = tmp_path_factory.mktemp("report") / "report.html"
    story = Story("longest", longest["headline"], longest["sentence"], tuple(steps))
    path.write_text(report.report(story, shown, "ko"), encoding="utf-8")
    set_language("en")
    return path


@pytest.mark.slow
def test_it_asks_for_nothing_and_reads_in_its_own_typeface(written: Path, browser_page) -> None:
    asked, said = [], []
    browser_page.context.set_offline(True)
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("console", lambda message: said.append(message.text))
    browser_page.goto(written.as_uri())
    browser_page.wait_for_function("document.fonts.status == 'loaded'")
    assert [url for url in asked if not url.startswith("data:")] == [written.as_uri()] and said == []
    assert browser_page.evaluate("document.fonts.check('700 20px Pretendard', '모델')")
    faces = browser_page.evaluate("[...document.fonts].map(face => face.family + face.status)")
    assert faces == ["Pretendardloaded"] * 2
    width = browser_page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280
    ground = "getComputedStyle(document.body).backgroundColor"
    assert browser_page.evaluate(ground) == "rgb(251, 250, 247)"
    browser_page.emulate_media(color_scheme="dark")
    assert browser_page.evaluate(ground) == "rgb(20, 22, 26)"


@pytest.mark.slow
def test_it_fits_a_phone(written: Path, browser_page) -> None:
    browser_page.set_viewport_size({"width": 360, "height": 740})
    browser_page.goto(written.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
def test_on_paper_no_step_is_cut(written: Path, browser_page) -> None:
    browser_page.set_viewport_size(PAPER)
    browser_page.emulate_media(media="print", color_scheme="dark")
    browser_page.goto(written.as_uri())
    browser_page.wait_for_function("document.fonts.status == 'loaded'")
    sheets = browser_page.evaluate(
        "[...document.querySelectorAll('.sheet')].map(sheet => sheet.offsetHeight)"
    )
    assert len(sheets) == STEPS and max(sheets) <= PAPER["height"], sheets
    figures = browser_page.evaluate(
        "[...document.querySelectorAll('figure svg, figure img')].map(e => [e.clientWidth, e.clientHeight])"
    )
    assert all(width > 250 and height > 250 for width, height in figures), figures
    assert (
        browser_page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')")
        == "#141619"
    )
    paper = browser_page.pdf(prefer_css_page_size=True, print_background=True)
    pages = re.findall(rb"/Type\s*/Page\b", paper)
    # the first, a sheet a step and another for notes of 2,000 letters, what it rests on
    assert STEPS + 2 <= len(pages) <= 2 * STEPS + 2
    assert b"/MediaBox [0 0 841" in paper, "A4 lying"
