"""What one run of each page costs the server, beside a page with nothing on it: `python benchmarks/rerun_cpu.py`.

Processor time, not waiting time; both servers have torch loaded and take turns. tests/browser/test_wire.py holds every
page to four empty pages.
"""

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


def main() -> None:
    servers = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, start in (("app", Server.ours), ("empty", Server.empty)):
                own = Path(folder) / name
                own.mkdir()
                servers.append(start(own))
            app, empty = servers
            for name in PAGES:
                page, nothing = compare(name, app, empty)
                print(
                    f"{name:10} {page:6.1f} ms, an empty page {nothing:5.1f} ms: {page / nothing:.2f} times as much"
                )
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
