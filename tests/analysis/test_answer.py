"""Answers, scans and agreement, with models small enough that the right answer is known."""

import numpy as np
import pytest
import torch
from PIL import Image

from explorer.analysis.answer import Answer, agreement, classify, scan
from explorer.checkpoints import Card, Loaded
from explorer.data.picture import windows
from explorer.text import Problem

CLASSES = ("red", "green", "blue")


class Colour(torch.nn.Module):
    """Logits are the mean of each channel, the left half counted `left` times as much as the right."""

    def __init__(self, left: float = 1.0):
        super().__init__()
        self.head = torch.nn.Linear(6, 3, bias=False)
        self.head.weight = torch.nn.Parameter(4 * torch.cat([left * torch.eye(3), torch.eye(3)], 1))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[3] // 2
        return torch.cat([x[..., :half].mean((2, 3)), x[..., half:].mean((2, 3))], 1)


def loaded(model: torch.nn.Module | None = None, **card: object) -> Loaded:
    about = {"temperature": 1.0, "threshold": 0.5, **card}
    card = Card("toy", "toy", "toy", CLASSES, (0.5,) * 3, (0.25,) * 3, "f", **about)
    means = np.tile(np.float32([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]) / np.sqrt(12), 2)  # pure colours
    return Loaded(card, model or Colour(), torch.device("cpu"), torch.float32, means)


def flat(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.broadcast_to(np.array(c, np.uint8)[:, None, None], (3, 32, 32)) for c in colours])


def test_the_strongest_colour_is_first():
    answers = classify(loaded(), flat((250, 0, 0), (0, 250, 0), (0, 0, 250)))
    assert [answer.top(1)[0][0] for answer in answers] == ["red", "green", "blue"]
    assert all(answer.fits and answer.milliseconds > 0 for answer in answers)


def test_probabilities_are_those_of_the_temperature():
    inputs = flat((200, 120, 90))
    logits = 4 * 2 * (inputs[0].mean((1, 2)) / 255 - 0.5) / 0.25
    for temperature in (0.5, 1.0, 3.0):
        (answer,) = classify(loaded(temperature=temperature), inputs)
        expected = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)
        assert answer.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_grey_fits_no_class():
    (answer,) = classify(loaded(), flat((127, 127, 127)))
    assert not answer.fits and abs(answer.similarity) < 0.01
    assert answer.top(3) == [(name, pytest.approx(1 / 3, abs=1e-4)) for name in CLASSES]


def test_white_fits_no_class_however_sure_the_model_is():
    tinted = flat((255, 250, 250))
    (answer,) = classify(loaded(temperature=0.01), tinted)
    assert answer.top(1)[0] == ("red", pytest.approx(1, abs=1e-3)) and not answer.fits


def test_the_threshold_itself_fits():
    p = np.array([0.5, 0.25, 0.25], np.float32)
    assert Answer(CLASSES, p, 0.5, 0.5, 1.0).fits
    assert not Answer(CLASSES, p, 0.5, 0.5001, 1.0).fits


def test_without_class_means_nothing_is_said_to_be_strange():
    toy = loaded()
    toy.class_means = None
    (answer,) = classify(toy, flat((127, 127, 127)))
    assert answer.similarity is None and answer.fits


def test_the_best_window_is_among_those_that_fit():
    """White is surest (of red), but only the red square is like a class."""
    pixels = np.full((96, 96, 3), (255, 235, 235), np.uint8)
    pixels[:, 64:] = (220, 120, 120)
    toy = loaded(temperature=0.001, threshold=0.9)
    found = scan(toy, Image.fromarray(pixels))
    left, _, side = found.places[found.best]
    assert left >= 64 - side // 2


