"""The Train page by AppTest: the form and what it asks for, a run from the click to its curves, sweeps and tests."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, data, jobs, models, runs, text
from explorer.files import read_json, write_json
from explorer.training import CHOICES, HELP, RANGES, RECIPES, Recipe, recipe_class, recipes_of
from explorer.training.recipes import RECIPE_OF
from explorer.ui import (  # noqa: F401 (language: answers ?lang=)
    grids,
    language,
    measured,
    settings,
    trainings,
)
from explorer.views.measures import MEASURES, OF_TASK
from tests.made_up_runs import KID, made_up_run
from tests.test_pages import everything
from tests.test_pages import opened as in_frame

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [field.name for field in dataclasses.fields(Recipe) if field.name != "summary"]
DRAWING = [name for name, spec in models.GENERATORS.items() if not spec.weights]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    yield
    for job in jobs.jobs():
        jobs.stop(job.id, grace=0)
    text.set_language("en")


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/train.py"), default_timeout=120)
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


def test_every_setting_of_every_kind_of_recipe_has_one_place_a_name_and_help() -> None:
    every = {
        field.name: getattr(kind(), field.name)
        for kind in RECIPE_OF.values()
        for field in dataclasses.fields(kind)
        if field.name != "summary"
    }
    placed = [name for names in settings.GROUPS.values() for name in names]
    assert sorted(placed) == sorted(every) and settings.NAMES.keys() == HELP.keys() == every.keys()
    for name, value in every.items():
        assert isinstance(value, bool) or name in CHOICES or name in RANGES, (
            f"{name} has neither choices nor a range"
        )


@pytest.mark.parametrize("recipe", recipes_of("lenet"))
@pytest.mark.parametrize("net", list(models.CLASSIFIERS)[:3])
def test_the_form_of_every_recipe_asks_for_that_recipe(recipe: str, net: str) -> None:
    asks_for(recipe, net)


@pytest.mark.parametrize(("net", "recipe"), [(net, name) for net in DRAWING for name in recipes_of(net)])
def test_the_form_of_what_draws_asks_for_its_recipe(net: str, recipe: str, idle: None) -> None:
    app = asks_for(recipe, net)
    assert not [
        node for node in everything(app.main) if str(getattr(node, "key", "")).startswith("optimizer|")
    ]


def asks_for(recipe: str, net: str) -> AppTest:
    app = opened(do="new", net=net, recipe=recipe)
    start = app.button(key="start")
    assert not start.disabled
    fields = [field.name for field in dataclasses.fields(recipe_class(net)) if field.name != "summary"]
    start.click().run()
    found = runs.statuses()
    assert len(found) == 1 and (found[0].model, found[0].data) == (net, "digits")
    config = read_json(runs.folder_of(found[0].name) / "config.json")
    fitted = runs.recipe_for(net, "digits", recipe)
    assert {key: config["recipe"][key] for key in fields} == {key: getattr(fitted, key) for key in fields}
    assert config["recipe_name"] == recipe
    return app


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that do nothing: what a click asks for is looked at, not trained."""
    sleep = "import time; from explorer.reporter import attached\nwith attached(): time.sleep(60)"
    monkeypatch.setattr(jobs, "COMMAND", (jobs.sys.executable, "-c", sleep))


def test_a_task_leads_to_its_nets_and_recipes_and_back() -> None:
    app = opened(do="new")
    assert app.selectbox(key="net").value in models.CLASSIFIERS
    app.selectbox(key="task").select("draw").run()
    sound(app)
    assert app.selectbox(key="net").options == [
        "vae · variational autoencoder", "dcgan · GAN", "ddpm · diffusion model",
    ]  # fmt: skip
    assert "slides" not in {part.key for part in app.button}, "the course gives no recipe for its VAE"
    app.selectbox(key="net").select("dcgan").run()
    assert app.selectbox(key="recipe").options == ["best known for the net", *recipes_of("dcgan")]
    sound(app.run())
    app.selectbox(key="task").select("classify").run()
    assert sound(app.run()).selectbox(key="net").value in models.CLASSIFIERS


