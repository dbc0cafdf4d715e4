"""axe-core over every page: no serious or critical finding, in both themes and both languages."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.harness import PAGES, path_of, settled

TALK = "story?story=seeing&step=4"
MORE = [TALK, "story?story=seeing&step=8", f"{TALK}&notes=1", f"{TALK}&all=1", "story?part=beat",
        "generate?part=draw", "retrieve?part=duel", "evaluate?tab=classes"]  # fmt: skip
GRAVE = ("serious", "critical")
MENDED = '[data-testid="stSidebarNavItems"][role="group"]'  # what ui/document.py does to the navigation


def findings(page) -> list[str]:
    """What axe calls serious or critical, a line each."""
    return [
        f"{found['id']}: {node['target']} {node['html'][:120]} {[any_['message'] for any_ in node['any']][:1]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave(scheme: str, language: str, server, browser) -> None:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=scheme, locale=language
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    found = {}
    for path in [*map(path_of, PAGES), *MORE]:
        page.goto(f"{server.url}/{path}")
        settled(page)
        page.locator(MENDED).wait_for(
            state="attached"
        )  # on a busy machine the component comes after the page
        page.wait_for_timeout(1_000)  # charts are drawn, and what fades in has
        found[path] = findings(page)
    for name, keys in {"papers": ["papers"], "room": ["others", "open-room"]}.items():
        page.goto(f"{server.url}/{TALK}")
        for key in keys:
            settled(page)
            page.locator(f".st-key-{key} button").first.click()
        page.wait_for_timeout(1_000)
        settled(page)
        assert page.locator('[data-testid="stPopoverBody"]').is_visible()
        found[name] = findings(page)
    page.locator(".st-key-close-room button").click()
    settled(page)
    context.close()
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_axe_would_see_a_fault(server, browser_page) -> None:
    browser_page.goto(server.url)
    settled(browser_page)
    browser_page.evaluate(
        "document.querySelector('[data-testid=stMain] p').style.color = '#DDDDDD'; "
        "document.querySelector('[data-testid=stMain]').appendChild(new Image())"
    )
    assert {line.partition(":")[0] for line in findings(browser_page)} >= {"color-contrast", "image-alt"}
