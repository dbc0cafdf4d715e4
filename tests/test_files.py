"""Writes in one step: a reader sees the old file or the new one, whatever goes wrong in between."""

import os
import resource
import signal
from pathlib import Path

import pytest

from explorer import files, process
from explorer.text import Problem


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_bytes_take_the_name(tmp_path: Path):
    files.write_bytes(tmp_path / "deep/er/a", b"one")
    files.write_bytes(tmp_path / "deep/er/a", b"two")
    assert (tmp_path / "deep/er/a").read_bytes() == b"two" and names(tmp_path / "deep/er") == ["a"]


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    files.write_bytes(tmp_path / "a", b"one")
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"tw")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path: Path):
    files.write_bytes(tmp_path / "a", b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(Problem, match=r"Cannot write .*a: File too large"):
            files.write_bytes(tmp_path / "a", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Problem, match="Cannot write"):
        files.write_bytes(tmp_path / "file/a", b"x")
    with pytest.raises(Problem, match="Cannot write"):
        files.write_bytes(tmp_path / "folder", b"x")
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"null"])
def test_a_torn_json_file_is_an_empty_object(tmp_path: Path, content: bytes):
    (tmp_path / "a").write_bytes(content)
    assert files.read_json(tmp_path / "a") == {} == files.read_json(tmp_path / "absent")


def test_sweep_takes_what_a_killed_writer_left_and_no_more(tmp_path: Path):
    (tmp_path / ".tmp-old").touch()
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder/x").touch()
    (tmp_path / ".tmp-new").touch()
    (tmp_path / ".tmp-link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").touch()
    for name in (".tmp-old", ".tmp-folder"):
        os.utime(tmp_path / name, (0, 0))
    assert files.sweep(tmp_path) == 2 and names(tmp_path) == [".tmp-link", ".tmp-new", "kept"]
    assert files.sweep(tmp_path, older_than=0) == 2 and names(tmp_path) == ["kept"]


def test_a_process_is_known_by_more_than_its_id():
    mine = process.card()
    assert process.alive(mine) is True
    assert process.alive(mine | {"identity": "another boot/1"}) is False
    assert process.alive(mine | {"host": "elsewhere"}) is None
    assert process.alive({}) is None and process.alive({"pid": "1"}) is None
    child = os.fork()
    if child == 0:
        os._exit(0)
    while process.identity(child) is not None:
        pass  # until it is a zombie: ended, not yet waited for
    assert process.alive(process.card(child)) is False
    os.waitpid(child, 0)


def test_without_proc_the_start_time_comes_from_ps():
    assert process._identity_by_ps(os.getpid()) == process._identity_by_ps(os.getpid()) is not None
    assert process._identity_by_ps(2**22 + 1) is None