@pytest.mark.parametrize(
    ("net", "recipe", "value"), [("dcgan", "dcgan-slides", "189.13"), ("ddpm", "ddpm-slides", "35.33")]
)
def test_the_course_s_recipe_of_what_draws_says_what_was_reported(net: str, recipe: str, value: str) -> None:
    app = opened(do="new", net=net)
    assert app.selectbox(key="task").value == "draw", "a link names the net alone"
    app.button(key="slides").click().run()
    sound(app)
    assert app.selectbox(key="recipe").value == recipe
    assert any(value in part.value and "FID" in part.value for part in app.info)
    assert keyed(app, "epochs|").value == RECIPES[recipe].epochs


def test_a_change_of_what_draws_is_trained_with_in_every_group(idle: None) -> None:
    app = opened(do="new", net="ddpm")
    for group in settings.GROUPS:
        app.session_state[f"group {group}"] = True
    sound(app.run())
    keyed(app, "width|").set_value(32)
    keyed(app, "prediction|").select("eps")
    keyed(app, "flip|").select("random")
    sound(app.run())
    assert keyed(app, "step_epochs|").disabled and not keyed(app, "lr_peak|").disabled
    assert not keyed(app, "decay|").disabled, "there is no average to choose, so its decay always counts"
    alts = [picture.alt for node in app.get("image") for picture in node.proto.imgs]
    assert any("as it is" in alt for alt in alts) and any("augmented" in alt for alt in alts)
    app.button(key="start").click().run()
    recipe = read_json(runs.folder_of(runs.statuses()[0].name) / "config.json")["recipe"]
    assert (recipe["width"], recipe["prediction"], recipe["flip"]) == (32, "eps", "random")


def test_a_width_that_does_not_suit_is_one_sentence_before_the_start() -> None:
    app = opened(do="new", net="ddpm")
    app.session_state["group Net and loss"] = True
    sound(app.run())
    keyed(app, "width|").set_value(100)
    app.run()
    assert not app.exception and ["Width 100 does not suit ddpm" in part.value for part in app.error] == [
        True
    ]
    assert "start" not in {part.key for part in app.button}


def test_the_preview_of_what_draws_is_pictures_and_their_mirror_images() -> None:
    from explorer.training.batches import preview

    train = data.load("digits", "train").take(np.arange(8))
    seen = preview(train.images, RECIPES["dcgan"], train.mean, train.std, rows=4)
    assert seen.shape == (4, *train.images.shape) and seen.dtype == np.uint8
    either = [{row[k].tobytes() for row in seen} for k in range(8)]
    both = [{each.tobytes(), each[:, :, ::-1].tobytes()} for each in train.images]
    assert all(one <= other for one, other in zip(either, both))
    assert any(len(one) == 2 for one in either), "a coin every time"
    same = preview(train.images, RECIPES["dcgan-digits"], train.mean, train.std, rows=2)
    assert all((row == train.images).all() for row in same), "flip=none"


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


@pytest.mark.parametrize("net", ["fastnet", "dcgan"])
def test_what_a_browser_shows_of_itself_is_what_the_recipe_says(net: str) -> None:
    """A value of the session comes to it once; where that message is lost it shows the default, and sends that back."""
    app = opened(do="new", net=net)
    numbers = {
        part.key.partition("|")[0]: part for part in app.number_input if not part.key.startswith("seed|")
    }
    assert numbers
    for name, part in numbers.items():
        low, high = RANGES[name]
        assert low <= part.proto.min and part.proto.max <= high, name
        assert part.proto.default == part.value, name
    assert numbers["epochs"].proto.step == 1
    for part in app.selectbox:
        name = part.key.partition("|")[0]
        if "|" in part.key:
            assert part.options[part.proto.default] == part.value, name
    for part in app.toggle:
        if "|" in part.key:
            assert part.proto.default == part.value, part.key


