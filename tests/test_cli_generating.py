"""The commands sample and score: what they write and say, and one sentence for what is wrong."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import checkpoints, data, runs
from explorer.analysis import examination, fid, sampling, scores
from explorer.analysis.inception import NO_CLASSIFIER
from explorer.cli.generating import scores_in_words
from explorer.data import cifar10
from explorer.data.drawn import packed_drawn, read_drawn
from explorer.runs import over_time
from explorer.text import Problem
from explorer.training import recipe_class
from tests.analysis.test_sampling import made
from tests.analysis.test_scores import WIDE, Small
from tests.made_up import made_up_generator
from tests.made_up_runs import made_up_run


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A small extractor in Inception's place."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    monkeypatch.setattr(examination, "Extractor", Small)
    monkeypatch.setattr("explorer.analysis.inception.Extractor", Small)


def test_sample_writes_what_it_says(run, registry: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    code, said, _ = run("sample", "tiny-ddpm", "--n", 12, "--seed", 3, "--steps", 2, "--out", out, "--json")
    value = json.loads(said)
    assert code == 0 and value["n"] == 12 and value["seed"] == 3 and value["steps"] == 2
    assert value["sha256"] == checkpoints.read_card("tiny-ddpm").sha256
    images, labels = read_drawn(out)
    assert images.shape == (12, 3, 32, 32) and labels.tolist() == [(3 + k) % 10 for k in range(12)]
    code, _, _ = run("sample", "tiny-ddpm", "--n", 12, "--seed", 3, "--steps", 2, "--out", tmp_path / "b.npz")
    assert code == 0 and np.array_equal(read_drawn(tmp_path / "b.npz")[0], images)


def test_sample_takes_a_class_by_name_or_number_and_a_folder(run, registry: Path, tmp_path: Path) -> None:
    card = dataclasses.replace(checkpoints.read_card("tiny-vae"), classes=cifar10.CLASSES)
    checkpoints.update("tiny-vae", card)
    for asked in ("dog", "5"):
        out = tmp_path / asked
        code, _, _ = run("sample", "tiny-vae", "--n", 3, "--class", asked, "--out", out)
        assert code == 0 and sorted(path.name for path in out.glob("*.png")) == [
            f"00000{k}-5.png" for k in range(3)
        ]
    code, _, said = run("sample", "tiny-vae", "--class", "10", "--out", tmp_path / "10")
    assert code == 1 and "Unknown class '10'; known: airplane" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tiny-vae", "--steps", "3"), "for diffusion models"),
        (("tiny-ddpm", "--sampler", "euler"), "Unknown sampler"),
        (("tiny-ddpm", "--guidance", "99"), "between 0 and 20"),
        (("tiny-ddpm", "--class", "dog"), "Unknown class"),
        (("tiny-ddpm", "--class", "9" * 5000), "Unknown class"),
        (("digits-fastnet",), "draws"),
        (("absent",), "Unknown checkpoint"),
    ],
)
def test_sample_refuses_in_one_sentence_and_writes_nothing(
    run, registry: Path, tmp_path: Path, arguments: tuple, words: str
) -> None:
    out = tmp_path / "a.npz"
    code, _, said = run("sample", *arguments, "--n", 2, "--out", out)
    assert code == 1 and words in said and "Traceback" not in said and not out.exists()


@pytest.mark.parametrize(
    ("asked", "words"), [("--class", "cannot draw a class"), ("--guidance", "nothing to guide by")]
)
def test_sample_of_a_diffusion_model_without_labels(
    run, registry: Path, tmp_path: Path, asked: str, words: str
) -> None:
    made(registry, "ddpm", conditional=False)
    code, _, said = run("sample", "tiny-ddpm", "--n", 2, "--steps", 2, "--out", tmp_path / "a.npz")
    assert code == 0 and read_drawn(tmp_path / "a.npz")[1].tolist() == [-1, -1]
    code, _, said = run("sample", "tiny-ddpm", asked, "3", "--steps", 2, "--out", tmp_path / "b.npz")
    assert code == 1 and words in said and not (tmp_path / "b.npz").exists()


def test_sample_says_before_it_draws_that_the_place_is_taken(run, registry: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    code, _, said = run("sample", "tiny-ddpm", "--out", tmp_path / "a")
    assert code == 1 and "already there" in said


def test_sample_says_before_it_loads_that_nothing_can_be_written_there(
    run, registry: Path, monkeypatch, tmp_path: Path
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the net was loaded")

    monkeypatch.setattr(checkpoints, "load", never)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file/a.npz", "/proc/a.npz", "/proc/a/b", tmp_path / f"{'b' * 300}.npz"):
        code, _, said = run("sample", "tiny-vae", "--out", out)
        assert code == 1 and said.startswith("Cannot write ") and "Traceback" not in said, (out, said)


@pytest.mark.slow
def test_score_of_files_equals_score_of_the_checkpoint_that_drew_them(
    run, registry: Path, small: None, tmp_path: Path
) -> None:
    code, _, _ = run("sample", "tiny-dcgan", "--n", 600, "--out", tmp_path / "a.npz")
    assert code == 0
    code, drawn, _ = run("score", "tiny-dcgan", "--n", 600, "--json")
    code, filed, _ = run("score", tmp_path / "a.npz", "digits:train", "--json")
    drawn, filed = json.loads(drawn), json.loads(filed)
    for key in (
        "fid",
        "fid_n",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "reference",
        "judged",
        "near",
    ):
        assert drawn[key] == filed[key], key
    assert drawn["fid_n"] == 600 and drawn["reference"] == "digits:train"
    code, text, _ = run("score", tmp_path / "a.npz", "digits:train")
    assert code == 0 and "FID-600 against 1,438 train" in text and "nearest-train ratio" in text


def test_score_refuses_in_one_sentence(run, registry: Path, small: None, tmp_path: Path) -> None:
    np.savez(tmp_path / "nan.npz", images=np.full((600, 32, 32, 3), np.nan, np.float32))
    np.savez(tmp_path / "few.npz", images=np.zeros((20, 32, 32, 3), np.uint8))
    for arguments, words in (
        ((tmp_path / "nan.npz", "digits:train"), "not numbers"),
        ((tmp_path / "few.npz", "digits:train"), "at least 500"),
        ((tmp_path / "few.npz",), "what to compare"),
        ((tmp_path / "absent", "digits:train"), "neither a checkpoint nor a folder"),
        (("tiny-vae", "digits:train", "--store"), "leave B"),
        (("digits-fastnet", "--n", "600"), "draws"),
        (("a" * 300, "digits:train"), f"{'a' * 80} cannot be read: File name too long"),
        (("tiny-vae", "a" * 300), f"{'a' * 80} cannot be read: File name too long"),
        (("a" * 300, "--store"), "is not a name"),
    ):
        code, _, said = run("score", *arguments)
        assert code == 1 and words in said and "Traceback" not in said, (arguments, said)


def test_stored_scores_stand_in_the_card_with_a_grid(
    run, registry: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination.examine, "__defaults__", (600, None))
    monkeypatch.setattr("explorer.training.accuracy_score.accuracy_score.__defaults__", (0.5, 0, "cpu", None))
    code, said, _ = run("score", "tiny-vae", "--store", "--json")
    assert code == 0
    found = checkpoints.read_card("tiny-vae").metrics["samples"]
    assert found == {key: value for key, value in json.loads(said).items() if key not in ("a", "b")}
    assert found["fid_600_train1438"] == found["fid"] and found["accuracy_score"]["n"] == len(
        data.load("digits", "test")
    )
    checkpoints.verify(registry / "tiny-vae")
    assert (registry / "tiny-vae/evaluation/grid.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("model", "measure"),
    [("vae", "loss"), ("dcgan", "kid"), pytest.param("ddpm", "loss", marks=pytest.mark.slow)],
)
def test_a_generator_from_its_training_to_its_scores(
    run, registry: Path, small, monkeypatch, model: str, measure: str
) -> None:
    monkeypatch.setattr(examination.examine, "__defaults__", (600, None))
    monkeypatch.setattr("explorer.training.accuracy_score.accuracy_score.__defaults__", (0.1, 0, "cpu", None))
    words = [
        "--data",
        "digits",
        "--set",
        "width=16",
        "--set",
        "batch=128",
        "--epochs",
        "0.5",
        "--run",
        "mine",
    ]
    code, said, _ = run("train", "--model", model, *words)
    reached = f"{measure} {runs.status('mine').judged:.4g}"
    assert code == 0 and f"On the held-out pictures: {reached}" in said
    code, said, _ = run("runs", "list")
    assert code == 0 and reached in said
    code, said, _ = run("runs", "show", "mine")
    head = said.splitlines()[3].split()
    assert code == 0 and head == ["epoch", "step", *recipe_class(model).measures, f"held_out_{measure}"]
    assert len(said.splitlines()[4].split()) == len(head) and "-" not in said.splitlines()[4].split()
    code, said, err = run("runs", "publish", "mine", "drawn", "--purpose", "For tests.")
    assert code == 0 and "FID-600 against 1,438 train" in said, err
    assert checkpoints.read_card("drawn").metrics["samples"]["n"] == 600
    folder = registry / "drawn/evaluation"
    assert len(list((folder / "grids").glob("step-*.png"))) == 1
    assert (folder / "over_time.json").exists() == (model == "dcgan")
    if model == "dcgan":
        (row,) = json.loads((folder / "over_time.json").read_text())["rows"]
        assert 0 <= row["class_accuracy"] <= 1, "what it was asked to draw is known"


def test_what_is_stored_was_drawn_as_asked_and_the_card_says_how(
    run, registry: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination.examine, "__defaults__", (600, None))
    monkeypatch.setattr("explorer.training.accuracy_score.accuracy_score.__defaults__", (0.1, 0, "cpu", None))
    code, _, _ = run("score", "tiny-ddpm", "--store", "--sampler", "ddim", "--steps", 2, "--guidance", 1.5)
    found = checkpoints.read_card("tiny-ddpm").metrics["samples"]
    assert code == 0 and (found["sampler"], found["steps"], found["guidance"]) == ("ddim", 2, 1.5)
    assert found["device"] and found["batch"] == 64
    assert found["reference_fingerprint"] == data.load("digits", "train").fingerprint[:16]
    code, said, _ = run("sample", "tiny-ddpm", "--n", 2, "--out", registry / "a.npz", "--json")
    drawn = json.loads(said)
    assert code == 0 and (drawn["sampler"], drawn["steps"], drawn["guidance"]) == ("ddim", 2, 1.5)


def test_what_cannot_be_stored_is_one_sentence(run, registry: Path, small: None, monkeypatch) -> None:
    before = (registry / "tiny-vae/config.json").read_bytes()
    for words, sentence in (
        (("tiny-vae", "--store", "--steps", "3"), "draws in one step"),
        (("tiny-ddpm", "--store", "--guidance", "1e9"), "between 0 and 20"),
        (("digits-fastnet", "--store"), "draws"),
        (("tiny-vae", "--store", "--device", "tpu"), "tpu"),
    ):
        code, _, said = run("score", *words)
        assert code == 1 and sentence in said and "Traceback" not in said, (words, said)

    def replaced(loaded, *_: object, **__: object):
        card = loaded.card
        changed = dataclasses.replace(card, sha256="1" * 64)
        monkeypatch.setattr("explorer.checkpoints.weights.read_card", lambda *_: changed)
        return dataclasses.replace(card, metrics={"samples": {"n": 1}}), {}

    monkeypatch.setattr("explorer.runs.scoring.examined", replaced)
    code, _, said = run("score", "tiny-vae", "--store")
    assert code == 1 and "was replaced while it was being measured" in said
    assert (registry / "tiny-vae/config.json").read_bytes() == before


def test_what_score_refuses_it_refuses_before_the_work(run, registry: Path, monkeypatch, tmp_path) -> None:
    """Neither a picture is drawn nor a feature computed; that the Inception weights are missing is said at once too."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(examination, "Extractor", never)
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("explorer.analysis.sampling.draw", never)
    for part in ("against", "against_pictures", "score"):
        monkeypatch.setattr(scores, part, never)
    code, _, said = run("score", "tiny-vae")
    assert code == 1 and "Inception" in said and "Traceback" not in said
    monkeypatch.setattr("explorer.analysis.inception.Extractor", never)
    square = np.zeros((600, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "large.npz", images=np.zeros((600, 64, 64, 3), np.uint8))
    np.savez(tmp_path / "told.npz", images=square, labels=np.full(600, 10))
    np.savez(tmp_path / "below.npz", images=square, labels=np.full(600, -2))
    np.savez(fits := tmp_path / "fits.npz", images=square)
    for words, sentence in (
        (("tiny-vae", "--n", 499), "at least 500"),
        (("tiny-vae", tmp_path / "absent"), "neither a checkpoint nor a folder"),
        (("tiny-vae", tmp_path / "large.npz"), "of 32x32"),
        ((tmp_path / "large.npz", "digits:train"), "of 64x64, digits:train of 32x32"),
        ((tmp_path / "told.npz", "digits:train"), "its labels go from 10 to 10, the classes from 0 to 9"),
        ((tmp_path / "below.npz", "digits:train"), "its labels go from -2"),
        (("tiny-vae", "--steps", 3), "draws in one step"),
        (("tiny-ddpm", "--sampler", "euler"), "Unknown sampler 'euler'"),
        (("tiny-ddpm", "--sampler", "euler", "--store"), "Unknown sampler 'euler'"),
        (("digits-fastnet", "--store"), "draws"),
        (("tiny-vae", "--seed", 2**64), "4611686018427387904"),
        (
            (fits, "digits:train", "--sampler", "ddim", "--n", 600),
            "fits.npz is no checkpoint: leave out --sampler, --n, which",
        ),
        (("digits:train", fits, "--seed", 0), "digits:train is no checkpoint: leave out --seed, which"),
        (
            (fits, "tiny-ddpm", "--steps", 3, "--guidance", 1),
            "is no checkpoint: leave out --steps, --guidance, which",
        ),
    ):
        code, _, said = run("score", *words)
        assert code and sentence in said and "Traceback" not in said, (words, said)


def test_two_checkpoints_draw_of_other_seeds(run, registry: Path, small: None, monkeypatch, tmp_path) -> None:
    seeds, draw = [], sampling.draw

    def told(loaded, of, *given: object, **options: object) -> sampling.Samples:
        seeds.append((loaded.card.name, of[0], of[-1]))
        return draw(loaded, of, *given, **options)

    monkeypatch.setattr(sampling, "draw", told)
    assert run("score", "tiny-vae", "tiny-vae", "--n", 500, "--seed", 7)[0] == 0
    assert sorted(seeds) == [("tiny-vae", 7, 506), ("tiny-vae", 507, 1006)]
    seeds.clear()
    np.savez(tmp_path / "a.npz", images=data.load("digits", "train").images[:500].transpose(0, 2, 3, 1))
    assert run("score", tmp_path / "a.npz", "tiny-dcgan", "--n", 500)[0] == 0, "of B they are --n and --seed"
    assert seeds == [("tiny-dcgan", 500, 999)]


def test_a_damaged_judge_does_not_cost_the_fid(
    run, registry: Path, small: None, monkeypatch, tmp_path
) -> None:
    def damaged(*_: object) -> None:
        raise Problem("The judge is damaged.")

    monkeypatch.setattr(scores, "judged", damaged)
    np.savez(tmp_path / "a.npz", images=data.load("digits", "train").images[:500].transpose(0, 2, 3, 1))
    code, said, _ = run("score", tmp_path / "a.npz", "digits:train", "--json")
    value = json.loads(said)
    assert code == 0 and value["fid"] > 0 and value["without"] == [NO_CLASSIFIER, "The judge is damaged."]
    code, said, _ = run("score", tmp_path / "a.npz", "digits:train")
    assert code == 0 and "FID-500" in said and said.splitlines()[-1] == "The judge is damaged."


def test_nets_of_other_data_are_not_judged_by_what_they_were_told(
    run, registry: Path, small: None, monkeypatch
) -> None:
    made_up_generator(registry, "elsewhere", data="cifar10")
    asked = []
    monkeypatch.setattr(scores, "judged", lambda images, labels, *_: asked.append(labels[:3].tolist()) or {})
    for name in ("tiny-vae", "elsewhere"):
        assert run("score", name, "digits:train", "--n", 500)[0] == 0
    assert asked == [[0, 1, 2], [-1, -1, -1]]


def test_a_run_s_checkpoint_can_be_scored_by_its_folder(run, registry: Path, small: None) -> None:
    code, by_name, _ = run("score", "tiny-dcgan", "--n", 500, "--json")
    code, by_path, _ = run("score", registry / "tiny-dcgan", "--n", 500, "--json")
    assert code == 0 and json.loads(by_path)["fid"] == json.loads(by_name)["fid"]


def test_minutes_choose_the_epochs(run, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--model", "vae", "--data", "digits", "--set", "width=16", "--set", "latent=4"]
    code, _, said = run("train", *words, "--minutes", 1, "--epochs", 1)
    assert code == 1 and "not both" in said
    chosen = []
    monkeypatch.setattr(runs, "create", lambda *given, **_: chosen.append(given[4]) or never_made())

    def never_made() -> None:
        raise Problem("Only asked.")

    for minutes in (1, 10):
        assert run("train", *words, "--minutes", minutes)[0] == 1
    assert chosen[0] > 1 and 3 < chosen[1] / chosen[0] < 30, chosen
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, said = run("train", *words, "--minutes", 1)
    assert code == 1 and "give --epochs instead" in said


@pytest.mark.slow
def test_a_gan_s_pictures_over_time_are_kept_and_scored(
    run, registry: Path, small: None, monkeypatch
) -> None:
    monkeypatch.setattr(examination.examine, "__defaults__", (600, None))
    monkeypatch.setattr("explorer.training.accuracy_score.accuracy_score.__defaults__", (0.1, 0, "cpu", None))
    monkeypatch.setattr("explorer.runs.over_time.MOMENTS", {1, 3})
    words = ["--set", "width=16", "--set", "batch=256", "--set", "holdout=140", "--run", "mine"]
    assert run("train", "--model", "dcgan", "--data", "digits", "--epochs", 4, *words)[0] == 0
    assert sorted(path.stem for path in (runs.folder_of("mine") / "drawn").iterdir()) == [
        "step-00000005", "step-00000015", "step-00000020",
    ], "the last evaluation is kept too"  # fmt: skip
    code, _, said = run("runs", "publish", "mine", "drawn")
    assert code == 0, said
    shipped = checkpoints.read_card("drawn").recipe["step"]
    steps = sorted({5, 15, 20, shipped})
    rows = json.loads((registry / "drawn/evaluation/over_time.json").read_text())["rows"]
    assert [(row["step"], row["images"]) for row in rows] == [(step, 256 * step) for step in steps]
    metrics = runs.metrics("mine")
    for row, after in zip(rows, (step // 5 for step in steps)):
        assert row["n"] == row["fid_n"] == 1000 and row["fid"] > 0 and sum(row["class_counts"]) == row["n"]
        assert 0 <= row["d_accuracy"] <= 1 and 0 <= row["duplicate_rate"] <= 1 and row["epoch"] == after
        told = next(each for each in metrics if each["step"] == row["step"])
        assert row["held_out_kid"] == told["held_out_kid"]
    assert sorted(path.stem for path in (registry / "drawn/evaluation/grids").iterdir()) == [
        f"step-{step:08d}" for step in steps
    ]


def refusing(*_: object) -> None:
    raise Problem("The weights are damaged.")


def test_moments_are_scored_for_a_checkpoint_that_is_here_already(run, registry: Path, small: None) -> None:
    config = runs.config_of(made_up_run("mine", "dcgan"))
    digits = data.load("digits", "train").take(np.arange(600))
    over_time.keep(runs.folder_of("mine"), 30, 1, (digits.images, digits.labels))
    # As runs kept them that did not keep the labels.
    (runs.folder_of("mine") / "drawn/step-00000120.npz").write_bytes(packed_drawn(digits.images))
    about = {
        "model": "dcgan", "task": "gan", "model_args": {"width": 16}, "metrics": {"samples": {"n": 7}},
        "recipe": {"step": 60},
    }  # fmt: skip
    made_up_generator(registry, "there", created=config["created"], **about)
    made_up_generator(registry, "other", created="2020-01-01T00:00:00Z", **about)
    code, said, _ = run("runs", "moments", "mine", "there", "--json")
    rows = json.loads(said)
    assert code == 0 and [(row["step"], row["fid_n"]) for row in rows] == [(30, 600), (60, 1000), (120, 600)]
    assert rows[0]["class_accuracy"] > 0.9 and rows[2]["class_accuracy"] is None
    assert [row["images"] // row["step"] for row in rows] == [config["recipe"]["batch"]] * 3
    assert json.loads((registry / "there" / over_time.FILE).read_text())["rows"] == rows
    assert [path.stem for path in sorted((registry / "there/evaluation/grids").iterdir())] == [
        "step-00000030", "step-00000060", "step-00000120",
    ]  # fmt: skip
    assert checkpoints.load("there", "cpu").card.metrics == about["metrics"], "its own scores stay"
    code, said, _ = run("runs", "moments", "mine", "there")
    head, *lines = said.splitlines()
    assert code == 0 and "FID-600 against 1,438 train  FID-1k against 1,438 train" in head
    assert f"{rows[1]['fid']:.4f}" in lines[1] and lines[-1] == fid.FEW
    stored = (registry / "there" / over_time.FILE).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explorer.analysis.inception.Extractor", refusing)
        code, _, said = run("runs", "moments", "mine", "there")
    assert code == 1 and "weights are damaged" in said, "FIDs that are stored are not lost"
    assert (registry / "there" / over_time.FILE).read_bytes() == stored
    code, _, said = run("runs", "moments", "mine", "other")
    assert code == 1 and "other was not made of the run mine." in said
    shutil.rmtree(runs.folder_of("mine") / "drawn")
    code, _, said = run("runs", "moments", "mine", "there")
    assert code == 1 and "kept no pictures" in said


@pytest.mark.parametrize("shipped", [30, 120])
def test_the_shipped_weights_are_a_moment_once(registry: Path, small: None, shipped: int) -> None:
    """Drawn with them, whether or not the run kept that moment; its grid and the run's last one are there."""
    folder = runs.folder_of(made_up_run("mine", "dcgan"))
    digits = data.load("digits", "train").take(np.arange(600))
    for evaluation, step in ((1, 30), (2, 60)):
        over_time.keep(folder, step, evaluation, (digits.images, digits.labels))
    over_time.keep(folder, 90, 5, (digits.images, digits.labels))
    card = made_up_generator(
        registry, "there", model="dcgan", task="gan", model_args={"width": 16}, recipe={"step": shipped},
        created=runs.config_of("mine")["created"],
    )  # fmt: skip
    rows = over_time.store("mine", "there")
    assert [row["step"] for row in rows] == sorted({30, 60, shipped}), "90 was neither a moment nor the last"
    (own,) = (row for row in rows if row["step"] == shipped)
    loaded = checkpoints.load("there", "cpu")
    drawn = sampling.draw(loaded, np.arange(1000))
    told = scores.judged(drawn.images, drawn.labels, "digits", "cpu")
    assert own["n"] == 1000 and own["class_counts"] == list(told["judged"]["class_counts"])
    assert own["nearest_ratio"] == pytest.approx(told["near"]["nearest_ratio"], rel=1e-3)
    assert all(row["n"] == 600 for row in rows if row is not own)
    grids = {path.stem for path in (registry / "there/evaluation/grids").iterdir()}
    assert grids == {f"step-{step:08d}" for step in (30, 60, 120, shipped)}
    with Image.open(registry / f"there/evaluation/grids/step-{shipped:08d}.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (160, 320, 3), "five rows, a column for each class"
    want = sampling.draw(loaded, [13], wanted=3).images[0].transpose(1, 2, 0).astype(int)
    assert np.abs(pixels[32:64, 96:128] - want).max() <= 1 and card.sha256 == loaded.card.sha256


def test_an_alarm_is_said_by_its_reasons() -> None:
    """On what is shipped: a GAN that repeats one picture, a VAE whose pictures are too vague, and healthy ones."""
    cards = [checkpoints.read_card(path.parent) for path in checkpoints.OURS.glob("*/config.json")]
    found = {card.name: card.metrics["samples"] for card in cards if "samples" in card.metrics}
    signs = ("Few classes are seen: ", "Pictures repeat: ")
    said = {name: [sign in scores_in_words(of) for sign in signs] for name, of in found.items()}
    assert said["digits-dcgan-plain"] == [True, True] and said["cifar10-vae"] == [True, False]
    assert said["cifar10-ddpm"] == said["cifar10-dcgan"] == [False, False]
    assert {name: any(words) for name, words in said.items()} == {
        name: of["collapsed"] for name, of in found.items()
    }
