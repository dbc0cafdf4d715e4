"""--tensorboard: the rows of metrics.jsonl, readable as TensorBoard reads them."""

import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from explorer import runs
from explorer.runs import events
from explorer.text import Problem


def scalars(folder) -> dict[tuple[str, int], float]:
    """Every scalar of every event file: (tag, step) -> value, by TensorBoard's record format."""
    found = {}
    for path in sorted((folder / "tensorboard").glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            at += 12 + length + 4
    return found


def test_events_are_the_metrics() -> None:
    folder = runs.create("lenet", "digits", epochs=2, name="drawn", tensorboard=True)
    for _ in runs.drive("drawn"):
        pass
    rows = runs.metrics("drawn")
    assert "held_out_confusion" in rows[-1], "nothing here that is no number"
    skipped = {*events.SKIPPED, "held_out_confusion"}
    expected = {(key, row["step"]): row[key] for row in rows for key in row.keys() - skipped}
    found = scalars(folder)
    assert found.keys() == expected.keys() and ("held_out_accuracy", rows[-1]["step"]) in found
    assert all(found[key] == pytest.approx(value, rel=1e-6) for key, value in expected.items())


def test_without_the_wish_nothing_is_written() -> None:
    folder = runs.create("lenet", "digits", epochs=1, name="plain")
    for _ in runs.drive("plain"):
        pass
    assert not (folder / "tensorboard").exists()


def test_the_missing_package_is_named_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Problem, match="pip install tensorboardX"):
        runs.create("lenet", "digits", name="never", tensorboard=True)
    assert not (runs.root() / "never").exists()
