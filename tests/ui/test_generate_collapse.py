"""Why GANs fail, by AppTest: two made-up GANs over their moments, a collapse as a job, and the theory."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import jobs, runs, text
from explorer.files import read_json, write_bytes, write_json
from explorer.ui import game, language, moments  # noqa: F401 (language: answers ?lang=)
from tests.made_up import made_up_generator
from tests.made_up_runs import made_up_run, scans
from tests.test_pages import HOSTILE

MOMENTS = {"plain": (640, 6_400, 64_000), "healthy": (700, 12_800, 128_000, 256_000)}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    yield tmp_path / "checkpoints"
    for job in jobs.jobs():
        jobs.stop(job.id, grace=0)
    text.set_language("en")


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that do nothing: what a click asks for is looked at, not trained."""
    sleep = "import time; from explorer.reporter import attached\nwith attached(): time.sleep(60)"
    monkeypatch.setattr(jobs, "COMMAND", (jobs.sys.executable, "-c", sleep))


def made_up_gan(root: Path, name: str, moments: tuple[int, ...], **changes: Any) -> None:
    """A small GAN that was never trained, with rows and grids of its moments."""
    arguments = {"width": 8, "conditional": name != "plain"}
    arguments |= changes.pop("model_args", {})
    made_up_generator(root, name, model="dcgan", task="gan", model_args=arguments, **changes)
    rng = np.random.default_rng(0)
    rows = []
    for k, images in enumerate(moments):
        step = images // 64
        rows.append(
            {
                "images": images, "step": step, "n": 1000, "epoch": 1.0 + k, "d_accuracy": 0.5 + 0.1 * k,
                "duplicate_rate": 0.2 * k, "entropy_share": 1 - 0.2 * k, "collapsed": name == "plain" and k == 2,
                "class_counts": [1000 - 900 * (k < 2), 0, *[0 if k == 2 else 112] * 8],
            }
        )  # fmt: skip
        write_bytes(root / name / f"evaluation/grids/step-{step:08d}.png", scans((k + 1) / len(moments), rng))
    write_json(root / name / "evaluation/over_time.json", {"rows": rows})


@pytest.fixture
def two(surroundings: Path) -> Path:
    for name, seen in MOMENTS.items():
        made_up_gan(surroundings, name, seen)
    return surroundings


def section() -> None:
    from types import SimpleNamespace

    from explorer.ui import cache
    from explorer.ui.collapse import collapse

    collapse(SimpleNamespace(cards=cache.cards("generator")))


