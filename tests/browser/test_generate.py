"""The Generate page in Chromium: draw with every kind of model, stop a job, move the scrubber, follow a picture. And
without a browser: what it costs the server, and two visitors who draw at once."""

import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks import rerun_cpu
from explorer import checkpoints
from tests.analysis.test_sampling import made
from tests.browser.harness import Server, settled
from tests.browser.wire import Session

SOON = 240_000  # ms, for what a busy machine may take


@pytest.fixture(scope="module")
def start(fresh_server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Server]:
    """Starts a server with an untrained generator of each kind, and a real classifier of the digits."""
    own: Path = tmp_path_factory.mktemp("generate")
    for model in ("vae", "dcgan", "ddpm"):
        made(own / "checkpoints", model)
    shutil.copytree(checkpoints.OURS / "digits-fastnet", own / "checkpoints" / "digits-fastnet")
    folders = {"EXPLORER_CHECKPOINTS": str(own / "checkpoints"), "EXPLORER_DATA": str(own / "data")}
    return lambda: fresh_server(**folders)


@pytest.fixture(scope="module")
def tiny(start: Callable[[], Server]) -> Server:
    return start()


@pytest.fixture(scope="module")
def address(tiny: Server) -> str:
    return f"{tiny.url}/generate"


def pictures(page):
    """The buttons of the newest drawing, by what they say."""
    return page.get_by_role("button", name=re.compile("seed [0-9]+"))


def draw(page, address: str, query: str) -> None:
    page.goto(f"{address}?part=draw&{query}")
    settled(page)
    page.get_by_role("button", name="Draw", exact=True).click()
    page.wait_for_url(re.compile("job=draw-"), timeout=SOON)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-vae", "tiny-dcgan", "tiny-ddpm"])
def test_sixteen_digits_of_each_model_and_one_of_them_followed(
    browser_page, address: str, model: str
) -> None:
    page = browser_page
    draw(page, address, f"draw_with={model}&seed=5")
    expect(pictures(page)).to_have_count(16, timeout=SOON)
    picture = page.get_by_role("button", name=re.compile("seed 9 "))
    drawn = picture.locator("img").get_attribute("src")
    assert drawn.startswith("data:image/png")
    picture.click()
    page.wait_for_url(re.compile("drawn="))
    settled(page)
    page.get_by_role("link", name="Where is the evidence?").click()
    page.wait_for_url(re.compile(f"/explain.*drawn={model}"))
    settled(page)
    expect(page.get_by_text(re.compile(f"drawn by {model}, seed 9: 9")).first).to_be_visible(timeout=SOON)


@pytest.mark.slow
def test_a_job_can_be_stopped_and_leaves_no_pictures(browser_page, address: str) -> None:
    page = browser_page
    draw(page, address, "draw_with=tiny-ddpm&n=64&steps=250&sampler=ddpm&guidance=3&seed=100")
    page.get_by_role("button", name="Stop", exact=True).click(timeout=SOON)
    expect(page.get_by_text(re.compile("Interrupted; nothing was written|cancelled")).first).to_be_visible(
        timeout=SOON
    )
    assert pictures(page).count() == 0


@pytest.mark.slow
def test_the_scrubber_shows_other_pictures(browser_page, address: str) -> None:
    page = browser_page
    page.goto(f"{address}?part=steps&steps=10&model_digits=tiny-ddpm")
    settled(page)
    shown = page.get_by_role("img", name=re.compile("Noisy pictures after"))
    expect(shown).to_be_visible(timeout=SOON)
    before = shown.get_attribute("src")
    page.get_by_role("slider", name="Steps taken").press("Home")
    page.wait_for_url(re.compile("at=0"))
    expect(page.get_by_role("img", name=re.compile("Noisy pictures after 0 of 10"))).to_be_visible(
        timeout=SOON
    )
    assert shown.get_attribute("src") != before


# Without a browser


@pytest.mark.slow
def test_the_first_view_takes_less_than_a_second_and_runs_no_net(fresh_server) -> None:
    taken = rerun_cpu.first_view(fresh_server())
    print(f"{taken:.0f} ms")
    assert taken < 1000 and rerun_cpu.layers_run() == 0


@pytest.mark.slow
def test_a_move_of_the_scrubber_takes_less_than_50_ms(tiny: Server) -> None:
    median, most = rerun_cpu.scrubbed(tiny)
    print(f"{median:.1f} ms, at most {most:.1f} ms")
    assert median < 50


@pytest.mark.slow
def test_two_visitors_at_once_get_the_pictures_of_their_seeds(
    tiny: Server, start: Callable[[], Server]
) -> None:
    other = start()
    ways = ("tiny-vae/{}", "tiny-dcgan/{}/3", "tiny-ddpm/{}//dpm/5/2", "tiny-ddpm/{}//ddpm/5/1")

    def pictures(server: Server, seeds: range) -> list[str]:
        found = []
        for seed in seeds:
            for way in ways:
                with Session(server.port, "generate", f"part=draw&drawn={way.format(seed)}") as visitor:
                    images = [each.imgs for each in visitor.run().elements if each.HasField("imgs")]
                    assert not visitor.errors() and len(images) == 1
                    found.append(images[0].imgs[0].url)
        return found

    mine, theirs = range(2000, 2015), range(3000, 3015)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seeds: pictures(tiny, seeds), (mine, theirs)))
    alone = [pictures(other, seeds) for seeds in (mine, theirs)]
    assert together == alone and len({*together[0], *together[1]}) == 120
