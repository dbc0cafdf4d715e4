"""The Evaluate page by AppTest: its numbers, its way from a number to pictures, its address, and life without data."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from streamlit.testing.v1 import AppTest

from explorer import text
from explorer.analysis import predict
from explorer.text import Problem
from explorer.ui import evaluation, evidence, language  # noqa: F401 (language: answers ?lang=)
from tests.made_up import made_up_checkpoints

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def surroundings(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    yield
    text.set_language("en")


def opened(**query: str) -> AppTest:
    """The page alone, without the frame, under this address (tests/test_pages.py opens it inside the frame)."""
    app = AppTest.from_file(str(ROOT / "pages/evaluate.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception and not app.error, [part.value for part in [*app.exception, *app.error]]
    return app


def kinds(app: AppTest) -> list[str]:
    """What stands on the page, by the names of Streamlit's messages."""

    def below(node) -> Iterator[str]:
        yield getattr(node, "type", "")
        for child in getattr(node, "children", {}).values():
            yield from below(child)

    return list(below(app.main))


def alts(app: AppTest) -> list[str]:
    """The words for those who cannot see them, of every picture of a gallery."""
    return [
        item["alt"] for strip in app.get("bidi_component") for item in json.loads(strip.proto.bytes)["items"]
    ]


def heading(app: AppTest) -> str:
    return next(part.value for part in app.markdown if part.value.startswith("**"))


def test_the_headline_says_what_scikit_learn_says() -> None:
    app = opened(checkpoint="digits-a")
    found = predict.stored("digits-a")
    values = {metric.label: metric.value for metric in app.metric}
    assert (
        values["Accuracy, test, plain"] == f"{100 * sk.accuracy_score(found.labels, found.predicted):.2f} %"
    )
    assert values["Mistakes"] == str((found.labels != found.predicted).sum())
    assert values["Macro F1"] == f"{sk.f1_score(found.labels, found.predicted, average='macro'):.4f}"
    caption = next(part.value for part in app.caption if "sha256" in part.value)
    assert "digits, test · n = 359 · plain" in caption and found.checkpoint_sha256[:12] in caption
    assert "95.00 %" in caption  # the card's six-view accuracy


def test_a_cell_opens_to_its_pictures_by_the_keyboard_and_by_the_address() -> None:
    found = predict.stored("digits-a")
    inside = np.flatnonzero((found.labels == 3) & (found.predicted == 5))
    assert 0 < len(inside) <= 12
    app = opened(checkpoint="digits-a", true="3", predicted="5")
    assert f"{len(inside)} of {(found.labels == 3).sum()}" in heading(app)
    numbers = [int(re.search(r"Picture ([\d,]+)", alt)[1].replace(",", "")) for alt in alts(app)]
    assert sorted(numbers) == inside.tolist()

    app.selectbox(key="predicted").select("3").run()
    assert "is recognised" in heading(app) and app.query_params["predicted"] in ("3", ["3"])
    assert all("rightly predicted" in alt for alt in alts(app)) and alts(app)
    app.selectbox(key="predicted").select("").run()
    assert "taken for something else" in heading(app)


def test_without_a_choice_the_most_frequent_mistake_is_shown() -> None:
    app = opened(checkpoint="digits-a")
    found = predict.stored("digits-a")
    wrong = sk.confusion_matrix(found.labels, found.predicted)
    np.fill_diagonal(wrong, 0)
    assert f"“3” is taken for “5”: {wrong.max()} of" in heading(app)


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize("tab", ["confusion", "classes", "calibration", "curves", "mistakes", "versus"])
def test_a_tab_opens_by_its_address_in_both_languages_and_only_it_runs(tab: str, code: str) -> None:
    app = opened(checkpoint="digits-a", tab=tab, lang=code)
    assert app.metric[0].label.startswith("정확도") == (code == "ko")
    charts = {"confusion": 1, "classes": 1, "calibration": 1, "curves": 0, "mistakes": 0, "versus": 1}
    shown = kinds(app)
    assert shown.count("vega_lite_chart") == charts[tab]
    assert shown.count("plotly_chart") == (tab == "curves")
    assert bool(alts(app)) == (tab not in ("classes", "curves"))