def opened(**query: Any) -> AppTest:
    app = AppTest.from_function(section, default_timeout=300)
    for key, value in query.items():
        app.query_params[key] = value
    return sound(app.run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def scrubber(app: AppTest) -> Any:
    (found,) = app.select_slider
    return found


def charts(app: AppTest) -> dict[str, str]:
    """The charts by their titles -> what is said to those who cannot see them."""
    found = [node.proto for node in app.get("vega_lite_chart")]
    return {" ".join(json.loads(proto.spec)["title"]["text"]): proto.alt for proto in found}


def images(app: AppTest) -> list[Any]:
    return [image for node in app.get("image") for image in node.proto.imgs]


def address(app: AppTest, key: str) -> str | None:
    value = app.query_params.get(key)
    return value[0] if isinstance(value, list) else value


# --- the plain one beside the healthy one -----------------------------------------------------------------------------


def test_the_two_stand_side_by_side_at_the_last_moment_with_words_for_everything(two: Path) -> None:
    app = opened()
    assert [part.value for part in app.subheader] == [
        "The plain DCGAN beside the healthy one", "Watch one collapse", "The game in theory",
    ]  # fmt: skip
    plain, healthy = images(app)
    assert plain.alt.startswith("Drawn pictures: plain, 64,000 pictures seen · near-duplicates 40.00\u202f%")
    assert "told no class" in plain.alt and "rows: 0, 1, 2" in healthy.alt
    found = charts(app)
    assert len(found) == 5, "three measures, the classes, the game; no FID without Inception's weights"
    assert all(alt.startswith(f"{title}: ") for title, alt in found.items())
    assert not any("FID" in title for title in found)
    assert any("plain leaves 9 of 10 classes out; 100 % of it is “0”" in title for title in found)
    duplicates = found["Near-duplicates among what is drawn"]
    assert "plain 40.0 % · healthy 60.0 %" in duplicates and "healthy: no FID yet" in duplicates
    assert not app.selectbox and "moment" not in app.query_params


def test_the_scrubber_moves_both_to_their_nearest_moments_and_into_the_address(two: Path) -> None:
    app = opened()
    assert len(scrubber(app).options) == 7 and scrubber(app).options[0] == "640"
    app = sound(scrubber(app).set_value(6_400).run())
    assert address(app, "moment") == "6400"
    plain, healthy = images(app)
    assert "plain, 6,400 pictures seen · near-duplicates 20.00\u202f%" in plain.alt
    assert "healthy, 12,800 pictures seen" in healthy.alt
    again = opened(moment="6400")
    assert [image.alt for image in images(again)] == [plain.alt, healthy.alt]
    assert scrubber(again).value == 6_400
    assert "moment" not in sound(scrubber(again).set_value(256_000).run()).query_params


def test_a_grid_is_enlarged_by_a_whole_multiple_with_a_row_for_each_class(two: Path, tmp_path: Path) -> None:
    source = two / "plain/evaluation/grids/step-00001000.png"
    seen = []

    def keep(png: bytes, **options: Any) -> None:
        seen.append(png)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments.st, "image", keep)
        moments.picture(source, "words", 2, turned=True)
    with Image.open(source) as before, Image.open(BytesIO(seen[0])) as after:
        assert before.size == (320, 160) and after.size == (320, 640)
        small = np.asarray(after)[::2, ::2]
        assert np.array_equal(np.asarray(after), small.repeat(2, 0).repeat(2, 1))
        for row, column in ((0, 0), (4, 9), (2, 7)):
            tile = np.asarray(before)[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            assert np.array_equal(small[32 * column : 32 * column + 32, 32 * row : 32 * row + 32], tile)


def test_without_a_plain_one_it_says_how_to_train_one(surroundings: Path) -> None:
    made_up_gan(surroundings, "healthy", MOMENTS["healthy"])
    app = opened(moment="640")
    assert any("No plain DCGAN" in part.value for part in app.markdown)
    assert "--recipe dcgan-collapse" in app.code[0].value and not app.select_slider
    assert len(app.subheader) == 3, "the rest stands"


def test_with_nothing_at_all_the_section_stands() -> None:
    app = opened()
    assert "--data cifar10 --recipe dcgan-slides" in app.code[0].value and len(app.subheader) == 3


def test_the_plain_one_alone_is_shown_alone_and_of_several_one_is_chosen(surroundings: Path) -> None:
    made_up_gan(surroundings, "plain", MOMENTS["plain"])
    app = opened()
    assert len(images(app)) == 1 and any("stands alone" in part.value for part in app.caption)
    made_up_gan(surroundings, "worse", (64, 6_400), model_args={"conditional": False})
    app = opened(plain="worse")
    assert "worse, 6,400 pictures seen" in images(app)[0].alt
    app = sound(app.selectbox(key="plain").select("plain").run())
    assert "plain, 64,000 pictures seen" in images(app)[0].alt


def test_only_repetition_is_told_as_such(two: Path) -> None:
    """The alarm rings also for pictures that our classifier sorts into few classes, all of them different."""
    path = two / "plain/evaluation/over_time.json"
    rows = read_json(path)["rows"]
    write_json(path, {"rows": [rows[0], rows[1], rows[2] | {"duplicate_rate": 0.0}]})
    alts = {name: images(opened(moment=str(at)))[0].alt for name, at in (("first", 640), ("last", 64_000))}
    assert "near-duplicates" not in alts["last"] and "few classes seen" in alts["last"]
    assert "few classes seen" not in alts["first"] and "near-duplicates" not in alts["first"]


def test_a_net_with_no_more_than_its_grids_can_still_be_scrubbed(surroundings: Path) -> None:
    made_up_gan(surroundings, "plain", MOMENTS["plain"], recipe={"batch": 64})
    (surroundings / "plain/evaluation/over_time.json").unlink()
    app = opened(moment="6400")
    assert "plain, 6,400 pictures seen" in images(app)[0].alt
    said = [part.value for part in app.caption]
    assert not any("orange line" in each for each in said), "there is no curve"
    assert "Of these nets the pictures of each moment are stored, and no scores of them." in said


@pytest.mark.parametrize(
    "rows", ["x", [], [{"images": "many"}], [{"images": 640}], [{"images": 5, "step": "7"}]]
)
def test_a_damaged_table_costs_what_it_lacks_and_nothing_else(two: Path, rows: Any) -> None:
    write_json(two / "plain/evaluation/over_time.json", {"rows": rows})
    app = opened()
    assert len(app.subheader) == 3
    (two / "healthy/evaluation/grids/step-00004000.png").write_bytes(b"no picture")
    write_json(two / "plain/evaluation/over_time.json", {"rows": [{"images": 640, "step": 10}]})
    app = AppTest.from_function(section, default_timeout=300).run()
    assert not app.exception and len(app.subheader) == 3
    assert ["cannot be read" in part.value for part in app.error] == [True]


# --- a collapse to watch ----------------------------------------------------------------------------------------------


def test_a_click_starts_the_collapse_as_a_training_and_follows_it(idle: None) -> None:
    app = opened()
    sound(app.button(key="let it collapse").click().run())
    (run,) = runs.statuses()
    config = runs.config_of(run.name)
    assert (config["model"], config["data"], config["recipe_name"]) == ("dcgan", "digits", "dcgan-collapse")
    (job,) = jobs.jobs()
    assert job.kind == "train" and jobs.latest(jobs.run_key(run.name)).id == job.id
    assert address(app, "collapse") == run.name
    assert "let it collapse" not in {part.key for part in app.button} and app.get("progress")
    assert any("first pictures" in part.value for part in app.caption)
    other = opened()
    assert other.get("progress") and "collapse" not in other.query_params, (
        "another session follows it as well"
    )


def test_a_run_shows_its_newest_pictures_large_and_earlier_ones_below(surroundings: Path) -> None:
    name = made_up_run("down", "dcgan", recipe="dcgan-collapse")
    app = opened(collapse=name)
    newest, *earlier = images(app)
    assert newest.alt == f"Drawn pictures: down, {120 * 64:,} pictures seen"
    assert [image.alt.split(", ", 1)[1] for image in earlier] == [
        f"{k * 30 * 64:,} pictures seen" for k in (1, 2, 3)
    ]
    assert any("75.0 %" in part.value for part in app.markdown), "the discriminator's share"
    assert "let it collapse" in {part.key for part in app.button}, "it is over: another can be started"


def test_a_run_of_another_recipe_or_none_is_not_shown(surroundings: Path) -> None:
    made_up_run("other", "dcgan")
    for asked in ("other", "nothing", "../x", ""):
        app = opened(collapse=asked)
        assert not images(app) and "collapse" not in app.query_params


def test_in_public_mode_a_sentence_stands_for_the_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened()
    assert not app.button and any("only its owner" in part.value for part in app.caption)


def test_what_is_refused_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, options: dict) -> str:
        raise text.Problem("The disk is full.")

    monkeypatch.setattr(jobs, "begin", refuse)
    app = opened().button(key="let it collapse").click().run()
    assert not app.exception and [part.value for part in app.error] == ["The disk is full."]
    assert not sound(app.run()).error


