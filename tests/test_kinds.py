"""Checkpoints that draw lie beside those that tell classes apart: neither stands where the other belongs, and whoever
names one in the wrong place reads one sentence."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, cli, foreign, models, text
from explorer.text import Problem
from explorer.ui import cache, language, overview, ready, subject  # noqa: F401 (language: answers ?lang=)
from tests.analysis.test_sampling import made
from tests.made_up import SCORES, made_up_checkpoints, made_up_generator

ROOT = Path(__file__).resolve().parent.parent
KNOWN = "cifar10-a, digits-a, digits-b"
SENTENCE = f"draws pictures; this needs a classifier: {KNOWN}."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classifiers, and two generators that come first in the alphabet, where a careless default would be."""
    root = made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    made_up_generator(root, "a-vae", metrics={"samples": SCORES})
    made_up_generator(root, "b-vae")
    return root


@pytest.fixture(autouse=True)
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    yield
    text.set_language("en")


# The registry


def test_a_card_is_of_one_kind_and_is_asked_for_by_it() -> None:
    assert checkpoints.read_card("a-vae").task == "vae"
    assert checkpoints.kind_of(checkpoints.read_card("a-vae")) == "generator"
    assert checkpoints.kind_of(checkpoints.read_card("digits-a", "classifier")) == "classifier"
    for use in (
        checkpoints.read_card,
        lambda name, kind: checkpoints.load(name, "cpu", kind),
        cache.card,
        cache.model,
    ):
        with pytest.raises(Problem, match=f"a-vae {SENTENCE}"):
            use("a-vae", "classifier")
        with pytest.raises(
            Problem, match=r"digits-a tells classes apart; this needs a model that draws: a-vae, b-vae\."
        ):
            use("digits-a", "generator")
        with pytest.raises(Problem, match=f"Unknown checkpoint 'c-vae'; known: {KNOWN}"):
            use("c-vae", "classifier")
    assert checkpoints.load("a-vae", "cpu", "generator").class_means is None


def test_pages_take_a_name_for_a_classifier_s() -> None:
    assert list(cache.cards()) == ["a-vae", "b-vae", *KNOWN.split(", ")]
    assert list(cache.cards("classifier")) == KNOWN.split(", ") and list(cache.cards("generator")) == [
        "a-vae",
        "b-vae",
    ]
    for use in (cache.card, cache.model, cache.predictions):
        with pytest.raises(Problem, match=SENTENCE):
            use("a-vae")
    assert ready._forward() == "cifar10-a"
    assert ready.state()["unreadable"] == {} and "a-vae" in ready.state()["checkpoints"]


def test_a_card_that_names_the_wrong_task_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    made_up_generator(tmp_path, "sly", task="classifier")
    with pytest.raises(Problem, match="sly: the card says 'classifier', and vae is vae"):
        checkpoints.load("sly", "cpu")


@pytest.mark.parametrize("args", [{"width": "wide"}, {"width": -1}, {"depth": 3}, {"latent": 0.5}])
def test_a_card_with_sizes_that_cannot_be_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: dict
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    card = made_up_generator(tmp_path, "odd")
    checkpoints.update("odd", replace(card, model_args=card.model_args | args))
    with pytest.raises(Problem, match="odd: vae cannot be built with"):
        checkpoints.load("odd", "cpu")


def test_a_card_with_a_schedule_of_noise_that_is_none_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    card = made(tmp_path, "ddpm").card
    checkpoints.update("tiny-ddpm", replace(card, model_args=card.model_args | {"betas": "x"}))
    with pytest.raises(Problem, match="tiny-ddpm: ddpm cannot be built with"):
        checkpoints.load("tiny-ddpm", "cpu")


def test_a_card_that_asks_for_more_than_the_file_holds_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A width of 20,000 would be 200 GB, asked for before the weights are looked at."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    card = made_up_generator(tmp_path, "huge")
    checkpoints.update("huge", replace(card, model_args={"width": 20_000, "latent": 4}))
    with pytest.raises(Problem, match="huge does not fit the model"):
        checkpoints.load("huge", "cpu")


