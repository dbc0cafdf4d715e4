"""The samples: those that are pictures of a data set say which, and are that picture pixel by pixel."""

import numpy as np

from explorer.data import cifar10, load, samples, sheet


def test_a_sample_of_a_data_set_is_the_picture_it_says() -> None:
    known = {int(index): k for k, index in enumerate(sheet.test_indices())}
    named = {}
    for name in samples.SAMPLES:
        found = samples.origin(name)
        if found is None:
            continue
        data, split, index = found
        images = load("cifar10-sheet" if data == "cifar10" else data, split)
        place = known[index] if data == "cifar10" else index
        pixels = np.asarray(samples.sample(name).image).transpose(2, 0, 1)
        assert np.array_equal(pixels, images.images[place])
        named[name] = images.classes[images.labels[place]]
    assert set(cifar10.CLASSES) <= set(named) and all(named[name] == name for name in cifar10.CLASSES)
    assert named["scan-3"] == "3" and named["scan-8"] == "8"


def test_what_is_of_no_data_set_says_so() -> None:
    assert all(
        samples.origin(name) is None for name in ("flower", "temple", "noise", "drawn-7", "drawn-ship")
    )
