"""Rooms: several tabs at the same step of a talk. In memory of this server, few, and forgotten after some hours.

A room has no owner: whoever may lead (reach.allow) and knows its code can move it, whoever knows the code can follow.
On a public server nobody may lead, so that it has no rooms: with EXPLORER_TOKEN a server that others reach has them.
"""

import secrets
import threading
import time
from dataclasses import dataclass, replace

from explorer import reach
from explorer.text import Problem

MOST, HOURS = 50, 6  # rooms at once, and how long one lasts after its last move
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another from the last row
LENGTH = 6


@dataclass(frozen=True)
class Room:
    """Where a talk stands: story and step, when the room was opened and last moved (seconds, time.monotonic)."""

    code: str
    story: str
    step: int
    opened: float
    moved: float


_rooms: dict[str, Room] = {}
_lock = threading.Lock()


def open_room(story: str, step: int) -> Room:
    """A new room at this step. Problem in public mode, and when there are too many rooms already."""
    reach.allow("lead a talk")
    with _lock:
        _forget()
        if len(_rooms) >= MOST:
            raise Problem(
                "There are {n} rooms already; each ends {hours} hours after its last step.",
                n=MOST,
                hours=HOURS,
            )
        code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
        while code in _rooms:
            code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
        now = time.monotonic()
        _rooms[code] = Room(code, story, step, now, now)
        return _rooms[code]


def find(code: str | None) -> Room | None:
    """The room with this code; None when there is none any more. A code is what a stranger typed."""
    with _lock:
        _forget()
        return _rooms.get(code) if code else None


def move(code: str, story: str, step: int) -> None:
    """Take everyone in the room to a step; nothing where the room has ended. Problem in public mode."""
    reach.allow("lead a talk")
    with _lock:
        if code in _rooms:
            _rooms[code] = replace(_rooms[code], story=story, step=step, moved=time.monotonic())


def restart_clock(code: str) -> None:
    """Count the elapsed time from now. Problem in public mode."""
    reach.allow("lead a talk")
    with _lock:
        if code in _rooms:
            _rooms[code] = replace(_rooms[code], opened=time.monotonic())


def close(code: str) -> None:
    """End a room; whoever followed goes on alone. Problem in public mode."""
    reach.allow("lead a talk")
    with _lock:
        _rooms.pop(code, None)


def _forget() -> None:
    """Rooms that nobody moved for HOURS; with the lock held."""
    old = time.monotonic() - HOURS * 3600
    for code in [code for code, room in _rooms.items() if room.moved < old]:
        del _rooms[code]
