"""What classifiers say to a person's own pictures: answers, scans of one picture, agreement of models.

`classify` is the one function behind the Predict page and the `predict` command.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from explorer.analysis import predict
from explorer.analysis.novelty import similarity
from explorer.checkpoints import Loaded
from explorer.data.picture import Box, Place, to_input, windows


@dataclass(frozen=True)
class Answer:
    """What one model says to one picture.

    probabilities: float32 (K,), calibrated with the card's temperature
    similarity: of its features with the nearest class mean, a cosine; None when the checkpoint has no class means
    threshold: the similarity that 95 % of held-out pictures reach
    milliseconds: of the model's pass, the mean over the pictures that were asked together
    """

    classes: tuple[str, ...]
    probabilities: np.ndarray
    similarity: float | None
    threshold: float
    milliseconds: float

    def top(self, n: int = 5) -> list[tuple[str, float]]:
        """The n likeliest classes with their probabilities, likeliest first; equals stay in class order."""
        order = np.argsort(-self.probabilities, kind="stable")[:n]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]

    @property
    def fits(self) -> bool:
        """Whether any class fits well: the picture is as similar to one as held-out pictures are."""
        return self.similarity is None or self.similarity >= self.threshold


@dataclass(frozen=True)
class Scan:
    """One model's probabilities, float32 (N, K), over N windows; `best` is the one it is surest of, if any class fits
    any window well, among these."""

    classes: tuple[str, ...]
    boxes: tuple[Box, ...]
    places: tuple[Place, ...]
    probabilities: np.ndarray
    best: int
    milliseconds: float  # for all windows together


@dataclass(frozen=True)
class Agreement:
    """How far models of the same classes agree on a picture.

    votes: (class, number of models that put it first), most votes first
    overlap: the probability that all models give to the same classes, 1 for equal answers, 0 for none shared
    """

    votes: tuple[tuple[str, int], ...]
    overlap: float

    @property
    def agree(self) -> bool:
        """Whether all models put the same class first."""
        return len(self.votes) == 1


def classify(loaded: Loaded, inputs: np.ndarray, views: int = 1) -> list[Answer]:
    """Ask a classifier about uint8 (N, 3, S, S) pictures, S the card's size; views 2 averages with the mirror image.

    Raises Problem when the pictures' type or shape does not fit.
    """
    card, started = loaded.card, time.perf_counter()
    vectors = predict.embeddings(loaded, inputs, views)
    probabilities = predict.softmax(predict.head(loaded, vectors), card.temperature)
    similarities: list[float | None] = [None] * len(inputs)
    if loaded.class_means is not None:
        similarities = similarity(vectors, loaded.class_means).tolist()
    each = (time.perf_counter() - started) * 1000 / max(1, len(inputs))
    return [
        Answer(tuple(card.classes), row, alike, card.threshold, each)
        for row, alike in zip(probabilities, similarities, strict=True)
    ]


def scan(loaded: Loaded, image: Image.Image, views: int = 1, invert: bool = False) -> Scan:
    """Ask about some fifty windows of a picture in one batch; of equally sure ones the larger is best."""
    found = windows(image.size)
    inputs = np.stack([to_input(image, box, size=loaded.card.size) for box in found])
    answers = classify(loaded, 255 - inputs if invert else inputs, views)
    probabilities = np.stack([answer.probabilities for answer in answers])
    best = int(np.argmax(probabilities.max(1) + [answer.fits for answer in answers]))
    spent = answers[0].milliseconds * len(answers)
    return Scan(tuple(loaded.card.classes), tuple(found), tuple(found.values()), probabilities, best, spent)


def agreement(answers: Sequence[Answer]) -> Agreement:
    """Compare what models with the same classes say to one picture; at least one answer."""
    votes = Counter(answer.top(1)[0][0] for answer in answers)
    overlap = float(np.min([answer.probabilities for answer in answers], axis=0).sum())
    return Agreement(tuple(votes.most_common()), min(1.0, overlap))
