"""Public mode: strangers look, predict and draw a little; nothing else is reached, by page, address or function."""

from collections.abc import Callable
from pathlib import Path

import pytest

from explorer import checkpoints, cli, data, foreign, jobs, models, reach, runs
from explorer.data import fetch
from explorer.text import Problem
from explorer.training.fabric import make_fabric
from explorer.ui import language  # noqa: F401 (answers ?lang=)
from tests.test_pages import PAGES, everything, opened

# Every command is on one of the two lists: a new one has to be put there.
OPEN = {
    "models", "doctor", "checkpoints", "claims", "evaluate", "predict", "explain", "neighbours", "data show",
    "runs list", "runs show", "jobs list", "jobs show", "story list", "story check",
}  # fmt: skip
NET = ["--model", "lenet", "--data", "digits"]
FORBIDDEN = {
    "train": NET,
    "probe": NET,
    "lr-range": NET,
    "sweep": ["s", *NET, "--over", "lr=0.1", "--over", "batch=64"],
    "survey": ["digits-fastnet"],
    "index": ["digits-fastnet"],
    "map": ["digits-fastnet"],
    "faithfulness": ["digits-fastnet"],
    "sample": ["digits-vae", "--out", "{folder}/drawn.npz"],
    "score": ["digits-vae"],
    "samplers": ["digits-ddpm"],
    "protocols": ["digits-ddpm"],
    "perturb": ["blur", "1"],
    "retrieval": ["digits-fastnet"],
    "leaks": ["--data", "digits"],
    "import-published": ["ddpm-published"],
    "import": ["{folder}/x.pt", *NET, "--name", "mine", "--trust"],
    "data get": ["cifar10"],
    "data add": ["{folder}", "--name", "mine"],
    "data remove": ["mine"],
    "runs resume": ["there"],
    "runs sweep": ["swept"],
    "runs publish": ["there", "mine"],
    "runs moments": ["there", "mine"],
    "runs delete": ["there"],
    "runs export": ["there", "{folder}/there.zip"],
    "jobs submit": ["--", "doctor"],
    "jobs stop": ["test-20260101-000000-aaaaaa"],
    "jobs resume": ["test-20260101-000000-aaaaaa"],
    "jobs delete": ["test-20260101-000000-aaaaaa"],
    "story slide": ["lecture", "1", "--out", "{folder}/slide.png"],
    "story report": ["lecture", "--out", "{folder}/report.html"],
}


def commands() -> set[str]:
    """The name of every command, as it is typed."""
    names = {command.name for command in cli.app.registered_commands}
    for group in cli.app.registered_groups:
        names |= {f"{group.name} {command.name}" for command in group.typer_instance.registered_commands}
    return names


@pytest.fixture
def something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list]:
    """Runs that the owner has; public mode from here on. Returns what there is on disk."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    runs.create("lenet", "digits", name="there", epochs=1, device="cpu")
    runs.create_sweep("swept", "lenet", "digits", {"lr": ["0.1"], "batch": ["64"]}, epochs=1, device="cpu")
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    roots = (runs.root(), checkpoints.root(), data.data_root())
    return lambda: sorted(
        (str(path), path.stat().st_mtime_ns) for root in roots for path in root.rglob("*") if path.is_file()
    )


def test_every_command_is_open_or_forbidden() -> None:
    assert commands() == OPEN | FORBIDDEN.keys() and not OPEN & FORBIDDEN.keys()


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_forbidden_command_changes_nothing(command: str, something, tmp_path: Path, capsys) -> None:
    before = something()
    words = [word.format(folder=tmp_path) for word in FORBIDDEN[command]]
    assert cli.main([*command.split(), *words]) == 1
    assert "public" in capsys.readouterr().err
    assert something() == before


def test_the_functions_themselves_refuse(something, tmp_path: Path) -> None:
    """Not only who types a command: whatever reaches the writers."""
    before = something()
    zero, one = (0.0,) * 3, (1.0,) * 3
    card = checkpoints.Card("mine", "lenet", "digits", tuple("0123456789"), zero, one, data_fingerprint="")
    actions = [
        lambda: jobs.submit(["doctor"], "test"),
        lambda: jobs.train("there", "cpu"),
        lambda: runs.create("lenet", "digits"),
        lambda: next(runs.drive("there")),
        lambda: runs.delete("there"),
        lambda: runs.publish("there", "mine"),
        lambda: data.folder.add("mine", tmp_path),
        lambda: data.folder.remove("mine"),
        lambda: fetch.fetch(),
        lambda: foreign.import_pt(tmp_path / "x.pt", "lenet", "digits", "mine", trust=True),
        lambda: checkpoints.save(tmp_path / "mine", models.build("lenet", 10), card),
        lambda: make_fabric("lenet", "cpu"),
    ]
    for action in actions:
        with pytest.raises(Problem, match="public"):
            action()
    assert something() == before and jobs.jobs() == []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_offers_what_is_forbidden(page: str, something) -> None:
    before = something()
    for query in ({}, {"do": "new"}, {"do": "range"}, {"do": "sweep", "sweep": "swept"}, {"run": "there"},
                  {"job": "train-20260101-000000-aaaaaa"}, {"clone": "there", "do": "new"}):  # fmt: skip
        app = opened(page, query)
        assert not app.exception and not app.error
        keys = {
            node.key for node in everything(app.main) if getattr(node, "type", "") == "button" and node.key
        }
        forbidden = {"start", "estimate", "lr range run", "sweep start", "sweep resume", "stop run", "resume run",
                     "clone run", "delete run", "publish run"}  # fmt: skip
        assert not keys & forbidden and not any(key.startswith(("get ", "stop ")) for key in keys), keys
    assert something() == before and jobs.jobs() == []


def test_the_same_pages_offer_it_to_their_owner(something, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above looks for keys that exist."""
    monkeypatch.delenv("EXPLORER_PUBLIC")
    keys = set()
    for query in (
        {"do": "new"},
        {"do": "range"},
        {"do": "sweep", "sweep": "swept"},
        {"do": "runs", "run": "there"},
    ):
        app = opened("train", query)
        assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
        keys |= {node.key for node in everything(app.main) if getattr(node, "type", "") == "button"}
    assert {
        "start",
        "estimate",
        "lr range run",
        "sweep start",
        "sweep resume",
        "resume run",
        "clone run",
    } <= keys


def test_who_runs_the_commands_on_the_machine_is_not_concerned() -> None:
    assert not reach.public_mode()
    reach.allow("anything")
