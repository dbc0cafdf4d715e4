"""The Train page in Chromium: from the form to a confusion matrix, stopped, resumed, and used on Predict."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import settled
from tests.made_up import made_up_checkpoints

CELL = '[data-testid="stVegaLiteChart"] path[aria-label*="predicted class"]'
SOON = 240_000  # ms, for what a busy machine may take


@pytest.fixture(scope="module")
def address(fresh_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    own: Path = tmp_path_factory.mktemp("train")
    folder = made_up_checkpoints(own / "checkpoints")
    server = fresh_server(EXPLORER_CHECKPOINTS=str(folder), EXPLORER_DATA=str(own / "data"))
    return f"{server.url}/train"


def bar(page):
    return page.locator('[data-testid="stProgress"]').first


@pytest.mark.slow
def test_from_the_form_to_a_matrix_stopped_resumed_and_used_on_predict(browser_page, address: str) -> None:
    page = browser_page
    page.goto(address)
    settled(page)
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("6")
    epochs.press("Enter")
    settled(page)
    begun = time.monotonic()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile("do=runs&run=digits-fastnet"))
    page.locator(CELL).first.wait_for(timeout=SOON)
    assert time.monotonic() - begun < 120, "from zero to a confusion matrix"

    page.get_by_role("button", name="Stop", exact=True).click()
    resume = page.get_by_role("button", name="Resume")
    resume.wait_for(timeout=SOON)
    expect(bar(page)).to_contain_text("cancelled")
    resume.click()
    expect(bar(page)).to_contain_text("running", timeout=SOON)
    expect(bar(page)).to_contain_text("done", timeout=SOON)

    page.get_by_role("button", name="Put it on the other pages").click()
    page.get_by_role("link", name=re.compile("Predict: digits-fastnet")).click(timeout=SOON)
    page.wait_for_url(re.compile("/predict"))
    settled(page)
    page.get_by_role("button", name="Sample picture: scanned 3").click()
    expect(page.get_by_text(re.compile("scanned 3, .* pixels")).first).to_be_visible()
