"""The Generate page by AppTest: stored pictures side by side, drawing as a job, links to the same picture elsewhere."""

import csv
import dataclasses
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, jobs, text
from explorer.analysis import examination, sampling
from explorer.analysis.protocols import FILE as PROTOCOLS
from explorer.analysis.samplers import FILE as SAMPLERS
from explorer.runs.scoring import GRID, png
from explorer.text import Problem
from explorer.ui import (  # noqa: F401 (language: answers ?lang=)
    compared,
    drawing,
    drawn,
    fid_sees,
    generating,
    language,
    steps,
)
from tests.analysis.test_sampling import made
from tests.made_up import SCORES, made_up_generator

ROOT = Path(__file__).resolve().parents[2]
MORE = {
    "recall": 0.4, "coverage": 0.5, "density": 0.6, "judged": {"class_accuracy": 0.7}, "guidance": 1.0, "steps": 2,
    "near": {"nearest_ratio": 1.23, "duplicate_rate": 0.004}, "collapsed": False,
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
    assert "9,000" in app.table[1].value.iloc[2].tolist() and "sha256" in words(app)
    assert (table.iloc[0]["Nearest-train ratio"], table.iloc[0]["Near-duplicates"]) == ("1.23", "0.40\u202f%")
    assert "pictures of 8x8 even cells" in words(app), "what FID sees of digits is said"
    card = checkpoints.read_card("tiny-vae")
    unscored = compared.score_table([dataclasses.replace(card, metrics={})])
    assert [column[0] for column in unscored.values()].count("–") == 10
    for repeated, word in (
        (0.004, "few classes seen"),
        (0.9, "collapsed"),
    ):  # a blurred picture is no repeated one
        near = card.metrics["samples"]["near"] | {"duplicate_rate": repeated}
        samples = card.metrics["samples"] | {"collapsed": True, "near": near}
        table = compared.score_table([dataclasses.replace(card, metrics={"samples": samples})])
        assert table["Model"] == [f"**tiny-vae** · {word}"]


@pytest.mark.parametrize("count", [5, 12])
@pytest.mark.parametrize("told", [True, False])
def test_a_stored_tile_is_that_of_its_seed_with_any_number_of_classes(
    count: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = np.arange(10 * count)
    images = np.zeros((len(seeds), 3, 32, 32), np.uint8) + seeds.astype(np.uint8)[:, None, None, None]
    labels = seeds % count if told else np.full(len(seeds), -1)
    found = sampling.Samples(images, seeds, labels, tuple("abcdefghijkl"[:count]))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    arguments = {"width": 8, "conditional": told}
    made_up_generator(
        tmp_path, "many", model="dcgan", task="gan", model_args=arguments, classes=found.classes
    )
    checkpoints.update("many", checkpoints.read_card("many"), {GRID: png(examination.grid(found))})
    app = opened(row=3)
    (items,) = (strip["items"] for strip in strips(app))
    tiles = compared.stored_tiles(checkpoints.read_card("many"))
    assert [item["id"] for item in items] == [str(tile[0, 0, 0]) for tile in tiles[2]]
    last = 2 * count + min(count, 10) - 1
    assert f"Seeds {2 * count} to {last}, one a column" in words(app)
    assert f"columns: {', '.join(found.classes[:10])}." in words(app)
    assert ("it is told no class" in words(app)) == (not told)


def test_a_click_opens_the_picture_with_its_links() -> None:
    app = opened(drawn="tiny-ddpm/13")
    assert "drawn by tiny-ddpm, seed 13: 3" in words(app)
    assert any("--n 1 --seed 13" in block.value for block in app.code)


def test_the_command_draws_the_picture_of_a_whole_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer import cli
    from explorer.data.drawn import read_drawn

    address = "tiny-ddpm/13/7/ddim/2/1.5"
    (said,) = (block.value for block in opened(drawn=address).code if "sample" in block.value)
    assert said == (
        "python -m explorer sample tiny-ddpm --n 1 --seed 13 --class 7 --sampler ddim --steps 2 --guidance 1.5 "
        "--out picture.npz"
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(said.split()[3:]) == 0
    (found,), (label,) = read_drawn(Path("picture.npz"))
    assert label == 7 and np.abs(found.astype(int) - drawn.pixels(drawn.parsed(address))).max() <= 1


# The slides' claims


def pair(
    device: str = "CPU, 2 threads", seen: int = 6_000_000, changed: list[str] | None = None
) -> list[checkpoints.Card]:
    """A DCGAN and a DDPM in the slides' recipe, scored; changed: of its settings."""
    scores = {"recall": 0.4, "coverage": 0.5, "precision": 0.6, "fid_5k_train50k": 64.6, "milliseconds": 2.0}
    return [
        checkpoints.Card(
            name, name, "cifar10", ("a", "b"), (0.5,) * 3, (0.2,) * 3, "0" * 64, task=task,
            recipe={"name": f"{name}-slides", "changed": changed or [], "images_seen": seen},
            metrics={"samples": scores | {"device": device if name == "ddpm" else "CPU, 2 threads"}},
        )
        for name, task in (("dcgan", "gan"), ("ddpm", "diffusion"))
    ]  # fmt: skip


def test_a_verdict_names_its_figures_and_how_far_the_slides_recipe_went() -> None:
    head, *lines = compared.verdict_lines(pair())
    assert "dcgan after 6,000,000 of their 10,000,000 pictures" in head
    assert "ddpm after 6,000,000 of their 2,500,000 pictures" in head
    assert "FID-5k against 50k train 64.6 : 64.6" in lines[1] and "ms a picture 2 : 2" in lines[2]
    assert not any("_" in line for line in lines)
    assert "different machines" in compared.verdict_lines(pair("NVIDIA L4"))[3]
    first, head, *_ = compared.verdict_lines(pair(changed=["lr"]))
    assert "The pair in the slides' recipe is not here" in first
    assert "recipes as their cards say: dcgan after 6,000,000 pictures" in head
    text.set_language("ko")
    assert not any("fid_5k" in line or "milliseconds" in line for line in compared.verdict_lines(pair()))


def test_the_accuracy_score_stands_beside_that_of_real_pictures() -> None:
    score = {"accuracy": 0.62, "n": 10_000, "trained_on": 5000}
    card = dataclasses.replace(pair()[0], metrics={"samples": {"accuracy_score": score}})
    assert "against" not in compared.as_training_data(card), "of an earlier version"
    score |= {"real": 0.8, "real_trained_on": 5000}
    assert "only 5,000 of its pictures" in compared.as_training_data(card)
    assert compared.as_training_data(card).endswith(
        "10,000 real ones, against 80.00\u202f% with as many real pictures."
    )
    score["real_trained_on"] = 1438
    assert compared.as_training_data(card).endswith("against 80.00\u202f% with 1,438 real pictures.")


def test_beside_each_claim_stands_what_was_measured_of_it() -> None:
    samples = {
        "milliseconds": 147.2, "precision": 0.64, "recall": 0.389, "coverage": 0.57,
        "judged": {"class_accuracy": 0.1416}, "near": {"duplicate_rate": 0.0004},
    }  # fmt: skip
    card = dataclasses.replace(pair()[0], metrics={"samples": samples})
    assert compared.words_beside(card, "Slow.", ("speed",)) == "Slow.  \n*Here: 147 ms a picture.*"
    said = compared.words_beside(card, "It keeps labels.", ("labels", "diverse", "repeats"))
    assert said.endswith(
        "*Here: 14.16\u202f% drawn as asked, recall 0.39, coverage 0.57, near-duplicates 0.04\u202f%.*"
    )
    quick = dataclasses.replace(card, metrics={"samples": {"milliseconds": 0.271}})
    assert compared.measures(quick) == {"speed": "0.27 ms a picture"}, "what was not measured is left out"
    bare = dataclasses.replace(card, metrics={})
    assert compared.words_beside(bare, "Slow.", ("speed",)) == "Slow."
    assert {*compared.KINDS} == {*compared.MEASURED}
    known = {*compared.measures(card)}
    assert all(set(keys) <= known for cells in compared.MEASURED.values() for keys in cells)


def test_the_scores_can_be_taken_along_as_a_table() -> None:
    lines = list(csv.reader(io.StringIO(compared.as_csv(pair()))))
    assert lines[0][0] == "Model" and [line[0] for line in lines[1:]] == ["dcgan", "ddpm"]
    assert all(len(line) == len(lines[0]) for line in lines) and not any("**" in cell for cell in lines[1])


def test_without_a_scored_pair_one_sentence_stands_for_the_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    made_up_generator(tmp_path, "cifar10-vae", data="cifar10")
    app = opened()
    assert "The slides' three claims" in [part.value for part in app.subheader]
    assert "No DCGAN and DDPM of CIFAR-10 are both scored" in words(app)


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
    assert ("steps, w =" in found.words) == bool(found.options)


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
    monkeypatch.setattr(
        sampling, "stored_options", lambda _: {"sampler": "dpm", "steps": 26, "guidance": 1.0}
    )
    with pytest.raises(Problem, match="at most 25 steps"):
        drawn.pixels(drawn.parsed("tiny-ddpm/26"))


def test_strangers_draw_a_linked_picture_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "PATIENCE", 0.01)
    monkeypatch.setattr(generating, "_strangers", threading.BoundedSemaphore(1))
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    with generating._strangers, pytest.raises(Problem, match="busy drawing for others"):
        drawn.pixels(drawn.parsed("tiny-dcgan/31"))
    assert drawn.pixels(drawn.parsed("tiny-dcgan/31")).shape == (3, 32, 32)


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
    path = Path(jobs.result(job_id)["path"])
    assert path.is_relative_to(jobs.root() / job_id)
    with np.load(path) as file:  # what is handed out to strangers
        how = bytes(file["how"]).decode()
    assert "tiny-ddpm" in how and str(jobs.root()) not in how and "path" not in json.loads(how)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words of each drawing that was asked for; all are one job that is under way."""
    found: list[list[str]] = []
    live = jobs.JobStatus("draw-1", "draw", "running", 0.25, "", 1, 4, None, 1.0, None, 0.0)

    def status(job_id: str) -> jobs.JobStatus:
        if job_id == "draw-1" and found:
            return live
        raise Problem("There is no job {id}.", id=job_id)

    monkeypatch.setattr(jobs, "submit", lambda words, kind: found.append(words) or "draw-1")
    monkeypatch.setattr(jobs, "status", status)
    monkeypatch.setattr(drawing, "_askers", {})
    return found


def test_a_seed_that_is_typed_with_the_click_is_the_one_drawn(asked: list) -> None:
    app = opened(part="draw", draw_with="tiny-vae")
    app.number_input(key="seed").set_value(42)
    sound(app.button(key="draw").click().run())
    assert asked == [["sample", "tiny-vae", "--n", "16", "--seed", "42"]]
    assert app.query_params["job"] in ("draw-1", ["draw-1"]) and app.get("progress"), (
        "in the run of the click"
    )


def test_nobody_stops_a_drawing_that_somebody_else_waits_for(
    asked: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(part="draw", draw_with="tiny-vae")
    sound(app.button(key="draw").click().run())
    assert "stop draw-1" in buttons(app)
    here = {"another"}
    pages = SimpleNamespace(is_active_session=here.__contains__)
    monkeypatch.setattr(drawing, "get_instance", lambda: pages)
    drawing._askers["draw-1"].add("another")  # with the same controls, and so it is the same job
    sound(app.run())
    assert "stop draw-1" not in buttons(app)
    assert any("asked for elsewhere too" in part.value for part in app.caption)
    assert "25 %" in app.get("progress")[0].proto.text
    here.clear()
    assert "stop draw-1" in buttons(sound(app.run())), "its page is closed"
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert "stop draw-1" not in buttons(sound(app.run())), "a stranger may come back to it"
    drawing._askers["draw-1"].discard("another")
    app = sound(app.run())
    stopped: list[str] = []
    monkeypatch.setattr(jobs, "ask_to_stop", stopped.append)
    drawing._askers["draw-1"].add("another")  # after the button was drawn
    sound(app.button(key="stop draw-1").click().run())
    assert not stopped
    drawing._askers["draw-1"].discard("another")
    sound(sound(app.run()).button(key="stop draw-1").click().run())
    assert stopped == ["draw-1"]


def test_a_drawing_that_is_kept_no_longer_is_said_to_be(asked: list) -> None:
    app = opened(part="draw", draw_with="tiny-vae")
    sound(app.button(key="draw").click().run())
    assert "no longer kept" not in words(app)
    asked.clear()  # the job with them
    for _ in range(2):
        assert "Drawings of this session that are no longer kept: 1." in words(sound(app.run()))


def test_a_refused_drawing_is_one_sentence(asked: list, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(words: list[str], kind: str) -> str:
        raise Problem("{n} jobs are running; wait for one to end.", n=2)

    monkeypatch.setattr(jobs, "submit", refuse)
    app = opened(part="draw").button(key="draw").click().run()
    assert not app.exception and ["2 jobs are running" in part.value for part in app.error] == [True]
    assert not sound(app.run()).error and "no longer kept" not in words(app)


@pytest.fixture
def drawn_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict:
    """A job that is done, and what it answered."""
    from explorer.data.drawn import write_drawn

    card = checkpoints.read_card("tiny-dcgan")
    images = np.arange(2 * 3 * 32 * 32, dtype=np.uint8).reshape(2, 3, 32, 32)
    how = {"checkpoint": card.name, "sha256": card.sha256, "seed": 3, "n": 2, "class": None, "milliseconds": 1.0,
           "path": str(tmp_path / "drawn.npz")}  # fmt: skip
    write_drawn(tmp_path / "drawn.npz", images, np.array([3, 4]), np.array([3, 9]), how)
    status = jobs.JobStatus(f"draw-{tmp_path.name}"[:60], "draw", "done", 1.0, "", 1, 1, None, 1.0, None, 0.0)
    monkeypatch.setattr(jobs, "status", lambda job_id: status)
    monkeypatch.setattr(jobs, "result", lambda job_id: how)
    return {"job": status.id, "how": how}


def test_what_earlier_weights_drew_is_shown_and_not_followed(drawn_before: dict) -> None:
    def clicked() -> tuple[AppTest, dict]:
        app = opened(part="draw", job=drawn_before["job"])
        shown = next(strip for strip in strips(app) if strip["items"])
        return app, shown["items"][0]

    app, item = clicked()
    assert item["alt"] == "tiny-dcgan, seed 3 3" and "earlier weights" not in words(app)
    drawn_before["how"]["sha256"] = "0" * 64
    app, item = clicked()
    assert item["alt"] == "tiny-dcgan, seed 3" and "Drawn with earlier weights" in words(app)
    from explorer.ui import drawing

    drawing._follow(None, drawn_before["how"], 3)  # what a click does: nothing


def test_a_job_of_another_section_is_no_odd_address(
    drawn_before: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(jobs.status(""), id="perturb-1", kind="perturb")
    monkeypatch.setattr(jobs, "status", lambda job_id: other)
    app = opened(part="draw", job="perturb-1")
    assert not app.info and "job" not in app.query_params


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
    assert "The same pictures, by convention: tiny-ddpm: FID" in words(app)
    assert "python -m explorer protocols tiny-dcgan" in words(app), "what lacks it is not left out silently"
    assert "python -m explorer protocols" not in words(opened(part="fid", model_digits="tiny-ddpm"))
    assert "python -m explorer protocols tiny-vae" in words(opened(part="fid", model_digits="tiny-vae"))


def test_a_fault_is_four_charts_that_say_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"n": 1000, "reference_n": 50_000, "kid": 0.01, "precision": 0.7, "recall": 0.65}
    table = [
        row | {"kind": "blur", "strength": strength, "fid": 40 + 50 * strength} for strength in (0, 0.4, 1.2)
    ]
    monkeypatch.setattr(fid_sees, "table_of_faults", lambda: {"rows": table, "seed": 0})
    app = opened(part="fid", fault="blur")
    assert "Blur 0: FID 40, KID 0.01, precision 0.7, recall 0.65" in words(app)
    sound(app.segmented_control(key="seen").select("1.2").run())
    assert "Blur 1.2: FID 100" in words(app) and app.query_params["seen"] == "1.2"
    sound(app.segmented_control(key="fault").select("jpeg").run())
    assert "Not measured yet" in words(app) and "From 0 to 0" not in words(app), (
        "the untouched set is no fault"
    )
    app = opened(part="fid", fault="blur")
    assert "From 0 to 1.2: FID 40 to 100, precision 0.70 to 0.70" in words(app) and "n = 1,000" in words(app)
    charts = [chart.proto for chart in app.get("vega_lite_chart")]
    alts = [chart.alt for chart in charts if chart.alt.startswith("Blur, sigma in pixels")]
    assert alts[0] == "Blur, sigma in pixels: FID 0 → 40, 0.4 → 60, 1.2 → 100" and len(alts) == 4
    assert all(json.loads(chart.spec)["width"] == "container" for chart in charts), "they fit a phone"


@pytest.fixture
def all_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if CIFAR-10 and the Inception weights had been got."""
    monkeypatch.setattr(fid_sees.data, "available", lambda name: True)
    monkeypatch.setattr(fid_sees.inception, "available", lambda: True)


def buttons(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def test_what_is_missing_has_a_button_that_starts_it(all_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(jobs, "submit", lambda *args, **named: asked.append((args[0], named)) or "score-1")
    app = opened(part="fid", model_digits="tiny-vae")
    assert {"protocols tiny-vae", "measure"} <= buttons(app)
    bare = {"tiny-vae": dataclasses.replace(checkpoints.read_card("tiny-vae"), metrics={})}
    known = generating.cache.cards
    monkeypatch.setattr(generating.cache, "cards", lambda kind=None: known(kind) | bare)
    app = opened(part="fid", model_digits="tiny-vae")
    sound(app.button(key="score tiny-vae").click().run())
    assert asked == [(["score", "tiny-vae", "--store"], {"device": "cpu"})]
    assert app.query_params["job"] in ("score-1", ["score-1"])
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    app = opened(part="fid", model_digits="tiny-vae")
    assert not buttons(app) & {"score tiny-vae", "protocols tiny-vae", "measure"}
    assert sum("only its owner can do that" in info.value for info in app.info) == 2


@pytest.mark.parametrize(("lacks", "name"), [("data", "cifar10"), ("inception", "inception")])
def test_what_measuring_needs_is_got_first_by_one_button(
    all_here: None, lacks: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        getattr(fid_sees, lacks), "available", lambda name="inception": name not in ("cifar10", "inception")
    )
    app = opened(part="fid", model_digits="tiny-vae")
    assert f"get {name} first" in words(app)
    assert [key for key in buttons(app) if key.startswith("get ")] == [f"get {name}"]
    assert "measure" not in buttons(app)


def test_a_fault_is_measured_in_turn_with_trainings_and_tells_only_who_asked(
    all_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(jobs, "submit", lambda *args, **named: asked.append((args, named)) or "perturb-1")
    app = opened(part="fid", fault="blur", strength=0.5)
    sound(app.button(key="measure").click().run())
    assert asked == [((["perturb", "blur", "0.5"], "perturb", "perturb blur 0.5"), {"device": "cpu"})]
    failed = jobs.JobStatus(
        "perturb-1", "perturb", "failed", None, "", 0, None, text.Problem("It broke."), 1.0, None, 0.0
    )
    monkeypatch.setattr(jobs, "all_of", lambda begin: [failed] if begin == "perturb blur " else [])
    monkeypatch.setattr(jobs, "logs", lambda job_id, tail: [])
    opened(part="fid", fault="blur")
    assert [part.value.replace("\\", "") for part in app.run().error] == ["It broke."]


@pytest.mark.parametrize(
    ("fault", "asked", "value", "address"),
    [("blur", "0.5", 0.5, "0.5"), ("blur", "0.6", 0.6, "0.6"), ("classes", "7", 7, "7"), ("classes", "6.5", 7, "7"),
     ("repeats", "1", 1, "1"), ("jpeg", "99", 99, "99")],
)  # fmt: skip
def test_a_strength_stands_in_the_address_and_is_whole_where_it_must_be(
    all_here: None, fault: str, asked: str, value: float, address: str | None
) -> None:
    app = opened(part="fid", fault=fault, strength=asked)
    assert not app.info
    assert app.query_params.get("strength") == address
    control = app.number_input(key=f"strength {fault}")
    assert (control.value, control.step) == ((value, 0.01) if fault == "blur" else (float(asked), 1))
    sound(app.run())
    assert app.query_params.get("strength") in (address, [address])


@pytest.mark.parametrize("asked", ["10", "-1", "nan", "inf", "x", "", "1e9", "<b>", "0.5"])
def test_a_strength_that_is_none_gives_the_first_one(all_here: None, asked: str) -> None:
    fault = "repeats" if asked == "0.5" else "blur"
    app = opened(part="fid", fault=fault, strength=asked)
    assert app.number_input(key=f"strength {fault}").value == {"blur": 0.6, "repeats": 5}[fault]
    assert ["(strength)" in part.value for part in app.info] == [True]
    assert "strength" not in app.query_params and not sound(app.run()).info


def test_another_fault_begins_with_a_strength_of_its_own(all_here: None) -> None:
    app = opened(part="fid", fault="blur", strength=3.5)
    sound(app.segmented_control(key="fault").select("repeats").run())
    assert app.number_input(key="strength repeats").value == 5 and "strength" not in app.query_params
    app.number_input(key="strength repeats").set_value(1000).run()
    sound(app.segmented_control(key="fault").select("classes").run())
    assert app.number_input(key="strength classes").value == 3
    app.query_params["fault"], app.query_params["strength"] = "jpeg", "30"  # a link within the session
    sound(app.run())
    assert app.number_input(key="strength jpeg").value == 30


def test_the_table_of_faults_is_read_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid_sees.perturbing, "__file__", str(tmp_path / "faults.py"))
    assert fid_sees.table_of_faults() == {}
    (tmp_path / "faults.json").write_text('{"rows": [1]}')
    assert fid_sees.table_of_faults() == {"rows": [1]}
    (tmp_path / "faults.json").write_text('{"rows": [1, 2]}')
    os.utime(tmp_path / "faults.json", (5, 5))
    assert fid_sees.table_of_faults() == {"rows": [1, 2]}


def test_a_picture_follows_what_its_model_is_scored_with() -> None:
    """A new score changes sampler, steps and guidance in the card, and not the weights."""
    card = checkpoints.read_card("tiny-ddpm")
    few, more = (
        dataclasses.replace(card, metrics={"samples": {"sampler": "ddim", "steps": steps, "guidance": 1.0}})
        for steps in (1, 4)
    )
    one, other = (drawn.pixels(drawn.Drawn(each, 7)) for each in (few, more))
    assert not np.array_equal(one, other)
    whole = drawn.Drawn(card, 7, 7, (("sampler", "ddim"), ("steps", 4), ("guidance", 1.0)))
    assert np.array_equal(drawn.pixels(whole), other)


def controls_of_diffusion() -> None:
    import streamlit as st

    from explorer import checkpoints
    from explorer.ui import generating

    st.title(str(generating.diffusion(checkpoints.read_card("tiny-ddpm"), 250)["guidance"]))


def test_a_guidance_of_many_decimals_is_one_that_an_address_can_say() -> None:
    for asked, found in (("1.23456", "1.235"), ("1e-05", "0.0")):
        app = AppTest.from_function(controls_of_diffusion)
        app.query_params["guidance"] = asked
        assert sound(app.run()).title[0].value == found
        assert drawn.parsed(f"tiny-ddpm/7/7/dpm/20/{float(found):g}") is not None


def test_a_link_cannot_guide_what_is_told_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "ddpm", conditional=False)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert drawn.parsed("tiny-ddpm/5//dpm/20/3") is None and drawn.parsed("tiny-ddpm/5/3") is None
    found = drawn.parsed("tiny-ddpm/5//dpm/2/1")
    assert found.words == "drawn by tiny-ddpm, seed 5 (dpm, 2 steps)"
    app = opened(part="draw", draw_with="tiny-ddpm")
    assert not {"class"} & {part.key for part in app.selectbox}
    assert "guidance" not in {part.key for part in app.slider}


def test_every_table_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    monkeypatch.setattr(
        fid_sees.widgets, "download", lambda label, make, name, mime: files.update({name: make()})
    )
    row = {"n": 1000, "reference_n": 50_000, "kid": 0.01, "precision": 0.7, "recall": 0.65, "fid": 40}
    table = [row | {"kind": "blur", "strength": strength} for strength in (0, 1.2)]
    monkeypatch.setattr(fid_sees, "table_of_faults", lambda: {"rows": table})
    opened(part="fid")
    lines = {name: text.splitlines() for name, text in files.items()}
    assert {name: len(found) for name, found in lines.items()} == {
        "fid-over-n.csv": 1 + 9, "fid-blur.csv": 1 + 2, "fid-protocols.csv": 1 + 2, "tiny-ddpm-samplers.csv": 1 + 2,
    }  # fmt: skip
    assert lines["fid-over-n.csv"][:2] == ["checkpoint,n,fid", "tiny-vae,1250,62.0"]
    assert lines["fid-protocols.csv"][1] == "tiny-ddpm,train,40.0,5000,5000"


@pytest.mark.parametrize(
    ("asked", "n"), [("10000", 10_000), ("10,000", 10_000), ("5000", 5000), ("500", 500)]
)
def test_a_number_of_pictures_may_have_its_comma(asked: str, n: int) -> None:
    app = opened(part="fid", of=asked)
    assert app.select_slider(key="of").value == n and not app.info
    assert app.query_params.get("of") == str(n)  # that of the beginning stays where the address says it
    sound(app.select_slider(key="of").set_value(2000).run())
    assert app.query_params["of"] == "2000" and sound(app.run()).select_slider(key="of").value == 2000


@pytest.mark.parametrize("asked", ["10.000", "1,0000", "501", "", "1e4", ",", "５００"])
def test_another_number_of_pictures_is_said_to_be_none(asked: str) -> None:
    app = opened(part="fid", of=asked)
    assert app.select_slider(key="of").value == 5000
    assert ["(of)" in part.value for part in app.info] == [True]


# The page


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("part", ["compare", "draw", "steps", "collapse", "fid"])
def test_every_section_in_both_languages(part: str, lang: str) -> None:
    app = opened(part=part, lang=lang)
    assert app.title[0].value == ("Generate" if lang == "en" else "생성")


@pytest.mark.parametrize(
    "value", ["-1", "999999999999", "nan", "x", "<b>", "tiny-vae", "", "1e9", "../..", "０"]
)
def test_hostile_addresses_give_the_defaults_and_are_named(value: str, all_here: None) -> None:
    shared, diffusion = {"part", "data", "model_digits"}, {"draw_with": "tiny-ddpm"}
    shared -= {"model_digits"} if value == "tiny-vae" else set()  # then all else would be of another model
    own = {
        "compare": {"row", "drawn"},
        "draw": {"drawn", "n", "class", "seed", "sampler", "steps", "guidance", "job"},
        "fid": {"of", "fault", "strength"},
    }
    right = {  # of these the value is one
        "": {"model_digits", "class"}, "０": {"seed", "guidance", "strength"},
    }.get(value, set())  # fmt: skip
    apps = {}
    for part, keys in own.items():
        app = apps[part] = opened(**dict.fromkeys({*shared, *keys}, value) | {"part": part} | diffusion)
        named = [
            name for info in app.info for name in info.value.partition("(")[2].partition(")")[0].split(", ")
        ]
        assert sorted(named) == sorted({*shared, *keys} - {"part"} - right)
        assert app.selectbox(key="data").value == "digits"
        assert len(app.multiselect(key="model_digits").value) == (3 if value else 0)  # emptied: all are shown
    assert apps["compare"].slider(key="row").value == 1
    draw, fid = apps["draw"], apps["fid"]
    assert draw.segmented_control(key="n").value == "16" and draw.selectbox(key="class").value == ""
    assert draw.number_input(key="seed").value == 0 and draw.selectbox(key="sampler").value == "dpm"
    assert draw.slider(key="steps").value == 2 and draw.slider(key="guidance").value == (
        0 if value == "０" else 1
    )
    assert fid.select_slider(key="of").value == 5000 and fid.segmented_control(key="fault").value == "blur"
    assert fid.number_input(key="strength blur").value == (0 if value == "０" else 0.6)
    app = opened(**dict.fromkeys({*shared, *own["compare"]}, value))
    assert "part" in app.info[0].value and app.segmented_control(key="part").value == "compare"


def test_a_model_or_a_job_that_is_not_there_is_said_to_be() -> None:
    app = opened(part="draw", model_digits="nobody", job="draw-1")
    assert ["(model_digits)" in app.info[0].value, "(job)" in app.info[1].value] == [True, True]
    assert "job" not in app.query_params and not sound(app.run()).info[1:]
    assert not opened(part="draw", model_digits="tiny-vae").info


def test_without_a_generator_it_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert "python -m explorer train --model vae" in words(opened())
