"""The digits: every page and test stands on them."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from explorer import data


@pytest.fixture(scope="module")
def splits() -> dict[str, data.ImageSet]:
    return {split: data.load("digits", split) for split in ("train", "test")}


def test_all_scans_are_there_once_split_80_to_20_in_every_class(splits) -> None:
    train, test = splits["train"], splits["test"]
    assert (len(train), len(test)) == (1438, 359)
    for digit in range(10):
        share = (test.labels == digit).sum() / ((test.labels == digit).sum() + (train.labels == digit).sum())
        assert abs(share - 0.2) < 0.005


def test_the_pictures_are_the_scans_enlarged_four_times(splits) -> None:
    """Taking every fourth pixel gives scikit-learn's numbers back, with their labels, each exactly once."""
    scans, labels = load_digits(return_X_y=True)
    expected = sorted((scan.astype(np.uint8).tobytes(), int(label)) for scan, label in zip(scans, labels))
    found = []
    for part in splits.values():
        grey = part.images[:, 0]
        assert (part.images == grey[:, None]).all(), "the three channels differ"
        blocks = grey.reshape(-1, 8, 4, 8, 4)
        assert (blocks == blocks[:, :, :1, :, :1]).all(), "blurred"
        small = np.rint(blocks[:, :, 0, :, 0] / 255 * 16).astype(np.uint8)
        found += [(picture.tobytes(), int(label)) for picture, label in zip(small, part.labels)]
    assert sorted(found) == expected


def test_both_splits_are_normalised_by_the_train_split(splits) -> None:
    train, test = splits["train"], splits["test"]
    assert train.mean == test.mean and train.std == test.std
    assert np.isclose(train.mean[0], train.images.mean() / 255)
    assert np.isclose(train.std[0], train.images.std() / 255)


def test_the_split_is_the_same_on_every_machine(splits) -> None:
    """Written down once: another numpy or scikit-learn that changes it would make shipped numbers wrong."""
    assert splits["train"].fingerprint.startswith("041d658343315c11")
    assert splits["test"].fingerprint.startswith("3178a5896493f94d")
