"""The section on a whole data set: what it says is the survey's, whatever the address says, with and without data."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, jobs, models, text
from explorer.analysis import survey
from explorer.analysis.survey import Survey
from explorer.checkpoints.manifest import write_manifest
from explorer.data import cifar10, sheet
from explorer.text import Problem
from explorer.ui import cache, surveys, widgets
from tests.made_up import logits_of


def card_of(name: str, model: str, source: str, classes: tuple[str, ...]) -> checkpoints.Card:
    return checkpoints.Card(
        name=name, model=model, data=source, classes=classes, mean=(0.5,) * 3, std=(0.25,) * 3,
        data_fingerprint="0" * 64,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits-a: trained, nothing stored; cifar10-a: made-up maps of pictures that are not here; cifar10-b: no maps;
    mine-a: made-up maps of an unknown data set; tiny: a lenet."""
    root = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(checkpoints.folder_of("digits-fastnet"), root / "digits-a")
    shutil.rmtree(root / "digits-a/evaluation")
    write_manifest(root / "digits-a")
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(10), 1000))
    labels[sheet.test_indices()] = sheet.load("test").labels
    logits, maps = logits_of(labels, 3, 3.5), rng.normal(size=(10_000, 4, 4)).astype(np.float32)
    for name, source in (("cifar10-a", "cifar10"), ("cifar10-b", "cifar10"), ("mine-a", "mine")):
        card = card_of(name, "fastnet", source, cifar10.CLASSES)
        card = checkpoints.save(root / name, models.build("fastnet", 10, seed=len(name)), card)
        if name != "cifar10-b":
            found = Survey(maps, -maps, logits, logits, labels, source, "test", "0" * 64, card.sha256)
            found = replace(found, said=np.where((found.predicted == labels)[:, None, None], maps, -maps))
            checkpoints.update(root / name, card, {checkpoints.maps_file("test"): survey.packed(found)})
    checkpoints.save(
        root / "tiny", models.build("lenet", 10), card_of("tiny", "lenet", "digits", tuple("0123456789"))
    )
    return root


@pytest.fixture(autouse=True)
def surroundings(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    yield
    text.set_language("en")


@pytest.fixture(scope="module")
def digits(folder: Path) -> Survey:
    """The survey of digits-a, made here and not on the page."""
    return survey.survey(checkpoints.load(folder / "digits-a"), data.load("digits", "test"))


def page() -> None:
    import streamlit as st

    from explorer.ui import cache, surveys, widgets

    with widgets.problems():
        cards = [cache.card(name) for name in st.session_state["names"]]
        blocks = st.query_params.get("blocks") == "true"
        surveys.section(cards, on_pick=st.session_state["on pick"], cells=blocks)


def opened(*names: str, on_pick: Callable | None = None, **query: str) -> AppTest:
    """The section of these checkpoints under this address."""
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["names"], app.session_state["on pick"] = list(names), on_pick
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [part.value for part in app.exception]
    return app


def sound(app: AppTest) -> AppTest:
    assert not app.error, [part.value for part in app.error]
    return app


def strips(app: AppTest) -> list[dict]:
    return [json.loads(strip.proto.bytes) for strip in app.get("bidi_component")]


def title(app: AppTest) -> str:
    return next(part.value for part in app.markdown if part.value.startswith("**")).replace("\\", "")


def said(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption, *app.info]).replace("\\", "")


def alts(app: AppTest) -> list[str]:
    return [image.alt for node in app.get("image") for image in node.proto.imgs]


def numbers(app: AppTest) -> list[int]:
    """The pictures that are shown, by their index in the split."""
    found = (re.match(r"Picture ([\d,]+),", alt) for alt in alts(app))
    return [int(match[1].replace(",", "")) for match in found if match]


def percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


# --- class by class ---------------------------------------------------------------------------------------------------


