"""Rooms: who is in one sees the same step; few, forgotten in time, and closed to strangers who would lead."""

import threading

import pytest

from explorer.text import Problem
from explorer.ui import rooms


@pytest.fixture(autouse=True)
def none_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_rooms", {})


def test_a_room_is_where_it_was_moved_last() -> None:
    room = rooms.open_room("seeing", 3)
    assert len(room.code) == rooms.LENGTH and set(room.code) <= set(rooms.SIGNS)
    assert rooms.find(room.code) == room
    rooms.move(room.code, "stranger", 2)
    found = rooms.find(room.code)
    assert (found.story, found.step, found.opened) == ("stranger", 2, room.opened)
    rooms.close(room.code)
    assert rooms.find(room.code) is None
    rooms.move(room.code, "seeing", 1)  # into a room that has ended: nothing comes back to life
    assert rooms.find(room.code) is None


@pytest.mark.parametrize("code", [None, "", "nope", "x" * 10_000, "../..", "\x00"])
def test_a_code_that_is_none_finds_nothing(code: str | None) -> None:
    rooms.open_room("seeing", 1)
    assert rooms.find(code) is None


def test_rooms_are_few_and_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(rooms.time, "monotonic", lambda: now[0])
    codes = {rooms.open_room("seeing", 1).code for _ in range(rooms.MOST)}
    assert len(codes) == rooms.MOST
    with pytest.raises(Problem, match=f"{rooms.MOST} rooms already"):
        rooms.open_room("seeing", 1)
    now[0] += rooms.HOURS * 1800
    kept = min(codes)
    rooms.move(kept, "seeing", 2)
    now[0] += rooms.HOURS * 1800 + 1
    assert [code for code in codes if rooms.find(code)] == [kept]
    assert rooms.open_room("seeing", 1)


def test_the_clock_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(rooms.time, "monotonic", lambda: now[0])
    code = rooms.open_room("seeing", 1).code
    now[0] = 110.0
    rooms.restart_clock(code)
    assert rooms.find(code).opened == 110.0 and rooms.find(code).step == 1


def test_a_public_server_has_no_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    for lead in (
        lambda: rooms.open_room("seeing", 1),
        lambda: rooms.move("abcdef", "seeing", 9),
        lambda: rooms.restart_clock("abcdef"),
        lambda: rooms.close("abcdef"),
    ):
        with pytest.raises(Problem, match="public"):
            lead()
    assert rooms._rooms == {}


def test_many_at_once_open_rooms_of_their_own() -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(rooms.open_room("seeing", 1).code))
        for _ in range(rooms.MOST)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == rooms.MOST
