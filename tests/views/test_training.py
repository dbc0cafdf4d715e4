"""Training charts: what is drawn are the rows, work is not waiting, a strange row costs its point and no more."""

import json
import math

import altair
import jsonschema
import numpy as np
import plotly.graph_objects as go
import pytest

from explorer import text
from explorer.views import matrix, rows, style, training
from explorer.views.measures import ACROSS, ALL, MEASURES, OF_TASK, measures_of
from explorer.views.rows import POINTS, minutes_of_work

SOURCE = "held-out, n = 360, made-up"
HOSTILE = [
    {},
    {"step": 3},
    {"step": None, "epoch": None, "loss": None, "accuracy": None, "time": None},
    {"step": 4, "epoch": 0.4, "loss": math.nan, "accuracy": math.inf, "lr": math.nan, "time": math.nan},
    {"step": 5, "epoch": 0.5, "loss": "high", "accuracy": [0.5], "lr": {}, "images_per_second": "fast"},
    {"step": 10**400, "epoch": 0.6, "loss": 10**400, "attempt": []},
    {
        "step": 5,
        "epoch": 0.5,
        "d_loss": "low",
        "d_accuracy": -1e300,
        "held_out_kid": math.nan,
        "kl": [0],
        "loss": 2,
    },
    {"step": 6, "epoch": 0.6, "reconstruction": -1e308, "d_loss": 1e308, "kl": 1e308, "gradient_norm": 1e308},
    {"step": 6, "epoch": 0.6, "loss": 1e308, "accuracy": 0.2, "lr": 1e308, "images_per_second": 1e307},
    {"attempt": 2, "step": 6, "resumed": True},
    {"": 3.0, "step": 7},
    None,
]


def course(n: int, per_epoch: int = 10, seed: int = 0, **more: object) -> list[dict]:
    """n rows, one a step and 1.5 s each, with held-out values at the ends of epochs."""
    rng = np.random.default_rng(seed)
    found = []
    for step in range(1, n + 1):
        row = {
            "attempt": 1, "step": step, "epoch": step / per_epoch, "loss": 2 / step + rng.random() / 10,
            "accuracy": 1 - 0.9 / step - rng.random() / 100, "lr": 0.1 * step / n,
            "images_per_second": 300 + rng.random(), "time": 1.7e9 + 1.5 * step, "d_loss": 0.7 + rng.random(),
            "d_accuracy": 0.5 + rng.random() / 3, "gradient_norm": rng.random(), "d_gradient_norm": rng.random(),
            "reconstruction": -3000 - 10 * step + rng.random(), "kl": 20 + rng.random(),
        }  # fmt: skip
        if step % per_epoch == 0:
            row |= {"held_out_accuracy": 0.9 - 0.5 / step, "held_out_loss": 0.3 + 1 / step}
            row |= {"held_out_kid": 0.02 + abs(step - 25) / 1000}  # best in the middle
        found.append(row | more)
    return found


@pytest.fixture(params=["en", "ko"])
def language(request):
    text.set_language(request.param)
    yield request.param
    text.set_language("en")


