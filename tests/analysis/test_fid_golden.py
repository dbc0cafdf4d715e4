"""All of it on real pictures: torch-fidelity's published values, and its values on small sets that were stored.

The pictures are those of torch-fidelity's tests: utils/util_dump_dataset_as_images.py draws them with
RandomState(2020).choice, each split anew, and names the files by index, so that they are read in ascending order.
"""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from explorer import data
from explorer.analysis import scores
from explorer.analysis.fid import fid, fid_infinity, statistics
from explorer.analysis.inception import Extractor
from explorer.analysis.kid import kid
from explorer.analysis.manifold import manifold

pytestmark = pytest.mark.slow
# Precision and recall of 5,000 pictures of either split in Inception's features, k = 3.
GOLDEN = (0.6788, 0.6990)
# Of 600 pictures of either split, and of 600 train pictures against themselves blurred: FID, KID, precision, recall.
STORED = {"test": (68.00873, -3.0791e-5, 0.7000, 0.6967), "blurred": (92.46042, 0.0364732, 0.8783, 0.8250)}


def drawn(split: str, count: int) -> np.ndarray:
    """uint8 (count, 3, 32, 32): torch-fidelity's subset of a split of CIFAR-10."""
    images = data.load("cifar10", split).images
    return images[np.sort(np.random.RandomState(2020).choice(len(images), count, replace=False))]


def blurred(images: np.ndarray) -> np.ndarray:
    """The rounded mean of 3x3 pixels, in whole numbers: the same on every machine."""
    padded = np.pad(images.astype(np.int64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    total = sum(padded[:, :, top : top + 32, left : left + 32] for top in range(3) for left in range(3))
    return ((total + 4) // 9).astype(np.uint8)


def scores_of(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Ours, of two sets of features; subsets of 1,000 or all."""
    kernel, shape = kid(a, b), manifold(a, b)
    return {
        "fid": fid(statistics(a), statistics(b)).raw,
        "kid": kernel.mean,
        "precision": shape.precision,
        "recall": shape.recall,
    }


def theirs_of(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """torch-fidelity's, of the same features, in float32 as it comes."""
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    sides = fid_features_to_statistics(a), fid_features_to_statistics(b)
    kernel = kid_features_to_metric(a, b, kid_subset_size=min(1000, len(a), len(b)), verbose=False)
    shape = prc_features_to_metric(a, b, verbose=False)
    return {
        "fid": fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"],
        "kid": kernel["kernel_inception_distance_mean"],
        "precision": shape["precision"],
        "recall": shape["recall"],
    }


def test_torch_fidelity_s_published_values_come_out(cifar10: None, inception: Extractor) -> None:
    """5,000 pictures of either split, 8 minutes on two cores.

    tests/torch_versions_ge_1_13_0/test_versions.py there: FID 10.32333, KID -2.907863e-05. The precision 0.6852 and
    recall 0.6908 beside them are of VGG16's features, which torch-fidelity takes for these two unless told otherwise
    (`DEFAULT_FEATURE_EXTRACTOR` in its utils.py); so of Inception's its functions are asked here, and ours are stored.
    The test pictures come as B of the command `score`: its KID is of the same subsets as torch-fidelity's.
    """
    train = inception.features(drawn("train", 5000))
    test = scores.against_pictures(drawn("test", 5000), "test", inception).features
    found, theirs = scores_of(train, test), theirs_of(train, test)
    limit = fid_infinity(test, statistics(train))
    print(f"golden: {found}, torch-fidelity on these features: {theirs}, limit {limit}")
    assert found["fid"] == pytest.approx(10.32333, abs=1e-2)
    assert found["kid"] == pytest.approx(-2.907863e-05, abs=1e-5)
    assert kid(train, test).std == pytest.approx(1.023118e-4, abs=2e-6)
    assert found["precision"] == pytest.approx(theirs["precision"], abs=1e-3)
    assert found["recall"] == pytest.approx(theirs["recall"], abs=1e-3)
    assert (found["precision"], found["recall"]) == pytest.approx(GOLDEN, abs=1e-3)
    values = [value for _, value in limit.curve]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(found["fid"], rel=1e-9)
    assert 0 < limit.value < found["fid"], "the reference is small as well: its own bias stays"


def test_small_sets_and_blurred_pictures_score_as_torch_fidelity_has_it(
    cifar10: None, inception: Extractor, their_file
) -> None:
    """2 x 600 pictures: train against test, where KID is near 0, and against blurred train, where it is far from 0.

    The features are ours; that they are torch-fidelity's is shown on some of the very same pictures.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = drawn("train", 600)
    train, test, blur = map(inception.features, (images, drawn("test", 600), blurred(images)))
    extractor = FeatureExtractorInceptionV3("it", ["2048"], feature_extractor_weights_path=str(their_file))
    for ours, pictures in ((train, images), (blur, blurred(images))):
        with torch.no_grad():
            expected = extractor(torch.from_numpy(np.ascontiguousarray(pictures[:32])))[0].numpy()
        assert np.abs(ours[:32] - expected).max() < 2e-5
    for name, other in (("test", test), ("blurred", blur)):
        found, theirs = scores_of(train, other), theirs_of(train, other)
        assert found["fid"] == pytest.approx(STORED[name][0], abs=1e-2)
        assert found["kid"] == pytest.approx(STORED[name][1], abs=1e-5)
        assert (found["precision"], found["recall"]) == pytest.approx(STORED[name][2:], abs=3 / 600)
        print(f"2 x 600: {found}, torch-fidelity {theirs}")
        assert found["fid"] == pytest.approx(
            theirs["fid"], rel=1e-4
        )  # theirs loses digits: singular covariances
        assert found["kid"] == pytest.approx(theirs["kid"], abs=5e-6)  # theirs adds in float32
        assert found["precision"] == pytest.approx(theirs["precision"], abs=1.5 / 600)
        assert found["recall"] == pytest.approx(theirs["recall"], abs=1.5 / 600)
    assert scores_of(train, blur)["kid"] > 0.01 > abs(scores_of(train, test)["kid"])
