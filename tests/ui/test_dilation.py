"""The section on dilated kernels by AppTest: what it says at first, hostile addresses, a map that wakes all taps."""

import json
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from explorer import text
from explorer.ui import dilation
from tests.test_pages import HOSTILE

KEYS = ("drn", "side", "kernel", "dilation", "stride", "tap_row", "tap_column")
LEVEL_6 = "8 of 9 taps read only padding, wherever the kernel stands"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    text.set_language("en")


def script() -> None:
    from explorer.ui import dilation, widgets

    with widgets.problems():
        dilation.section()


def opened(**query: object) -> AppTest:
    app = AppTest.from_function(script, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return sound(app.run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def said(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption])


def titles(app: AppTest) -> list[str]:
    return [" ".join(json.loads(chart.proto.spec)["title"]["text"]) for chart in app.get("vega_lite_chart")]


def buttons(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def place(app: AppTest) -> tuple[int, int, int]:
    """(row, column, size of the output), as the sliders have them."""
    row, column = app.slider(key="tap_row"), app.slider(key="tap_column")
    assert row.max == column.max and row.min == column.min == 1
    return row.value, column.value, row.max


def test_at_first_it_is_level_6_of_the_published_net() -> None:
    app = opened()
    assert f"**{LEVEL_6}**" in said(app) and "1 of 9 taps on the map, 8 on padding" in said(app)
    assert "**7.34 of 15.87 million weights**" in said(app)
    finding, growth = titles(app)
    assert finding == "46.2 % of the published form's weights never receive a gradient, of ours 0 %"
    assert growth == "One layer spans 9 cells; the map has 4"
    (picture,) = app.get("image")
    assert (
        LEVEL_6 in picture.proto.imgs[0].alt and "4x4 cells under a 3x3 kernel" in picture.proto.imgs[0].alt
    )
    assert all(len(chart.proto.alt) > 20 for chart in app.get("vega_lite_chart"))
    assert place(app) == (dilation.PLACE, dilation.PLACE, 4) and buttons(app) == {"larger map"}


def test_both_reported_figures_stand_beside_it_with_how_comparable_they_are() -> None:
    words = said(opened())
    assert "Reported for DRN-D-22: 89.62 % accuracy, CIFAR-10 test" in words
    assert "Reported for DRN-C-26: 89.62 % accuracy, CIFAR-10 test" in words
    assert words.count("partly comparable: ") == 2 and "possibly a copying slip" in words
    assert words.index("DRN-D-22: 89.62") < words.index("DRN-C-26: 89.62")


def test_the_other_net() -> None:
    app = opened(drn="drn-c-26")
    assert "35.6 %" in titles(app)[0] and "**7.34 of 20.60 million weights**" in said(app)
    app.segmented_control(key="drn").select("drn-d-22").run()
    assert "46.2 %" in titles(sound(app))[0]


def test_on_a_map_of_8x8_the_taps_come_alive_and_one_finds_back() -> None:
    app = opened()
    app.button(key="larger map").click().run()
    assert "All 9 taps read the map somewhere" in said(sound(app)) and LEVEL_6 not in said(app)
    assert app.segmented_control(key="side").value == "8" and app.query_params["side"] in ("8", ["8"])
    assert place(app) == (2, 2, 8) and buttons(app) == {"level 6"}
    app.slider(key="tap_row").set_value(7).run()
    app.slider(key="dilation").set_value(8).run()
    assert LEVEL_6 in said(sound(app)) and buttons(app) == {"larger map"}
    app.button(key="larger map").click().run()
    assert app.segmented_control(key="side").value == "16" and place(app)[0] == 7
    app.button(key="level 6").click().run()
    assert LEVEL_6 in said(sound(app)) and place(app) == (2, 2, 4) and "side" not in app.query_params
    assert app.slider(key="dilation").value == 4 and buttons(app) == {"larger map"}


def test_a_kernel_beyond_a_smaller_output_moves_to_its_edge() -> None:
    app = opened(side="16", tap_row="12", tap_column="3")
    assert place(app) == (12, 3, 16)
    app.segmented_control(key="side").select("8").run()
    assert place(sound(app)) == (8, 3, 8)
    app.segmented_control(key="stride").select("2").run()
    assert place(sound(app)) == (4, 3, 4)
    app.segmented_control(key="side").select("4").run()
    assert place(sound(app)) == (2, 2, 2)
    app.segmented_control(key="side").select("32").run()
    assert place(sound(app)) == (2, 2, 16)


@pytest.mark.parametrize("row", ["5", "0", "-1", "1.5", "1e3"])
def test_a_place_that_the_output_does_not_have_is_one_that_it_has(row: str) -> None:
    found, column, most = place(opened(tap_row=row, tap_column="4"))
    assert 1 <= found <= most == 4 and column == 4


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_address_shows_the_default(name: str) -> None:
    app = opened(**dict.fromkeys(KEYS, HOSTILE[name]))
    assert f"**{LEVEL_6}**" in said(app) and place(app) == (2, 2, 4)
    assert app.slider(key="dilation").value == 4
    assert app.segmented_control(key="drn").value == "drn-d-22"


@pytest.mark.parametrize("kernel", ["1", "7"])
@pytest.mark.parametrize("stride", ["1", "2"])
@pytest.mark.parametrize("side", ["4", "32"])
def test_the_corners_of_what_can_be_chosen(side: str, kernel: str, stride: str) -> None:
    for spread in ("1", "8"):
        words = said(opened(side=side, kernel=kernel, stride=stride, dilation=spread))
        assert ("The only tap reads the map" in words) == (kernel == "1")


def test_nothing_is_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(dilation="3")
    for name in ("dead_chart", "growth_chart", "taps_picture"):
        monkeypatch.setattr(dilation.views, name, None)
    sound(app.run())


def test_in_korean_as_well() -> None:
    text.set_language("ko")
    assert len(titles(opened())) == 2
