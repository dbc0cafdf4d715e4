"""Drawing by seeds: a seed names a picture, whatever else is drawn beside it and in how many processes."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import checkpoints, data, models
from explorer.analysis import sampling
from explorer.checkpoints import Card
from explorer.text import Problem

TINY = {
    "vae": {"width": 16, "latent": 8},
    "dcgan": {"width": 16},
    "ddpm": {"widths": [16, 32]},
}


def made(root: Path, model: str, **args: object) -> checkpoints.Loaded:
    """An untrained generator of digits, loaded as any other checkpoint. Its last layers are set so that it draws."""
    digits = data.load("digits", "test")
    arguments = TINY[model] | args
    net = models.build(model, 10, seed=1, **arguments)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():  # layers that begin at zero would draw nothing
                parameter.normal_(0, 0.05)
    card = Card(
        f"tiny-{model}", model, "digits", digits.classes, digits.mean, digits.std, data_fingerprint="0" * 64,
        task=models.spec(model).task, model_args=arguments,
    )  # fmt: skip
    checkpoints.save(root / card.name, net, card)
    return checkpoints.load(root / card.name, "cpu")


@pytest.fixture(params=list(TINY))
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> checkpoints.Loaded:
    return made(tmp_path, request.param)


def options(loaded: checkpoints.Loaded, **asked: object) -> dict:
    return sampling.options_for(loaded, **({"steps": 3} | asked if loaded.card.task == "diffusion" else {}))


def test_a_seed_is_a_picture_whatever_else_is_drawn(loaded: checkpoints.Loaded, one_thread: None) -> None:
    seeds = np.arange(65)
    first = sampling.draw(loaded, seeds, **options(loaded))
    assert first.images.shape == (65, 3, 32, 32) and first.images.dtype == np.uint8 and first.images.std() > 1
    again = sampling.draw(loaded, seeds, **options(loaded))
    assert np.array_equal(first.images, again.images), "the same batch and threads: the same bits"
    for batch in (1, 7):
        other = sampling.draw(loaded, seeds[:14], batch=batch, **options(loaded))
        gap = np.abs(other.images.astype(int) - first.images[:14])
        assert gap.max() <= 1 and (gap > 0).mean() <= 1e-3
    shuffled = sampling.draw(loaded, seeds[::-1], **options(loaded))
    gap = np.abs(shuffled.images[::-1].astype(int) - first.images)
    assert gap.max() <= 1 and (gap > 0).mean() <= 1e-3
    assert len({image.tobytes() for image in first.images}) == 65, "another seed, another picture"


def test_classes_come_in_turn_or_as_asked(loaded: checkpoints.Loaded) -> None:
    found = sampling.draw(loaded, [5, 12, 20], **options(loaded))
    assert found.labels.tolist() == [5, 2, 0]
    assert sampling.draw(loaded, [5, 12], wanted=7, **options(loaded)).labels.tolist() == [7, 7]
    with pytest.raises(Problem, match="0 to 9"):
        sampling.draw(loaded, [1], wanted=10, **options(loaded))


def test_the_label_changes_the_picture(loaded: checkpoints.Loaded) -> None:
    one, other = (sampling.draw(loaded, [3], wanted=k, **options(loaded)).images for k in (0, 1))
    assert not np.array_equal(one, other)


def test_progress_counts_steps(loaded: checkpoints.Loaded) -> None:
    told = []
    sampling.draw(loaded, np.arange(5), batch=2, on_step=lambda *each: told.append(each), **options(loaded))
    total = 15 if loaded.card.task == "diffusion" else 5
    assert told[-1] == (total, total) and all(a < b for (a, _), (b, _) in pairwise(told))


@pytest.mark.parametrize("model", ["dcgan", "ddpm"])
def test_what_was_trained_without_labels_knows_no_classes(tmp_path: Path, model: str) -> None:
    loaded = made(tmp_path, model, conditional=False)
    assert sampling.draw(loaded, [1, 2], **options(loaded)).labels.tolist() == [-1, -1]
    with pytest.raises(Problem, match="without labels"):
        sampling.draw(loaded, [1], wanted=3)
    with pytest.raises(Problem, match="nothing to guide by" if model == "ddpm" else "for diffusion models"):
        sampling.options_for(loaded, guidance=1.5)


def test_what_never_was_without_its_label_is_not_guided(tmp_path: Path) -> None:
    loaded = made(tmp_path, "ddpm")
    loaded.card = dataclasses.replace(loaded.card, recipe={"label_drop": 0.0})
    assert sampling.options_for(loaded, guidance=1.0)["guidance"] == 1
    for guidance in (0.0, 1.5):
        with pytest.raises(Problem, match="never trained without labels"):
            sampling.options_for(loaded, guidance=guidance)
    loaded.card = dataclasses.replace(loaded.card, recipe={"label_drop": 0.1})
    assert sampling.options_for(loaded, guidance=1.5)["guidance"] == 1.5


def test_options_are_the_card_s_and_what_is_asked_for_goes_first(tmp_path: Path) -> None:
    loaded = made(tmp_path, "ddpm")
    assert sampling.options_for(loaded) == sampling.DEFAULTS
    loaded.card = dataclasses.replace(
        loaded.card, metrics={"samples": {"sampler": "ddim", "guidance": 1.5, "n": 9}}
    )
    assert sampling.options_for(loaded, steps=7) == {"sampler": "ddim", "steps": 7, "guidance": 1.5}
    with pytest.raises(Problem, match="between 0 and 20"):
        sampling.options_for(loaded, guidance=-1)
    with pytest.raises(Problem, match="for diffusion models"):
        sampling.options_for(made(tmp_path, "vae"), steps=5)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"sampler": "euler"}, "Unknown sampler"), ({"steps": 0}, "1 to 1000")]
)
def test_a_sampler_that_is_not_there_is_one_sentence(tmp_path: Path, wrong: dict, words: str) -> None:
    loaded = made(tmp_path, "ddpm")
    with pytest.raises(Problem, match=words):
        sampling.draw(loaded, [1], **(sampling.DEFAULTS | wrong))
    with pytest.raises(Problem, match=words):
        sampling.options_for(loaded, **wrong)
    with pytest.raises(Problem, match="1 to 1000 steps, not 1000000"):
        sampling.options_for(loaded, "dpm", 10**6)


def test_seeds_that_are_none_are_refused(tmp_path: Path) -> None:
    loaded = made(tmp_path, "vae")
    for wrong in ([], [-1], [[1]]):
        with pytest.raises(Problem, match="at least one seed"):
            sampling.draw(loaded, wrong)


def test_a_classifier_draws_nothing() -> None:
    with pytest.raises(Problem, match="draws no pictures"):
        sampling.draw(checkpoints.load("digits-fastnet", "cpu"), [1])
