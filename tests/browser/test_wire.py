"""What the server makes of a page without a browser: hostile addresses, and what one run costs."""

import ast
from urllib.parse import quote

import pytest

from benchmarks import rerun_cpu
from tests.browser.harness import PAGES, ROOT, Server, path_of
from tests.browser.wire import Session

HOSTILE = [
    "nan",
    "-1",
    "1e9",
    "null",
    "[]",
    "../../etc/passwd",
    "%00",
    "<script>alert(1)</script>",
    "😀",
    "a" * 10_000,
]


def parameters() -> list[str]:
    """Every name that the app reads from the address: keys of bound widgets and of our own helpers."""
    found = {"lang"}
    for file in [*(ROOT / "pages").glob("*.py"), *(ROOT / "explorer/ui").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                bound = [word.value for word in node.keywords if word.arg == "key"]
                if getattr(node.func, "attr", "") in (
                    "from_url",
                    "to_url",
                    "get",
                    "checkpoint_picker",
                    "select",
                ):
                    bound += node.args[:3]
                found |= {
                    one.value for one in bound if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    return sorted(name for name in found if name.isidentifier())


def visit(server: Server, name: str, query: str = "") -> Session:
    """One visit of a page with a query, run to its end."""
    with Session(server.port, path_of(name), query) as session:
        return session.run()


def without_notices(session: Session) -> list[str]:
    """What a page drew, without the sentence that it did not understand the address."""
    return [kind for kind in session.kinds() if kind != "alert"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_address_shows_the_defaults(name, server):
    usual = visit(server, name)
    assert usual.errors() == []
    for value in HOSTILE:
        drawn = visit(server, name, "&".join(f"{key}={quote(value)}" for key in parameters()))
        assert drawn.errors() == [], value[:40]
        assert without_notices(drawn) == without_notices(usual), value[:40]
    assert "Traceback" not in server.words()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_each_parameter_alone_may_be_hostile(name, server):
    first = PAGES.index(name)
    for k, key in enumerate(parameters()):
        # Two of the ten values each, in turn: neighbours and pages meet others. All ten at once: the test above.
        for value in (HOSTILE[(first + k + 3 * j) % len(HOSTILE)] for j in range(2)):
            assert visit(server, name, f"{key}={quote(value)}").errors() == [], (key, value[:40])
    assert "Traceback" not in server.words()


@pytest.fixture(scope="module")
def unvisited(fresh_server) -> Server:
    """A server that only the three tests below visit: Streamlit keeps every session for two minutes."""
    return fresh_server()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_cached_page_costs_at_most_four_empty_pages(name, unvisited, empty_server):
    assert visit(unvisited, name).errors() == []
    page, nothing = rerun_cpu.compare(name, unvisited, empty_server, rounds=12)
    print(f"{name}: {page:.1f} ms a run, an empty page {nothing:.1f} ms")
    assert page <= 4 * nothing


@pytest.mark.slow
def test_visitors_who_left_cost_the_others_little(unvisited):
    """With a full collection after each run, a hundred of them would cost Evaluate 13 ms a run."""
    with Session(unvisited.port, path_of("evaluate")) as session:
        for _ in range(10):
            session.run()
        before = min(rerun_cpu.cost(unvisited, session) for _ in range(5))
        for _ in range(100):
            visit(unvisited, "evaluate")
        after = min(rerun_cpu.cost(unvisited, session) for _ in range(5))
    print(f"{1e3 * before:.1f} ms a run, {1e3 * after:.1f} ms after a hundred visits")
    assert after < 1.4 * before


def test_the_measure_would_notice_the_garbage_collector(empty_server):
    """An empty page with torch loaded stays far below the 100 ms that one full collection costs."""
    with Session(empty_server.port) as empty:
        empty.run()
        assert rerun_cpu.cost(empty_server, empty) < 0.05
