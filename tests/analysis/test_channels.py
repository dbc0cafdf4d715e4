"""Channels of a layer: equal to a hook's, the strongest pictures by hand, what a cell looks at, nothing left behind."""

import threading

import numpy as np
import pytest
import torch

from explorer import checkpoints, data
from explorer.analysis import cam, channels, layers
from explorer.data.augment import normalize
from explorer.text import Problem


@pytest.fixture(scope="module")
def loaded() -> checkpoints.Loaded:
    return checkpoints.load("digits-fastnet")


@pytest.fixture(scope="module")
def digits() -> data.ImageSet:
    return data.load("digits", "test")


def hooked(loaded: checkpoints.Loaded, images: np.ndarray, layer: str) -> torch.Tensor:
    """The layer's output, by torch's own means."""
    kept = []
    handle = loaded.model.get_submodule(layer).register_forward_hook(lambda *parts: kept.append(parts[2]))
    try:
        with torch.no_grad():
            loaded.model(normalize(torch.from_numpy(images.copy()), loaded.card.mean, loaded.card.std))
    finally:
        handle.remove()
    return kept[0]


@pytest.mark.parametrize("layer", ["groups.0", "groups.2"])
def test_activations_are_what_the_layer_puts_out(loaded, digits, layer: str) -> None:
    made = channels.activations(loaded, digits.images[3], layer)
    expected = hooked(loaded, digits.images[3:4], layer)[0].numpy()
    assert made.shape == expected.shape and np.allclose(made, expected, atol=1e-5)


def test_the_strongest_cell_of_every_picture_whatever_the_batch(loaded, digits) -> None:
    images, steps = digits.images[: channels.BATCH + 7], []
    found = channels.strongest(loaded, images, "groups.1", lambda done, total: steps.append((done, total)))
    assert steps == [(channels.BATCH, len(images)), (len(images), len(images))]
    for k in (0, channels.BATCH - 1, channels.BATCH + 6):
        assert np.allclose(
            found[k], channels.activations(loaded, images[k], "groups.1").max((1, 2)), atol=1e-4
        )
    with pytest.raises(Problem, match="no pictures"):
        channels.strongest(loaded, images[:0], "groups.1")


def test_a_cell_looks_only_at_what_its_receptive_field_holds(loaded, digits) -> None:
    field = layers.receptive_fields(loaded.card.model)["groups.0"]
    looked = channels.looked_at(loaded, digits.images[0], "groups.0", 0, 0)
    left, top, right, bottom = field.box(0, 0, 32)
    assert (right, bottom) != (32, 32)  # the test would prove nothing otherwise
    inside = looked[top:bottom, left:right]
    assert looked.shape == (32, 32) and (looked >= 0).all() and inside.max() > 0
    assert looked.sum() == pytest.approx(inside.sum())


def test_what_moves_a_cell_is_its_gradient(loaded, digits) -> None:
    """A small change of the pixel it looks at most changes the cell by as much as the gradient says."""
    image, layer, cell = digits.images[5], "groups.2", (1, 2)
    looked = channels.looked_at(loaded, image, layer, *cell)
    row, column = np.unravel_index(looked.argmax(), looked.shape)
    x = normalize(torch.from_numpy(image[None].copy()), loaded.card.mean, loaded.card.std).double()
    model = loaded.model.double()
    try:
        kept = []
        handle = model.get_submodule(layer).register_forward_hook(lambda *parts: kept.append(parts[2]))
        with torch.no_grad():
            for channel in range(3):
                for step in (1e-4, -1e-4):
                    moved = x.clone()
                    moved[0, channel, row, column] += step
                    model(moved)
        handle.remove()
        sums = [made[0, :, *cell].sum().item() for made in kept]
    finally:
        loaded.model.float()
    slopes = np.array([(sums[k] - sums[k + 1]) / 2e-4 for k in (0, 2, 4)])
    assert np.linalg.norm(slopes) == pytest.approx(looked[row, column], rel=1e-3)


def test_nothing_is_left_behind_and_a_cell_that_is_not_there_is_refused(loaded, digits) -> None:
    before = cam.explain(loaded, digits.images[:1], "cam").raw
    with pytest.raises(Problem, match="not on a map of 4x4"):
        channels.looked_at(loaded, digits.images[0], "groups.2", 4, 0)
    with pytest.raises(Problem, match="known are"):
        channels.looked_at(loaded, digits.images[0], "nope", 0, 0)
    for module in loaded.model.modules():
        assert not module._forward_hooks
    assert all(p.grad is None and not p.requires_grad for p in loaded.model.parameters())
    free: list[bool] = []

    def try_lock() -> None:
        free.append(loaded.lock.acquire(blocking=False))
        if free[0]:
            loaded.lock.release()

    thread = threading.Thread(target=try_lock)
    thread.start()
    thread.join()
    assert free == [True]
    assert np.array_equal(before, cam.explain(loaded, digits.images[:1], "cam").raw)
