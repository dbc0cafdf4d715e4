"""What all tests share: own folders, gates for tests that need something, and no skipping on CI."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "") not in ("", "0", "false")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip `gpu` tests where there is no GPU, and whatever asks for CIFAR-10 where it is absent."""
    for item in items:
        if item.get_closest_marker("gpu") and not gpu_present():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def gpu_present() -> bool:
    import torch  # imported here: most runs of a few tests need no torch

    return torch.cuda.is_available()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """On CI a skipped test has failed, because .ci/run brings all that tests need; a GPU it cannot bring."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail") and not item.get_closest_marker("gpu"):
        report.outcome, report.longrepr = "failed", f"skipped on CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The same for a whole file that skips itself, as pytest.importorskip does."""
    report = yield
    if CI and report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped on CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and jobs of a test go to a folder of its own; data sets are only read and stay where they are."""
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path_factory.mktemp("runs")))
    for name in ("EXPLORER_PUBLIC", "EXPLORER_TOKEN", "EXPLORER_JOB"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tests that compare sums bit by bit, or would only wait for a second thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cifar10() -> None:
    """Ask for this in a test that needs all of CIFAR-10."""
    from explorer import data

    if not data.available("cifar10"):
        pytest.skip("CIFAR-10 is not here: python -m explorer data get cifar10")


@pytest.fixture
def apart() -> Callable[[Callable[[], Any]], Any]:
    """Call something in a thread of its own: where Playwright's loop runs, asyncio.run() would refuse."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work).result()


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter to start commands with: `[python, "-m", "explorer", …]`."""
    return sys.executable


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder; paths in tests never depend on the working folder."""
    return ROOT


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints: a small VAE, DCGAN and DDPM that were never trained, and digits-fastnet."""
    from explorer import checkpoints
    from tests.analysis.test_sampling import made

    folder = tmp_path_factory.mktemp("checkpoints")
    for model in ("vae", "dcgan", "ddpm"):
        made(folder, model)
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), folder / "digits-fastnet")
    return folder


@pytest.fixture
def registry(untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `untrained` for one test, in the place of the shipped checkpoints."""
    shutil.copytree(untrained, tmp_path / "checkpoints")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def run(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: (exit status, stdout, stderr)."""
    from explorer import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