def title_of(figure: go.Figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def line(figure: go.Figure, held: bool, number: int = 0) -> go.Scatter:
    return [each for each in figure.data if (each.line.width == 3) is held][number]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("across", ACROSS)
@pytest.mark.parametrize("what", MEASURES)
def test_what_is_drawn_are_the_rows(what, across, dark, language):
    given = course(40)
    figure = training.learning_curves({"one": given}, what, across, dark, SOURCE)
    x = {
        "epoch": [row["epoch"] for row in given],
        "step": [row["step"] for row in given],
        "time": [(row["time"] - given[0]["time"]) / 60 for row in given],
    }[across]
    measure = MEASURES[what]
    trained = [key for key in (measure.training, measure.beside) if key]
    for number, key in enumerate(trained):
        assert line(figure, False, number).x == pytest.approx(x)
        assert list(line(figure, False, number).y) == [row[key] for row in given]
    ends = [k for k, row in enumerate(given) if measure.held in row]
    assert len(figure.data) == len(trained) + bool(ends) + measure.marked
    if ends:
        assert line(figure, held=True).x == pytest.approx([x[k] for k in ends])
        assert list(line(figure, held=True).y) == [given[k][measure.held] for k in ends]
        assert line(figure, held=True).mode == "lines+markers"
    assert figure.layout.title.text and SOURCE in figure.layout.title.subtitle.text
    assert text.t(ACROSS[across]) == figure.layout.xaxis.title.text
    json.loads(figure.to_json())


def test_the_title_and_the_legend_say_the_same_numbers():
    given = course(20, per_epoch=10)
    for row in given:
        row["accuracy"] = 0.5 if row["epoch"] <= 1 else 0.8
    given = [row for row in given if row["step"] not in (17, 18, 19)]
    given[-1]["accuracy"] = 0.9  # the mean of 4 of the 10 steps
    figure = training.learning_curves({"one": given}, "accuracy", "epoch", source=SOURCE)
    assert title_of(figure) == "Held-out accuracy 87.5 % at epoch 2; training 84.0 % over that epoch"
    assert [each.name for each in figure.data] == ["training  84.0 %", "held-out  87.5 %"]
    figure = training.learning_curves({"one": given}, "loss", "epoch")
    assert title_of(figure).startswith("Held-out loss 0.350 at epoch 2; training ")


def test_of_several_runs_the_best_on_held_out_pictures_is_named():
    runs = {"worse": course(20), "better": course(30, seed=1), "without": course(5)}
    runs["better"][9]["held_out_accuracy"] = 0.97  # better than its last
    figure = training.learning_curves(runs, "accuracy", "epoch")
    assert title_of(figure) == "Best on held-out pictures: better, 97.0 % at epoch 1"
    assert [each.name for each in figure.data if each.showlegend][:2] == ["worse  87.5 %", "better  97.0 %"]
    figure = training.learning_curves(runs, "loss", "epoch")
    assert title_of(figure) == "Lowest loss on held-out pictures: better, 0.333 at epoch 3"
    level = {"a": course(10), "b": course(10, seed=1)}
    figure = training.learning_curves(level, "accuracy", "epoch")
    assert title_of(figure) == "2 runs are level on held-out pictures: 85.0 %"
    young = {"a": course(3, loss=0.5), "b": course(3, loss=0.25)}
    figure = training.learning_curves(young, "loss", "epoch")
    assert title_of(figure) == "Lowest training loss so far: b, 0.250"


def test_rates_and_speeds_have_their_own_titles():
    one, two = {"a": course(20)}, {"a": course(20), "b": course(20, images_per_second=999)}
    titles = [
        title_of(training.learning_curves(runs, what, "step"))
        for runs in (one, two)
        for what in ("lr", "images_per_second")
    ]
    assert titles == [
        "Learning rate 0.1 at epoch 2; 0.1 at its highest",
        "300 pictures a second, the median",
        "Learning rates reach 0.1 at their highest",
        "Fastest: b, 999 pictures a second, the median",
    ]


def test_training_and_held_out_values_are_told_apart_without_colour():
    figure = training.learning_curves({"one": course(20)}, "loss", "epoch")
    thin, thick = line(figure, held=False), line(figure, held=True)
    assert (thin.mode, thick.mode) == ("lines", "lines+markers") and thin.line.width < thick.line.width / 2


@pytest.mark.parametrize("dark", [False, True])
def test_runs_are_told_apart_beyond_the_colours(dark):
    runs = {f"run-{k}": course(20, seed=k) for k in range(10)}
    for what, measure in MEASURES.items():
        figure = training.learning_curves(runs, what, "epoch", dark)
        shown = [each for each in figure.data if each.line.width == (3 if measure.held else 2)]
        told = {(each.line.color, each.line.dash) for each in shown}
        assert len(told) == len(runs) * (2 if measure.beside else 1)
        assert len({each.line.color for each in shown}) == 8
        assert {each.line.color for each in shown} <= set(style.class_colours(10, dark))
        assert sum(each.showlegend for each in figure.data) == len(runs)
    markers = [each.marker.symbol for each in shown]
    assert len(set(markers[:8])) == 8
    ground = "#14161A" if dark else "#FBFAF7"
    first = [each.line.color for each in shown[:4]]
    assert min(style.contrast(colour, ground) for colour in first) >= (3 if dark else 2.6)


@pytest.mark.parametrize("what", MEASURES)
@pytest.mark.parametrize("n", [POINTS - 1, POINTS, POINTS + 1, 2 * POINTS, 12345])
def test_thinning_keeps_the_ends_and_never_leaves_the_range(what, n):
    given = course(n, per_epoch=10)
    figure, measure = training.learning_curves({"one": given}, what, "step"), MEASURES[what]
    for number, key in enumerate(key for key in (measure.training, measure.beside) if key):
        drawn = line(figure, False, number)
        values = np.array([row[key] for row in given])
        assert len(drawn.x) == min(n, POINTS)
        assert (drawn.x[0], drawn.y[0]) == (1, values[0]) and (drawn.x[-1], drawn.y[-1]) == (n, values[-1])
        assert values.min() <= min(drawn.y) and max(drawn.y) <= values.max()
        assert (np.diff(drawn.x) > 0).all()
    if measure.held:
        held = line(figure, held=True)
        pairs = {(row["step"], row[measure.held]) for row in given if measure.held in row}
        assert set(zip(held.x, held.y)) <= pairs  # measured ones, not means
        assert len(held.x) == min(len(pairs), POINTS)


def test_a_mean_is_of_its_neighbours_and_says_so():
    given = course(2 * POINTS - 2)  # groups of two between the ends
    drawn = line(training.learning_curves({"one": given}, "loss", "step"), held=False)
    assert drawn.y[1] == pytest.approx((given[1]["loss"] + given[2]["loss"]) / 2) and drawn.x[1] == 2.5
    assert list(drawn.customdata[1][:2]) == ["0.3", "2–3"] and list(drawn.customdata[0][:2]) == ["0.1", "1"]
    assert "%{meta}" in drawn.hovertemplate and drawn.meta == "one"


def test_a_planted_sum_instead_of_a_mean_is_caught(monkeypatch):
    monkeypatch.setattr(rows, "_means", lambda values, edges: np.add.reduceat(values, edges[:-1]))
    with pytest.raises(AssertionError):
        test_thinning_keeps_the_ends_and_never_leaves_the_range("loss", 2 * POINTS)


def test_minutes_of_work_leave_out_what_lies_between_attempts():
    times = [(1, 100.0), (1, 160.0), (2, 9000.0), (2, 9030.0), (2, 8000.0), (2, 8060.0), (3, None), (3, 1e6)]
    given = [{"attempt": attempt, "time": time} for attempt, time in times]
    expected = [0, 1, 1, 1.5, 1.5, 2.5, math.nan, 2.5]
    assert minutes_of_work(given) == pytest.approx(expected, nan_ok=True)
    bare = [{"time": 60.0 * k} for k in range(3)]  # rows that say nothing of attempts are of one
    assert list(minutes_of_work(bare)) == [0, 1, 2] and len(minutes_of_work([])) == 0


def test_a_resumed_run_goes_on_where_it_was_over_minutes():
    given = course(20)
    for row in given[10:]:
        row |= {"attempt": 2, "time": row["time"] + 86400}
    drawn = line(training.learning_curves({"one": given}, "loss", "time"), held=False)
    assert max(drawn.x) == pytest.approx(18 * 1.5 / 60)


@pytest.mark.parametrize("across", ACROSS)
@pytest.mark.parametrize("what", MEASURES)
@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"empty": []},
        {"one": course(1)},
        {"hostile": HOSTILE},
        {"hostile": HOSTILE, "empty": [], "good": course(30)},
        {"many": [row for row in HOSTILE for _ in range(POINTS)]},
        {"backwards": course(30)[::-1]},
    ],
    ids=lambda runs: "+".join(runs) or "none",
)
def test_strange_rows_cost_their_point_and_no_more(runs, what, across):
    figure = training.learning_curves(runs, what, across, True, SOURCE)
    assert "NaN" not in figure.to_json() and "Infinity" not in figure.to_json()
    assert figure.layout.title.text
    for each in figure.data:
        assert len(each.x) == len(each.y) == len(each.customdata) > 0
        assert (np.diff(each.x) >= 0).all()
    if runs in ({}, {"empty": []}):
        assert title_of(figure) == "No values yet"
    if "one" in runs:
        lines = [key for key in (MEASURES[what].training, MEASURES[what].beside) if key]
        assert [each.mode for each in figure.data] == ["lines+markers"] * len(lines)  # a point alone is seen


