"""A server of its own and a Chromium for the tests that look at the app as a person does."""

from collections.abc import Callable, Iterator

import pytest

from tests.browser.harness import CHROMIUM, FLAGS, Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that opens the browser carries the marker and is skipped where there is none. In `make test` Chromium
    looks at every page once, in test_frame.py; what people do there is `make test-slow`."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if item.path.name != "test_frame.py":
                item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium: install Debian's package chromium"))


@pytest.fixture(scope="session")
def fresh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a server that nobody has asked anything yet but /readyz: `fresh_server(EXPLORER_PUBLIC="1")`."""
    servers: list[Server] = []

    def start(**environment: str) -> Server:
        servers.append(Server.ours(tmp_path_factory.mktemp("server"), **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(fresh_server: Callable[..., Server]) -> Server:
    """One ready server for all tests that leave no trace in it."""
    return fresh_server()


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose one page is empty, torch loaded: what the cost of our pages is compared with."""
    server = Server.empty(tmp_path_factory.mktemp("empty"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium, started once; each test gets a context of its own through `browser_page`."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def browser_page(browser) -> Iterator:
    """A page in an empty browser context, English, light, 1280 x 900."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()
