"""Maps against their rivals: a map that is right must win, the interval is scipy's, and nothing depends on batches."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import nn

from explorer import checkpoints, data
from explorer.analysis import cam, contest, deletion
from explorer.analysis.passes import Passes
from explorer.checkpoints import Card, Loaded
from explorer.models import MODELS, ModelSpec
from explorer.text import Missing, Problem

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = 8


class White(nn.Module):
    """Sure of its first class when there are a few white pixels, wherever they are; the map is the picture."""

    def __init__(self):
        super().__init__()
        self.last, self.head = nn.Conv2d(3, 4, 1, bias=False), nn.Linear(4, 2)
        with torch.no_grad():
            self.last.weight.copy_(torch.eye(4)[:, :3, None, None])
            self.head.weight.copy_(torch.tensor([[100.0, 0, 0, 0], [0, 0, 0, 0]]))
            self.head.bias.copy_(torch.tensor([-4.0, 0]))

    def features(self, x):
        return self.last(x)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


@pytest.fixture
def white(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """White is 1, black, which is also the mean, 0."""
    monkeypatch.setitem(MODELS, "white", ModelSpec(White, "classifier", "-", "-", layers=("last",)))
    card = Card("net", "white", "toy", ("white", "black"), (0.0,) * 3, (1.0,) * 3, "f", size=SIZE, sha256="s")
    return Loaded(card, White().requires_grad_(False).eval(), torch.device("cpu"), torch.float32)


def scattered(count: int, seed: int = 0) -> np.ndarray:
    """uint8 (count, 3, 8, 8): six white pixels each, anywhere."""
    rng = np.random.default_rng(seed)
    made = np.zeros((count, 3, SIZE * SIZE), np.uint8)
    for picture in made:
        picture[:, rng.permutation(SIZE * SIZE)[:6]] = 255
    return made.reshape(count, 3, SIZE, SIZE)


@pytest.fixture(scope="module")
def digits() -> tuple[Loaded, np.ndarray]:
    return checkpoints.load("digits-fastnet", "cpu"), data.load("digits", "test").images[:3]


# --- who wins -----------------------------------------------------------------------------------------------------


def test_maps_of_the_pixels_that_matter_win_everywhere(white: Loaded) -> None:
    found = contest.contest(white, scattered(20))
    assert (found.method, found.layer, found.fill, found.n) == ("cam", "last", "mean", 20)
    for rival in contest.RIVALS:
        duel = found.duels[rival]
        assert duel.verdict == 1 and 0 < duel.low <= duel.difference <= duel.high and duel.wins == 1
        assert duel.difference == pytest.approx(found.gap("map") - found.gap(rival))
        assert found.insertion["map"] > found.insertion[rival]
        assert found.deletion["map"] < found.deletion[rival]
    assert abs(found.gap("random")) < 0.2 < found.gap("map")


def test_maps_of_the_wrong_pixels_lose(white: Loaded) -> None:
    """The second class is said for its bias; white pixels, which its map marks, speak against it."""
    white.model.head.weight[1] = torch.tensor([1e-3, 0, 0, 0])
    white.model.head.bias.copy_(torch.tensor([-4.0, 6.0]))
    found = contest.contest(white, scattered(20))
    for rival in contest.RIVALS:
        assert found.duels[rival].verdict == -1 and found.duels[rival].high < 0
        assert found.duels[rival].wins == 0


def test_identical_maps_are_a_draw(white: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    images = scattered(5)
    monkeypatch.setattr(contest, "random_maps", lambda *_: images[:, 0] / 255.0)
    duel = contest.contest(white, images).duels["random"]
    assert (duel.difference, duel.low, duel.high, duel.wins, duel.verdict) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("method", ["cam", "grad-cam"])
def test_every_picture_is_judged_as_if_it_were_alone(digits, method: str) -> None:
    """Nearly: in a batch of another size sums are rounded otherwise, and two nearly equal pixels change places."""
    loaded, images = digits
    found = contest.contest(loaded, images, method, seed=3)
    guesses = deletion.random_maps(len(images), (4, 4), (32, 32), 3)
    for k, image in enumerate(images):
        made = cam.explain(loaded, image[None], method)
        said = int(made.logits[0].argmax())
        own = cam.enlarged(made.raw[:, said], (32, 32))
        assert own.shape == (1, 32, 32)
        for who, one in (
            ("map", own),
            ("random", guesses[k : k + 1]),
            ("centre", deletion.blob((32, 32))[None]),
        ):
            alone = deletion.curves(loaded, image[None], one, [said])
            assert found.gaps[who][k] == pytest.approx(alone.gap[0], abs=5e-3), who


def test_neither_batches_nor_later_pictures_change_a_result(white: Loaded, monkeypatch) -> None:
    images = scattered(9)
    together = contest.contest(white, images)
    monkeypatch.setattr(contest, "BATCH", 2)
    again, fewer = contest.contest(white, images), contest.contest(white, images[:5])
    for who in contest.WHO:
        assert again.gaps[who] == pytest.approx(together.gaps[who], abs=1e-6)
        assert fewer.gaps[who] == pytest.approx(together.gaps[who][:5], abs=1e-6)
    assert again.duels["random"].low == pytest.approx(together.duels["random"].low, abs=1e-6)
    other = contest.contest(white, images, seed=1)
    assert not np.allclose(other.gaps["random"], together.gaps["random"])
    assert other.gaps["map"] == pytest.approx(together.gaps["map"])


# --- the interval -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_the_interval_is_scipys_and_nearly_the_normal_one(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.1, 0.3, 400) if kind == "normal" else rng.exponential(0.3, 400)
    duel = contest.duel(values, draws=4000)
    theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    error = values.std() / np.sqrt(len(values))
    for mine, other in ((duel.low, theirs.low), (duel.high, theirs.high)):
        assert mine == pytest.approx(other, abs=0.15 * error)
    assert duel.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert duel.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)
    assert duel.wins == pytest.approx((values > 0).mean())
    assert contest.duel(values) == contest.duel(values) != contest.duel(values, seed=1)


def test_the_interval_holds_the_truth_about_95_times_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    held = [duel.low <= 0.1 <= duel.high for duel in
            (contest.duel(rng.normal(0.1, 1, 60), draws=200) for _ in range(200))]  # fmt: skip
    assert 0.88 <= np.mean(held) <= 0.99


# --- progress and refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cam", "ablation-cam"])
def test_progress_only_grows_and_ends_at_the_whole(white: Loaded, method: str) -> None:
    told: list[tuple[int, int]] = []
    contest.contest(white, scattered(9), method, on_step=lambda done, total: told.append((done, total)))
    each = 1 if method == "cam" else 1 + 4  # four channels
    total = 9 * (1 + each + 3 * 66)
    assert {of for _, of in told} == {total} and told[-1][0] == total and len(told) > 5
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("at", [1, 2, 4])
def test_what_on_step_raises_ends_it_with_the_lock_free(white: Loaded, at: int) -> None:
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contest.contest(white, scattered(9), "ablation-cam", on_step=stop)
    assert len(seen) == at
    assert not any(module._forward_hooks for module in white.model.modules())
    free: list[bool] = []
    thread = threading.Thread(target=lambda: free.append(white.lock.acquire(timeout=1)))
    thread.start()
    thread.join()
    assert free == [True]


def test_passes_are_one_count_of_all_parts() -> None:
    told: list[tuple[int, int]] = []
    count = Passes(lambda *pair: told.append(pair), 30)
    with count.part(10) as step:
        step(1, 2)
        step(1, 2)  # no news
        step(1, 4)  # never back
    with count.part(20) as step:
        step(3, 3)
    assert told == [(5, 30), (10, 30), (30, 30)]
    with pytest.raises(ValueError), Passes(lambda *pair: told.append(pair), 10).part(10):
        raise ValueError
    assert len(told) == 3  # what failed is not told to be done


def test_a_contest_refuses_what_it_cannot_use(white: Loaded) -> None:
    images = scattered(3)
    for given, words in [
        ((images[:1],), "Expected at least 2 pictures"),
        ((images, "cam", None, "mean", -1), "a seed from 0"),
        ((images, "cam", None, "mean", 0, 5), "100 draws"),
        ((images, "magic"), "Unknown method 'magic'"),
        ((images, "cam", "nowhere"), "no layer 'nowhere'"),
        ((images, "cam", None, "black"), "Unknown fill 'black'"),
        ((images.astype(np.float32),), "Expected pictures as uint8"),
        ((images[..., :4],), "Expected pictures as uint8"),
    ]:
        with pytest.raises(Problem, match=words):
            contest.contest(white, *given)


# --- beside the checkpoint ----------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, white: Loaded) -> Path:
    """A checkpoint with a contest beside it: the path of the file."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    card = checkpoints.save(tmp_path / "net", white.model, white.card)
    found = contest.contest(replace(white, card=card), scattered(4))
    found = replace(found, data="toy", fingerprint="f" * 64)
    checkpoints.update("net", card, {contest.FILE: contest.packed(found)})
    return tmp_path / "net" / contest.FILE