# --- what draws -------------------------------------------------------------------------------------------------------


def test_both_losses_of_a_gan_stand_in_one_chart_told_apart_by_colour_and_dash():
    given = course(20)
    for row in given:
        row |= {"loss": 1.25, "d_loss": 0.5, "gradient_norm": 3.0, "d_gradient_norm": 0.25}
    figure = training.learning_curves({"one": given}, "gan_loss", "epoch", source=SOURCE)
    assert [each.name for each in figure.data] == ["generator  1.250", "discriminator  0.500"]
    assert title_of(figure) == "Loss of the generator 1.250, of the discriminator 0.500 at epoch 2"
    one, other = figure.data
    assert one.line.color != other.line.color and (one.line.dash, other.line.dash) == ("solid", "dot")
    assert one.legendgroup != other.legendgroup, "each can be put out by itself"
    figure = training.learning_curves({"one": given}, "gan_gradients", "epoch")
    assert title_of(figure) == "Gradient norm of the generator 3.000, of the discriminator 0.250 at epoch 2"
    figure = training.learning_curves({"a": given, "b": course(30)}, "gan_loss", "epoch")
    first, second, *_ = figure.data
    assert first.line.color == second.line.color and first.line.dash != second.line.dash
    assert title_of(figure) == "Losses of 2 runs: they say who is ahead, not which draws better"
    assert "solid: generator" in figure.layout.legend.title.text


