"""The commands `story …`: what they say of talks, what they write, and one sentence for what is wrong."""

import json
from pathlib import Path

import pytest
from PIL import Image

from explorer import cli
from explorer.story import figures
from explorer.story.figures import Figure
from explorer.text import Missing, Problem, set_language

TALK = """
title = {en = "A talk", ko = "발표"}
sentence = {en = "Of two steps.", ko = "두 단계입니다."}
[[step]]
headline = {en = "The first", ko = "첫째"}
sentence = {en = "A picture.", ko = "그림입니다."}
note = {en = "Say hello.", ko = "인사합니다."}
figure = "picture"
[[step]]
headline = {en = "The second", ko = "둘째"}
sentence = {en = "Not here.", ko = "여기 없습니다."}
note = {en = "Say goodbye.", ko = "작별합니다."}
figure = "gone"
reported = ["accuracy.resnet18"]
"""


@pytest.fixture(autouse=True)
def talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of talks with one in it, whose first step shows a red square and whose second lacks a checkpoint."""

    def gone(options: dict) -> Figure:
        raise Missing("The checkpoint {name} is not here.", name="far-away")

    folder = tmp_path / "talks"
    folder.mkdir()
    (folder / "talk.toml").write_text(TALK, encoding="utf-8")
    monkeypatch.setenv("EXPLORER_STORIES", str(folder))
    red = Image.new("RGB", (32, 32), "#FF0000")
    monkeypatch.setattr(
        figures,
        "FIGURES",
        {
            "picture": lambda options: Figure(image=red, evidence="n = 1", alt="red", smooth=False),
            "gone": gone,
        },
    )
    yield folder
    set_language("en")


@pytest.fixture
def run(capsys: pytest.CaptureFixture):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["story", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_list_says_which_talks_there_are_and_which_cannot_be_told(run, talks: Path) -> None:
    (talks / "broken.toml").write_text("title = 3", encoding="utf-8")
    code, out, _ = run("list", "--json")
    found = json.loads(out)
    assert code == 0 and found[1] == {"name": "talk", "title": "A talk", "steps": 2}
    assert found[0]["name"] == "broken" and "broken.toml, field title" in found[0]["problems"][0]
    _, out, _ = run("list")
    assert "A talk" in out and "story check" in out


def test_no_talk_is_a_sentence(run, talks: Path) -> None:
    (talks / "talk.toml").unlink()
    assert run("list")[:2] == (0, f"No talk in {talks}.\n") and run("check")[0] == 0


def test_the_language_is_that_of_the_variable_or_as_asked(run, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXPLORER_LANG", "ko")
    assert "발표" in run("list")[1]
    assert "The first" in run("slide", "talk", 1, "--out", tmp_path / "a.png", "--lang", "en")[1]
    code, _, said = run("slide", "talk", 1, "--out", tmp_path / "b.png", "--lang", "fr")
    assert code == 1 and "'fr'" in said and not (tmp_path / "b.png").exists()


def test_check_is_silent_of_a_good_file_but_for_what_is_not_here(run, talks: Path) -> None:
    code, out, _ = run("check", "--json")
    assert code == 0
    assert json.loads(out) == {
        "talk": {"wrong": [], "told": ["step 2: The checkpoint far-away is not here."]}
    }
    assert run("check", talks / "talk.toml")[1].startswith("talk: 2 steps, nothing is wrong.\n")


def test_check_tells_what_is_wrong_by_file_step_and_field(run, talks: Path, monkeypatch) -> None:
    (talks / "other.toml").write_text(
        TALK.replace('"gone"', '"unknown"').replace("Say hello.", ""), encoding="utf-8"
    )
    code, out, _ = run("check")
    assert code == 1 and "talk: 2 steps" in out
    assert "other.toml, step 1, field note: expected words" in out
    assert "other.toml, step 2, field figure: expected one of gone, picture" in out

    def wrong(options: dict) -> Figure:
        raise Problem("A figure has no option {name}; known: {known}.", name="x", known="y")

    monkeypatch.setitem(figures.FIGURES, "picture", wrong)
    code, out, _ = run("check", talks / "talk.toml")
    assert code == 1 and "talk.toml, step 1, field figure: A figure has no option x; known: y." in out


def test_check_tells_of_letters_that_the_typeface_lacks(run, talks: Path) -> None:
    (talks / "talk.toml").write_text(TALK.replace("첫째", "첫째 ☒"), encoding="utf-8")
    code, out, _ = run("check", "--json")
    assert code == 0 and "step 1: The typeface lacks ☒" in json.loads(out)["talk"]["told"][0]


def test_check_of_no_file_is_a_sentence(run, tmp_path: Path) -> None:
    code, _, said = run("check", tmp_path / "none.toml")
    assert code == 1 and "There is no file" in said


def test_a_slide_is_written_in_one_step(run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "slide.png"
    code, said, _ = run("slide", "talk", 1, "--out", out, "--dark", "--lang", "ko", "--json")
    assert code == 0
    value = json.loads(said)
    assert value == {"out": str(out), "step": 1, "headline": "첫째", "bytes": out.stat().st_size, "said": ""}
    with Image.open(out) as picture:
        assert (picture.format, picture.size, picture.getpixel((0, 0))) == (
            "PNG",
            (1920, 1080),
            (0x14, 0x16, 0x1A),
        )
        assert (255, 0, 0) in {colour for _, colour in picture.getcolors(100_000)}
    assert [each.name for each in out.parent.iterdir()] == ["slide.png"]


def test_a_slide_of_what_is_missing_says_so(run, tmp_path: Path) -> None:
    _, said, _ = run("slide", "talk", 2, "--out", tmp_path / "slide.png")
    assert "far-away is not here" in said and "What was reported stands here instead" in said


def test_a_report_is_written_and_says_what_was_not_here(run, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    code, said, _ = run("report", "talk", "--out", out, "--lang", "ko", "--json")
    value = json.loads(said)
    assert (
        code == 0
        and (value["steps"], value["bytes"]) == (2, out.stat().st_size)
        and list(value["said"]) == ["2"]
    )
    page = out.read_text(encoding="utf-8")
    assert (
        '<html lang="ko">' in page
        and "작별합니다." in page
        and "far-away" in page
        and page.count("<figure>") == 2
    )
    _, said, _ = run("report", "talk", "--out", out)
    assert "step 2: What was reported stands here instead: The checkpoint far-away is not here." in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["slide", "none", "1", "--out", "a.png"], "Unknown talk 'none'; known: talk."),
        (["slide", "talk", "3", "--out", "a.png"], "talk has the steps 1 to 2"),
        (["slide", "talk", "0", "--out", "a.png"], "talk has the steps 1 to 2"),
        (["slide", "talk", "1", "--out", "a.jpg"], "expected a name that ends in .png"),
        (["report", "talk", "--out", "a.txt"], "expected a name that ends in .html"),
        (["report", "../talk", "--out", "a.html"], "Unknown talk"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_no_file(
    words: list[str], sentence: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, said = run(*words)
    assert (code, out) == (1, "") and sentence in said and said.count("\n") == 1
    assert not list(tmp_path.glob("a.*"))


def test_a_broken_talk_is_not_written(run, talks: Path, tmp_path: Path) -> None:
    (talks / "talk.toml").write_text("title = 3", encoding="utf-8")
    code, _, said = run("report", "talk", "--out", tmp_path / "a.html")
    assert code == 1 and "talk.toml, field title" in said and "story check" in said
