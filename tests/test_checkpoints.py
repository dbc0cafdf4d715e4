"""Checkpoints: what was saved comes back; whatever is damaged, foreign or hostile is refused with the reason."""

import io
import json
import os
import pickle
import shutil
import string
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from explorer import checkpoints, data, files, models
from explorer.analysis import manifold, predict, samplers
from explorer.checkpoints import Card, manifest, predictions, weights
from explorer.checkpoints import card as card_module
from explorer.models import CLASSIFIERS, GENERATORS
from explorer.runs.scoring import GRID
from explorer.text import Missing, Problem

LARGE = {"resnet34", "resnet50", "resnet101"}
CLASSES = tuple("0123456789")


def card_of(model: str = "lenet", **changes) -> Card:
    mean, std = (0.3, 0.31, 0.32), (0.2, 0.21, 0.22)
    return replace(Card("x", model, "digits", CLASSES, mean, std, "f" * 64, seed=3), **changes)


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty registry for each test."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield checkpoints.root()
    torch.set_num_threads(before)


@pytest.fixture
def victim(registry: Path) -> Path:
    """A sound checkpoint to spoil, with stored predictions; "other" stands beside it and must keep working."""
    for name, seed in (("victim", 0), ("other", 1)):
        net = models.build("lenet", 10, seed=seed)
        saved = checkpoints.save(registry / name, net, card_of())
        logits = np.random.default_rng(seed).normal(size=(20, 10)).astype(np.float32)
        packed = checkpoints.pack_predictions(
            logits, np.arange(20) % 10, data="digits", split="test", views=1, fingerprint="f" * 64, sha256=saved.sha256
        )  # fmt: skip
        checkpoints.update(name, saved, {checkpoints.prediction_file("test", 1): packed})
    return registry / "victim"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / checkpoints.WEIGHTS)


def rewrite(folder: Path, weights: bytes | None = None, **card: object) -> None:
    """What somebody who knows the format can do: other contents, with hashes that fit."""
    if weights is not None:
        (folder / checkpoints.WEIGHTS).write_bytes(weights)
    found = json.loads((folder / checkpoints.CONFIG).read_text()) | card
    if "sha256" not in card:
        found["sha256"] = manifest.sha256_of(folder / checkpoints.WEIGHTS)
    (folder / checkpoints.CONFIG).write_text(json.dumps(found))
    list_again(folder)


def list_again(folder: Path, **extra: dict) -> None:
    """A manifest that fits the files as they are now."""
    listed = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": manifest.sha256_of(path),
        }
        for path in folder.rglob("*")
        if path.is_file() and path.name != checkpoints.MANIFEST
    }
    (folder / checkpoints.MANIFEST).write_text(json.dumps({"files": listed | extra}))


def refused(reason: str, listed: bool = True) -> None:
    """Loading "victim" gives this reason, the catalogue shows it (when `listed`), and "other" works all the same."""
    with pytest.raises(Problem, match=reason):
        checkpoints.load("victim", "cpu")
    entries = {entry.name: entry for entry in checkpoints.catalogue()}
    assert entries["other"].card and entries["other"].problem is None
    if listed:
        assert entries["victim"].card is None
        with pytest.raises(Problem, match=reason):
            raise Problem("{reason}", reason=entries["victim"].problem)
    loaded = checkpoints.load("other", "cpu")
    assert predict.logits(loaded, np.zeros((1, 3, 32, 32), np.uint8)).shape == (1, 10)


# What was saved comes back


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in CLASSIFIERS]
)
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_what_was_saved_comes_back(registry: Path, name: str, storage: str) -> None:
    net = models.build(name, 10, seed=0)
    with torch.no_grad():
        for key, value in net.state_dict().items():  # statistics and biases as after a training
            if value.is_floating_point() and value.dim() < 2:
                value.add_(torch.rand(value.shape, generator=torch.Generator().manual_seed(len(key))) / 3)
    net.eval()
    saved = checkpoints.save(
        registry / "mine", net, card_of(name, storage_dtype=storage, metrics={"test": {"n": 5}})
    )
    loaded = checkpoints.load("mine", "cpu")
    assert loaded.card == saved == checkpoints.read_card("mine")
    assert saved.name == "mine" and saved.parameters == models.parameter_count(net)
    assert saved.bytes == (registry / "mine" / checkpoints.WEIGHTS).stat().st_size
    ours, theirs = net.state_dict(), loaded.model.state_dict()
    stored = weights_of(registry / "mine")
    for key, value in ours.items():
        small = storage == "float16" and value.dim() >= 2 and not key.startswith("whiten")
        expected = value.half().to(value.dtype) if small else value
        assert torch.equal(theirs[key], expected) and theirs[key].dtype == value.dtype, key
        assert stored[key].dtype == (torch.float16 if small else value.dtype), key
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())
    if storage == "float32":
        x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert torch.allclose(loaded.model(x), net(x), atol=1e-5)


