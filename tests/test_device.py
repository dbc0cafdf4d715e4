"""The one place that knows about devices."""

import os
import subprocess

import pytest
import torch

from explorer import device, text
from explorer.text import Problem

COUNT = "from explorer.device import set_threads; print(set_threads())"


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(Problem, match="'tpu'; known: auto, cpu, cuda, mps"):
        device.choose("tpu")


def test_an_absent_device_says_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Problem, match="no cuda device; use --device auto or cpu"):
        device.choose("cuda")


def test_depthwise_nets_stay_in_float32_on_cpu() -> None:
    assert device.precision("depthwise", torch.device("cpu")) == torch.float32


def test_without_bfloat16_instructions_nothing_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(device, "_cpu_has_bf16", lambda has=has: has)
        assert device.precision("conv", torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"OMP_NUM_THREADS": "1"}, "1"), ({"OMP_NUM_THREADS": "1", "EXPLORER_THREADS": "3"}, "3")],
)
def test_threads_follow_the_environment(python: str, root, settings: dict, expected: str) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "EXPLORER_THREADS")}
    answer = subprocess.run(
        [python, "-c", COUNT], env=clean | settings, cwd=root, capture_output=True, text=True
    )
    assert answer.stdout.strip() == expected, answer.stderr


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "9" * 30])
def test_a_bad_number_of_threads_is_one_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EXPLORER_THREADS", value)
    with pytest.raises(Problem, match="EXPLORER_THREADS is"):
        device.set_threads()


def test_what_times_belong_to_names_the_processor_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        device.Path, "read_text", lambda *_, **__: "processor : 0\nmodel name\t: Chip 7 @ 2 GHz\n"
    )
    monkeypatch.setattr(device.platform, "system", lambda: "Linux")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    cpu, said = torch.device("cpu"), set()
    for language in ("en", "ko"):
        text.set_language(language)
        said.add(device.identity(cpu))
    text.set_language("en")
    assert said == {"Chip 7 @ 2 GHz, 2 threads"}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert device.identity(cpu) == "Chip 7 @ 2 GHz, 1 thread"


def test_a_system_that_hides_its_processor_s_name_says_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(device.platform, "processor", lambda: "")
    monkeypatch.setattr(device.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(device.platform, "system", lambda: "Linux")
    for said in (absent, lambda *_, **__: "Features : fp asimd bf16\n"):
        monkeypatch.setattr(device.Path, "read_text", said)
        assert device.identity(torch.device("cpu")) == "aarch64, 4 threads"
    monkeypatch.setattr(device.platform, "system", lambda: "Darwin")
    answer = subprocess.CompletedProcess([], 0, stdout="Apple M3\n")
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: answer)
    assert device.identity(torch.device("mps")) == "Apple M3, MPS"
