"""Maps over pictures: a strength that grows linearly with the value, on a scale that the caller fixes."""

import numpy as np
import pytest
from PIL import Image

from explorer.text import Problem
from explorer.views import explanation, style

GREY = Image.new("RGB", (4, 2), "#808080")


def laid(values: list[float], top: float = 1.0, signed: bool = False, opacity: float = 0.6) -> np.ndarray:
    """The first row of an overlay whose rows are `values`, as whole numbers (4, 3)."""
    return np.asarray(explanation.overlay(GREY, np.array([values] * 2), top, signed, opacity))[0].astype(int)


def test_nothing_is_laid_where_the_map_is_0_and_everything_at_full_opacity() -> None:
    row = laid([0, 1, 2, 0.5], opacity=1.0)
    assert (row[0] == 128).all()
    assert (row[1] == explanation.TABLES["cividis"][-1]).all() and (row[2] == row[1]).all()


def test_half_the_value_is_laid_on_with_half_the_strength() -> None:
    middle = explanation.TABLES["cividis"][round(0.5 * 255)].astype(float)
    assert np.abs(laid([0.5, 0, 0, 0])[0] - (0.7 * 128 + 0.3 * middle)).max() <= 1


def test_evidence_against_shows_on_a_signed_scale_only() -> None:
    assert (laid([-1, 0, 0, 0])[0] == 128).all()
    against, none, wholly, _ = laid([-1, 0, 1, 0], signed=True, opacity=1.0)
    ends = style.table(style.SIGNED)
    assert (against == ends[0]).all() and (wholly == ends[-1]).all() and (none == 128).all()


def test_one_scale_for_two_maps_keeps_the_weaker_one_weaker() -> None:
    strong, weak = laid([10, 0, 0, 0], top=10), laid([1, 0, 0, 0], top=10)
    assert np.abs(weak[0] - 128).max() < np.abs(strong[0] - 128).max() / 5


def test_a_map_without_anything_leaves_the_picture_as_it_is() -> None:
    for signed in (False, True):
        assert (laid([0, 0, 0, 0], top=0.0, signed=signed) == 128).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(Problem, match="cells"):
        explanation.overlay(GREY, np.zeros((3, 3)), 1, False)
    for values, top in ((np.full((2, 4), np.nan), 1), (np.zeros((2, 4)), -1), (np.zeros((2, 4)), np.nan)):
        with pytest.raises(Problem, match="must be finite"):
            explanation.coloured(values, top, False)


def test_pictures_stand_in_a_row_with_a_gap() -> None:
    made = explanation.side_by_side([GREY, GREY, GREY], gap=3)
    assert made.size == (18, 2) and made.getpixel((0, 0)) == (128, 128, 128)


def test_true_cells_are_rectangles_of_one_value() -> None:
    made = explanation.cells(np.array([[1.0, 2.0], [3.0, 4.0]]), (4, 6))
    assert made.tolist() == [[1, 1, 1, 2, 2, 2]] * 2 + [[3, 3, 3, 4, 4, 4]] * 2
    assert explanation.cells(np.ones((8, 8)), (32, 32)).shape == (32, 32)


def test_a_map_lands_on_the_crop_and_nowhere_else() -> None:
    image = Image.new("RGB", (600, 400), "#808080")
    shown, edges = explanation.region(image, (100, 0, 400), 300)
    assert shown.size == (300, 200) and edges == (50, 0, 250, 200)
    made = np.asarray(explanation.laid_on(shown, edges, Image.new("RGB", (200, 200), "red")))
    assert (made[:, 50:250] == (255, 0, 0)).all()
    assert not (made[:, :50] == (255, 0, 0)).all(2).any() and not (made[:, 250:] == (255, 0, 0)).all(2).any()
    whole, edges = explanation.region(Image.new("RGB", (32, 32)), None, 320)
    assert whole.size == (320, 320) and edges == (0, 0, 320, 320)


@pytest.mark.parametrize(
    ("signed", "name"), [(s, name) for s in style.OVERLAYS for name in style.OVERLAYS[s]]
)
def test_every_colour_map_runs_from_end_to_end(signed: bool, name: str) -> None:
    ends = style.table(style.OVERLAYS[signed][name])[[0, -1]]
    drawn = explanation.coloured(np.array([[-1.0 if signed else 0.0, 1.0]]), 1.0, signed, name)
    assert (drawn[0] == ends).all()
    assert explanation.colours_of(signed, "jet") == next(iter(style.OVERLAYS[signed]))


def test_the_grid_of_numbers_frames_the_chosen_cell_and_keeps_one_scale() -> None:
    values = np.array([[1.0, -2.0], [0.5, 4.0]])
    spec = explanation.cells_chart(values, 8.0, (1, 0), "sentence", "source", "evidence")
    rows = {(row["row"], row["column"]): row for row in spec["data"]["values"]}
    assert rows[1, 2]["value"] == -2 and rows[2, 2]["print"] == "4.0" and len(rows) == 4
    assert spec["layer"][-1]["transform"][0]["filter"] == "datum.row === 2 && datum.column === 1"
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert (domain[0], domain[-1]) == (-8.0, 8.0)


def test_the_methods_agree_or_the_odd_one_is_named() -> None:
    alike = explanation.agreement_chart(np.array([[1, 0.9], [0.9, 1]]), ["CAM", "Grad-CAM"], "source")
    assert "0.90 or more" in " ".join(alike["title"]["text"])
    odd = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])
    spec = explanation.agreement_chart(odd, ["CAM", "Grad-CAM", "Eigen-CAM"], "source")
    assert "Eigen-CAM goes its own way: 0.15" in " ".join(spec["title"]["text"])
    assert len(spec["data"]["values"]) == 6  # each with every other, none with itself


def test_filters_are_grey_where_they_are_0_and_full_at_their_own_largest() -> None:
    weights = np.zeros((2, 3, 2, 2))
    weights[0, 0, 0, 0], weights[1, 2, 1, 1] = 5.0, -0.01
    made = np.asarray(explanation.filters(weights, 2, 2))
    assert made.shape == (4, 9, 3)
    assert tuple(made[0, 0]) == (255, 128, 128) and tuple(made[3, 8]) == (128, 128, 0)