SMALL = {
    "vae": {"width": 16, "latent": 4},
    "dcgan": {"width": 16, "conditional": False},
    "ddpm": {"widths": [16, 32]},
    "ddpm-published": {"channels": [32, 32, 32, 32]},
}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_what_draws_comes_back_with_its_sizes_and_draws_the_same(
    registry: Path, name: str, storage: str
) -> None:
    net = models.build(name, 10, seed=0, **SMALL[name]).eval()
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=torch.Generator().manual_seed(len(key))) / 10)
    card = card_of(name, task=GENERATORS[name].task, model_args=SMALL[name], storage_dtype=storage)
    saved = checkpoints.save(registry / "mine", net, card)
    loaded = checkpoints.load("mine", "cpu")
    assert loaded.card == saved and loaded.class_means is None and not loaded.model.training
    assert saved.parameters == models.parameter_count(net)
    labels, more = torch.tensor([1, 2]), {"steps": 2} if name.startswith("ddpm") else {}
    ours, theirs = (
        model.sample([torch.Generator().manual_seed(seed) for seed in (1, 2)], labels, **more)
        for model in (net, loaded.model)
    )
    assert (ours - theirs).abs().max() <= (0 if storage == "float32" else 0.2)


def test_half_precision_keeps_statistics_and_whitening_and_halves_the_file(registry: Path) -> None:
    net = models.build("fastnet", 10, seed=0)
    full = checkpoints.save(registry / "full", net, card_of("fastnet"))
    half = checkpoints.save(registry / "half", net, card_of("fastnet", storage_dtype="float16"))
    assert half.bytes < 0.51 * full.bytes
    stored = weights_of(registry / "half")
    kept = {key for key, value in stored.items() if value.dtype == torch.float32}
    assert {"whiten.weight", "whiten.bias", "groups.0.norm1.running_mean", "head.bias"} <= kept
    assert "groups.0.conv1.weight" not in kept and "head.weight" not in kept


def test_the_folder_is_one_that_hugging_face_knows(victim: Path) -> None:
    names = {path.relative_to(victim).as_posix() for path in victim.rglob("*") if path.is_file()}
    assert names == {
        "model.safetensors", "config.json", "README.md", "MANIFEST.json", "evaluation/test-1-views.npz"
    }  # fmt: skip
    net = models.build("lenet", 10, seed=0)
    metrics = {"test": {"accuracy": 0.9876, "n": 359, "accuracy_6_views": 0.99}}
    text = checkpoints.readme(checkpoints.save(victim, net, card_of(metrics=metrics, purpose="For tests.")))
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert "model-index:\n- name: victim\n  results:" in head and "dataset: {name: digits" in head
    assert "{type: accuracy, value: 0.9876, name: 'accuracy, test, n = 359, plain'}" in head
    assert "For tests." in body and "| test | 359 | 0.9900 | 6 views |" in body


def test_without_scores_there_is_no_table_of_results() -> None:
    vae, empty = {"task": "vae", "model": "vae"}, {"samples": {}}
    for card in (card_of(), card_of(**vae), card_of(**vae, metrics=empty), card_of(metrics={"test": {}})):
        said = checkpoints.readme(card)
        assert "## Results" not in said and "|" not in said and "model-index" not in said
        assert said.count("\n## Recipe\n") == 1
    said = checkpoints.readme(card_of(**vae, metrics={"samples": {"n": 5000}}))
    assert "\n## Results\n\n| what | value |\n|---|---|\n| drawn pictures | 5,000 |\n\n## Recipe" in said


def test_the_scores_of_what_draws_are_words_with_units() -> None:
    samples = {
        "n": 5000, "first_seed": 0, "batch": 64, "milliseconds": 0.96, "device": "AMD EPYC, 2 threads", "fid": 41.06,
        "fid_raw": 41.06, "fid_n": 5000, "fid_few": False, "fid_infinity": 35.14, "fid_infinity_error": 0.52,
        "fid_curve": [[1250, 57.0], [5000, 41.06]], "inception_score": None, "features": 1,
        "reference": "cifar10:train", "reference_n": 50_000, "reference_fingerprint": "72e1", "kid": 0.0256,
        "kid_std": 0.001, "kid_size": 1000, "compared_with": 5000, "precision": 0.59, "recall": 0.33, "density": 0.66,
        "coverage": 0.46, "fid_5k_train50k": 41.06, "judge": "cifar10-fastnet", "collapsed": False, "sampler": "dpm",
        "steps": 20, "guidance": 1.5,
        "judged": {"class_counts": [1, 2], "classes_in_effect": 9.65, "classes_expected": 10.0, "surprise": 84.0,
                   "class_accuracy": 0.6598, "n": 5000},
        "near": {"nearest_ratio": 1.351, "nearest_close": 0.0012, "duplicate_rate": 0.0004, "n": 5000,
                 "n_train": 50_000, "n_test": 10_000},
        "accuracy_score": {"accuracy": 0.6196, "n": 10_000, "trained_on": 5000, "epochs": 20, "model": "fastnet"},
    }  # fmt: skip
    said = checkpoints.readme(card_of(task="gan", model="dcgan", metrics={"samples": samples}))
    rows = dict(line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith("| "))
    assert rows["FID, 5,000 drawn against 50,000 training pictures"] == "41.06"
    assert rows["milliseconds a picture, AMD EPYC, 2 threads"] == "0.96"
    features = {  # torch-fidelity's own precision and recall are in VGG16's: which ones must be said
        "precision": manifold.K, "recall": manifold.K, "density": manifold.K_COVERAGE, "coverage": manifold.K_COVERAGE
    }  # fmt: skip
    for name, k in features.items():
        assert f"{name} in Inception features, k = {k}, against 5,000 training pictures" in rows
    assert rows["drawn as asked, as cifar10-fastnet sees 5,000 drawn pictures"] == "66.0%"
    assert rows["drawn by"] == "dpm, 20 steps, guidance 1.5" and rows["standard error of that fit"] == "0.52"
    assert not any("_" in row or "False" in row or "None" in row for pair in rows.items() for row in pair)
    assert not any(name.startswith(("against, with", "Inception")) for name in rows)
    samples["accuracy_score"] |= {"real": 0.8012, "real_trained_on": 5000}
    said = checkpoints.readme(card_of(task="gan", model="dcgan", metrics={"samples": samples}))
    assert "| against, with 5,000 real pictures instead of 5,000 drawn | 80.12% |" in said
    assert len(rows) + 1 == sum(line.startswith("| ") for line in said.splitlines())
    held = {"held-out": {"kid": 0.0123, "n": 1000}}
    assert "| kid, held-out, n = 1,000 | 0.0123 |" in checkpoints.readme(card_of(task="gan", metrics=held))