def test_the_share_that_the_discriminator_gets_right_has_a_line_where_it_cannot_tell():
    given = [row | {"d_accuracy": 0.75} for row in course(20)]
    figure = training.learning_curves({"one": given}, "d_accuracy", "epoch")
    (level,) = figure.layout.shapes
    assert (level.y0, level.y1) == (0.5, 0.5) and "cannot tell" in figure.layout.annotations[0].text
    assert title_of(figure) == "The discriminator is right about 75.0 % of the pictures at epoch 2"
    two = training.learning_curves(
        {"a": given, "b": [row | {"d_accuracy": 0.6} for row in given]}, "d_accuracy", "step"
    )
    assert title_of(two) == "Discriminators are right about 60.0 % to 75.0 % of the pictures"
    assert not training.learning_curves({"a": []}, "d_accuracy", "epoch").layout.shapes


def test_the_lowest_kid_has_a_ring_and_the_title_says_whether_it_is_the_last():
    given = course(50)  # best at step 20 or 30, epoch 2: 0.025
    figure = training.learning_curves({"one": given}, "kid", "epoch", source=SOURCE)
    line_, ring = figure.data
    assert (
        (ring.x, ring.y) == ((2.0,), (0.025,)) and not ring.showlegend and ring.marker.symbol == "circle-open"
    )
    assert title_of(figure) == "Lowest KID 0.025 at epoch 2; 0.045 at epoch 5"
    assert line_.name == "held-out  0.025" and "0.025" in figure.layout.annotations[0].text
    early = training.learning_curves({"one": given[:20]}, "kid", "epoch")
    assert title_of(early) == "KID 0.025 at epoch 2, the lowest so far"
    worse = [row | {"held_out_kid": 1.0} if "held_out_kid" in row else row for row in given]
    both = training.learning_curves({"bad": worse, "good": given}, "kid", "epoch")
    assert title_of(both) == "Lowest KID: good, 0.025 at epoch 2"
    assert [each.mode for each in both.data] == ["lines+markers"] * 2 + ["markers"] * 2


def test_a_loss_below_zero_is_drawn_where_it_lies():
    given = [row | {"loss": -3000.0 - row["step"], "held_out_loss": -3100.0} for row in course(20)]
    figure = training.learning_curves({"one": given}, "vae_loss", "epoch")
    assert figure.layout.yaxis.rangemode == "normal", "an axis from 0 would flatten it"
    assert title_of(figure) == "Held-out loss -3,100.0 at epoch 2; training -3,015.5 over that epoch"
    parts = [
        title_of(training.learning_curves({"one": given}, what, "epoch")) for what in ("reconstruction", "kl")
    ]
    assert parts[0].startswith("Reconstruction -3,1") and parts[1].startswith("KL divergence 20.")


def test_the_axis_of_a_loss_that_falls_steeply_at_first_shows_what_comes_after():
    given = [
        row | {"loss": 0.03 - row["step"] / 1e5 + (row["step"] < 5) / row["step"]} for row in course(200)
    ]
    for row in given:
        row.pop("held_out_loss", None)
    low, high = training.learning_curves({"one": given}, "noise_loss", "epoch").layout.yaxis.range
    late = [row["loss"] for row in given[19:]]
    assert low < min(late) < max(late) < high < 0.04, "the first steps, above 0.2, are cut off"
    even = [row | {"loss": 1 - row["step"] / 200} for row in given]
    assert training.learning_curves({"one": even}, "noise_loss", "step").layout.yaxis.range is None
    assert training.learning_curves({"one": given[:8]}, "noise_loss", "step").layout.yaxis.range is None
    assert training.learning_curves({"one": given}, "loss", "step").layout.yaxis.range is None


