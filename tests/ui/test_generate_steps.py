"""The section "How it draws" by AppTest, with tiny untrained generators of digits: what is shown is what the engine
gives, the scrubber computes nothing, and no address breaks it."""

import base64
import io
import json
import shutil
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data
from explorer.analysis import codes, sampling, trajectory
from explorer.models.ddpm import SAMPLERS
from explorer.ui import anew, between, cache, generating, steps
from explorer.views import pictures
from tests.analysis.test_sampling import TINY, made

FEW = {"steps": "5", "sampler": "ddim"}  # so that the tests are quick
HEADINGS = ["From noise to picture", "Noise over any picture", "Between two codes", "Draw a picture anew"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for model in TINY:
        made(root, model)
    return root


@pytest.fixture(autouse=True)
def surroundings(shelf: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """The tiny generators are the only checkpoints, and nothing was drawn before."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(shelf))
    for module, name in ((steps, "_ways"), (steps, "_frames"), (between, "_strips"), (anew, "_made")):
        monkeypatch.setattr(module, name, cache.Kept(64))


def page(names: tuple[str, ...]) -> None:
    from types import SimpleNamespace

    from explorer.ui import cache, steps

    known = cache.cards("generator")
    steps.steps(SimpleNamespace(cards={name: known[name] for name in names}))


ALL = ("tiny-vae", "tiny-dcgan", "tiny-ddpm")


def opened(names: tuple[str, ...] = ALL, **query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=300, args=(names,))
    for key, value in (FEW | query).items():
        app.query_params[key.rstrip("_")] = value
    return sound(app.run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def alts(app: AppTest) -> dict[str, str]:
    """Every picture on the page: what it says of itself -> its data address."""
    return {image.alt: image.url for element in app.get("image") for image in element.proto.imgs}


def words(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption]).replace("\\", "")


def loaded(name: str) -> checkpoints.Loaded:
    return checkpoints.load(name, "cpu")


def test_the_samplers_are_those_of_the_engine() -> None:
    assert set(generating.SAMPLERS) == set(SAMPLERS)


def test_every_part_is_there_and_every_picture_says_what_it_is() -> None:
    app = opened()
    assert [part.value for part in app.subheader] == HEADINGS and not app.info
    images = [image for element in app.get("image") for image in element.proto.imgs]
    assert all(image.alt for image in images) and all(
        image.url.startswith("data:image/png") for image in images
    )
    assert len({image.alt for image in images}) == len(images)
    titles = [" ".join(json.loads(chart.proto.spec)["title"]["text"]) for chart in app.get("vega_lite_chart")]
    share = trajectory.schedule(loaded("tiny-ddpm"))
    assert titles[0] == f"At level 300 {100 * share[300]:.1f} % of the variance is signal"
    assert titles[1].startswith("Log SNR")


def test_the_scrubber_shows_the_way_and_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(seed="7", class_="3", guidance="2")
    options = {"sampler": "ddim", "steps": 5, "guidance": 2.0}
    expected = trajectory.trajectory(loaded("tiny-ddpm"), range(7, 11), 3, **options)

    def refuse(*parts: object, **named: object) -> None:
        raise AssertionError("moving the scrubber computes")

    who = "7 (3), 8 (3), 9 (3), 10 (3)"
    sheets = {k: pictures.data_uri(pictures.grid(expected.noisy[k], 2, 5, 8)) for k in (0, 2, 5)}
    guess = pictures.data_uri(pictures.grid(expected.guesses[2], 2, 5, 8))
    assert app.select_slider(key="at").value == 2
    assert alts(app)[f"Guessed pictures after 2 of 5 steps, seeds {who}"] == guess
    level, signal = expected.levels[2], expected.signal[2]
    assert f"at level {level}, {100 * signal:.1f} % of the variance is signal" in words(app)
    for module, name in (
        (sampling, "draw"),
        (trajectory, "reimagined"),
        (codes, "drawn"),
        (codes, "code_of"),
        (steps, "_framed"),
    ):
        monkeypatch.setattr(module, name, refuse)
    for k in (0, 5, 2):
        sound(app.select_slider(key="at").set_value(k).run())
        assert alts(app)[f"Noisy pictures after {k} of 5 steps, seeds {who}"] == sheets[k]
    finished = sound(app.select_slider(key="at").set_value(5).run())
    assert "nothing left to guess" in words(finished)
    assert alts(app)[f"Guessed pictures after 5 of 5 steps, seeds {who}"] == sheets[5]


def test_fewer_steps_leave_no_place_beyond_the_last() -> None:
    app = opened(("tiny-ddpm",), at="5")
    assert app.select_slider(key="at").value == 5
    for count in (3, 8, 2):
        sound(app.slider(key="steps").set_value(count).run())
        sound(app.run())
        assert app.select_slider(key="at").value <= count


def test_the_scrubber_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processor, on the server: the pictures were encoded before."""
    seconds = []
    scrubber = steps._scrubber.__wrapped__

    def timed(*parts: object) -> None:
        began = time.thread_time()
        scrubber(*parts)
        seconds.append(time.thread_time() - began)

    monkeypatch.setattr(steps, "_scrubber", timed)
    app = opened()
    for k in (0, 1, 3, 4, 5):
        sound(app.select_slider(key="at").set_value(k).run())
    assert len(seconds) == 6 and statistics.median(seconds) < 0.05


def test_a_step_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in ("50", "2.5", "x", "-1"):
        app = opened(at=asked)
        assert ["(at)" in part.value for part in app.info] == [True], asked
    assert not opened(at="2").info


def test_a_public_server_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened(("tiny-ddpm",), steps="60")
    slider = app.slider(key="steps")
    assert slider.max == 25 and slider.value == 20
    assert any("steps" in part.value and "not here" in part.value for part in app.info)


def test_the_strips_go_from_one_seed_to_the_other() -> None:
    app = opened(from_="4", to="9", way="6", third="5")
    shown = alts(app)
    for name in ALL:
        found = loaded(name)
        options = sampling.options_for(found, sampler="dpm", steps=20) if name == "tiny-ddpm" else {}
        a, b, c = codes.codes(found, [4, 9, 5])
        strip = codes.drawn(found, codes.between(a, b, 8), 6, **options)
        for k in (0, 3, 7):
            alt = f"{name} · 6, place {k + 1} of 8 from seed 4 to seed 9"
            assert shown[alt] == pictures.thumbnail_uri(strip[k], 3)
        if name != "tiny-ddpm":
            four = codes.drawn(found, np.stack([a, b, c, codes.sum_of(a, b, c)]), 6)
            assert shown[f"{name} · 6: the sum"] == pictures.thumbnail_uri(four[3], 3, 6)
    assert "tiny-ddpm · 6: the sum" not in shown, "noise of 3,072 numbers means nothing by itself"


def test_a_picture_is_spoilt_and_drawn_anew() -> None:
    app = opened(picture="test-7", level="650", amount="0.3")
    test = data.load("digits", "test")
    picture = test.images[int(np.flatnonzero(test.labels == 7)[0])]
    shown = alts(app)
    share = trajectory.schedule(loaded("tiny-ddpm"))
    spoilt = trajectory.noised(picture, 650, share)
    spoilt = ((spoilt + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    assert shown["test picture: 7 at level 650"] == pictures.thumbnail_uri(spoilt, 7)
    vae, ddpm = loaded("tiny-vae"), loaded("tiny-ddpm")
    back = codes.drawn(vae, codes.code_of(vae, picture, 7)[None], 7)[0]
    assert shown["test picture: 7: from its code, tiny-vae · 7"] == pictures.thumbnail_uri(back, 5, 6)
    options = sampling.options_for(ddpm, sampler="dpm", steps=20)
    noisy, result = trajectory.reimagined(ddpm, picture, 0.3, wanted=7, **options)
    assert shown["test picture: 7: with noise, tiny-ddpm · 7"] == pictures.thumbnail_uri(noisy, 5, 6)
    assert shown["test picture: 7: drawn from there, tiny-ddpm · 7"] == pictures.thumbnail_uri(result, 5, 6)


def test_what_was_drawn_needs_no_model_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the same session nor in another: it is found by what the card says."""
    asked = {"picture": "test-7"}
    first = alts(opened(**asked))
    noising = cache.model("tiny-ddpm", "generator")  # whose schedule is asked for elsewhere
    monkeypatch.setattr(cache, "_model", lambda name, sha256: noising)
    for module, name in ((codes, "drawn"), (trajectory, "reimagined"), (sampling, "draw")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("drawn once more"))
    assert alts(opened(**asked)) == first


def test_a_visitor_s_picture_stays_in_the_session() -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "PNG")
    app = opened(("tiny-vae", "tiny-ddpm"), picture="test-7")
    known = set(anew._made._made)
    assert known, "what everybody can choose is shared"
    app.file_uploader(key="files").set_value(("mine.png", out.getvalue(), "image/png"))
    sound(app.run())
    assert any("mine.png: from its code" in alt for alt in alts(app))
    assert set(anew._made._made) == known


def test_a_picture_of_no_known_class_is_drawn_as_what_our_classifier_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(checkpoints.OURS / "digits-fastnet", tmp_path / "digits-fastnet")
    made(tmp_path, "vae")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    test = data.load("digits", "test")
    place = int(np.flatnonzero(test.labels == 4)[0])
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(test.images[place].transpose(1, 2, 0))).save(out, "PNG")
    app = opened(("tiny-vae",))
    app.file_uploader(key="files").set_value(("mine.png", out.getvalue(), "image/png"))
    sound(app.run())
    assert app.selectbox(key="as").value == "" and "4, as our classifier sees it" in str(
        app.selectbox(key="as").options
    )
    assert any(alt.startswith("mine.png: from its code, tiny-vae · 4") for alt in alts(app))


def test_strangers_draw_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "PATIENCE", 0.01)
    monkeypatch.setattr(generating, "_strangers", threading.BoundedSemaphore(1))
    with generating._strangers:
        opened(("tiny-vae",))  # the owner is not concerned
        monkeypatch.setenv("EXPLORER_PUBLIC", "1")
        app = AppTest.from_function(page, default_timeout=300, args=(("tiny-dcgan", "tiny-ddpm"),)).run()
        said = {part.value for part in app.error}
        assert said == {"This server is busy drawing for others; try again in a moment."}
        assert len(app.error) == 5, "the way, two strips, the sum, the picture drawn anew"
    opened(("tiny-dcgan", "tiny-ddpm"))
    assert generating._strangers.acquire(blocking=False), "given back by all"


def test_the_whole_way_is_one_file() -> None:
    app = opened(("tiny-ddpm",), seed="7")
    names = [part.proto.id.partition("download: ")[2] for part in app.get("download_button")]
    assert names == ["tiny-ddpm-7-steps.png", "tiny-ddpm-1-to-2.png", "tiny-ddpm-anew.png"]
    found = trajectory.trajectory(loaded("tiny-ddpm"), range(7, 11), sampler="ddim", steps=5, guidance=1.0)
    whole = np.asarray(steps.sheet(found))
    assert whole.shape == (8 * 130 - 2, 6 * 130 - 2, 3)

    def tile(row: int, column: int) -> np.ndarray:
        return whole[130 * row : 130 * row + 128 : 4, 130 * column : 130 * column + 128 : 4].transpose(
            2, 0, 1
        )

    assert np.array_equal(tile(2, 3), found.noisy[3, 1]) and np.array_equal(tile(3, 3), found.guesses[3, 1])
    assert np.array_equal(tile(7, 5), found.noisy[5, 3]), "at the end the finished picture"


def test_large_type_has_larger_pictures() -> None:
    app = AppTest.from_function(page, default_timeout=300, args=(("tiny-vae", "tiny-ddpm"),))
    for key, value in FEW.items():
        app.query_params[key] = value
    app.session_state["large"] = True
    sound(app.run())
    widths = {
        image.alt: Image.open(io.BytesIO(base64.b64decode(image.url.partition(",")[2]))).width
        for element in app.get("image")
        for image in element.proto.imgs
    }
    assert {width for alt, width in widths.items() if "pictures after" in alt} == {2 * 7 * 32 + 8}
    assert {width for alt, width in widths.items() if "from its code" in alt} == {7 * 32 + 12}


def test_without_a_diffusion_model_the_rest_is_there() -> None:
    app = opened(("tiny-vae",))
    assert "none is among the chosen ones" in words(app)
    assert not [part for part in app.select_slider if part.key == "at"]
    titles = [json.loads(chart.proto.spec)["title"] for chart in app.get("vega_lite_chart")]
    assert "the cosine schedule" in " ".join(titles[0]["subtitle"])
    app = opened(("tiny-dcgan",))
    assert "A GAN has no way from a picture back to a code" in words(app)
    assert [part.value for part in app.subheader] == HEADINGS


@pytest.mark.parametrize("model", ["dcgan", "ddpm"])
def test_a_model_without_labels_is_told_none_and_offers_none(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, model, conditional=False)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    app = opened((f"tiny-{model}",))
    assert f"tiny-{model} · it is told no class" in words(app)
    assert not {"class", "way", "as"} & {part.key for part in app.selectbox}
    assert "guidance" not in {part.key for part in app.slider} and not app.info
    assert f"tiny-{model} · it is told no class" in words(opened((f"tiny-{model}",), picture="noise"))
    if model == "ddpm":
        app = opened(("tiny-ddpm",), guidance="3", **{"class": "7"})
        assert "(class, guidance)" in app.info[0].value


def test_of_several_diffusion_models_one_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "ddpm")
    made(tmp_path / "elsewhere", "ddpm", conditional=False)
    shutil.move(tmp_path / "elsewhere" / "tiny-ddpm", tmp_path / "untold")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    app = opened(("tiny-ddpm", "untold"))
    assert "tiny-ddpm begins with noise" in words(app) and "class" in {part.key for part in app.selectbox}
    sound(app.selectbox(key="class").select("7").run())
    assert app.query_params["class"] == "7"
    sound(app.selectbox(key="way_with").select("untold").run())
    assert "untold begins with noise" in words(app) and "class" not in {part.key for part in app.selectbox}
    assert app.query_params["way_with"] == "untold"
    assert "class" not in app.query_params and not sound(app.run()).info


def test_a_dropped_picture_is_the_one_that_is_spoilt() -> None:
    app = opened(("tiny-vae",), picture="noise")
    assert app.selectbox(key="picture").value == "noise"
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(out, "PNG")
    app.file_uploader(key="files").set_value(("mine.png", out.getvalue(), "image/png"))
    sound(app.run())
    assert app.selectbox(key="picture").value == "mine" and "mine.png at level 300" in alts(app)
    app.file_uploader(key="files").set_value(None)
    sound(app.run())
    assert not [alt for alt in alts(app) if "mine" in alt]


KEYS = ("seed", "class", "steps", "sampler", "guidance", "at", "level", "picture", "from", "to", "third", "way", "as",
        "amount")  # fmt: skip


@pytest.mark.parametrize(
    "value", ["", "inf", "nan", "-1", "1e9", "1e400", "<b>x</b>", "../..", "9" * 2000, "가"]
)
def test_nothing_in_the_address_breaks_it(value: str) -> None:
    app = opened(**dict.fromkeys(KEYS, value))
    assert [part.value for part in app.subheader] == HEADINGS
    assert app.number_input(key="seed").value == 0 and app.slider(key="level").value == 300
    assert app.slider(key="steps").value == 20 and app.slider(key="guidance").value == 1
    assert app.selectbox(key="class").value == "" and app.select_slider(key="at").value == 10
    assert app.slider(key="amount").value == 0.5 and app.number_input(key="third").value == 3
    # Two notices: only the way itself knows its steps.
    named = [key for part in app.info for key in part.value.partition("(")[2].partition(")")[0].split(", ")]
    assert sorted(named) == sorted({*KEYS} - ({"class", "way", "as"} if not value else set()))


def test_a_picture_of_one_s_own_is_known_only_where_one_was_brought() -> None:
    app = opened(("tiny-vae",), picture="mine")
    assert ["(picture)" in part.value for part in app.info] == [True]
    assert app.selectbox(key="picture").value == "test-0" and not sound(app.run()).info
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "PNG")
    app.file_uploader(key="files").set_value(("mine.png", out.getvalue(), "image/png"))
    for _ in range(2):
        assert sound(app.run()).selectbox(key="picture").value == "mine" and not app.info
