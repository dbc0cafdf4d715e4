"""Typeface, type size and language as the browser has them, and that nothing is asked of other machines."""

import pytest

from tests.browser.harness import PAGES, path_of, settled


def style(page, selector: str, name: str) -> str:
    return page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{name}")


def test_large_type_is_a_switch_in_the_address_that_can_be_taken_back(server, browser_page):
    browser_page.goto(server.url)
    settled(browser_page)
    assert style(browser_page, "html", "fontSize") == "16px"
    browser_page.locator('[data-testid="stSidebar"] label').filter(has_text="Large type").click()
    browser_page.wait_for_function("getComputedStyle(document.documentElement).fontSize == '22px'")
    browser_page.wait_for_url("**large=true*")
    assert (
        browser_page.evaluate("getComputedStyle(document.querySelector('[data-testid=stMain] p')).fontSize")
        == "22px"
    )
    browser_page.locator('[data-testid="stSidebar"] label').filter(has_text="Large type").click()
    browser_page.wait_for_function("getComputedStyle(document.documentElement).fontSize == '16px'")


@pytest.mark.skipif("evaluate" not in PAGES, reason="no Evaluate page yet")
def test_language_and_type_size_stay_from_page_to_page(server, browser_page):
    browser_page.goto(f"{server.url}/?large=true")
    settled(browser_page)
    browser_page.get_by_role("radio", name="한국어").click()
    browser_page.wait_for_function("document.documentElement.lang == 'ko'")
    browser_page.wait_for_url("**lang=ko*")
    browser_page.locator('[data-testid="stSidebarNavLink"][href*="evaluate"]').click()
    browser_page.wait_for_url("**/evaluate*lang=ko*")
    settled(browser_page)
    assert browser_page.evaluate("document.documentElement.lang") == "ko"
    assert style(browser_page, "html", "fontSize") == "22px"
    assert browser_page.locator('[data-testid="stMain"] h1').inner_text() != "Evaluate"


@pytest.mark.parametrize("name", PAGES)
def test_the_typeface_comes_from_here_and_nothing_from_elsewhere(name, server, browser_page):
    asked, fonts = [], {}
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("response", lambda answer: fonts.setdefault(answer.url.rpartition("/")[2], answer.status))
    browser_page.goto(f"{server.url}/{path_of(name)}?lang=ko")
    settled(browser_page)
    browser_page.wait_for_function("document.fonts.status == 'loaded'")
    strangers = [
        url
        for url in asked
        if not url.startswith((server.url, "data:", "blob:", server.url.replace("http", "ws")))
    ]
    assert strangers == []
    assert fonts["Pretendard-Regular.subset.woff2"] == 200 and fonts["Pretendard-Bold.subset.woff2"] == 200
    assert browser_page.evaluate("document.fonts.check('700 20px Pretendard', '모델')")


def test_the_grounds_are_those_of_the_look(server, browser):
    for scheme, ground in [("light", "rgb(251, 250, 247)"), ("dark", "rgb(20, 22, 26)")]:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(server.url)
        settled(page)
        assert (
            page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
            == ground
        )
        context.close()
