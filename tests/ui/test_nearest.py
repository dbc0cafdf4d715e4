"""What is nearest to a picture, on the Predict page: where the picture itself is in the gallery, it is left out."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints
from explorer.data import samples
from explorer.ui import retrieving, widgets
from tests.made_up import damaged_cifar10

ROOT = Path(__file__).resolve().parents[2]


def opened(monkeypatch: pytest.MonkeyPatch, folder: Path, **query: str) -> tuple[AppTest, list, dict]:
    """(the page on a fresh machine with the part unfolded, the strip as it was given, the link's query)"""
    monkeypatch.setenv("EXPLORER_DATA", str(folder))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(checkpoints.OURS))
    given: list[Any] = []
    links: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(widgets, "strip", lambda *parts: given.extend(parts))
    monkeypatch.setattr(widgets, "page_link", lambda page, *rest: links.update({page: rest[-1]}))
    app = AppTest.from_file(str(ROOT / "pages/predict.py"), default_timeout=240)
    for key, value in {"model": "cifar10-fastnet", **query}.items():
        app.query_params[key] = value
    app.session_state["nearest cifar10-fastnet"] = True
    app.run()
    assert not app.exception and not app.error
    return app, given, links["retrieve"]


def words(app: AppTest) -> str:
    return " ".join(part.value for part in [*app.markdown, *app.caption])


@pytest.mark.parametrize("sample", ["cat", "ship"])
def test_a_sample_is_no_copy_of_itself(sample: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app, (_, alts, captions), link = opened(monkeypatch, tmp_path, sample=sample)
    assert "How far outside is this picture?" in words(app) and "perhaps a copy" not in words(app)
    _, _, index = samples.origin(sample)
    assert len(alts) == 6 and not any(f"picture {index}:" in alt for alt in alts)
    assert all(float(caption.split(" · ")[1]) < 0.9999 for caption in captions)
    assert all("|x| " in caption for caption in captions)
    assert link == {"part": "duel", "model": "cifar10-fastnet", "sample": sample}


def test_a_class_that_is_written_in_markdown_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(retrieving.Gallery, "name", lambda *_: "**a** [b](c)")
    _, (_, _, captions), _ = opened(monkeypatch, tmp_path)
    assert all(caption.startswith(r"\*\*a\*\* \[b\]\(c\) · ") for caption in captions)


def test_a_damaged_copy_of_cifar10_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged_cifar10(tmp_path)
    app, (_, alts, _), _ = opened(monkeypatch, tmp_path)
    assert len(alts) == 6 and ["damaged copy" in part.value for part in app.warning] == [True]


def test_the_link_keeps_what_is_cut_and_the_light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, _, link = opened(monkeypatch, tmp_path, sample="flower", size="40", x="10", invert="true")
    cut = {"size": "40", "x": "10", "invert": "true"}
    assert link == {"part": "duel", "model": "cifar10-fastnet", "sample": "flower"} | cut
    _, _, link = opened(monkeypatch, tmp_path, sample="flower", fit="squash")
    assert link["fit"] == "squash"
