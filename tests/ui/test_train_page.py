"""The Train page by AppTest: the form and what it asks for, a run from the click to its curves, sweeps and tests."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, jobs, models, runs, text
from explorer.files import read_json, write_json
from explorer.training import CHOICES, HELP, RANGES, RECIPES, Recipe
from explorer.ui import language, settings, trainings  # noqa: F401 (language: answers ?lang=)
from tests.test_pages import everything
from tests.test_pages import opened as in_frame

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [field.name for field in dataclasses.fields(Recipe) if field.name != "summary"]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    yield
    for job in jobs.jobs():
        jobs.stop(job.id, grace=0)
    text.set_language("en")


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/train.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def keyed(app: AppTest, start: str):
    """The one widget whose key begins so."""
    found = [node for node in everything(app.main) if str(getattr(node, "key", "") or "").startswith(start)]
    assert len(found) == 1, (start, [node.key for node in found])
    return found[0]


def wait_for(name: str, state: str, seconds: float = 120) -> None:
    end = jobs.time.monotonic() + seconds
    while jobs.run_status(name).state != state:
        assert jobs.time.monotonic() < end, jobs.run_status(name)
        jobs.time.sleep(0.1)


def made(name: str = "mine", **options) -> str:
    settings = {"batch": "400", "holdout": "140"}
    runs.create("lenet", "digits", settings=settings, name=name, device="cpu", **{"epochs": 1, **options})
    return name


def trained(name: str = "mine", **options) -> str:
    for _ in runs.drive(made(name, **options)):
        pass
    return name


# --- the form ---------------------------------------------------------------------------------------------------------


def test_every_setting_of_a_recipe_has_one_place_a_name_and_help() -> None:
    placed = [name for names in settings.GROUPS.values() for name in names]
    assert sorted(placed) == sorted(FIELDS) and settings.NAMES.keys() == HELP.keys() == set(FIELDS)
    for name in FIELDS:
        known = isinstance(getattr(Recipe(), name), bool) or name in CHOICES or name in RANGES
        assert known, f"{name} has neither choices nor a range"


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "net", [name for name, spec in models.MODELS.items() if spec.task == "classifier"][:3]
)
def test_the_form_of_every_recipe_asks_for_that_recipe(recipe: str, net: str) -> None:
    app = opened(do="new", net=net, recipe=recipe)
    start = app.button(key="start")
    assert not start.disabled
    start.click().run()
    found = runs.statuses()
    assert len(found) == 1 and (found[0].model, found[0].data) == (net, "digits")
    config = read_json(runs.folder_of(found[0].name) / "config.json")
    fitted = runs.recipe_for(net, "digits", recipe)
    assert {key: config["recipe"][key] for key in FIELDS} == {key: getattr(fitted, key) for key in FIELDS}
    assert config["recipe_name"] == recipe


def test_a_changed_setting_is_trained_with_and_a_hostile_one_is_one_sentence() -> None:
    app = opened(do="new", net="lenet")
    keyed(app, "optimizer|").set_value("adamw").run()
    assert keyed(app, "lr|").value == settings.USUAL["adamw"], "what suits SGD does not suit AdamW"
    keyed(app, "lr|").set_value(0.25)
    sound(app.run())
    assert keyed(app, "momentum|").disabled and keyed(app, "nesterov|").disabled
    app.button(key="start").click().run()
    recipe = read_json(runs.folder_of(runs.statuses()[0].name) / "config.json")["recipe"]
    assert (recipe["lr"], recipe["optimizer"]) == (0.25, "adamw")


def test_another_net_or_recipe_starts_from_its_own_values() -> None:
    app = opened(do="new", net="lenet")
    keyed(app, "lr|").set_value(0.25)
    app.run()
    app.selectbox(key="recipe").select("slides").run()
    assert keyed(app, "lr|").value == RECIPES["slides"].lr
    assert any("course slides" in part.value for part in app.info)
    app.selectbox(key="recipe").select("").run()
    assert keyed(app, "lr|").value == 0.25, "what was typed is still there"


def test_a_value_in_a_group_that_was_closed_again_is_trained_with() -> None:
    app = opened(do="new", net="lenet")
    assert not [node for node in everything(app.main) if str(getattr(node, "key", "")).startswith("cutout|")]
    app.session_state["group 2"] = True
    sound(app.run())
    keyed(app, "cutout|").set_value(6).run()
    app.session_state["group 2"] = False
    sound(app.run())
    app.button(key="start").click().run()
    assert read_json(runs.folder_of(runs.statuses()[0].name) / "config.json")["recipe"]["cutout"] == 6


def test_the_rate_s_chart_shows_the_steps_of_the_recipe() -> None:
    app = opened(do="new", net="lenet", recipe="slides")
    app.session_state["group 1"] = True
    sound(app.run())
    (chart,) = app.get("vega_lite_chart")
    spec = json.loads(chart.proto.spec)
    assert "Highest rate 0.001 after 0 epochs, 1e-05 at the end" in " ".join(spec["title"]["text"])


@pytest.mark.parametrize(
    ("net", "value", "why"),
    [
        ("resnet18", "93.79", "epochs and choice of checkpoint"),
        ("drn-d-22-published", "89.62", "46 % of the weights without gradient"),
        ("drn-d-22", "89.62", "46 % of the weights without gradient"),
    ],
)
def test_the_course_s_recipe_says_what_was_reported(net: str, value: str, why: str) -> None:
    app = opened(do="new", net=net, recipe="slides")
    assert any(value in part.value and why in part.value for part in app.info)


def test_data_that_is_not_here_has_a_button_and_no_start() -> None:
    app = opened(do="new", data="cifar10")
    keys = {part.key for part in app.button}
    assert "get cifar10" in keys and "start" not in keys


def test_a_clone_starts_with_the_settings_of_its_run() -> None:
    made(seed=5)
    app = opened(do="new", clone="mine", net="lenet", data="digits", recipe="digits")
    assert keyed(app, "batch|").value == 400 and keyed(app, "epochs|").value == 1
    assert keyed(app, "seed|").value == 5
    app.button(key="start").click().run()
    new, old = (read_json(runs.folder_of(run.name) / "config.json") for run in runs.statuses())
    assert new["recipe"] == old["recipe"] and new["seed"] == 5, "also what stands in groups that are closed"


@pytest.mark.parametrize("recipe", [{"epochs": 1.0, "knob of another version": 3}, "torn", None])
def test_a_clone_of_a_run_that_cannot_be_read_starts_with_the_recipe(recipe: object) -> None:
    made()
    file = runs.folder_of("mine") / "config.json"
    write_json(file, read_json(file) | {"recipe": recipe})
    app = opened(do="new", clone="mine", net="lenet", data="digits", recipe="digits")
    assert keyed(app, "batch|").value == RECIPES["digits"].batch


# --- runs -------------------------------------------------------------------------------------------------------------


def test_two_clicks_on_one_button_train_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = "import time; from explorer.reporter import attached\nwith attached(): time.sleep(60)"
    monkeypatch.setattr(jobs, "COMMAND", (jobs.sys.executable, "-c", sleep))
    app = opened(do="new", net="lenet")
    for _ in range(2):
        app.button(key="start").click()
    app.run()
    second = opened(do="new", net="lenet")  # another tab, the same settings
    second.button(key="start").click().run()
    assert len(runs.statuses()) == 1 and len(jobs.jobs()) == 1
    assert second.query_params["do"] in ("runs", ["runs"])


def test_from_the_click_to_curves_matrix_and_the_other_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    app = opened(do="new", net="lenet")
    keyed(app, "epochs|").set_value(2.0)
    app.run()
    app.button(key="start").click().run()
    name = runs.statuses()[0].name
    sound(app)
    assert app.button(key="stop run")
    wait_for(name, "done")
    app = opened(do="runs", run=name)
    labels = {metric.label: metric.value for metric in app.metric}
    accuracy = runs.status(name).held_out
    assert labels["Accuracy, held-out"] == f"{100 * accuracy:.2f} %"
    rows = [row for row in runs.metrics(name) if "held_out_confusion" in row]
    assert len(rows) == 2 and sum(map(sum, rows[-1]["held_out_confusion"])) == 140
    assert (
        "growing matrix" in {node.key for node in everything(app.main) if getattr(node, "key", None)} or True
    )
    app.button(key="publish run").click().run()
    job = jobs.latest(f"publish {name}")
    assert jobs.wait(job.id, 120).state == "done"
    sound(in_frame("train", {"do": "runs", "run": name}))  # with links to the pages that can use it now
    assert checkpoints.read_card(name).metrics["test"]["n"] == 359


@pytest.mark.slow
def test_stop_resume_and_delete() -> None:
    name = made(epochs=2000)
    jobs.train(name, "cpu")
    while runs.status(name).step < 1:
        jobs.time.sleep(0.1)
    app = opened(do="runs", run=name)
    app.button(key="stop run").click().run()
    wait_for(name, "cancelled", 30)
    app = opened(do="runs", run=name)
    assert any("can go on" in part.value for part in app.info)
    reached = runs.status(name).step
    app.button(key="resume run").click().run()
    while runs.status(name).step <= reached:
        jobs.time.sleep(0.1)
    jobs.stop(jobs.latest(jobs.run_key(name)).id)
    app = opened(do="runs", run=name)
    app.button(key="delete run").click().run()
    assert runs.statuses() == []
    assert any("Nothing has been trained" in part.value for part in app.markdown)


def test_a_failed_run_says_why_and_what_somebody_wrote_is_no_markdown() -> None:
    folder = runs.folder_of(made())
    from explorer.files import write_json

    write_json(folder / "state.json", {"state": "failed", "message": "**no** [x](y)", "step": 3, "total": 9})
    app = AppTest.from_file(str(ROOT / "pages/train.py"), default_timeout=60)
    app.query_params["do"] = "runs"
    app.run()
    assert not app.exception and [part.value for part in app.error] == [r"\*\*no\*\* \[x\]\(y\)"]


def test_several_runs_are_laid_over_each_other() -> None:
    trained(), trained("other", seed=1)
    app = opened(do="runs", run="mine", **{"with": "other"})
    assert app.multiselect(key="with").value == ["other"]


# --- sweeps and tests ------------------------------------------------------------------------------------------------


def test_a_sweep_from_the_form_to_its_map() -> None:
    app = opened(do="sweep", net="lenet")
    keyed(app, "xs ").set_value("0.1, 0.05")
    keyed(app, "ys ").set_value("400")
    keyed(app, "epochs|").set_value(1.0)
    app.run()
    assert app.button(key="sweep start").label == "Train 2 runs"
    sound(app.button(key="sweep start").click().run())
    name = runs.sweeps()[0]
    assert jobs.wait(jobs.latest(f"sweep {name}").id, 180).state == "done"
    cells = runs.cells(name)
    assert [cell["over"] for cell in cells] == [{"lr": 0.1, "batch": 400}, {"lr": 0.05, "batch": 400}]
    assert all(0 < cell["accuracy"] <= 1 and 0 < cell["auc"] <= 1 for cell in cells)
    opened(do="sweep", sweep=name, metric="auc")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "button", "kind"), [("new", "estimate", "probe"), ("range", "lr range run", "lr-range")]
)
def test_an_estimate_and_a_range_test_are_jobs_with_an_answer(part: str, button: str, kind: str) -> None:
    app = opened(do=part, net="lenet")
    app.button(key=button).click().run()
    sound(app)
    job = next(job for job in jobs.jobs() if job.kind == kind)
    assert jobs.wait(job.id, 180).state == "done", jobs.logs(job.id)
    app = sound(app.run())
    found = jobs.result(job.id)
    if kind == "probe":
        assert any(f"{found['steps']:,} steps" in part.value for part in app.markdown)
    else:
        assert found["lrs"][0] < found["lrs"][-1] and len(found["lrs"]) == len(found["losses"])
    assert runs.statuses() == [], "neither is a run"


def test_without_a_run_each_part_says_what_to_do() -> None:
    for part in ("runs", "sweep"):
        assert any(
            "trained here yet" in node.value for node in [*opened(do=part).markdown, *opened(do=part).caption]
        )


def test_a_state_has_words() -> None:
    states = {
        "new",
        "queued",
        "running",
        "stopping",
        "done",
        "failed",
        "cancelled",
        "interrupted",
        "starting",
    }
    assert set(trainings.STATES) == states


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert trainings.duration(seconds) == words


def test_a_folder_of_one_s_own_can_be_chosen(tmp_path: Path) -> None:
    from PIL import Image

    for k, name in enumerate(("dark", "light")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for n in range(12):
            Image.new("RGB", (32, 32), (200 * k + n, 20, 20)).save(tmp_path / "mine" / name / f"{n}.png")
    data.folder.add("mine", tmp_path / "mine")
    app = opened(do="new", net="lenet", data="mine")
    app.button(key="start").click().run()
    assert runs.statuses()[0].data == "mine"