def test_runs_of_different_kinds_share_only_what_all_have():
    for task, (keys, first) in OF_TASK.items():
        assert measures_of([task]) == (list(keys), first) and first in keys and set(keys) <= MEASURES.keys()
    assert measures_of(["classifier", "gan"])[0] == list(ALL)
    assert measures_of(["vae", "diffusion"])[0] == ["gradient_norm", *ALL], (
        "their losses are different quantities"
    )
    assert measures_of(["gan", "of another version"]) == (list(ALL), "lr") == measures_of([])
    drawn = {key for keys, _ in OF_TASK.values() for key in keys}
    assert drawn == MEASURES.keys()


def test_a_name_is_shown_as_it_is_written():
    figure = training.learning_curves({"<b>a&b</b>": course(20), "%{x}": course(10)}, "accuracy", "step")
    assert "&lt;b&gt;a&amp;b&lt;/b&gt;" in figure.layout.title.text
    assert figure.data[0].meta == "&lt;b&gt;a&amp;b&lt;/b&gt;"
    assert all("%{x}" not in each.hovertemplate for each in figure.data)


def test_korean_titles_are_korean():
    text.set_language("ko")
    try:
        titles = [
            title_of(training.learning_curves(runs, what, "epoch"))
            for runs in ({"a": course(20)}, {"a": course(3)}, {"a": course(20), "b": course(30)}, {})
            for what in MEASURES
        ]
        titles.append(title_of(training.lr_range([0.1], [1], [1], None)))
        titles.append(title_of(training.lr_range([0.1], [1], [1], 0.1)))
        titles += [
            " ".join(training.sweep_map(swept(), "lr", "b", m)["title"]["text"]) for m in training.SWEPT
        ]
    finally:
        text.set_language("en")
    assert all(any("가" <= letter <= "힣" for letter in each) for each in titles)


def swept() -> list[dict]:
    cells = [
        {"lr": 0.1, "b": 512, "accuracy": 0.95, "auc": 0.991, "run": "r1", "state": "done"},
        {"lr": 0.01, "b": 64, "accuracy": 0.9, "auc": 0.999, "run": "r2", "state": "done"},
        {"lr": 0.01, "b": 512, "accuracy": 0.25, "auc": 0.5, "run": "r3", "state": "stopped"},
        {"lr": 1.0, "b": 64, "accuracy": None, "auc": math.nan, "run": "r4", "state": "failed"},
        {"lr": 1e-5, "b": 1024, "accuracy": None, "auc": None, "run": "r5", "state": "running"},
    ]
    drawn = [
        (0.0123, -2895.5, 0.0312),
        (-0.0002, -3010.25, 0.0287),
        (1.5, -120.0, 0.9),
        (None,) * 3,
        (math.inf,) * 3,
    ]
    return [
        cell | dict(zip(("kid", "vae_loss", "noise_loss"), values))
        for cell, values in zip(cells, drawn, strict=True)
    ]


def by_place(spec: dict) -> dict:
    return {(row["x"], row["y"]): row for row in spec["data"]["values"]}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("metric", training.SWEPT)
def test_a_sweep_is_valid_vega_lite_and_carries_its_numbers(metric, dark, language):
    spec = training.sweep_map(swept(), "lr", "b", metric, dark, SOURCE)
    altair.Chart.from_dict(spec, validate=True)
    json.dumps(spec, allow_nan=False)
    assert SOURCE in " ".join(spec["title"]["subtitle"])
    cells = by_place(spec)
    assert len(cells) == 4 * 3  # the whole grid
    for given in swept():
        cell = cells[f"{given['lr']:g}", str(given["b"])]
        value = given[metric]
        value = None if value is None or not math.isfinite(value) else value
        assert cell["value"] == value and cell["run"] == given["run"]
        assert cell["state"] == text.t(given["state"])
        if value is None:
            assert cell["print"] == "" and cell["words"] == "–"
        else:
            told = float(cell["print"].replace(",", ""))
            assert told == pytest.approx(100 * value if metric == "accuracy" else value, rel=1e-3)
    missing = cells["1", "1024"]
    assert (missing["value"], missing["run"], missing["state"]) == (None, "", text.t("not run"))
    with pytest.raises(jsonschema.ValidationError):
        altair.Chart.from_dict({**spec, "layer": [{"mark": "no such mark"}]}, validate=True)


