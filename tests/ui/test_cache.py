"""What sessions share: read anew when a card changes, loaded once, stored predictions before computed ones."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, models
from explorer.analysis import predict
from explorer.text import Missing, Problem
from explorer.ui import cache


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
