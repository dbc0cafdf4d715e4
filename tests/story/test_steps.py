"""Story files: what is wrong is said by file, step and field, and costs nothing else; what we ship is right."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import checkpoints, text
from explorer.analysis import answer, cam, contest, dead_weights, gan_theory, predict, retrieval_study
from explorer.analysis.calibration import reliability, softmax
from explorer.analysis.classification import report
from explorer.data import samples
from explorer.data.picture import square, to_input
from explorer.story import steps
from explorer.story.figures import FIGURES, figure
from explorer.story.steps import Broken, Story
from explorer.ui import subject
from explorer.views import dilation

ROOT = Path(__file__).resolve().parents[2]
SHELL = str(ROOT / "explorer/ui/shell.py")
HEAD = """
title = { en = "A talk", ko = "이야기" }
sentence = { en = "One sentence.", ko = "한 문장." }
"""
STEP = """
[[step]]
headline = { en = "Seen", ko = "보입니다" }
sentence = { en = "A sentence.", ko = "문장." }
note = { en = "A note.", ko = "메모." }
"""
SHIPPED = steps.stories(frozenset(FIGURES))


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    text.set_language("en")
    yield
    text.set_language("en")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stories with a sound one in it."""
    monkeypatch.setenv("EXPLORER_STORIES", str(tmp_path))
    (tmp_path / "sound.toml").write_text(HEAD + STEP, encoding="utf-8")
    return tmp_path


LONG = "0x" + "f" * 5000

BROKEN: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    # what is in the file, and what its problem must say
    "no title": (HEAD.replace("title =", "# title =") + STEP, ("field title", "en, ko", "nothing")),
    "no headline": (HEAD + STEP + STEP.replace("headline", "# headline"), ("step 2", "field headline")),
    "no note": (HEAD + STEP.replace("note", "# note"), ("step 1", "field note", "nothing")),
    "a field too many": (HEAD + STEP + 'colour = "red"\n', ("step 1", "field colour", "headline")),
    "an unknown page": (HEAD + STEP + 'page = "nowhere"\n', ("step 1", "field page", "evaluate", "'nowhere'")),
    "an unknown figure": (HEAD + STEP + 'figure = "nothing"\n', ("step 1", "field figure", "confusion")),
    "an unknown reported key": (HEAD + STEP + 'reported = ["nothing"]\n', ("step 1", "field reported")),
    "a number for words": (HEAD + STEP.replace('{ en = "A note.", ko = "메모." }', "7"), ("step 1", "field note", "7")),
    "a list for a page": (HEAD + STEP + 'page = ["home"]\n', ("step 1", "field page")),
    "words for a query": (HEAD + STEP + 'query = "part=duel"\n', ("step 1", "field query", "a table")),
    "a query that Streamlit keeps to itself": (HEAD + STEP + "query = { embed = true }\n", ("step 1", "field query")),
    "a table in a query": (HEAD + STEP + 'query = { part = { a = 1 } }\n', ("step 1", "field query")),
    "words for needs": (HEAD + STEP + 'needs = "cifar10-fastnet"\n', ("step 1", "field needs")),
    "one language": (HEAD + STEP.replace(', ko = "보입니다"', ""), ("step 1", "field headline", "en, ko")),
    "a third language": (HEAD + STEP.replace('ko = "보입니다"', 'ko = "보입니다", de = "x"'), ("step 1", "headline")),
    "another language": (HEAD + STEP.replace('ko = "보입니다"', 'kr = "보입니다"'), ("step 1", "field headline")),
    "an empty headline": (HEAD + STEP.replace('en = "Seen"', 'en = "  "'), ("step 1", "field headline")),
    "a long headline": (HEAD + STEP.replace('en = "Seen"', f'en = "{"x" * 91}"'), ("step 1", "headline", "90")),
    "no steps": (HEAD, ("field step", "1 to 99", "nothing")),
    "an empty list of steps": (HEAD + "step = []\n", ("field step", "1 to 99", "0")),
    "a hundred steps": (HEAD + 100 * STEP, ("field step", "1 to 99", "100")),
    "steps that are no tables": (HEAD + "step = [1, 2]\n", ("step 1", "a table")),
    "no TOML": ("title = = 1", ("is not a TOML file",)),
    "not UTF-8": (HEAD.encode("utf-16"), ("is not a TOML file",)),
    "half a letter": (HEAD.encode()[:-3] + b"\xec\n", ("is not a TOML file",)),
    "null bytes": (b"\x00" * 100, ("is not a TOML file",)),
    "deep nesting": ("a = " + "[" * 100_000 + "]" * 100_000, ("TOML",)),
    "a number of 5,000 digits": (HEAD + STEP + f"query = {{ seed = {'9' * 5000} }}\n", ("is not a TOML file", "4300")),
    # TOML takes this one, and Python then refuses to write it
    "a long hex number": (HEAD + STEP + f"query = {{ seed = {LONG} }}\n", ("step 1", "field query", "too long")),
    "a long hex number for words": (HEAD + f"step = [{LONG}]\n", ("step 1", "field step", "too long")),
    "a long hex number in options": (HEAD + STEP + f"options = {{ n = [{LONG}] }}\n", ("step 1", "field options")),
    "tables in tables": (HEAD + STEP + f"options{1200 * '.a'} = 1\n", ("step 1", "field options")),
    "huge": ("# " + "x" * (steps.MOST_BYTES + 1), ("more than 256 kB",)),
    "empty": ("", ("field title", "field sentence", "field step")),
}  # fmt: skip