def test_a_value_in_a_group_that_was_closed_again_is_trained_with() -> None:
    app = opened(do="new", net="lenet")
    assert not [node for node in everything(app.main) if str(getattr(node, "key", "")).startswith("cutout|")]
    app.session_state["group Augmentation"] = True
    sound(app.run())
    keyed(app, "cutout|").set_value(6).run()
    assert keyed(app, "cutout|").value == 6, "the group, which has another title now, is still open"
    app.session_state["group Augmentation"] = False
    sound(app.run())
    app.button(key="start").click().run()
    assert read_json(runs.folder_of(runs.statuses()[0].name) / "config.json")["recipe"]["cutout"] == 6


def test_the_rate_s_chart_shows_the_steps_of_the_recipe() -> None:
    app = opened(do="new", net="lenet", recipe="slides")
    app.session_state["group Learning rate over time"] = True
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


def test_two_clicks_on_one_button_train_once(idle: None) -> None:
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
    app = AppTest.from_file(str(ROOT / "pages/train.py"), default_timeout=120)
    app.query_params["do"] = "runs"
    app.run()
    assert not app.exception and [part.value for part in app.error] == [r"\*\*no\*\* \[x\]\(y\)"]


def test_what_was_published_leads_to_the_pages_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page has the checkpoint under its own name in the address."""
    links: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(
        trainings.st, "page_link", lambda page, query_params, **_: links.update({page.stem: query_params})
    )
    done = SimpleNamespace(id="publish-1", live=False, state="done")
    monkeypatch.setattr(jobs, "latest", lambda key: done)
    monkeypatch.setattr(jobs, "result", lambda job: {"name": "digits-fastnet"})
    trainings._publish(made())
    assert links == {"predict": {"model": "digits-fastnet"}, "evaluate": {"checkpoint": "digits-fastnet"}}


def test_several_runs_are_laid_over_each_other() -> None:
    trained(), trained("other", seed=1)
    app = opened(do="runs", run="mine", **{"with": "other"})
    assert app.multiselect(key="with").value == ["other"]


# --- runs of what draws -----------------------------------------------------------------------------------------------


def pictures_of(app: AppTest) -> list[str]:
    """The alt texts of all pictures on the page."""
    return [picture.alt for node in app.get("image") for picture in node.proto.imgs]


def curve_of(app: AppTest) -> str:
    """The title of the curves."""
    (figure,) = app.get("plotly_chart")
    return json.loads(figure.proto.spec)["layout"]["title"]["text"].replace("<br>", " ")


def test_whatever_a_step_logs_is_drawn() -> None:
    assert OF_TASK.keys() == RECIPE_OF.keys()
    for task, kind in RECIPE_OF.items():
        drawn = [MEASURES[key] for key in OF_TASK[task][0]]
        assert set(kind.measures) <= {column for each in drawn for column in (each.training, each.beside)}
        assert f"held_out_{kind.judged_by[0]}" in {each.held for each in drawn}, task


def test_evaluations_look_at_as_many_pictures_as_the_page_says() -> None:
    from explorer.training import diffusion, variational, watching

    modules = {"gan": watching.MOST, "vae": variational.WATCHED, "diffusion": diffusion.WATCHED}
    assert modules == measured.MOST_HELD
    assert grids.ROWS == watching.ROWS


@pytest.mark.parametrize(("net", "told"), [*((net, True) for net in DRAWING), ("ddpm", False)])
def test_a_tiny_training_of_what_draws_and_its_page(net: str, told: bool) -> None:
    small = {"width": "16", "batch": "200", "holdout": "140"} | ({} if told else {"conditional": "false"})
    runs.create(net, "digits", settings=small, epochs=0.5, name="tiny", device="cpu")
    for _ in runs.drive("tiny"):
        pass
    status, (measure, _) = runs.status("tiny"), recipe_class(net).judged_by
    assert status.state == "done" and status.held_out is None
    assert status.judged == runs.metrics("tiny")[-1][f"held_out_{measure}"]
    assert grids.steps_of("tiny") == [status.total]
    app = opened(do="runs", run="tiny")
    labels = {metric.label: metric.delta for metric in app.metric}
    held = {"dcgan": "KID, held-out"}.get(net, "Loss, held-out")
    assert labels[held].startswith("n = 140, epoch") and not [label for label in labels if "ccuracy" in label]
    (alt,) = pictures_of(app)
    assert alt.startswith("50 drawn pictures: tiny after epoch") and ("columns: 0, 1, 2" in alt) == told
    assert ("it is told no class" in alt) == (not told)
    for key in OF_TASK[models.spec(net).task][0]:
        assert curve_of(opened(do="runs", run="tiny", curve=key)) != "No values yet"


def test_a_gan_s_run_shows_its_pictures_over_time_and_the_address_names_the_moment() -> None:
    made_up_run("mine", "dcgan")
    app = opened(do="runs", run="mine")
    large, *beside = pictures_of(app)
    assert large.startswith("50 drawn pictures: mine after epoch 4, seeds 0 to 49")
    assert beside == [
        "Drawn pictures: first: epoch 1", "Drawn pictures: lowest KID: epoch 2", "Drawn pictures: newest: epoch 4",
    ]  # fmt: skip
    assert curve_of(app) == f"Lowest KID {KID} at epoch 2; 0.05 at epoch 4"
    slider = app.select_slider[0]
    assert slider.value == 120 and "grid" not in app.query_params
    slider.set_value(60).run()
    assert sound(app).query_params["grid"] in ("60", ["60"])
    assert pictures_of(app)[0].startswith("50 drawn pictures: mine after epoch 2,")
    again = opened(do="runs", run="mine", grid="60")
    assert again.select_slider[0].value == 60
    assert opened(do="runs", run="mine", grid="61").select_slider[0].value == 120, (
        "no such moment: the newest"
    )
    tiles = {metric.label: metric for metric in app.metric}
    assert tiles["KID, held-out"].value == "0.05" and tiles["KID, held-out"].delta == f"best {KID}, epoch 2"
    assert tiles["Told apart"].value == "75.0 %" and "Images/s" in tiles
    assert list(app.dataframe[0].value["Held-out KID"]) == [0.05], "one kind of nets: a number to sort by"


def test_a_run_that_is_told_no_class_has_no_columns_of_classes() -> None:
    made_up_run("plain", "dcgan", recipe="dcgan-collapse")
    large = pictures_of(opened(do="runs", run="plain"))[0]
    assert "columns" not in large and "no class" in large


def test_a_picture_that_cannot_be_read_costs_its_place_and_no_more() -> None:
    made_up_run("mine", "ddpm")
    (runs.folder_of("mine") / "grids" / "step-00000120.png").write_bytes(b"torn")
    (runs.folder_of("mine") / "grids" / "step-x.png").write_bytes(b"not ours")
    app = AppTest.from_file(str(ROOT / "pages/train.py"), default_timeout=120)
    app.query_params["do"] = "runs"
    app.run()
    assert not app.exception and [part.value for part in app.error] == [
        "The pictures after step 120 cannot be read."
    ]
    assert app.metric and app.get("plotly_chart")


def test_runs_of_different_kinds_share_speed_and_rate_and_stand_in_one_list() -> None:
    made_up_run("a", "lenet"), made_up_run("b", "dcgan"), made_up_run("c", "ddpm")
    app = opened(do="runs", run="b", **{"with": "c"})
    assert app.segmented_control(key="curve").options == ["learning rate", "pictures a second"]
    assert "Drawn pictures: c" in pictures_of(app), "its newest beside ours"
    table = app.dataframe[0].value
    words = [word.partition(" ")[0] for word in table["Held-out"] if word]
    assert sorted(set(words)) == ["KID", "accuracy", "loss"]
    alone = opened(do="runs", run="a")
    assert "accuracy" in alone.segmented_control(key="curve").options


def test_a_clone_of_what_draws_starts_with_its_settings() -> None:
    made_up_run("mine", "vae", settings={"latent": "8", "kl": "0.5"})
    app = opened(do="new", clone="mine", net="vae", data="digits", recipe="vae-digits")
    app.session_state["group Net and loss"] = True
    sound(app.run())
    assert (keyed(app, "latent|").value, keyed(app, "kl|").value) == (8, 0.5)


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


def test_a_sweep_of_what_draws_is_judged_by_its_own_measure() -> None:
    over = {"kl": ["1", "0.1"], "latent": ["8"]}
    small = {"width": "16", "batch": "400", "holdout": "140"}
    runs.create_sweep("s", "vae", "digits", over, small, epochs=0.4, device="cpu")
    assert [cell["judged"] for cell in runs.cells("s")] == [None, None]
    for _ in runs.drive_sweep("s"):
        pass
    found = runs.cells("s")
    for cell in found:
        assert cell["accuracy"] is None and (cell["measure"], cell["model"]) == ("loss", "vae")
        assert cell["judged"] == runs.metrics(cell["run"])[-1]["held_out_loss"]
    app = opened(do="sweep", net="vae", sweep="s")
    assert [node.key for node in app.segmented_control] == ["do"], (
        "there is one measure, and nothing to choose"
    )
    (chart,) = app.get("vega_lite_chart")
    assert "held-out loss, nats" in " ".join(json.loads(chart.proto.spec)["title"]["text"])
    swept = app.selectbox(key="sweep_x").options
    assert any("(latent)" in each for each in swept) and not any("(momentum)" in each for each in swept)


def test_what_is_kept_of_evaluations_is_the_best_where_the_best_is_kept() -> None:
    from explorer.runs.driving import _held_out
    from explorer.training.loop import Progress

    folder = runs.folder_of(made_up_run("mine", "dcgan"))
    for keep, before, now, expected in (
        ("best", 0.1, 0.2, 0.1), ("best", 0.2, 0.1, 0.1), ("last", 0.1, 0.2, 0.2), ("best", None, 0.2, 0.2),
    ):  # fmt: skip
        write_json(folder / "state.json", {} if before is None else {"judged": before})
        recipe = dataclasses.replace(RECIPES["dcgan"], keep=keep)
        progress = Progress(1, 2, 0.5, {}, 1.0, 1.0, {"kid": now})
        assert _held_out(progress, recipe, folder) == {"judged": expected}
    progress = Progress(1, 2, 0.5, {}, 1.0, 1.0, {"accuracy": 0.5, "loss": 1.0, "auc": 0.75})
    kept = _held_out(progress, dataclasses.replace(RECIPES["short"], keep="last"), folder)
    assert kept == {"held_out": 0.5, "held_out_auc": 0.75, "judged": 0.5}


def test_a_rate_test_of_a_gan_is_not_offered_and_says_why() -> None:
    app = opened(do="range", net="dcgan")
    assert "lr range run" not in {part.key for part in app.button}
    assert any("opponent" in part.value and "KID" in part.value for part in app.info)
    for net in ("vae", "ddpm"):
        assert "lr range run" in {part.key for part in opened(do="range", net=net).button}


@pytest.mark.slow
@pytest.mark.parametrize("net", DRAWING)
def test_an_estimate_of_what_draws(net: str) -> None:
    app = opened(do="new", net=net)
    app.button(key="estimate").click().run()
    job = next(job for job in jobs.jobs() if job.kind == "probe")
    assert jobs.wait(job.id, 300).state == "done", jobs.logs(job.id)
    found = jobs.result(job.id)
    assert found["evaluate_seconds"] > 0 and found["total_seconds"] > found["evaluate_seconds"]


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
