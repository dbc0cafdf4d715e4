"""Jobs: states that tell the truth, one job per key, and signals only to processes that are provably the job's."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from explorer import jobs, process
from explorer.text import Problem, set_language

# A command that behaves badly on request; it stands for `python -m explorer …`.
CHILD = """
import os, signal, subprocess, sys, time
sys.path.insert(0, {root!r})
from explorer.reporter import attached
from explorer.text import Problem
what = sys.argv[1]
with attached() as job:
    print("hello", what, flush=True)
    if what == "answer":
        job.answer({{"value": 7, "threads": os.environ.get("EXPLORER_THREADS")}})
    if what == "steps":
        for i in range(1, 4):
            job.step(i, 4, "Reading the pictures"); time.sleep(0.3)
    if what == "sleep":
        job.step(1, 2, "Reading the pictures"); job.write(); time.sleep(60)
    if what == "problem":
        raise Problem("There is no job {{id}}.", id="x")
    if what == "bug":
        raise ZeroDivisionError("of course")
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "stubborn":
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        subprocess.Popen([sys.executable, "-c", deaf])
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                pass
"""


SERVER = """
import sys
from explorer import jobs
jobs.COMMAND = tuple(sys.argv[1:])
print(jobs.submit(["sleep"], "test"))
"""


@pytest.fixture(autouse=True)
def child(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(root=str(root)))
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, str(script)))
    yield
    for job in jobs.jobs():
        jobs.stop(job.id, grace=0.0)


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def running(job: str) -> bool:
    return jobs.status(job).message != ""


def pid_of(job: str) -> int:
    return json.loads((jobs.root() / job / "process.json").read_text())["pid"]


def test_a_job_runs_to_its_end_and_tells_how_far_it_is():
    job = jobs.submit(["steps"], "test")
    until(lambda: running(job))
    seen = jobs.status(job)
    assert seen.state == "running" and seen.message == "Reading the pictures" and 0 < seen.progress < 1
    found = jobs.wait(job, 20)
    assert (found.state, found.progress, found.error) == ("done", 1.0, None)
    assert jobs.logs(job) == ["hello steps"]


def test_it_is_detached_and_leads_its_own_group():
    job = jobs.submit(["sleep"], "test")
    until(lambda: running(job))
    pid = pid_of(job)
    assert os.getpgid(pid) == os.getsid(pid) == pid != os.getpgid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


def test_a_problem_becomes_the_job_s_error_in_the_reader_s_language():
    found = jobs.wait(jobs.submit(["problem"], "test"), 20)
    assert found.state == "failed"
    assert (found.error.template, str(found.error)) == ("There is no job {id}.", "There is no job x.")


def test_a_bug_fails_with_its_name_and_the_trace_is_in_the_log():
    job = jobs.submit(["bug"], "test")
    found = jobs.wait(job, 20)
    assert (found.state, str(found.error)) == ("failed", "ZeroDivisionError: of course")
    until(lambda: any("Traceback" in line for line in jobs.logs(job)))  # printed after the state is written


@pytest.mark.parametrize("how", ["segfault", "kill"])
def test_a_job_that_died_is_interrupted_never_running(how: str):
    job = jobs.submit(["sleep" if how == "kill" else how], "test")
    if how == "kill":
        until(lambda: running(job))
        os.kill(pid_of(job), signal.SIGKILL)
    found = jobs.wait(job, 20)
    assert (found.state, found.live) == ("interrupted", False)


def test_ten_submits_at_once_start_one_job_and_another_key_another():
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(jobs.submit(["sleep"], "test"))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10 and len(set(found)) == 1
    assert jobs.submit(["sleep"], "test", key="another") not in found
    assert len(jobs.jobs()) == 2


def test_two_servers_at_once_start_one_job(root: Path):
    """The lock holds between processes, not only between threads."""
    servers = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, *jobs.COMMAND], cwd=root, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ids = {server.communicate(timeout=60)[0].strip() for server in servers}
    assert len(ids) == 1 and jobs.status(ids.pop()).live


def test_a_key_is_free_again_when_its_job_has_ended():
    first = jobs.submit(["hello"], "test", key="k")
    jobs.wait(first, 20)
    assert jobs.submit(["hello"], "test", key="k") != first


def test_stop_asks_first_and_the_process_is_gone_within_three_seconds():
    job = jobs.submit(["sleep"], "test")
    until(lambda: running(job))
    pid, begun = pid_of(job), time.monotonic()
    assert jobs.stop(job).state == "cancelled"
    assert time.monotonic() - begun < 3
    assert process.identity(pid) is None
    assert jobs.stop(job).state == "cancelled"  # once more is no error


def test_stop_kills_what_does_not_listen_with_all_its_children():
    job = jobs.submit(["stubborn"], "test")
    until(lambda: len(process.group(pid_of(job), f"EXPLORER_JOB={jobs.root() / job}")) == 2)
    assert jobs.stop(job, grace=0.3).state == "cancelled"
    assert process.group(pid_of(job), f"EXPLORER_JOB={jobs.root() / job}") == []


def test_a_reaped_child_leaves_no_zombie():
    job = jobs.submit(["hello"], "test")
    pid = pid_of(job)
    jobs.wait(job, 20)
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_process_that_only_has_the_same_id_gets_no_signal():
    """The id was given out again: another start time stands in its place."""
    job = jobs.submit(["hello"], "test")
    jobs.wait(job, 20)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        folder = jobs.root() / job
        written = json.loads((folder / "process.json").read_text())
        (folder / "process.json").write_text(json.dumps(written | {"pid": stranger.pid}))
        (folder / "state.json").write_text('{"state": "running"}')
        assert jobs.status(job).state == "interrupted"
        assert jobs.stop(job, grace=0).state == "interrupted"
        (folder / "process.json").write_text(json.dumps(process.card(stranger.pid) | {"identity": "boot/1"}))
        jobs.stop(job, grace=0)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_job_of_another_machine_is_judged_by_its_heartbeat():
    job = jobs.submit(["hello"], "test")
    jobs.wait(job, 20)
    folder = jobs.root() / job
    (folder / "process.json").write_text('{"pid": 1, "identity": "x", "host": "elsewhere"}')
    (folder / "state.json").write_text('{"state": "running"}')
    (folder / "heartbeat").touch()
    assert jobs.status(job).state == "running"
    os.utime(folder / "heartbeat", (time.time() - 60, time.time() - 60))
    assert jobs.status(job).state == "interrupted"


def test_a_new_server_sees_and_stops_the_job_of_the_old_one(root: Path):
    asked = subprocess.run(
        [sys.executable, "-c", SERVER, *jobs.COMMAND], cwd=root, capture_output=True, text=True
    )
    job = asked.stdout.strip()
    until(lambda: running(job))
    assert jobs.stop(job).state == "cancelled"


def test_nothing_is_started_in_public_mode(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    with pytest.raises(Problem, match="public"):
        jobs.submit(["hello"], "test")
    assert jobs.jobs() == []


def test_nothing_is_stopped_or_deleted_in_public_mode(monkeypatch: pytest.MonkeyPatch):
    """What the owner started from his terminal goes on, whatever an address names."""
    job = jobs.submit(["sleep"], "test")
    until(lambda: running(job))
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    for action in (jobs.stop, jobs.ask_to_stop, jobs.delete, jobs.resume):
        with pytest.raises(Problem, match="public"):
            action(job)
    assert jobs.status(job).state == "running" and not (jobs.root() / job / "stop").exists()
    monkeypatch.delenv("EXPLORER_PUBLIC")


def test_there_is_an_end_to_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "MOST_LIVE", 1)
    jobs.submit(["sleep"], "test")
    with pytest.raises(Problem, match="1 jobs are running"):
        jobs.submit(["hello"], "test")


def test_old_folders_are_forgotten_but_not_those_of_running_jobs(monkeypatch: pytest.MonkeyPatch):
    alive = jobs.submit(["sleep"], "test")
    ended = [jobs.submit(["hello"], "test", key=str(k)) for k in range(3)]
    for job in ended:
        jobs.wait(job, 20)
    monkeypatch.setattr(jobs, "MOST_KEPT", 1)
    jobs.submit(["hello"], "test", key="last")
    left = {job.id for job in jobs.jobs()}
    assert alive in left and len(left & set(ended)) == 1


def test_many_jobs_of_one_kind_push_out_none_of_another(monkeypatch: pytest.MonkeyPatch):
    kept = jobs.submit(["hello"], "perturb")
    jobs.wait(kept, 20)
    monkeypatch.setattr(jobs, "MOST_KEPT", 1)
    for k in range(3):
        jobs.wait(jobs.submit(["hello"], "score", key=str(k)), 20)
    jobs.submit(["hello"], "score", key="last")
    assert kept in {job.id for job in jobs.jobs()} and len(jobs.jobs()) == 3


def test_more_drawings_are_kept_than_jobs_of_other_kinds(monkeypatch: pytest.MonkeyPatch):
    """They are small, and all visitors' together."""
    monkeypatch.setattr(jobs, "MOST_KEPT", 1)
    monkeypatch.setattr(jobs, "MOST_DRAWN", 2)
    ended = []
    for k in range(3):
        ended.append(jobs.submit(["hello"], "draw", key=str(k)))
        jobs.wait(ended[-1], 20)
    last = jobs.submit(["hello"], "draw", key="last")
    assert {job.id for job in jobs.jobs()} == {*ended[1:], last}


