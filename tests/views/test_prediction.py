"""The framed picture to the pixel, the bars and the files to download."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from explorer.analysis.answer import Answer
from explorer.views import style
from explorer.views.prediction import (
    COLUMNS,
    bars,
    framed,
    percent,
    records,
    spoken,
    to_csv,
    to_json,
    verdict,
)

CLASSES = tuple("abcdefghij")


def answer(seed: int = 0) -> Answer:
    p = np.random.default_rng(seed).dirichlet(np.ones(10)).astype(np.float32)
    return Answer(CLASSES, p, 0.9, 0.5, 2.0)


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(pixels)


def test_small_pictures_are_enlarged_without_inventing_a_pixel():
    found = np.asarray(framed(picture(32, 32), None, longest=440))
    assert found.shape == (416, 416, 3)  # 13 times
    assert np.array_equal(found, np.asarray(picture(32, 32)).repeat(13, 0).repeat(13, 1))


def test_inside_is_untouched_and_outside_is_pale():
    image = picture(40, 30)
    found = np.asarray(framed(image, (10, 5, 20), longest=400)).astype(int)
    plain = np.asarray(image).repeat(10, 0).repeat(10, 1).astype(int)
    inside = (slice(60, 240), slice(110, 290))  # a pixel's width within the frame
    assert np.array_equal(found[inside], plain[inside])
    outside = (slice(0, 300), slice(0, 95))
    assert np.abs(found[outside] - (0.4 * plain[outside] + 0.6 * 138)).max() <= 2


def test_a_box_of_everything_is_not_framed():
    image = picture(32, 32)
    assert np.array_equal(np.asarray(framed(image, (0, 0, 32))), np.asarray(framed(image, None)))


def test_the_best_window_is_dashed_in_its_colour():
    found = np.asarray(framed(Image.new("RGB", (400, 300), "white"), (0, 0, 300), (300, 200, 90)))
    chosen = np.array([int(style.CHOSEN[i : i + 2], 16) for i in (1, 3, 5)])
    where = np.argwhere((found == chosen).all(2))
    assert len(where) > 50
    assert (where.min(0) >= [200, 300]).all()
    assert (where.max(0) <= [290, 390]).all()


@pytest.mark.parametrize("size", [(8192, 1), (1, 8192), (1, 1), (2048, 31), (640, 427)])
@pytest.mark.parametrize("box", [None, (0, 0, 1)])
def test_odd_sizes(size, box):
    found = framed(Image.new("RGB", size), box, box)
    assert max(found.size) <= 440
    assert min(found.size) >= 1


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.5, "50.0 %"),
        (1.0, "100.0 %"),
        (0.99999, "> 99.9 %"),
        (1e-6, "< 0.1 %"),
        (0.0, "0.0 %"),
        (0.123, "12.3 %"),
    ],
)
def test_percent(p, words):
    assert percent(p) == words


def test_verdict():
    p = np.array([0.7] + [0.3 / 9] * 9, np.float32)
    assert verdict(Answer(CLASSES, p, 0.8, 0.5, 1.0)) == "a 70.0 %"
    assert verdict(Answer(CLASSES, p, 0.4, 0.5, 1.0)) == "none fits"


def test_bars_show_the_five_likeliest_in_their_own_colours():
    found = answer()
    spec = bars(found)
    json.dumps(spec)
    rows = spec["data"]["values"]
    assert [row["class"] for row in rows] == [name for name, _ in found.top(5)]
    assert [row["p"] for row in rows] == sorted((row["p"] for row in rows), reverse=True)
    colours = spec["encoding"]["color"]["scale"]
    for name, colour in zip(colours["domain"], colours["range"]):
        assert colour == style.CLASS_COLOURS[CLASSES.index(name)]
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_spoken_names_all_that_is_drawn():
    found = answer()
    for name, p in found.top(5):
        assert f"{name} {percent(p)}" in spoken(found, "m")


def rows(file: str = "a.png") -> list[dict]:
    return records(file, "m", "0" * 64, answer(), (1, 2, 3), 2)


def test_csv_comes_back_as_it_went():
    back = list(csv.DictReader(io.StringIO(to_csv(rows('한글, "x".png')))))
    assert len(back) == 10
    assert tuple(back[0]) == COLUMNS
    assert {row["file"] for row in back} == {'한글, "x".png'}
    assert [row["class"] for row in back] == [name for name, _ in answer().top(10)]
    assert sum(float(row["probability"]) for row in back) == pytest.approx(1, abs=1e-4)
    assert back[0]["window"] == "1 2 3"


@pytest.mark.parametrize("name", ["=1+1.png", "+x.png", "-x.png", "@SUM(A1).png"])
def test_no_name_becomes_a_formula(name):
    back = list(csv.DictReader(io.StringIO(to_csv(rows(name)))))
    assert back[0]["file"] == "'" + name


def test_json_comes_back_as_it_went():
    back = json.loads(to_json(rows("고양이.png"), {"views": 2}))
    assert back["settings"] == {"views": 2}
    assert back["predictions"] == rows("고양이.png")
