"""The game against a model, by AppTest: its score, that nothing tells the answer before the guess, odd addresses."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, text
from explorer.analysis import answer, predict
from explorer.data import sheet
from explorer.ui import beat, cache
from explorer.views import pictures
from tests.made_up import made_up_checkpoints
from tests.test_pages import everything

REAL = checkpoints.root()  # before any test points elsewhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    yield
    text.set_language("en")


def script() -> None:
    from explorer.ui.beat import beat

    beat()


def in_korean() -> None:
    from explorer import text
    from explorer.ui.beat import beat

    text.set_language("ko")
    beat()


def opened(of: Any = script, **query: object) -> AppTest:
    app = AppTest.from_function(of, default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return well(app.run())


def well(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def guess(app: AppTest, k: int) -> AppTest:
    return well(app.button(key=f"guess {k}").click().run())


def go_on(app: AppTest) -> AppTest:
    return well(app.button(key="next picture").click().run())


def played(app: AppTest, guesses: list[int]) -> AppTest:
    for k in guesses:
        go_on(guess(app, k))
    return app


def asking(app: AppTest) -> bool:
    """Whether a guess is asked for, and no answer shown."""
    return len([one for one in app.button if (one.key or "").startswith("guess ")]) == 10 and not app.get(
        "vega_lite_chart"
    )


def sent(app: AppTest) -> list[bytes]:
    """All that the browser gets, message by message."""
    return [
        node.proto.SerializeToString(deterministic=True)
        for node in everything(app._tree)
        if getattr(node, "proto", None) is not None
    ]


def picture_of(app: AppTest) -> str:
    return app.get("image")[0].proto.imgs[0].url


def first_of(seed: int) -> str:
    return pictures.thumbnail_uri(sheet.load("test").images[beat.places_of(seed)[0]], 8)


def score_of(app: AppTest) -> tuple[int, int]:
    found = re.search(r"You (\d+) : (\d+) ", " ".join(str(node.proto) for node in app.get("progress")))
    assert found
    return int(found[1]), int(found[2])


def test_a_whole_game_counts_as_somebody_else_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the shipped model: the truth from the sheet, the model's word from its stored predictions."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(REAL))
    seed = 31  # of whose ten pictures the model gets nine
    places = beat.places_of(seed)
    labels = sheet.load("test").labels[places]
    said = predict.stored("cifar10-fastnet").predicted[sheet.test_indices()][places]
    guesses = [int(k) for k in labels]
    for n in (1, 4, 5):
        guesses[n] = (guesses[n] + 3) % 10
    app = opened(seed=str(seed), against="cifar10-fastnet")
    for n, k in enumerate(guesses):
        assert asking(app)
        guess(app, k)
        assert score_of(app) == (
            sum(a == b for a, b in zip(guesses[: n + 1], labels)),
            int((said[: n + 1] == labels[: n + 1]).sum()),
        )
        told = app.markdown[-1].value
        assert sheet.CLASSES[labels[n]] in told and f"cifar10-fastnet said {sheet.CLASSES[said[n]]}" in told
        assert not asking(app) and len(app.get("vega_lite_chart")) == 1
        go_on(app)
    assert score_of(app) == (7, int((said == labels).sum()))
    rows = app.table[0].value
    assert list(rows["True class"]) == [sheet.CLASSES[k] for k in labels]
    assert [word.split()[-1] for word in rows["You"]] == [sheet.CLASSES[k] for k in guesses]
    assert [word.split()[1].rstrip(",") for word in rows["cifar10-fastnet"]] == [
        sheet.CLASSES[k] for k in said
    ]
    assert sum("✓" in word for word in rows["You"]) == 7
    assert any("40–89 %" in part.value for part in app.markdown)  # Wilson, 7 of 10
    assert app.subheader[0].value == "cifar10-fastnet beat you."


def worlds_apart(monkeypatch: pytest.MonkeyPatch, places: np.ndarray) -> None:
    """From here on the pictures at these places are something else, and the models say something else."""
    images, classify = sheet.load("test"), answer.classify
    labels = images.labels.copy()
    labels[places] = (labels[places] + 1) % 10
    other = dataclasses.replace(images, labels=labels)
    monkeypatch.setattr(cache, "images", lambda name, split="test": other)

    def turned(loaded: Any, inputs: np.ndarray, views: int = 1) -> list[answer.Answer]:
        moved = {images.images[place].tobytes() for place in places}
        return [
            dataclasses.replace(one, probabilities=np.roll(one.probabilities, 1))
            if pixels.tobytes() in moved
            else one
            for one, pixels in zip(classify(loaded, inputs, views), inputs)
        ]

    monkeypatch.setattr(answer, "classify", turned)


@pytest.mark.parametrize("n", [0, 1, 9])
def test_nothing_tells_the_answer_before_the_guess(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the browser has got is the same, byte by byte, where the pictures to come are other classes."""
    before = [k % 10 for k in range(n)]
    here = sent(played(opened(seed="5"), before))
    places = beat.places_of(5)
    with monkeypatch.context() as patch:
        worlds_apart(patch, places[n:])
        there = played(opened(seed="5"), before)
        assert asking(there) and sent(there) == here
        guess(there, 3)
        elsewhere = sent(there)
    assert sent(guess(played(opened(seed="5"), before), 3)) != elsewhere  # the measure would notice
    names = [str(sheet.test_indices()[place]) for place in places[n:]]
    whole = re.sub(rb"data:image/png;base64,[A-Za-z0-9+/=]+", b"", b"\n".join(here))
    assert all(not re.search(rf"(?<!\d){name}(?!\d)".encode(), whole) for name in names)