@pytest.mark.parametrize("code", text.LANGUAGES)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_says_where_and_the_others_are_told(name: str, code: str, folder: Path) -> None:
    content, signs = BROKEN[name]
    path = folder / "broken.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = steps.stories(frozenset(FIGURES))
    assert isinstance(found["sound"], Story) and isinstance(found["broken"], Broken)
    said = " ".join(map(str, found["broken"].problems))
    assert all(len(str(problem)) < 1000 for problem in found["broken"].problems)
    for sign in ("broken.toml", *signs):
        assert sign in said
    text.set_language(code)
    said = " ".join(map(str, found["broken"].problems))
    assert "broken.toml" in said and (code == "en" or re.search("[가-힣]", said))


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "folder.toml").mkdir()
    (folder / "gone.toml").symlink_to(folder / "nowhere")
    found = steps.stories()
    assert isinstance(found["sound"], Story)
    for name in {"folder", "gone"} & found.keys():
        assert "cannot be read" in str(found[name].problems[0])


def test_many_problems_are_cut_off_and_many_stories_too(folder: Path) -> None:
    (folder / "many.toml").write_text(HEAD + 50 * "[[step]]\n", encoding="utf-8")
    assert len(steps.stories()["many"].problems) == steps.MOST_PROBLEMS
    for k in range(steps.MOST_STORIES + 5):
        (folder / f"copy-{k:02}.toml").write_text(HEAD + STEP, encoding="utf-8")
    assert len(steps.stories()) <= steps.MOST_STORIES


def test_a_part_goes_on_and_a_query_is_as_an_address_has_it(folder: Path) -> None:
    first = STEP + 'part = { en = "I", ko = "1부" }\nquery = { a = true, b = 1.5, c = "d" }\npage = "home"\n'
    (folder / "sound.toml").write_text(HEAD + first + STEP, encoding="utf-8")
    one, two = steps.stories()["sound"].steps
    assert one.query == {"a": "true", "b": "1.5", "c": "d"} and two.query == {}
    assert two.say("part") == "I"
    text.set_language("ko")
    assert two.say("part") == "1부" and two.say("headline") == "보입니다"


# --- the shipped files ------------------------------------------------------------------------------------------------


def test_the_shipped_stories_have_no_problems_and_the_courses_four_parts() -> None:
    assert {
        name: [str(p) for p in story.problems] for name, story in SHIPPED.items() if isinstance(story, Broken)
    } == {}
    parts = dict.fromkeys(step.say("part").split()[0] for step in SHIPPED["seeing"].steps)
    assert list(parts) == ["I", "II", "III", "IV"]
    assert 6 <= len(SHIPPED["stranger"].steps) <= 8
    used = {step.figure for story in SHIPPED.values() for step in story.steps if step.figure}
    assert used <= FIGURES.keys()


SHARES = {"a third": "1/3", "a sixth": "1/6", "a tenth": "1/10"}
TIMES = {"": 1, " million": 1_000_000, "만": 10_000}


def numbers(words: str) -> set[float | str]:
    """The numbers that are said in digits, and shares: "1.97 million" is "197만", "a sixth" is "6분의 1"."""
    for said, share in SHARES.items():
        words = words.replace(said, share)
    words = re.sub(r"(\d+)분의 (\d+)", r"\2/\1", words)
    found = re.findall(r"(\d+/\d+)|(\d[\d,]*(?:\.\d+)?)( million|만|)", words)
    return {
        share or round(float(number.replace(",", "")) * TIMES[times], 6) for share, number, times in found
    }


