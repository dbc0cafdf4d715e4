"""The workshop: packages and their reasons, the starter, README's table and tree, no skipping on CI."""

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import serve

ROOT = Path(__file__).resolve().parent.parent
CODE = [
    ROOT / "app.py",
    ROOT / "serve.py",
    *sorted((ROOT / "explorer").rglob("*.py")),
    *(ROOT / "pages").glob("*.py"),
]
TESTS = [*sorted((ROOT / "tests").rglob("*.py")), *(ROOT / "benchmarks").glob("*.py")]
TEXTS = [
    *CODE, *TESTS, ROOT / "Makefile", ROOT / ".ci/run",
    *(file for kind in ("md", "txt", "toml", "sh") for file in ROOT.glob(f"*.{kind}")),
]  # fmt: skip
COMES_WITH = {
    **dict.fromkeys(("altair", "jsonschema", "packaging", "starlette", "uvicorn"), "streamlit"),
    "scipy": "scikit-learn",
    "tensorboardx": "tensorboardX",
    "torch_fidelity": "torch-fidelity",
}


def requirements(name: str) -> dict[str, tuple[Requirement, str]]:
    """Package -> (its requirement, the reason beside it)."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and line[0] not in "#-"]
    parts = [line.partition("#") for line in lines]
    return {Requirement(wanted).name: (Requirement(wanted), reason) for wanted, _, reason in parts}


def imported(files: list[Path]) -> set[str]:
    """What the files import, as pip calls it; the project's own and the standard library left out."""
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    foreign = {module for module in modules - sys.stdlib_module_names if module in known}
    return {min(known[module], key=len).lower() for module in foreign}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_has_a_bound_and_a_reason_and_is_installed(name):
    for package, (wanted, reason) in requirements(name).items():
        assert wanted.specifier, package
        assert len(reason) > 20, f"{package}: say beside it why it is here"
        assert wanted.specifier.contains(version(package)), package


def test_what_must_be_pinned_is_pinned():
    pins = {name: str(wanted.specifier) for name, (wanted, _) in requirements("requirements.txt").items()}
    assert (pins["torch"], pins["torchvision"], pins["streamlit"]) == ("==2.14.*", "==0.29.*", "==1.67.*")


def test_packages_are_exactly_those_imported():
    app, tests = set(requirements("requirements.txt")), set(requirements("requirements-dev.txt"))
    used = {COMES_WITH.get(name, name) for name in imported(CODE)}
    assert used - app == set(), "imported by the app and not in requirements.txt"
    assert app - used == set(), "in requirements.txt and imported nowhere"
    used_by_tests = {COMES_WITH.get(name, name) for name in imported(TESTS)}
    assert used_by_tests - app - tests == set(), "imported by tests and listed nowhere"
    assert tests - used_by_tests == {"ruff", "pytest-xdist"}, "in requirements-dev.txt and imported nowhere"


def test_no_file_knows_a_machine():
    own = re.compile(
        r"/work/\w|/root/|/home/\w+/|https?://(?!127\.0\.0\.1|localhost)[^\s)>\"']*\b(pypi|npmjs)\."
    )
    for file in TEXTS:
        if file != Path(__file__):
            assert not own.search(file.read_text()), file


# The starter --------------------------------------------------------------------------------------


def test_a_taken_port_is_one_sentence_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "serve.py", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert re.fullmatch(rf"Port {port} is taken by another program; try: make run PORT=\d+\.\n", ended.stderr)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", 0, "1 to 65535"),
        ("127.0.0.1", 70000, "1 to 65535"),
        ("203.0.113.9", 8501, "not an address of"),
    ]
    + [("no such name", 8501, "not a name or an address"), ("a" * 300, 8501, "not a name or an address")],
)
def test_an_address_that_cannot_be_is_one_sentence(host, port, words):
    with pytest.raises(serve.CannotServe, match=words):
        serve.check_address(host, port)


def test_a_free_address_is_accepted():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    serve.check_address("127.0.0.1", port)
    assert serve.url_of("0.0.0.0", port) == f"http://127.0.0.1:{port}"
    assert serve.url_of("::", port) == f"http://[::1]:{port}"


@pytest.mark.parametrize(
    ("host", "found", "url"),
    [
        ("0.0.0.0", "192.168.1.7", "http://192.168.1.7:8501"),
        ("::", "192.168.1.7", "http://192.168.1.7:8501"),
        ("0.0.0.0", "127.0.0.1", ""),
        ("0.0.0.0", None, ""),
        ("127.0.0.1", "192.168.1.7", ""),
    ],
)
def test_the_address_for_other_machines_is_that_of_the_network(host, found, url, monkeypatch):
    class Probe(socket.socket):
        def connect(self, address):
            if found is None:
                raise OSError("Network is unreachable")

        def getsockname(self):
            return found, 40_000

    monkeypatch.setattr(serve.socket, "socket", Probe)
    assert serve.network_url(host, 8501) == url


# Installing ---------------------------------------------------------------------------------------


