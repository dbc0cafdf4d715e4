"""Classification accuracy score: a classifier that has seen drawn pictures only, tested on real ones (Ravuri and
Vinyals 2019, arXiv 1905.10887). It answers whether drawn pictures help a classifier, which FID does not. It is read
beside what as many real pictures give, which is trained once a machine.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer import files
from explorer.analysis import together
from explorer.data import ImageSet, data_root, stratified
from explorer.data.imageset import fingerprint
from explorer.text import Problem
from explorer.training.fabric import make_fabric
from explorer.training.loop import fit
from explorer.training.recipes import Recipe, fitted, make_recipe
from explorer.training.supervised import Supervised

MODEL, RECIPE, EPOCHS = "fastnet", "fastnet", 20
FEWEST = 100
VERSION = 1  # of what is kept of real pictures; goes up when the same recipe comes to train otherwise
Step = Callable[[int, int], None]  # (steps done, of how many)


@dataclass(frozen=True)
class AccuracyScore:
    """accuracy: on the real test pictures, n of them, of a net trained on `trained_on` pictures for `epochs` epochs"""

    accuracy: float
    n: int
    trained_on: int
    epochs: float
    model: str = MODEL


def accuracy_score(
    images: np.ndarray,
    labels: np.ndarray,
    test: ImageSet,
    epochs: float = EPOCHS,
    seed: int = 0,
    device: str = "auto",
    on_step: Step | None = None,
) -> AccuracyScore:
    """Train `fastnet` on pictures uint8 (N, 3, 32, 32) with the labels they were asked for, and test it on `test`.

    Nothing is chosen on the test pictures: the last step counts. Raises Problem for pictures without labels.
    """
    if len(images) < FEWEST or labels.shape != (len(images),) or labels.min() < 0:
        raise Problem(
            "An accuracy score needs at least {n} pictures, each with the label it was drawn for.", n=FEWEST
        )
    if images.shape[1:] != test.images.shape[1:]:
        raise Problem(
            "The pictures are {found}, the test pictures {expected}.",
            found=images.shape[1:],
            expected=test.images.shape[1:],
        )
    drawn = ImageSet(
        "drawn", "train", images, labels.astype(np.int64), test.classes, test.mean, test.std,
        fingerprint(images, labels.astype(np.int64), test.classes),
    )  # fmt: skip
    return _trained(drawn, test, _recipe(len(images), test, epochs), seed, device, on_step)


def real_accuracy(
    train: ImageSet,
    test: ImageSet,
    count: int,
    epochs: float = EPOCHS,
    seed: int = 0,
    device: str = "auto",
    on_step: Step | None = None,
) -> AccuracyScore:
    """The same of `count` real training pictures, about the same share of every class, or of all where there are fewer.

    Kept on disk, so that it is trained once a machine.
    """
    if count < len(train):
        _, chosen = stratified(train.labels, count / len(train), seed)
        train = train.take(chosen, "train")
    recipe = _recipe(len(train), test, epochs)
    path = _kept_at(train, test, recipe, seed)
    found = together.of_first(lambda: _kept(path))
    if found is None:
        found = _trained(train, test, recipe, seed, device, on_step)
        if together.join()[0] == 0:
            with contextlib.suppress(
                Problem
            ):  # a full disk costs the next score a training, not this one its work
                files.write_json(path, dataclasses.asdict(found))
    return found


def _recipe(count: int, test: ImageSet, epochs: float) -> Recipe:
    """How `count` pictures are trained on: the same for drawn ones and for real ones."""
    flip = "none" if test.name == "digits" else "alternating"  # a mirrored 3 is no digit
    recipe = make_recipe(RECIPE, {"holdout": "0", "flip": flip}, epochs=epochs)
    recipe = fitted(recipe, count, ("holdout",))
    _, world = together.join()
    return dataclasses.replace(recipe, batch=max(recipe.batch // world, 1) * world)  # shared out evenly


def _trained(
    pictures: ImageSet, test: ImageSet, recipe: Recipe, seed: int, device: str, on_step: Step | None
) -> AccuracyScore:
    task = Supervised(make_fabric(MODEL, device), MODEL, recipe, seed, pictures)
    for progress in fit(task, recipe.batch):
        if on_step:
            on_step(progress.step, progress.total)
    task.held = test
    return AccuracyScore(task.evaluate()["accuracy"], len(test), len(pictures), recipe.epochs)


def _kept_at(train: ImageSet, test: ImageSet, recipe: Recipe, seed: int) -> Path:
    """Where it lies, or would lie, what this recipe reaches with these pictures."""
    asked = [VERSION, MODEL, train.fingerprint, test.fingerprint, dataclasses.asdict(recipe), seed]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    return data_root() / "accuracy" / f"{key}.json"


def _kept(path: Path) -> AccuracyScore | None:
    """What was kept; None when nothing was, or something else."""
    with contextlib.suppress(TypeError):
        found = AccuracyScore(**files.read_json(path))
        if isinstance(found.accuracy, float) and 0 <= found.accuracy <= 1:
            return found
    return None
