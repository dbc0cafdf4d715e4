"""The commands: one JSON value on stdout, sentences on stderr, an exit status that tells the truth."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import checkpoints, cli, data, models
from explorer.checkpoints import Card


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one untrained lenet of the digits."""
    import torch

    root = tmp_path / "checkpoints"
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(root))
    digits = data.load("digits", "test")
    net = models.build("lenet", 10, seed=0)
    card = Card(
        name="tiny", model="lenet", data="digits", classes=digits.classes, mean=digits.mean, std=digits.std,
        data_fingerprint=digits.fingerprint, temperature=2.0,
    )  # fmt: skip
    with torch.no_grad():
        checkpoints.save(root / "tiny", net, card)
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two digits as PNG."""
    digits = data.load("digits", "test")
    paths = [tmp_path / f"{k}.png" for k in range(2)]
    for k, path in enumerate(paths):
        Image.fromarray(digits.images[k].transpose(1, 2, 0)).save(path)
    return paths


JSON_COMMANDS = {
    "models": (["models"], list),
    "checkpoints": (["checkpoints"], list),
    "data show": (["data", "show"], list),
    "data show digits": (["data", "show", "digits"], dict),
    "evaluate": (["evaluate", "tiny"], dict),
}


@pytest.mark.parametrize("name", JSON_COMMANDS)
def test_json_is_one_value_on_stdout(name: str, run, registry: Path):
    arguments, kind = JSON_COMMANDS[name]
    code, out, _ = run(*arguments, "--json")
    assert code == 0 and out.count("\n") == 1 and isinstance(json.loads(out), kind)
    code, text, _ = run(*arguments)
    assert code == 0 and text.strip() and not text.lstrip().startswith(("{", "["))


FAILURES = {
    "unknown data set": (["data", "show", "nope"], 1, "known: digits, cifar10"),
    "unknown checkpoint": (["evaluate", "nope"], 1, "known: tiny"),
    "unknown split": (["evaluate", "tiny", "--split", "x"], 1, "it has: train, test"),
    "views not offered": (["evaluate", "tiny", "--views", "3"], 1, "use one of"),
    "other classes": (["evaluate", "tiny", "--data", "cifar10-sheet"], 1, "was trained for the classes"),
    "path as a name": (["evaluate", "../tiny"], 1, "is not a name"),
    "odd name": (["evaluate", "A B"], 1, "is not a name"),
    "no such command": (["frobnicate"], 2, "No such command"),
    "no such option": (["models", "--frob"], 2, "No such option"),
    "argument missing": (["evaluate"], 2, "Missing argument"),
    "nothing to download": (["data", "get", "digits"], 1, "needs no download"),
    "unknown to get": (["data", "get", "nope"], 1, "known: digits"),
    "unknown device": (["predict", "tiny", "x.png", "--device", "tpu"], 1, "known: auto"),
    "taken name": (["data", "add", ".", "--name", "digits"], 1, "built-in"),
    "not a name": (["data", "add", ".", "--name", "../x"], 1, "is not a name"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_a_sentence_a_status_and_still_one_json_value(name: str, run, registry: Path):
    arguments, status, sentence = FAILURES[name]
    code, out, err = run(*arguments)
    assert code == status and out == "" and sentence in err and "Traceback" not in err
    code, out, err = run(*arguments, "--json")
    assert code == status and sentence in json.loads(out)["error"] and sentence in err


def test_evaluate_gives_scikit_learn_s_numbers_as_fractions(run, registry: Path):
    from sklearn.metrics import classification_report, confusion_matrix

    from explorer.analysis import predict

    _, out, _ = run("evaluate", "tiny", "--json")
    found = json.loads(out)
    digits = data.load("digits", "test")
    predicted = predict.predict_set(checkpoints.load("tiny"), digits).predicted
    expected = classification_report(digits.labels, predicted, output_dict=True, zero_division=0)
    assert found["accuracy"] == pytest.approx(expected["accuracy"]) and found["n"] == 359
    for name in digits.classes:
        row = expected[name]
        assert found["per_class"][name] == pytest.approx(
            {
                "precision": row["precision"],
                "recall": row["recall"],
                "f1": row["f1-score"],
                "support": row["support"],
            }
        )
    assert found["macro_avg"]["f1"] == pytest.approx(expected["macro avg"]["f1-score"])
    assert found["weighted_avg"]["precision"] == pytest.approx(expected["weighted avg"]["precision"])
    assert found["confusion"] == confusion_matrix(digits.labels, predicted).tolist()
    assert found["data_fingerprint"] == digits.fingerprint
    assert found["checkpoint_sha256"] == checkpoints.read_card("tiny").sha256
    assert (
        all(0 <= found[key] <= 1 for key in ("accuracy", "ece", "auc_macro"))
        and found["source"] == "computed"
    )


def test_evaluate_falls_back_on_what_is_stored_when_the_data_is_away(run, registry: Path, monkeypatch):
    from explorer.text import Missing

    _, out, _ = run("evaluate", "tiny", "--json")
    computed = json.loads(out)

    def away(name: str, split: str = "test"):
        raise Missing("{name} is away", name=name)

    monkeypatch.setattr(data, "load", away)
    code, out, err = run("evaluate", "tiny", "--json")
    found = json.loads(out)
    assert code == 0 and found["source"] == "stored" and "stored predictions" in err
    assert (
        found["confusion"] == computed["confusion"]
        and found["data_fingerprint"] == computed["data_fingerprint"]
    )
    code, _, err = run("evaluate", "tiny", "--views", "6")
    assert code == 1 and "is away" in err


def test_predict_names_bad_files_and_answers_the_good_ones(run, registry: Path, pictures, tmp_path: Path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(pictures[0].read_bytes()[:100])
    code, out, _ = run(
        "predict", "tiny", bad, pictures[0], tmp_path / "absent.png", tmp_path, pictures[1], "--json"
    )
    found = json.loads(out)
    assert code == 0 and [entry["file"] for entry in found][1] == str(pictures[0])
    assert ["error" in entry for entry in found] == [True, False, True, True, False]
    for entry in (found[1], found[4]):
        p = [each["p"] for each in entry["classes"]]
        assert sorted(p, reverse=True) == p and sum(p) == pytest.approx(1, abs=1e-5)
        assert {each["name"] for each in entry["classes"]} == set("0123456789")
    code, out, _ = run("predict", "tiny", bad, "--json")
    assert code == 1 and "error" in json.loads(out)[0]


def test_predict_gives_the_calibrated_probabilities_of_the_model(run, registry: Path, pictures):
    from explorer.analysis import predict

    _, out, _ = run("predict", "tiny", pictures[0], "--json", "--top", "3")
    loaded = checkpoints.load("tiny")
    logits = predict.logits(loaded, data.load("digits", "test").images[:1])[0].astype(np.float64) / 2.0
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    found = json.loads(out)[0]["classes"]
    assert [each["name"] for each in found] == [str(k) for k in np.argsort(-expected)[:3]]
    assert [each["p"] for each in found] == pytest.approx(sorted(expected, reverse=True)[:3], abs=1e-5)


def test_data_add_show_remove(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for k in range(5):
            Image.new("RGB", (40, 40), (k * 40, 0, 0)).save(tmp_path / "mine" / name / f"{k}.png")
    (tmp_path / "mine/a/broken.png").write_bytes(b"\x89PNG")
    code, out, err = run("data", "add", tmp_path / "mine", "--name", "mine", "--json")
    assert code == 0 and json.loads(out)["counts"] == [5, 5] and "a/broken.png" in err
    _, out, _ = run("data", "show", "mine", "--json")
    found = json.loads(out)
    assert found["splits"]["train"]["n"] == 8 and found["skipped"][0]["file"] == "a/broken.png"
    assert run("data", "remove", "mine")[0] == 0 and run("data", "show", "mine")[0] == 1


def test_a_person_s_own_pictures_from_folder_to_answer(run, registry: Path, tmp_path: Path, monkeypatch):
    """Forty pictures, none of the defaults changed: what is held out and a batch fit them; all classes have a mean."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    for name, colour in (("blue", (0, 0, 255)), ("green", (0, 255, 0)), ("red", (255, 0, 0))):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for k in range(20):
            image = Image.new("RGB", (40, 40), tuple(max(0, value - 4 * k) for value in colour))
            image.save(tmp_path / "mine" / name / f"{k}.png")
    assert run("data", "add", tmp_path / "mine", "--name", "mine")[0] == 0
    assert run("train", "--model", "lenet", "--data", "mine", "--seed", "0", "--run", "own")[0] == 0
    assert run("runs", "publish", "own", "own")[0] == 0
    assert np.linalg.norm(checkpoints.load("own").class_means, axis=1) == pytest.approx(1, abs=1e-4)
    code, out, _ = run("evaluate", "own", "--json")
    first = json.loads(out)
    assert code == 0 and first["n"] == 12 and first["classes"] == ["blue", "green", "red"]
    # Another picture: the stored predictions are no longer those of the data, and evaluating mends that.
    Image.new("RGB", (40, 40), (0, 0, 99)).save(tmp_path / "mine/blue/more.png")
    for k in range(4):
        Image.new("RGB", (40, 40), (0, 0, 90 + k)).save(tmp_path / f"mine/blue/more{k}.png")
    code, out, _ = run("evaluate", "own", "--json")
    assert code == 0 and json.loads(out)["data_fingerprint"] != first["data_fingerprint"]
    stored = checkpoints.read_predictions("own")
    assert stored["fingerprint"] == json.loads(out)["data_fingerprint"]


