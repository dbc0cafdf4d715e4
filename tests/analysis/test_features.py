"""Features: what the layers are, and that what is kept is taken for nothing else, whole or not at all."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer import checkpoints, data, files, models
from explorer.analysis import features, predict, retrieval, vectors
from explorer.analysis.before import before
from explorer.analysis.features import LAYERS, Kept, keep, kept, layers_of
from explorer.analysis.hog import hog
from explorer.data import ImageSet
from explorer.data.augment import normalize
from explorer.text import Problem
from tests.made_up import made_up_generator

CLASSIFIERS = ("lenet", "fastnet", "resnet18", "drn-d-22")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def pictures() -> ImageSet:
    """600 digits: more than two batches."""
    return data.load("digits", "train").take(np.arange(600))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, checkpoints.Loaded]:
    """An untrained lenet and VAE."""
    root, digits = tmp_path_factory.mktemp("checkpoints"), data.load("digits", "test")
    card = checkpoints.Card(
        "mine", "lenet", "digits", digits.classes, digits.mean, digits.std, digits.fingerprint
    )
    checkpoints.save(root / "mine", models.build("lenet", 10, seed=0), card)
    made_up_generator(root)
    return {name: checkpoints.load(root / name, "cpu") for name in ("mine", "digits-vae")}


def test_a_checkpoint_offers_what_its_task_has(loaded) -> None:
    assert layers_of(loaded["mine"].card) == ["pooled", "max", "before", "logits", "pixels", "hog"]
    assert layers_of(loaded["digits-vae"].card) == ["code", "pixels", "hog"]
    assert layers_of(models.spec("ddpm")) == ["pixels", "hog"]
    assert set(LAYERS) == {"pooled", "max", "before", "logits", "code", "pixels", "hog"}
    with pytest.raises(Problem, match="it offers: code, pixels, hog"):
        features.features(loaded["digits-vae"], np.zeros((1, 3, 32, 32), np.uint8), "pooled")


def test_every_layer_makes_finite_rows_and_tells_how_far_it_is(loaded, pictures: ImageSet) -> None:
    for one in loaded.values():
        for layer in layers_of(one.card):
            told: list[tuple[int, int]] = []
            found = features.features(
                one, pictures.images[:300], layer, lambda *step, told=told: told.append(step)
            )
            assert found.dtype == np.float32 and found.shape[0] == 300 and found.std() > 0, layer
            assert told == [(250, 300), (300, 300)], layer
            alone = features.features(one, pictures.images[7:8], layer)
            assert np.allclose(alone[0], found[7], atol=1e-4), layer


def test_the_layers_of_a_net_are_the_stations_of_its_forward(loaded, pictures: ImageSet) -> None:
    one, images = loaded["mine"], pictures.images[:20]
    pooled, logits = (features.features(one, images, layer) for layer in ("pooled", "logits"))
    assert np.allclose(predict.head(one, pooled), logits, atol=1e-5)
    assert np.array_equal(logits, predict.logits(one, images))
    assert np.array_equal(
        features.features(one, images, "pixels").reshape(images.shape) * 255, images.astype(np.float32)
    )


def test_max_pooled_is_the_largest_value_of_each_channel_of_the_last_map(loaded, pictures: ImageSet) -> None:
    one, images = loaded["mine"], pictures.images[:6]
    x = normalize(torch.from_numpy(images), one.card.mean, one.card.std)
    with torch.no_grad():
        expected = one.model.features(x).flatten(2).max(2).values
    found = features.features(one, images, "max")
    assert found.shape == (6, 16) and np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_before_the_last_activation(name: str) -> None:
    """Every net here offers it. What ReLU is given is at most what it makes; fastnet's GELU cuts differently."""
    torch.manual_seed(0)
    model = models.build(name, 10, seed=0).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # some begin as 0, and then nothing is below 0
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        found, pooled = before(model, x), model.embed(x)
    assert found.shape == pooled.shape and (found < -0.2).any() and (pooled >= -0.2).all()
    assert name == "fastnet" or (found <= pooled + 1e-4 * pooled.abs().max()).all()


