"""The slides' claims against stored scores: whatever the figures say, and only where both sides have them."""

import dataclasses
import re

import pytest

from explorer.analysis import claims
from explorer.checkpoints import Card

BASE = {"recall": 0.5, "coverage": 0.5, "precision": 0.6, "fid_5k_train50k": 40.0, "milliseconds": 5.0}


def card(model: str, recipe: str = "", data: str = "cifar10", **scores: object) -> Card:
    return Card(
        f"{data}-{model}-{recipe or 'ours'}", model, data, ("a", "b"), (0.5,) * 3, (0.2,) * 3, "0" * 64,
        recipe={"name": recipe or model, "changed": []}, metrics={"samples": BASE | scores},
    )  # fmt: skip


def verdict(key: str, dcgan: dict, ddpm: dict) -> str:
    found = claims.verdicts(card("dcgan", **dcgan), card("ddpm", **ddpm), same_recipe=False)
    return next(each.verdict for each in found if each.claim == key)


@pytest.mark.parametrize(
    ("key", "dcgan", "ddpm", "expected"),
    [
        ("diverse", {}, {"recall": 0.7, "coverage": 0.7}, "holds"),
        ("diverse", {}, {"recall": 0.7, "coverage": 0.3}, "mixed"),
        ("diverse", {}, {"recall": 0.3, "coverage": 0.3}, "fails"),
        ("diverse", {}, {}, "equal"),
        ("diverse", {}, {"recall": 0.505, "coverage": 0.6}, "holds"),  # a tie does not spoil it
        ("sharper", {}, {"precision": 0.7, "fid_5k_train50k": 30.0}, "holds"),
        ("sharper", {}, {"precision": 0.7, "fid_5k_train50k": 50.0}, "mixed"),
        ("sharper", {}, {"precision": 0.5, "fid_5k_train50k": 50.0}, "fails"),
        ("faster", {"milliseconds": 0.5}, {}, "holds"),
        ("faster", {"milliseconds": 50.0}, {}, "fails"),
    ],
)
def test_the_verdict_follows_the_figures(key: str, dcgan: dict, ddpm: dict, expected: str) -> None:
    assert verdict(key, dcgan, ddpm) == expected


def test_the_slides_pair_comes_first_and_is_called_so() -> None:
    plain, ours = card("dcgan", "dcgan-slides", fid_5k_train50k=120.0), card("dcgan")
    theirs, own = card("ddpm", "ddpm-slides"), card("ddpm")
    found = claims.pairs([ours, own, plain, theirs])
    assert [(a.name, b.name, same) for a, b, same in found] == [
        (plain.name, theirs.name, True),
        (ours.name, own.name, False),
        (plain.name, own.name, False),
        (ours.name, theirs.name, False),
    ]
    assert [same for *_, same in claims.pairs([ours, plain, own])] == [False, False]


def test_a_recipe_that_was_changed_or_does_not_say_so_is_not_the_slides() -> None:
    plain, theirs = card("dcgan", "dcgan-slides"), card("ddpm", "ddpm-slides")
    assert [same for *_, same in claims.pairs([plain, theirs])] == [True]
    for told in ({"changed": ["lr"]}, {}):
        other = dataclasses.replace(theirs, recipe={"name": "ddpm-slides"} | told)
        found = claims.pairs([plain, other])
        assert [same for *_, same in found] == [False]
        assert "no scored checkpoint of DDPM follows it" in claims.absent(found)


def test_that_the_slides_pair_is_not_here_is_said() -> None:
    ours, own, plain, theirs = (
        card("dcgan"),
        card("ddpm"),
        card("dcgan", "dcgan-slides"),
        card("ddpm", "ddpm-slides"),
    )
    assert "checkpoint of DCGAN, DDPM follows it" in claims.absent(claims.pairs([ours, own]))
    assert "checkpoint of DDPM follows it" in claims.absent(claims.pairs([ours, own, plain]))
    assert claims.absent(claims.pairs([ours, own, plain, theirs])) == "" == claims.absent([])


def test_a_pair_says_how_far_each_training_went() -> None:
    plain, own = card("dcgan", "dcgan-slides"), card("ddpm")
    assert claims.trained(plain, own, False) == "recipes as their cards say"
    plain.recipe["images_seen"], own.recipe["images_seen"] = 1_000_000, 587_520
    assert claims.trained(plain, own, False) == (
        "recipes as their cards say: cifar10-dcgan-dcgan-slides after 1,000,000 of their 10,000,000 pictures, "
        "cifar10-ddpm-ours after 587,520 pictures"
    )
    assert claims.trained(plain, plain, True).startswith(
        "both in the slides' recipe: cifar10-dcgan-dcgan-slides after"
    )
    own.recipe["images_seen"] = "many"  # a stranger's card
    assert "cifar10-ddpm" not in claims.trained(plain, own, False)


def test_the_slides_nets_saw_their_epochs_times_the_training_pictures() -> None:
    from explorer import reported

    for model, seen in claims.SEEN.items():
        epochs = re.search(r"(\d+) epochs", reported.recipes()[f"slides_{model}"])
        assert int(epochs[1]) * 50_000 == seen


def test_the_better_of_two_speaks_for_its_recipe_and_other_data_for_nobody() -> None:
    better = card("dcgan", fid_5k_train50k=30.0)
    found = claims.pairs([card("dcgan"), better, card("dcgan", data="digits"), card("ddpm")])
    assert [pair[0] for pair in found] == [better]
    assert claims.pairs([card("dcgan")]) == [] == claims.pairs([])


def test_a_figure_that_one_side_lacks_is_left_out() -> None:
    lacking = card("ddpm")
    del lacking.metrics["samples"]["recall"], lacking.metrics["samples"]["milliseconds"]
    found = {each.claim: each for each in claims.verdicts(card("dcgan"), lacking, False)}
    assert set(found) == {"diverse", "sharper"} and set(found["diverse"].figures) == {"coverage"}


def test_every_claim_is_one_that_the_slides_make() -> None:
    from explorer import reported

    made = reported.figures()["claims.generators"].value
    assert all(claim.text in made for claim in claims.CLAIMS.values())
    assert set(claims.WORDS) == {"holds", "fails", "mixed", "equal", "apart"}
    assert {name for claim in claims.CLAIMS.values() for name in claim.measures} == set(claims.LABELS)


def test_milliseconds_of_different_machines_decide_nothing() -> None:
    fast, slow = {"milliseconds": 0.5, "device": "CPU, 2 threads"}, {"device": "CPU, 2 threads"}
    assert verdict("faster", fast, slow) == "holds"
    assert verdict("faster", fast, slow | {"device": "NVIDIA L4"}) == "apart"
    assert verdict("faster", fast, {}) == "apart", "of one nobody knows the machine"
    assert verdict("diverse", fast, {"recall": 0.7, "coverage": 0.7}) == "holds"
