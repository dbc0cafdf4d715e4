"""Start the app and say when it is ready: `python serve.py [--host 127.0.0.1] [--port 8501]`, or `make run`.

Beyond `streamlit run app.py` it does two things: it says in one sentence why an address cannot be used, and
prints the address only when a page would answer (GET /readyz is 200). It imports the standard library only.
"""

import argparse
import errno
import json
import os
import runpy
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listened on everywhere, reached here under this address


class CannotServe(Exception):
    """Why the app cannot listen on an address, in one sentence."""


def check_address(host: str, port: int) -> None:
    """Raise CannotServe unless a server could listen on `host`:`port` now."""
    if not 1 <= port <= 65535:
        raise CannotServe(f"PORT={port} is not a port: it must be 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise CannotServe(f"HOST={host} is not a name or an address that this machine knows.") from None
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
            trial.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotServe(
                    f"Port {port} is taken by another program{suggestion(host, port)}."
                ) from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise CannotServe(f"HOST={host} is not an address of this machine.") from None
            if error.errno == errno.EACCES:
                raise CannotServe(f"Port {port} is reserved for the system.") from None
            raise CannotServe(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


def suggestion(host: str, taken: int) -> str:
    """How to go on with the next port above `taken` that is free; empty when none of the next hundred is."""
    for port in range(taken + 1, min(taken + 101, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as trial:
            try:
                trial.bind((host, port))
            except OSError:
                continue
            return f"; try: make run PORT={port}"
    return ""


def url_of(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    host = WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def network_url(host: str, port: int) -> str:
    """The address for other machines of a server that listens everywhere; "" where this one is in no network."""
    if host not in WILDCARDS:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 1))  # sends nothing: it asks the system from which address it would
            found = probe.getsockname()[0]
        except OSError:
            return ""
    return "" if found.startswith("127.") else url_of(found, port)


def readiness(url: str) -> dict:
    """What /readyz says, also while it is 503; empty when nothing answers yet. No proxy lies on the way."""
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            answer = ask.open(f"{url}/readyz", timeout=5)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return dict(json.load(answer))
    except (OSError, ValueError, TypeError):
        return {}


def announce(url: str, started: float, others: str = "") -> None:
    """Print `url` once the app is ready, asking four times a second for ten minutes at most, and the one for others."""
    state = readiness(url)
    while not state.get("ready") and not state.get("seconds") and time.monotonic() - started < 600:
        time.sleep(0.25)
        state = readiness(url)
    if not state.get("ready"):
        print(
            f"\n  Model Explorer runs on {url} but is not ready: {state.get('step', 'no answer')}.",
            flush=True,
        )
        return
    seconds = time.monotonic() - started
    print(f"\n  Model Explorer is ready: {url}   ({seconds:.0f} s; Ctrl-C stops it)", flush=True)
    if others:
        print(f"  From other machines: {others}", flush=True)
    if state.get("public"):
        print(
            "  Public mode, because others can reach it: it shows, predicts, explains, draws a little.",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="8501")
    asked = parser.parse_args()
    try:
        if not asked.port.isascii() or not asked.port.isdigit():
            raise CannotServe(f"PORT={asked.port} is not a port: it must be 1 to 65535.")
        port = int(asked.port)
        check_address(asked.host, port)
    except CannotServe as error:
        sys.exit(str(error))

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.chdir(ROOT)
    print("Starting Model Explorer …", flush=True)
    url = url_of(asked.host, port)
    asked_by = (url, time.monotonic(), network_url(asked.host, port))
    threading.Thread(target=announce, args=asked_by, daemon=True).start()
    sys.argv = [
        "streamlit",
        "run",
        "app.py",
        f"--server.address={asked.host}",
        f"--server.port={port}",
        "--server.headless=true",
        "--logger.hideWelcomeMessage=true",
    ]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
