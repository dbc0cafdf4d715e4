"""Classification accuracy score: a classifier that has seen drawn pictures only, tested on real ones (Ravuri and
Vinyals 2019, arXiv 1905.10887). It answers whether drawn pictures help a classifier, which FID does not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.data import ImageSet
from explorer.data.imageset import fingerprint
from explorer.text import Problem
from explorer.training.fabric import make_fabric
from explorer.training.loop import fit
from explorer.training.recipes import fitted, make_recipe
from explorer.training.supervised import Supervised

MODEL, RECIPE, EPOCHS = "fastnet", "fastnet", 20
FEWEST = 100


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
    on_step: Callable[[int, int], None] | None = None,
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
    flip = "none" if test.name == "digits" else "alternating"  # a mirrored 3 is no digit
    recipe = fitted(
        make_recipe(RECIPE, {"holdout": "0", "flip": flip}, epochs=epochs), len(images), ("holdout",)
    )
    task = Supervised(make_fabric(MODEL, device), MODEL, recipe, seed, drawn)
    for progress in fit(task, recipe.batch):
        if on_step:
            on_step(progress.step, progress.total)
    task.held = test
    return AccuracyScore(task.evaluate()["accuracy"], len(test), len(images), epochs)