def test_two_views_average_with_the_mirror_image():
    half = flat((128, 128, 128)).copy()
    half[:, 0, :, :16] = 250  # red on the left only
    model = Colour(left=3.0)
    (one,), (mirrored,) = classify(loaded(model), half), classify(loaded(model), half[..., ::-1])
    (both,), (turned,) = classify(loaded(model), half, 2), classify(loaded(model), half[..., ::-1], 2)
    assert one.probabilities[0] > both.probabilities[0] > mirrored.probabilities[0]
    assert both.probabilities == pytest.approx(turned.probabilities, abs=1e-6)
    assert np.log(both.probabilities) - np.log(both.probabilities[1]) == pytest.approx(
        (np.log(one.probabilities) + np.log(mirrored.probabilities)) / 2
        - (np.log(one.probabilities[1]) + np.log(mirrored.probabilities[1])) / 2,
        abs=1e-4,
    )  # the mean of the logits, up to a constant


def test_no_pictures_no_answers():
    assert classify(loaded(), np.zeros((0, 3, 32, 32), np.uint8)) == []


@pytest.mark.parametrize("inputs", [np.zeros((1, 3, 28, 28), np.uint8), np.zeros((1, 3, 32, 32), np.float32)])
def test_other_shapes_are_a_problem(inputs):
    with pytest.raises(Problem, match="Expected pictures"):
        classify(loaded(), inputs)


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_scan_finds_the_corner(corner):
    """A red patch in one corner of a grey picture: the surest window is the smallest one there."""
    image = Image.new("RGB", (400, 300), (128, 128, 128))
    left, top = corner[0] * 280, corner[1] * 180
    image.paste((255, 20, 20), (left, top, left + 120, top + 120))
    found = scan(loaded(), image)
    box = found.boxes[found.best]
    assert CLASSES[found.probabilities[found.best].argmax()] == "red"
    assert box[2] == 135  # 45 % of 300
    assert abs(box[0] - corner[0] * 265) <= 1
    assert abs(box[1] - corner[1] * 165) <= 1
    assert found.places[found.best] == (corner[0] * 100, corner[1] * 100, 45)
    assert len(found.boxes) == len(found.places) == len(found.probabilities) >= 50


def test_of_equally_sure_windows_the_largest_is_best():
    found = scan(loaded(), Image.new("RGB", (64, 64), (255, 0, 0)))
    assert found.best == 0
    assert found.boxes[0] == (0, 0, 64)


def test_a_scan_of_swapped_light_and_dark():
    found = scan(loaded(), Image.new("RGB", (64, 64), (0, 255, 255)), invert=True)
    assert CLASSES[found.probabilities[found.best].argmax()] == "red"


def test_a_scan_is_one_batch():
    calls = []

    class Counting(Colour):
        def embed(self, x):
            calls.append(len(x))
            return super().embed(x)

    scan(loaded(Counting()), Image.new("RGB", (90, 60)))
    assert calls == [len(windows((90, 60)))]


def said(*p: float) -> Answer:
    return Answer(CLASSES, np.array(p, np.float32), 0.9, 0.5, 1.0)


def test_agreement():
    found = agreement([said(0.8, 0.1, 0.1), said(0.6, 0.4, 0.0)])
    assert found.agree
    assert found.votes == (("red", 2),)
    assert found.overlap == pytest.approx(0.7)


def test_disagreement_lists_the_most_votes_first():
    found = agreement([said(0.1, 0.8, 0.1), said(0.7, 0.2, 0.1), said(0.6, 0.3, 0.1)])
    assert not found.agree
    assert found.votes == (("red", 2), ("green", 1))


def test_agreement_of_equal_and_of_opposite_answers():
    assert agreement([said(0.2, 0.3, 0.5)] * 4).overlap == pytest.approx(1)
    assert agreement([said(1, 0, 0), said(0, 1, 0)]).overlap == 0


def test_agreement_does_not_depend_on_the_order():
    answers = [said(0.1, 0.8, 0.1), said(0.7, 0.2, 0.1), said(0.3, 0.3, 0.4)]
    assert agreement(answers).overlap == agreement(answers[::-1]).overlap
