"""All scores of a set of drawn pictures against a data set, each small function in its own file: fid, kid, manifold,
memorisation, judge. Every number carries how many pictures it rests on.

FID is taken against the whole training split. KID, precision and recall, density and coverage compare with 5,000 of its
pictures, memorisation and the judge use one of our classifiers, which takes a second where Inception takes minutes.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints, files
from explorer.analysis import fid, judge, kid, manifold, memorisation, predict, reference, together
from explorer.analysis.inception import NO_CLASSIFIER, WIDTH, Extractor
from explorer.analysis.inception_score import inception_score
from explorer.data import ImageSet, digits, load
from explorer.data.inception import VERSION
from explorer.text import N_, Problem, t

SAMPLE = 5_000  # pictures of the data set that KID, precision and recall compare with
PART = 2_500  # pictures between two savings of the reference
SEED = 2020  # torch-fidelity's, so that its golden sample is ours
JUDGES = {"digits": "digits-fastnet", "cifar10": "cifar10-fastnet"}
# How a judge looks. The digits have one level in each block of 4x4 pixels, and a net that was taught on these alone
# takes a little noise within the blocks for another digit: of a GAN's it knew 67 % as they were, averaged 99.6 %.
LOOKS = {"digits": ("8x8, grey", digits.as_scanned)}
REFERENCE = N_("Features of the data set (pictures)")
Step = Callable[[int, int, str], None]  # (done, of how many, what: an English sentence for t())


@dataclass(frozen=True)
class Against:
    """What pictures are compared with: statistics of a whole split, features float32 (M, 2048) of some of it.

    size: height and width of the pictures;  fingerprint: of the split, "" for pictures from anywhere
    """

    name: str
    split: str
    statistics: fid.Statistics
    features: np.ndarray
    size: tuple[int, int]
    fingerprint: str = ""

    @property
    def n(self) -> int:
        return self.statistics.n


def against(pictures: ImageSet, extractor: Extractor, on_step: Step | None = None) -> Against:
    """A split ready to be compared with: computed once, then kept on disk under its fingerprint and the extractor's
    identity. Under torchrun every process computes its share. Problem for a split of fewer than 500 pictures."""
    fid.check_count(len(pictures), len(pictures))
    found = together.of_first(lambda: reference.kept(pictures.fingerprint, extractor.identity))
    return Against(
        pictures.name,
        pictures.split,
        found or _statistics(pictures, extractor, on_step),
        _features(pictures, extractor, on_step),
        pictures.images.shape[2:],
        pictures.fingerprint,
    )


def _statistics(pictures: ImageSet, extractor: Extractor, on_step: Step | None) -> fid.Statistics:
    """Of a whole split. What is done is saved now and then: an hour's work is not begun anew after an interruption."""
    partial = reference.path(pictures.fingerprint, extractor.identity).with_suffix(".partial")
    done: fid.Statistics | None = together.of_first(lambda: _unpacked(partial))
    rank, world = together.join()
    start = done.n if done else 0
    for first in range(start, len(pictures), PART):
        part = pictures.images[first : first + PART]

        def step(k: int, _: int, __: str, first: int = first) -> None:
            if on_step:
                on_step(min(first + k * world, len(pictures)), len(pictures), REFERENCE)

        own = part[rank::world]
        if len(own):
            found = fid.statistics(extractor.features(own, step))
        else:  # the last part has fewer pictures than there are processes, and the others wait for this one
            found = fid.Statistics(0, np.zeros(WIDTH), np.zeros((WIDTH, WIDTH)))
        found = together.added(found)
        done = done + found if done else found
        if rank == 0:
            files.write_bytes(partial, reference.pack(done))
    if rank == 0:
        reference.keep(pictures.fingerprint, done, extractor.identity)
        partial.unlink(missing_ok=True)
    return done


def _unpacked(partial: Path) -> fid.Statistics | None:
    with contextlib.suppress(OSError, Problem):
        return reference.unpack(partial.read_bytes())
    return None


def sample_of(pictures: ImageSet | np.ndarray) -> np.ndarray:
    """Which pictures of a set stand for it, at most SAMPLE: torch-fidelity's, ascending as it reads them, on which the
    subsets of KID depend."""
    n = len(pictures)
    return np.sort(np.random.RandomState(SEED).choice(n, min(n, SAMPLE), replace=False))


def _features(pictures: ImageSet, extractor: Extractor, on_step: Step | None) -> np.ndarray:
    """float32 (M, 2048) of the pictures of `sample_of`, kept on disk too."""
    path = reference.path(pictures.fingerprint, extractor.identity).with_suffix(".npy")
    chosen = sample_of(pictures)
    found = together.of_first(lambda: _loaded(path, len(chosen)))
    if found is not None:
        return found
    rank, world = together.join()
    found = together.gathered(extractor.features(pictures.images[chosen[rank::world]], on_step))
    if rank == 0:
        buffer = io.BytesIO()
        np.save(buffer, found)
        files.write_bytes(path, buffer.getvalue())
    return found


def _loaded(path: Path, count: int) -> np.ndarray | None:
    with contextlib.suppress(OSError, ValueError, EOFError):  # not there yet, or damaged: made anew
        found = np.load(path, allow_pickle=False)
        if found.shape == (count, WIDTH) and found.dtype == np.float32 and np.isfinite(found).all():
            return found
    return None