def test_import_needs_trust_and_only_ever_reads_weights(run, registry: Path, tmp_path: Path):
    import torch

    net = models.build("lenet", 10, seed=3)
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in net.state_dict().items()}}, tmp_path / "a.pt"
    )
    command = ["import", tmp_path / "a.pt", "--model", "lenet", "--data", "digits", "--name", "mine"]
    code, _, err = run(*command)
    assert code == 1 and "--trust" in err and not (registry / "mine").exists()
    assert run(*command, "--trust")[0] == 0
    loaded = checkpoints.load("mine").model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in net.state_dict().items())
    assert run(*command, "--trust")[0] == 1  # the name is taken
    command[-1] = "other"
    command[3] = "resnet18"
    code, _, err = run(*command, "--trust")
    assert code == 1 and "does not fit the model" in err and not (registry / "other").exists()


class Bomb:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


HOSTILE_PT = {
    "pickle that runs code": lambda path, mark: path.write_bytes(pickle.dumps(Bomb(mark))),
    "torch file with such a pickle": lambda path, mark: __import__("torch").save({"x": Bomb(mark)}, path),
    "empty": lambda path, mark: path.write_bytes(b""),
    "text": lambda path, mark: path.write_text("weights"),
    "text that begins as a pickle's instruction": lambda path, mark: path.write_text("append"),
    "not a dictionary": lambda path, mark: __import__("torch").save([1, 2], path),
    "numbers, not tensors": lambda path, mark: __import__("torch").save({"a": 1}, path),
}


