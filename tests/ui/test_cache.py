"""What sessions share: read anew when a card changes, loaded once, stored predictions before computed ones."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, models
from explorer.analysis import predict
from explorer.text import Missing, Problem
from explorer.ui import cache
from tests.made_up import damaged_cifar10


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one untrained checkpoint for digits and nothing stored beside it."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    write(tmp_path / "digits-lenet")
    return tmp_path


def write(folder: Path, purpose: str = "") -> checkpoints.Card:
    digits = data.load("digits", "test")
    model = models.build("lenet", len(digits.classes))
    card = checkpoints.Card(
        name=folder.name,
        model="lenet",
        data="digits",
        classes=digits.classes,
        mean=digits.mean,
        std=digits.std,
        data_fingerprint=digits.fingerprint,
        purpose=purpose,
    )
    return checkpoints.save(folder, model, card)


def test_entries_are_read_once_and_anew_when_a_card_changes(folder: Path) -> None:
    first = cache.entries()
    assert [entry.name for entry in first] == ["digits-lenet"]
    assert cache.entries() is first
    write(folder / "another")
    assert [entry.name for entry in cache.entries()] == ["another", "digits-lenet"]
    (folder / "another" / "config.json").write_text("no longer a card")
    assert [entry.card is None for entry in cache.entries()] == [True, False]


def test_an_unknown_card_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(Problem, match="digits-lenet"):
        cache.card("../../etc/passwd")


def test_a_refused_copy_of_cifar10_is_read_again_when_its_files_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    damaged_cifar10(tmp_path)
    read, load = [], data.load
    monkeypatch.setattr(data, "load", lambda *of: read.append(of) or load(*of))
    for _ in range(3):
        with pytest.raises(Problem, match="damaged copy"):
            cache.images("cifar10", "train")
    assert read == [("cifar10", "train")]
    with pytest.raises(Problem, match="test split"):
        cache.images("cifar10")
    damaged_cifar10(tmp_path, 2)
    with pytest.raises(Problem, match="damaged copy"):
        cache.images("cifar10", "train")
    assert len(read) == 3
    (tmp_path / "cifar10" / "train-images.npy").unlink()
    for _ in range(2):
        with pytest.raises(Missing):
            cache.images("cifar10", "train")
    assert len(read) == 5, "what is not here is looked for each time"


def test_a_model_is_loaded_once_and_anew_when_its_weights_change(folder: Path) -> None:
    first = cache.model("digits-lenet")
    assert cache.model("digits-lenet") is first
    write(folder / "digits-lenet")
    assert cache.model("digits-lenet") is not first


def test_predictions_are_computed_when_none_are_stored_and_the_data_is_small(folder: Path) -> None:
    found = cache.predictions("digits-lenet")
    digits = data.load("digits", "test")
    assert found.logits.shape == (len(digits), 10)
    np.testing.assert_array_equal(found.labels, digits.labels)
    assert cache.predictions("digits-lenet") is found


def test_stored_predictions_come_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = checkpoints.read_card("digits-lenet")
    labels = np.arange(12) % 10
    packed = checkpoints.pack_predictions(
        np.eye(10, dtype=np.float32)[labels], labels, data="digits", split="test", views=1,
        fingerprint="f" * 64, sha256=card.sha256,
    )  # fmt: skip
    checkpoints.update("digits-lenet", card, {checkpoints.prediction_file("test", 1): packed})
    monkeypatch.setattr(predict, "predict_set", lambda *_: pytest.fail("computed although stored"))
    assert len(cache.predictions("digits-lenet")) == 12


def test_too_many_pictures_to_wait_for_is_a_sentence_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 10)
    with pytest.raises(Missing, match="python -m explorer evaluate digits-lenet --split test --views 2"):
        cache.predictions("digits-lenet", views=2)


def test_what_is_kept_is_made_once_and_is_never_more_than_allowed() -> None:
    made: list[str] = []
    kept = cache.Kept(2)
    for key in ("a", "b", "a", "c", "a", "b"):  # c takes the place of b, which was longer unused than a
        assert kept.get((key, 1), lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["a", "b", "c", "b"]


def test_what_could_not_be_made_is_not_kept() -> None:
    kept = cache.Kept(2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 / 0)
    assert kept.get("a", lambda: 1) == 1


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """What each gives in a thread of its own; a failure when one of them does not end."""
    found: list[Any] = [None] * len(work)

    def run(k: int) -> None:
        try:
            found[k] = work[k]()
        except ArithmeticError as error:
            found[k] = type(error)

    threads = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return found


def test_many_who_ask_at_once_make_it_once_and_leave_no_lock_behind() -> None:
    kept, made = cache.Kept(2), []

    def make() -> str:
        made.append(time.sleep(0.2))
        return "value"

    assert at_once(*[lambda: kept.get("map", make)] * 50) == ["value"] * 50
    assert len(made) == 1 and not kept._turns


def test_after_a_failure_the_next_who_waits_makes_it() -> None:
    kept, left = cache.Kept(2), [0.0, 1.0]

    def make() -> float:
        time.sleep(0.1)
        return 1 / left.pop(0)

    found = at_once(*[lambda: kept.get("a", make)] * 8)
    assert found.count(ZeroDivisionError) == 1 and found.count(1.0) == 7
    assert not kept._turns


@pytest.mark.parametrize("long", [False, True])
def test_two_that_need_each_others_values_do_not_wait_for_ever(long: bool) -> None:
    one, other = cache.Kept(4, long), cache.Kept(4)
    both = threading.Barrier(2)

    def make(kept: cache.Kept, key: str) -> str:
        if not long:  # both are within their own by now; of what is long only one would be
            both.wait(20)
        return kept.get(key, lambda: key)

    found = at_once(
        lambda: one.get("a", lambda: make(other, "b")), lambda: other.get("b", lambda: make(one, "a"))
    )
    assert set(found) <= {"a", "b"}


def test_of_long_work_one_piece_is_done_at_a_time() -> None:
    kept = [cache.Kept(4, long=True) for _ in range(4)]
    busy, most = [], []

    def make() -> None:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.05)
        kept[0].get("within", lambda: None)  # needs no second turn
        busy.pop()

    at_once(*[lambda of=of, key=key: of.get(key, make) for of in kept for key in "ab"])
    assert len(most) == 8 and max(most) == 1


def test_a_visitor_who_clicks_again_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a spinner ends, Streamlit ends the script of who has clicked again: what was made is kept by then."""

    class Gone(BaseException): ...

    @contextmanager
    def spinner(words: str, show_time: bool) -> Iterator[None]:
        yield
        raise Gone

    monkeypatch.setattr(cache.st, "spinner", spinner)
    for long in (False, True):
        kept = cache.Kept(2, long)
        with pytest.raises(Gone):
            kept.get("a", lambda: "made", "Making it")
        assert kept.get("a", lambda: pytest.fail("made twice"), "Making it") == "made"
        assert at_once(lambda kept=kept: kept.get("b", lambda: "free")) == ["free"], "nothing is held"


def test_what_a_session_keeps_is_its_own_and_bounded() -> None:
    def script() -> None:
        import streamlit as st

        from explorer.ui import cache

        made = st.session_state.setdefault("made", [])
        for key in st.session_state.get("asked", []):
            st.session_state["last"] = cache.in_session(key, lambda key=key: made.append(key) or key, most=2)

    one, other = AppTest.from_function(script), AppTest.from_function(script)
    one.session_state["asked"] = ["a", "b", "a", "c", "a", "b"]  # b is the longest unused when c comes
    other.session_state["asked"] = ["a"]
    one.run()
    other.run()
    assert one.session_state["made"] == ["a", "b", "c", "b"] and one.session_state["last"] == "b"
    assert other.session_state["made"] == ["a"]
