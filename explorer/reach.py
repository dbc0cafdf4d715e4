"""Public mode: strangers can reach this server, and only an allow-list of actions is open to them.

Whoever starts heavy work, stops it, or writes what lasts asks here first: a page that hides a button protects nothing.
The owner's own commands are not concerned: only the server sets EXPLORER_PUBLIC, for itself and what it starts.
"""

import os

from explorer.text import Problem

PUBLIC: frozenset[str] = frozenset()  # actions open to strangers, by the names that `allow` is asked with


def public_mode() -> bool:
    """Whether strangers can reach this server."""
    return os.environ.get("EXPLORER_PUBLIC") == "1"


def allow(action: str) -> None:
    """Problem in public mode unless `action` is on the list."""
    if public_mode() and action not in PUBLIC:
        raise Problem(
            "This server is public: only its owner may do that, with a command on the machine itself."
        )
