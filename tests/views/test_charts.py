"""Charts: valid Vega-Lite, a title that says what is seen, the dataclass's numbers, clickable where promised."""

import json

import altair
import jsonschema
import numpy as np
import pytest

from explorer import text
from explorer.analysis.calibration import reliability
from explorer.analysis.classification import ORDERS, confusion, report
from explorer.analysis.comparison import compare
from explorer.analysis.ranking import curves
from explorer.views import classification, matrix
from explorer.views import curves as lines
from explorer.views.figure import heading, percentage, wrapped

CLASSES = ("air plane", "cat", 'a "quoted\\" name', "개")
SOURCE = "made-up · n = 400"


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 100)
    weights = np.exp(2 * rng.normal(size=(400, 4)) + 5 * np.eye(4)[labels])
    weights[labels == 1, 3] *= 20
    probabilities = weights / weights.sum(1, keepdims=True)
    return labels, probabilities


@pytest.fixture(params=["en", "ko"])
def language(request):
    text.set_language(request.param)
    yield request.param
    text.set_language("en")


def cells(spec):
    return {(row["true"], row["predicted"]): row for row in spec["data"]["values"]}


def matrix_of(case, **options):
    labels, probabilities = case
    counts = confusion(labels, probabilities.argmax(1), 4)
    return counts, matrix.confusion_matrix(counts, CLASSES, np.arange(4), SOURCE, **options)


def all_charts(case):
    labels, probabilities = case
    predicted = probabilities.argmax(1)
    rows, bins = report(labels, predicted, CLASSES), reliability(labels, probabilities)
    changed = compare(labels, predicted, np.roll(predicted, 1), 4)
    _, spec = matrix_of(case)
    return [
        matrix.framed(spec, CLASSES[1], CLASSES[2]),
        matrix.difference_matrix(changed, CLASSES, np.arange(4), ("a", "b"), SOURCE),
        classification.class_bars(rows, "f1", "F1", None, SOURCE, dark=True),
        classification.framed_bin(classification.reliability_diagram(bins, SOURCE), 14),
    ]


def test_every_chart_is_valid_vega_lite(case):
    for spec in all_charts(case):
        altair.Chart.from_dict(spec, validate=True)
    with pytest.raises(jsonschema.ValidationError):
        altair.Chart.from_dict({**spec, "layer": [{"mark": "no such mark"}]}, validate=True)


def test_every_chart_is_json_with_a_message(case, language):
    for spec in all_charts(case):
        json.dumps(spec, allow_nan=False)
        assert spec["title"]["text"][0] and SOURCE in " ".join(spec["title"]["subtitle"])


def test_the_matrix_prints_its_counts_and_names_the_worst_mistake(case):
    counts, spec = matrix_of(case, percent=False)
    for (true, predicted), row in cells(spec).items():
        count = counts[CLASSES.index(true), CLASSES.index(predicted)]
        assert row["count"] == count and row["print"] == (f"{count:,}" if count else "")
    off = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(off.argmax(), off.shape)
    assert (
        " ".join(spec["title"]["text"]) == f"“{CLASSES[i]}” is taken for “{CLASSES[j]}”, {off[i, j]} of 100"
    )


def test_shares_are_of_the_true_class_and_the_scale_is_fixed(case):
    counts, spec = matrix_of(case)
    assert cells(spec)[CLASSES[1], CLASSES[3]]["share"] == pytest.approx(counts[1, 3] / 100)
    assert cells(spec)[CLASSES[1], CLASSES[3]]["print"] == f"{counts[1, 3]:.1f}"
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert domain[0] == 0 and domain[-1] == 1 and domain == sorted(domain)
    perfect = matrix.confusion_matrix(np.diag([5, 5, 5, 5]), CLASSES, np.arange(4), SOURCE)
    assert perfect["layer"][0]["encoding"]["color"]["scale"]["domain"] == domain
    assert "Not one mistake in 20" in perfect["title"]["text"][0]


def test_without_the_diagonal_only_mistakes_are_shown(case):
    _, spec = matrix_of(case, diagonal=False)
    for (true, predicted), row in cells(spec).items():
        if true == predicted:
            assert not row["shown"] and row["print"] == ""
    assert any(row["shown"] for row in cells(spec).values())


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_moves_rows_and_columns_alike(case, name):
    counts, _ = matrix_of(case)
    order = ORDERS[name][0](counts)
    spec = matrix.confusion_matrix(counts, CLASSES, order, SOURCE)
    expected = [CLASSES[k] for k in order]
    assert spec["encoding"]["x"]["scale"]["domain"] == spec["encoding"]["y"]["scale"]["domain"] == expected


def test_many_classes_are_drawn_without_numbers():
    names = tuple(f"c{k}" for k in range(30))
    spec = matrix.confusion_matrix(np.eye(30, dtype=int), names, np.arange(30), SOURCE)
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rect"]