@pytest.mark.parametrize("what", HOSTILE_PT)
def test_a_hostile_pt_file_is_refused_and_no_code_runs(what: str, run, registry: Path, tmp_path: Path):
    file, mark = tmp_path / "evil.pt", tmp_path / "ran"
    HOSTILE_PT[what](file, mark)
    code, _, err = run("import", file, "--model", "lenet", "--data", "digits", "--name", "x", "--trust")
    assert code == 1 and "Traceback" not in err and not mark.exists() and not (registry / "x").exists()


TRAIN = ["train", "--model", "lenet", "--data", "digits", "--epochs", "1", "--device", "cpu"]


def test_train_show_publish_evaluate(run, registry: Path):
    """The whole way of a user's model, command by command."""
    code, out, err = run(*TRAIN, "--seed", "3", "--run", "mine", "--set", "lr=0.05", "--json")
    found = json.loads(out)
    assert code == 0 and (found["state"], found["step"], found["total"]) == ("done", 20, 20)
    assert "epoch 1.00, step 20/20, loss" in err and "images/s" in err
    code, out, _ = run("runs", "show", "mine", "--json")
    found = json.loads(out)
    assert found["config"]["recipe"]["lr"] == 0.05 and found["config"]["seed"] == 3
    assert found["metrics"][-1]["step"] == 20 and 0 <= found["held_out"] <= 1
    assert "20/20" in run("runs", "list")[1] and "0.0500" not in run("runs", "show", "mine")[2]
    code, out, _ = run("runs", "publish", "mine", "shown", "--purpose", "A test.", "--json")
    card = json.loads(out)
    assert code == 0 and card["metrics"]["test"]["n"] == 359 and card["temperature"] > 0
    assert run("runs", "publish", "mine", "shown")[0] == 1  # the name is taken
    _, out, _ = run("evaluate", "shown", "--json")
    assert json.loads(out)["accuracy"] == pytest.approx(card["metrics"]["test"]["accuracy"])
    _, out, _ = run("evaluate", "shown", "--views", "6", "--json")
    assert json.loads(out)["views"] == 6 and 0 <= json.loads(out)["accuracy"] <= 1
    code, out, _ = run("runs", "resume", "mine", "--json")  # finished: nothing to do, and no error
    assert code == 0 and json.loads(out)["state"] == "done"