def test_every_score_that_a_readme_has_words_for_is_one_that_is_stored() -> None:
    """All but one row have their number in the card of a checkpoint that is shipped; none has a name of its own."""
    card = checkpoints.read_card(checkpoints.OURS / "cifar10-dcgan")
    stored = card_module._flat(card.metrics["samples"]) | {"pictures": "", "guided": ""}
    later = {
        "fid_infinity_error",
        "accuracy_score_real",
        "accuracy_score_real_trained_on",
        "sampler",
        "steps",
        "guidance",
    }
    for pair in card_module.SCORES.items():
        fields = {name for words in pair for _, name, _, _ in string.Formatter().parse(words) if name}
        assert fields <= stored.keys() | later, pair


def test_stored_predictions_are_those_that_were_stored_bit_by_bit(victim: Path) -> None:
    found = predict.stored("victim")
    assert np.array_equal(found.logits, np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32))
    assert found.labels.dtype == np.int64 and (found.data, found.split, found.views) == ("digits", "test", 1)
    assert np.array_equal(found.predicted, found.logits.argmax(1))
    with pytest.raises(Missing, match="No predictions of victim on test with 6 views"):
        predict.stored("victim", views=6)


def test_a_name_is_looked_up_and_the_known_ones_are_listed(victim: Path) -> None:
    with pytest.raises(Problem, match="Unknown checkpoint 'nobody'; known: other, victim"):
        checkpoints.load("nobody")


@pytest.mark.parametrize(
    "name", ["../secret", "..", ".", "", "/", "a/b", "victim/", "victim/../victim", "VICTIM", "a\0"]
)
def test_a_name_never_becomes_a_path(victim: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(victim, victim.parent.parent / "secret")
    monkeypatch.chdir(victim)
    for use in (checkpoints.load, checkpoints.read_card, checkpoints.folder_of, predict.stored):
        with pytest.raises(Problem, match="is not a name"):
            use(name)
    assert (
        checkpoints.load(victim.parent.parent / "secret", "cpu").card.name == "secret"
    )  # a Path is meant so


# Damage


@pytest.mark.parametrize("file", [checkpoints.WEIGHTS, checkpoints.CONFIG, checkpoints.README])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_a_file_cut_short_is_refused(victim: Path, file: str, share: float) -> None:
    path = victim / file
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(
        "config.json is not a model's card"
        if file == checkpoints.CONFIG
        else f"{file} has .* bytes, expected"
    )


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.999])
def test_one_flipped_byte_anywhere_is_refused(victim: Path, share: float) -> None:
    for file in (checkpoints.WEIGHTS, checkpoints.README):
        path = victim / file
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[int(len(whole) * share)] ^= 0x10
        path.write_bytes(flipped)
        refused(f"{file} was altered: its sha256 is not the manifest's")
        path.write_bytes(whole)
    assert checkpoints.load("victim", "cpu")


def test_a_flipped_byte_loads_silently_without_the_hash(victim: Path) -> None:
    """Why the hash is needed: safetensors itself does not notice."""
    path = victim / checkpoints.WEIGHTS
    flipped = bytearray(path.read_bytes())
    flipped[-5] ^= 0x10
    path.write_bytes(flipped)
    assert len(weights_of(victim)) == 10