def test_numbers_are_the_same_in_both_languages_or_are_not() -> None:
    assert (
        numbers("1.97 million of 50,000, a sixth")
        == numbers("50,000장의 6분의 1, 197만")
        != numbers("6분의 5")
    )
    assert numbers("77 of 1,000 in 3x3") == {77, 1000, 3} and numbers("148, 0.25") != numbers("149, 0.25")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_step_says_is_in_both_languages_and_of_a_length_to_be_said(name: str) -> None:
    for step in SHIPPED[name].steps:
        for part in ("headline", "sentence", "note"):
            korean = getattr(step, part)["ko"]
            assert re.search("[가-힣]", korean), (step.number, part)
            assert numbers(getattr(step, part)["en"]) == numbers(korean), (step.number, part)
        sentences = re.split(r"(?<=[.?!:])\s+", step.note["en"])
        assert 3 <= len(sentences) <= 10, step.number


def test_the_third_part_says_that_it_is_reported() -> None:
    third = [step for step in SHIPPED["seeing"].steps if step.say("part").startswith("III")]
    assert third
    for step in third:
        assert not step.page and not step.figure and step.reported
        assert "eported" in step.headline["en"] and "보고된" in step.headline["ko"]


def test_the_numbers_that_are_said_are_the_stored_ones() -> None:
    fastnet, resnet = (predict.stored(f"cifar10-{name}", "test", 1) for name in ("fastnet", "resnet18"))
    nets = ("fastnet", "drn-d-22", "resnet18")
    card, drn, deep = (checkpoints.read_card(f"cifar10-{name}") for name in nets)
    found = report(fastnet.labels, fastnet.predicted, fastnet.classes)
    rows = {row.name: row for row in found.rows}
    cats, dogs = fastnet.classes.index("cat"), fastnet.classes.index("dog")
    wrong = fastnet.labels != fastnet.predicted
    chances = softmax(fastnet.logits, card.temperature)
    calibrated, before = (
        reliability(fastnet.labels, softmax(fastnet.logits, each).astype(np.float32))
        for each in (card.temperature, 1.0)
    )
    middle = [each for each in calibrated.bins if 0.39 < each.low < each.high < 0.94]
    too_sure = [100 * (each.confidence - each.accuracy) for each in middle]
    duels = contest.stored_contest("cifar10-drn-d-22").duels
    study = retrieval_study.stored("cifar10-fastnet")
    metrics, apart = study["metrics"], study["differences"]["accuracy"]
    both = int(found.confusion[cats, dogs] + found.confusion[dogs, cats])
    sure = chances[wrong].max(1) > 0.9
    flower = answer.classify(checkpoints.load(card.name), pixels("flower", card.size)[None])[0]
    frog = dict(zip(fastnet.classes, chances[samples.origin("frog")[2]]))
    elected = next(step for step in SHIPPED["seeing"].steps if step.figure == "duel")
    (cosine, euclidean) = re.findall(
        r"cosine most are (\w+), by Euclidean distance (\w+)", figure(elected).alt
    )[0]
    dead, weights = dilation.shares(dead_weights.declared("drn-d-22-published"))
    said = [
        f"{card.parameters / 1e6:.2f} million weights, learnt in {card.minutes:.0f} minutes",
        f"right about {100 * found.accuracy:.2f} %",
        f"{100 * (resnet.labels == resnet.predicted).mean():.2f} % here after "
        f"{deep.recipe['epochs']:.0f} epochs",
        f"saw each picture {deep.recipe['epochs']:.0f} times in a little over two hours",
        f"taken for dogs: {found.confusion[cats, dogs]} of 1,000",
        f"Of the {wrong.sum()} mistakes of cifar10-fastnet in 10,000 pictures, {both} confuse cat and dog",
        f"{100 * rows['cat'].recall:.1f} % found, automobiles {100 * rows['automobile'].recall:.1f} %",
        f"is {duels['random'].difference:.2f} larger than with random maps",
        f"and {duels['centre'].difference:.2f} larger than with a blob in the middle",
        f"cosine {100 * metrics['cosine']['accuracy']:.2f} %, Euclidean {100 * metrics['euclidean']['accuracy']:.2f} %",
        f"−{-100 * apart['low']:.2f} to +{100 * apart['high']:.2f} points, holds 0",
        f"different classes on {study['torn']['n']} of 10,000",
        f"on {study['deep_n']:,} of the test pictures R-precision is {metrics['cosine']['r_precision']:.2f} against "
        f"{metrics['euclidean']['r_precision']:.2f}",
        f"wrong {wrong.sum()} times in 10,000",
        f"taken for each other {both} times",
        f"calibration error is {calibrated.ece:.4f}; before calibration it was {before.ece:.4f}",
        f"are {100 * calibrated.ece:.0f} point off on average",
        f"becomes a {flower.top(1)[0][0]}, with {100 * flower.top(1)[0][1]:.1f} %",
        f"Ours has {rows['cat'].precision:.2f}, {rows['cat'].recall:.2f} and {rows['cat'].f1:.2f}",
        f"At 32 pixels {100 * dead / weights:.0f} % of DRN-D-22's weights never learn",
        f"truck {100 * frog['truck']:.0f} %, frog {100 * frog['frog']:.0f} %",
        f"cosine elects “{cosine}”, Euclidean distance elects “{euclidean}”",
        f"wrong: {sure.sum()} mistakes with more than 90 %",
        f"Ours, with an 8x8 map, has {100 * drn.metrics['test']['accuracy']:.2f} %",
    ]
    lowest = (
        min(found.rows, key=lambda row: row.recall).name,
        max(found.rows, key=lambda row: row.recall).name,
    )
    assert 120 < deep.minutes < 135
    assert sum(3 <= each < 9 for each in too_sure) > len(too_sure) / 2, (
        "in most groups 3 to 9 points too sure"
    )
    assert dilation.dead_taps(4, 3, 4, 1).sum() == 8 and not dilation.dead_taps(8, 3, 4, 1).any()
    assert flower.fits, "the second measure is fooled"
    assert lowest == ("cat", "automobile") and metrics and apart["low"] < 0 < apart["high"]
    assert [sentence for sentence in said if sentence not in everything()] == []


