"""The Generate page by AppTest: stored pictures side by side, drawing as a job, links to the same picture elsewhere."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, jobs, text
from explorer.analysis import examination, sampling
from explorer.analysis.protocols import FILE as PROTOCOLS
from explorer.analysis.samplers import FILE as SAMPLERS
from explorer.runs.scoring import GRID, png
from explorer.ui import compared, drawn, language, steps  # noqa: F401 (language: answers ?lang=)
from tests.analysis.test_sampling import made
from tests.made_up import SCORES

ROOT = Path(__file__).resolve().parents[2]
MORE = {
    "recall": 0.4, "coverage": 0.5, "density": 0.6, "judged": {"class_accuracy": 0.7}, "guidance": 1.0, "steps": 2,
    "fid_curve": [[1250, 62.0], [2500, 52.0], [5000, 47.0]], "fid_infinity": 42.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three generators of digits with scores and grids, what was measured of the diffusion model beside it, and the
    shipped classifier of digits."""
    root = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(checkpoints.OURS / "digits-fastnet", root / "digits-fastnet")
    for model in ("vae", "dcgan", "ddpm"):
        loaded = made(root, model)
        scores = (
            SCORES | MORE if model == "ddpm" else {k: v for k, v in (SCORES | MORE).items() if k != "sampler"}
        )
        samples = sampling.draw(
            loaded, np.arange(100), **({"sampler": "dpm", "steps": 2} if model == "ddpm" else {})
        )
        card = dataclasses.replace(
            loaded.card, metrics={"samples": scores}, recipe={"name": model, "images_seen": 9000}
        )
        checkpoints.update(root / card.name, card, {GRID: png(examination.grid(samples))})
    ways = [
        {"sampler": way, "steps": steps, "guidance": 1.0, "fid": 50 - steps / 10, "n": 2000, "reference_n": 1438,
         "milliseconds": 3.0 * steps}
        for way, steps in (("ddim", 10), ("dpm", 20))
    ]  # fmt: skip
    card = checkpoints.read_card(root / "tiny-ddpm")
    rows = [
        {"protocol": key, "fid": 40.0 + k, "n": 5000, "m": 5000} for k, key in enumerate(("train", "half"))
    ]
    checkpoints.update(
        root / "tiny-ddpm", card,
        {file: json.dumps({"checkpoint_sha256": card.sha256, "rows": of}).encode()
         for file, of in ((SAMPLERS, ways), (PROTOCOLS, rows))},
    )  # fmt: skip
    return root


@pytest.fixture(autouse=True)
def surroundings(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(registry))
    yield
    text.set_language("en")


def opened(page: str = "generate", **query: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / f"pages/{page}.py"), default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = str(value)
    app.run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def strips(app: AppTest) -> list[dict]:
    return [json.loads(strip.proto.bytes) for strip in app.get("bidi_component")]


def words(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption]).replace("\\", "")


# Side by side


def test_the_same_seeds_stand_below_each_other_and_nothing_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "draw", lambda *_, **__: pytest.fail("a picture was drawn"))
    app = opened()
    shown = strips(app)
    assert len(shown) == 3 and all(
        [item["id"] for item in strip["items"]] == list("0123456789") for strip in shown
    )
    assert [strip["items"][3]["alt"] for strip in shown] == [
        f"drawn by tiny-{name}, seed 3: 3" for name in ("vae", "dcgan", "ddpm")
    ], "VAEs first, diffusion models last"
    assert len({strip["items"][3]["src"] for strip in shown}) == 3
    further = strips(opened(row=4))
    assert [item["id"] for item in further[0]["items"]] == [str(30 + k) for k in range(10)]


def test_a_stored_tile_is_the_picture_of_its_seed() -> None:
    tiles = compared.stored_tiles(checkpoints.read_card("tiny-dcgan"))
    assert tiles.shape == (10, 10, 3, 32, 32)
    alone = drawn.pixels(drawn.Drawn(checkpoints.read_card("tiny-dcgan"), 47))
    assert np.abs(tiles[4, 7].astype(int) - alone).max() <= 1


def test_the_scores_stand_in_a_row_with_what_they_rest_on() -> None:
    app = opened()
    table = app.table[0].value
    assert list(table.iloc[:, 0]) == ["**tiny-vae**", "**tiny-dcgan**", "**tiny-ddpm**"]
    assert "**41.2**" in table.iloc[0].tolist() and "FID-5k against 50k train" in table.iloc[0].tolist()
    assert "9,000" in table.iloc[2].tolist() and "sha256" in words(app)
    unscored = compared.score_table([dataclasses.replace(checkpoints.read_card("tiny-vae"), metrics={})])
    assert [column[0] for column in unscored.values()].count("–") == 8