def test_six_views_and_no_calibration_are_other_numbers() -> None:
    plain, six = (opened(checkpoint="digits-a", views=views) for views in ("1", "6"))
    assert plain.metric[0].value != six.metric[0].value
    raw = opened(checkpoint="digits-a", calibrated="false")
    assert raw.metric[0].value == plain.metric[0].value and raw.metric[3].value != plain.metric[3].value
    assert "as trained" in next(part.value for part in raw.caption if "sha256" in part.value)


def test_views_that_were_not_stored_are_computed_where_the_data_is_here() -> None:
    app = opened(checkpoint="digits-a", views="2")
    assert "n = 359 · mean of 2 views" in next(part.value for part in app.caption if "sha256" in part.value)


def test_without_the_data_set_the_sheets_pictures_are_shown_and_the_button() -> None:
    app = opened(checkpoint="cifar10-a", true="cat", predicted="cat")
    caption = next(part.value for part in app.caption if "shipped sheet" in part.value)
    here, words = caption.split(" ", 1)
    assert words.startswith("of these") and len(alts(app)) == min(int(here), 12) > 0
    assert any(button.label == "Get cifar10" for button in app.button)


def test_missing_views_without_data_say_what_to_do_and_the_page_lives() -> None:
    app = opened(checkpoint="cifar10-a", views="2")
    assert app.info and "cifar10" in app.info[0].value
    app.selectbox(key="views").select("6").run()
    assert not app.info and app.metric[0].label == "Accuracy, test, 6 views"


def test_two_models_are_compared_on_the_same_pictures() -> None:
    app = opened(checkpoint="digits-a", tab="versus")
    a, b = predict.stored("digits-a"), predict.stored("digits-b")
    fixed = np.flatnonzero((a.predicted != a.labels) & (b.predicted == b.labels))
    assert app.selectbox(key="against").options == ["digits-b"]
    assert f"{len(fixed)} fixed against" in " ".join(part.value for part in app.markdown)
    assert len(alts(app)) == min(len(fixed), 12)
    alone = opened(checkpoint="cifar10-a", tab="versus")
    assert any("no second checkpoint" in part.value for part in alone.markdown)


def test_the_downloads_hold_the_pages_numbers() -> None:
    found = evidence.scores("digits-a", "test", 1, True)
    read = json.loads(evaluation.as_json(found))
    assert read["accuracy"] == found.report.accuracy and read["n"] == 359
    assert read["checkpoint_sha256"] == found.predictions.checkpoint_sha256
    assert {
        "per_class",
        "macro_avg",
        "weighted_avg",
        "confusion",
        "ece",
        "auc_macro",
        "data_fingerprint",
    } <= set(read)
    lines = list(csv.DictReader(evaluation.as_csv(found).splitlines()))
    assert len(lines) == 359 and lines[7]["index"] == "7"
    assert sum(float(value) for key, value in lines[7].items() if key.startswith("p_")) == pytest.approx(
        1, abs=1e-4
    )
    assert sum(line["true"] == line["predicted"] for line in lines) / 359 == pytest.approx(read["accuracy"])


def test_a_chart_is_drawn_once_for_its_key() -> None:
    drawn = []
    for _ in range(3):
        evidence.drawn(("test", "once"), lambda: drawn.append(1) or {})
    text.set_language("ko")
    evidence.drawn(("test", "once"), lambda: drawn.append(1) or {})
    assert len(drawn) == 2


def test_an_unknown_checkpoint_is_a_problem() -> None:
    with pytest.raises(Problem, match="digits-a"):
        evidence.scores("no-such", "test", 1, True)