def everything() -> str:
    """All that the talks say in English."""
    return " ".join(
        getattr(step, part)["en"]
        for story in SHIPPED.values()
        for step in story.steps
        for part in ("headline", "sentence", "note")
    )


def pixels(sample: str, size: int) -> np.ndarray:
    """A sample as a network gets it, uint8 (3, size, size)."""
    picture = samples.sample(sample).image
    return to_input(picture, square(picture.size), size=size)


def test_the_maps_lie_where_the_talk_says() -> None:
    """The dog's muzzle is in rows 10 to 16, columns 19 to 26 of its 32x32 pixels; from column 28 on there is ground."""
    strongest = {}
    for name in ("cifar10-drn-d-22", "cifar10-resnet18"):
        loaded = checkpoints.load(name)
        found = cam.explain(loaded, pixels("dog", 32)[None], "cam")
        maps = dict(zip(loaded.card.classes, found.raw[0]))
        side, (row, column) = (
            32 // len(maps["dog"]),
            np.unravel_index(maps["dog"].argmax(), maps["dog"].shape),
        )
        strongest[name] = (side * row, side * (row + 1), side * column, side * (column + 1))
        if name == "cifar10-drn-d-22":
            assert len(maps["dog"]) == 8 and maps["airplane"].max() < 0.05 * maps["dog"].max()
            said = f"says +{maps['dog'].max():.1f} for “dog”, on its muzzle, and +{maps['airplane'].max():.1f} for"
            assert said in everything()
    top, bottom, left, right = strongest["cifar10-drn-d-22"]
    assert 10 <= top < bottom <= 16 and 19 <= left < right <= 26
    assert strongest["cifar10-resnet18"][2:] == (24, 32), "half beside the dog"
    steps_with_maps = [
        step for story in SHIPPED.values() for step in story.steps if step.figure in ("cam", "contest")
    ]
    assert len(steps_with_maps) == 3
    for step in steps_with_maps:
        assert step.query["model"] == step.needs[0] == "cifar10-drn-d-22"


