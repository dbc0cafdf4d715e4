"""Is the process we once started still running? Its id alone cannot tell: the system gives it out again."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

HOST = socket.gethostname()


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same id: boot and start time. None when it is gone.

    A zombie (ended, not yet waited for) is gone.
    """
    if pid <= 0:
        return None
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _identity_by_ps(pid)
    except OSError:
        return None
    return None if after_name[0] in "ZX" else f"{boot}/{after_name[19]}"


def _identity_by_ps(pid: int) -> str | None:
    """The same on systems without /proc (macOS): the start time to a second."""
    try:
        answer = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return " ".join(answer[1:]) if answer and not answer[0].startswith("Z") else None


def card(pid: int | None = None) -> dict[str, object]:
    """What is written down about a process (None: this one), for `alive`."""
    pid = pid or os.getpid()
    return {"pid": pid, "identity": identity(pid), "host": HOST}


def alive(written: dict) -> bool | None:
    """Does the process described by `card()` still run? None: unknown (another machine, nothing written)."""
    pid, then = written.get("pid"), written.get("identity")
    if not isinstance(pid, int) or written.get("host") != HOST:
        return None
    return then is not None and identity(pid) == then  # None: it was gone before it was written down


def group(leader: int, mark: str) -> list[int]:
    """The running processes of process group `leader` that have `mark` ("NAME=value") in their environment.

    Without /proc the list is empty: nothing can be proved there.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) != leader or fields[0] in "ZX":
                continue
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (OSError, IndexError, ValueError):
            continue  # it ended while we looked, or it is not ours to look at
    return found


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a whole process group; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