def test_every_class_has_its_mean_map_with_the_survey_s_border_share(digits: Survey) -> None:
    app = sound(opened("digits-a"))
    (strip,) = strips(app)
    borders = digits.border_by_class()
    assert [item["id"] for item in strip["items"]] == [str(k) for k in range(10)] and strip["chosen"] == "0"
    for k, item in enumerate(strip["items"]):
        assert item["share"] == pytest.approx(borders[k], abs=1e-4)
        assert item["title"].split("\n") == [str(k), percent(borders[k]), f"n = {(digits.labels == k).sum()}"]
        assert f"“{k}”" in item["alt"] and item["src"].startswith("data:image/png")
    assert len({item["src"] for item in strip["items"]}) == 10
    assert percent(borders[0]) in title(app) and percent(0.75) in title(app)
    top = max(np.abs(digits.mean_map(k)).max() for k in range(10))
    assert f"+{top:.3g}" in next(alt for alt in alts(app) if alt.startswith("Colour scale"))
    assert "digits-a · digits, test · n = 359 · CAM at the last map, 4 x 4 cells" in said(app)


def test_a_class_opens_to_its_pictures_with_the_most_and_the_least_at_the_border(digits: Survey) -> None:
    app = sound(opened("digits-a", true="7"))
    assert title(app).startswith("**“7”") and strips(app)[0]["chosen"] == "7"
    expected = digits.by_border(7).tolist()
    assert numbers(app) == [*expected[:6], *expected[::-1][:6]]
    listed = next(part.value for part in app.caption if "median over" in part.value)
    ratios = digits.ratios(7)
    order = [k for k in np.argsort(-ratios) if k != 7]
    assert listed.endswith(", ".join(f"{k} {ratios[k]:.2f}" for k in order) + ".")
    app.selectbox(key="true").select("2").run()
    assert title(sound(app)).startswith("**“2”") and app.query_params["true"] in ("2", ["2"])


def test_the_order_goes_by_the_border_and_the_first_of_it_is_open(digits: Survey) -> None:
    app = sound(opened("digits-a", order="border"))
    expected = [str(k) for k in np.argsort(-digits.border_by_class())]
    (strip,) = strips(app)
    assert [item["id"] for item in strip["items"]] == expected != sorted(expected)
    assert strip["chosen"] == expected[0] and title(app).startswith(f"**“{expected[0]}”")


def test_true_cells_and_bare_pictures_are_other_pictures_of_the_same_numbers() -> None:
    smooth, blocks, bare = (
        sound(opened("digits-a", **more)) for more in ({}, {"blocks": "true"}, {"laid": "false"})
    )
    for one, other in zip(strips(smooth)[0]["items"], strips(blocks)[0]["items"]):
        assert one["src"] != other["src"] and one["title"] == other["title"]
    assert numbers(smooth) == numbers(bare) and "Over each picture" in said(smooth)
    assert "Over each picture" not in said(bare)
    tiles = [
        [image.url for node in app.get("image") for image in node.proto.imgs if "Picture" in image.alt]
        for app in (smooth, bare)
    ]
    assert len(tiles[0]) == len(tiles[1]) == 12 and not set(tiles[0]) & set(tiles[1])


# --- what is taken for what -------------------------------------------------------------------------------------------


def test_a_cell_shows_three_maps_on_one_scale_and_its_pictures(digits: Survey) -> None:
    first, second = digits.cell(3, 3)
    app = sound(opened("digits-a", look="cell", true="3", predicted="3"))
    inside = np.flatnonzero((digits.labels == 3) & (digits.predicted == 3))
    assert title(app) == f"**“3” is recognised: {len(inside)} of {(digits.labels == 3).sum()}**"
    assert len(numbers(app)) == 12 and set(numbers(app)) <= set(inside.tolist())
    assert sum(alt.startswith("Mean map") for alt in alts(app)) == 3
    mistaken = np.flatnonzero(digits.labels != digits.predicted)
    true, predicted = int(digits.labels[mistaken[0]]), int(digits.predicted[mistaken[0]])
    app = sound(opened("digits-a", look="cell", true=str(true), predicted=str(predicted)))
    first, second = digits.cell(true, predicted)
    top = max(np.abs(each).max() for each in (first, second, second - first))
    assert f"+{top:.3g}" in next(alt for alt in alts(app) if alt.startswith("Colour scale"))
    shown = [alt for alt in alts(app) if alt.startswith("Mean map")]
    for alt, each in zip(shown, (first, second, second - first), strict=True):
        assert f"from {each.min():+.3g} to {each.max():+.3g}" in alt
    assert f"“{predicted}” minus “{true}”" in shown[2]