def test_what_is_said_of_the_generators_is_what_their_cards_say() -> None:
    vae, gan, plain = (
        checkpoints.read_card(name) for name in ("digits-vae", "cifar10-dcgan", "cifar10-dcgan-plain")
    )
    collapsed, healthy = (
        checkpoints.read_card(f"digits-dcgan{end}").metrics["samples"] for end in ("-plain", "")
    )
    trained, whole = plain.recipe["images_seen"], plain.recipe["epochs"] * 50_000
    said = [
        "told the class, has spectral normalisation and the hinge loss",
        f"in {100 * vae.metrics['samples']['judged']['class_accuracy']:.1f} % of the shipped net's pictures",
        f"5,000 pictures {100 * collapsed['near']['duplicate_rate']:.1f} % have a near-duplicate",
        f"it is {100 * healthy['near']['duplicate_rate']:.1f} %, and all ten classes",
        f"after {trained / 1e6:.2f} million of its {whole / 1e6:.0f} million pictures, about a sixth, none of 5,000",
        f"for a sixth of its pictures, scores {plain.metrics['samples']['fid_5k_train50k']:.0f}",
    ]
    assert [words for words in said if words not in everything()] == []
    assert 1 / 6.5 < trained / whole < 1 / 5.5 and plain.metrics["samples"]["near"]["duplicate_rate"] == 0
    assert np.count_nonzero(collapsed["judged"]["class_counts"]) == 1, "a single class"
    assert min(healthy["judged"]["class_counts"]) > 400, "all ten"
    for entry in checkpoints.catalogue():
        samples_of = entry.card.metrics.get("samples") if entry.card else None
        if samples_of:  # "for every scored model that is told the class the page has a classifier"
            assert ("accuracy_score" in samples_of) == (entry.card.model_args.get("conditional") is not False)
    recipe = gan.recipe
    assert recipe["conditional"] and recipe["spectral"] and recipe["gan_loss"] == "hinge"
    assert recipe["keep"] == "best", "chosen by a distance to held-out pictures"
    assert vae.model_args["latent"] == 16 and 0.4 < vae.minutes < 0.7, "sixteen numbers, half a minute"
    played = gan_theory.play(gan_theory.Density((2.0,), (0.6,)))
    game = f"has not won: {played.value:.3f}, not {gan_theory.LEAST:.3f}".replace("-", "−")
    assert any(game in step.headline["en"] for step in SHIPPED["seeing"].steps)


def test_the_guests_own_picture_is_carried_on() -> None:
    """An address that names a sample would put it in its place; without an upload the page begins with the figure's."""
    pages = [step for step in SHIPPED["stranger"].steps if step.page in ("explain", "retrieve")]
    assert [step.options["sample"] for step in pages] == [subject.FIRST] * 2
    assert not any("sample" in step.query for step in pages)


def test_reported_numbers_in_headlines_are_those_of_the_file() -> None:
    entries = tomllib.loads((ROOT / "explorer/reported.toml").read_text(encoding="utf-8"))["figure"]
    known = {entry["key"]: entry["value"] for entry in entries}
    table, run = known["table.semi_supervised_cifar10_4k"], known["mpl.run_30k"]
    ours = [checkpoints.read_card(f"cifar10-{model}") for model in ("dcgan", "ddpm")]
    poster = known["fixmatch_simclr"]
    recipe = next(entry["recipe"] for entry in entries if entry["key"] == "fixmatch_simclr")
    count, alone = re.search(r"(\d+) labels, one seed .* gives ([\d.]+) for O", recipe).groups()
    said = [
        f"ResNet-18: {known['accuracy.resnet18']} % reported",
        f"FID {known['fid.dcgan']:.0f} for DCGAN, {known['fid.ddpm']:.0f} for DDPM",
        "ours, by other recipes, "
        + " and ".join(f"{card.metrics['samples']['fid_5k_train50k']:.0f}" for card in ours),
        f"4,000 labels, and up to {max(table.values())} %",
        f"with all labels, {table['Supervised, all labels']} %",
        f"FixMatch {poster['O'][0]} %, with SimCLR on unlabelled pictures {poster['U'][0]} %, "
        f"on labelled ones {poster['L'][0]} %",
        f"its repository has {count}, and {alone} % for FixMatch alone",
        f"has {table['FixMatch']} % for FixMatch with 4,000 labels; with {count} it is another task",
        f"{run['after_finetune']} % after a tenth of the steps, {known['mpl.public']['paper']} % in the paper",
    ]
    assert [sentence for sentence in said if sentence not in everything()] == []


# --- every step opens its page ----------------------------------------------------------------------------------------

PRESETS = {
    f"{name} {step.number}: {step.page}": (step.page, step.query)
    for name, story in SHIPPED.items()
    if isinstance(story, Story)
    for step in story.steps
    if step.page
}


def opened(page: str, query: dict[str, Any]) -> AppTest:
    """The page inside the frame, run once under this address."""
    app = AppTest.from_file(SHELL, default_timeout=300)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    if page != "home":
        app.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for key, value in query.items():  # AppTest forgets the address when it changes the page
            app.query_params[key] = value
        app.run()
    return app


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_of_a_step_takes_its_address(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    page, query = PRESETS[preset]
    app = opened(page, query)
    assert [str(part.value) for part in [*app.exception, *app.error]] == []
    odd = [str(part.value) for part in app.info if "The address asks for" in str(part.value)]
    assert odd == []


def test_a_wrong_address_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    for page, query in (("explain", {"part": "nowhere"}), ("evaluate", {"tab": "nowhere"})):
        app = opened(page, query)
        told = any("The address asks for" in str(part.value) for part in app.info)
        assert told or app.query_params.get(next(iter(query))) != ["nowhere"]
