"""What one run of each page costs the server, beside a page with nothing on it: `python benchmarks/rerun_cpu.py`.

Processor time, not waiting time; both servers have torch loaded and take turns. tests/browser/test_wire.py holds every
page to four empty pages. Of the page Generate also its first view on a server that nobody has visited, and a move of
the scrubber over a trajectory; tests/browser/test_generate.py holds them to 1 s and 50 ms.
"""

import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from tests.browser.harness import PAGES, Server, path_of  # noqa: E402
from tests.browser.wire import Session  # noqa: E402

RUNS, ROUNDS = 20, 7  # of a block; blocks of each side


def cost(server: Server, session: Session, runs: int = RUNS) -> float:
    """Seconds of the server's processor time for one run of the session's page."""
    before = server.cpu_seconds()
    for _ in range(runs):
        session.run()
    return (server.cpu_seconds() - before) / runs


def compare(name: str, server: Server, empty: Server, rounds: int = ROUNDS) -> tuple[float, float]:
    """Milliseconds of one cached run of page `name`, and of the empty page, turn by turn: the least disturbed block of
    each, because other work on the machine only ever adds to it (shared caches, shared cores)."""
    with Session(server.port, path_of(name)) as full, Session(empty.port) as nothing:
        for session in (full, nothing):
            for _ in range(10):  # caches, and the code paths of the first runs
                session.run()
        pairs = [(cost(server, full), cost(empty, nothing)) for _ in range(rounds)]
    return tuple(1e3 * min(side) for side in zip(*pairs))


def first_view(server: Server, name: str = "generate") -> float:
    """Milliseconds of the first run of page `name` on a server where nobody has opened it."""
    with Session(server.port, path_of(name)) as session:
        found = 1e3 * cost(server, session, 1)
        assert not session.errors(), session.errors()
    return found


def layers_run(name: str = "generate") -> int:
    """How often one view of page `name` calls a layer of a net: in this process, where that can be counted."""
    from streamlit.testing.v1 import AppTest
    from torch.nn.modules.module import register_module_forward_pre_hook

    called = []
    hook = register_module_forward_pre_hook(lambda layer, _: called.append(layer))
    try:
        AppTest.from_file(str(ROOT / f"pages/{name}.py"), default_timeout=600).run()
    finally:
        hook.remove()
    return len(called)


def scrubbed(server: Server, query: str = "", steps: int = 10) -> tuple[float, float] | None:
    """(median, most) milliseconds of one move of the scrubber of "How it draws"; None without a diffusion model."""
    with Session(server.port, "generate", f"part=steps&steps={steps}&{query}") as session:
        session.run()  # draws the pictures
        if "at" not in session.sliders:
            return None

        def move(at: int) -> float:
            before = server.cpu_seconds()
            session.move("at", str(at))
            assert "imgs" in session.kinds(), session.kinds()
            return 1e3 * (server.cpu_seconds() - before)

        found = [move(at) for _ in range(5) for at in range(steps + 1)]
    return statistics.median(found), max(found)


def main() -> None:
    servers = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, start in (("app", Server.ours), ("empty", Server.empty)):
                own = Path(folder) / name
                own.mkdir()
                servers.append(start(own))
            app, empty = servers
            first = first_view(app)
            for name in PAGES:
                page, nothing = compare(name, app, empty)
                print(
                    f"{name:10} {page:6.1f} ms, an empty page {nothing:5.1f} ms: {page / nothing:.2f} times as much"
                )
            print(f"generate, first view: {first:.0f} ms, {layers_run()} calls of a net's layers")
            moved = scrubbed(app)
            if moved:
                print(f"generate, a move of the scrubber: {moved[0]:.1f} ms, at most {moved[1]:.1f} ms")
            else:
                print("generate: there is no diffusion model here, and so no scrubber")
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
