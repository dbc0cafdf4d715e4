"""Slides: every allowed word fits, no letter is a box, small pictures stay squares, charts speak in our typeface."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from explorer import text
from explorer.story import draw, still
from explorer.story.canvas import Figure
from explorer.story.steps import WORDS, Step
from explorer.text import LANGUAGES, Missing, Problem, set_language
from explorer.views import pictures

CHART = {
    "title": {"text": ["고양이 cats"]}, "width": "container", "height": 200, "mark": "bar",
    "data": {"values": [{"a": "고양이", "b": 3}, {"a": "dog", "b": 5}]},
    "encoding": {"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language("en")


def words(kind: str, piece: str) -> str:
    """As many letters as steps.py allows."""
    return (piece * WORDS[kind])[: WORDS[kind]].strip()


def step(english: str = "Wordy Headlines ", korean: str = "많은 글자를 쓰는 제목 ", **more: object) -> Step:
    fields = {kind: {"en": words(kind, english), "ko": words(kind, korean)} for kind in WORDS}
    return Step(7, **fields, **more)


def small(size: int = 32) -> np.ndarray:
    """uint8 (3, size, size)"""
    return np.random.default_rng(0).integers(0, 256, (3, size, size), dtype=np.uint8)


def figure(image: Image.Image | None = None, chart: dict | None = None, smooth: bool = False) -> Figure:
    return Figure(
        chart=chart, image=image, evidence="digits, test, n = 359 · 단일 뷰 " * 6, alt="a", smooth=smooth
    )


def framed(picture: Image.Image, ground: str) -> bool:
    """Whether nothing stands in the outermost pixels."""
    inner = 40
    found = np.asarray(picture) != np.array([int(ground[k : k + 2], 16) for k in (1, 3, 5)])
    rule = int(np.nonzero(found[:, inner + 40 : -inner - 40].all(1))[0][0])  # the line above the foot
    assert not found[rule - 27 : rule].any(), "something stands on the foot"
    found[24:-24, inner:-inner] = False
    return not found.any()


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize(
    "letters", [("Wordy Headlines ", "많은 글자를 쓰는 제목 "), ("WWWWWWWW ", "뷁쀍 "), ("W", "뵈")]
)
@pytest.mark.parametrize("shape", [(32, 32), (2200, 1120), (600, 600), (2000, 200)])
def test_the_longest_allowed_words_fit_into_the_frame(code: str, letters: tuple[str, str], shape) -> None:
    set_language(code)
    long = step(*letters)
    image = Image.new("RGB", shape, "#123456")
    picture = still.slide(long, figure(image), "what has to be said " * 8, 99)
    assert (picture.size, picture.mode) == ((1920, 1080), "RGB")
    assert framed(picture, "#FBFAF7")
    blue = np.asarray(picture) == np.array([0x12, 0x34, 0x56])  # the figure is there, whole, and large
    rows, columns = np.nonzero(blue.all(-1))
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert len(rows) == high * wide and max(high / 1080, wide / 1920) > 0.25


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize(
    ("kind", "sizes"), [("part", still.PART), ("headline", still.HEADLINE), ("sentence", still.SENTENCE)]
)
def test_no_allowed_word_is_cut(code: str, kind: str, sizes) -> None:
    set_language(code)
    said = step().say(kind)
    found = still.set_in(said, still.WIDE, sizes, bold=kind != "sentence")
    assert " ".join(found.lines) == said and not found.cut
    assert all(draw.font(found.size, found.bold).getlength(line) <= still.WIDE for line in found.lines)


def test_what_cannot_fit_is_cut_and_says_so() -> None:
    found = still.set_in("word " * 500, 300, ((20, 2), (16, 3)))
    assert (len(found.lines), found.size, found.cut) == (3, 16, True) and found.lines[-1].endswith("…")
    assert draw.font(16).getlength(found.lines[-1]) <= 300


def test_words_alone_and_dark_ground() -> None:
    assert framed(still.slide(step(), None, "No figure.", 3), "#FBFAF7")
    dark = still.slide(step(), figure(pictures.enlarge(small())), dark=True)
    assert framed(dark, "#14161A") and dark.getpixel((0, 0)) == (0x14, 0x16, 0x1A)


def test_a_small_picture_is_enlarged_by_a_whole_multiple_without_a_new_colour() -> None:
    pixels = small()
    found = still.fitted(figure(pictures.enlarge(pixels, 1)), (1000, 700))
    assert found.size == (672, 672)
    assert np.array_equal(np.asarray(found), np.asarray(pictures.enlarge(pixels, 21)))
    halved = still.fitted(figure(pictures.enlarge(pixels, 24)), (700, 700))
    assert np.array_equal(np.asarray(halved), np.asarray(pictures.enlarge(pixels, 12)))
    assert still.fitted(figure(pictures.enlarge(pixels, 24), smooth=True), (700, 600)).size == (600, 600)
    assert still.fitted(figure(pictures.enlarge(pixels, 24)), (100, 300)).size == (100, 100)


def test_the_empty_margin_of_a_drawn_picture_is_left_out() -> None:
    sheet = Image.new("RGB", (300, 200), "#FBFAF7")
    sheet.paste("#000000", (100, 50, 140, 90))
    assert draw.trimmed(sheet, "#FBFAF7").size == (40 + 2 * 16, 40 + 2 * 16)
    assert draw.trimmed(Image.new("RGB", (30, 20), "#FBFAF7"), "#FBFAF7").size == (30, 20)


def test_what_is_clear_shows_the_ground() -> None:
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert still.fitted(figure(clear), (10, 10), dark=True).getpixel((5, 5)) == (0x14, 0x16, 0x1A)


# Letters ------------------------------------------------------------------------------------------


def test_the_typeface_has_every_korean_letter_of_the_standard_and_all_that_we_say() -> None:
    standard = "".join(
        bytes((high, low)).decode("euc_kr") for high in range(0xB0, 0xC9) for low in range(0xA1, 0xFF)
    )
    assert len(standard) == 2350 and draw.lacking(standard) == ""
    assert draw.lacking("".join(map(chr, range(33, 127))) + "“”‘’–—…×·−✓✗≈≤≥°%→") == ""
    said = {letter for sentence in text.catalogue().values() for letter in sentence}
    assert set(draw.lacking("".join(sorted(said)))) <= set(
        "▣☒"
    )  # signs of the pages, drawn by the browser there


@pytest.mark.parametrize("bold", [False, True])
def test_both_forms_of_the_typeface_are_the_same(bold: bool) -> None:
    """TTF for pictures, WOFF2 for browsers."""
    web = ImageFont.truetype(draw.FONTS / f"{draw.FAMILY}-{draw.WEIGHTS[bold]}.subset.woff2", 40)
    said = "Model Explorer 0123 모델이 보는 것 뷁 ✓ ≤"
    assert bytes(web.getmask(said)) == bytes(draw.font(40, bold).getmask(said))


def test_a_letter_that_it_lacks_is_told_and_replaced() -> None:
    assert draw.lacking("a 漢 b ☒ 漢") == "漢☒"
    assert draw.drawable("a 漢\nb") == "a ? b"


def test_korean_in_pieces_and_invisible_letters_are_no_fault() -> None:
    assert draw.drawable("\u1100\u1161\u200b\ufeff") == "가" and draw.lacking("\u1100\u1161\u200b") == ""


# Charts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(880, 300), (500, 400)])
def test_a_chart_fills_its_place_and_no_more(place: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(draw.chart_png(CHART, *place, 2.0)))
    assert picture.width <= 2 * place[0] and picture.height <= 2 * place[1]
    assert picture.width >= 1.8 * place[0] or picture.height >= 1.8 * place[1]
    assert picture.convert("RGB").getpixel((0, 0)) == (0xFB, 0xFA, 0xF7)


def test_a_chart_is_drawn_in_our_typeface_in_korean_too() -> None:
    """The converter takes another in silence: the ink is as wide as the typeface says, and no box."""
    said = "고양이를 개로 Wide"
    chart = {
        "data": {"values": [{}]}, "width": 900, "height": 100,
        "mark": {"type": "text", "text": said, "fontSize": 60, "color": "black"},
    }  # fmt: skip
    picture = Image.open(io.BytesIO(draw.chart_png(chart, 900, 100)))
    ink = np.asarray(picture.convert("L")) < 128
    columns = np.nonzero(ink.any(0))[0]
    left, _, right, _ = draw.font(60).getbbox(said)
    scale = picture.width / draw.size_of(draw.chart_svg(chart, 900, 100))[0]
    assert np.ptp(columns) == pytest.approx((right - left) * scale, rel=0.03)


def test_the_words_of_a_chart_stay_words_and_its_own_colours_win() -> None:
    svg = draw.chart_svg(CHART | {"config": {"mark": {"color": "#ABCDEF"}}}, 600, 300, dark=True)
    assert "고양이 cats</text>" in svg and "#ABCDEF" in svg and "#14161A" in svg
    assert CHART["height"] == 200 and "config" not in CHART


def test_a_chart_fetches_nothing() -> None:
    chart = CHART | {"data": {"url": "http://127.0.0.1:9/data.json"}}
    with pytest.raises(Problem, match="cannot be drawn"):
        draw.chart_svg(chart, 600, 300)


def test_a_chart_that_is_none_is_one_sentence() -> None:
    with pytest.raises(Problem, match="cannot be drawn"):
        draw.chart_svg({"mark": "nothing"}, 600, 300)


def test_a_chart_on_a_slide() -> None:
    assert framed(still.slide(step(), figure(chart=CHART)), "#FBFAF7")
    assert still.png(step(), figure(chart=CHART)).startswith(b"\x89PNG")


# What is shown ------------------------------------------------------------------------------------


def test_what_is_not_here_shows_what_was_reported_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.story import figures

    other = figure(chart=CHART)

    def missing(*_: object) -> Figure:
        raise Missing("The checkpoint {name} is not here.", name="x")

    monkeypatch.setattr(figures, "figure", missing)
    monkeypatch.setattr(figures, "as_reported", lambda *_: other)
    found, said = figures.shown(step(figure="accuracy"))
    assert found is other and "x is not here" in said and "reported" in said
    monkeypatch.setattr(figures, "as_reported", missing)
    assert figures.shown(step(figure="accuracy")) == (None, "The checkpoint x is not here.")
    assert figures.shown(step()) == (None, "")


# QR -----------------------------------------------------------------------------------------------

ADDRESS = "http://192.168.100.200:8501/story?story=seeing&room=QX7K&lang=ko"


def test_a_qr_code_is_sharp_has_its_quiet_zone_and_is_read_small_and_blurred() -> None:
    cv2 = pytest.importorskip("cv2")  # comes with grad-cam
    code = still.qr(ADDRESS, 480)
    assert code.width == code.height >= 480 and set(np.unique(np.asarray(code))) == {0, 255}
    dark = np.nonzero((np.asarray(code) == 0).any(0))[0]
    corner = np.asarray(code)[dark[0], dark[0] :]  # begins with the seven dark squares of a finder
    assert np.argmax(corner) // 7 * 4 == dark[0] == code.width - 1 - dark[-1]
    for size in (480, 160):  # as large as a phone's camera sees a code of 30 cm at 3 m, and smaller
        seen = code.resize((size, size), Image.Resampling.BICUBIC)
        wall = Image.new("L", (640, 480), 200)
        wall.paste(seen, (100, 0))
        assert cv2.QRCodeDetector().detectAndDecode(np.asarray(wall))[0] == ADDRESS


@pytest.mark.parametrize("address", ["", "javascript:alert(1)", "ftp://a", "http://" + "a" * 300])
def test_a_qr_code_of_something_else_is_refused(address: str) -> None:
    with pytest.raises(Problem, match="http"):
        still.qr(address)
