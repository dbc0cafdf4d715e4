"""The extractor: its resize and its folding on their own, then, slowly, all of it against torch-fidelity's."""

import numpy as np
import pytest
import torch
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_isc import isc_features_to_metric

from explorer.analysis import reference
from explorer.analysis.inception import WIDTH, Extractor, check_pictures, fold, identity, resize_matrix
from explorer.analysis.inception_score import inception_score
from explorer.data import inception as source
from explorer.models.pixels import as_pixels
from explorer.text import Problem


def pictures(n: int, height: int = 32, width: int = 32, seed: int = 0) -> np.ndarray:
    """uint8 (n, 3, height, width), smooth enough to be a picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (n, 3, height // 4 + 1, width // 4 + 1))
    fine = coarse.repeat(4, 2).repeat(4, 3)[:, :, :height, :width]
    return (fine + rng.normal(0, 9, fine.shape)).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (28, 40), (1, 2), (299, 299), (310, 7)])
def test_two_matrices_resize_as_tensorflow_1_did(size: tuple[int, int]) -> None:
    x = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (2, 3, *size)).astype(np.float32))
    expected = interpolate_bilinear_2d_like_tensorflow1x(x, (299, 299), align_corners=False)
    vertical, horizontal = map(resize_matrix, size)
    assert (vertical @ (x @ horizontal.T) - expected).abs().max() < 1e-4  # of 255
    assert (vertical.sum(1) - 1).abs().max() < 1e-6


def test_the_usual_resize_is_another_one() -> None:
    """The trap: torch's own, with half-pixel centres, moves FID by points."""
    x = torch.from_numpy(pictures(1).astype(np.float32))
    matrix = resize_matrix(32)
    theirs = torch.nn.functional.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
    assert (matrix @ (x @ matrix.T) - theirs).abs().max() > 10
    usual = resize_matrix(32, half_pixel=True)
    assert (usual @ (x @ usual.T) - theirs).abs().max() < 1e-3  # of 255


def test_a_folded_layer_is_convolution_and_normalisation(monkeypatch) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = torch.nn.BatchNorm2d(4, eps=0.001).eval()
    conv = torch.nn.Conv2d(3, 4, 3, bias=False)
    with torch.no_grad():
        norm.bias.normal_(generator=generator)
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.01, 2, generator=generator)
    monkeypatch.setattr(source, "LAYERS", {"L": ""})
    names = ("bias", "running_mean", "running_var")
    tensors = {f"L.bn.{name}": getattr(norm, name).detach() for name in names}
    kernel, bias = fold(tensors | {"L.conv.weight": conv.weight.detach()})["L"]
    x = torch.randn(2, 3, 8, 8, generator=generator)
    assert torch.allclose(torch.nn.functional.conv2d(x, kernel, bias), norm(conv(x)), atol=1e-5)


def test_weights_version_and_resize_make_the_identity(monkeypatch) -> None:
    monkeypatch.setattr(source, "LAYERS", {"L": ""})
    monkeypatch.setattr(source, "weights", lambda: tensors)
    tensors = {f"L.{part}": torch.ones(4) for part in source.PARTS} | {
        "L.conv.weight": torch.ones(4, 3, 3, 3)
    }
    assert Extractor().identity == identity() == f"{source.SHA256} {source.VERSION}"
    found = {
        Extractor(half_pixel=half, tensors=given).identity
        for half in (True, False)
        for given in (None, tensors)
    }
    assert len(found) == 4 and identity() in found
    monkeypatch.setattr(source, "VERSION", source.VERSION + 1)
    assert Extractor().identity not in found


def test_the_shipped_reference_is_found_by_the_standard_extractor_s_identity() -> None:
    """Of CIFAR-10's training split; its name was made when the project was."""
    shipped = "97b8767b6cdc4514b42f4d1c746992f7886ae4b65c027d5265574d61911fbcc9"
    pictures = "72e18764c9e7f6807d473143e1b9075a0a4a0b468325d51090d4c4da19165353"
    assert reference.key(pictures, identity()) == shipped
    assert (reference.SHIPPED / f"{shipped}.npz").is_file()