def test_a_sweeps_axes_are_in_order_and_named():
    spec = training.sweep_map(swept(), "lr", "b", "accuracy", labels=("learning rate", "batch"))
    x, y = spec["encoding"]["x"], spec["encoding"]["y"]
    assert x["scale"]["domain"] == ["1e-05", "0.01", "0.1", "1"] and x["title"] == "learning rate"
    assert y["scale"]["domain"] == ["1024", "512", "64"] and y["title"] == "batch"  # upwards
    words = [{"lr": value, "b": True, "accuracy": 0.5} for value in ("step", 10, "cosine", 9.0, None)]
    spec = training.sweep_map(words, "lr", "b", "accuracy")
    assert spec["encoding"]["x"]["scale"]["domain"] == ["9", "10", "cosine", "step", "–"]
    assert (spec["encoding"]["x"]["title"], spec["encoding"]["y"]["scale"]["domain"]) == ("lr", ["True"])


def test_a_sweeps_title_says_the_best_cell():
    def said(cells: list[dict], metric: str = "accuracy") -> str:
        return " ".join(training.sweep_map(cells, "lr", "b", metric)["title"]["text"])

    assert said(swept()) == "Best held-out accuracy: 95.0 %, at lr = 0.1 and b = 512"
    assert said(swept(), "auc") == "Best held-out macro AUC: 0.999, at lr = 0.01 and b = 64"
    assert said(swept(), "kid") == "Best held-out KID: -0.0002, at lr = 0.01 and b = 64", "the lowest"
    assert said(swept(), "vae_loss") == "Best held-out loss, nats: -3,010.2, at lr = 0.01 and b = 64"
    assert said([*swept(), {"lr": 1.0, "b": 64, "accuracy": 0.95}]).startswith("2 cells share the best")
    assert said([]) == said(swept()[3:]) == "No run of the sweep has a result yet"


def test_a_click_on_any_cell_tells_which():
    spec = training.sweep_map(swept(), "lr", "b", "accuracy")
    found = [param for layer in spec["layer"] for param in layer.get("params", [])]
    assert found[0]["name"] == "cell" and found[0]["select"]["fields"] == ["x", "y", "run"]
    colour = spec["layer"][0]["encoding"]["color"]
    assert colour["condition"] == {"test": "datum.value === null", "value": style.EMPTY}
    # Vega-Lite leaves out rows whose colour is null: an empty cell could not be pointed at
    assert all(isinstance(row[colour["field"]], float) for row in spec["data"]["values"])


def test_the_inks_read_and_small_differences_are_not_blown_up():
    for values in ([0.0, 1.0, 0.4, 0.6], [0.95, 0.951], [1.0], [0.0], [0.3]):
        cells = [{"lr": k, "b": 1, "accuracy": value} for k, value in enumerate(values)]
        spec = training.sweep_map(cells, "lr", "b", "accuracy")
        domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
        low, high = domain[0], domain[-1]
        assert -1e-12 <= low <= min(values) <= max(values) <= high + 1e-12 <= 1 + 1e-9
        assert high - low >= training.SPAN - 1e-12 and domain == sorted(domain)
        for row in spec["data"]["values"]:
            colour = style.at(style.SEQUENTIAL, (row["value"] - low) / (high - low))
            assert row["black"] == (style.ink_on(colour) == "#000000")