def test_a_click_opens_the_picture_with_its_links() -> None:
    app = opened(drawn="tiny-ddpm/13")
    assert "drawn by tiny-ddpm, seed 13: 3" in words(app)
    assert any("--n 1 --seed 13" in block.value for block in app.code)


# Addresses


@pytest.mark.parametrize(
    "address",
    [
        "tiny-vae/5",
        "tiny-ddpm/5/7",
        "tiny-ddpm/5//dpm/20/1.5",
        "tiny-ddpm/5/3/ddim/1/0",
        "tiny-dcgan/999999999/0",
    ],
)
def test_an_address_comes_back_as_it_was(address: str) -> None:
    found = drawn.parsed(address)
    assert found is not None and found.address == address
    wanted = [*address.split("/"), ""][2]
    assert found.label == (int(wanted) if wanted else 5)


@pytest.mark.parametrize(
    "address",
    ["", "/", "tiny-vae", "tiny-vae/", "tiny-vae/-1", "tiny-vae/1.5", "tiny-vae/1/10", "tiny-vae/1/x", "absent/1",
     "tiny-vae/1/1/dpm/20/1", "tiny-ddpm/1/1/euler/20/1", "tiny-ddpm/1/1/dpm/0/1", "tiny-ddpm/1/1/dpm/999/1",
     "tiny-ddpm/1/1/dpm/20/99", "tiny-ddpm/1/1/dpm/20/nan", "tiny-ddpm/1/1/dpm/20", "../tiny-vae/1",
     "tiny-vae/9999999999", "tiny-vae/１", "tiny-ddpm/1/1/dpm/20/1/1", "digits-fastnet/1", "x" * 5000],
)  # fmt: skip
def test_addresses_that_name_no_picture_give_none(address: str) -> None:
    assert drawn.parsed(address) is None


def test_strangers_may_take_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn.parsed("tiny-ddpm/1/1/dpm/26/1") is not None
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert (
        drawn.parsed("tiny-ddpm/1/1/dpm/26/1") is None and drawn.parsed("tiny-ddpm/1/1/dpm/25/1") is not None
    )


@pytest.mark.parametrize("page", ["predict", "explain"])
def test_the_same_picture_stands_on_the_other_pages(page: str) -> None:
    app = opened(page, drawn="tiny-dcgan/13/3", model="digits-fastnet")
    assert "seed 13" in words(app) or any("seed 13" in str(each.proto) for each in app.get("image"))
    assert not app.info
    odd = opened(page, drawn="tiny-dcgan/-1", model="digits-fastnet")
    assert any("drawn" in info.value for info in odd.info)


# Drawing


def test_a_job_draws_what_its_seeds_say_and_lands_in_the_gallery() -> None:
    app = opened(part="draw", draw_with="tiny-ddpm", seed=7, steps=2)
    app.button(key="draw").click().run()
    asked = app.query_params["job"]
    job_id = asked[0] if isinstance(asked, list) else asked
    done = jobs.wait(job_id, 300)
    assert done.state == "done", jobs.logs(job_id, 30)
    app.run()
    sound(app)
    items = next(strip["items"] for strip in strips(app) if strip["items"])
    assert [item["id"] for item in items] == [str(7 + k) for k in range(16)]
    loaded = checkpoints.load("tiny-ddpm", "cpu")
    expected = sampling.draw(loaded, np.arange(7, 23), sampler="dpm", steps=2, guidance=1.0).images
    from explorer.data.drawn import read_drawn

    found, labels = read_drawn(Path(jobs.result(job_id)["path"]))
    assert np.abs(found.astype(int) - expected).max() <= 1 and labels.tolist() == [
        (7 + k) % 10 for k in range(16)
    ]
    again = opened(part="draw", job=job_id)
    assert any(strip["items"] for strip in strips(again)), "a link shows the same pictures"
    assert jobs.result(job_id)["path"].startswith(str(jobs.root() / job_id))