@pytest.mark.parametrize(
    "file", [checkpoints.WEIGHTS, checkpoints.MANIFEST, checkpoints.README, checkpoints.CONFIG]
)
def test_a_missing_file_is_refused(victim: Path, file: str) -> None:
    (victim / file).unlink()
    reasons = {
        checkpoints.MANIFEST: "MANIFEST.json cannot be read",
        checkpoints.CONFIG: "Unknown checkpoint|No such",
    }
    refused(reasons.get(file, f"{file} is missing"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"files": 3}',
        '{"files": {}}',
        '{"files": {"a": 3}}',
        "[" * 100_000,
        "\xff\xfe",
    ],
)
def test_a_manifest_that_is_none_is_refused(victim: Path, text: str) -> None:
    (victim / checkpoints.MANIFEST).write_text(text, encoding="latin-1")
    refused("MANIFEST.json cannot be read|manifest does not list|a is missing")


def test_a_manifest_of_another_time_is_refused(victim: Path) -> None:
    """Weights exchanged together with the manifest, but not the card that describes them."""
    rewrite(victim, (victim.parent / "other" / checkpoints.WEIGHTS).read_bytes(), sha256="0" * 64)
    refused("model.safetensors is not the one its card describes")


CARDS = {
    "no object": "[]",
    "not JSON": "{'a': 1}",
    "not UTF-8": "\xff\xfe\xff",
    "nested without end": "[" * 200_000,
    "nested object": '{"a":' * 100_000,
    "only a name": '{"name": "victim"}',
}


@pytest.mark.parametrize("kind", list(CARDS))
def test_a_card_that_is_none_is_refused(victim: Path, kind: str) -> None:
    (victim / checkpoints.CONFIG).write_text(CARDS[kind], encoding="latin-1")
    list_again(victim)
    refused("config.json is not a model's card")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", 3), ("classes", ["one"]), ("classes", [1, 2]), ("classes", "ab" * 99_999), ("mean", [0, 0]),
        ("mean", ["a", "b", "c"]), ("std", [0, 1, 1]), ("std", [-1, 1, 1]), ("std", [float("nan")] * 3),
        ("mean", [float("inf")] * 3), ("temperature", 0), ("temperature", -1), ("temperature", float("inf")),
        ("temperature", float("nan")), ("temperature", "1"), ("threshold", 2), ("threshold", None),
        ("metrics", []), ("metrics", {"test": 3}), ("metrics", {"test": {"accuracy": "all of them"}}),
        ("metrics", {"samples": {"steps": "20"}}), ("metrics", {"samples": {"sampler": 5}}),
        ("metrics", {"samples": {"guidance": [1]}}),
        ("metrics", {"test": {"accuracy": 0.9, "n": "many"}}), ("recipe", "mine"), ("size", 0), ("size", "32"),
        ("model_args", [1]), ("purpose", {"a": 1}), ("schema", 2), ("schema", 0), ("bytes", "big"), ("minutes", []),
        ("classes", None), ("mean", 0.5),
    ],
)  # fmt: skip
def test_a_card_with_a_value_that_cannot_be_is_refused(victim: Path, field: str, value: object) -> None:
    rewrite(victim, **{field: value})
    refused("config.json is not a model's card")


def test_a_card_from_a_later_version_may_say_more(victim: Path) -> None:
    rewrite(victim, favourite_colour="blue")
    assert checkpoints.load("victim", "cpu").card.model == "lenet"


def test_a_folder_with_a_name_that_is_none_is_shown_as_unusable(victim: Path) -> None:
    shutil.copytree(victim, victim.parent / "Bad Name")
    (victim.parent / "empty").mkdir()
    (victim.parent / "a file").write_text("x")
    (victim.parent / f"{files.TEMPORARY}abc").mkdir()
    found = {entry.name: entry.problem for entry in checkpoints.catalogue()}
    assert list(found) == ["Bad Name", "empty", "other", "victim"]
    assert "is not a name" in str(found["Bad Name"])
    assert "config.json is not a model's card" in str(found["empty"])
    assert found["victim"] is None


def test_the_catalogue_sees_what_changes_after_it_has_looked(victim: Path) -> None:
    assert all(entry.card for entry in checkpoints.catalogue())
    path = victim / checkpoints.WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    os.utime(path, ns=(1, 1))
    assert [entry.name for entry in checkpoints.catalogue() if entry.problem] == ["victim"]


def test_an_empty_or_absent_registry_is_an_empty_catalogue(registry: Path) -> None:
    assert checkpoints.catalogue() == []
    registry.mkdir()
    assert checkpoints.catalogue() == []
    with pytest.raises(Problem, match="known: -"):
        checkpoints.load("x")


# Weights of another kind, with hashes that fit


