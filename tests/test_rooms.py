"""The law of the house: a room imports only rooms to its left, and Streamlit is known to the ui alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Rooms that stand at the same place know nothing of each other, except the small tools of the first place.
ORDER = [
    {"text", "device", "files", "papers", "process", "reach", "reported", "reporter", "turns"},
    {"data"},
    {"models"},
    {"checkpoints"},
    {"analysis", "foreign"},
    {"training"},
    {"runs"},
    {"jobs", "doctor", "console"},
    {"views"},
    {"story"},
    {"cli", "ui"},
    {"pages", "app", "__main__"},
]
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}
STREAMLIT = {"ui", "pages", "app"}
NO_TORCH = {"views"}


def room_of(path: Path) -> str:
    """explorer/data/fetch.py -> data, explorer/text.py -> text, pages/home.py -> pages, app.py -> app."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "explorer" and len(parts) > 1 else parts[0]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a source imports, at the top or inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            else:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def faults(room: str, source: str) -> list[str]:
    """What in a source of this room breaks the law."""
    found = []
    for line, name in imports(source):
        parts = name.split(".")
        if name.startswith("."):
            found.append(f"line {line}: relative import {name}")
        elif parts[0] == "streamlit" and room not in STREAMLIT:
            found.append(f"line {line}: {room} imports streamlit")
        elif parts[0] == "torch" and room in NO_TORCH:
            found.append(f"line {line}: {room} imports torch")
        elif parts[0] in ("pages", "app") and room not in ("pages", "app"):
            found.append(f"line {line}: {room} imports {name}")
        elif parts[0] == "explorer" and len(parts) > 1 and parts[1] != room:
            other = parts[1]
            if other not in PLACE:
                found.append(f"line {line}: {room} imports {other}, which is no room")
            elif PLACE[other] > PLACE[room] or (PLACE[other] == PLACE[room] and PLACE[room] > 0):
                found.append(f"line {line}: {room} imports {other}, which is to its right")
    return found


def sources() -> list[Path]:
    return [
        ROOT / "app.py",
        *sorted((ROOT / "pages").glob("*.py")),
        *sorted((ROOT / "explorer").rglob("*.py")),
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_to_its_left(path: Path) -> None:
    room = room_of(path)
    assert (path.parent.name == "explorer" and path.name == "__init__.py") or room in PLACE, (
        f"{room} is no room"
    )
    assert faults(room, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "planted"),
    [
        ("data", "from explorer.models import build"),
        ("data", "def f():\n    import explorer.training.loop"),
        ("analysis", "from explorer import jobs, text"),
        ("analysis", "import streamlit as st"),
        ("views", "import torch.nn"),
        ("ui", "from explorer.cli import app"),
        ("cli", "from explorer.ui import cache"),
        ("runs", "from ..data import load"),
        ("data", "from explorer.elsewhere import x"),
        ("ui", "from pages import home"),
    ],
)
def test_a_planted_fault_is_caught(room: str, planted: str) -> None:
    assert len(faults(room, planted)) == 1


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("pages", "from explorer.ui import cache"),
        ("ui", "import streamlit"),
        ("data", "from explorer.data import x"),
    ],
)
def test_what_is_allowed_is_not_caught(room: str, allowed: str) -> None:
    assert faults(room, allowed) == []
