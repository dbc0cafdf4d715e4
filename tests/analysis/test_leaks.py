"""Planted copies of many kinds are found among real pictures; look-alikes, negatives and mere colours are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from explorer import data
from explorer.analysis import leaks
from explorer.analysis.leaks import LIMIT, across, limit_of, within
from explorer.analysis.likeness import likeness, thumbnails
from explorer.text import Problem


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    """120 test pictures of CIFAR-10."""
    return np.ascontiguousarray(data.load("cifar10-sheet", "test").images[::4][:120])


def brighter(x: np.ndarray) -> np.ndarray:
    return np.clip(x * 0.9 + 20, 0, 255).astype(np.uint8)


def flatter(x: np.ndarray) -> np.ndarray:
    return (x * 0.5 + 60).astype(np.uint8)


def moved(x: np.ndarray, down: int = 2, right: int = -1) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2)), "edge")
    return padded[:, 2 - down : 34 - down, 2 - right : 34 - right]


def jpeg(x: np.ndarray) -> np.ndarray:
    blob = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(x.transpose(1, 2, 0))).save(blob, "JPEG", quality=75)
    return np.asarray(Image.open(blob)).transpose(2, 0, 1)


def mirrored(x: np.ndarray) -> np.ndarray:
    return x[..., ::-1]


KINDS = {
    "brighter": brighter,
    "flatter": flatter,
    "moved by one": lambda x: moved(x, 1, 0),
    "moved by two": moved,
    "jpeg": jpeg,
    "mirrored": mirrored,
    "all of it": lambda x: jpeg(moved(brighter(mirrored(x)), -1, 1)),
}


def blurred(x: np.ndarray, sigma: float = 3) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(x.transpose(1, 2, 0))).filter(
        ImageFilter.GaussianBlur(sigma)
    )
    return np.asarray(picture).transpose(2, 0, 1).astype(float)


def lookalike(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The light and colours of one picture with the details of another."""
    return np.clip(blurred(x) + 0.6 * (other - blurred(other)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_copies_are_found_and_nothing_else(kind: str, real: np.ndarray) -> None:
    test = np.stack([KINDS[kind](x) for x in real[:30]] + [*real[60:80]])
    found = across(test, real[:60])
    assert found.limit == LIMIT and not found.exact.any()
    assert np.array_equal(found.a, found.b) and set(found.a) <= set(range(30))
    missed = sorted(set(range(30)) - set(found.a.tolist()))
    assert len(missed) <= 1, missed  # JPEG leaves little of the edges of a very calm picture
    assert (np.diff(found.distance) >= 0).all()
    assert found.mirrored.all() == (kind in ("mirrored", "all of it")) and (
        found.mirrored.any() == found.mirrored.all()
    )
    if kind.startswith("moved"):  # b's content lies where the test picture's came from
        expected = (-1, 0) if kind == "moved by one" else (-2, 1)
        assert (found.shift == expected).all()


def test_exact_copies_come_first_and_once_each(real: np.ndarray) -> None:
    test = np.stack([jpeg(real[3]), real[7], real[5], real[7], real[100]])
    train = np.concatenate([real[:50], real[7:8]])
    found = across(test, train)
    assert found.exact.tolist() == [True, True, True, False]
    assert found.a.tolist() == [1, 2, 3, 0] and found.b.tolist() == [7, 5, 7, 3]
    assert not found.distance[:3].any() and found.distance[3] > 0 and len(found) == 4


def test_within_one_set_each_pair_is_named_once(real: np.ndarray) -> None:
    many = np.concatenate([real[:40], real[5:6], real[5:6], mirrored(real[8])[None], brighter(real[5])[None]])
    found = within(many)
    assert found.exact.tolist() == [True, True, False, False]
    assert list(zip(found.a, found.b))[:2] == [(5, 40), (5, 41)]
    assert set(zip(found.a, found.b)) == {(5, 40), (5, 41), (8, 42), (5, 43)}
    assert (found.a < found.b).all()


def test_a_set_of_one_picture_only_does_not_explode(real: np.ndarray) -> None:
    found = within(np.repeat(real[:1], 300, 0))
    assert len(found) == 299 and found.exact.all() and not found.a.any()


def test_lookalikes_are_no_copies(real: np.ndarray) -> None:
    """Alike pixel by pixel and another picture all the same; so is the negative."""
    alike = np.stack([lookalike(x, y) for x, y in zip(real[:30], real[30:60])])
    pixels = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(real, alike)]
    assert np.median(pixels) > 0.75
    assert len(across(np.concatenate([alike, 255 - real[:30]]), real[:30])) == 0


def test_pictures_of_one_colour_are_copies_only_when_equal() -> None:
    colours = np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None]
    plain = np.broadcast_to(colours, (50, 3, 32, 32))
    assert len(within(plain)) == 0 and not thumbnails(plain).any()
    found = across(plain[:3], plain)
    assert found.exact.all() and found.b.tolist() == [0, 1, 2]