def test_what_was_stored_is_found_again(stored: Path, white: Loaded) -> None:
    found, again = contest.contest(white, scattered(4)), contest.stored_contest("net")
    assert again.duels == found.duels and again.deletion == found.deletion
    assert again.insertion == found.insertion and again.n == 4
    assert (again.method, again.layer, again.fill, again.data) == ("cam", "last", "mean", "toy")
    for who in contest.WHO:
        assert again.gaps[who] == pytest.approx(found.gaps[who], abs=5e-5 + 1e-12)
    assert stored.stat().st_size < 2000


def test_what_was_never_stored_is_missing_with_the_command(stored: Path) -> None:
    checkpoints.update("net", checkpoints.read_card("net"))
    stored.unlink()
    with pytest.raises(Missing, match="python -m explorer faithfulness net"):
        contest.stored_contest("net")


def test_of_other_weights_it_is_not_believed(stored: Path) -> None:
    value = json.loads(stored.read_text())
    stored.write_text(json.dumps(value | {"checkpoint_sha256": "0" * 64}))
    with pytest.raises(Problem, match="other weights of net; test the maps again"):
        contest.stored_contest("net")


def test_a_damaged_file_is_refused_in_one_sentence(stored: Path) -> None:
    good = json.loads(stored.read_text())
    random = good["random"]
    damaged = [
        b"", b"\xff\xfe", b"[1]", b"null", b"{}", b"[" * 100_000,
        *(json.dumps(good | change).encode() for change in (
            {"n": 5}, {"n": "4"}, {"gaps": {}}, {"gaps": {who: [] for who in contest.WHO}, "n": 0},
            {"gaps": good["gaps"] | {"map": [0.1, 0.2, 0.3, float("nan")]}},
            {"gaps": good["gaps"] | {"map": [0.1, 0.2, 0.3, 7.0]}},
            {"random": random | {"difference": random["difference"] + 0.1}},
            {"random": random | {"low": 0.9, "high": 0.1}}, {"random": random | {"high": float("inf")}},
            {"random": random | {"wins": 1.5}}, {"random": None}, {"method": 3},
            {"map": good["map"] | {"deletion": -1}},
        )),
    ]  # fmt: skip
    for content in damaged:
        stored.write_bytes(content)
        with pytest.raises(Problem, match=r"test-faithfulness.json cannot be read") as raised:
            contest.stored_contest("net")
        assert "\n" not in str(raised.value), content[:80]
