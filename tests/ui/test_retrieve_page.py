"""The Retrieve page by AppTest: its numbers and pictures are those of the search, and an address breaks nothing."""

import csv
import dataclasses
import hashlib
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from benchmarks import retrieval_growth
from explorer import checkpoints, data, jobs, text
from explorer.analysis import (
    agreement,
    embedding_map,
    features,
    hnsw,
    leak_report,
    leaks,
    outside,
    predict,
    quality,
    retrieval_study,
    votes,
)
from explorer.analysis import vectors as vectors_module
from explorer.analysis.predict import Predictions
from explorer.analysis.retrieval import METRICS, Exact, Neighbours, search
from explorer.data import ImageSet, samples, sheet
from explorer.data.picture import square, to_input
from explorer.ui import (  # noqa: F401 (language: answers ?lang=)
    cache,
    drawn,
    duel,
    embedded,
    growing,
    language,
    leaked,
    retrieving,
    studied,
    widgets,
)
from tests.made_up import damaged_cifar10

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("metrics", "duel", "data", "leaks", "map", "growth")
DIGITS = {"model": "digits-fastnet"}
FIVE = DIGITS | {"part": "duel", "data": "digits", "split": "train", "index": 5}
CHARTS = {
    "metrics": ["plane"],
    "duel": ["slope", "votes"],
    "data": ["study k", "study apart", "study length", "study class"],
}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No CIFAR-10 and no kept features: what is shown here is shown on a fresh machine."""
    return tmp_path_factory.mktemp("data")


_once: dict[tuple, np.ndarray] = {}


def once(
    loaded: checkpoints.Loaded, images: np.ndarray, layer: str = "pooled", on_step: Any = None
) -> np.ndarray:
    """The features themselves, of the same pictures computed once for all tests here."""
    key = loaded.card.sha256, layer, hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
    if key not in _once:
        _once[key] = vectors_module.features(loaded, images, layer, on_step)
    return _once[key]


def few(name: str) -> dict[str, ImageSet]:
    """Both splits, of which only some are looked through for copies; nothing where they are not here."""
    try:
        return {split: data.load(name, split).take(np.arange(150)) for split in ("train", "test")}
    except text.Missing:
        return {}


@pytest.fixture(autouse=True)
def surroundings(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(features, "features", once)
    monkeypatch.setattr(leaked, "_sets", few)
    monkeypatch.setenv("EXPLORER_DATA", str(elsewhere))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(checkpoints.OURS))
    yield
    text.set_language("en")


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict]:
    """The charts of the last run by their keys, as they were given."""
    shown: dict[str, dict] = {}
    whole = widgets.chart

    def chart(spec: dict, key: str, alt: str, **more: Any) -> Any:
        shown[key] = spec
        assert len(title(spec) or alt) > 5 and len(alt) > 10, key
        return whole(spec, key=key, alt=alt, **more)

    monkeypatch.setattr(widgets, "chart", chart)
    return shown


def title(spec: dict) -> str:
    return " ".join(spec.get("title", {"text": ()})["text"])  # that of the arrows stands on the page


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was stored beside a checkpoint is shown."""
    monkeypatch.setattr(studied, "_kept", lambda scene: None)
    monkeypatch.setattr(leaked, "_kept", lambda scene: None)


@pytest.fixture(scope="module")
def train() -> np.ndarray:
    return vectors("train")


@pytest.fixture(scope="module")
def test() -> np.ndarray:
    return vectors("test")


def vectors(split: str) -> np.ndarray:
    loaded = checkpoints.load(checkpoints.OURS / "digits-fastnet")
    return once(loaded, data.load("digits", split).images)