# --- the theory -------------------------------------------------------------------------------------------------------


def tiles(app: AppTest) -> list[str]:
    return [part.value for part in app.metric]


def test_the_game_opens_on_a_collapse_and_ends_where_they_meet() -> None:
    app = opened()
    assert "that is mode collapse" in " ".join(charts(app)) and tiles(app)[1] == "−1.386"
    app = sound(app.toggle(key="meet").set_value(True).run())
    assert tiles(app) == ["−1.386", "−1.386", "0.000"] and "they meet" in " ".join(charts(app))
    assert [slider.key for slider in app.slider if not slider.disabled] == ["hills"]


def test_both_densities_move() -> None:
    app = opened(hills="8")
    assert "mode collapse" not in " ".join(charts(app)), "p_g stands where no hill is now"
    app = sound(app.slider(key="mean").set_value(4.0).run())
    assert "that is mode collapse" in " ".join(charts(app)) and address(app, "hills") == "8"
    app = sound(app.toggle(key="meet").set_value(True).run())
    assert tiles(app)[0] == "−1.386" and not app.slider(key="hills").disabled
    app = sound(app.slider(key="hills").set_value(2.4).run())
    assert tiles(app)[0] == "−1.386"
    odd = opened(hills="80")
    assert odd.slider(key="hills").value == game.HILLS[2] and "(hills)" in odd.info[0].value
    assert not sound(odd.run()).info, "said once"