def test_the_buttons_and_words_are_the_same_for_every_picture() -> None:
    app = opened(seed="5")
    for n in range(10):
        assert [one.label for one in app.button][:10] == list(sheet.CLASSES)
        assert [one.proto.shortcut for one in app.button][:10] == [*"1234567890"]
        image = app.get("image")[0].proto.imgs[0]
        assert (
            image.url.startswith("data:image/png;base64,")
            and image.alt == image.caption == f"Picture {n + 1} of 10"
        )
        go_on(guess(app, 0))


@pytest.mark.parametrize(
    "seed",
    [
        "-1",
        "10000",
        "1e3",
        "7.0",
        "nan",
        "",
        "٣",
        "²",
        "0x10",
        "99999999999999999999",
        "a\x00b",
        ["1", "2"],
        "[1]",
        " 7",
    ],
)
def test_an_odd_seed_gives_the_first_ten_and_says_so(seed: Any) -> None:
    odd = opened(seed=seed)
    assert ["(seed)" in part.value for part in odd.info] == [True]
    assert picture_of(odd) == first_of(0) and asking(odd)


def test_without_a_seed_the_first_ten_are_played_and_nothing_is_said() -> None:
    usual, ninth = opened(), opened(seed="0009")
    assert picture_of(usual) == first_of(0) and picture_of(ninth) == first_of(9) != first_of(0)
    assert [part.value for part in [*usual.info, *ninth.info]] == []


def test_an_odd_opponent_gives_the_first_one_and_says_so() -> None:
    for name in ("no-such-thing", "digits-a", "../../etc/passwd"):  # digits-a knows other classes
        app = opened(against=name, seed="9")
        assert ["(against)" in part.value for part in app.info] == [True]
        assert app.selectbox(key="against").value == "cifar10-a" and app.selectbox(key="against").options == [
            "cifar10-a"
        ]


def test_a_reload_begins_anew_and_a_rerun_keeps_the_score() -> None:
    app = played(opened(seed="12"), [0, 1, 2])
    first, score = picture_of(app), score_of(app)
    well(app.run())
    assert picture_of(app) == first and score_of(app) == score and asking(app)
    again = opened(seed="12")  # a reload is another session
    assert score_of(again) == (0, 0) and asking(again)
    assert picture_of(again) == picture_of(opened(seed="12"))


def test_the_back_button_shows_no_answer() -> None:
    app = guess(opened(seed="12"), 4)
    assert not asking(app)
    app.query_params["seed"] = "13"
    assert asking(well(app.run())) and score_of(app) == (0, 0)
    app.query_params["seed"] = "12"
    assert asking(well(app.run())) and score_of(app) == (0, 0)


def test_other_pictures_are_others_and_games_add_up() -> None:
    app = played(opened(seed="12"), [0] * 10)
    assert not any("games of this session" in part.value for part in app.markdown)
    well(app.button(key="again").click().run())
    seed = app.query_params["seed"]
    seed = seed[0] if isinstance(seed, list) else seed
    assert seed != "12" and 0 <= int(seed) <= beat.MOST_SEED and asking(app)
    played(app, [1] * 10)
    labels = sheet.load("test").labels
    mine = int((labels[beat.places_of(12)] == 0).sum() + (labels[beat.places_of(int(seed))] == 1).sum())
    assert any(
        f"All 2 games of this session, 20 pictures: you {mine} " in part.value for part in app.markdown
    )
    app.query_params["seed"] = "12"  # the same ten once more, now that they are known
    played(well(app.run()), [int(k) for k in labels[beat.places_of(12)]])
    assert score_of(app)[0] == 10
    assert any(
        f"All 2 games of this session, 20 pictures: you {mine} " in part.value for part in app.markdown
    )


def test_a_click_that_comes_twice_or_late_counts_once() -> None:
    def clicks() -> None:
        import streamlit as st

        from explorer.ui import beat

        st.session_state[beat.PLAYED] = {"seed": 3, "guesses": [], "shown": 0}
        beat._next(3, 0)  # nothing guessed yet
        beat._guess(3, 0, 5)
        beat._guess(3, 0, 6)
        beat._guess(4, 1, 6)
        beat._next(3, 0)
        beat._next(3, 0)
        st.text(str(st.session_state[beat.PLAYED]))

    app = AppTest.from_function(clicks, default_timeout=60).run()
    assert app.text[0].value == "{'seed': 3, 'guesses': [5], 'shown': 1}"


def test_the_ten_are_fair() -> None:
    """Every picture is as likely as another, whatever its class: seeds are drawn, labels are not asked."""
    counts = np.bincount(np.concatenate([beat.places_of(seed) for seed in range(2000)]), minlength=500)
    assert len(counts) == 500
    assert all(len(set(beat.places_of(seed))) == 10 for seed in range(200))
    # 2,000 games of 10 in 500: 40 each; chi2 over 499 degrees of freedom, five deviations
    chi2 = float(((counts - 40) ** 2 / (40 * 0.98)).sum())
    assert abs(chi2 - 499) < 5 * np.sqrt(2 * 499)


def test_both_languages_and_public_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened(in_korean, seed="3")
    assert asking(app)
    guess(app, 2)
    text.set_language("ko")
    assert text.t("You said {name}.", name="bird") in app.markdown[-1].value
    for _ in range(9):
        go_on(app)
        guess(app, 2)
    go_on(app)
    assert app.button(key="again").label == text.t("Again with other pictures")
    assert list(app.table[0].value.columns)[:3] == [text.t(word) for word in ("Picture", "True class", "You")]


def test_without_a_model_the_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    app = opened()
    assert any("train" in part.value for part in app.markdown) and not app.button