def test_the_newest_job_is_found_by_how_its_key_begins():
    for key in ("perturb blur 0.5", "perturb blur 3", "perturb jpeg 5"):
        jobs.wait(jobs.submit(["hello"], "perturb", key), 20)
    assert [job.key for job in jobs.all_of("perturb blur ")][-1] == "perturb blur 3"
    assert jobs.all_of("perturb ")[-1].key == "perturb jpeg 5" and jobs.all_of("perturb noise ") == []


def test_strangers_wait_for_each_other_and_may_stop_a_drawing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    drawings = [jobs.submit(["stubborn"], "draw", "1"), jobs.submit(["sleep"], "draw", "2")]
    with pytest.raises(Problem, match=r"2 jobs are running; wait for one to end\.$"):
        jobs.submit(["hello"], "draw", "3")
    until(lambda: len(process.group(pid_of(drawings[0]), f"EXPLORER_JOB={jobs.root() / drawings[0]}")) == 2)
    jobs.ask_to_stop(drawings[0])
    assert jobs.wait(drawings[0], 20).state == "cancelled"
    assert jobs.wait(jobs.submit(["hello"], "draw", "3"), 20).state == "done"
    monkeypatch.delenv("EXPLORER_PUBLIC")


def test_jobs_on_one_device_take_turns_the_oldest_first():
    first = jobs.submit(["sleep"], "test", "1", "cpu")
    until(lambda: running(first))
    waiting = [jobs.submit(["sleep"], "test", key, "cpu") for key in "23"]
    until(lambda: all(jobs.status(job).message == "Waiting for its turn" for job in waiting))
    assert [jobs.status(job).state for job in (first, *waiting)] == ["running", "queued", "queued"]
    other = jobs.submit(["hello"], "test")
    assert jobs.wait(other, 20).state == "done", "what needs no device waits for nobody"
    os.kill(pid_of(first), signal.SIGKILL)
    until(lambda: jobs.status(waiting[0]).state == "running")
    time.sleep(0.5)
    assert jobs.status(waiting[1]).state == "queued"
    jobs.stop(waiting[0])
    until(lambda: jobs.status(waiting[1]).state == "running")