def test_a_link_opens_the_game_it_names() -> None:
    app = opened(mean="0", width="2.2")
    assert "covers both hills" in " ".join(charts(app))
    assert tiles(opened(meet="true"))[0] == "−1.386"


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_an_address_full_of_nonsense_shows_the_defaults(two: Path, value: Any) -> None:
    app = opened(**dict.fromkeys(("moment", "plain", "healthy", "collapse", "mean", "width", "meet"), value))
    assert "64,000" in images(app)[0].alt and "256,000" in images(app)[1].alt
    assert app.slider(key="mean").value == game.MEAN[2] or value == "-1"
    assert app.slider(key="width").value == game.WIDTH[2]
    (notice,) = app.info
    named = notice.value.partition("(")[2].partition(")")[0].split(", ")
    assert {"moment", "plain", "healthy", "collapse", "meet"} <= {*named}
    assert not {"moment", "plain", "healthy", "collapse"} & app.query_params.keys()
    assert not sound(app.run()).info, "said once"


@pytest.mark.parametrize("key", ["moment", "plain", "healthy", "collapse"])
def test_each_alone_is_said_also_where_there_is_nothing_to_choose(surroundings: Path, key: str) -> None:
    for _ in range(2):  # nothing at all; a plain one alone
        app = opened(**{key: "640000"})
        assert [f"({key})" in part.value for part in app.info] == [True]
        made_up_gan(surroundings, "plain", MOMENTS["plain"])


def test_what_is_there_is_not_said_to_be_missing(two: Path) -> None:
    made_up_gan(two, "worse", (64, 6_400), model_args={"conditional": False})
    name = made_up_run("down", "dcgan", recipe="dcgan-collapse")
    app = opened(moment="6,400", plain="worse", healthy="healthy", collapse=name, meet="true")
    assert not app.info and scrubber(app).value == 6_400 and address(app, "moment") == "6400"
    app = sound(scrubber(app).set_value(64).run())
    app = sound(app.selectbox(key="plain").select("plain").run())  # which knows no such moment
    assert not app.info and not sound(app.run()).info and scrubber(app).value == 256_000


# --- words ------------------------------------------------------------------------------------------------------------


def test_it_is_there_in_korean(two: Path) -> None:
    app = opened(lang="ko")
    assert len(app.subheader) == 3 and len(images(app)) == 2