def test_without_a_choice_the_commonest_mistake_is_shown() -> None:
    found = survey.stored("cifar10-a")
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (found.labels, found.predicted), 1)
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    app = sound(opened("cifar10-a", look="cell"))
    names = cifar10.CLASSES
    assert (
        title(app)
        == f"**“{names[true]}” is taken for “{names[predicted]}”: {counts.max()} of {found.of_class(true):,}**"
    )
    app = sound(opened("cifar10-a", look="cell", true="ship"))
    worst = names[counts[names.index("ship")].argmax()]
    assert f"“ship” is taken for “{worst}”" in title(app)
    app = sound(opened("cifar10-a", look="cell", predicted="frog"))
    worst = names[counts[:, names.index("frog")].argmax()]
    assert f"“{worst}” is taken for “frog”" in title(app)


def test_a_cell_without_pictures_says_so(digits: Survey) -> None:
    app = sound(opened("digits-a", look="cell", true="0", predicted="1"))
    assert not ((digits.labels == 0) & (digits.predicted == 1)).any()
    assert "0 of 36" in title(app) and "There is no such picture" in said(app)


# --- addresses, clicks, several checkpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["classes", "cell", "nonsense"])
@pytest.mark.parametrize("value", ["", "<script>", "a\x00b", "9" * 5000, "[x](y) {t}"])
def test_nonsense_in_the_address_is_the_default(value: str, look: str) -> None:
    query = dict.fromkeys(("true", "predicted", "order", "of", "laid", "cell_page"), value)
    assert title(sound(opened("digits-a", "cifar10-a", look=look, **query))) == title(
        sound(opened("digits-a", "cifar10-a", look=look))
    )


def test_of_two_checkpoints_one_is_looked_at_and_the_address_says_which() -> None:
    app = sound(opened("digits-a", "cifar10-a"))
    assert "digits-a ·" in said(app)
    app.segmented_control(key="of").select("cifar10-a").run()
    assert "cifar10-a ·" in said(sound(app)) and app.query_params["of"] in ("cifar10-a", ["cifar10-a"])
    assert not opened("digits-a").segmented_control(key="look").disabled
    with pytest.raises(KeyError):
        opened("digits-a").segmented_control(key="of")


