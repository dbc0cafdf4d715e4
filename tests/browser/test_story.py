"""A talk in Chromium: by keyboard alone, with two who follow, on a phone; the step outlives a reload."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from explorer.story import report, steps
from explorer.text import set_language
from tests.browser.harness import Server, settled

SOON = 120_000  # ms, for what a busy machine may take
WIDER = """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .map(part => part.scrollWidth - part.clientWidth)"""
STORIES = {name: story for name, story in steps.stories().items() if isinstance(story, steps.Story)}


TOKEN = {"EXPLORER_ASK_TOKEN": "1", "EXPLORER_TOKEN": "open sesame"}


@pytest.fixture(scope="module")
def guarded(fresh_server) -> Server:
    """A server with a token, as others reach it."""
    return fresh_server(**TOKEN)


@pytest.fixture(scope="module")
def server(fresh_server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server without any data set."""
    return fresh_server(EXPLORER_DATA=str(tmp_path_factory.mktemp("data")))


def opened(page, link: str):
    page.set_default_timeout(SOON)
    page.goto(link)
    settled(page)
    return page


def at(page, story: steps.Story, number: int, code: str = "en") -> None:
    """Wait for a step: its headline, its number in the address, and that it listens to keys."""
    headline = page.locator('[data-testid="stMain"] h1')
    expect(headline).to_have_text(story.steps[number - 1].headline[code], timeout=SOON)
    expect(page).to_have_url(re.compile(rf"[?&]step={number}(&|$)"), timeout=SOON)
    settled(page)
    # Some 20 ms after the text.
    expect(page.locator(f'span[data-step="{number}"]')).to_be_attached(timeout=SOON)
    assert page.locator('[data-testid="stAlertContentError"], [data-testid="stException"]').count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_a_talk_is_walked_by_keyboard_forward_and_back(name: str, server: Server, browser_page) -> None:
    story, page = STORIES[name], opened(browser_page, f"{server.url}/story")
    last = len(story.steps)
    # To the button of this talk by the Tab key, as who has no mouse does.
    begin = page.get_by_role("button", name="Begin").nth(list(STORIES).index(name))
    for _ in range(80):
        page.keyboard.press("Tab")
        if begin.evaluate("button => button === document.activeElement"):
            break
    else:
        pytest.fail("the Tab key does not reach the button")
    page.keyboard.press("Enter")
    at(page, story, 1)
    for number in range(2, last + 1):
        page.keyboard.press("ArrowRight" if number % 2 else "PageDown")
        at(page, story, number)
    page.keyboard.press("ArrowRight")  # behind the last there is nothing
    page.wait_for_timeout(500)
    at(page, story, last)
    for number in range(last - 1, 0, -1):
        page.keyboard.press("ArrowLeft" if number % 2 else "PageUp")
        at(page, story, number)
    page.keyboard.press("End")
    at(page, story, last)
    page.keyboard.press("Home")
    at(page, story, 1)
    page.keyboard.press("3")
    at(page, story, 3)
    if last > 11:
        page.keyboard.type("11")
        at(page, story, 11)
        page.keyboard.press("ArrowLeft")  # the page runs again while the digit waits for a second one
        page.keyboard.press("1")
        at(page, story, 1)
        page.keyboard.press("3")
        at(page, story, 3)
    page.reload()
    settled(page)
    at(page, story, 3)
    title = page.locator('[data-testid="stMain"] h1')
    page.keyboard.press("o")
    expect(title).to_have_text(story.title["en"], timeout=SOON)
    settled(page)
    page.keyboard.press("Shift+O")  # as Caps Lock sends it
    at(page, story, 3)
    page.evaluate("""document.body.dispatchEvent(
        new KeyboardEvent("keydown", {key: "ㅐ", code: "KeyO", bubbles: true, composed: true}))""")
    expect(title).to_have_text(story.title["en"], timeout=SOON)
    page.get_by_role("button", name=re.compile(re.escape(story.steps[1].headline["en"]))).click()
    at(page, story, 2)