def test_a_waiting_job_can_be_cancelled_and_a_killed_one_keeps_nobody_waiting():
    first = jobs.submit(["sleep"], "test", "1", "cpu")
    until(lambda: running(first))
    second, third, fourth = (jobs.submit(["sleep"], "test", key, "cpu") for key in "234")
    until(lambda: all(jobs.status(job).state == "queued" for job in (second, third, fourth)))
    assert jobs.stop(second).state == "cancelled"
    os.kill(pid_of(third), signal.SIGKILL)
    jobs.stop(first)
    until(lambda: jobs.status(fourth).state == "running")
    assert jobs.status(third).state == "interrupted"


def test_two_devices_do_not_wait_for_each_other():
    jobs.submit(["sleep"], "test", "1", "cpu")
    other = jobs.submit(["sleep"], "test", "2", "cuda")
    until(lambda: running(other))
    assert jobs.status(other).state == "running"


def test_there_is_an_end_to_the_queue(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "MOST_QUEUED", 1)
    jobs.submit(["sleep"], "test", "1", "cpu")
    with pytest.raises(Problem, match="1 jobs are running"):
        jobs.submit(["sleep"], "test", "2", "cpu")
    jobs.submit(["hello"], "test", "3")


def test_an_ended_job_can_be_asked_for_again_and_deleted():
    job = jobs.submit(["hello"], "test", "k")
    jobs.wait(job, 20)
    again = jobs.resume(job)
    assert again != job and jobs.latest("k").id == again
    jobs.wait(again, 20)
    jobs.delete(job)
    assert [found.id for found in jobs.jobs()] == [again]
    with pytest.raises(Problem, match="There is no job"):
        jobs.resume(job)


def test_a_running_job_is_not_deleted():
    job = jobs.submit(["sleep"], "test")
    with pytest.raises(Problem, match="still under way"):
        jobs.delete(job)
    assert jobs.resume(job) == job, "asking again for what runs finds it"