def test_public_mode_draws_few_pictures_of_few_steps_in_two_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer import cli, reach
    from explorer.text import Problem

    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened(part="draw", draw_with="tiny-ddpm", steps=200, n=64)
    assert app.slider(key="steps").max == reach.MOST_STEPS
    assert [group.options for group in app.get("button_group") if group.options == ["16"]]
    reach.allow("job draw"), reach.allow("stop draw")
    for action in ("sample", "job train", "stop train", "job perturb"):
        with pytest.raises(Problem, match="public"):
            reach.allow(action)
    with pytest.raises(Problem, match="at most 16 pictures of at most 25 steps"):
        reach.cap(17, 1)
    with pytest.raises(Problem, match="at most 16 pictures"):
        reach.cap(1, 26)
    reach.cap(16, 25)
    assert cli.main(["sample", "tiny-vae", "--n", "1", "--out", "x.npz"]) == 1, "no writing where they like"


def test_without_out_a_command_says_where_to(capsys: pytest.CaptureFixture) -> None:
    from explorer import cli

    assert cli.main(["sample", "tiny-vae", "--n", "1"]) == 1
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "seen"), [({"class": "dog", "seed": "12"}, ["1", "12"]), ({}, ["None", "3"]),
                        ({"class": "1", "seed": "inf"}, ["None", "3"])],
)  # fmt: skip
def test_a_class_stands_in_the_address_by_name_and_a_seed_is_whole(asked: dict, seen: list[str]) -> None:
    def script() -> None:
        from types import SimpleNamespace

        import streamlit as st

        from explorer.ui import generating

        card = SimpleNamespace(classes=("cat", "dog"))
        st.markdown(str(generating.class_of("Class", "class", card, "all")))
        st.markdown(str(generating.seed("Seed", "seed", 3)))

    app = AppTest.from_function(script)
    for key, value in asked.items():
        app.query_params[key] = value
    assert [part.value for part in sound(app.run()).markdown] == seen


def test_a_control_keeps_its_value_in_other_sections_as_far_as_it_goes_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "MOST_STEPS", 6)  # fewer than "Draw" takes, as ever, and quick
    asked = {"model_digits": "tiny-ddpm", "steps": 200, "sampler": "ddim", "class": "3", "seed": 7}
    app = opened(part="draw", **asked)
    assert (app.slider(key="steps").value, app.slider(key="steps").max) == (200, 250) and not app.info

    def turned(part: str) -> tuple[float, float]:
        sound(app.segmented_control(key="part").select(part).run())
        sound(app.run())
        assert not app.info
        assert (app.number_input(key="seed").value, app.selectbox(key="class").value) == (7, "3")
        assert app.selectbox(key="sampler").value == "ddim"
        return app.slider(key="steps").value, app.slider(key="steps").max

    def moved(to: int) -> None:
        app.query_params["steps"] = str(to)  # as the browser does
        sound(app.slider(key="steps").set_value(to).run())

    assert turned("steps") == (6, 6)
    moved(4)
    assert turned("draw") == (4, 250)
    moved(180)
    assert turned("steps") == (6, 6)
    assert turned("draw") == (6, 250)
    app.query_params["part"], app.query_params["steps"] = "steps", "200"  # a link within the session
    sound(app.run())
    assert app.slider(key="steps").value <= app.slider(key="steps").max == 6
    link = opened(part="steps", **asked)
    assert link.slider(key="steps").value == 2, "that of its scores"
    assert any("(steps)" in info.value for info in link.info)


# What FID sees


def test_what_was_measured_is_drawn_and_what_was_not_names_its_command() -> None:
    app = opened(part="fid")
    assert "about c / N" in words(app)
    tables = [table.value for table in app.table]
    assert any("half-pixel resize (torch's)" in table.to_string() for table in tables)
    assert len(app.get("vega_lite_chart")) >= 2
    assert "python -m explorer protocols" not in words(app)
    assert "python -m explorer protocols tiny-vae" in words(opened(part="fid", model_digits="tiny-vae"))


# The page


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("part", ["compare", "draw", "steps", "collapse", "fid"])
def test_every_section_in_both_languages(part: str, lang: str) -> None:
    app = opened(part=part, lang=lang)
    assert app.title[0].value == ("Generate" if lang == "en" else "생성")


@pytest.mark.parametrize(
    "value", ["-1", "999999999999", "nan", "x", "<b>", "tiny-vae", "", "1e9", "../..", "０"]
)
def test_hostile_addresses_give_the_defaults(value: str) -> None:
    keys = ("part", "data", "model_digits", "row", "drawn", "draw_with", "n", "class", "seed", "sampler", "steps",
            "guidance", "job", "of", "fault")  # fmt: skip
    for part in ("compare", "draw", "fid"):
        opened(**{**dict.fromkeys(keys, value), "part": part})
    opened(**dict.fromkeys(keys, value))


def test_without_a_generator_it_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert "python -m explorer train --model vae" in words(opened())