def test_a_click_on_a_picture_names_it(digits: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    picked, handlers = [], []
    whole = widgets.gallery

    def gallery(*args, on_pick=None, **more) -> None:
        handlers.append(on_pick)
        whole(*args, on_pick=on_pick, **more)

    monkeypatch.setattr(widgets, "gallery", gallery)
    app = sound(opened("digits-a", true="7", on_pick=lambda *which: picked.append(which)))
    assert [len(strip["items"]) for strip in strips(app)] == [10, 6, 6] and not numbers(app)
    assert all(item["alt"] and item["hint"] for strip in strips(app) for item in strip["items"])
    handlers[0](2)
    handlers[1](0)
    expected = digits.by_border(7)
    assert picked == [("digits", "test", int(expected[2])), ("digits", "test", int(expected[-1]))]


# --- what is missing --------------------------------------------------------------------------------------------------


def test_without_the_data_set_the_sheets_pictures_are_shown_and_the_button() -> None:
    found, here = survey.stored("cifar10-a"), set(sheet.test_indices().tolist())
    cats = [i for i in found.by_border(3).tolist() if i in here]
    app = sound(opened("cifar10-a", true="cat"))
    assert numbers(app) == [*cats[:6], *cats[::-1][:6]]
    assert f"{len(cats)} of these {found.of_class(3):,} pictures are on the shipped sheet" in said(app)
    assert [button.label for button in app.button] == ["Get cifar10"]
    app = sound(opened("cifar10-a", look="cell", true="cat", predicted="dog"))
    assert set(numbers(app)) <= here and numbers(app)
    assert [button.label for button in app.button] == ["Get cifar10"]


def test_without_maps_and_without_data_a_sentence_and_the_button() -> None:
    for look in ("classes", "cell"):
        app = sound(opened("cifar10-b", look=look))
        assert "not stored, and its pictures are not here" in said(app) and not strips(app) and not alts(app)
        assert [button.label for button in app.button] == ["Get cifar10"]


def test_maps_of_a_data_set_that_nobody_knows_are_shown_without_pictures() -> None:
    app = sound(opened("mine-a", true="cat"))
    assert len(strips(app)[0]["items"]) == 10 and not numbers(app) and not app.button
    assert "mine is not here" in said(app)


def test_pictures_that_have_changed_since_are_not_shown(folder: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(folder / "digits-a", tmp_path / "checkpoints/digits-a")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    card = checkpoints.read_card("digits-a")
    found = survey.survey(checkpoints.load("digits-a"), data.load("digits", "test").take(np.arange(50)))
    checkpoints.update("digits-a", card, {checkpoints.maps_file("test"): survey.packed(found)})
    app = sound(opened("digits-a"))
    assert "n = 50" in said(app) and not numbers(app)
    assert "have changed since; make the maps again: python -m explorer survey digits-a" in said(app)


def test_many_pictures_are_a_job_and_their_maps_are_shown_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    monkeypatch.setattr(jobs, "submit", lambda *args, **more: asked.append((args, more)) or "survey-1")
    app = sound(opened("digits-a"))
    assert "359 pictures of digits, test, have not been made yet" in said(app) and not strips(app)
    app.button(key="survey").click().run()
    ((words, kind, key), more), *others = asked
    assert words == ["survey", "digits-a", "--split", "test"] and kind == "survey" and not others
    assert (
        more == {"device": "cpu"}
        and "digits-a" in key
        and app.query_params["job"] in ("survey-1", ["survey-1"])
    )


def test_a_job_that_cannot_be_had_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> str:
        raise Problem("{n} jobs are running; wait for one to end, or stop one.", n=20)

    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    monkeypatch.setattr(jobs, "submit", refuse)
    app = opened("digits-a")
    app.button(key="survey").click().run()
    assert [part.value for part in app.error] == ["20 jobs are running; wait for one to end, or stop one."]


def test_in_public_mode_there_is_a_sentence_and_no_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = sound(opened("digits-a"))
    assert not app.button and "only its owner can make the maps" in said(app)


def test_a_net_without_exact_maps_says_so() -> None:
    app = opened("tiny")
    assert len(app.error) == 1 and "tiny has no exact class activation maps" in app.error[0].value


def test_a_damaged_file_is_a_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder / "cifar10-a", tmp_path / "checkpoints/cifar10-a")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints/cifar10-a" / checkpoints.maps_file("test")).write_bytes(b"no archive")
    write_manifest(tmp_path / "checkpoints/cifar10-a")
    app = opened("cifar10-a")
    assert len(app.error) == 1 and "test-maps.npz cannot be read" in app.error[0].value


def test_what_is_stored_is_known_and_what_is_not_is_missing() -> None:
    found = surveys.known(cache.card("cifar10-a"))
    assert found is surveys.known(cache.card("cifar10-a")) and len(found.labels) == 10_000
    with pytest.raises(text.Missing):
        surveys.known(cache.card("digits-a"))
    with pytest.raises(Problem, match="no exact class activation maps"):
        surveys.known(cache.card("tiny"))