TRAIN_FAILURES = {
    "unknown model": (["--model", "vgg"], "known: lenet, fastnet"),
    "unknown data": (["--data", "mnist"], "known: digits, cifar10"),
    "unknown recipe": (["--recipe", "x"], "known: short"),
    "unknown setting": (["--set", "x=1"], "known: epochs"),
    "not a number": (["--set", "lr=much"], "expected float"),
    "not finite": (["--set", "lr=nan"], "expected float"),
    "out of range": (["--set", "lr=-1"], "must lie between"),
    "no equals sign": (["--set", "lr"], "expected KEY=VALUE"),
    "no split to train on": (["--data", "cifar10-sheet"], "has no split"),
    "odd run name": (["--run", "../x"], "is not a name"),
    "the jobs' folder": (["--run", "jobs"], "already there"),
    "batch too large": (["--set", "batch=5000"], "does not fit"),
    "too much held out": (["--set", "holdout=5000"], "Cannot hold out 5000"),
    "no such device": (["--device", "tpu"], "tpu"),
    "loss explodes": (["--set", "lr=100", "--set", "weight_decay=1"], "not finite"),
}


@pytest.mark.parametrize("what", TRAIN_FAILURES)
def test_a_training_that_cannot_be_is_one_sentence(what: str, run, registry: Path):
    arguments, sentence = TRAIN_FAILURES[what]
    code, out, err = run(*TRAIN, *arguments, "--json")
    assert code == 1 and sentence in json.loads(out)["error"] and "Traceback" not in err


def test_a_run_s_name_is_used_once(run):
    assert run(*TRAIN, "--run", "mine")[0] == 0
    code, _, err = run(*TRAIN, "--run", "mine")
    assert code == 1 and "already there" in err
    assert "known: mine" in run("runs", "show", "other")[2] and run("runs", "resume", "..")[0] == 1


@pytest.mark.parametrize(
    ("words", "most", "named"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to", 100, 64),
        ("CUDA out of memory.", 100, 64),
        ("CUDA out of memory.", 95, 32),  # 64 would only just fit: half as many again do not
    ],
)
def test_out_of_memory_names_a_batch_that_fits(
    words: str, most: int, named: int, run, monkeypatch: pytest.MonkeyPatch
):
    from explorer.training.supervised import Supervised

    real, steps = Supervised.step, []

    def step(self, number: int):
        steps.append((self.recipe.batch, number, self.total_steps))
        if self.recipe.batch > most:
            raise RuntimeError(words)
        return real(self, number)

    monkeypatch.setattr(Supervised, "step", step)
    code, _, err = run(*TRAIN, "--set", "batch=512", "--run", "big")
    assert code == 1 and f"--set batch={named}" in err.splitlines()[-1] and "Traceback" not in err
    code, out, _ = run("runs", "show", "big", "--json")
    assert json.loads(out)["state"] == "failed" and f"batch={named}" in json.loads(out)["message"]
    assert all(number == total - 1 for batch, number, total in steps if batch != 512), (
        "whole pictures come last"
    )
    assert run(*TRAIN, "--set", f"batch={named}", "--run", "small")[0] == 0


def test_a_checkpoint_that_cannot_be_used_is_listed_with_its_reason(run, registry: Path):
    (registry / "broken").mkdir()
    (registry / "broken/config.json").write_text("{")
    code, out, _ = run("checkpoints", "--json")
    found = {entry["name"]: entry for entry in json.loads(out)}
    assert (
        code == 0 and "not a model's card" in found["broken"]["problem"] and found["tiny"]["model"] == "lenet"
    )


def test_a_bug_leaves_its_trace_and_one_json_value(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "names", lambda: 1 / 0)
    code, out, err = run("data", "show", "--json")
    assert code == 1 and "ZeroDivisionError" in json.loads(out)["error"] and "Traceback" in err