HOSTILE = {
    "floats": (np.zeros((2, 3, 8, 8), np.float32), "Expected pictures as uint8"),
    "not finite": (np.full((2, 3, 8, 8), np.nan), "not finite"),
    "whole numbers of 64 bits": (np.zeros((2, 3, 8, 8), np.int64), "Expected pictures as uint8"),
    "channels last": (np.zeros((2, 8, 8, 3), np.uint8), "got shape"),
    "one picture without its axis": (np.zeros((3, 8, 8), np.uint8), "got shape"),
    "grey": (np.zeros((2, 1, 8, 8), np.uint8), "got shape"),
    "none": (np.zeros((0, 3, 8, 8), np.uint8), "at least one picture"),
    "no pixels": (np.zeros((2, 3, 0, 8), np.uint8), "at least one picture"),
    "words": (np.array(["a"]), "Expected pictures as uint8"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_one_sentence(name: str) -> None:
    images, sentence = HOSTILE[name]
    with pytest.raises(Problem, match=sentence):
        check_pictures(images)


def test_rounding_is_even_handed_and_cutting_off_is_not() -> None:
    """The planted fault: truncation darkens every picture by half a level, and wraps what is outside around."""
    signed = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (8, 3, 32, 32)).astype(np.float32))
    exact = (signed.numpy() + 1) * 127.5
    assert abs((as_pixels(signed) - exact).mean()) < 0.01 and np.abs(as_pixels(signed) - exact).max() <= 0.501
    assert (exact.astype(np.uint8) - exact).mean() < -0.45
    assert as_pixels(torch.tensor([[[[1.01, -1.01]]]])).tolist() == [[[[255, 0]]]]


def test_the_inception_score_is_torch_fidelity_s() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (503, 40)).astype(np.float32)
    found = inception_score(logits)
    theirs = isc_features_to_metric(torch.from_numpy(logits))
    assert found.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert found.std == pytest.approx(theirs["inception_score_std"], rel=1e-7) and found.n == 503
    sure = np.where(np.eye(10)[np.arange(100) % 10] > 0, 0.0, -1e5)
    assert inception_score(sure, splits=1).mean == pytest.approx(10)
    assert inception_score(np.zeros((50, 40), np.float32)).mean == pytest.approx(1)
    with pytest.raises(Problem, match="at least 10 pictures"):
        inception_score(logits[:9])


class WithoutLayers(Extractor):
    def __init__(self, fc: torch.Tensor | None):
        self.fc = fc


@pytest.mark.parametrize("fc", [None, torch.zeros(1008, WIDTH)])
def test_without_a_classifier_there_is_no_inception_score(fc: torch.Tensor | None) -> None:
    with pytest.raises(Problem, match="without their classifier"):
        WithoutLayers(fc).logits(np.ones((2, WIDTH), np.float32))
    fc = torch.ones(1008, WIDTH)
    assert WithoutLayers(fc).logits(np.ones((2, WIDTH), np.float32)).shape == (2, 1008)


# With the real weights


@pytest.mark.slow
def test_features_are_torch_fidelity_s(inception: Extractor, their_file) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("it", ["2048"], feature_extractor_weights_path=str(their_file))
    for images in (pictures(9), pictures(2, 48, 28), pictures(1, 299, 299), pictures(1, 310, 5)):
        with torch.no_grad():
            expected = theirs(torch.from_numpy(images))[0].numpy()
        found = inception.features(images)
        assert found.shape == expected.shape and found.dtype == np.float32
        assert np.abs(found - expected).max() < 2e-5 and expected.max() > 1
        assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


@pytest.mark.slow
def test_neighbours_in_a_batch_do_not_matter(inception: Extractor) -> None:
    images, told = pictures(7), []
    whole = inception.features(images, lambda *step: told.append(step[:2]), batch=4)
    assert told == [(4, 7), (7, 7)]
    for batch in (1, 3, 7):
        assert np.abs(inception.features(images, batch=batch) - whole).max() < 1e-5
    backwards = inception.features(images[::-1], batch=4)[::-1]
    assert np.abs(backwards - whole).max() < 1e-5
    as_stored = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(
        0, 3, 1, 2
    )  # a view, as CIFAR-10 is
    assert np.array_equal(inception.features(as_stored, batch=4), whole)
