"""Reported figures beside ours, and the cards' numbers in words."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from explorer import checkpoints, reported
from explorer.text import Problem
from explorer.ui import overview, widgets


@dataclass(frozen=True)
class Card:
    name: str
    model: str = "resnet18"
    data: str = "cifar10"
    task: str = "classifier"
    purpose: str = ""
    parameters: int = 11_173_962
    bytes: int = 22_400_000
    recipe: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=lambda: {"test": {"accuracy": 0.94125, "n": 10_000}})


THEIRS = Card("theirs", recipe={"name": "slides", "images_seen": 4_500_000, "changed": []})
OURS = Card("ours", recipe={"name": "short", "images_seen": 1_000_000})


def plain(text: str) -> str:
    return text.replace(overview.NARROW, " ").replace("*", "")


def test_every_figure_of_the_file_is_complete_and_known() -> None:
    assert len(reported.figures()) == 20
    for figure in reported.figures().values():
        assert figure.comparable in reported.COMPARABLE and figure.why and figure.source and figure.unit
        assert list(figure.rows())
    assert reported.figure("accuracy.resnet18").value == 93.79
    with pytest.raises(Problem, match=r"accuracy\.resnet18"):
        reported.figure("no.such")


def test_a_run_of_their_recipe_and_one_of_ours_stand_in_different_columns() -> None:
    table = overview.reported_table(
        "accuracy", [THEIRS, OURS, Card("digits", data="digits"), Card("bare", metrics={})]
    )
    row = [plain(column[0]) for column in table.values()]
    assert row == ["ResNet-18", "93.79 %", "94.12 % (theirs) after 4,500,000 pictures", "94.12 % (ours)"]
    assert all(not words for column in list(table.values())[2:] for words in column[1:])
    assert plain(table["Reported"][-1]) == "≥ 98 %"


def test_a_changed_recipe_is_not_theirs_and_neither_is_one_that_does_not_say() -> None:
    for changed in ({"changed": ["lr"]}, {}):
        recipe = {"name": "slides", "images_seen": 4_500_000} | changed
        table = overview.reported_table("accuracy", [Card("theirs", recipe=recipe)])
        row = [plain(column[0]) for column in table.values()]
        assert row == ["ResNet-18", "93.79 %", "", "94.12 % (theirs)"]


def drawing(name: str, model: str = "dcgan", recipe: str = "", **scores: Any) -> Card:
    samples = {"fid": 87.5, "fid_n": 5000, "reference": "cifar10:train", "reference_n": 50_000} | scores
    made_by = {"name": recipe, "images_seen": 6_000_000, "changed": []}
    return Card(name, model, task="gan", recipe=made_by, metrics={"samples": samples})


def test_a_reported_fid_stands_beside_ours_with_what_it_was_measured_on() -> None:
    cards = [
        THEIRS, drawing("slow", recipe="dcgan-slides"), drawing("fast", recipe="dcgan", fid=41.234),
        drawing("x", "ddpm"),
    ]  # fmt: skip
    of_dcgan, of_ddpm = zip(*overview.reported_table("fid", cards).values())
    assert [plain(words) for words in of_dcgan] == [
        "DCGAN", "189.13", "87.50, FID-5k against 50k train (slow) after 6,000,000 of their 10,000,000 pictures",
        "41.23, FID-5k against 50k train (fast)",
    ]  # fmt: skip
    assert [plain(words) for words in of_ddpm] == ["DDPM", "35.33", "", "87.50, FID-5k against 50k train (x)"]


def test_all_scores_are_told_also_those_of_parts() -> None:
    card = drawing(
        "a", near={"nearest_ratio": 1.5, "duplicate_rate": 0.0}, fid_curve=[[1, 2.0]], collapsed=False
    )
    said = overview._scores(card)
    assert (
        "near nearest_ratio = 1.5, near duplicate_rate = 0, collapsed = False" in said and "curve" not in said
    )


def test_an_fid_of_another_number_of_pictures_does_not_stand_beside_the_reported_one() -> None:
    many, few = drawing("many", fid_n=10_000), drawing("few", fid_n=500)
    bare = Card("bare", "dcgan", task="gan", metrics={})
    digits = replace(drawing("digits"), data="digits")
    table = overview.reported_table("fid", [many, few, bare, digits])
    assert not any(words for column in list(table.values())[2:] for words in column)


def test_how_many_pictures_they_saw_is_what_their_recipe_says() -> None:
    for name, pictures in overview.SEEN_BY_THEM.items():
        epochs = re.search(r"(\d+) epochs", reported.recipes()[name])
        assert epochs and int(epochs[1]) * 50_000 == pictures and name in overview.SAME_RECIPE


def test_a_generator_says_its_fid_and_of_what_and_what_it_is_not_worth() -> None:
    cards = [drawing("slow"), Card("new", "ddpm", task="diffusion", metrics={})]
    table = overview.generator_table(cards)
    assert [plain(column[0]) for column in table.values()] == [
        "slow", "cifar10", "87.50", "FID-5k against 50k train", "11.2 M", "22.4 MB",
    ]  # fmt: skip
    assert [column[1] for column in table.values()][2:4] == ["not scored yet", ""]
    first, second = overview.purposes([cards[0], drawing("few", fid_few=True)])
    assert "2,048" not in first and "Fewer than 2,048 pictures" in second
    assert len({*overview.TASKS.values()}) == 4


def test_what_a_card_says_stays_text() -> None:
    hostile = "![x](https://a.example/x.png) `a`] $b$"
    card = Card("theirs", purpose=hostile, recipe={"name": hostile})
    (said,) = overview.purposes([card])
    assert widgets.plain(hostile) in said and hostile not in said
    (said,) = overview.evidence([replace(checkpoints.read_card("digits-fastnet"), recipe=card.recipe)])
    assert widgets.plain(hostile) in said and hostile not in said


def test_what_is_known_of_several_figures_is_said_once() -> None:
    lines = overview.comparability("accuracy")
    assert lines[0].startswith("**ResNet-18, ResNet-50, ResNet-101**: partly comparable: epochs")
    named = (
        sum(line.split("**")[1].count(", ") + 1 for line in lines) - 1
    )  # "EfficientNet, 224 px" is one name
    assert named == sum(figure.kind == "accuracy" for figure in reported.figures().values())


def test_a_checkpoint_says_its_number_with_n_and_size() -> None:
    table = overview.checkpoint_table([OURS, Card("new", metrics={})])
    assert [plain(column[0]) for column in table.values()] == [
        "ours", "cifar10", "94.12 %", "", "10,000", "11.2 M", "22.4 MB",
    ]  # fmt: skip
    assert [column[1] for column in table.values()][2] == "not evaluated yet"


def test_the_recipe_that_counts_as_theirs_is_one_that_can_be_trained() -> None:
    from explorer.training import RECIPES

    assert set(overview.SAME_RECIPE.values()) <= set(RECIPES)
    assert set(overview.SAME_RECIPE) <= set(reported.recipes())


def test_every_reported_number_is_on_the_page_somewhere() -> None:
    beside = {figure.key for figure in reported.figures().values() if figure.kind in overview.BESIDE_OURS}
    others = overview.other_figures()
    assert len(beside) + len(others) == len(reported.figures())
    words = " ".join(cell for _, _, table in others for column in table.values() for cell in column)
    for number in ("95.16", "94.73", "95.36", "0.9579", "53.2", "0.88"):
        assert number in words
