"""All scores together, with a small extractor in Inception's place: what is computed once, kept, resumed and shared."""

from pathlib import Path

import numpy as np
import pytest

from explorer import data
from explorer.analysis import examination, fid, inception, reference, scores, together
from explorer.text import Missing, Problem
from tests.analysis.test_sampling import made

WIDE = 16


class Small:
    """Sixteen fixed projections of the pixels; counts the pictures that it saw."""

    classifies = False
    identity = "sixteen projections"

    def __init__(self, *_: object):
        self.seen = 0
        self.matrix = np.random.default_rng(0).normal(size=(3 * 32 * 32, WIDE)) / 1e4

    def features(self, images: np.ndarray, on_step=None, batch: int = 64) -> np.ndarray:
        self.seen += len(images)
        if on_step:
            on_step(len(images), len(images), "features")
        return (images.reshape(len(images), -1) @ self.matrix).astype(np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    monkeypatch.setattr(scores, "PART", 500)


@pytest.fixture
def digits() -> data.ImageSet:
    return data.load("digits", "train")


def test_a_reference_is_computed_once_and_found_again(digits: data.ImageSet) -> None:
    extractor = Small()
    first = scores.against(digits, extractor)
    assert first.n == len(digits) == 1438
    assert extractor.seen == 2 * len(digits)  # its statistics, and the sample's features
    again = scores.against(digits, extractor)
    assert extractor.seen == 2 * len(digits)
    assert np.array_equal(first.statistics.outer, again.statistics.outer)
    assert np.array_equal(first.features, again.features)
    direct = fid.statistics(Small().features(digits.images))
    assert np.allclose(first.statistics.outer, direct.outer, rtol=1e-12)


def test_an_interrupted_reference_goes_on_where_it_was(digits: data.ImageSet) -> None:
    class Dying(Small):
        def features(self, images: np.ndarray, on_step=None, batch: int = 64) -> np.ndarray:
            if self.seen >= 1000:
                raise KeyboardInterrupt
            return super().features(images, on_step, batch)

    with pytest.raises(KeyboardInterrupt):
        scores.against(digits, Dying())
    assert reference.kept(digits.fingerprint, Small.identity) is None, "half of it is no reference"
    extractor = Small()
    whole = scores.against(digits, extractor)
    assert extractor.seen == len(digits) - 1000 + len(digits)
    assert np.allclose(
        whole.statistics.outer, fid.statistics(Small().features(digits.images)).outer, rtol=1e-12
    )
    assert not list(reference.path(digits.fingerprint, Small.identity).parent.glob("*.partial"))


def test_what_another_extractor_made_is_not_taken_for_this_one_s(digits: data.ImageSet) -> None:
    """Of another resize or other weights: statistics, features, and what an interruption left."""

    class Other(Small):
        identity = "sixteen others"

        def __init__(self):
            super().__init__()
            self.matrix = -self.matrix

    right = scores.against(digits, Small())
    other = scores.against(digits, Other())
    assert np.allclose(other.features, -right.features) and np.allclose(
        other.statistics.total, -right.statistics.total
    )
    assert np.array_equal(scores.against(digits, Small()).statistics.total, right.statistics.total)


def test_damaged_features_on_disk_are_made_anew(digits: data.ImageSet) -> None:
    scores.against(digits, Small())
    path = reference.path(digits.fingerprint, Small.identity).with_suffix(".npy")
    path.write_bytes(path.read_bytes()[:100])
    extractor = Small()
    assert scores.against(digits, extractor).features.shape == (len(digits), WIDE)
    assert extractor.seen == len(digits)


def test_the_same_pictures_are_at_no_distance_and_noise_is_further(digits: data.ImageSet) -> None:
    target, extractor = scores.against(digits, Small()), Small()
    same = scores.score(digits.images, target, extractor)
    assert same["fid"] < 1e-9 and same["n"] == same["fid_n"] == len(digits) and same["kid"] < 1e-6
    assert same["precision"] == same["recall"] == 1.0 and same["fid_few"]
    assert same["reference"] == "digits:train" and same["reference_n"] == len(digits)
    rng = np.random.default_rng(1)
    far = []
    for strength in (20, 60, 120):
        noisy = digits.images + rng.normal(0, strength, digits.images.shape)
        far.append(scores.score(noisy.round().clip(0, 255).astype(np.uint8), target, extractor)["fid"])
    assert same["fid"] < far[0] < far[1] < far[2]


def test_too_few_pictures_are_refused(digits: data.ImageSet) -> None:
    extractor = Small()
    target = scores.against(digits, extractor)
    with pytest.raises(Problem, match="at least 500"):
        scores.score(digits.images[:499], target, extractor)


def test_pictures_from_anywhere_can_be_compared_with(digits: data.ImageSet) -> None:
    extractor = Small()
    target = scores.against_pictures(digits.images[:700], "mine", extractor)
    found = scores.score(digits.images[700:1400], target, extractor)
    assert found["reference"] == "mine" and found["reference_n"] == 700
    with pytest.raises(Problem, match="of 40x32, mine of 32x32"):
        scores.score(np.zeros((600, 3, 32, 40), np.uint8), target, extractor)


def test_pictures_from_anywhere_stay_in_their_order(digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The subsets of KID are drawn by place: shuffled, the same seed would give another KID than torch-fidelity's."""
    extractor, images = Small(), digits.images[:700]
    features = extractor.features(images)
    assert np.array_equal(scores.against_pictures(images, "mine", extractor).features, features)
    monkeypatch.setattr(scores, "SAMPLE", 600)
    some = scores.against_pictures(images, "mine", extractor).features
    assert np.array_equal(some, features[scores.sample_of(images)]) and len(some) == 600


def test_a_process_without_a_picture_of_the_last_part_adds_nothing(digits, monkeypatch) -> None:
    """1,438 = 3 x 479 + 1: each of three processes has its share, only the first one of the last part."""
    monkeypatch.setattr(scores, "PART", 479)
    monkeypatch.setattr(together, "added", lambda own: own)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(together, "join", lambda rank=rank: (rank, 3))
        monkeypatch.setattr(together, "of_first", lambda make: None)
        parts.append(scores._statistics(digits, Small(), None))
    assert [part.n for part in parts] == [481, 480, 477]
    whole = fid.statistics(Small().features(digits.images))
    assert np.allclose(sum(part.outer for part in parts), whole.outer, rtol=1e-9)


def test_a_set_too_small_to_compare_with_is_refused_before_anything_is_computed(digits) -> None:
    extractor = Small()
    with pytest.raises(Problem, match="at least 500"):
        scores.against(digits.take(np.arange(499)), extractor)
    with pytest.raises(Problem, match="at least 500"):
        scores.against_pictures(digits.images[:499], "mine", extractor)
    assert extractor.seen == 0


def test_the_curve_over_n_and_the_inception_score_are_there_where_they_can_be(digits) -> None:
    class Classifying(Small):
        classifies = True

        def logits(self, features: np.ndarray) -> np.ndarray:
            return features[:, :10]

    target, many = scores.against(digits, Small()), np.concatenate([digits.images, digits.images[:562]])
    found = scores.score(many, target, Classifying())
    sizes = [n for n, _ in found["fid_curve"]]
    assert (
        sizes[0] == 500
        and sizes[-1] == 2000
        and found["fid_curve"][-1][1] == pytest.approx(found["fid"], abs=1e-9)
    )
    assert (found["fid_infinity"], found["fid_infinity_error"]) == fid.line(found["fid_curve"])[::2]
    assert found["fid_infinity"] < found["fid_curve"][0][1] and found["inception_score"] >= 1
    assert "without" not in found
    few = scores.score(digits.images, target, Small())
    assert few["fid_curve"] is None is few["fid_infinity"] and few["inception_score"] is None
    assert few["without"] == [inception.NO_CLASSIFIER]


def test_the_sample_is_the_golden_one_s() -> None:
    class Many:
        def __len__(self) -> int:
            return 50_000

    expected = np.sort(np.random.RandomState(2020).choice(50_000, 5_000, replace=False))
    assert np.array_equal(scores.sample_of(Many()), expected)


def test_a_generator_that_repeats_ten_pictures_trips_the_alarm(digits: data.ImageSet) -> None:
    test = data.load("digits", "test")
    real = scores.judged(test.images, np.full(len(test), -1), "digits")
    assert not real["collapsed"] and real["judged"]["class_accuracy"] is None
    ten = np.concatenate([digits.images[digits.labels == k][:1] for k in range(10)])
    repeated = scores.judged(np.tile(ten, (60, 1, 1, 1)), np.tile(np.arange(10), 60), "digits")
    assert repeated["collapsed"] and repeated["near"]["duplicate_rate"] == 1.0
    assert repeated["judged"]["class_accuracy"] > 0.9
    one = scores.judged(np.repeat(test.images[:1], 600, 0), np.full(600, -1), "digits")
    assert one["collapsed"] and one["judged"]["classes_in_effect"] == 1.0


def test_replayed_training_pictures_are_caught(digits: data.ImageSet) -> None:
    test = data.load("digits", "test")
    unseen = scores.judged(test.images, np.full(len(test), -1), "digits")["near"]
    replayed = scores.judged(digits.images[:500], np.full(500, -1), "digits")["near"]
    assert unseen["nearest_ratio"] == pytest.approx(1, abs=0.01) and unseen["nearest_close"] < 0.02
    assert replayed["nearest_ratio"] < 0.01 and replayed["nearest_close"] == 1.0


def test_the_judge_of_the_digits_looks_at_what_a_scan_has(digits: data.ImageSet) -> None:
    """Noise within a block of 4x4 pixels, as every generator leaves, is no other digit."""
    seen_as = scores.LOOKS["digits"][1]
    assert np.array_equal(seen_as(digits.images), digits.images)
    some = digits.images[:600]
    noise = np.random.default_rng(0).normal(0, 20, some.shape)
    noise -= noise.reshape(-1, 3, 8, 4, 8, 4).mean((1, 3, 5)).repeat(4, 1).repeat(4, 2)[:, None]
    noisy = np.clip(64 + some // 2 + noise, 0, 255).round().astype(np.uint8)
    assert np.abs(seen_as(noisy).astype(int) - (64 + some // 2)).max() <= 1
    grainy = np.clip(some + noise, 0, 255).round().astype(np.uint8)
    found = scores.judged(grainy, digits.labels[:600], "digits")
    assert found["judged"]["class_accuracy"] > 0.95 and not found["collapsed"]
    assert found["judge_looks"] == "8x8, grey"


def test_there_is_no_judge_of_other_pictures() -> None:
    assert scores.judged(np.zeros((600, 3, 32, 32), np.uint8), np.full(600, -1), "mine") == {}
    assert scores.judged(np.zeros((600, 3, 8, 8), np.uint8), np.full(600, -1), "digits") == {}


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, object]:
    monkeypatch.setattr(examination, "Extractor", Small)
    return examination.examine(made(tmp_path, "dcgan"), count=600)


def test_an_examination_says_what_it_rests_on(examined: tuple) -> None:
    found, drawn = examined
    assert found["n"] == 600 and found["fid_600_train1438"] == found["fid"]
    assert drawn.seeds.tolist() == list(range(600)) and np.bincount(drawn.labels).tolist() == [60] * 10
    assert found["milliseconds"] > 0 and found["judged"]["n"] == 600
    assert found["without"] == [inception.NO_CLASSIFIER], "and why there is no Inception Score"


def test_without_inception_weights_it_says_so_and_judges_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer.data.inception import available

    assert not available()
    found, _ = examination.examine(made(tmp_path, "vae"), count=600)
    assert "fid" not in found and "Inception" in found["without"][0] and found["judged"]["n"] == 600


@pytest.mark.parametrize("fault", ["few", "absent"])
def test_data_that_is_few_or_not_here_leaves_out_what_needs_it(tmp_path, monkeypatch, fault: str) -> None:
    """A folder of a user's own with 300 pictures, or CIFAR-10 where it was not got: the drawn pictures stay."""
    digits = data.load("digits", "train")

    def load(name: str, split: str) -> data.ImageSet:
        if fault == "absent":
            raise Missing("It is not here.")
        return digits.take(np.arange(300))

    monkeypatch.setattr(examination, "Extractor", Small)
    monkeypatch.setattr(examination, "load", load)
    monkeypatch.setattr(scores, "load", load)
    found, drawn = examination.examine(made(tmp_path, "vae"), count=600)
    assert len(drawn.images) == 600 and "fid" not in found
    assert ("It is not here." if fault == "absent" else "at least 500") in found["without"][0]


def test_the_grid_has_a_column_for_each_class(examined: tuple) -> None:
    _, drawn = examined
    picture = examination.grid(drawn)
    assert picture.shape == (320, 320, 3) and picture.dtype == np.uint8
    column, row = 7, 2  # the third picture of class 7 has seed 27
    part = picture[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
    assert np.array_equal(part, drawn.images[27].transpose(1, 2, 0))