@pytest.mark.slow
def test_keys_leave_text_and_switches_alone(server: Server, browser_page) -> None:
    story = STORIES["seeing"]
    page = opened(browser_page, f"{server.url}/story?story=seeing&step=2")
    at(page, story, 2)
    # A step has no field for text of its own.
    page.evaluate("document.querySelector('[data-testid=stMain]').append(document.createElement('textarea'))")
    text = page.locator("textarea")
    text.press_sequentially("o9")
    text.press("Home")
    page.wait_for_timeout(1_000)  # longer than a digit waits for a second one
    assert text.input_value() == "o9"
    text.evaluate("text => text.remove()")
    page.keyboard.press("ArrowRight")
    at(page, story, 3)
    page.get_by_role("radio", name="English").focus()
    page.keyboard.press("ArrowRight")  # moves within the switch of languages
    expect(page.get_by_role("radio", name="한국어")).to_be_focused(timeout=SOON)
    page.keyboard.press("Enter")
    at(page, story, 3, "ko")


@pytest.mark.slow
def test_presenter_and_followers_stay_together(server: Server, browser) -> None:
    story = STORIES["seeing"]
    contexts = [browser.new_context(locale="en-US") for _ in range(4)]
    first, notes, *followers = (context.new_page() for context in contexts)
    opened(first, f"{server.url}/story?story=seeing&step=1")
    first.get_by_role("button", name="Take others along").click()
    first.get_by_role("button", name="Open a room").click()
    first.wait_for_url(re.compile("room=[a-z0-9]{6}"))
    settled(first)
    code = re.search("room=([a-z0-9]{6})", first.url)[1]
    expect(first.get_by_role("img", name=re.compile(f"QR code.*{code}"))).to_be_visible(timeout=SOON)
    for follower in followers:
        opened(follower, f"{server.url}/story?room={code}")
        at(follower, story, 1)
    opened(notes, f"{server.url}/story?story=seeing&step=1&notes=1&room={code}")
    at(notes, story, 1)
    expect(notes.get_by_text(story.steps[0].note["en"][:40])).to_be_visible(timeout=SOON)
    expect(notes.get_by_text(story.steps[1].headline["en"])).to_be_visible(timeout=SOON)
    expect(notes.get_by_text(re.compile(r"^\d+:\d\d$")).first).to_be_visible(timeout=SOON)

    notes.keyboard.press("ArrowRight")  # the presenter moves: all go along, the projector too
    for page in (first, *followers):
        at(page, story, 2)
    first.keyboard.press("4")  # at the projector itself: the notes go along
    for page in (*followers, notes):
        at(page, story, 4)
    expect(notes.get_by_text(story.steps[3].note["en"][:40])).to_be_visible(timeout=SOON)
    followers[0].reload()
    settled(followers[0])
    at(followers[0], story, 4)

    first.keyboard.press("Escape")  # closes what shows the code
    first.wait_for_timeout(1_000)
    settled(first)
    live = first.get_by_role("link", name="Open it live")
    live.click()
    expect(first.get_by_role("link", name="Back to the talk, step 4")).to_be_visible(timeout=SOON)
    settled(first)
    first.locator('[data-testid="stMain"] h1').click()  # what has the focus may want Escape for itself
    first.wait_for_timeout(500)
    first.keyboard.press("Escape")
    at(first, story, 4)
    live.click()
    expect(first).to_have_url(re.compile("/explain"), timeout=SOON)
    settled(first)
    notes.keyboard.press("ArrowRight")  # takes the projector back from the live page
    for page in (first, notes, *followers):
        at(page, story, 5)
    first.get_by_role("button", name="Take others along").click()
    first.get_by_role("button", name="End the room").click()
    for page in followers:
        expect(page.get_by_text("The room has ended.")).to_be_visible(timeout=SOON)
        at(page, story, 5)
    for context in contexts:
        context.close()


@pytest.mark.slow
def test_who_leads_with_a_token_leads_on_after_a_reload_and_has_notes(guarded: Server, browser) -> None:
    story, context = STORIES["seeing"], browser.new_context(locale="en-US")
    lead, _ = leading(context, guarded)
    lead.reload()
    given(lead)
    at(lead, story, 1)
    lead.get_by_role("button", name="Take others along").click()
    with context.expect_page(timeout=SOON) as new:
        lead.get_by_role("link", name="Presenter's view in a new tab").click()
    notes = new.value
    notes.set_default_timeout(SOON)
    for _ in range(2):
        given(notes)
        expect(notes.get_by_text(story.steps[0].note["en"][:40])).to_be_visible(timeout=SOON)
        notes.reload()
    given(notes)
    at(notes, story, 1)
    notes.keyboard.press("ArrowRight")
    at(notes, story, 2)
    at(lead, story, 2)
    context.close()


