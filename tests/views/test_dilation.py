"""Taps, dead taps and receptive fields against torch and measured fields; the charts and the picture show them."""

import itertools
import json

import altair
import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import dead_weights
from explorer.analysis.layers import receptive_fields
from explorer.models import drn
from explorer.views import dilation, style
from explorer.views.dilation import dead_taps, field_of, output_size, taps

PUBLISHED, FIXED = (dead_weights.declared(name) for name in ("drn-d-22-published", "drn-d-22"))
KINDS = list(
    itertools.product((4, 8, 16), (1, 3, 5, 7), (1, 2, 3, 4, 8), (1, 2))
)  # size, kernel, dilation, stride


def convolution(kernel: int, spread: int, stride: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(1, 1, kernel, stride, spread * (kernel // 2), spread, bias=False)


# --- arithmetic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "kernel", "spread", "stride"), KINDS)
def test_dead_taps_are_those_without_a_gradient(size: int, kernel: int, spread: int, stride: int) -> None:
    net = convolution(kernel, spread, stride)
    made = net(torch.randn(4, 1, size, size))
    assert made.shape[-2:] == (output_size(size, stride),) * 2
    (made * torch.randn(made.shape)).sum().backward()
    found = dead_taps(size, kernel, spread, stride)
    assert found.dtype == bool and np.array_equal(found, net.weight.grad[0, 0].numpy() == 0)


@pytest.mark.parametrize(("size", "kernel", "spread", "stride"), KINDS[::7])
def test_taps_are_the_cells_that_an_output_cell_reads(
    size: int, kernel: int, spread: int, stride: int
) -> None:
    net = convolution(kernel, spread, stride)
    last = output_size(size, stride) - 1
    for row, column in ((0, 0), (last, 0), (last // 2, last)):
        x = torch.zeros(1, 1, size, size, requires_grad=True)
        net(x)[0, 0, row, column].backward()
        found = taps(size, kernel, spread, stride, row, column)
        assert len(found) == kernel**2
        assert {(y, x) for y, x, inside in found if inside} == set(
            map(tuple, x.grad[0, 0].nonzero().tolist())
        )
        for (y, x, inside), weight in zip(found, net.weight.flatten().tolist()):
            if inside:  # the order is that of the weights
                seen = torch.zeros(1, 1, size, size)
                seen[0, 0, y, x] = 1
                assert net(seen)[0, 0, row, column].item() == pytest.approx(weight)


def test_a_tap_is_dead_when_it_is_outside_for_every_output_cell() -> None:
    for size, kernel, spread, stride in KINDS:
        places = itertools.product(range(output_size(size, stride)), repeat=2)
        inside = [[on for *_, on in taps(size, kernel, spread, stride, *place)] for place in places]
        alive = np.any(inside, axis=0).reshape(kernel, kernel)
        assert np.array_equal(dead_taps(size, kernel, spread, stride), ~alive)


def test_level_6_of_the_published_net() -> None:
    never = dead_taps(4, 3, 4, 1)
    assert never.sum() == 8 and not never[1, 1]
    assert not dead_taps(8, 3, 4, 1).any()


@pytest.mark.parametrize("published", [False, True])
def test_the_field_of_a_dilated_net_is_the_one_that_is_measured(published: bool) -> None:
    """DRN-D-22's convolutions in a row: blocks of two, single ones at both ends; shortcuts see less."""
    strides = (1, 2 if published else 1, 2, 2, 1, 1, 1, 1)
    layers = [(7 if published else 3, 1, 1)]
    expected = {"entry": field_of(layers)}
    for k, (blocks, spread, stride) in enumerate(zip(drn.BLOCKS, drn.DILATIONS, strides), 1):
        count = blocks if k in (1, 2, 7, 8) else 2 * blocks
        layers += [(3, spread, stride if n == 0 else 1) for n in range(count)]
        expected[f"level{k}"] = field_of(layers)
    found = receptive_fields("drn-d-22-published" if published else "drn-d-22")
    assert {layer: field.size for layer, field in found.items()} == expected


def test_the_field_of_nothing_is_one_cell_and_of_one_layer_its_span() -> None:
    assert field_of([]) == 1 and field_of([(3, 4, 1)]) == 9 and field_of([(1, 8, 2)] * 5) == 1
    assert field_of([(3, 1, 2), (3, 1, 1)]) == 7 and field_of([(3, 1, 1), (3, 2, 1)]) == 7


# --- charts -----------------------------------------------------------------------------------------------------------


def charts() -> list[dict]:
    return [
        dilation.dead_chart("DRN-D-22", PUBLISHED, FIXED),
        dilation.dead_chart("DRN-D-22", PUBLISHED, FIXED, dark=True),
        *(dilation.growth_chart(size, *rest, dark=True) for size, *rest in KINDS[::11]),
    ]


def test_every_chart_is_valid_vega_lite_and_json_with_a_message() -> None:
    for spec in charts():
        altair.Chart.from_dict(spec, validate=True)
        json.dumps(spec, allow_nan=False)
        assert spec["title"]["text"][0] and "n = " in " ".join(spec["title"]["subtitle"])


def test_the_bars_are_the_shares_of_every_level_in_both_forms() -> None:
    spec = dilation.dead_chart("DRN-D-22", PUBLISHED, FIXED)
    rows = spec["data"]["values"]
    assert len(rows) == len(PUBLISHED) + len(FIXED) == 20
    for counts, part in ((PUBLISHED, rows[:10]), (FIXED, rows[10:])):
        assert [(row["dead"], row["count"]) for row in part] == list(counts.values())
        assert all(row["share"] == row["dead"] / row["count"] for row in part)
    assert [row["level"] for row in rows if row["dead"]] == ["level 6"]
    assert next(row["print"] for row in rows if row["dead"]) == "87.5 % of 8.4 M"
    words = "46.2 % of the published form's weights never receive a gradient, of ours 0 %"
    assert " ".join(spec["title"]["text"]) == words
    assert "n = 15,874,096 and 15,872,176 weights" in " ".join(spec["title"]["subtitle"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((4, 3, 4, 1), "One layer spans 9 cells; the map has 4"),
        ((8, 3, 1, 1), "4 layers span 9 cells; the map has 8"),
        ((32, 3, 1, 1), "8 layers span 17 of the map's 32 cells"),
        ((4, 1, 8, 2), "A 1x1 kernel sees one cell, however many layers are stacked"),
    ],
)
def test_the_growth_s_title_says_when_the_map_is_spanned(settings: tuple[int, ...], words: str) -> None:
    spec = dilation.growth_chart(*settings)
    assert " ".join(spec["title"]["text"]) == words
    _, kernel, spread, stride = settings
    for row in spec["data"]["values"]:
        each = spread if row["chosen"] else 1
        assert row["field"] == field_of([(kernel, each, stride)] * row["layers"])
    assert len({row["kind"] for row in spec["data"]["values"]}) == (2 if spread > 1 else 1)


# --- the picture ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel", "spread", "stride"), [(4, 3, 4, 1), (8, 3, 4, 1), (16, 7, 8, 2), (4, 1, 8, 1)]
)
def test_every_tap_is_marked_where_it_falls(
    size: int, kernel: int, spread: int, stride: int, dark: bool
) -> None:
    on = (style.ACCENT_ON_DARK if dark else style.ACCENT).removeprefix("#")
    last = output_size(size, stride) - 1
    for row, column in ((0, 0), (last, 1)):
        image = dilation.taps_picture(size, kernel, spread, stride, row, column, dark)
        pixels = np.asarray(image)
        margin = spread * (kernel // 2)
        cell, rest = divmod(image.width - dilation.SHARP, size + 2 * margin)
        assert (
            rest == 0
            and image.width == image.height <= dilation.SHARP * (dilation.ACROSS + 1)
            and cell % 2 == 0
        )
        never = dead_taps(size, kernel, spread, stride).ravel()
        for (y, x, inside), dead in zip(taps(size, kernel, spread, stride, row, column), never):
            top, left = (y + margin) * cell + dilation.SHARP, (x + margin) * cell + dilation.SHARP
            here = pixels[top : top + cell - dilation.SHARP, left : left + cell - dilation.SHARP]
            corner, middle = bytes(here[0, 0, :3]).hex(), tuple(here[len(here) // 2, len(here) // 2])
            if not inside:
                assert corner.upper() != on
                assert (middle[3] > 200) == dead  # crossed out, or empty
            else:
                assert corner.upper() == on
                eye = (y, x) == (row * stride, column * stride)
                assert (bytes(middle[:3]).hex().upper() == on) == (not eye)
        outside = sum(not inside for *_, inside in taps(size, kernel, spread, stride, row, column))
        found = (pixels == (*bytes.fromhex(style.WRONG.removeprefix("#")), 255)).all(-1).any()
        assert found == (outside > 0)


def test_the_picture_stays_as_large_wherever_the_kernel_stands() -> None:
    sizes = {dilation.taps_picture(8, 5, 3, 1, row, column).size for row in (0, 7) for column in (0, 4)}
    assert len(sizes) == 1


@pytest.mark.parametrize(("ground", "dark"), [("#FBFAF7", False), ("#14161A", True)])
def test_the_marks_read_on_either_ground(ground: str, dark: bool) -> None:
    for colour in (style.ACCENT_ON_DARK if dark else style.ACCENT, style.WRONG):
        assert style.contrast(colour, ground) >= 3
