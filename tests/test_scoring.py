"""The stored scores of a generator: nothing that a card holds is lost, and a card says where its recipe was changed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from explorer import checkpoints, data
from explorer.analysis import examination, sampling, scores
from explorer.analysis.inception import NO_CLASSIFIER
from explorer.runs import scoring, store_scores
from explorer.text import Missing, Problem
from explorer.training import RECIPES, accuracy_score
from tests.analysis.test_sampling import made
from tests.analysis.test_scores import WIDE, Small


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with a generator that was never trained; neither Inception's weights nor CIFAR-10 are here."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setattr(examination.examine, "__defaults__", (600, None))
    made(tmp_path / "checkpoints", "dcgan")
    return tmp_path / "checkpoints" / "tiny-dcgan"


def scored(place: Path, **samples: object) -> bytes:
    """The card's bytes, once it holds these scores."""
    card = checkpoints.read_card(place)
    checkpoints.update("tiny-dcgan", dataclasses.replace(card, metrics={"samples": samples}))
    return (place / checkpoints.CONFIG).read_bytes()


def never(*_: object, **__: object) -> None:
    raise AssertionError("work was done")


def test_scores_are_not_replaced_where_the_weights_of_inception_are_missing(place: Path, monkeypatch) -> None:
    monkeypatch.setattr(sampling, "draw", never)
    before = scored(place, fid=41.0, fid_n=5000, fid_5k_train50k=41.0)
    with pytest.raises(Missing, match="The Inception weights are not here yet"):
        store_scores("tiny-dcgan", device="cpu")
    assert (place / checkpoints.CONFIG).read_bytes() == before


def test_scores_are_not_replaced_where_the_data_are_missing(place: Path, monkeypatch) -> None:
    """Neither the FID of them nor the accuracy score; said before anything is drawn."""

    def load(name: str, split: str) -> data.ImageSet:
        raise Missing("It is not here.")

    monkeypatch.setattr(sampling, "draw", never)
    monkeypatch.setattr(examination, "Extractor", Small)
    for module in (examination, scoring):
        with monkeypatch.context() as absent:
            absent.setattr(module, "load", load)
            before = scored(place, fid=41.0, fid_n=5000, accuracy_score={"accuracy": 0.6, "n": 359})
            with monkeypatch.context() as quick, pytest.raises(Missing, match="It is not here"):
                quick.setattr(scores, "against", never)
                store_scores("tiny-dcgan", device="cpu")
            assert (place / checkpoints.CONFIG).read_bytes() == before


def test_what_has_no_fid_yet_gets_what_can_be_measured(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_score.accuracy_score, "__defaults__", (0.5, 0, "cpu", None))
    found = store_scores("tiny-dcgan", device="cpu").metrics["samples"]
    assert "fid" not in found and "Inception" in found["without"][0] and found["judged"]["n"] == 600
    assert found["device"] == examination.identity(checkpoints.load("tiny-dcgan", "cpu").device)


def test_scores_that_replace_others_have_all_of_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the accuracy score stands beside that of as many real pictures, or of all that there are."""
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    monkeypatch.setattr(examination, "Extractor", Small)
    monkeypatch.setattr(accuracy_score.accuracy_score, "__defaults__", (0.5, 0, "cpu", None))
    told = set()
    scored(place, fid=41.0, fid_n=5000)
    found = store_scores("tiny-dcgan", lambda done, total, what: told.add(what), "cpu").metrics["samples"]
    assert found["fid_n"] == 600 and found["fid"] != 41.0
    assert found["without"] == [NO_CLASSIFIER], "only the Inception Score, and why"
    score = found["accuracy_score"]
    assert score["trained_on"] == 600 and abs(score["real_trained_on"] - 600) <= 5 and 0 <= score["real"] <= 1
    assert score["n"] == len(data.load("digits", "test")) and {scoring.TRAINING, scoring.COMPARING} <= told
    assert checkpoints.read_card(place).recipe["changed"] == ["name"], "it names no recipe"


def test_the_shipped_cards_say_what_their_recipes_changed() -> None:
    cards = [checkpoints.read_card(path.parent) for path in checkpoints.OURS.glob("*/config.json")]
    told = {card.name: card.recipe["changed"] for card in cards if "changed" in card.recipe}
    assert told == {card.name: scoring.changed(card.recipe) for card in cards if card.name in told}
    assert told["cifar10-dcgan-plain"] == [], "the slides' recipe"


def test_a_classifier_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "examined", never)
    with pytest.raises(Problem, match="tells classes apart; this needs a model that draws"):
        store_scores(checkpoints.OURS / "digits-fastnet", device="cpu")


@pytest.mark.parametrize("name", RECIPES)
def test_a_card_s_recipe_is_the_named_one_or_says_what_was_changed(name: str) -> None:
    recipe = {"name": name, "step": 7, "images_seen": 900} | dataclasses.asdict(RECIPES[name])
    del recipe["summary"]  # as a run's card has it
    assert scoring.changed(recipe) == []
    assert scoring.changed(recipe | {"epochs": 0.5, "compile": True}) == []
    assert scoring.changed(recipe | {"lr": 1.0, "batch": np.inf}) == ["batch", "lr"]
    usual = dataclasses.asdict(type(RECIPES[name])())
    own = [
        key
        for key, value in recipe.items()
        if key in usual and value != usual[key] and key not in scoring.FREE
    ]
    assert scoring.changed({"name": name}) == own, (
        "an older card has fewer settings: the others were as by default"
    )
    assert scoring.changed(recipe | {"name": "mine"}) == ["name"] == scoring.changed({})