@pytest.mark.parametrize("fault", [{"fid": "low"}, {"fid_n": "many"}, {"reference": 5}, {"reference_n": 0.5}])
def test_scores_of_another_kind_are_refused_with_the_card(tmp_path: Path, fault: dict, monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    made_up_generator(tmp_path, "odd")
    path = tmp_path / "odd" / checkpoints.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": {"samples": SCORES | fault}}))
    with pytest.raises(Problem, match=r"odd: config\.json is not a model's card: metrics"):
        checkpoints.read_card("odd")


def test_the_readme_is_a_generator_s(folder: Path) -> None:
    head, _, body = (
        (folder / "a-vae" / checkpoints.README).read_text().removeprefix("---\n").partition("\n---\n")
    )
    assert "pipeline_tag: unconditional-image-generation\nmodel-index:\n- name: a-vae\n  results:" in head
    assert "{type: fid, value: 41.2340, name: 'FID, 5,000 drawn against 50,000 training pictures'}" in head
    assert "| FID, 5,000 drawn against 50,000 training pictures | 41.23 |" in body
    assert "| right on 10,000 test pictures, a classifier trained on drawn pictures only | 62.00% |" in body
    assert (
        "accuracy" not in head and "calibration" not in body and "counts" not in body and "None" not in body
    )
    head, _, body = (
        (folder / "b-vae" / checkpoints.README).read_text().removeprefix("---\n").partition("\n---\n")
    )
    assert (
        "pipeline_tag: unconditional-image-generation" in head
        and "model-index" not in head
        and "## Results" not in body
    )


def test_weights_that_do_not_say_how_they_were_trained_are_not_imported(tmp_path: Path) -> None:
    torch.save(models.build("vae", 10, seed=0).state_dict(), tmp_path / "x.pt")
    with pytest.raises(
        Problem, match=r"vae draws pictures, and its weights do not say how .*: lenet, fastnet"
    ):
        foreign.import_pt(tmp_path / "x.pt", "vae", "digits", "mine", trust=True)
    assert not (checkpoints.root() / "mine").exists()


# The commands


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain", "survey", "faithfulness"])
def test_a_command_about_classes_says_so(command: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    more = {
        "predict": [str(tmp_path / "x.png")],
        "explain": [str(tmp_path / "x.png"), "--out", str(tmp_path / "m.npy")],
    }
    before = sorted(path for path in checkpoints.folder_of("a-vae").rglob("*"))
    assert cli.main([command, "a-vae", *more.get(command, []), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["error"] == f"a-vae {SENTENCE}" and "Traceback" not in said.err
    assert before == sorted(path for path in checkpoints.folder_of("a-vae").rglob("*"))
    assert not (tmp_path / "m.npy").exists()


def test_the_list_of_checkpoints_has_both_each_with_its_score(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["checkpoints"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "41.23 (FID-5k against 50k train)" in lines["a-vae"] and "90.00% (n = 359)" in lines["digits-a"]
    assert " - " in lines["b-vae"]


# The pages


def opened(page: str, **query: object) -> AppTest:
    """A page by itself; the overview, which links to the others, inside the frame."""
    script = "explorer/ui/shell.py" if page == "home" else f"pages/{page}.py"
    app = AppTest.from_file(str(ROOT / script), default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [part.value for part in app.exception]
    return app


def told(app: AppTest) -> list[str]:
    return [part.value for part in app.info]


@pytest.mark.parametrize("page", ["predict", "evaluate", "explain"])
def test_a_page_offers_classifiers_only_and_says_what_the_address_named(page: str) -> None:
    key = "checkpoint" if page == "evaluate" else "model"
    picker = (
        (lambda app: app.selectbox(key=key)) if page == "evaluate" else (lambda app: app.multiselect(key=key))
    )
    app = opened(page)
    assert told(app) == [] and picker(app).options == KNOWN.split(", ")
    first = picker(app).value
    app = opened(page, **{key: "a-vae"})
    assert told(app) == [f"a-vae {SENTENCE}"] and picker(app).value == first
    assert len(opened(page, **{key: "nobody"}).info) == (
        page != "evaluate"
    )  # as before: the default, or that it is odd


def test_several_models_in_an_address_leave_the_classifiers() -> None:
    app = opened("predict", model=["a-vae", "digits-b"])
    assert told(app) == [f"a-vae {SENTENCE}"]


def test_the_second_model_of_a_comparison_is_a_classifier() -> None:
    app = opened("evaluate", checkpoint="digits-a", tab="versus", against="a-vae")
    assert told(app) == [f"a-vae {SENTENCE}"]
    assert app.selectbox(key="against").options == ["digits-b"]


def test_pictures_to_look_at_are_those_that_a_model_learnt(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert subject.data_names() == set()
    made_up_generator(tmp_path)
    assert subject.data_names() == {"digits"}


def test_with_generators_only_a_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    made_up_generator(tmp_path)
    for page in ("predict", "evaluate", "explain"):
        assert any("Train one" in part.value for part in opened(page).markdown), page
    home = opened("home")
    assert any("Models that draw" in part.value for part in home.markdown)


def test_the_overview_has_a_table_for_each_kind() -> None:
    app = opened("home")
    tables = [table.value for table in app.table]
    classifiers, generators = tables[0], tables[1]
    assert [name.strip("*") for name in classifiers["Checkpoint"]] == KNOWN.split(", ")
    assert [name.strip("*") for name in generators["Checkpoint"]] == ["a-vae", "b-vae"]
    assert [cell.strip("*") for cell in generators["FID, lower is better"]] == ["41.23", "not scored yet"]
    assert list(generators["measured as"]) == ["FID-5k against 50k train", ""]
    words = " ".join(part.value for part in app.markdown).replace("\\", "")
    assert "**a-vae**: draws pictures out of a code, VAE. A test." in words
    assert app.expander and not app.error


def test_what_the_scores_rest_on_is_said() -> None:
    told, drawn = overview.evidence([checkpoints.read_card("digits-a"), checkpoints.read_card("a-vae")])
    assert "Measure again: `python -m explorer evaluate digits-a`" in told
    assert "Measure again: `python -m explorer score a-vae`" in drawn and "seed 0" in drawn
    assert "sampler = dpm, steps = 20, fid = 41.23, fid_n = 5000" in drawn and "None" not in drawn