def test_where_less_is_better_the_best_cell_is_the_bright_one():
    for metric in ("kid", "vae_loss", "noise_loss"):
        spec = training.sweep_map(swept(), "lr", "b", metric)
        scale = spec["layer"][0]["encoding"]["color"]["scale"]
        assert scale["range"] == list(style.SEQUENTIAL[::-1]) and scale["domain"] == sorted(scale["domain"])
        done = [row for row in spec["data"]["values"] if row["value"] is not None]
        lowest = min(done, key=lambda row: row["value"])
        assert lowest["black"] and scale["domain"][0] == lowest["value"]
    same = training.sweep_map([{"lr": 0.1, "b": 1, "vae_loss": -3000.0}], "lr", "b", "vae_loss")
    low, *_, high = same["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert high - low == pytest.approx(training.SPAN * 3000), "small differences are not blown up"


def test_of_two_cells_alike_the_one_with_a_result_counts():
    one = {"lr": 0.1, "b": 1, "accuracy": 0.5, "run": "old"}
    again = {"lr": 0.10, "b": 1, "accuracy": None, "run": "new"}
    for cells, run in (([one, again], "old"), ([one, {**again, "accuracy": 0.4}], "new")):
        spec = training.sweep_map(cells, "lr", "b", "accuracy")
        assert [row["run"] for row in spec["data"]["values"]] == [run]


@pytest.mark.parametrize("bad", [None, "high", math.inf, -0.1, 97.1, [0.5]])
def test_what_is_no_share_is_an_empty_cell(bad):
    spec = training.sweep_map([{"lr": 0.1, "accuracy": bad}, {}], 'a "quoted" [name].x', "b", "accuracy")
    altair.Chart.from_dict(spec, validate=True)
    assert all(row["value"] is None for row in spec["data"]["values"])


def measured() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rates = np.geomspace(1e-5, 10, 100)
    course = 2.3 - 1.6 / (1 + np.exp(-3 * (np.log10(rates) + 1.3))) + np.maximum(rates - 0.6, 0) ** 2
    return rates, course + np.random.default_rng(0).normal(0, 0.05, 100), course


@pytest.mark.parametrize("dark", [False, True])
def test_the_range_test_is_drawn_as_measured_and_the_suggestion_marked(dark, language):
    rates, losses, smoothed = measured()
    figure = training.lr_range(rates, losses, smoothed, 0.083, dark, SOURCE)
    raw, smooth = figure.data
    assert list(raw.x) == list(smooth.x) == rates.tolist() and figure.layout.xaxis.type == "log"
    assert list(raw.y) == losses.tolist() and list(smooth.y) == smoothed.tolist()
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 0.083
    note = figure.layout.annotations[0]
    assert "0.083" in note.text and 10**note.x == pytest.approx(0.083)
    assert "0.083" in title_of(figure) and SOURCE in figure.layout.title.subtitle.text
    low, high = figure.layout.yaxis.range
    assert low < smoothed.min() and smoothed[0] < high < losses.max()  # the blow-up is cut off
    if language == "en":
        assert title_of(figure) == "The loss falls fastest near learning rate 0.083"


@pytest.mark.parametrize("suggestion", [None, math.nan, 0.0, -1.0])
def test_no_suggestion_is_said(suggestion):
    figure = training.lr_range([0.1, 1], [1, 2], [1, 2], suggestion)
    assert title_of(figure) == "No learning rate stands out: the loss hardly falls"
    assert not figure.layout.shapes and not figure.layout.annotations and figure.layout.yaxis.range is None


@pytest.mark.parametrize(
    ("rates", "losses", "kept"),
    [
        ([], [], []),
        ([0.1], [1.0], [0.1]),
        ([0.1, -1, 0, math.nan, 1.0, 10.0], [1.0, 1.0, 1.0, 1.0, None, math.inf], [0.1]),
        ([1.0, 0.1], [1.0, 2.0, 3.0], [0.1, 1.0]),
    ],
)
def test_strange_rates_and_losses_are_left_out(rates, losses, kept):
    figure = training.lr_range(rates, losses, losses, 0.1)
    assert all(list(each.x or ()) == kept for each in figure.data)
    assert "NaN" not in figure.to_json()


def test_long_range_tests_are_thinned():
    rates = np.geomspace(1e-6, 1, 5000)
    figure = training.lr_range(rates, rates, rates, 0.1)
    assert all(len(each.x) == POINTS and (each.x[0], each.x[-1]) == (rates[0], 1) for each in figure.data)


def test_the_matrix_of_an_epoch_is_drawn_from_plain_counts():
    classes, order = ("cat", "dog", "owl"), np.arange(3)
    counts = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])  # as read from a file; of one class no picture yet
    spec = matrix.confusion_matrix(counts, classes, order, f"epoch 1 · {SOURCE}", percent=False)
    altair.Chart.from_dict(spec, validate=True)
    assert " ".join(spec["title"]["text"]) == "“cat” is taken for “dog”, 2 of 10"
    json.dumps(matrix.confusion_matrix(0 * counts, classes, order, SOURCE), allow_nan=False)
