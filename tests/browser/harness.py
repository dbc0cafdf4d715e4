"""A server to test and what a test does with it: shared by the files of this folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(file.stem for file in (ROOT / "pages").glob("*.py"))

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
]


class Server:
    """A fresh server in a process group of its own; {port} in `command` becomes a free port."""

    def __init__(self, own: Path, command: list[str], **environment: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = own / "server.log"
        defaults = {
            "EXPLORER_RUNS": str(own / "runs"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(word.format(port=self.port) for word in command)],
                cwd=ROOT,
                env={**os.environ, **defaults, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @classmethod
    def ours(cls, own: Path, **environment: str) -> "Server":
        """The app, ready; its log and its runs go to the folder `own`."""
        return cls(own, ["serve.py", "--port={port}"], **environment).wait_until_ready()

    @classmethod
    def empty(cls, own: Path) -> "Server":
        """A server whose one page is empty, torch loaded: the measure of what our pages cost. It collects garbage
        after each run, as Streamlit does of itself."""
        script = "tests/browser/empty/app.py"
        command = ["-m", "streamlit", "run", script, "--server.port={port}", "--runner.postScriptGC=true"]
        return cls(own, command).wait_until_ready("/_stcore/health")

    def answers(self, path: str) -> int:
        """The HTTP status of a GET, 0 when nothing listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def wait_until_ready(self, path: str = "/readyz", seconds: float = 120) -> "Server":
        """Wait for `path`; without it within `seconds` the test fails with the server's own words."""
        end = time.monotonic() + seconds
        while self.answers(path) != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                pytest.fail(f"the server did not become ready:\n{self.words()}")
            time.sleep(0.1)
        return self

    def words(self) -> str:
        """What the server wrote so far."""
        return self.log.read_text(errors="replace")

    def cpu_seconds(self) -> float:
        """Processor time of the server process since its start, to the nanosecond (/proc counts in hundredths)."""
        return time.clock_gettime(~self.process.pid << 3 | 2)  # Linux's clock of another process's time

    def stop(self) -> None:
        """End the whole process group."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def settled(page) -> None:
    """Wait until a page has its title and Streamlit has run the script to its end."""
    page.wait_for_selector('[data-testid="stMain"] h1')
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def path_of(page: str) -> str:
    """The part of the address that names a page."""
    return "" if page == "home" else page
