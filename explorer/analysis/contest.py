"""Are a method's maps better than no map at all? Deletion and insertion over many pictures, rivals beside the maps.

Two rivals on every picture: one random map, as coarse as the real one, and a blob in the middle. Differences are
paired, picture by picture; their interval comes from drawing the pictures anew.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints
from explorer.analysis import cam, predict
from explorer.analysis.deletion import PASSES, blob, check_fill, curves, random_maps
from explorer.analysis.passes import OnStep, Passes
from explorer.checkpoints import Loaded
from explorer.checkpoints.manifest import read_json
from explorer.text import Missing, Problem

FILE = f"{checkpoints.EVALUATION}/test-faithfulness.json"
RIVALS = ("random", "centre")
WHO = ("map", *RIVALS)
N, SEED, DRAWS, LEAST_DRAWS = 500, 0, 1000, 100
BATCH = 50  # pictures whose maps are made at once


@dataclass(frozen=True)
class Duel:
    """The maps against one rival, picture by picture.

    difference: the mean gap of the maps minus the rival's, in [-2, 2];  low, high: its 95 % interval
    wins: the share of pictures where the map's gap is the larger one, in [0, 1]
    """

    difference: float
    low: float
    high: float
    wins: float

    @property
    def verdict(self) -> int:
        """1: the maps are better than the rival; -1: worse; 0: the interval holds zero."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class Contest:
    """How the maps and their rivals did on N pictures, each for the class that was predicted.

    gaps: float64 (N,) for each of WHO, insertion AUC minus deletion AUC;  deletion, insertion: the mean AUCs
    duels: for each of RIVALS;  data, fingerprint: of the pictures, where known;  draws: resamples of the pictures
    """

    method: str
    layer: str
    fill: str
    seed: int
    draws: int
    gaps: dict[str, np.ndarray]
    deletion: dict[str, float]
    insertion: dict[str, float]
    duels: dict[str, Duel]
    checkpoint_sha256: str = ""
    data: str = ""
    fingerprint: str = ""

    @property
    def n(self) -> int:
        """How many pictures."""
        return len(self.gaps["map"])

    def gap(self, who: str) -> float:
        """The mean gap of one of WHO, in [-1, 1]."""
        return float(self.gaps[who].mean())

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; the gaps of the pictures rounded to four digits."""
        found = {
            who: {"gap": self.gap(who), "insertion": self.insertion[who], "deletion": self.deletion[who]}
            for who in WHO
        }
        for rival, duel in self.duels.items():
            found[rival] |= asdict(duel)
        return {
            "checkpoint_sha256": self.checkpoint_sha256,
            "data": self.data,
            "data_fingerprint": self.fingerprint,
            "n": self.n,
            "seed": self.seed,
            "draws": self.draws,
            "method": self.method,
            "layer": self.layer,
            "fill": self.fill,
            **found,
            "gaps": {who: [round(float(gap), 4) for gap in self.gaps[who]] for who in WHO},
        }


def contest(
    loaded: Loaded,
    images: np.ndarray,
    method: str = "cam",
    layer: str | None = None,
    fill: str = "mean",
    seed: int = SEED,
    draws: int = DRAWS,
    on_step: OnStep | None = None,
) -> Contest:
    """Let a method's maps of N >= 2 uint8 pictures (N, 3, S, S) compete with a random map each and with the blob.

    Some 200 forward passes a picture, told to on_step(done, total); what that raises ends the work.
    seed: of the random maps and of the resampling. A picture's result does not depend on those that come after it.
    """
    check_fill(fill)
    if len(images) < 2 or draws < LEAST_DRAWS or seed < 0:
        raise Problem(
            "Expected at least 2 pictures, {least} draws and a seed from 0, got {n}, {draws} and {seed}.",
            least=LEAST_DRAWS, n=len(images), draws=draws, seed=seed,
        )  # fmt: skip
    layer = layer or cam.last_layer(loaded.card.model)
    each = cam.passes(loaded, method, layer)
    count = Passes(on_step, len(images) * (1 + each + PASSES * len(WHO)))
    with count.part(len(images)) as step:
        classes = predict.logits(loaded, images, on_step=step).argmax(1)
    with count.part(len(images) * each) as step:
        raw = _maps(loaded, images, classes, method, layer, step)
    size = images.shape[2:]
    maps = {
        "map": cam.enlarged(raw, size),
        "random": random_maps(len(images), raw.shape[1:], size, seed),
        "centre": np.broadcast_to(blob(size), (len(images), *size)),
    }
    gaps, deletion, insertion = {}, {}, {}
    for who in WHO:
        with count.part(len(images) * PASSES) as step:
            found = curves(loaded, images, maps[who], classes, fill, on_step=step)
        gaps[who] = found.gap
        deletion[who], insertion[who] = float(found.deletion_auc.mean()), float(found.insertion_auc.mean())
    duels = {rival: duel(gaps["map"] - gaps[rival], draws, seed) for rival in RIVALS}
    sha256 = loaded.card.sha256
    return Contest(method, layer, fill, seed, draws, gaps, deletion, insertion, duels, sha256)


def _maps(
    loaded: Loaded, images: np.ndarray, classes: np.ndarray, method: str, layer: str, on_step: OnStep
) -> np.ndarray:
    """Raw maps (N, h, w), each of its own picture's class: pictures of one class go together."""
    parts: dict[int, np.ndarray] = {}
    for k in np.unique(classes):
        members = np.flatnonzero(classes == k)
        for start in range(0, len(members), BATCH):
            some = members[start : start + BATCH]
            inner = _within(on_step, len(parts), len(some), len(images))
            made = cam.explain(loaded, images[some], method, [int(k)], layer, on_step=inner).raw[:, 0]
            parts.update(zip(some.tolist(), made))
            on_step(len(parts), len(images))
    return np.stack([parts[i] for i in range(len(images))])