def test_where_all_pictures_are_alike_the_limit_is_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scans of a 3 have most of their edges in common and are two scans."""
    monkeypatch.setattr(leaks, "SAMPLE", 40)
    digits = data.load("digits", "test").images[:200]
    found = across(np.concatenate([digits[:20], flatter(digits[60])[None]]), digits[50:])
    assert 0 < found.limit < 0.05
    assert list(zip(found.a, found.b)) == [(20, 10)]
    assert limit_of(digits[:5]) == LIMIT


def test_the_distance_is_one_minus_the_correlation_of_the_edges(real: np.ndarray) -> None:
    x, y = real[:40], real[40:80]
    distance, *_ = likeness(x, y)
    back, *_ = likeness(y, x)
    assert distance == pytest.approx(back, abs=1e-6) and (distance > LIMIT).all()
    itself, turned, shift = likeness(x, x)
    assert itself == pytest.approx(0, abs=1e-6) and not turned.any() and not shift.any()

    def edges(z: np.ndarray) -> np.ndarray:
        z = z.astype(float)
        return np.concatenate(
            [(z[:, 1:, 1:] - z[:, :-1, :-1]).ravel(), (z[:, 1:, :-1] - z[:, :-1, 1:]).ravel()]
        )

    for k in range(40):
        unmoved = edges(x[k]) @ edges(y[k]) / np.linalg.norm(edges(x[k])) / np.linalg.norm(edges(y[k]))
        assert distance[k] <= 1 - unmoved + 1e-6


def test_features_propose_what_thumbnails_miss(real: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks._candidates, "__defaults__", (None, False, 0.0))
    test, train = np.stack([brighter(x) for x in real[:20]]), real[:40]
    features = np.eye(40, dtype=np.float32)
    assert len(across(test, train)) == 0
    assert len(across(test, train, features=(features[:20], features))) == 20
    assert len(within(np.concatenate([test, train]), np.concatenate([features[:20], features]))) == 20


def test_it_tells_how_far_it_is(real: np.ndarray) -> None:
    steps: list[tuple[int, int]] = []
    across(real[:10], real[10:90], on_step=lambda *step: steps.append(step))
    assert steps and steps[-1][0] == steps[-1][1]


def test_hostile_pictures_are_refused(real: np.ndarray) -> None:
    for bad in (real[0], real.astype(float), real[..., :4]):
        with pytest.raises(Problem, match="at least 8 pixels a side"):
            within(bad)
    with pytest.raises(Problem, match="cannot be compared"):
        across(real, real[..., :16])
    empty = across(real[:0], real)
    assert len(empty) == 0 and len(across(real, real[:0])) == 0 and len(within(real[:0])) == 0
    assert len(within(real[:1])) == 0 and across(real[:1], real[:1]).exact.all()
