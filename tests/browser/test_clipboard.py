"""The slide on the clipboard: it gets there, and `write` is called within the click, as Safari wants it."""

import pytest
from playwright.sync_api import expect

from tests.browser.harness import settled

SOON = 120_000  # ms, for what a busy machine may take


@pytest.mark.slow
def test_a_slide_is_copied_within_the_click(server, browser_page) -> None:
    browser_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    browser_page.set_default_timeout(SOON)
    browser_page.goto(f"{server.url}/story?story=stranger&step=1")
    settled(browser_page)
    browser_page.get_by_role("button", name="Copy as slide").click()
    copy = browser_page.get_by_role("button", name="Copy", exact=True)
    copy.click()
    expect(browser_page.get_by_text("Copied", exact=True)).to_be_visible(timeout=SOON)
    size = browser_page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read()
        const picture = await createImageBitmap(await item.getType("image/png"))
        return [picture.width, picture.height]
    }""")
    assert size == [1920, 1080]
    at_once = copy.evaluate("""button => {
        let asked = 0
        navigator.clipboard.write = async () => { asked += 1 }
        button.click()
        return asked  // before any promise is settled
    }""")
    assert at_once == 1