def spoil(weights: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    if how == "NaN":
        weights["head.weight"][3, 4] = torch.nan
    elif how == "infinity":
        weights["conv1.bias"][0] = -torch.inf
    elif how == "too large for float32":
        weights["head.weight"] = weights["head.weight"].double() + 1e300
    elif how == "missing":
        del weights["fc1.bias"]
    elif how == "surplus":
        weights["fc3.weight"] = torch.zeros(2)
    elif how == "misshapen":
        weights["conv2.weight"] = torch.zeros(16, 6, 3, 3)
    elif how == "transposed":
        weights["fc1.weight"] = weights["fc1.weight"].T.contiguous()
    else:
        weights.clear()
    return weights


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("NaN", r"not finite \(NaN or infinity\) in head\.weight"),
        ("infinity", r"not finite \(NaN or infinity\) in conv1\.bias"),
        ("too large for float32", r"not finite \(NaN or infinity\) in head\.weight"),
        ("missing", r"missing fc1\.bias; surplus -; other shapes -"),
        ("surplus", r"missing -; surplus fc3\.weight; other shapes -"),
        ("misshapen", r"other shapes conv2\.weight \(16, 6, 3, 3\), expected \(16, 6, 5, 5\)"),
        ("transposed", r"other shapes fc1\.weight \(400, 120\), expected \(120, 400\)"),
        ("nothing at all", r"missing conv1\.bias, conv1\.weight, conv2\.bias and 7 more"),
    ],
)
def test_weights_that_do_not_fit_are_refused_saying_what_differs(victim: Path, how: str, reason: str) -> None:
    rewrite(victim, safetensors.torch.save(spoil(weights_of(victim), how)))
    refused(reason, listed=False)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"model": "resnet18"}, "does not fit the model: missing bn1"),
        ({"model": "vgg"}, "Unknown model 'vgg'; known: lenet"),
        ({"model": "__import__('os')"}, "Unknown model"),
        ({"classes": ["a", "b", "c"]}, r"head\.weight \(10, 84\), expected \(3, 84\)"),
        ({"model_args": {"depth": 9}}, "lenet cannot be built with {'depth': 9}"),
        ({"model_args": {"classes": 9}}, "lenet cannot be built with"),
        ({"model_args": {"name": "fastnet"}}, "lenet cannot be built with"),
    ],
)
def test_a_card_of_another_architecture_is_refused(victim: Path, card: dict, reason: str) -> None:
    rewrite(victim, **card)
    refused(reason, listed=False)