def test_clicks_carry_what_was_clicked(case):
    _, spec = matrix_of(case)
    found = [p for layer in spec["layer"] for p in layer.get("params", [])]
    assert found[0]["name"] == "cell" and found[0]["select"]["fields"] == ["true", "predicted"]
    labels, probabilities = case
    diagram = classification.reliability_diagram(reliability(labels, probabilities), SOURCE)
    found = [p for layer in diagram["layer"] for p in layer.get("params", [])]
    assert found[0]["name"] == "bin" and found[0]["select"]["fields"] == ["bin"]
    assert {row["bin"] for row in diagram["data"]["values"]} <= set(range(16))


def test_the_diagrams_bars_are_the_bins_and_the_title_says_which_way(case):
    labels, probabilities = case
    bins = reliability(labels, probabilities)
    for row in classification.reliability_diagram(bins, SOURCE)["data"]["values"]:
        b = bins.bins[row["bin"]]
        assert (row["accuracy"], row["confidence"], row["n"]) == (b.accuracy, b.confidence, b.n)
    wrong = reliability((labels + 1) % 4, probabilities)
    assert "surer than it is right" in " ".join(
        classification.reliability_diagram(wrong, SOURCE)["title"]["text"]
    )
    timid = reliability(probabilities.argmax(1), probabilities)
    assert "right more often" in " ".join(classification.reliability_diagram(timid, SOURCE)["title"]["text"])


def test_bars_are_sorted_as_asked(case):
    labels, probabilities = case
    rows = report(labels, probabilities.argmax(1), CLASSES)
    by_value = sorted(CLASSES, key=lambda name: rows.rows[CLASSES.index(name)].recall)
    sort = [
        classification.class_bars(rows, "recall", "Recall", first, SOURCE)["encoding"]["y"]["sort"]
        for first in (None, False)
    ]
    assert sort == [list(CLASSES), by_value]


@pytest.mark.parametrize("draw", [lines.roc, lines.precision_recall])
@pytest.mark.parametrize("corner", [False, True])
def test_curves_carry_their_areas_and_few_points(case, draw, corner, language):
    labels, probabilities = case
    each = curves(labels, probabilities)
    figure = draw(each, CLASSES, SOURCE, True, corner)
    named = [line for line in figure.data if line.customdata is not None]
    assert len(named) == 4 and all(len(line.x) <= lines.POINTS for line in named)
    for line, c in zip(named, each):
        assert f"{c.auc if draw is lines.roc else c.ap:.4f}" in line.name
    assert figure.layout.title.text and SOURCE in figure.layout.title.subtitle.text


def test_a_class_without_pictures_has_no_line():
    labels = np.repeat([0, 1, 2], 20)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 60)
    figure = lines.roc(curves(labels, probabilities), CLASSES, SOURCE, False, False)
    assert len([line for line in figure.data if line.customdata is not None]) == 3


def test_a_frame_surrounds_a_cell_a_row_or_a_column(case):
    _, spec = matrix_of(case)
    assert matrix.framed(spec, None, None) == spec
    tests = [
        matrix.framed(spec, *pair)["layer"][-1]["transform"][0]["filter"]
        for pair in (("cat", None), (None, CLASSES[2]))
    ]
    assert tests[0] == 'datum.true === "cat"'
    assert tests[1] == f"datum.predicted === {json.dumps(CLASSES[2])}"
    assert len(spec["layer"]) == 2  # the cached chart stays as it was


def test_thinning_keeps_the_area():
    rng = np.random.default_rng(1)
    x, y = np.sort(rng.random(5000)), np.sort(rng.random(5000))
    kept = lines.thinned(x, y)
    assert len(kept) <= lines.POINTS and {0, 4999} <= set(kept.tolist())
    assert np.trapezoid(y[kept], x[kept]) == pytest.approx(np.trapezoid(y, x), abs=2e-3)
    straight = np.linspace(0, 1, 100)
    assert lines.thinned(straight, np.zeros(100)).tolist() == [0, 99]


def test_titles_are_wrapped_and_korean_counts_double():
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("가나 다라 마바", 9) == ["가나 다라", "마바"]
    assert wrapped("unbreakable", 3) == ["unbreakable"]
    assert [percentage(v) for v in (0, 0.0004, 0.934, 0.9999, 1)] == ["0", "0.0", "93.4", "100.0", "100"]


def test_a_plotly_title_is_shown_as_written_and_gets_room_for_its_lines():
    one, above = heading("<b> & “cat”", SOURCE)
    assert one["text"] == "&lt;b&gt; &amp; “cat”" and one["subtitle"]["text"] == SOURCE
    two, more = heading(" ".join(["a sentence of two lines"] * 2), SOURCE)
    assert two["text"].count("<br>") == 1 and two["pad"]["t"] > one["pad"]["t"] and more > above + 24