def test_a_job_s_answer_can_be_read_and_it_leaves_a_core_to_the_pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EXPLORER_THREADS", raising=False)
    job = jobs.submit(["answer"], "test", device="cpu")
    jobs.wait(job, 20)
    cores = os.cpu_count() or 2
    assert jobs.result(job) == {"value": 7, "threads": str(max(1, cores - 1))}
    assert jobs.result(jobs.submit(["sleep"], "test")) == {}


def test_the_time_left_counts_from_the_first_step():
    assert jobs._left({"total": 100, "done": 60, "first": 50, "began": 0.0, "updated": 20.0}) == 80.0
    for state in (
        {},
        {"total": None, "done": 3},
        {"total": 9, "done": 5, "first": 5, "began": 0, "updated": 9},
    ):
        assert jobs._left(state) is None


def test_asking_a_page_s_job_to_stop_does_not_wait_for_it():
    job = jobs.submit(["stubborn"], "test")
    until(lambda: len(process.group(pid_of(job), f"EXPLORER_JOB={jobs.root() / job}")) == 2)
    begun = time.monotonic()
    jobs.ask_to_stop(job)
    assert time.monotonic() - begun < 1 and jobs.status(job).state == "stopping"
    assert jobs.wait(job, 20).state == "cancelled"
    assert time.monotonic() - begun < 10


def test_a_clock_that_jumps_changes_no_verdict(monkeypatch: pytest.MonkeyPatch):
    """Whether a process lives is read from its start time, which no clock can move."""
    alive, ended = jobs.submit(["sleep"], "test", "1", "cpu"), jobs.submit(["hello"], "test", "2")
    until(lambda: running(alive))
    jobs.wait(ended, 20)
    now = time.time
    for jump in (-1e6, 1e6):
        monkeypatch.setattr(time, "time", lambda jump=jump: now() + jump)
        assert (jobs.status(alive).state, jobs.status(ended).state) == ("running", "done")
        assert jobs.status(alive).seconds >= 0


HOSTILE = [
    "..",
    "../x",
    "/etc",
    "a/b",
    "%2e%2e",
    "a\0b",
    "A",
    "",
    "x" * 65,
    "C:",
    "jobs\n",
    "~",
    "'; ls",
    "ä",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_never_becomes_a_path_outside(name: str):
    for look in (jobs.status, jobs.stop, jobs.logs, jobs.resume, jobs.delete, jobs.result, jobs.ask_to_stop):
        with pytest.raises(Problem):
            look(name)


def test_a_link_in_the_jobs_folder_is_not_a_job(tmp_path: Path):
    jobs.root().mkdir(parents=True, exist_ok=True)
    (tmp_path / "job.json").write_text('{"id": "x", "kind": "x", "created": 0}')
    (jobs.root() / "link").symlink_to(tmp_path)
    with pytest.raises(Problem):
        jobs.status("link")
    assert jobs.jobs() == []


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"state": "runn', "\0" * 40, '{"state": 3}'])
def test_torn_files_raise_nothing(torn: str):
    job = jobs.submit(["hello"], "test")
    jobs.wait(job, 20)
    for name in ("state.json", "process.json"):
        (jobs.root() / job / name).write_text(torn)
    assert jobs.status(job).state in jobs.STATES
    assert jobs.jobs()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "file"))
    with pytest.raises(Problem, match="Cannot write"):
        jobs.submit(["hello"], "test")
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "fine"))


def test_logs_are_bounded_and_a_rewritten_line_counts_once():
    job = jobs.submit(["hello"], "test")
    jobs.wait(job, 20)
    with (jobs.root() / job / "log.txt").open("wb") as log:
        log.write(b"x" * 300_000 + b"\n10%\r20%\r30%\n\xff\n")
    assert jobs.logs(job, 2) == ["30%", "�"]
    assert sum(map(len, jobs.logs(job, 10**6))) < 70_000


def test_a_real_command_as_a_job(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-m", "explorer"))
    good, bad = jobs.submit(["data", "show"], "data"), jobs.submit(["data", "get", "nope"], "data")
    assert jobs.wait(good, 120).state == "done" and "digits" in "".join(jobs.logs(good))
    found = jobs.wait(bad, 120)
    assert found.state == "failed" and "Unknown data set" in found.error.template
    set_language("ko")
    try:
        assert "없는 데이터 세트" in str(found.error)
    finally:
        set_language("en")