def _within(on_step: OnStep, before: int, size: int, total: int) -> Callable[[int, int], None]:
    """The on_step of a part, counted in thousandths of a picture."""
    return lambda done, of: on_step(1000 * before + 1000 * size * done // of, 1000 * total)


def duel(differences: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> Duel:
    """Paired differences (N,) and the 95 % percentile interval of their mean, the pictures drawn anew `draws` times."""
    rng, n = (
        np.random.default_rng([seed, 1]),
        len(differences),
    )  # not the stream that the random maps came from
    means = [differences[rng.integers(0, n, n)].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Duel(float(differences.mean()), float(low), float(high), float((differences > 0).mean()))


# --- beside the checkpoint ----------------------------------------------------------------------------------------


def packed(found: Contest) -> bytes:
    """The content of FILE under which `stored_contest` finds it again."""
    return (json.dumps(found.as_dict(), allow_nan=False) + "\n").encode()


def stored_contest(name: str | Path) -> Contest:
    """What the command `faithfulness` stored beside a checkpoint; gaps of pictures are rounded to four digits.

    Raises Missing when it never ran, Problem when the file is damaged or belongs to other weights.
    """
    folder = checkpoints.folder_of(name)
    card, path = checkpoints.read_card(name), folder / FILE
    if not path.is_file():
        raise Missing(
            "The maps of {name} were not tested yet; test them with: python -m explorer faithfulness {name}",
            name=card.name,
        )
    try:
        found = _unpacked(read_json(path))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise Problem("{path} cannot be read: {error}", path=path.name, error=repr(error)[:200]) from error
    if found.checkpoint_sha256 != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; test the maps again: python -m explorer faithfulness {name}",
            path=path.name, name=card.name,
        )  # fmt: skip
    return found


def _unpacked(value: dict[str, Any]) -> Contest:
    """A Contest of what `as_dict` made; ValueError, KeyError or TypeError for anything else."""
    gaps = {who: np.array([float(gap) for gap in value["gaps"][who]], np.float64) for who in WHO}
    duels = {
        rival: Duel(*(float(value[rival][key]) for key in ("difference", "low", "high", "wins")))
        for rival in RIVALS
    }
    deletion, insertion = ({who: float(value[who][key]) for who in WHO} for key in ("deletion", "insertion"))
    words = [
        value[key] for key in ("method", "layer", "fill", "checkpoint_sha256", "data", "data_fingerprint")
    ]
    method, layer, fill, sha256, data, fingerprint = words
    sizes = {len(each) for each in gaps.values()}
    if sizes != {value["n"]} or value["n"] < 2 or not all(isinstance(word, str) for word in words):
        raise ValueError("unexpected shape or values")
    shares = np.array([*deletion.values(), *insertion.values(), *(duels[rival].wins for rival in RIVALS)])
    ends = np.array([end for each in duels.values() for end in (each.low, each.high)])
    bounded = [(shares, 0, 1), (ends, -2, 2), *((each, -1, 1) for each in gaps.values())]
    if not all(((each >= low) & (each <= high)).all() for each, low, high in bounded):
        raise ValueError("a value is out of range")
    for rival, found in duels.items():
        apart = float((gaps["map"] - gaps[rival]).mean())
        if not math.isclose(found.difference, apart, abs_tol=2e-4) or not found.low <= found.high:
            raise ValueError(f"{rival}: the difference is not that of the gaps")
    return Contest(
        method, layer, fill, int(value["seed"]), int(value["draws"]), gaps, deletion, insertion, duels,
        sha256, data, fingerprint,
    )  # fmt: skip
