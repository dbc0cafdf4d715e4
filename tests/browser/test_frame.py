"""The frame around every page in a real browser: deep links, alt texts, keyboard, languages, phones."""

from urllib.parse import urlsplit

import pytest

from tests.browser.harness import PAGES, path_of, settled


def visible_problems(page) -> list[str]:
    """Exceptions and errors that a person would see."""
    return page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').all_inner_texts()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_first_request_of_a_fresh_server_to_a_deep_link_has_frame_and_page(name, fresh_server, browser_page):
    server = fresh_server()
    browser_page.goto(f"{server.url}/{path_of(name)}")
    settled(browser_page)
    links = browser_page.locator('[data-testid="stSidebarNavLink"]')
    assert links.count() == len(PAGES)
    here = browser_page.locator('[data-testid="stSidebarNavLink"][aria-current="page"]')
    assert urlsplit(here.get_attribute("href")).path.strip("/") == path_of(name)
    browser_page.locator('[data-testid="stSidebar"]').get_by_text("한국어").wait_for(state="visible")
    assert browser_page.locator('[data-testid="stMain"] h1').count() == 1
    assert visible_problems(browser_page) == []
    server.stop()
    assert f"is ready: {server.url} " in server.words()  # what `make run` shows
    assert "Traceback" not in server.words()


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_and_chart_says_what_it_shows(name, server, browser_page):
    browser_page.goto(f"{server.url}/{path_of(name)}")
    settled(browser_page)
    main = browser_page.locator('[data-testid="stMain"]')
    for image in main.locator("img").all():
        assert len(image.get_attribute("alt") or "") > 5, image.evaluate(
            "node => node.outerHTML.slice(0, 300)"
        )
    for kind in ("stVegaLiteChart", "stPlotlyChart", "stDataFrameResizable"):
        for drawn in main.locator(f'[data-testid="{kind}"]').all():
            assert len(drawn.get_attribute("aria-label") or "") > 5, f"a {kind} without alt"
    assert visible_problems(browser_page) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_phone_scrolls_in_one_direction_only(name, language, server, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale=language, is_mobile=True)
    page = context.new_page()
    page.goto(f"{server.url}/{path_of(name)}?lang={language}")
    settled(page)
    wider = page.evaluate(
        """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
                 .map(part => part.scrollWidth - part.clientWidth)"""
    )
    assert max(wider) <= 0, f"{max(wider)} pixels do not fit"
    assert visible_problems(page) == []
    context.close()


def test_the_keyboard_reaches_every_page(server, browser_page):
    browser_page.goto(server.url)
    settled(browser_page)
    reached = []
    for _ in range(60):
        browser_page.keyboard.press("Tab")
        where = browser_page.evaluate("document.activeElement.getAttribute('href')") or ""
        if where.rstrip("/").endswith("/predict") and "predict" in PAGES:
            browser_page.keyboard.press("Enter")
            browser_page.wait_for_url("**/predict*")
            settled(browser_page)
            assert visible_problems(browser_page) == []
            return
        reached.append(where)
    pytest.fail(f"sixty times Tab did not reach the Predict page: {reached}")


def test_language_follows_the_browser_and_the_address(server, browser):
    titles = {}
    for locale, query in [("en-US", ""), ("ko-KR", ""), ("en-US", "?lang=ko"), ("fr-FR", "?lang=xx")]:
        context = browser.new_context(locale=locale)
        page = context.new_page()
        page.goto(f"{server.url}/{query}")
        settled(page)
        titles[locale, query] = page.locator('[data-testid="stSidebarNavLink"]').all_inner_texts()
        context.close()
    assert titles["ko-KR", ""] == titles["en-US", "?lang=ko"] != titles["en-US", ""]
    assert titles["fr-FR", "?lang=xx"] == titles["en-US", ""]
