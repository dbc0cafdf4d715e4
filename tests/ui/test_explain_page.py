"""The Explain page by AppTest: it shows what the engine says, by link and by hand, and says what cannot be shown."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, text
from explorer.analysis import cam, faithfulness
from explorer.data import samples, sheet
from explorer.data.picture import to_input
from explorer.ui import cache, explaining, overlays
from explorer.ui.subject import Subject
from tests.made_up import made_up_checkpoints

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("classes", "sum", "methods", "trust", "inside", "data", "dilation")
ONE = {"model": "digits-fastnet", "sample": "scan-3"}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No CIFAR-10 but the sheet: what is shown here is shown on a fresh machine."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    yield
    text.set_language("en")


def opened(**query: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/explain.py"), default_timeout=120)
    for key, value in query.items():
        app.query_params[key.rstrip("_")] = value
    app.run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def strips(app: AppTest) -> list[dict]:
    """What the strips of pictures hold: label, items, chosen."""
    return [json.loads(strip.proto.bytes) for strip in app.get("bidi_component")]


def classes_strip(app: AppTest) -> dict:
    return next(strip for strip in strips(app) if len(strip["items"]) == 10 and "small" in strip["look"])


def words(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption])


def scanned_three() -> np.ndarray:
    return to_input(samples.sample("scan-3").image)


def test_it_opens_with_the_dog_two_models_and_their_predicted_class() -> None:
    app = opened()
    names = app.multiselect[0].value
    assert names == [name for name in explaining.PAIR if (checkpoints.root() / name).is_dir()]
    shown = [strip for strip in strips(app) if "small" in strip["look"]]
    assert len(shown) == len(names)
    for name, strip in zip(names, shown):
        loaded = checkpoints.load(name)
        found = cam.explain(loaded, to_input(samples.sample("dog").image)[None], "cam")
        assert strip["chosen"] == loaded.card.classes[found.logits[0].argmax()]
        assert [item["id"] for item in strip["items"]] == list(loaded.card.classes)
    assert sum("✓ dog" in item["title"] for item in shown[0]["items"]) == 1


def test_the_strip_says_probability_and_largest_cell_of_every_class() -> None:
    strip = classes_strip(opened(**ONE))
    loaded = checkpoints.load("digits-fastnet")
    found = cam.explain(loaded, scanned_three()[None], "cam")
    scores = found.logits[0].astype(float) / loaded.card.temperature
    p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    for k, item in enumerate(strip["items"]):
        assert item["share"] == pytest.approx(p[k], abs=1e-5)
        assert float(item["title"].split("\n")[2]) == pytest.approx(found.raw[0, k].max(), abs=0.051)
    assert strip["chosen"] == "3"


def test_one_scale_keeps_a_weak_map_weak_and_a_scale_of_its_own_does_not() -> None:
    shared, alone = (
        {item["id"]: item["src"] for item in classes_strip(opened(**ONE, alone=a))["items"]}
        for a in ("false", "true")
    )
    loaded = checkpoints.load("digits-fastnet")
    found = cam.explain(loaded, scanned_three()[None], "cam")
    strongest = str(np.abs(found.raw[0]).max((1, 2)).argmax())
    assert shared[strongest] == alone[strongest]  # it sets the scale of all
    assert sum(shared[name] != alone[name] for name in shared) == 9


def test_a_link_names_the_picture_the_class_and_the_model() -> None:
    index = int(sheet.test_indices()[7])
    label = sheet.load("test").classes[sheet.load("test").labels[7]]
    app = opened(data="cifar10", split="test", index=str(index), model="cifar10-fastnet", class_="ship")
    assert f"cifar10, test, picture {index}: {label}" in words(app).replace("\\", "")
    assert classes_strip(app)["chosen"] == "ship" and not app.info
    large = [image for image in app.get("image") if "with the map" in image.proto.imgs[0].alt]
    assert f"picture {index}: {label}" in large[0].proto.imgs[0].alt
    digit = opened(data="digits", split="test", index="5", model="digits-fastnet")
    assert f"picture 5: {data.load('digits', 'test').labels[5]}" in words(digit).replace("\\", "")


@pytest.mark.parametrize(
    "query",
    [
        {"data": "cifar10", "index": "1"},  # not on the sheet
        {"data": "digits", "index": "359"}, {"data": "digits", "index": "-1"}, {"data": "digits", "index": "１"},
        {"data": "nope", "index": "1"}, {"data": "digits", "split": "nope", "index": "x"}, {"index": "9" * 400},
    ],
)  # fmt: skip
def test_a_picture_that_is_not_here_is_said_and_the_dog_is_shown(query: dict) -> None:
    app = opened(**query, model="digits-fastnet")
    assert any("not here" in part.value for part in app.info)
    assert "dog" in [part.value for part in app.caption]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["digits-fastnet", "cifar10-resnet18"])
def test_every_section_opens(part: str, name: str) -> None:
    app = opened(model=name, part=part, sample="scan-3" if name.startswith("digits") else "ship")
    assert len(app.title) == 1


def test_the_map_adds_up_on_the_page_too() -> None:
    app = opened(**ONE, part="sum", cell="2-3", class_="8")
    loaded = checkpoints.load("digits-fastnet")
    found = cam.explain(loaded, scanned_three()[None], "cam", [8])
    (chart,) = app.get("vega_lite_chart")
    title = " ".join(json.loads(chart.proto.spec)["title"]["text"])
    assert f"logit {found.logits[0, 8]:.4f}" in title and f"{found.raw[0, 0].mean():.4f}" in title
    assert f"This cell holds {found.raw[0, 0, 1, 2]:+.3f}" in words(app)
    assert opened(**ONE, part="sum", cell="9-9").selectbox(key="cell").value == ""


def test_methods_of_many_forwards_wait_to_be_asked_for() -> None:
    app = opened(**ONE, part="methods", layer="groups.0")
    grid = next(strip for strip in strips(app) if "middle" in strip["look"])
    assert "cam" not in [item["id"] for item in grid["items"]]  # not the last layer
    assert "Not for this net and layer: CAM" in words(app)
    assert "knows no classes" in next(item["title"] for item in grid["items"] if item["id"] == "eigen-cam")
    ask = next(button for button in app.button if "Score-CAM" in button.label)
    assert "about" in ask.label
    sound(ask.click().run())
    grid = next(strip for strip in strips(app) if "middle" in strip["look"])
    title = next(item["title"] for item in grid["items"] if item["id"] == "score-cam")
    loaded = checkpoints.load("digits-fastnet")
    found = cam.explain(loaded, scanned_three()[None], "score-cam", [3], "groups.0")
    assert title.endswith(f"{found.raw.max():.3g}")
    assert not any("Score-CAM" in button.label for button in app.button)


def test_work_that_is_cut_off_leaves_its_turn_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*parts: object, **named: object) -> None:
        raise RuntimeError("the visitor left")

    app = opened(**ONE, part="methods")
    monkeypatch.setattr(cam, "explain", stop)
    next(button for button in app.button if "Ablation-CAM" in button.label).click().run()
    assert any("error id" in part.value for part in app.error) and not app.exception
    assert explaining._LONG.acquire(blocking=False)
    explaining._LONG.release()


def test_the_badge_says_what_the_tests_say() -> None:
    app = opened(**ONE, part="trust", method="layer-cam")
    sound(next(button for button in app.button if "forward passes" in button.label).click().run())
    expected = faithfulness.trust(checkpoints.load("digits-fastnet"), scanned_three(), 3, "layer-cam")
    shown = [part.value for part in app.markdown]
    assert any(f"{expected.count} of 4 tests passed" in part for part in shown)
    for test, words in {
        "gap": f"**Better than chance**: gap {expected.gap:.3f}",
        "head": f"**Depends on what was learnt**: {expected.head:.2f}",
        "shift": f"**Moves with the picture**: {expected.shift:.2f}",
        "agreement": f"**Other methods agree**: {expected.agreement:.2f}",
    }.items():
        mark = "✓" if expected.passed[test] else "✗"
        assert any(words in part and f"[{mark}]" in part for part in shown), words


def test_rivals_are_made_once_for_all_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    rivals = faithfulness.rivals
    monkeypatch.setattr(
        faithfulness, "rivals", lambda *parts, **named: asked.append(1) or rivals(*parts, **named)
    )
    app = opened(**ONE, part="trust")
    first = next(button for button in app.button if "forward passes" in button.label)
    sound(first.click().run())
    sound(app.selectbox(key="method").select("grad-cam++").run())
    second = next(button for button in app.button if "forward passes" in button.label)
    before, after = (
        int(re.search(r"([\d,]+) forward", b.label)[1].replace(",", "")) for b in (first, second)
    )
    assert after < 200 < before
    sound(second.click().run())
    assert len(asked) == 1


def test_a_public_server_makes_nothing_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    monkeypatch.setattr(cam, "estimate", lambda *parts, **named: 21.0)
    monkeypatch.setattr(explaining, "_estimates", cache.Kept(8))
    monkeypatch.setattr(explaining, "AGAIN", 0)
    app = opened(**ONE, part="methods")
    assert not [button for button in app.button if "Compute" in button.label]
    assert sum("public server" in part.value for part in app.caption) == 2
    monkeypatch.setattr(cam, "estimate", lambda *parts, **named: 2.0)
    assert [button for button in opened(**ONE, part="methods").button if "Score-CAM" in button.label]


def test_one_slow_measurement_hides_a_method_only_until_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "_estimates", cache.Kept(8))
    card, taken = checkpoints.read_card("digits-fastnet"), [50.0, 40.0, 30.0, 8.0, 60.0]
    monkeypatch.setattr(cam, "estimate", lambda *parts: taken.pop(0))
    now = [0.0]
    monkeypatch.setattr(explaining.time, "monotonic", lambda: now[0])
    assert explaining.seconds_of(card, "score-cam", "last") == 40, "a cold net is asked a second time"
    now[0] += explaining.AGAIN
    assert explaining.seconds_of(card, "score-cam", "last") == 40, "and not again at every click"
    now[0] += 1
    assert explaining.seconds_of(card, "score-cam", "last", times=2) == 16
    now[0] += 2 * explaining.AGAIN
    assert explaining.seconds_of(card, "score-cam", "last") == 8 and taken == [60]


def dropped(app: AppTest, *sizes: tuple[int, int]) -> AppTest:
    """The page after pictures of these sizes were dropped in, or all were taken out again."""
    files = []
    for width, height in sizes:
        out = io.BytesIO()
        Image.new("RGB", (width, height), "red").save(out, "PNG")
        files.append((f"mine-{width}.png", out.getvalue(), "image/png"))
    app.file_uploader(key="files").set_value(files[0] if files else None)
    return sound(app.run())


def test_a_dropped_picture_is_shown_until_another_is_chosen_or_it_is_taken_out() -> None:
    def shown(app: AppTest) -> str:
        return " ".join(part.value.replace("\\", "") for part in app.caption)

    app = dropped(opened(model="cifar10-fastnet", sample="ship"), (60, 40))
    assert "mine-60.png" in shown(app) and "sample" not in app.query_params
    app.query_params |= {
        "data": "cifar10",
        "split": "test",
        "index": str(sheet.test_indices()[3]),
    }  # a click elsewhere
    assert f"picture {sheet.test_indices()[3]}" in shown(sound(app.run()))
    assert "mine-70.png" in shown(dropped(app, (70, 40))) and "index" not in app.query_params
    app = dropped(app)
    assert "mine" not in shown(app) and "dog" in [part.value for part in app.caption]


def test_the_course_s_example_is_one_click_whatever_was_set_before() -> None:
    app = opened(
        sample="ship", alone="true", method="eigen-cam", size="30", x="0", invert="true", mirror="true"
    )
    app.button(key="example").click().run()
    assert classes_strip(sound(app))["chosen"] == "airplane"
    assert "dog" in [part.value for part in app.caption] and "sample" not in app.query_params
    assert app.selectbox(key="method").value == "cam"
    kept = {"alone", "invert", "mirror", "against", "size", "x", "y", "fit"} & set(app.query_params)
    assert not kept and not app.toggle(key="alone").value
    app = opened(**ONE)
    app.button(key="example").click().run()
    assert classes_strip(sound(app))["chosen"] == "airplane"  # with models that know airplanes


@pytest.mark.parametrize("part", PARTS)
def test_nothing_in_the_address_breaks_a_section(part: str) -> None:
    keys = (
        "class", "layer", "layer2", "cell", "cell2", "channel", "channel2", "fill", "look", "of", "true", "predicted",
        "order", "laid", "drn", "side", "kernel", "stride", "dilation", "row", "column", "colours", "sheet_class",
    )  # fmt: skip
    for value in ("", "nan", "-1", "1e9", "<b>x</b>", "../..", "9" * 2000, "가"):
        app = opened(part=part, model="digits-fastnet", **dict.fromkeys(keys, value))
        assert len(app.title) == 1


def test_a_channel_of_the_address_and_the_pictures_that_excite_it_most() -> None:
    app = opened(**ONE, part="inside", channel="7", layer="groups.1")
    assert app.selectbox(key="channel").value == "7"
    nine = next(image for image in app.get("image") if len(image.proto.imgs) == 9)
    values = [float(image.alt.rpartition(" ")[2]) for image in nine.proto.imgs]
    assert values == sorted(values, reverse=True)
    top = opened(**ONE, part="inside", channel="999")
    assert top.selectbox(key="channel").value == "" and "channel" not in top.query_params


def test_a_net_without_exact_maps_says_so_and_offers_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(made_up_checkpoints(tmp_path / "made-up")))
    app = AppTest.from_file(str(ROOT / "pages/explain.py"), default_timeout=60)
    app.query_params["model"] = "digits-a"
    app.run()
    assert not app.exception and any("Grad-CAM works everywhere" in part.value for part in app.error)
    app.query_params["method"] = "grad-cam"
    assert classes_strip(sound(app.run()))["items"]


def test_what_is_downloaded_is_what_was_computed() -> None:
    card = checkpoints.read_card("digits-fastnet")
    found = cam.explain(checkpoints.load("digits-fastnet"), scanned_three()[None], "cam")
    assert np.array_equal(np.load(io.BytesIO(overlays.as_npy(found.raw[0]))), found.raw[0])
    subject = Subject("k", samples.sample("scan-3"), "a three")
    told = json.loads(overlays.as_json(card, subject, found, explaining.Look(), 3))
    assert told["checkpoint_sha256"] == card.sha256 and told["layer"] == "groups.2" and told["class"] == "3"
    assert told["max"] == found.raw[0, 3].max() and told["mean"] + told["bias"] == pytest.approx(
        told["logit"], abs=1e-5
    )
    assert told["scale"] == np.abs(found.raw[0]).max() and told["cells"] == [4, 4]
    assert told["drawing"]["cells"] is False and told["light_and_dark_swapped"] is False
