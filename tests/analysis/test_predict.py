"""Views and embeddings against what they are made of, with nets that were never trained."""

import numpy as np
import pytest
import torch

from explorer import models
from explorer.analysis import predict
from explorer.checkpoints import Card, Loaded
from explorer.text import Problem

CLASSES = tuple("abcdefghij")


def untrained(model: str) -> Loaded:
    card = Card("toy", model, "toy", CLASSES, (0.5,) * 3, (0.25,) * 3, "f")
    net = models.build(model, 10, seed=0).eval()
    return Loaded(card, net, torch.device("cpu"), torch.float32)


def pictures(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize("model", ["lenet", "fastnet", "resnet18"])
@pytest.mark.parametrize("views", [1, 2])
def test_the_head_makes_logits_of_embeddings(model, views):
    loaded, images = untrained(model), pictures()
    found = predict.head(loaded, predict.embeddings(loaded, images, views))
    assert found == pytest.approx(predict.logits(loaded, images, views), abs=1e-4)


def test_several_views_at_once_are_those_one_by_one():
    loaded, images = untrained("lenet"), pictures()
    together = predict.logits_by_views(loaded, images, (1, 2, 6), batch=4)
    for views, found in together.items():
        assert np.array_equal(found, predict.logits(loaded, images, views, batch=4)), views
    with pytest.raises(Problem, match="3 views are not offered"):
        predict.logits_by_views(loaded, images, (1, 3))


@pytest.mark.parametrize("views", [0, 3, 7])
def test_views_that_are_not_offered_are_one_sentence(views) -> None:
    for run in (predict.logits, predict.embeddings):
        with pytest.raises(Problem, match=f"{views} views are not offered; use one of 1, 2, 6"):
            run(untrained("lenet"), pictures(), views)


def test_six_views_are_weighted_as_in_airbench():
    """The picture and its mirror image count 1/4 each, the mean of every moved pair 1/4 (Jordan 2024)."""
    loaded, images = untrained("lenet"), pictures(2)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    shares = [(images, 1 / 4), (padded[..., :32, :32], 1 / 8), (padded[..., 2:, 2:], 1 / 8)]
    expected = sum(
        share * (predict.logits(loaded, part) + predict.logits(loaded, part[..., ::-1]))
        for part, share in shares
    )
    assert predict.logits(loaded, images, 6) == pytest.approx(expected, abs=1e-5)
