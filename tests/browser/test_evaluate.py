"""The Evaluate page in Chromium: clicks on charts, the keyboard, links that restore what was seen, small screens."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import settled
from tests.made_up import made_up_checkpoints

CELL = '[data-testid="stVegaLiteChart"] path[aria-label*="predicted class: {said}; true class: {true};"]'


@pytest.fixture(scope="module")
def address(fresh_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Evaluate page of a server with made-up checkpoints and no data set but the digits and the sheet."""
    own: Path = tmp_path_factory.mktemp("made-up")
    folder = made_up_checkpoints(own / "checkpoints")
    server = fresh_server(EXPLORER_CHECKPOINTS=str(folder), EXPLORER_DATA=str(own / "data"))
    return f"{server.url}/evaluate"


def cell(page, true: str, said: str):
    return page.locator(CELL.format(true=true, said=said)).first


def heading(page) -> str:
    return page.locator('[data-testid="stMarkdown"] strong').first.inner_text()


def test_a_click_on_a_cell_opens_its_pictures_and_the_link_restores_it(browser_page, address: str) -> None:
    browser_page.goto(f"{address}?checkpoint=digits-a")
    cell(browser_page, "3", "5").wait_for()
    settled(browser_page)
    cell(browser_page, "8", "8").click(force=True)
    browser_page.wait_for_url(re.compile("true=8&predicted=8"))
    browser_page.get_by_text("“8” is recognised").wait_for()
    cell(browser_page, "3", "5").click(force=True)  # a second click on the redrawn chart is news as well
    browser_page.wait_for_url(re.compile("true=3&predicted=5"))
    browser_page.get_by_text("“3” is taken for “5”:").wait_for()
    link = browser_page.url
    shown = browser_page.get_by_role("img", name=re.compile(r"^Picture \d+, 3 .*predicted to be 5"))
    count = int(re.search(r": (\d+) of", heading(browser_page))[1])
    expect(shown).to_have_count(count, timeout=30_000)

    browser_page.goto("about:blank")
    browser_page.goto(link)
    browser_page.get_by_text("“3” is taken for “5”:").wait_for()
    expect(shown).to_have_count(count, timeout=30_000)
    assert browser_page.url == link


def test_the_keyboard_reaches_a_cell_and_a_click_a_bin(browser_page, address: str) -> None:
    browser_page.goto(f"{address}?checkpoint=digits-a")
    cell(browser_page, "3", "5").wait_for()
    settled(browser_page)
    for label, name in (("True class", "7"), ("Predicted class", "7")):
        browser_page.get_by_role("combobox", name=label).focus()
        browser_page.keyboard.type(name)
        browser_page.keyboard.press("Enter")
        settled(browser_page)
    browser_page.get_by_text("“7” is recognised").wait_for()
    assert "true=7" in browser_page.url and "predicted=7" in browser_page.url

    browser_page.get_by_role("radio", name="Calibration").click()  # and a click on a bin opens its pictures
    bars = browser_page.locator('[data-testid="stVegaLiteChart"] g.mark-rect.role-mark').last.locator("path")
    bars.first.wait_for()
    settled(browser_page)
    bars.nth(1).click(force=True)
    browser_page.wait_for_url(re.compile(r"tab=calibration&bin=\d+"))
    settled(browser_page)
    said = browser_page.get_by_text(re.compile(r"^\d+ pictures: on average")).inner_text()
    pictures = browser_page.get_by_role("img", name=re.compile("^Picture "))
    expect(pictures).to_have_count(int(said.split()[0]), timeout=30_000)


def test_on_a_phone_nothing_is_too_wide_and_the_tab_outlives_a_change_of_language(
    browser_page, address: str
) -> None:
    browser_page.set_viewport_size({"width": 390, "height": 844})
    browser_page.goto(f"{address}?checkpoint=digits-a&tab=classes&lang=ko")
    browser_page.get_by_role("radio", name="클래스별", checked=True).wait_for()
    browser_page.get_by_text("매크로: 모든 클래스를").wait_for()
    main = browser_page.locator('[data-testid="stMain"]')
    for tab in (None, "보정", "ROC와 PR", "확신한 실수", "두 모델", "혼동 행렬"):
        if tab:
            browser_page.get_by_role("radio", name=tab).click()
            browser_page.get_by_role("radio", name=tab, checked=True).wait_for()
        settled(browser_page)
        assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 0, tab
    assert "tab=" not in browser_page.url  # the first tab is the default


def test_the_files_lie_behind_one_button_that_the_keyboard_opens(browser_page, address: str) -> None:
    browser_page.goto(f"{address}?checkpoint=digits-a")
    cell(browser_page, "3", "5").wait_for()
    settled(browser_page)
    files = browser_page.get_by_role("button", name="Predictions, CSV")
    assert files.count() == 0  # not drawn before they are asked for
    browser_page.get_by_role("button", name="Download", exact=True).press("Enter")
    with browser_page.expect_download() as saved:
        files.click()
    assert saved.value.suggested_filename == "digits-a-test-1.csv"
    assert len(Path(saved.value.path()).read_text().splitlines()) == 1 + 359