def against_pictures(
    images: np.ndarray, name: str, extractor: Extractor, on_step: Step | None = None
) -> Against:
    """Pictures from anywhere, uint8 (N, 3, H, W), ready to be compared with; nothing is kept."""
    fid.check_count(len(images), len(images))
    rank, world = together.join()
    features = together.gathered(extractor.features(images[rank::world], on_step))
    return Against(name, "", fid.statistics(features), features[sample_of(images)], images.shape[2:])


def check_sizes(name: str, size: tuple[int, int], other: str, other_size: tuple[int, int]) -> None:
    """Problem when pictures of another size would be compared: the distance would be that of the sizes."""
    if tuple(size) != tuple(other_size):
        raise Problem(
            "{a} has pictures of {one}, {b} of {two}: bring them to one size first.",
            a=name,
            b=other,
            one=f"{size[1]}x{size[0]}",
            two=f"{other_size[1]}x{other_size[0]}",
        )


def score(
    images: np.ndarray,
    target: Against,
    extractor: Extractor,
    on_step: Step | None = None,
) -> dict[str, Any]:
    """FID, KID, precision, recall, density and coverage of drawn pictures uint8 (N, 3, H, W).

    fid_curve: (N, FID) of subsets, from which fid_infinity and its standard error are fitted; all None below 2,000
        pictures
    inception_score: None where the weights came without their classifier; only then there is "without", which says so
    Under torchrun every process takes its share of the features; all return the same. Problem below 500 pictures, and
    for pictures of another size than the target's.
    """
    fid.check_count(len(images), target.n)
    check_sizes("A", images.shape[2:], target.name, target.size)
    rank, world = together.join()
    features = together.gathered(extractor.features(images[rank::world], on_step))
    found = fid.fid(fid.statistics(features), target.statistics)
    kernel = kid.kid(features, target.features)
    shape = manifold.manifold(features, target.features)
    limit = fid.fid_infinity(features, target.statistics, on_step=on_step) if enough(len(images)) else None
    return {
        "n": len(images),
        "fid": found.value,
        "fid_raw": found.raw,
        "fid_n": found.n,
        "fid_few": found.few,
        "fid_infinity": limit and limit.value,
        "fid_infinity_error": limit and limit.error,
        "fid_curve": limit and [list(pair) for pair in limit.curve],
        "inception_score": inception_score(extractor.logits(features)).mean if extractor.classifies else None,
        "features": VERSION,
        "reference": f"{target.name}:{target.split}" if target.split else target.name,
        "reference_n": target.n,
        "reference_fingerprint": target.fingerprint[:16],
        "kid": kernel.mean,
        "kid_std": kernel.std,
        "kid_size": kernel.size,
        "compared_with": len(target.features),
        **{
            key: value
            for key, value in asdict(shape).items()
            if key in ("precision", "recall", "density", "coverage")
        },
    } | ({} if extractor.classifies else {"without": [t(NO_CLASSIFIER)]})


def enough(count: int) -> bool:
    """Whether so many pictures are enough for FID-infinity."""
    return count >= 4 * fid.LEAST


@lru_cache(maxsize=2)
def _real(data: str, device: str) -> tuple[ImageSet, tuple[np.ndarray, np.ndarray]]:
    """(the training pictures, the judge's features of training and test pictures): many sets are judged by them."""
    loaded = checkpoints.load(checkpoints.OURS / JUDGES[data], device)
    train, test = load(data, "train"), load(data, "test")
    return train, tuple(predict.embeddings(loaded, part.images) for part in (train, test))


def judged(images: np.ndarray, labels: np.ndarray, data: str, device: str = "auto") -> dict[str, Any]:
    """What our own classifier says of drawn pictures, and how near they are to training pictures, in its features.

    labels: int64 (N,) that the pictures were drawn for, -1 for none;  judge_looks: see LOOKS. Empty where we have no
    classifier of the data; Missing where its pictures are not here.
    """
    if data not in JUDGES or images.shape[1:] != (3, 32, 32):
        return {}
    loaded = checkpoints.load(checkpoints.OURS / JUDGES[data], device)
    train, seen = _real(data, device)
    looks, seen_as = LOOKS.get(data, ("as they are", lambda pictures: pictures))
    drawn = predict.embeddings(loaded, np.ascontiguousarray(seen_as(images)))
    said = predict.head(loaded, drawn).argmax(1)
    count = len(train.classes)
    shares = np.bincount(train.labels, minlength=count) / len(train)
    of_classes = judge.judge(said, count, labels if (labels >= 0).all() else None, shares)
    near = memorisation.memorisation(drawn, *seen)
    return {
        "judge": JUDGES[data],
        "judge_looks": looks,
        "judged": asdict(of_classes),
        "near": asdict(near),
        "collapsed": bool(judge.collapse(of_classes, near)),
    }


def alarms(found: dict[str, Any]) -> tuple[Problem, ...]:
    """Why "collapsed" is true in what `judged` gave, a sentence each."""
    if not found.get("collapsed"):
        return ()
    return judge.collapse(judge.Judged(**found["judged"]), memorisation.Memorisation(**found["near"]))
