"""The Retrieve page in Chromium: a dropped picture, its neighbours, a lasso on the map; phones in every section."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.harness import Server, settled

PARTS = ("metrics", "duel", "data", "leaks", "map", "growth")
MODEL = "digits-fastnet"
SOON = 240_000  # ms, for what a busy machine may take
WIDER = """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .map(part => part.scrollWidth - part.clientWidth)"""


@pytest.fixture(scope="module")
def address(fresh_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server without CIFAR-10 and without kept features."""
    server: Server = fresh_server(EXPLORER_DATA=str(tmp_path_factory.mktemp("data")))
    return f"{server.url}/retrieve"


def opened(page, link: str):
    page.set_default_timeout(SOON)
    page.goto(link)
    quiet(page)
    return page


def quiet(page) -> None:
    """Until the script has run to its end, and nothing has gone wrong."""
    settled(page)
    page.wait_for_timeout(300)  # a click is on its way to the server
    settled(page)
    assert page.locator('[data-testid="stAlertContentError"], [data-testid="stException"]').count() == 0


def drop(page) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(out, "PNG")
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()}
    )


def lasso(page) -> None:
    """Draw around the middle of the plot with the mouse."""
    plot = page.locator('[data-testid="stPlotlyChart"] .nsewdrag').first
    plot.wait_for()
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # until the page has stopped moving
    box = plot.bounding_box()
    corners = [(0.1, 0.1), (0.5, 0.08), (0.9, 0.1), (0.9, 0.9), (0.5, 0.92), (0.1, 0.9), (0.1, 0.12)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


@pytest.mark.slow
def test_from_a_dropped_picture_over_a_neighbour_to_the_map(browser_page, address: str) -> None:
    page = opened(browser_page, f"{address}?part=duel&model={MODEL}&gallery=digits/test")
    drop(page)
    expect(page.get_by_role("img", name="The query: mine.png")).to_be_visible(timeout=SOON)
    quiet(page)
    assert "mine" not in page.url and "index" not in page.url, "nothing of a dropped picture is in the link"

    neighbour = page.get_by_role("button", name=re.compile(r"^digits, test, picture \d+: \d$")).first
    index = re.search(r"picture (\d+)", neighbour.get_attribute("aria-label"))[1]
    neighbour.click()
    page.wait_for_url(re.compile(rf"index={index}\b"), timeout=SOON)
    query = page.get_by_role("img", name=re.compile(rf"^The query: digits, test, picture {index}: "))
    expect(query).to_be_visible(timeout=SOON)
    quiet(page)
    shown = page.get_by_role("button", name=re.compile(rf"^digits, test, picture {index}: "))
    expect(shown).to_have_count(0)  # not among its own neighbours

    page.get_by_role("radio", name="Map", exact=True).click()
    page.wait_for_url(re.compile("part=map"), timeout=SOON)
    quiet(page)
    lasso(page)
    page.get_by_text(re.compile("selected pictures; a click makes one the query")).wait_for()
    quiet(page)
    found = page.get_by_role("button", name=re.compile(r"^digits, test, picture \d+: \d$"))
    assert found.count() > 5
    index = re.search(r"picture (\d+)", found.nth(2).get_attribute("aria-label"))[1]
    found.nth(2).click()
    page.wait_for_url(re.compile(rf"index={index}\b.*part=duel|part=duel.*index={index}\b"), timeout=SOON)
    expect(
        page.get_by_role("img", name=re.compile(rf"^The query: digits, test, picture {index}: "))
    ).to_be_visible(timeout=SOON)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_no_section_is_too_wide(browser, address: str, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="ko" if scheme == "dark" else "en", is_mobile=True,
        color_scheme=scheme,
    )  # fmt: skip
    page = context.new_page()
    for part in PARTS:
        opened(page, f"{address}?part={part}&model={MODEL}&gallery=digits/test&compare=true&k=30")
        page.wait_for_timeout(1000)  # charts take their width after the script
        assert max(page.evaluate(WIDER)) <= 0, part
    context.close()


@pytest.mark.slow
def test_the_arrows_move_by_keys_and_stand_in_the_link(browser_page, address: str) -> None:
    page = opened(browser_page, address)
    page.get_by_role("slider", name="Angle of X").press("ArrowRight")
    page.wait_for_url(re.compile("angle_x=31"), timeout=SOON)
    quiet(page)
    link = page.url
    page.goto("about:blank")
    opened(page, link)
    expect(page.get_by_role("slider", name="Angle of X")).to_have_value("31")
