"""How long visitors wait for a page while a job trains, beside how long they wait when none does.

    python benchmarks/pages_while_training.py [page ...]

A server of its own and ten sessions over WebSockets, as a browser opens them; each asks for its page again and again,
with a pause between, as people do. First nothing else runs, then a job trains a ResNet-18 as the Train page starts it,
then nothing again. The claim: the p95 beside training is below twice the p95 without, or below 150 ms.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from explorer import jobs, runs  # noqa: E402
from tests.browser.harness import Server, path_of  # noqa: E402
from tests.browser.wire import Session  # noqa: E402

USERS = 10  # sessions
VISITS = 12  # of each, that count
PAUSE = 1.0  # seconds between two of them, on average
PAGES = ("home", "predict", "evaluate", "train")


def visits(port: int, page: str, query: str, number: int) -> list[float]:
    """Milliseconds that one session waits, at every visit but its first two."""
    pause = np.random.default_rng(number)
    with Session(port, path_of(page), query) as session:
        found = []
        for _ in range(2 + VISITS):
            time.sleep(pause.uniform(0, 2 * PAUSE))
            begun = time.perf_counter()
            session.run()
            found.append(1000 * (time.perf_counter() - begun))
        return found[2:]


def waits(port: int, page: str, query: str) -> np.ndarray:
    """Milliseconds of all visits of all sessions at once."""
    with ThreadPoolExecutor(USERS) as pool:
        return np.concatenate(list(pool.map(lambda number: visits(port, page, query, number), range(USERS))))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXPLORER_RUNS"] = str(Path(folder) / "runs")
        server = Server.ours(Path(folder))
        try:
            for page in sys.argv[1:] or PAGES:
                name = f"beside-{page}"
                runs.create("resnet18", "digits", epochs=1000, device="cpu", name=name)
                query = f"do=runs&run={name}" if page == "train" else ""
                before = waits(server.port, page, query)
                job = jobs.train(name, "cpu")
                while runs.status(name).step < 3:
                    time.sleep(0.2)
                beside = waits(server.port, page, query)
                steps = runs.status(name).step
                jobs.stop(job)
                after = waits(server.port, page, query)
                idle = np.concatenate([before, after])
                p50, p95 = (np.percentile(idle, q) for q in (50, 95))
                q50, q95 = (np.percentile(beside, q) for q in (50, 95))
                verdict = "holds" if q95 < max(2 * p95, 150) else "does NOT hold"
                print(
                    f"{page:9} p50 {p50:5.0f} -> {q50:5.0f} ms, p95 {p95:5.0f} -> {q95:5.0f} ms beside training "
                    f"({q95 / p95:.2f} times, {steps} steps done, n = {len(beside)}): the claim {verdict}"
                )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
