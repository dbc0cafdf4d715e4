"""The cards of papers: on every page where a model appears, opened by one button, which costs nothing when closed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, text
from explorer.ui import papers, telling
from tests.made_up import made_up_checkpoints, made_up_generator
from tests.test_pages import everything, opened

REAL = checkpoints.root()  # before any test points elsewhere
# page -> what its address asks for, and what the papers' tabs, or the one title, then say
PAGES = {
    "home": ({}, ["LeNet", "GAN", "DCGAN", "VAE"]),
    "predict": ({"model": "digits-a"}, ["Gradient-Based Learning"]),
    "evaluate": ({"checkpoint": "digits-a"}, ["Gradient-Based Learning"]),
    "explain": ({"model": "digits-a"}, ["Gradient-Based Learning"]),
    "train": ({"net": "dcgan"}, ["GAN", "DCGAN"]),
    "generate": ({"data": "digits"}, ["VAE", "GAN", "DCGAN"]),
    "retrieve": ({"model": "digits-a", "gallery": "digits/test"}, ["Gradient-Based Learning"]),
    "story": ({"story": "seeing", "step": "11"}, ["GAN", "DCGAN"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    made_up_generator(root)
    made_up_generator(root, "digits-dcgan", model="dcgan", task="gan", model_args={"width": 8})
    return root


@pytest.fixture(autouse=True)
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    # Its thread would go on in the next test.
    monkeypatch.setattr(telling, "warm", lambda story, first, dark: None)
    yield
    text.set_language("en")


def titles(app: AppTest) -> list[str]:
    """The names on the papers' tabs, or the title of the only card."""
    tabs = [tab.label for tab in app.tabs]
    return tabs or [part.value.split("**")[1] for part in app.markdown if "**Aim**" in part.value]


def kinds(app: AppTest) -> list[str]:
    return [node.type for node in everything(app._tree)]


@pytest.mark.parametrize("page", PAGES)
def test_the_card_opens_on_the_page_and_costs_one_element_when_closed(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, said = PAGES[page]
    made: list[Any] = []
    card = papers.card
    monkeypatch.setattr(papers, "card", lambda paper: made.append(paper.key) or card(paper))
    app = opened(page, query)
    closed = kinds(app)
    assert not app.exception and made == []
    app.session_state["papers"] = True
    app.run()
    assert not app.exception
    shown = titles(app)
    assert len(shown) == len(said) == len(made)
    assert set(shown) == set(said) if len(said) > 1 else shown[0].startswith(said[0])
    with monkeypatch.context() as patch:
        patch.setattr(papers, "button", lambda models, key="papers": None)
        without = kinds(opened(page, query))
    assert len(closed) == len(without) + 1 and closed.count("popover") == without.count("popover") + 1


def test_two_models_of_evaluate_bring_two_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(REAL))
    asked = {"checkpoint": "cifar10-resnet18", "tab": "versus", "against": "cifar10-fastnet"}
    app = opened("evaluate", asked)
    app.session_state["papers"] = True
    app.run()
    assert not app.exception and titles(app) == ["ResNet", "airbench"]


def one_card() -> None:
    from explorer import text
    from explorer.ui import papers

    text.set_language("ko")
    papers.button(["resnet18", "resnet50", "no-such-net"])
    papers.button(["no-such-net"], key="none")


def test_a_card_in_korean_and_none_for_a_model_without_a_paper() -> None:
    app = AppTest.from_function(one_card, default_timeout=60)
    app.session_state["papers"] = True
    app.run()
    assert not app.exception and len(app.get("popover")) == 1
    (card,) = [part.value for part in app.markdown]
    assert "성능 저하" in card and "$H(x) = F(x) + x$" in card and "https://arxiv.org/abs/1512.03385" in card


def test_every_card_says_its_formulas_and_keywords_as_they_are() -> None:
    """Markdown must not eat a part: every point stands in the card, and no badge is left open."""
    for language in text.LANGUAGES:
        text.set_language(language)
        for paper in papers.papers.papers().values():
            app = AppTest.from_function(_all, default_timeout=60, args=(paper.key, language)).run()
            (said,) = [part.value for part in app.markdown]
            for words in (paper.say("aim"), paper.say("result"), paper.say("here"), *paper.say("idea")):
                assert words in said
            assert said.count(":gray-badge[") == len(paper.say("keywords"))


def _all(key: str, language: str) -> None:
    from explorer import papers as known
    from explorer import text
    from explorer.ui import papers

    text.set_language(language)
    papers.card(known.papers()[key])