def given(page) -> None:
    """Give the token that is asked for."""
    page.get_by_label("Token").fill(TOKEN["EXPLORER_TOKEN"])
    page.keyboard.press("Enter")


def leading(context, server: Server):
    """A tab that leads a room with the token, at the first step, and the room's code."""
    lead = opened(context.new_page(), f"{server.url}/story?story=seeing&step=1")
    given(lead)
    at(lead, STORIES["seeing"], 1)
    lead.get_by_role("button", name="Take others along").click()
    lead.get_by_role("button", name="Open a room").click()
    lead.wait_for_url(re.compile("room=[a-z0-9]{6}.*lead=1"))
    return lead, re.search("room=([a-z0-9]{6})", lead.url)[1]


@pytest.mark.slow
def test_who_has_a_code_and_no_token_follows_and_nothing_more(guarded: Server, browser) -> None:
    server, story = guarded, STORIES["seeing"]
    contexts = [browser.new_context(locale="en-US") for _ in range(2)]
    lead, code = leading(contexts[0], server)
    stranger = contexts[1].new_page()
    opened(stranger, f"{server.url}/story?room={code}")
    at(stranger, story, 1)
    expect(stranger.get_by_role("dialog")).to_have_count(0)
    for role, name in (("link", "Open it live"), ("button", "Other talks"), ("button", "Report")):
        expect(stranger.get_by_role(role, name=name)).to_have_count(0)
    stranger.keyboard.press("ArrowRight")  # looks on alone for a moment, and is taken back
    stranger.wait_for_timeout(2_500)
    settled(lead)
    at(lead, story, 1)
    at(stranger, story, 1)
    lead.keyboard.press("Escape")
    lead.keyboard.press("ArrowRight")
    at(lead, story, 2)
    at(stranger, story, 2)
    for place in ("predict", "train", "story?room=nosuch", f"story?room={code}x"):
        opened(stranger, f"{server.url}/{place}")
        expect(stranger.get_by_label("Token")).to_be_visible(timeout=SOON)
    stranger.get_by_label("Room code").fill(code)
    stranger.keyboard.press("Enter")
    at(stranger, story, 2)
    for place in (f"train?room={code}", f"?room={code}"):
        opened(stranger, f"{server.url}/{place}")
        at(stranger, story, 2)
        expect(stranger.get_by_role("dialog")).to_have_count(0)
    lead.get_by_role("button", name="Take others along").click()
    lead.get_by_role("button", name="End the room").click()
    expect(stranger.get_by_text("The room has ended.")).to_be_visible(timeout=SOON)
    at(stranger, story, 2)
    for context in contexts:
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_a_phone_sees_every_step_without_sideways_scrolling(name: str, server: Server, browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ko-KR", color_scheme="dark")
    page, story = context.new_page(), STORIES[name]
    for step in story.steps:
        opened(page, f"{server.url}/story?story={name}&step={step.number}")
        expect(page.locator('[data-testid="stMain"] h1')).to_have_text(step.headline["ko"], timeout=SOON)
        settled(page)
        assert page.evaluate(WIDER) == [0, 0], step.number
    context.close()


@pytest.mark.slow
def test_the_report_of_a_shipped_talk_asks_for_nothing(tmp_path: Path, browser_page) -> None:
    story, file, asked = STORIES["seeing"], tmp_path / "seeing.html", []
    file.write_text(report.report(story, code="ko"), encoding="utf-8")
    set_language("en")
    browser_page.context.set_offline(True)
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(file.as_uri())
    browser_page.wait_for_function("document.fonts.status == 'loaded'")
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    figures = browser_page.locator("figure svg, figure img")
    assert figures.count() == sum(bool(step.figure or step.reported) for step in story.steps)
    assert browser_page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    expect(browser_page.locator("section h2").last).to_have_text(story.steps[-1].headline["ko"])
