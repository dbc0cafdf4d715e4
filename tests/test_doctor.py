"""The doctor measures: its line says what a maintainer asks first, and a device that computes wrongly is told."""

import pytest
import torch

from explorer import doctor


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "MODEL", "lenet")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_line_holds_everything_in_one_line():
    found = doctor.examine("cpu", seconds=0.01)
    line = found.line()
    assert found.healthy and "\n" not in line
    for word in ("healthy", torch.__version__, "CPU", "GB", "img/s", "lenet", found.precision):
        assert word in line
    assert found.parity["float32"] == {"forward": 0.0, "step": 0.0}  # the CPU against itself
    assert all(rate > 0 for of in found.speed.values() for rate in of.values())
    assert found.data["digits"] is True and found.as_dict()["line"] == line


def test_a_device_that_computes_wrongly_is_not_healthy(monkeypatch: pytest.MonkeyPatch):
    real, calls = doctor._outcome, []

    def outcome(device: torch.device, kind: torch.dtype):
        logits, change = real(device, kind)
        calls.append(kind)
        return (logits, change) if len(calls) == 1 else (logits, change * 1.5)  # the first is the reference

    monkeypatch.setattr(doctor, "_outcome", outcome)
    found = doctor.examine("cpu", seconds=0.01)
    assert not found.healthy and "NOT HEALTHY" in found.line()
    assert found.parity["float32"]["step"] == pytest.approx(0.5, abs=1e-3)
