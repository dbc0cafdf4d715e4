"""The Explain page in Chromium: from a confusion cell to a map of the same picture, clicks and keys, small screens."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.harness import Server, settled

MODEL = "cifar10-fastnet"
PARTS = ("sum", "methods", "trust", "inside", "data", "dilation")


@pytest.fixture
def page(browser_page):
    browser_page.set_default_timeout(60_000)
    return browser_page


def pressed(page, name: str):
    """The button of a strip that is marked and whose words begin so."""
    return page.locator('button[aria-pressed="true"]').filter(has_text=re.compile(rf"^(✓ )?{name}"))


def test_from_a_cell_over_a_picture_to_its_map_and_back(page, server: Server) -> None:
    page.goto(f"{server.url}/evaluate?checkpoint={MODEL}")
    cell = '[data-testid="stVegaLiteChart"] path[aria-label*="predicted class: dog; true class: cat;"]'
    page.locator(cell).first.wait_for()
    settled(page)
    page.locator(cell).first.click(force=True)
    page.wait_for_url(re.compile("true=cat&predicted=dog"))
    picture = page.get_by_role("button", name=re.compile(r"^Picture [\d,]+, cat .*predicted to be dog"))
    picture.first.wait_for()
    settled(page)
    index = re.search(r"Picture ([\d,]+)", picture.first.get_attribute("aria-label"))[1].replace(",", "")
    picture.first.click()

    page.wait_for_url(re.compile(rf"/explain\?.*index={index}\b"))
    page.get_by_text(f"cifar10, test, picture {index}: cat", exact=True).wait_for()
    settled(page)
    expect(pressed(page, "dog")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("^Map for “cat”"))).to_contain_text("✓ cat")
    shown = page.get_by_role(
        "img", name=f"cifar10, test, picture {index}: cat with the map for “dog” by {MODEL}"
    )
    expect(shown).to_be_visible()
    assert f"model={MODEL}" in page.url and "class=dog" in page.url
    page.go_back()
    page.wait_for_url(re.compile("/evaluate"))


def test_from_a_cell_to_its_mean_maps_and_on_to_one_of_its_pictures(page, server: Server) -> None:
    """Not the commonest mistake, cat for dog, which the page shows where the address names no cell."""
    page.goto(f"{server.url}/evaluate?checkpoint={MODEL}&true=dog&predicted=cat")
    page.get_by_role("link", name="Where does the model look in these?").click()
    page.wait_for_url(re.compile("/explain"))
    page.get_by_role("img", name=re.compile("^Mean map over .* “cat” minus “dog”")).wait_for()
    settled(page)
    page.wait_for_timeout(1000)  # until what Evaluate showed is gone
    assert re.search(r"/explain\?.*true=dog&predicted=cat\b", page.url), page.url
    picture = page.get_by_role("button", name=re.compile(r"^Picture [\d,]+, dog .*predicted to be cat")).first
    index = re.search(r"Picture ([\d,]+)", picture.get_attribute("aria-label"))[1].replace(",", "")
    picture.click()
    page.get_by_text(f"cifar10, test, picture {index}: dog", exact=True).wait_for()
    expect(pressed(page, "cat")).to_have_count(1)


def test_a_click_on_a_number_of_the_map_that_adds_up_chooses_its_cell(page, server: Server) -> None:
    page.goto(f"{server.url}/explain?model={MODEL}&part=sum")
    cell = page.locator('[data-testid="stVegaLiteChart"] path[aria-label*="column: 1; row: 4;"]').first
    cell.wait_for()
    settled(page)
    cell.click(force=True)
    page.wait_for_url(re.compile("cell=4-1"))


def test_a_class_by_mouse_and_by_keyboard_stands_in_the_link(page, server: Server) -> None:
    page.goto(f"{server.url}/explain?model={MODEL}")
    settled(page)
    page.get_by_role("button", name=re.compile("^Map for “airplane”")).click()
    page.wait_for_url(re.compile("class=airplane"))
    expect(pressed(page, "airplane")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Map for “horse”")).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("class=horse"))
    expect(pressed(page, "horse")).to_have_count(1)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(pressed(page, "horse")).to_have_count(1)


def test_an_upload_comes_along_from_predict(page, server: Server) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(out, "PNG")
    page.goto(f"{server.url}/predict?model={MODEL}")
    settled(page)
    page.locator('[data-testid="stFileUploaderDropzoneInput"], input[type="file"]').first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()}
    )
    page.get_by_text("mine.png, 300 x 200 pixels").wait_for()
    settled(page)
    page.get_by_role("link", name=re.compile("Where does it see that")).click()
    page.wait_for_url(re.compile("/explain"))
    page.get_by_role("img", name=re.compile("^mine.png with the map for")).wait_for()
    settled(page)
    page.get_by_role("button", name=re.compile("^Sample picture: ship$")).click()
    page.get_by_role("img", name=re.compile("^ship with the map for")).wait_for()


def test_an_upload_stays_on_the_way_over_other_pages_until_it_is_taken_out(page, server: Server) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(out, "PNG")
    page.goto(f"{server.url}/explain?model={MODEL}&model=cifar10-resnet18")
    settled(page)
    zone = page.locator('[data-testid="stFileUploaderDropzoneInput"], input[type="file"]').first
    zone.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    mine = page.get_by_role("img", name=re.compile("^mine.png with the map for")).first
    mine.wait_for()
    for title in ("Retrieve", "Evaluate", "Predict"):  # Retrieve chooses one model where Explain has two
        page.get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(re.compile(f"/{title.lower()}[?]?"))
        settled(page)
        failed = page.locator('[data-testid="stAlertContentError"], [data-testid="stException"]')
        assert failed.all_inner_texts() == [], title
    page.get_by_role("link", name="Explain", exact=True).click()
    mine.wait_for()
    zone.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    page.get_by_test_id("stFileChipDeleteBtn").get_by_role("button").first.click()
    page.get_by_role("img", name=re.compile("^dog with the map for")).first.wait_for()


def test_a_long_map_can_be_cancelled(page, server: Server) -> None:
    page.goto(f"{server.url}/explain?model=cifar10-resnet18&part=methods")
    settled(page)
    page.get_by_role("button", name=re.compile("Compute Ablation-CAM: about")).click()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    page.get_by_text(re.compile(r"[\d,]+ of 512 forward passes")).wait_for()
    cancel.click()
    page.get_by_role("button", name=re.compile("Compute Ablation-CAM: about")).wait_for()
    settled(page)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


@pytest.mark.slow
def test_on_a_phone_no_section_is_too_wide(page, server: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for part in ("classes", *PARTS):
        page.goto(f"{server.url}/explain?lang=ko&part={part}")
        settled(page)
        page.wait_for_timeout(500)
        main = page.locator('[data-testid="stMain"]')
        assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 0, part