def install(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run install.sh in `folder` for its requirements.txt."""
    return subprocess.run(
        ["sh", ROOT / "install.sh", ".venv", "requirements.txt"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_named_in_one_sentence(tmp_path):
    (tmp_path / "requirements.txt").write_text("anything\n")
    old = script(tmp_path / "old", 'case "$2" in *version_info\\ \\<*) exit 1;; *) echo Python 3.9;; esac')
    ended = install(tmp_path, PYTHON=str(old))
    assert ended.returncode == 1
    assert ended.stderr.startswith("Model Explorer needs Python 3.11 or newer; found: Python 3.9.")
    assert ended.stderr.count("\n") == 1 and not (tmp_path / ".venv").exists()


def test_the_second_installation_starts_no_python_and_a_changed_file_starts_pip(tmp_path):
    (tmp_path / "requirements.txt").write_text("anything\n")
    script(tmp_path / ".venv/bin/python", 'echo "$@" >> "$(dirname "$0")/calls"')
    calls = tmp_path / ".venv/bin/calls"
    assert install(tmp_path).returncode == 0 and "pip install" in calls.read_text()
    calls.unlink()
    again = install(tmp_path)
    assert (again.returncode, again.stdout, again.stderr, calls.exists()) == (0, "", "", False)
    (tmp_path / "requirements.txt").write_text("anything else\n")
    assert install(tmp_path).returncode == 0 and "-r requirements.txt" in calls.read_text()


def test_a_failed_installation_is_not_taken_for_done(tmp_path):
    (tmp_path / "requirements.txt").write_text("anything\n")
    script(tmp_path / ".venv/bin/python", 'case "$*" in *install*) exit 1;; esac')
    for _ in range(2):
        ended = install(tmp_path)
        assert ended.returncode == 1 and "could not be installed" in ended.stderr


# CI -----------------------------------------------------------------------------------------------


def test_ci_runs_the_three_goals_on_its_own_cifar10():
    run = ROOT / ".ci/run"
    assert os.access(run, os.X_OK)
    text = run.read_text()
    assert all(
        word in text
        for word in ("lint test test-slow", "data get cifar10", "export EXPLORER_DATA", "CI=true")
    )
    goals = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "lint", "test", "test-slow"} <= set(goals)


SKIPS = """
import pytest
def test_by_call(): pytest.skip("nothing here")
@pytest.mark.skip(reason="nor here")
def test_by_mark(): pass
@pytest.mark.gpu
def test_gpu(): pytest.skip("no CUDA device")
@pytest.mark.xfail(reason="known", strict=True)
def test_known(): assert False
def test_good(): pass
"""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", "1 failed, 1 passed, 1 skipped"), ("", "1 passed, 3 skipped")]
)
def test_on_ci_nothing_but_a_gpu_test_may_be_skipped(tmp_path, ci, outcome):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_skips.py").write_text(SKIPS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"{outcome}, 1 xfailed{', 1 error' if ci else ''}" in ended.stdout
    assert ended.returncode == (1 if ci else 0)


def test_on_ci_a_file_that_skips_itself_has_failed(tmp_path):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_whole.py").write_text('import pytest\npytest.importorskip("no_such_package")\n')
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        env={**os.environ, "CI": "true", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode != 0 and "skipped on CI" in ended.stdout


# README -------------------------------------------------------------------------------------------


def test_the_results_table_is_what_the_cards_say():
    from benchmarks import results_table

    assert results_table.written() == results_table.table(), "run: python benchmarks/results_table.py --write"
    assert results_table.table().count("\n") >= 2, "no checkpoint is shipped"


def test_the_commands_in_the_texts_exist():
    from explorer import cli

    known = {command.name for command in cli.app.registered_commands}
    groups = {group.name: group.typer_instance for group in cli.app.registered_groups}
    known |= {f"{name} {one.name}" for name, group in groups.items() for one in group.registered_commands}
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci/run"):
        for first, second in re.findall(r"-m explorer ([a-z]+)(?: ([a-z]+))?", file.read_text()):
            assert (f"{first} {second}" if first in groups else first) in known, file
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"`make ([a-z-]+)|^make ([a-z-]+) ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {goal for pair in named for goal in pair if goal} <= goals


def test_the_tree_names_every_file_and_no_other():
    block = (ROOT / "README.md").read_text().split("```tree\n")[1].split("```")[0]
    named, folders = set(), []
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in line.split("  #")[0].split():
            path = "/".join([*folders[:depth], name.rstrip("/")])
            assert (ROOT / path).exists(), path
            named.add(path)
            if name.endswith("/"):
                folders[depth:] = [name.rstrip("/")]
    scripts = [*CODE, *(ROOT / "benchmarks").glob("*.py")]
    wanted = {str(file.relative_to(ROOT)) for file in scripts if file.name != "__init__.py"}
    assert wanted - named == set()


def test_the_screenshot_is_there_and_small():
    pictures = re.findall(r"!\[[^\]]{20,}\]\((docs/[^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures, "README.md shows no screenshot with a description"
    assert all(0 < (ROOT / picture).stat().st_size < 300_000 for picture in pictures)