class Small(nn.Module):
    """1x1 convolution, then what `last` does, then pooling."""

    def __init__(self, last):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 1), last

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    "last", [nn.ReLU(), nn.ReLU(inplace=True), torch.relu, nn.GELU(), lambda x: x.relu_()]
)
def test_before_is_the_mean_of_what_the_activation_is_given(last) -> None:
    model, x = Small(last), torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(before(model, x), model.conv(x).mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("last", [nn.Identity(), torch.tanh, lambda x: x.relu() * 2])
def test_a_net_without_a_relu_there_is_one_sentence(last) -> None:
    with torch.no_grad(), pytest.raises(Problem, match="no activation right before its pooling"):
        before(Small(last), torch.randn(5, 3, 8, 8))


def test_after_relu_strangers_look_more_alike_than_before() -> None:
    """So a cosine means nothing without its layer; digits-fastnet ends in GELU, which cuts off nearly as much."""
    one = checkpoints.load(checkpoints.OURS / "digits-fastnet", "cpu")
    images = data.load("digits", "test").images[:200]
    means = [
        retrieval.random_pairs(features.features(one, images, layer), "cosine").mean()
        for layer in ("pooled", "before")
    ]
    assert means[0] > means[1] + 0.1


def test_hog_is_scikit_images() -> None:
    from skimage.feature import hog as other

    rng = np.random.default_rng(0)
    images = np.concatenate([
        rng.integers(0, 256, (20, 3, 32, 32), np.uint8), data.load("cifar10-sheet").images[:40],
        data.load("digits").images[:20], np.full((1, 3, 32, 32), 7, np.uint8),
    ])  # fmt: skip
    theirs = [
        other(image.transpose(1, 2, 0), 9, (8, 8), (2, 2), "L2-Hys", channel_axis=2) for image in images
    ]
    found = hog(images)
    assert found.shape == (81, 324) and np.abs(found - np.array(theirs)).max() < 1e-6
    assert not found[-1].any()  # one colour has no edges


def test_the_code_is_the_mean_over_the_classes(loaded, pictures: ImageSet) -> None:
    from explorer.analysis.codes import code_of

    one = loaded["digits-vae"]
    found = features.features(one, pictures.images[:1], "code")[0]
    assert np.allclose(found, np.mean([code_of(one, pictures.images[0], k) for k in range(10)], 0), atol=1e-5)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 3, 16, 16), np.uint8), np.zeros((2, 3, 32, 32)), np.zeros((0, 3, 32, 32), np.uint8)],
)
def test_other_pictures_are_one_sentence(loaded, images: np.ndarray) -> None:
    for layer in ("pooled", "pixels", "hog"):
        with pytest.raises(Problem, match="Expected"):
            features.features(loaded["mine"], images, layer)


def test_features_that_are_not_finite_are_refused(loaded, pictures: ImageSet, monkeypatch) -> None:
    broken = dataclasses.replace(
        LAYERS["pixels"], make=lambda one, images, _: np.full((len(images), 2), np.nan, np.float32)
    )
    monkeypatch.setitem(vectors.LAYERS, "pixels", broken)
    with pytest.raises(Problem, match="not finite"):
        keep(loaded["mine"], pictures, "pixels")
    assert not list((data.data_root() / "features").glob("*"))


# Kept ---------------------------------------------------------------------------------------------


def test_what_is_kept_is_what_was_computed(loaded, pictures: ImageSet) -> None:
    one = loaded["mine"]
    assert kept(one.card, pictures) is None
    told = []
    made = keep(one, pictures, on_step=lambda *step: told.append(step))
    assert told == [(250, 600), (500, 600), (600, 600)]
    assert np.array_equal(made.vectors, features.features(one, pictures.images))
    assert isinstance(made.vectors, np.memmap) and not made.vectors.flags.writeable
    assert made.checkpoint_sha256 == one.card.sha256 and made.fingerprint == pictures.fingerprint
    assert (made.n, made.dimension, made.layer, made.data, made.split) == (
        600,
        84,
        "pooled",
        "digits",
        "train",
    )
    for of in (pictures, pictures.fingerprint):
        again = kept(one.card, of)
        assert isinstance(again, Kept) and np.array_equal(again.vectors, made.vectors)
    other = pictures.take(np.arange(599))
    assert kept(one.card, other) is None and kept(one.card, pictures, "logits") is None
    assert kept(dataclasses.replace(one.card, sha256="1" * 64), pictures) is None


