"""Which checkpoints there are: names, folders, cards. Nothing here needs torch."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from explorer.checkpoints import card as cards
from explorer.checkpoints.card import Card
from explorer.checkpoints.manifest import CONFIG, WEIGHTS, check_inside, verify
from explorer.data import valid_name
from explorer.text import N_, Problem

# What a checkpoint can be asked, and what is said of one of the other kind.
KINDS = {
    "classifier": N_("{name} draws pictures; this needs a classifier: {known}."),
    "generator": N_("{name} tells classes apart; this needs a model that draws: {known}."),
}
OURS = Path(__file__).resolve().parents[2] / "checkpoints"  # once: pages ask for it several times a run


@dataclass(frozen=True)
class Entry:
    """One folder of the registry: its card, or the reason why it cannot be used."""

    name: str
    card: Card | None
    problem: Problem | str | None = None  # a Problem speaks the language of whoever reads it


def root() -> Path:
    """The folder of checkpoints: $EXPLORER_CHECKPOINTS, else checkpoints/ of the project."""
    return Path(os.environ.get("EXPLORER_CHECKPOINTS") or OURS)


def kind_of(card: Card) -> str:
    """Of KINDS: a classifier tells classes apart, everything else draws pictures."""
    return "classifier" if card.task == "classifier" else "generator"


def known(kind: str | None = None) -> str:
    """The names of all usable checkpoints, or of those of a kind, for a sentence."""
    return ", ".join(e.name for e in catalogue() if e.card and kind in (None, kind_of(e.card))) or "-"


def check_kind(card: Card, kind: str | None) -> Card:
    """The card; Problem that lists the checkpoints of the `kind` when it is of the other one."""
    if kind not in (None, kind_of(card)):
        raise Problem(KINDS[kind], name=card.name, known=known(kind))
    return card


def folder_of(name: str | Path, kind: str | None = None) -> Path:
    """The folder of a checkpoint's name, or a Path itself (a run's ckpt/step-…); Problem lists the known ones.

    Only a Path is a path: a name comes from a link or a form, and never leads out of `root()`.
    """
    if isinstance(name, Path):
        if not (name / CONFIG).is_file():
            raise Problem("{path} is not a checkpoint folder: it holds no {file}.", path=name, file=CONFIG)
        return name
    folder = root() / valid_name(name, "checkpoint")
    if not (folder / CONFIG).is_file():
        raise Problem("Unknown checkpoint {name}; known: {known}.", name=repr(name), known=known(kind))
    check_inside(folder, root())
    return folder


def catalogue() -> list[Entry]:
    """Every checkpoint under `root()`, sorted by name, the unusable ones with their reason (no torch is needed).

    The files are compared with their hashes when they are new or have changed since the last look of this process.
    """
    found = []
    for folder in sorted(root().glob("*/")):
        if folder.name.startswith("."):
            continue
        try:
            check_inside(folder, root())
            stamp = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
            times = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stamp)
            found.append(Entry(folder.name, _seen(folder, times)))
        except Problem as problem:
            found.append(Entry(folder.name, None, problem))
        except OSError as error:  # it is being removed, or is not ours to read
            found.append(Entry(folder.name, None, str(error.strerror or error)))
    return found


@lru_cache(maxsize=256)
def _seen(folder: Path, times: tuple) -> Card:
    return whole(folder)


def read_card(name: str | Path, kind: str | None = None) -> Card:
    """The card of a checkpoint, without loading the weights; Problem when there is none, it is not a card, or it is
    not of the `kind` that is needed."""
    return check_kind(cards.read(folder_of(name, kind)), kind)


def whole(folder: Path) -> Card:
    """The card of a folder whose files are all as they were written, and whose weights are the card's."""
    card = cards.read(folder)
    if verify(folder)[WEIGHTS]["sha256"] != card.sha256:
        raise Problem("{folder}: {name} is not the one its card describes.", folder=folder.name, name=WEIGHTS)
    return card
