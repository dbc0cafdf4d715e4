"""The Predict page in Chromium: hostile files in one living session, samples, crops in the link, downloads."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from explorer.data.picture import shown_name
from tests.browser.harness import settled
from tests.hostile.files import ROWS, encoded, photo, png
from tests.made_up import made_up_checkpoints

TITLES = [
    "half a JPEG",
    "HTML named PNG",
    "a PNG that claims 100,000 x 100,000",
    "text that unfolds to 200 MB",
    "an iPhone's HEIC",
    "noise",
    "nothing",
    "a PNG with a turned byte",
    "transparency",
    "printing colours",
    "a moving PNG of 10,000 frames",
    "a camera on its side",
    "a JPEG named PNG",
]
INJECTION = "![x](http:evil.png) [a](javascript:b) $x$ :red[고].png"


@pytest.fixture(scope="module")
def server_of(fresh_server, tmp_path_factory: pytest.TempPathFactory):
    """Starts a server with made-up checkpoints: digits-a, digits-b, cifar10-a."""
    own: Path = tmp_path_factory.mktemp("made-up")
    folder = made_up_checkpoints(own / "checkpoints")
    return lambda **environment: fresh_server(EXPLORER_CHECKPOINTS=str(folder), **environment)


@pytest.fixture(scope="module")
def address(server_of) -> str:
    return f"{server_of().url}/predict"


def opened(page, link: str):
    page.goto(link)
    page.locator("h1").wait_for()
    settled(page)
    return page


def drop(page, *files: tuple[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in files]
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(payload)


def remove(page, name: str) -> None:
    page.get_by_role("button", name=f"Remove {name}", exact=True).click()
    settled(page)


def errors(page) -> list[str]:
    return page.locator('[data-testid="stAlertContentError"]').all_inner_texts()


def main(page):
    return page.locator('[data-testid="stMain"]')


def test_hostile_files_in_one_session_and_then_a_good_one(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a")
    browser_page.evaluate("window.sameVisit = true")
    for title in TITLES:
        row = next(row for row in ROWS if row.title == title)
        drop(browser_page, (row.name, row.make()))
        said = main(browser_page).get_by_text(re.compile(re.escape(row.says)))
        expect(said.first).to_be_visible(timeout=15_000)
        settled(browser_page)
        assert len(errors(browser_page)) == (row.outcome == "refused"), title
        caption = main(browser_page).get_by_text(re.compile(re.escape(shown_name(row.name)) + ", [0-9]+ x"))
        assert caption.count() == (row.outcome == "notice"), title
        remove(browser_page, row.name)
        expect(said).to_have_count(0)
    drop(browser_page, ("good.png", png()))
    expect(main(browser_page).get_by_text("good.png, 96 x 64 pixels")).to_be_visible()
    settled(browser_page)
    assert errors(browser_page) == []
    assert browser_page.evaluate("window.sameVisit") is True


def test_a_bad_file_does_not_stop_the_good_ones(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a&model=cifar10-a")
    drop(browser_page, ("bad.png", b"<html>"), ("one.png", png()), ("two.png", encoded(photo(50, 80), "PNG")))
    expect(main(browser_page).get_by_text("2 · two.png")).to_be_visible()
    settled(browser_page)
    assert len(errors(browser_page)) == 1 and "bad.png holds HTML" in errors(browser_page)[0]
    browser_page.get_by_role("radio", name="2", exact=True).click()
    expect(main(browser_page).get_by_text("two.png, 50 x 80 pixels")).to_be_visible()
    for model in ("digits-a", "cifar10-a"):
        expect(
            main(browser_page).get_by_role("img", name=re.compile(f"What {model} receives"))
        ).to_be_visible()
    assert "shown=2" in browser_page.url
    assert "png" not in browser_page.url  # nothing of an upload is in the link


def test_the_ninth_picture_waits(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a")
    drop(browser_page, *((f"{n}.png", png()) for n in range(1, 10)))
    expect(main(browser_page).get_by_text("8 · 8.png")).to_be_visible()
    settled(browser_page)
    assert len(errors(browser_page)) == 1 and "8 pictures at a time are the most" in errors(browser_page)[0]


def test_a_name_is_shown_as_it_is_and_not_acted_on(browser_page, address: str) -> None:
    asked = []
    assert shown_name(INJECTION) == INJECTION
    browser_page.on("request", lambda request: asked.append(request.url))
    opened(browser_page, f"{address}?model=digits-a")
    drop(browser_page, (INJECTION, png()), (INJECTION.replace("x](", "y]("), b"<html>"))
    expect(main(browser_page).get_by_text(INJECTION + ", 96 x 64 pixels")).to_be_visible()
    assert INJECTION.replace("x](", "y](") in errors(browser_page)[0]
    assert not [url for url in asked if "evil" in url]
    assert main(browser_page).locator("a[href*=javascript]").count() == 0


def test_another_visitor_does_not_see_an_upload(browser, address: str) -> None:
    pages = [browser.new_context().new_page() for _ in range(2)]
    for page in pages:
        opened(page, f"{address}?model=digits-a")
    drop(pages[0], ("secret.png", png()))
    expect(main(pages[0]).get_by_text("secret.png, 96 x 64 pixels")).to_be_visible()
    opened(pages[1], pages[0].url)
    assert "secret" not in pages[1].content()
    for page in pages:
        page.context.close()


def test_a_sample_by_mouse_keyboard_and_link(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a")
    browser_page.get_by_role("button", name="Sample picture: ship, drawn").click()
    expect(main(browser_page).get_by_text("ship, drawn, 480 x 360 pixels")).to_be_visible()
    assert "sample=drawn-ship" in browser_page.url
    browser_page.get_by_role("button", name="Sample picture: noise").focus()
    browser_page.keyboard.press("Enter")
    expect(main(browser_page).get_by_text("noise, 320 x 240 pixels")).to_be_visible()
    link = browser_page.url
    browser_page.goto("about:blank")
    opened(browser_page, link)
    expect(main(browser_page).get_by_text("noise, 320 x 240 pixels")).to_be_visible()
    pressed = browser_page.get_by_role("button", name="Sample picture: noise")
    expect(pressed).to_have_attribute("aria-pressed", "true")


def test_a_scan_is_offered_as_the_crop_and_stands_in_the_link(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a&sample=temple&size=77&x=31&scan=true")
    expect(main(browser_page).get_by_text(re.compile("surest in the dashed window"))).to_be_visible()
    browser_page.get_by_role("button", name="Use the dashed window").click()
    settled(browser_page)
    browser_page.wait_for_timeout(500)
    link = browser_page.url
    assert "size=77" not in link
    values = slider_values(browser_page)
    browser_page.goto("about:blank")
    opened(browser_page, link)
    assert slider_values(browser_page) == values
    assert values[0] in ("100", "80", "60", "45")


def slider_values(page) -> list[str]:
    sliders = main(page).get_by_role("slider")
    expect(sliders).to_have_count(3)
    return [one.input_value() for one in sliders.all()]


def test_nonsense_in_the_address_is_said_and_the_defaults_are_shown(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=nope&sample=../etc&size=1e9&x=nan&scan=perhaps&fit=9&shown=77")
    expect(
        main(browser_page).get_by_text(re.compile("not here .*model, sample, fit, scan, shown, size, x"))
    ).to_be_visible()
    assert slider_values(browser_page) == ["100", "50", "50"]
    expect(main(browser_page).get_by_text("flower, 640 x 427 pixels")).to_be_visible()
    assert errors(browser_page) == []


def test_csv_and_json_hold_what_is_shown(browser_page, address: str) -> None:
    opened(browser_page, f"{address}?model=digits-a&model=digits-b&flip=true")
    drop(browser_page, ("=1+1.png", png()))
    expect(main(browser_page).get_by_text("=1+1.png, 96 x 64 pixels")).to_be_visible()
    settled(browser_page)
    found = {}
    for label in ("CSV", "JSON"):
        with browser_page.expect_download() as waiting:
            browser_page.get_by_role("button", name=label).click()
        found[label] = Path(waiting.value.path()).read_text(encoding="utf-8")
    rows, told = list(csv.DictReader(io.StringIO(found["CSV"]))), json.loads(found["JSON"])
    assert len(rows) == len(told["predictions"]) == 20
    assert {row["file"] for row in rows} == {"'=1+1.png"}
    assert {row["checkpoint"] for row in rows} == {"digits-a", "digits-b"}
    assert told["settings"]["views"] == 2
    first = next(row for row in told["predictions"] if row["checkpoint"] == "digits-a" and row["rank"] == 1)
    chart = main(browser_page).locator('[data-testid="stVegaLiteChart"]').first.get_attribute("aria-label")
    assert f"{first['class']} {100 * first['probability']:.1f} %" in chart


def test_public_mode_takes_five_megabytes(browser_page, server_of) -> None:
    opened(browser_page, f"{server_of(EXPLORER_PUBLIC='1').url}/predict?model=digits-a")
    drop(browser_page, ("fat.png", png() + bytes(5_300_000)))
    expect(browser_page.get_by_text(re.compile("5.0 ?MB or smaller"))).to_be_attached()
    drop(browser_page, ("good.png", png()))
    expect(main(browser_page).get_by_text("good.png, 96 x 64 pixels")).to_be_visible()
