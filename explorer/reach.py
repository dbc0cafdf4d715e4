"""Public mode: strangers can reach this server, and only an allow-list of actions is open to them.

Whoever starts heavy work, stops it, or writes what lasts asks here first: a page that hides a button protects nothing.
The owner's own commands are not concerned: only the server sets EXPLORER_PUBLIC, for itself and what it starts.
"""

import os

from explorer.text import Problem

# Actions open to strangers, by the names that `allow` is asked with: to draw some pictures, as a job, and to stop that.
PUBLIC: frozenset[str] = frozenset({"draw", "job draw", "stop draw"})
MOST_PICTURES, MOST_STEPS, MOST_JOBS = 16, 25, 2  # of a stranger's drawing; jobs of all strangers together


def public_mode() -> bool:
    """Whether strangers can reach this server."""
    return os.environ.get("EXPLORER_PUBLIC") == "1"


def cap(pictures: int, steps: int) -> None:
    """Problem in public mode for more pictures, or more steps for each, than strangers may draw."""
    if public_mode() and (pictures > MOST_PICTURES or steps > MOST_STEPS):
        raise Problem(
            "This server is public: at most {n} pictures of at most {steps} steps are drawn at once.",
            n=MOST_PICTURES,
            steps=MOST_STEPS,
        )


def allow(action: str) -> None:
    """Problem in public mode unless `action` is on the list."""
    if public_mode() and action not in PUBLIC:
        raise Problem(
            "This server is public: only its owner may do that, with a command on the machine itself."
        )