def test_korean_on_request(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_LANG", "ko")
    try:
        code, _, err = run("data", "show", "nope")
    finally:
        cli.set_language("en")
    assert code == 1 and "없는 데이터 세트" in err


def test_help_is_quick_and_needs_no_torch(root: Path):
    code = "import sys; from explorer import cli; print(cli.main(['--help']), 'torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert said.stdout.split()[-2:] == ["0", "False"]
    for name in ("models", "checkpoints", "train", "evaluate", "predict", "data", "runs", "doctor"):
        assert f" {name} " in said.stdout


def test_as_a_process_stdout_holds_nothing_but_the_value(python: str, root: Path):
    command = [python, "-m", "explorer", "data", "show", "digits", "--json"]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0 and json.loads(said.stdout)["name"] == "digits"
    said = subprocess.run([*command[:-2], "nope"], cwd=root, capture_output=True, text=True, timeout=120)
    assert said.returncode == 1 and said.stdout == "" and said.stderr.count("\n") == 1


# --- explain ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A digit as PNG."""
    path = tmp_path_factory.mktemp("digit") / "digit.png"
    Image.fromarray(data.load("digits", "test").images[0].transpose(1, 2, 0)).save(path)
    return path


def test_explain_writes_the_raw_maps_that_add_up_to_the_logits(run, digit: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps.npy"
    code, said, _ = run("explain", "digits-fastnet", digit, "--class", "all", "--raw", "--out", out, "--json")
    value, maps = json.loads(said), np.load(out)
    assert code == 0 and maps.shape == (10, 4, 4) == tuple(value["shape"]) and maps.dtype == np.float32
    logits = [row["logit"] for row in value["classes"]]
    assert np.allclose(maps.mean((1, 2)) + value["bias"], logits, atol=1e-5) and value["adds_up"] < 1e-5
    assert sum(row["p"] for row in value["classes"]) == pytest.approx(1)
    assert value["layer"] == "groups.2" and value["receptive_field"] == 51
    assert value["checkpoint_sha256"] == checkpoints.read_card("digits-fastnet").sha256


def test_explain_takes_the_predicted_class_and_positive_evidence_from_0_to_1(
    run, digit: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.npy"
    code, said, _ = run("explain", "digits-fastnet", digit, "--method", "grad-cam", "--out", out, "--json")
    value, maps = json.loads(said), np.load(out)
    assert code == 0 and maps.shape == (1, 32, 32) and maps.min() == 0 and 0.5 < maps.max() <= 1
    (row,) = value["classes"]
    everyone = json.loads(run("predict", "digits-fastnet", digit, "--json")[1])[0]["classes"]
    assert row["name"] == everyone[0]["name"] and row["p"] == pytest.approx(everyone[0]["p"], abs=1e-5)
    assert "bias" not in value, "only CAM adds up"


def test_explain_draws_the_maps_over_the_picture(run, digit: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps.png"
    code, said, _ = run("explain", "digits-fastnet", digit, "--class", "all", "--layer", "groups.1", "--method",
                        "layer-cam", "--out", out)  # fmt: skip
    with Image.open(out) as image:
        assert code == 0 and image.size == (10 * 512 + 9 * 4, 512)
    assert "groups.1, 8x8" in said


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--out", "x.jpg"], "expected a name that ends in .npy, .png"),
        (["--out", "x.png", "--raw"], "expected a name that ends in .npy"),
        (["--out", "x.npy", "--class", "unicorn"], "Unknown class 'unicorn'; known: 0, 1"),
        (["--out", "x.npy", "--method", "magic"], "Unknown method 'magic'; known: cam, grad-cam"),
        (["--out", "x.npy", "--layer", "nowhere"], "no layer 'nowhere'; known are: whiten, groups, head"),
        (["--out", "x.npy", "--layer", "groups.0"], "CAM needs a net"),
        (["--out", "x.npy", "--layer", "head", "--method", "grad-cam"], "makes no map"),
        (["--out", "/dev/null/x.npy"], "/dev/null"),
    ],
)
def test_explain_refuses_in_one_sentence(
    run, digit: Path, tmp_path: Path, monkeypatch, more, sentence
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("explain", "digits-fastnet", digit, *more)
    assert code == 1 and out == "" and sentence in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