class Canary:
    """Unpickling one creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def zipped_pickle(path: Path) -> bytes:
    """A .pt file as torch.save writes it, with the canary inside."""
    buffer = io.BytesIO()
    torch.save({"weights": Canary(path)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_pickle_named_safetensors_is_refused_and_runs_no_code(
    victim: Path, form: str, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    evil = pickle.dumps(Canary(canary)) if form == "pickle" else zipped_pickle(canary)
    rewrite(victim, evil)
    refused("model.safetensors is not a safetensors file", listed=False)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists(), "the canary itself does not sing"


@pytest.mark.parametrize("form", ["pickle", "object array", "pickle in the zip"])
def test_a_pickle_among_the_predictions_is_refused_and_runs_no_code(
    victim: Path, form: str, tmp_path: Path
) -> None:
    canary, path = tmp_path / "canary", victim / checkpoints.EVALUATION / "test-1-views.npz"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Canary(canary)))
    else:
        evil = np.empty(20, object)
        evil[:] = Canary(canary)
        buffer = io.BytesIO()
        np.savez(buffer, logits=evil if form == "object array" else np.zeros((20, 10)), labels=evil)
        path.write_bytes(buffer.getvalue())
    list_again(victim)
    with pytest.raises(Problem, match=r"test-1-views\.npz cannot be read"):
        predict.stored("victim")
    assert not canary.exists() and predict.stored("other")
    assert checkpoints.load("victim", "cpu"), "the weights are sound"


def header(entries: dict, size: int | None = None, body: bytes = b"\0" * 64) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def tensor(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 7, b"\xff" * 8, b"\xff" * 64, header({}, 2**63), header({}, 99_000_000_000), header({}, 100),
        header({"a": tensor(0, 32, [8]), "b": tensor(16, 48, [8])}),  # overlapping
        header({"a": tensor(0, 32, [8]), "b": tensor(0, 32, [8])}),  # twice the same bytes
        header({"a": tensor(0, 2**40, [2**38])}), header({"a": tensor(32, 0, [8])}), header({"a": tensor(0, 32, [9])}),
        header({"a": tensor(0, 32, [-8])}), header({"a": tensor(0, 32, [8], "EVIL")}), header({"a": 3}),
        header({"a": tensor(0, 64, [2**33, 2**33, 2**33])}), b"\x08\0\0\0\0\0\0\0[[[[[[[[", b"<html>" * 20,
    ],
)  # fmt: skip
def test_a_hostile_safetensors_header_is_refused(victim: Path, content: bytes) -> None:
    rewrite(victim, content)
    refused("is not a safetensors file", listed=False)


def test_more_weights_than_a_machine_should_read_are_refused_unread(victim: Path, monkeypatch) -> None:
    monkeypatch.setattr(weights, "LARGEST", 100_000)
    with pytest.raises(Problem, match=r"has \d+ bytes; at most 100000 are read"):
        checkpoints.load("victim", "cpu")


# Ways out of the folder


@pytest.mark.parametrize("name", ["../other/config.json", "/etc/hostname", "a/../../other/config.json"])
def test_a_manifest_that_names_files_outside_is_refused(victim: Path, name: str) -> None:
    list_again(victim, **{name: {"bytes": 1, "sha256": "0" * 64}})
    refused("the manifest names .*, outside the folder")


@pytest.mark.parametrize("file", [checkpoints.WEIGHTS, checkpoints.CONFIG, checkpoints.README, "evaluation"])
def test_a_link_that_leads_out_is_refused(victim: Path, file: str) -> None:
    """Though the contents are right: what a link shows can change without the checkpoint."""
    moved = victim.parent.parent / "elsewhere"
    (victim / file).rename(moved)
    (victim / file).symlink_to(moved)
    refused("leads out of its folder")


def test_a_checkpoint_that_is_itself_a_link_out_is_refused(victim: Path) -> None:
    victim.rename(victim.parent.parent / "elsewhere")
    victim.symlink_to(victim.parent.parent / "elsewhere")
    refused("leads out of its folder")


def test_an_evil_readme_and_class_names_are_only_text(victim: Path) -> None:
    evil = "# <script>alert(1)</script>\n![x](file:///etc/passwd) {name} %s {{}} \x00 {0.__class__}"
    (victim / checkpoints.README).write_text(evil)
    refused("README.md has .* bytes|README.md was altered")
    rewrite(victim, classes=[evil, *CLASSES[1:]], purpose=evil)
    card = checkpoints.load("victim", "cpu").card
    assert card.classes[0] == card.purpose == evil
    with pytest.raises(Problem, match="was trained for the classes # <script>"):
        predict.predict_set(checkpoints.load("victim", "cpu"), data.load("digits"))


# Predictions that cannot be


def test_predictions_damaged_at_any_byte_are_right_or_refused(victim: Path) -> None:
    """An archive has checksums of its own, and parts that nobody reads; nothing but a Problem may come out."""
    path, expected = victim / checkpoints.EVALUATION / "test-1-views.npz", predict.stored("victim")
    whole = path.read_bytes()
    refusals = 0
    for where in range(0, len(whole), 7):
        for changed in (whole[:where], whole[:where] + bytes([whole[where] ^ 0x55]) + whole[where + 1 :]):
            path.write_bytes(changed)
            try:
                found = predict.stored("victim")
            except Problem:
                refusals += 1
            else:
                assert np.array_equal(found.logits, expected.logits), where
                assert np.array_equal(found.labels, expected.labels), where
    assert refusals > len(whole) / 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sha256": "0" * 64}, "belongs to other weights of victim; evaluate again"),
        ({"logits": np.zeros((20, 9), np.float32)}, "unexpected shape or values"),
        ({"logits": np.full((20, 10), np.nan, np.float32)}, "unexpected shape or values"),
        ({"labels": np.full(20, 10)}, "a label is out of range"),
        ({"labels": np.full(20, -1)}, "a label is out of range"),
        ({"views": 6}, "about something else than its name says"),
        ({"split": "train"}, "about something else than its name says"),
        ({"fingerprint": np.zeros(3)}, "cannot be read"),
    ],
)
def test_predictions_that_cannot_be_are_refused(victim: Path, change: dict, reason: str) -> None:
    path = victim / checkpoints.EVALUATION / "test-1-views.npz"
    with np.load(path) as found:
        values = {key: found[key] for key in found.files}
    np.savez(path, **values | change)
    with pytest.raises(Problem, match=reason):
        predict.stored("victim")


@pytest.mark.parametrize(
    "means",
    [
        np.zeros((9, 84), np.float32), np.zeros((10, 84)), np.full((10, 84), np.nan, np.float32), np.zeros(3),
        np.array([{"a": 1}]), None,
    ],
)  # fmt: skip
def test_class_means_that_cannot_be_are_refused(victim: Path, means: np.ndarray | None) -> None:
    np.save(victim / checkpoints.CLASS_MEANS, means, allow_pickle=True)
    if means is None:
        (victim / checkpoints.CLASS_MEANS).write_bytes(b"\x93NUMPY")
    list_again(victim)
    refused("class_means.npy cannot be read", listed=False)


def test_class_means_travel_with_the_checkpoint(victim: Path) -> None:
    assert checkpoints.load("victim", "cpu").class_means is None
    np.save(victim / checkpoints.CLASS_MEANS, np.ones((10, 84), np.float32))
    list_again(victim)
    assert (checkpoints.load("victim", "cpu").class_means == 1).all()


def test_a_file_that_unpacks_to_gigabytes_is_refused(victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "LARGEST_PREDICTIONS", 1_000_000)
    path = victim / checkpoints.EVALUATION / "test-1-views.npz"
    np.savez_compressed(path, logits=np.zeros((100_000, 10), np.float32), labels=np.zeros(100_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(Problem, match="more than 1000000 bytes unpacked"):
        predict.stored("victim")


@pytest.mark.parametrize("name", ["../../other/evaluation/test", "TEST", "", "a b"])
def test_a_split_never_becomes_a_path(victim: Path, name: str) -> None:
    with pytest.raises(Problem, match="is not a name"):
        predict.stored("victim", name)
    with pytest.raises(Problem, match="3 views are not offered"):
        predict.stored("victim", views=3)


# Writing


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_could_not_be_loaded_are_not_written(victim: Path, value: float) -> None:
    before, net = state_of(victim), models.build("lenet", 10, seed=5)
    with torch.no_grad():
        net.head.weight[0, 0] = value
    with pytest.raises(Problem, match=r"not finite .* in head\.weight"):
        checkpoints.save(victim, net, card_of())
    with torch.no_grad():
        net.head.weight[0, 0] = 70_000  # float16 ends at 65,504
    with pytest.raises(Problem, match="not finite"):
        checkpoints.save(victim, net, card_of(storage_dtype="float16"))
    assert state_of(victim) == before


def test_an_unknown_storage_type_lists_the_known_ones(registry: Path) -> None:
    with pytest.raises(Problem, match="Unknown storage type 'int4'; known: float16, bfloat16, float32"):
        checkpoints.save(registry / "x", models.build("lenet", 10), card_of(storage_dtype="int4"))
    assert not (registry / "x").exists() and not list(registry.glob(".*"))


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int) -> type[BaseException]:
    """Let the at-th step of writing fail as a killed process would: nothing after it happens, not even cleaning up."""

    class Killed(BaseException):
        pass

    count = 0

    def counted(original):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count >= at:
                raise Killed
            return original(*args, **kwargs)

        return call

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "rename"), (os, "link")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    monkeypatch.setattr(weights, "_exchange", counted(weights._exchange))
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
    monkeypatch.setattr(Path, "unlink", lambda *args, **kwargs: None)
    return Killed


@pytest.mark.parametrize("what", ["save", "update"])
def test_whatever_step_of_writing_is_the_last_the_checkpoint_is_the_old_or_the_new_one(
    victim: Path, what: str
) -> None:
    """Every step of replacing a checkpoint, one after the other."""
    card, net = checkpoints.read_card("victim"), models.build("lenet", 10, seed=9)
    seen = []
    for at in range(1, 60):
        with pytest.MonkeyPatch.context() as patch:
            killed = interrupted(patch, at)
            try:
                if what == "save":
                    checkpoints.save(victim, net, card_of(purpose=f"new {at}"))
                else:
                    checkpoints.update("victim", replace(card, purpose=f"new {at}"), {"more.npz": b"x"})
                over = True
            except killed:
                over = False
        seen.append(checkpoints.load("victim", "cpu").card.purpose.startswith("new"))
        if over:
            break
    assert over and seen[-1] and not seen[0] and len(seen) > 8
    assert [entry.name for entry in checkpoints.catalogue()] == ["other", "victim"]
    assert all(entry.card for entry in checkpoints.catalogue())


def test_where_folders_cannot_be_exchanged_they_are_replaced_all_the_same(victim: Path, monkeypatch) -> None:
    monkeypatch.setattr(weights, "_exchange", lambda a, b: False)
    checkpoints.update("victim", replace(checkpoints.read_card("victim"), purpose="new"))
    assert checkpoints.load("victim", "cpu").card.purpose == "new"
    assert sorted(path.name for path in victim.parent.iterdir()) == ["other", "victim"]


def test_update_keeps_weights_and_predictions_and_leaves_nothing_behind(victim: Path) -> None:
    before = state_of(victim)
    checkpoints.update(
        "victim", replace(checkpoints.read_card("victim"), temperature=1.5), {"evaluation/x.npz": b"1"}
    )
    after = state_of(victim)
    same = {"model.safetensors", "evaluation/test-1-views.npz"}
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["evaluation/x.npz"] == b"1" and after["config.json"] != before["config.json"]
    assert checkpoints.load("victim", "cpu").card.temperature == 1.5
    assert sorted(path.name for path in victim.parent.iterdir()) == ["other", "victim"]


def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Problem, match="Cannot write"):
        checkpoints.save(tmp_path / "file" / "x", models.build("lenet", 10), card_of())


def test_what_is_added_keeps_what_others_added_meanwhile(victim: Path) -> None:
    before = checkpoints.read_card("victim")
    checkpoints.update(
        "victim", replace(before, metrics={"retrieval": {"n": 5}}), {"evaluation/a.json": b"{}"}
    )
    card = checkpoints.add("victim", before, {"evaluation/b.json": b"[]"}, {"test": {"n": 7}})
    assert card.metrics == {"retrieval": {"n": 5}, "test": {"n": 7}} and card == checkpoints.read_card(
        "victim"
    )
    assert (victim / "evaluation/a.json").read_bytes() == b"{}"
    assert (victim / "evaluation/b.json").read_bytes() == b"[]"
    checkpoints.verify(victim)


def test_nothing_is_added_to_other_weights(victim: Path) -> None:
    before = checkpoints.read_card("victim")
    shutil.rmtree(victim)
    checkpoints.save(victim, models.build("lenet", 10, seed=9), card_of())
    with pytest.raises(Problem, match="victim was replaced while it was being measured; nothing was stored"):
        checkpoints.add("victim", before, {"evaluation/b.json": b"[]"})
    assert not (victim / "evaluation/b.json").exists()
    checkpoints.verify(victim)


# What is shipped

SHIPPED = sorted(
    path.parent
    for path in checkpoints.OURS.glob("*/config.json")
    if not path.parent.name.startswith(files.TEMPORARY)
)


# What the pages and the talk speak of: of every data set one of each kind, and a GAN that is told no class.
DRAWS = [f"{of}-{net}" for of in ("digits", "cifar10") for net in ("vae", "dcgan", "dcgan-plain", "ddpm")]
MEASURED = ("fid", "kid", "precision", "recall", "density", "coverage")


def lacking(card: Card) -> list[str]:
    """What a shipped generator's scores lack of what is said of it: all of it where it has none."""
    samples = card.metrics.get("samples", {})
    near, of = samples.get("near", {}), samples.get("reference_n", 0)
    named = f"fid_5k_train{f'{of // 1000}k' if of % 1000 == 0 else of}"
    holds = {key: isinstance(samples.get(key), float) and np.isfinite(samples[key]) for key in MEASURED} | {
        "fid_n": samples.get("fid_n") == 5000 == samples.get("n"),
        "reference": samples.get("reference") == f"{card.data}:train",
        "reference_n": of == {"cifar10": 50_000, "digits": 1438}[card.data],
        "fid_5k_train": samples.get(named, np.nan) == samples.get("fid"),
        "nearest_ratio": isinstance(near.get("nearest_ratio"), float),
        "duplicate_rate": isinstance(near.get("duplicate_rate"), float),
    }
    if card.task == "diffusion":
        holds["sampler"] = samples.get("sampler") in ("ddim", "dpm", "ddpm")
        holds["steps"] = isinstance(samples.get("steps"), int)
        holds["guidance"] = isinstance(samples.get("guidance"), int | float)
    return [name for name, fine in holds.items() if not fine]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_checkpoint_is_small_and_its_readme_is_the_card_s(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 60_000_000
    checkpoints.verify(folder)
    said = (folder / checkpoints.README).read_text(encoding="utf-8")
    assert said == checkpoints.readme(checkpoints.read_card(folder))


@pytest.mark.parametrize("name", DRAWS)
def test_every_generator_is_shipped_scored_and_shown(name: str) -> None:
    card = checkpoints.read_card(checkpoints.OURS / name)
    assert lacking(card) == [] and card.data == name.split("-")[0]
    assert (card.model_args.get("conditional", True), card.model) == ("plain" not in name, name.split("-")[1])
    with Image.open(checkpoints.OURS / name / GRID) as grid:
        assert grid.size == (320, 320), "a column for each class, and ten rows"


def test_the_generators_reach_the_bars() -> None:
    samples = {
        name: checkpoints.read_card(checkpoints.OURS / name).metrics["samples"]
        for name in ("cifar10-dcgan", "cifar10-ddpm")
    }
    assert samples["cifar10-dcgan"]["fid_5k_train50k"] <= 50
    assert samples["cifar10-ddpm"]["fid_5k_train50k"] <= 42 and 20 <= samples["cifar10-ddpm"]["steps"] <= 25


def test_the_samplers_are_those_of_the_shipped_ddpm_and_twenty_steps_are_enough() -> None:
    place = checkpoints.OURS / "cifar10-ddpm"
    found = json.loads((place / samplers.FILE).read_text())
    card = checkpoints.read_card(place)
    assert found["checkpoint_sha256"] == card.sha256
    rows = {(row["sampler"], row["steps"]): row for row in found["rows"]}
    assert rows.keys() == set(samplers.TABLE)
    assert rows["ddim", 20]["fid"] <= rows["ddim", 100]["fid"] + 3
    assert {row["guidance"] for row in rows.values()} == {card.metrics["samples"]["guidance"]}


WHOLE = {
    "n": 5000, "fid": 40.0, "fid_n": 5000, "reference": "cifar10:train", "reference_n": 50_000, "sampler": "dpm",
    "fid_5k_train50k": 40.0, "kid": 0.02, "precision": 0.6, "recall": 0.4, "density": 0.7, "coverage": 0.5,
    "steps": 20, "guidance": 1.0, "near": {"nearest_ratio": 1.2, "duplicate_rate": 0.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []), ({"fid_n": 2000}, ["fid_n"]), ({"reference": "digits:train"}, ["reference"]),
        ({"near": {"nearest_ratio": 1.2}}, ["duplicate_rate"]), ({"sampler": None}, ["sampler"]),
        ({"guidance": None}, ["guidance"]), ({"steps": None}, ["steps"]), ({"kid": None}, ["kid"]),
        ({"coverage": float("nan")}, ["coverage"]), ({"fid_5k_train50k": 39.0}, ["fid_5k_train"]),
        ({"reference_n": 10_000}, ["reference_n", "fid_5k_train"]),
    ],
)  # fmt: skip
def test_the_law_sees_what_is_lacking(change: dict, found: list[str]) -> None:
    card = card_of("ddpm", task="diffusion", data="cifar10")
    assert lacking(replace(card, metrics={"samples": WHOLE | change})) == found


def test_a_generator_without_scores_lacks_them_all() -> None:
    card = card_of("ddpm", task="diffusion", data="cifar10")
    assert set(MEASURED) < set(lacking(card)) == set(lacking(replace(card, metrics={"samples": {}})))
    for key in WHOLE.keys() - {"near"}:
        samples = {of: value for of, value in WHOLE.items() if of != key}
        assert lacking(replace(card, metrics={"samples": samples})), key