def test_without_a_net_all_checkpoints_share_one_file(loaded, pictures: ImageSet) -> None:
    keep(loaded["mine"], pictures, "hog")
    found = kept(loaded["digits-vae"].card, pictures, "hog")
    assert found is not None and (found.checkpoint, found.checkpoint_sha256) == ("", "")


@pytest.mark.parametrize("key", ["checkpoint_sha256", "fingerprint", "layer"])
def test_what_belongs_to_something_else_is_refused(loaded, pictures: ImageSet, key: str) -> None:
    one = loaded["mine"]
    keep(one, pictures)
    card = features.path(one.card.sha256, pictures.fingerprint, "pooled").with_suffix(".json")
    files.write_json(card, files.read_json(card) | {key: "another"})
    with pytest.raises(Problem, match=f"belongs to another {key}: 'another'"):
        kept(one.card, pictures)


@pytest.mark.parametrize("how", ["flipped", "short", "absent", "card", "no card", "list", "fewer"])
def test_what_is_damaged_is_as_if_absent_and_made_anew(loaded, pictures: ImageSet, how: str) -> None:
    one = loaded["mine"]
    keep(one, pictures)
    place = features.path(one.card.sha256, pictures.fingerprint, "pooled")
    card, content = place.with_suffix(".json"), place.read_bytes()
    if how == "flipped":
        place.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif how == "short":
        place.write_bytes(content[:-4])
    elif how == "absent":
        place.unlink()
    elif how == "card":
        card.write_bytes(card.read_bytes()[:-20])
    elif how == "no card":
        card.unlink()
    elif how == "list":
        card.write_text("[]")
    else:
        files.write_json(card, files.read_json(card) | {"n": 599})
    assert kept(one.card, pictures) is None
    assert np.array_equal(keep(one, pictures).vectors, np.load(place))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Problem])
def test_an_interruption_leaves_nothing(loaded, pictures: ImageSet, stop) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 500:
            raise stop("Stopped.")

    with pytest.raises(stop):
        keep(loaded["mine"], pictures, on_step=interrupt)
    assert not list((data.data_root() / "features").iterdir())


def test_a_folder_that_cannot_be_written_is_one_sentence(loaded, pictures: ImageSet) -> None:
    data.data_root().mkdir(parents=True)
    (data.data_root() / "features").write_text("a file in the folder's place")
    with pytest.raises(Problem, match="Cannot write"):
        keep(loaded["mine"], pictures)


def test_strangers_keep_nothing(loaded, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    with pytest.raises(Problem, match="public"):
        keep(loaded["mine"], pictures)
    found = features.at_hand(loaded["mine"], pictures)  # few enough to compute on the spot, for whoever asks
    assert found.n == 600 and not data.data_root().exists()
    monkeypatch.setattr(features, "SMALL", 599)
    assert features.at_hand(loaded["mine"], pictures) is None


def test_the_sheet_stands_in_for_cifar10(loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dataclasses.replace(loaded["mine"].card, data="cifar10")
    monkeypatch.setattr(features, "available", lambda name: False)
    found = features.gallery(card)
    assert (found.name, found.split, len(found)) == ("cifar10-sheet", "test", 500)
    assert features.gallery(card, "digits", "test").name == "digits"
    assert features.gallery(loaded["mine"].card).name == "digits"
    with pytest.raises(Problem):
        features.gallery(card, "absent")


def test_the_card_of_what_is_kept_is_plain_json(loaded, pictures: ImageSet) -> None:
    keep(loaded["mine"], pictures)
    place = features.path(loaded["mine"].card.sha256, pictures.fingerprint, "pooled")
    found = json.loads(place.with_suffix(".json").read_text())
    assert found["checkpoint"] == "mine" and len(found["sha256"]) == 64 and found["created"].endswith("Z")