def opened(**query: Any) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/retrieve.py"), default_timeout=240)
    for key, value in query.items():
        app.query_params[key] = value if isinstance(value, list) else str(value)
    return sound(app.run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def told(app: AppTest, **state: Any) -> AppTest:
    """The page after a browser has sent the state of a widget that AppTest does not know."""
    states = app._tree.get_widget_states()
    states.widgets.append(WidgetState(**state))
    return sound(app._run(states))


def items(app: AppTest, key: str) -> list[dict]:
    """What a strip of pictures holds; none where there is no such strip."""
    return [item for strip in strips(app, key) for item in json.loads(strip.proto.bytes)["items"]]


def strips(app: AppTest, key: str) -> list[Any]:
    return [strip for strip in app.get("bidi_component") if strip.proto.id.endswith(f"-{key}")]


def click(app: AppTest, key: str, picked: Any) -> AppTest:
    """A click on a picture of a strip."""
    (strip,) = strips(app, key)
    event = json.dumps([{"event": "picked", "value": picked}])
    return told(app, id=_make_trigger_id(strip.proto.id, "events"), json_trigger_value=event)


def words(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.subheader, *app.info]
    return " ".join(part.value for part in shown).replace("\\", "")


def asked(app: AppTest) -> dict[str, str]:
    """What the address says."""
    return {key: value[-1] if isinstance(value, list) else value for key, value in app.query_params.items()}


def numbers(shown: list[dict]) -> list[int]:
    return [int(item["id"]) for item in shown]


def same(shown: list[dict], found: Neighbours, images: ImageSet) -> None:
    """A strip shows these neighbours, with their values and classes."""
    assert numbers(shown) == found.ids[0].tolist()
    for item, k, value in zip(shown, found.ids[0], found.values[0]):
        _, true, shown_value, length = item["title"].split("\n")
        assert true.startswith(images.classes[images.labels[k]]) and item["alt"]
        assert shown_value == f"{value:.3f}" and re.fullmatch(r"\|x\| \d+\.\d\d", length)


def one(picture: np.ndarray, name: str = "digits-fastnet", layer: str = "pooled") -> np.ndarray:
    """The features of a picture that is looked at alone, float32 (1, D)."""
    return features.features(checkpoints.load(name), picture[None], layer)


# Sections


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("part", PARTS)
def test_every_section_in_both_languages(part: str, lang: str, charts: dict[str, dict]) -> None:
    app = opened(**DIGITS, part=part, lang=lang)
    assert app.title[0].value == ("Retrieve" if lang == "en" else "검색")
    assert set(CHARTS.get(part, ())) <= set(charts)
    said = [title(spec) for key, spec in charts.items() if key != "plane"]
    said += [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]
    assert all(re.search("[가-힣]", title) for title in said) or lang == "en"
    assert said or part in ("metrics", "leaks")
    assert not app.info or part == "leaks", [info.value for info in app.info]


@pytest.mark.parametrize("part", ["duel", "data", "leaks", "map", "growth"])
def test_the_sheet_is_searched_where_cifar10_is_not_here(part: str) -> None:
    app = opened(part=part)
    assert app.selectbox(key="model").value == "cifar10-fastnet"
    assert app.selectbox(key="gallery").value == "cifar10-sheet/test"
    if part == "data":
        assert "Judged among 50,000 training pictures, which are not here" in words(app)
        click(app, "torn", items(app, "torn")[0]["id"])
        assert int(asked(app)["index"]) in sheet.test_indices() and app.slider(key="k").value == 20
    if part == "duel":
        _, _, dog = samples.origin("dog")
        shown = items(app, "neighbours cosine")
        assert len(shown) == 10 and not any(f"picture {dog}:" in item["alt"] for item in shown)
        assert all(int(re.search(r"picture (\d+)", item["alt"])[1]) in sheet.test_indices() for item in shown)


def test_of_shipped_copies_the_numbers_are_shown_and_the_pictures_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = opened(part="leaks")
    value = leak_report.stored("cifar10-fastnet")
    n = len(set(leak_report.pairs_of(value["across"]).a.tolist()))
    assert f"**{n} of 10,000** test pictures have a copy in the training set ({n / 100:.2f} %)" in words(app)
    assert "The pictures are not here; the numbers were stored." in words(app) and not pairs(app)
    assert [button.key for button in app.button] == ["get cifar10"] and not app.info
    monkeypatch.setattr(leaked, "_kept", lambda scene: None)  # then the sheet itself is looked through
    app = opened(part="leaks")
    assert "No pair was found." in words(app) and [button.key for button in app.button] == ["get cifar10"]


@pytest.mark.parametrize("part", PARTS)
def test_the_data_are_offered_once_wherever_the_sheet_stands_in_for_them(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offered(**query: Any) -> int:
        return [button.key for button in opened(part=part, **query).button].count("get cifar10")

    assert offered() == (part != "metrics") and not offered(**DIGITS)
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert not offered()
    assert ("only its owner can get cifar10" in words(opened(part=part))) == (part != "metrics")


@pytest.mark.parametrize("part", ["metrics", "duel", "data", "map"])
def test_a_damaged_copy_of_cifar10_counts_as_none_and_is_said(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged_cifar10(tmp_path)
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    app = opened(part=part)
    assert app.selectbox(key="gallery").value == "cifar10-sheet/test"
    assert ["damaged copy" in part.value for part in app.warning] == [True]
    if part == "data":
        click(app, "torn", items(app, "torn")[0]["id"])
        assert asked(app).get("gallery") is None and items(app, "neighbours cosine")


def test_what_the_features_are_is_said() -> None:
    assert "Directions of edges in cells of 8x8 pixels" in words(opened(**DIGITS, layer="hog"))


@pytest.mark.parametrize("part", ["duel", "data", "map", "growth"])
def test_a_vae_is_searched_by_its_code(part: str, charts: dict[str, dict]) -> None:
    app = opened(model="digits-vae", part=part, sample="scan-3", gallery="digits/test")
    assert app.selectbox(key="layer").value == "code"
    if part == "duel":
        assert "classifier's own head" not in words(app)
        assert "latent code of the VAE" in " ".join(charts["slope"]["title"]["subtitle"])
    if part == "map":
        assert [group.options for group in app.get("button_group")][-1] == ["class", "cluster"]


def test_the_first_view_runs_no_net(monkeypatch: pytest.MonkeyPatch) -> None:
    for of, name in ((features, "features"), (features, "at_hand"), (cache, "model")):
        monkeypatch.setattr(of, name, lambda *_, **__: pytest.fail("a net was asked"))
    assert "Two metrics" in opened().segmented_control(key="part").options
    assert [button.key for button in opened(**DIGITS).button] == ["torn next"]


def test_without_a_checkpoint_it_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    app = opened()
    assert "python -m explorer train" in words(app) and not app.selectbox


# Two metrics


def test_at_first_they_disagree_and_at_length_one_they_agree(charts: dict[str, dict]) -> None:
    app = opened()
    assert "Cosine calls Y nearer to X, Euclidean calls Z nearer" in words(app)
    assert "Here they disagree" in words(app)
    sound(app.toggle(key="unit").set_value(True).run())
    assert "calls Z" not in words(app) and "plane" in charts
    assert "Here they disagree" not in words(app) and "Which picture is most like X?" in words(app)
    moved = words(opened(angle_z=31))
    assert "Both metrics call Z nearer" in moved and "Here they disagree" not in moved
    table = opened(angle_x=0, length_x=1, angle_y=90, length_y=1, angle_z=0, length_z=3).table[0].value
    assert table.iloc[0, 1:].tolist() == ["90°", "0.000", "1.41"]
    assert table.iloc[1, 1:].tolist() == ["0°", "1.000", "2.00"]


# Duel


def test_both_rows_are_those_of_the_search_and_the_picture_is_not_its_own_neighbour(
    train: np.ndarray,
) -> None:
    images = data.load("digits", "train")
    app = opened(**FIVE)
    assert f"digits, train, picture 5: {images.classes[images.labels[5]]}" in words(app)
    query = one(images.images[5])
    for metric in METRICS:
        found = search(train, query, 10, metric, without=np.array([5]))
        same(items(app, f"neighbours {metric}"), found, images)
        assert 5 not in found.ids and search(train, query, 1, metric).ids[0, 0] == 5
        lengths = np.linalg.norm(train[found.ids[0]], axis=1)
        shown = [float(item["title"].split("|x| ")[1]) for item in items(app, f"neighbours {metric}")]
        assert shown == pytest.approx(lengths.tolist(), abs=0.006)
    assert str(np.round(np.linalg.norm(query), 2)) in words(app)


def test_of_two_equal_pictures_only_the_query_itself_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    images = data.load("digits", "train")
    twice = images.take(np.r_[np.arange(40), 5])
    whole = cache.images
    monkeypatch.setattr(
        cache, "images", lambda name, split="test": twice if split == "train" else whole(name, split)
    )
    app = opened(**FIVE)
    for metric in METRICS:
        shown = numbers(items(app, f"neighbours {metric}"))
        assert shown[0] == 40 and 5 not in shown


@pytest.mark.parametrize("count", [2, 8])
def test_in_a_gallery_of_a_few_pictures_there_are_a_few_neighbours(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = data.load("digits", "test").take(np.arange(count))
    monkeypatch.setattr(cache, "images", lambda *_: few)
    app = opened(**DIGITS, part="duel", gallery="digits/test", sample="ship")
    assert [len(items(app, f"neighbours {metric}")) for metric in METRICS] == [count - 1] * 2
    sound(app.button(key="torn next").click().run())
    assert f"of {count} queries" in words(opened(**DIGITS, part="data", gallery="digits/test"))


def test_where_all_lengths_are_one_both_rows_are_one(train: np.ndarray) -> None:
    app = opened(**FIVE, normalise=1, k=20)
    cosine, euclidean = (items(app, f"neighbours {metric}") for metric in METRICS)
    assert numbers(cosine) == numbers(euclidean) and len(cosine) == 20
    assert all(" =\n" in item["title"] for item in euclidean)
    tiles = {tile.label: tile.value for tile in app.metric}
    assert tiles["In common of 20"] == "100%" and tiles["Kendall's tau, all of either row"] == "1.00"
    part = opened(**FIVE, normalise=0.5)
    images = data.load("digits", "train")
    query = one(images.images[5])
    same(
        items(part, "neighbours euclidean"),
        agreement.morphed(Exact(train), query, 0.5, 10, np.array([5])), images,
    )  # fmt: skip


def test_k_stands_in_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(**FIVE, k=3)
    slider = app.slider(key="k")
    assert slider.value == 3 and slider.proto.query_param_key == "k"
    assert [len(items(app, f"neighbours {metric}")) for metric in METRICS] == [3, 3]
    sound(slider.set_value(40).run())
    assert len(items(app, "neighbours cosine")) == duel.SHOWN
    monkeypatch.setattr(duel, "MOST", 6)  # as a gallery of seven pictures would have it
    sound(app.run())
    assert app.slider(key="k").value <= app.slider(key="k").max == 6


def test_a_click_makes_a_neighbour_the_query() -> None:
    app = opened(**DIGITS, part="duel", sample="scan-3")
    picked = items(app, "neighbours euclidean")[3]
    click(app, "neighbours euclidean", picked["id"])
    of = {key: asked(app).get(key) for key in ("data", "split", "index", "sample")}
    assert of == {"data": "digits", "split": "train", "index": picked["id"], "sample": None}
    assert picked["alt"] in words(app)
    before = numbers(items(app, "neighbours cosine"))
    assert int(picked["id"]) not in before
    for odd in ("-1", "99999", "x", None, 3, ["1"]):
        click(app, "neighbours cosine", odd)
        assert asked(app)["index"] == picked["id"] and numbers(items(app, "neighbours cosine")) == before


def test_a_click_makes_it_the_query_where_only_a_vae_knows_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    shutil.copytree(checkpoints.OURS / "digits-vae", tmp_path / "digits-vae")
    app = opened(part="duel", gallery="digits/test", sample="scan-3")
    picked = items(app, "neighbours cosine")[0]
    click(app, "neighbours cosine", picked["id"])
    assert asked(app)["index"] == picked["id"] and picked["alt"] in words(app) and not app.info


def test_what_was_cut_and_inverted_on_another_page_is_the_query_and_a_neighbour_is_looked_at_whole(
    train: np.ndarray,
) -> None:
    app = opened(**DIGITS, part="duel", sample="drawn-7", invert="true", size=60)
    image, images = samples.sample("drawn-7").image, data.load("digits", "train")
    pixels = 255 - to_input(image, square(image.size, share=60))
    for metric in METRICS:
        same(items(app, f"neighbours {metric}"), search(train, one(pixels), 10, metric), images)
    picked = int(items(app, "neighbours cosine")[0]["id"])
    click(app, "neighbours cosine", str(picked))
    assert app.slider(key="size").value == 100 and not app.toggle(key="invert").value
    found = search(train, one(images.images[picked]), 10, "cosine", without=np.array([picked]))
    same(items(app, "neighbours cosine"), found, images)


def test_a_picture_without_a_direction_keeps_its_neighbours_by_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved: dict[str, Callable[[], Any]] = {}
    monkeypatch.setattr(widgets, "download", lambda label, make, *_: saved.update({label: make}))
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, "PNG")
    app = opened(**DIGITS, part="duel", layer="pixels", gallery="digits/test")
    app.file_uploader(key="files").set_value(("black.png", out.getvalue(), "image/png")).run()
    assert not app.exception and ["no direction" in error.value for error in app.error] == [True]
    assert len(items(app, "neighbours euclidean")) == 10 and not items(app, "neighbours cosine")
    assert "Euclidean: its nearest picture is further" in words(app)
    rows = csv.DictReader(io.StringIO(saved["CSV"]()))
    assert {row["metric"] for row in rows} == {"euclidean"} and saved["PNG"]()


def test_the_downloads_hold_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: dict[str, Callable[[], Any]] = {}
    monkeypatch.setattr(widgets, "download", lambda label, make, *_: saved.update({label: make}))
    app = opened(**FIVE, k=4)
    rows = list(csv.DictReader(io.StringIO(saved["CSV"]())))
    told_json = json.loads(saved["JSON"]())
    about = {key: str(value) for key, value in told_json.items() if key != "neighbours"}
    told_rows = [{key: str(value) for key, value in row.items()} | about for row in told_json["neighbours"]]
    assert told_rows == rows and len(rows) == 8, "every line says what it rests on"
    for metric in METRICS:
        shown = [(item["id"], item["title"].split("\n")[2]) for item in items(app, f"neighbours {metric}")]
        assert shown == [
            (row["index"], f"{float(row['value']):.3f}") for row in rows if row["metric"] == metric
        ]
    card = checkpoints.read_card("digits-fastnet")
    assert (told_json["checkpoint"], told_json["sha256"], told_json["layer"]) == (
        card.name, card.sha256, "pooled",
    )  # fmt: skip
    assert told_json["fingerprint"] == data.load("digits", "train").fingerprint and told_json["n"] == 1438
    assert saved["PNG"]()[:4] == b"\x89PNG"
    opened(**FIVE, k=4, normalise=0.5)
    assert {row["normalise"] for row in csv.DictReader(io.StringIO(saved["CSV"]()))} == {"0.5"}


@pytest.mark.parametrize(("part", "layer"), [("metrics", "pooled"), ("duel", "pixels")])
def test_the_striking_picture_is_one_that_they_vote_apart_on(part: str, layer: str) -> None:
    images, held = data.load("digits", "train"), data.load("digits", "test")
    loaded = checkpoints.load("digits-fastnet")
    gallery, queries = (features.features(loaded, each.images, layer) for each in (images, held))
    elected = [
        votes.vote(votes.labels_of(search(gallery, queries, 10, metric).ids, images.labels), 10)
        for metric in METRICS
    ]
    torn = votes.torn(*(each.shares for each in elected), *(each.winner for each in elected)).query
    odd = (
        {"k": 3, "normalise": 0.5, "invert": "true", "size": 50} if part == "duel" else {}
    )  # so they may agree
    app = opened(**DIGITS, part=part, layer=layer, sample="scan-3", **odd)
    for k in (*torn, torn[0]):  # the most striking first, and after the last the first again
        sound(app.button(key="torn next").click().run())
        of = {key: asked(app).get(key) for key in ("part", "data", "split", "index", "sample")}
        assert of == {"part": "duel", "data": "digits", "split": "test", "index": str(k), "sample": None}
        assert elected[0].winner[k] != elected[1].winner[k]
        assert f"picture {k}: {held.classes[held.labels[k]]}" in words(app)
        assert (app.slider(key="k").value, app.slider(key="normalise").value) == (10, 0)
        assert app.slider(key="size").value == 100 and not app.toggle(key="invert").value
    for other in ("data", "duel", "map") if layer == "pooled" else ():
        sound(app.segmented_control(key="part").select(other).run())
        sound(app.run())


def test_the_head_and_the_distance_are_those_of_the_commands() -> None:
    held = data.load("digits", "test")
    app = opened(**DIGITS, part="duel", data="digits", split="test", index=7)
    assert f"own head says **{held.classes[held.labels[7]]}**" in words(app)
    assert re.search(r"cosine: its nearest picture is further than that of \d+ % of 359 test", words(app))


@pytest.mark.parametrize("address", ["digits-vae/3", "digits-vae/7/2"])
def test_a_drawn_picture_is_the_query_by_link(address: str, train: np.ndarray) -> None:
    app = opened(**DIGITS, part="duel", drawn=address)
    of = drawn.parsed(address)
    assert of.words in words(app) and not app.info
    images = data.load("digits", "train")
    for metric in METRICS:
        same(items(app, f"neighbours {metric}"), search(train, one(drawn.pixels(of)), 10, metric), images)


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("digits-vae/3", "Which training pictures are nearest?"),
        ("cifar10-dcgan/3", "Which pictures are nearest?"),
    ],
)
def test_the_link_of_a_drawn_picture_leads_to_its_neighbours(
    address: str, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: dict[str, tuple[str, dict[str, str]]] = {}
    with monkeypatch.context() as caught:
        caught.setattr(widgets, "page_link", lambda page, said, _, query: links.update({page: (said, query)}))
        drawn.links(drawn.parsed(address))
    said, query = links["retrieve"]
    assert said == label
    monkeypatch.setattr(drawn, "pixels", lambda of: data.load("digits").images[of.seed])  # a net less to run
    app = opened(**query)
    assert app.segmented_control(key="part").value == "duel"
    assert drawn.parsed(address).words in words(app) and len(items(app, "neighbours cosine")) == 10
    assert ("train" in app.selectbox(key="gallery").value) == ("training" in label)


def test_the_link_of_a_drawn_picture_leads_to_training_pictures_whose_features_are_not_made_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links: dict[str, dict[str, str]] = {}
    submitted: list[list[str]] = []
    whole, small = cache.images, cache.images("cifar10-sheet")
    many = small.take(np.arange(cache.COMPUTE_AT_MOST + 1) % len(small))  # as CIFAR-10's 50,000 would be
    monkeypatch.setattr(data, "available", lambda name: True)
    monkeypatch.setattr(
        cache, "images", lambda name, *rest: many if name == "cifar10" else whole(name, *rest)
    )
    monkeypatch.setattr(jobs, "submit", lambda args, *_, **__: submitted.append(args) or "index-1")
    of = drawn.parsed("cifar10-dcgan/3")
    with monkeypatch.context() as caught:
        caught.setattr(widgets, "page_link", lambda page, said, _, query: links.update({said: query}))
        drawn.links(of)
    app = opened(**links["Which training pictures are nearest?"])
    assert app.selectbox(key="gallery").value == "cifar10/train" and not items(app, "neighbours cosine")
    sound(app.button(key="index").click().run())
    command = ["index", "cifar10-fastnet", "--data", "cifar10", "--split", "train", "--layer", "pooled"]
    assert submitted == [command] and asked(app)["drawn"] == of.address


def test_a_dropped_picture_is_the_query_and_stands_on_the_map() -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(out, "PNG")
    app = opened(**DIGITS, part="duel")
    app.file_uploader(key="files").set_value(("mine.png", out.getvalue(), "image/png"))
    assert "mine.png" in words(sound(app.run()))
    sound(app.segmented_control(key="part").select("map").run())
    star = json.loads(app.get("plotly_chart")[0].proto.spec)["data"][-1]
    assert star["text"] == ["mine.png"] and star["marker"]["symbol"] == "star"


# Over the data


def test_the_numbers_are_those_of_the_study(
    computed: None, charts: dict[str, dict], train: np.ndarray, test: np.ndarray
) -> None:
    app = opened(**DIGITS, part="data")
    images, held = data.load("digits", "train"), data.load("digits", "test")
    found = retrieval_study.study(
        Exact(train), images.labels, test, held.labels, held.classes, np.full(len(test), -1), deep=500
    )
    shown = app.table[0].value
    for row, key in enumerate(("accuracy", "precision", "r_precision", "map_r")):
        for column, metric in enumerate(METRICS, 1):
            assert shown.iloc[row, column] == f"{100 * found['metrics'][metric][key]:.2f} %"
    apart = found["differences"]["accuracy"]
    ends = [f"{100 * apart[end]:+.2f}".replace("-", "−") for end in ("difference", "low", "high")]
    assert shown.iloc[0, 3] == f"{ends[0]} ({ends[1]} … {ends[2]})"
    assert f"{len(test)} test pictures ask {len(train):,} pictures" in words(app)
    assert f"On {found['torn']['n']} of {len(test)} test pictures" in words(app)
    assert numbers(items(app, "torn")) == [row[0] for row in found["torn"]["queries"][: studied.TORN]]
    curve = [row["value"] for row in charts["study k"]["data"]["values"] if row["metric"] == "cosine"]
    assert curve == found["metrics"]["cosine"]["curve"]
    assert [row["n"] for row in charts["study class"]["data"]["values"]] == np.bincount(held.labels).tolist()
    picked = items(app, "torn")[0]["id"]
    click(app, "torn", picked)
    assert {"part": "duel", "data": "digits", "split": "test", "index": picked}.items() <= asked(app).items()
    assert (app.slider(key="k").value, app.slider(key="normalise").value) == (10, 0)


def test_the_quick_study_has_the_head_and_the_copies_where_these_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: np.ndarray, test: np.ndarray
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(studied, "_kept", lambda scene: None)
    folder = tmp_path / "digits-fastnet"
    shutil.copytree(checkpoints.OURS / "digits-fastnet", folder)
    images, held = data.load("digits", "train"), data.load("digits", "test")
    card, stored = checkpoints.read_card(folder), predict.stored("digits-fastnet")
    found = retrieval_study.study(
        Exact(train), images.labels, test, held.labels, held.classes,
        head=stored.probabilities(card.temperature), deep=20,
    )  # fmt: skip
    app = opened(part="data")
    assert f"own head is right on {100 * found['head']['accuracy']:.2f} %" in words(app)
    assert "that also stand in the training set" not in words(app), "nobody has looked for copies"
    for metric in METRICS:
        rows = [row[0] for row in found["head"][metric]["queries"]]
        assert numbers(items(app, f"head {metric}")) == rows[: studied.TORN]
    assert found["head"]["euclidean"]["n"], "else no strip was looked at"
    pairs_here = {"limit": 0.3, "pairs": [[350, 1400, 0.1, 0, 0, 0, 0]]}
    value = dict.fromkeys(leak_report.SETS, pairs_here) | {"accuracy": {}, "test_n": 359}
    value["checkpoint_sha256"] = card.sha256
    checkpoints.update(folder, card, {leak_report.FILE: leak_report.packed(value)})
    assert "Without the 1 that also stand in the training set" in words(opened(part="data"))
    assert "Without the" not in words(opened(part="data", gallery="digits/test")), "none of these is searched"
    others = dataclasses.replace(stored, fingerprint="other")
    monkeypatch.setattr(predict, "stored", lambda name: others)
    monkeypatch.setattr(studied, "_stored", cache.Kept(8))
    assert "own head is right" not in words(opened(part="data")), "of other pictures"


def test_the_head_of_the_sheet_is_that_of_its_pictures(computed: None) -> None:
    stored, labels = predict.stored("cifar10-fastnet"), data.load("cifar10-sheet").labels
    right = (stored.predicted[sheet.test_indices()] == labels).mean()
    assert f"own head is right on {100 * right:.2f} %" in words(opened(part="data", model="cifar10-fastnet"))


def test_the_full_study_is_a_job_where_it_is_not_stored(
    computed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[str]] = []
    monkeypatch.setattr(jobs, "submit", lambda args, *_, **__: found.append(args) or "retrieval-1")
    app = opened(**DIGITS, part="data")
    assert "359 test pictures ask 1,438 pictures" in words(app), "the quick one stands above it"
    sound(app.button(key="study").click().run())
    assert found == [["retrieval", "digits-fastnet", "--store"]] and asked(app)["job"] == "retrieval-1"
    for other in ({"layer": "pixels"}, {"gallery": "digits/test"}):  # of these none is kept
        assert not [
            button for button in opened(**DIGITS, part="data", **other).button if button.key == "study"
        ]
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    assert {"index", "study"} <= {button.key for button in opened(**DIGITS, part="data").button}
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert "only its owner can compare the metrics" in words(opened(**DIGITS, part="data"))


def test_other_test_pictures_are_asked_anew(
    computed: None, monkeypatch: pytest.MonkeyPatch, charts: dict[str, dict]
) -> None:
    """The gallery is the same, and so are weights and layer."""
    small = {"train": data.load("digits", "train").take(np.arange(80))}
    monkeypatch.setattr(cache, "images", lambda name, split="test": small[split])
    whole, found = votes.torn, []
    for count in (40, 30):
        small["test"] = data.load("digits", "test").take(np.arange(count))
        shown = words(opened(**DIGITS, part="data", compare="true"))
        assert f"{count} test pictures ask 80 pictures" in shown
        assert f"n = {count}" in " ".join(charts["study features"]["title"]["subtitle"])
        assert f"% of {count} test pictures" in words(opened(**FIVE))
        assert f"{count} queries one by one" in words(opened(**DIGITS, part="growth"))
        scene = retrieving.Scene(checkpoints.read_card("digits-fastnet"), "pixels", "digits/train")
        with monkeypatch.context() as within:
            within.setattr(votes, "torn", lambda *judges: found.append(len(judges[0])) or whole(*judges))
            duel.torn(scene, retrieving.gallery(scene))
    assert found == [40, 30]


def test_every_kind_of_features_by_both_metrics(charts: dict[str, dict]) -> None:
    app = opened(**DIGITS, part="data", gallery="digits/test", compare="true")
    assert app.toggle(key="compare").value
    layers = features.layers_of(checkpoints.read_card("digits-fastnet"))
    rows = charts["study features"]["data"]["values"]
    assert [(row["feature"], row["metric"]) for row in rows] == [
        (features.LAYERS[layer].title, METRICS[metric]) for layer in layers for metric in METRICS
    ]
    loaded, held = checkpoints.load("digits-fastnet"), data.load("digits", "test")
    own = {layer: (features.features(loaded, held.images, layer),) * 2 for layer in layers}
    found = quality.grid(own, held.labels, held.labels, np.arange(len(held)), deep=1)
    assert [row["value"] for row in rows] == [row.accuracy for row in found]
    assert not any("map" in row for row in rows), "nobody was searched R deep"
    net = [100 * row.accuracy for row in found if features.LAYERS[row.feature].task]
    assert f"the net's layers {min(net):.1f}–{max(net):.1f} %; pixels" in title(charts["study features"])


def test_what_the_overlap_means_is_said_only_where_the_numbers_say_it() -> None:
    def found(overlap: float, *precision: float) -> dict:
        metrics = dict(zip(METRICS, ({"precision": each} for each in precision)))
        return {"k": 9, "agreement": {"overlap": overlap, "first_same": 0.25}, "metrics": metrics}

    assert studied._agreed(found(0.66, 0.9, 0.8)).endswith(
        "25 %: they choose different pictures, mostly of the same class."
    )
    for odd in (found(1.0, 0.9, 0.8), found(0.66, 0.9, 0.4), found(0.66, 0.1, 0.1)):
        assert studied._agreed(odd).endswith("of the very first 25 %.")


def test_a_flat_picture_does_not_end_the_section(computed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without edges: its HOG has length 0 and no direction."""
    held = data.load("digits", "test").take(np.arange(60))
    images = held.images.copy()
    images[7] = 90
    flat = dataclasses.replace(held, images=images, fingerprint="flat" + "0" * 60)
    whole = cache.images
    monkeypatch.setattr(
        cache, "images", lambda name, split="test": flat if split == "test" else whole(name, split)
    )
    app = opened(**DIGITS, part="data", gallery="digits/test", layer="hog", compare="true")
    assert "59 test pictures ask 60 pictures" in words(app) and "1 more have features of length 0" in words(
        app
    )
    assert "HOG, edges without a net 1." in words(app)
    app = opened(**DIGITS, part="duel", gallery="digits/test", layer="hog")
    app.button(key="torn next").click().run()
    assert not app.error and "has features of length 0" not in words(app)


def test_a_torn_picture_is_opened_as_the_study_asked() -> None:
    """Stored with 20 neighbours among all training pictures; the address asked for 3 of the test pictures' own."""
    app = opened(**DIGITS, part="data", gallery="digits/train", k=3, normalise=1)
    stored = retrieval_study.stored("digits-fastnet")
    query, a, b, _ = stored["torn"]["queries"][0]
    assert numbers(items(app, "torn"))[0] == query
    click(app, "torn", str(query))
    assert (app.slider(key="k").value, app.slider(key="normalise").value) == (stored["k"], 0)
    assert app.selectbox(key="gallery").value == "digits/train" and asked(app)["index"] == str(query)
    images = data.load("digits", "train")
    for metric, elected in zip(METRICS, (a, b)):
        shown = np.array([numbers(items(app, f"neighbours {metric}"))])
        assert shown.shape == (1, 20)
        assert votes.vote(votes.labels_of(shown, images.labels), 10).winner == elected


def test_where_the_features_are_not_kept_the_torn_are_shown_and_the_grid_is_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[list[str]] = []
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    monkeypatch.setattr(jobs, "submit", lambda args, *_, **__: found.append(args) or "retrieval-1")
    monkeypatch.setattr(features, "features", lambda *_, **__: pytest.fail("a net was asked"))
    app = opened(**DIGITS, part="data", compare="true")
    assert items(app, "torn") and not found
    sound(app.button(key="grid").click().run())
    assert found == [["retrieval", "digits-fastnet", "--grid", "--store"]]
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert "only its owner can compare" in words(opened(**DIGITS, part="data", compare="true"))


def test_a_stored_grid_is_shown_with_its_map_at_r(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    charts: dict[str, dict],
    train: np.ndarray,
    test: np.ndarray,
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    folder = tmp_path / "digits-fastnet"
    shutil.copytree(checkpoints.OURS / "digits-fastnet", folder)
    images, held = data.load("digits", "train"), data.load("digits", "test")
    rows = quality.grid({"pooled": (train, test[:90])}, images.labels, held.labels[:90], deep=40)
    card = checkpoints.read_card(folder)
    value = {
        "checkpoint_sha256": card.sha256, "data": "digits", "gallery_split": "train", "gallery_n": len(train),
        "k": 10, "gallery_fingerprint": images.fingerprint, "data_fingerprint": held.fingerprint,
        "rows": retrieval_study.rows_of(rows),
    }  # fmt: skip
    checkpoints.update(folder, card, {retrieval_study.GRID: retrieval_study.packed(value)})
    monkeypatch.setattr(quality, "grid", lambda *_, **__: pytest.fail("it is stored"))
    opened(part="data", compare="true", gallery="digits/train")
    shown = charts["study features"]["data"]["values"]
    assert [row["value"] for row in shown] == [row.accuracy for row in rows]
    assert [row["map"] for row in shown] == [f"{100 * row.map_r:.1f} %, n = 40" for row in rows]


def test_a_stored_study_is_shown_as_it_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: np.ndarray, test: np.ndarray
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    folder = tmp_path / "digits-fastnet"
    shutil.copytree(checkpoints.OURS / "digits-fastnet", folder)
    images, held = data.load("digits", "train"), data.load("digits", "test")
    found = retrieval_study.study(
        Exact(train), images.labels, test[:100], held.labels[:100], held.classes, np.full(100, -1), deep=20
    )
    found |= {"checkpoint_sha256": checkpoints.read_card(folder).sha256, "layer": "pooled", "data": "digits"}
    found["head"] = {"accuracy": 0.9876}
    card = checkpoints.read_card(folder)
    checkpoints.update(folder, card, {retrieval_study.FILE: retrieval_study.packed(found)})
    app = opened(part="data")
    assert "100 test pictures ask 1,438 pictures" in words(app) and "right on 98.76 %" in words(app)
    assert f"over all of either row is {found['agreement']['tau_top']:.2f} on average" in words(app)
    assert not strips(app, "head cosine"), "who stored it did not say which"
    assert app.table[0].value.columns[-1] == "difference in points, 95 % interval"
    assert "100 test pictures ask" not in words(opened(part="data", layer="pixels")), "of other features"
    other = retrieval_study.packed(found | {"gallery_fingerprint": "0" * 64, "gallery_n": 9_999})
    checkpoints.update(folder, card, {retrieval_study.FILE: other})
    app = opened(part="data")
    assert ["of other pictures" in part.value for part in app.warning] == [True]
    assert "359 test pictures ask 1,438 pictures" in words(app), "those that are here"
    other = retrieval_study.packed(found | {"checkpoint_sha256": "0" * 64})
    checkpoints.update(folder, card, {retrieval_study.FILE: other})
    odd = AppTest.from_file(str(ROOT / "pages/retrieve.py"), default_timeout=240)
    odd.query_params["part"] = "data"
    assert ["other weights" in part.value for part in odd.run().error] == [True] and not odd.exception


# Duplicates and leaks


@pytest.fixture
def planted(computed: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, ImageSet]:
    """Forty test pictures, of which two stand among the sixty of training: one of them there under another class."""
    sets = {
        "train": data.load("digits", "train").take(np.arange(60)),
        "test": data.load("digits", "test").take(np.arange(40)),
    }
    images, labels = sets["test"].images.copy(), sets["test"].labels.copy()
    images[0], labels[0] = sets["train"].images[3], sets["train"].labels[3]
    images[7], labels[7] = sets["train"].images[9], (sets["train"].labels[9] + 1) % 10
    sets["test"] = dataclasses.replace(
        sets["test"], images=images, labels=labels, fingerprint="planted" + "0" * 57
    )
    monkeypatch.setattr(leaked, "_sets", lambda name: sets)
    return sets


def pairs(app: AppTest) -> list[str]:
    """What stands below the pictures of pairs."""
    captions = [each.caption.replace("\\", "") for image in app.get("image") for each in image.proto.imgs]
    return [caption for caption in captions if " | " in caption]


def test_planted_copies_are_shown_with_what_differs(planted: dict[str, ImageSet]) -> None:
    app = opened(**DIGITS, part="leaks")
    found = leaks.across(planted["test"].images, planted["train"].images)
    assert set(zip(found.a[found.exact], found.b[found.exact])) == {(0, 3), (7, 9)}
    shown = pairs(app)
    assert len(shown) == len(found)
    labels, others = planted["test"].labels, planted["train"].labels
    assert shown[0] == f"test 0: {labels[0]} | train 3: {others[3]} · equal"
    assert shown[1] == f"test 7: {labels[7]} | train 9: {others[9]} · equal, labels differ"
    assert f"**{len(set(found.a.tolist()))} of 40** test pictures have a copy" in words(app)
    within = opened(**DIGITS, part="leaks", copies="test")
    assert len(pairs(within)) == len(leaks.within(planted["test"].images))
    assert within.selectbox(key="copies").value == "test"


def test_accuracy_without_the_copies_is_that_of_the_chosen_checkpoint(
    planted: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = planted["test"]
    logits = np.eye(10, dtype=np.float32)[held.labels]
    logits[1] = np.roll(logits[1], 1)
    made = Predictions(logits, held.labels, held.classes, "digits", "test", 1, held.fingerprint, "")
    monkeypatch.setattr(cache, "predictions", lambda name: made)
    app = opened(**DIGITS, part="leaks")
    copies = len(set(leaks.across(held.images, planted["train"].images).a.tolist()))
    tiles = {tile.label: tile.value for tile in app.metric}
    assert tiles["all test pictures (n = 40)"] == "97.50 %" and copies >= 2
    assert f"the copies alone (n = {copies})" in tiles and "Accuracy of digits-fastnet" in words(app)
    monkeypatch.setattr(cache, "predictions", lambda name: dataclasses.replace(made, fingerprint="other"))
    assert not opened(**DIGITS, part="leaks").metric


def test_stored_copies_of_other_pictures_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pair 350 points beyond the 150 pictures that are here."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    folder = tmp_path / "digits-fastnet"
    shutil.copytree(checkpoints.OURS / "digits-fastnet", folder)
    card, pairs_here = checkpoints.read_card(folder), {"limit": 0.3, "pairs": [[350, 1400, 0.1, 0, 0, 0, 0]]}
    value = {"checkpoint_sha256": card.sha256, "accuracy": {}, "test_n": 359, "test_fingerprint": "0" * 64}
    value |= dict.fromkeys(leak_report.SETS, pairs_here)
    checkpoints.update(folder, card, {leak_report.FILE: leak_report.packed(value)})
    app = opened(part="leaks")
    assert ["of other pictures" in part.value for part in app.warning] == [True]
    assert "of 150** test pictures have a copy" in words(app)


def test_many_pairs_have_pages_and_an_odd_page_is_the_first(
    planted: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = {**planted, "test": planted["train"].take(np.arange(40))}
    monkeypatch.setattr(leaked, "_sets", lambda name: sets)
    first = opened(**DIGITS, part="leaks")
    assert len(pairs(first)) == leaked.SHOWN
    second = opened(**DIGITS, part="leaks", pairs_page=2)
    assert second.get("pagination")[0].value == 2 and 16 <= len(pairs(second)) <= leaked.SHOWN
    assert not set(pairs(first)) & set(pairs(second))
    assert pairs(opened(**DIGITS, part="leaks", pairs_page=99)) == pairs(first)
    sound(second.selectbox(key="copies").select("test").run())
    sound(second.run())


@pytest.mark.parametrize("chosen", ["digits-vae", "digits-other", "digits-fastnet"])
def test_copies_are_looked_for_with_a_classifier(
    chosen: str, tmp_path: Path, submitted: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    shutil.copytree(checkpoints.OURS / "digits-vae", tmp_path / "digits-vae")
    app = opened(model="digits-vae", part="leaks")
    assert "a classifier of digits" in words(app) and "leaks" not in [button.key for button in app.button]
    card = checkpoints.read_card(shutil.copytree(checkpoints.OURS / "digits-fastnet", tmp_path / "copied"))
    for name in ("digits-fastnet", "digits-other"):
        shutil.copytree(tmp_path / "copied", tmp_path / name)
        checkpoints.update(tmp_path / name, dataclasses.replace(card, name=name), {})
    shutil.rmtree(tmp_path / "copied")
    sound(opened(model=chosen, part="leaks").button(key="leaks").click().run())
    with_ = "digits-fastnet" if chosen == "digits-vae" else chosen
    assert submitted == [["leaks", "--data", "digits", "--checkpoint", with_]]


def test_without_the_pictures_nobody_looks_for_copies(
    computed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaked, "_sets", lambda name: {})
    assert "The pictures of digits are not here" in words(opened(**DIGITS, part="leaks"))


@pytest.mark.parametrize("metric", METRICS)
def test_a_click_on_an_odd_one_opens_it_in_the_duel(
    metric: str, planted: dict[str, ImageSet], train: np.ndarray
) -> None:
    app = opened(**DIGITS, part="leaks", metric=metric)
    found = outside.outliers(train, data.load("digits", "train").labels, metric)
    shown = items(app, "outliers")
    assert numbers(shown) == found.ids[: leaked.OUTLIERS].tolist()
    assert shown[0]["title"].endswith(f"{found.ratio[0]:.1f}x")
    click(app, "outliers", shown[2]["id"])
    of = {"part": "duel", "data": "digits", "split": "train", "index": shown[2]["id"]}
    assert of.items() <= asked(app).items() and items(app, "neighbours cosine")


def test_pictures_that_cannot_be_odd_ones_are_counted(
    planted: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Left out" not in words(opened(**DIGITS, part="leaks"))
    whole = outside.outliers
    monkeypatch.setattr(leaked, "_made", cache.Kept(4))
    monkeypatch.setattr(
        outside, "outliers", lambda *parts: dataclasses.replace(whole(*parts), left_out=1_234)
    )
    assert "Left out: 1,234, which have no direction" in words(opened(**DIGITS, part="leaks"))


# Map


def plot(app: AppTest) -> dict:
    (chart,) = app.get("plotly_chart")
    return json.loads(chart.proto.spec)


def select(app: AppTest, *points: Any) -> AppTest:
    """What Plotly sends after a lasso around points."""
    (chart,) = app.get("plotly_chart")
    return told(app, id=chart.proto.id, string_value=json.dumps({"selection": {"points": points}}))


def test_what_a_lasso_finds_is_shown_and_a_click_makes_it_the_query() -> None:
    app = opened(**DIGITS, part="map", points=500)
    shown = [k for trace in plot(app)["data"] for k in trace["customdata"]]
    assert len(shown) == len({*shown}) == 500 and not items(app, "map selection")
    select(app, *({"customdata": k} for k in shown[:60]))
    assert numbers(items(app, "map selection")) == shown[:48]
    assert "48 of 60 selected pictures" in words(app)
    click(app, "map selection", str(shown[4]))
    of = {"part": "duel", "data": "digits", "split": "train", "index": str(shown[4])}
    assert of.items() <= asked(app).items() and items(app, "neighbours cosine")
    assert f"picture {shown[4]}:" in words(app)


def test_what_is_selected_can_be_saved_with_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: dict[str, Callable[[], Any]] = {}
    monkeypatch.setattr(widgets, "download", lambda label, make, *_: saved.update({label: make}))
    app = opened(**DIGITS, part="map", points=500)
    assert not saved
    shown = [k for trace in plot(app)["data"] for k in trace["customdata"]][:60]
    select(app, *({"customdata": k} for k in shown))
    rows, labels = list(csv.DictReader(io.StringIO(saved["CSV"]()))), data.load("digits", "train").labels
    assert [int(row["index"]) for row in rows] == shown, "all of them, not only those that are drawn"
    assert [int(row["label"]) for row in rows] == labels[shown].tolist()
    told_json = json.loads(saved["JSON"]())
    assert (told_json["map"], told_json["points"], len(told_json["pictures"])) == ("pca", 500, 60)
    assert {row["sha256"] for row in rows} == {checkpoints.read_card("digits-fastnet").sha256}
    assert {row["fingerprint"] for row in rows} == {data.load("digits", "train").fingerprint}


def test_strangers_lay_out_fewer_points_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, laid = embedding_map.make, []
    monkeypatch.setattr(embedded, "_maps", cache.Kept(4))
    monkeypatch.setattr(  # quicker than t-SNE
        embedding_map, "make", lambda x, labels, _, *how: laid.append(how) or whole(x, labels, "pca", *how)
    )
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    many = opened(**DIGITS, part="map", by="tsne", points=1438)
    command = " ".join(["map", *INDEX[1:], "--metric", "cosine", "--points", "1438"])
    (public,) = (info.value for info in many.info if "This server is public" in info.value)
    assert f"(python -m explorer {command})" in public and not laid
    assert plot(opened(**DIGITS, part="map", by="tsne", points=1000)) and len(laid) == 1
    monkeypatch.delenv("EXPLORER_PUBLIC")
    assert plot(opened(**DIGITS, part="map", by="tsne", points=1438)) and len(laid) == 2


def test_odd_selections_of_a_browser_are_no_pictures() -> None:
    app = opened(**DIGITS, part="map", points=500)
    odd = ["5", -1, -0.5, 10**30, math.nan, math.inf, None, [], ["7"], [[8]], {"k": 9}, "<b>", 1438]
    points = [*({"customdata": each} for each in odd), {}, {"x": 3}, "words", 4, None, ["y"]]
    select(app, *points)
    assert not items(app, "map selection") and "Draw around points" in words(app)
    select(app, *points, {"customdata": [6]}, {"customdata": 1437}, {"customdata": 6})
    assert numbers(items(app, "map selection")) == [6, 1437], "each once"


def test_the_colours_say_what_they_say(test: np.ndarray) -> None:
    held, loaded = data.load("digits", "test"), checkpoints.load("digits-fastnet")
    right = plot(opened(**DIGITS, part="map", gallery="digits/test", colour="right"))["data"]
    wrong = np.flatnonzero(predict.head(loaded, test).argmax(1) != held.labels)
    assert sorted(right[1]["customdata"]) == wrong.tolist() and len(right[0]["customdata"]) == 359 - len(
        wrong
    )
    by_class = plot(opened(**DIGITS, part="map", gallery="digits/test"))["data"]
    for label, trace in enumerate(by_class):
        assert trace["customdata"] == np.flatnonzero(held.labels == label).tolist()
    grouped = plot(opened(**DIGITS, part="map", gallery="digits/test", colour="cluster", metric="euclidean"))[
        "data"
    ]
    assert len(grouped) == 10 and sum(len(trace["customdata"]) for trace in grouped) == 359


def test_the_picture_of_the_address_stands_on_the_map_and_t_sne_warns() -> None:
    app = opened(**(FIVE | {"part": "map"}), by="tsne", gallery="digits/test", theme="dark")
    shown = plot(app)
    assert "distances between groups mean nothing" in shown["layout"]["title"]["text"].replace("<br>", " ")
    assert shown["data"][-1]["text"][0].startswith("digits, train, picture 5: ")


@pytest.mark.parametrize(
    "cut", [{}, {"invert": "true", "size": 60, "x": 0, "y": 100}, {"fit": "squash"}], ids=str
)
def test_the_star_is_the_picture_as_the_duel_asks_about_it(cut: dict, test: np.ndarray) -> None:
    shown = plot(opened(**(FIVE | {"part": "map"}), gallery="digits/test", **cut))["data"][-1]
    picture = np.ascontiguousarray(data.load("digits", "train").images[5].transpose(1, 2, 0))
    box = square((32, 32), cut.get("x", 50), cut.get("y", 50), cut.get("size", 100))
    pixels = to_input(Image.fromarray(picture), box)
    query = one(255 - pixels if "invert" in cut else pixels)
    laid = embedding_map.make(test, data.load("digits", "test").labels, "pca", "cosine", len(test))
    x, y = embedding_map.place(laid, query)[0]
    assert (shown["x"][0], shown["y"][0]) == pytest.approx((float(x), float(y)), rel=1e-4)


@pytest.mark.parametrize("by", ["tsne", "pca"])
@pytest.mark.parametrize("query", [FIVE, DIGITS], ids=["asked", "none"])
def test_the_star_on_a_t_sne_map_is_said_to_stand_among_its_nearest(query: dict, by: str) -> None:
    shown = words(opened(**(query | {"part": "map"}), by=by, gallery="digits/test"))
    assert ("in the middle of its 5 nearest" in shown) == (by == "tsne" and query is FIVE)
    assert ("Drop a picture" in shown) == (query is DIGITS)


# Growth


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> list[hnsw.Dial]:
    """Every dial that is measured from here on."""
    found: list[hnsw.Dial] = []
    whole = hnsw.dial

    def dial(*parts: Any, **named: Any) -> hnsw.Dial:
        found.append(whole(*parts, **named))
        return found[-1]

    monkeypatch.setattr(hnsw, "dial", dial)
    monkeypatch.setattr(growing, "_dials", cache.Kept(8))
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_the_dial_shows_what_was_measured(
    metric: str, dials: list[hnsw.Dial], charts: dict[str, dict]
) -> None:
    app = opened(**DIGITS, part="growth", metric=metric, ef=32)
    (found,) = dials
    row = next(row for row in found.rows if row["ef"] == 32)
    assert [tile.value for tile in app.metric] == [
        f"{100 * row['recall']:.1f} %", f"{row['p50_ms']:.2f} ms", f"{row['p95_ms']:.2f} ms",
        f"{found.exact['p50_ms']:.2f} ms",
    ]  # fmt: skip
    assert (found.metric, found.n, found.queries) == (metric, 1438, growing.ASKED)
    assert not found.own and "Test pictures ask" in words(app)
    assert charts["dial"]["data"]["values"] == found.rows
    assert "ef 32" in title(charts["dial"])
    sound(app.run())
    assert len(dials) == 1, "measured once"
    engines = app.table[-1].value
    assert engines.iloc[0, 1] == "exact" and engines.iloc[-1, 1] == "IVF-PQ, 64 bytes a vector"


def test_of_a_graph_of_test_pictures_its_own_ask(dials: list[hnsw.Dial], test: np.ndarray) -> None:
    app = opened(**DIGITS, part="growth", gallery="digits/test")
    assert dials[0].own and "Pictures of the graph itself ask" in words(app)
    assert (dials[0].n, dials[0].queries) == (len(test), growing.ASKED)


def test_without_faiss_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, charts: dict[str, dict]) -> None:
    monkeypatch.setattr(hnsw, "library", lambda: None)
    app = opened(**DIGITS, part="growth")
    assert ["pip install faiss-cpu" in info.value for info in app.info] == [True]
    assert "dial" not in charts and "growth memory" in charts


def test_what_was_measured_is_shown_with_its_recall_and_the_titles_are_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, charts: dict[str, dict]
) -> None:
    """Made up, in the form that benchmarks/retrieval_growth.py writes."""
    rows = [
        retrieval_growth._row("flat", 10_000, 2.0, 3.0, 20_480_000, 0.0, 1.0),
        retrieval_growth._row("hnsw", 10_000, 0.5, 0.6, 23_040_000, 4.25, 0.99),
        retrieval_growth._row("flat", 200_000, 50.0, 61.0, 409_600_000, 0.0, 1.0),
        retrieval_growth._row("hnsw", 200_000, 0.75, 0.9, 460_800_000, 1234.5, 0.873),
    ]
    estimated = retrieval_growth.extrapolated(rows, 512)
    table = {"dimension": 512, "k": 10, "threads": 2, "ef": 64, "measured": rows, "estimated": estimated}
    monkeypatch.setattr(growing, "MEASURED", tmp_path / "growth.json")
    monkeypatch.setattr(hnsw, "library", lambda: None)  # no dial
    assert "Not measured yet" in words(opened(**DIGITS, part="growth")) and list(charts) == ["growth memory"]
    (tmp_path / "growth.json").write_text(json.dumps(table))  # while the server runs
    assert "Not measured yet" not in words(opened(**DIGITS, part="growth"))
    assert title(charts["growth time"]) == (
        "From 10,000 to 200,000 vectors exact search takes 25.0 times as long, the HNSW graph 1.5 times; there it "
        "finds 87.3 % of the 10 nearest"
    )
    assert "ef 64" in " ".join(charts["growth time"]["title"]["subtitle"])
    assert title(charts["growth memory"]) == (
        "1,000,000,000 vectors are 2,048 GB as they are, 72 GB in 64 bytes each and 8 for the number"
    )
    shown = {
        (row["n"], row["engine"], row["how"]): (row["value"], row["found"], row["built"])
        for row in charts["growth time"]["data"]["values"]
    }
    assert shown[10_000, "HNSW graph", "measured"] == (0.5, "99.0 %", "4.2 s")
    assert shown[200_000, "HNSW graph", "measured"] == (0.75, "87.3 %", "1,234.5 s")
    assert shown[1_000_000, "exact", "estimated"] == (250.0, "–", "–")
    (tmp_path / "growth.json").unlink()
    assert "Not measured yet" in words(opened(**DIGITS, part="growth"))


# What takes a job


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that a page has asked for, where every gallery is too large to be looked at while one waits."""
    found: list[list[str]] = []
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    monkeypatch.setattr(jobs, "submit", lambda args, *_, **__: found.append(args) or "index-1")
    monkeypatch.setattr(leaked, "_kept", lambda scene: None)
    monkeypatch.setattr(studied, "_kept", lambda scene: None)
    return found


INDEX = ["index", "digits-fastnet", "--data", "digits", "--split", "train", "--layer", "pooled"]
ASKS = {
    "duel": ("index", INDEX), "data": ("index", INDEX), "map": ("index", INDEX),
    "growth": ("graph", [*INDEX, "--graph", "cosine"]),
    "leaks": ("leaks", ["leaks", "--data", "digits", "--checkpoint", "digits-fastnet"]),
}  # fmt: skip


@pytest.mark.parametrize("part", ASKS)
def test_what_takes_long_is_offered_as_a_job(part: str, submitted: list[list[str]]) -> None:
    key, command = ASKS[part]
    app = opened(**DIGITS, part=part)
    assert not submitted and not app.info
    sound(app.button(key=key).click().run())
    assert submitted == [command] and asked(app)["job"] == "index-1"


def test_t_sne_of_many_points_is_a_job_whose_map_is_shown(
    tmp_path: Path, submitted: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "AT_ONCE", 100)
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    train = data.load("digits", "train")
    of = features.keep(checkpoints.load("digits-fastnet", "cpu"), train)
    asked_for = {"part": "map", "by": "tsne", "metric": "euclidean", "points": 500, "gallery": "digits/train"}
    app = opened(**DIGITS, **asked_for)
    sound(app.button(key="map").click().run())
    command = ["map", *INDEX[1:], "--metric", "euclidean", "--points", "500"]
    assert submitted == [command] and not app.get("plotly_chart")
    laid = embedding_map.keep(of, train.labels, "euclidean", 500)
    monkeypatch.setattr(embedding_map, "make", lambda *_: pytest.fail("laid out while one waits"))
    shown = plot(opened(**DIGITS, **asked_for))["data"]
    assert sorted(k for trace in shown for k in trace.get("customdata", [])) == laid.ids.tolist()


@pytest.mark.parametrize("part", ASKS)
def test_a_public_server_says_so_and_starts_nothing(
    part: str, submitted: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened(**DIGITS, part=part)
    assert any("This server is public" in info.value for info in app.info)
    assert (
        not [button for button in app.button if button.key in ("index", "graph", "leaks")] and not submitted
    )


def test_the_striking_picture_of_many_is_looked_for_where_the_job_is_offered(
    submitted: list[list[str]],
) -> None:
    app = opened(**DIGITS)
    sound(app.button(key="torn next").click().run())
    assert asked(app)["part"] == "duel" and [button.key for button in app.button] == ["index"]


@pytest.mark.slow
def test_a_job_makes_the_graph_and_the_features_and_both_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    monkeypatch.setattr(cache, "COMPUTE_AT_MOST", 100)
    app = opened(**DIGITS, part="growth")
    sound(app.button(key="graph").click().run())
    done = jobs.wait(asked(app)["job"], 300)
    assert done.state == "done", jobs.logs(done.id, 30)
    sound(app.run())
    card = checkpoints.read_card("digits-fastnet")
    found = hnsw.measured(features.kept(card, data.load("digits", "train")), "cosine")
    assert app.metric[0].value == f"{100 * next(r for r in found.rows if r['ef'] == hnsw.EF)['recall']:.1f} %"
    monkeypatch.setattr(features, "features", lambda *_, **__: pytest.fail("the features are kept"))
    assert plot(opened(**DIGITS, part="map"))["data"]


# Addresses


KEYS = (
    "model", "layer", "gallery", "k", "normalise", "unit", "by", "metric", "colour", "points", "ef", "copies",
    "fit", "x", "y", "size", "invert",
    "compare", "pairs_page", "data", "split", "index", "sample", "drawn", "job", "sheet_class", "camera",
    *(f"{what}_{name}" for what in ("angle", "length") for name in "xyz"),
)  # fmt: skip
ODD = (
    "", "nan", "inf", "-inf", "-1", "1e999", "0.5.5", "<script>alert(1)</script>", "../..", "9" * 5000,
    "digits-vae", ["a", "b"],
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_nothing_in_the_address_breaks_a_section(part: str) -> None:
    for odd in ODD:
        app = opened(**(dict.fromkeys(KEYS, odd) | DIGITS | {"part": part}))
        assert app.selectbox(key="layer").value == "pooled", odd
        assert app.selectbox(key="gallery").value == "digits/train", odd
        assert {"not here" in info.value for info in app.info if "(" in info.value} == {True}, odd
        assert "(layer, gallery)" in app.info[0].value, odd
        if part == "duel":
            assert (app.slider(key="k").value, app.slider(key="normalise").value) == (10, 0), odd
            assert len(items(app, "neighbours cosine")) == 10 and "dog" in words(app), odd
        if part == "metrics":
            assert app.slider(key="angle_x").value == 30 and app.slider(key="length_y").value == 5.4, odd


@pytest.mark.parametrize("odd", (*ODD, "１"), ids=lambda odd: str(odd)[:20])
def test_with_nonsense_everywhere_it_is_the_first_view(odd: Any) -> None:
    app = opened(**dict.fromkeys((*KEYS, "part"), odd))
    assert app.segmented_control(key="part").value == "metrics"
    assert app.selectbox(key="model").value == ("digits-vae" if odd == "digits-vae" else "cifar10-fastnet")
    notes = " ".join(info.value for info in app.info)
    assert "(part)" in notes and "layer, gallery" in notes


@pytest.mark.parametrize(
    "query",
    [
        {"index": "99999", "data": "digits", "split": "train"}, {"index": "-1", "data": "digits"}, {"index": "3"},
        {"index": "1", "data": "nobody"}, {"drawn": "digits-vae/-1"}, {"drawn": "nobody/1"},
    ],
    ids=str,
)  # fmt: skip
def test_a_picture_that_is_not_here_is_said_and_the_dog_is_asked(query: dict[str, str]) -> None:
    app = opened(**DIGITS, part="duel", **query)
    odd = "drawn" if "drawn" in query else "index"
    assert [f"({odd})" in info.value for info in app.info] == [True] and "**dog**" in words(app)
