"""Does a map deserve belief? Four tests, each with its figure; none of them needs to know the true class.

gap        Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the pixels that the map calls important are
           taken away first, or brought back first; a faithful map makes the probability fall, or rise, sooner than
           random maps do. Objects stand in the middle of CIFAR's pictures, so a centred blob is the rival to beat.
head       With a randomised head (Adebayo et al. 2018, arXiv 1810.03292) the map must become another one.
shift      Two pixels further the map must move along.
agreement  The other methods should rank the cells alike.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch

from explorer.analysis import cam
from explorer.analysis.deletion import FILLS, PASSES, STEPS, Curves, blob, curves, random_maps
from explorer.analysis.passes import OnStep, Passes
from explorer.checkpoints import Loaded
from explorer.text import Problem

__all__ = [
    "AGREEMENT_LIMIT", "FILLS", "GAP_SHARE", "HEADS", "HEAD_LIMIT", "RANDOM", "SHIFT", "SHIFT_LIMIT", "STEPS",
    "Curves", "Trust", "agreement", "blob", "cost", "curves", "head_correlation", "proportional", "random_maps",
    "rank_correlation", "rivals", "shift_stability", "trust",
]  # fmt: skip

RANDOM, HEADS, SHIFT = 20, 5, 2
MOVES = (
    (0, SHIFT),
    (2 * SHIFT, SHIFT),
    (SHIFT, 0),
    (SHIFT, 2 * SHIFT),
)  # (y, x) in a picture padded by SHIFT
THOUSAND = 1000  # parts of a head's turn, for the progress
GAP_SHARE, HEAD_LIMIT, SHIFT_LIMIT, AGREEMENT_LIMIT = 0.95, 0.3, 0.7, 0.5


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, of two maps of one shape; 0 when one of them is flat."""
    from scipy.stats import rankdata

    a, b = (rankdata(each, method="average").astype(float) for each in (one.ravel(), other.ravel()))
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length else 0.0


@dataclass(frozen=True)
class Trust:
    """The badge of a map: the four figures, what each had to reach, and whether it did.

    gap: insertion minus deletion AUC of the map;  random: its 95th percentile over random maps;  centre: the blob's
    head: mean |rank correlation| with maps of randomised heads;  shift: mean rank correlation after moves by 2 pixels
    agreement: median rank correlation with the other methods, nan where none can be asked
    curves: of the map
    """

    gap: float
    random: float
    centre: float
    head: float
    shift: float
    agreement: float
    curves: Curves

    @property
    def passed(self) -> dict[str, bool]:
        """Test -> whether the map passed it."""
        return {
            "gap": self.gap > self.random,
            "head": self.head < HEAD_LIMIT,
            "shift": self.shift > SHIFT_LIMIT,
            "agreement": self.agreement > AGREEMENT_LIMIT,
        }

    @property
    def count(self) -> int:
        """How many of the four were passed."""
        return sum(self.passed.values())


def rivals(
    loaded: Loaded,
    image: np.ndarray,
    class_: int,
    cells: tuple[int, int],
    fill: str = "mean",
    seed: int = 0,
    on_step: OnStep | None = None,
) -> tuple[np.ndarray, float]:
    """Gaps of RANDOM random maps on a grid of `cells`, float64 (RANDOM,), and of the centred blob: what to beat.

    image: uint8 (3, S, S). About 1,400 forward passes; they depend on no method, so callers may keep them.
    on_step(done, total): in forward passes; what it raises ends the work
    """
    size = image.shape[1:]
    guesses = np.concatenate([random_maps(RANDOM, cells, size, seed), blob(size)[None]])
    found = curves(
        loaded,
        np.repeat(image[None], len(guesses), 0),
        guesses,
        [class_] * len(guesses),
        fill,
        on_step=on_step,
    ).gap
    return found[:RANDOM], float(found[RANDOM])


def cost(loaded: Loaded, method: str, layer: str | None = None, known: bool = False) -> int:
    """How many forward passes `trust` will take; known: with `against` given.

    Seconds: as many times what `cam.estimate` says of one map of "cam", which takes one pass.
    """
    layer = layer or cam.last_layer(loaded.card.model)
    maps = (1 + HEADS + len(MOVES)) * cam.passes(loaded, method, layer)
    return maps + PASSES * (1 if known else 2 + RANDOM) + len(others(method))


def trust(
    loaded: Loaded,
    image: np.ndarray,
    class_: int,
    method: str,
    layer: str | None = None,
    fill: str = "mean",
    against: tuple[np.ndarray, float] | None = None,
    on_step: OnStep | None = None,
) -> Trust:
    """The four tests of a method's map of one picture, uint8 (3, S, S), for a class, by its index.

    against: what `rivals` found, if it is known already. Methods of many forwards take ten times a map's time.
    on_step(done, total): in forward passes, `cost` of them; what it raises ends the work
    """
    one, layer = image[None], layer or cam.last_layer(loaded.card.model)
    each = cam.passes(loaded, method, layer)
    count = Passes(on_step, cost(loaded, method, layer, against is not None) if on_step else 0)
    with count.part(each) as step:
        raw = cam.explain(loaded, one, method, [class_], layer, on_step=step).raw[0, 0]
    large = cam.enlarged(raw, image.shape[1:])
    if against is None:
        with count.part(PASSES * (1 + RANDOM)) as step:
            against = rivals(loaded, image, class_, raw.shape, fill, on_step=step)
    with count.part(PASSES) as step:
        drawn = curves(loaded, one, large[None], [class_], fill, on_step=step)
    with count.part(HEADS * each) as step:
        head = head_correlation(loaded, one, class_, method, layer, raw, on_step=step)
    with count.part(len(MOVES) * each) as step:
        shift = shift_stability(loaded, one, class_, method, layer, large, on_step=step)
    with count.part(len(others(method))) as step:
        agreed = agreement(loaded, one, class_, method, layer, raw, on_step=step)
    return Trust(
        gap=float(drawn.gap[0]),
        random=float(np.quantile(against[0], GAP_SHARE)),
        centre=against[1],
        head=head,
        shift=shift,
        agreement=agreed,
        curves=drawn,
    )


def others(method: str) -> list[str]:
    """The quick methods beside this one: those that take one forward pass."""
    return [name for name, spec in cam.CAM_METHODS.items() if name != method and not spec.forwards(1)]


def head_correlation(
    loaded: Loaded,
    one: np.ndarray,
    class_: int,
    method: str,
    layer: str,
    raw: np.ndarray,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> float:
    """Mean |rank correlation| of a map with those of HEADS randomly initialised heads; 1 for a method that is blind."""
    with loaded.lock:
        twin = Loaded(loaded.card, copy.deepcopy(loaded.model), loaded.device, loaded.dtype)
    found, count = [], Passes(on_step, THOUSAND * HEADS)
    head = twin.model.head
    bound = (
        head.in_features**-0.5
    )  # torch's own start of a Linear, from a generator of our own: others draw meanwhile
    for k in range(HEADS):
        rng = torch.Generator().manual_seed(seed + k)
        with torch.no_grad():
            for values in head.parameters():
                values.copy_(torch.empty(values.shape).uniform_(-bound, bound, generator=rng))
        with count.part(THOUSAND) as step:
            other = cam.explain(twin, one, method, [class_], layer, on_step=step).raw[0, 0]
        found.append(abs(rank_correlation(raw, other)))
    return float(np.mean(found))


def shift_stability(
    loaded: Loaded,
    one: np.ndarray,
    class_: int,
    method: str,
    layer: str,
    large: np.ndarray,
    on_step: OnStep | None = None,
) -> float:
    """Mean rank correlation with the enlarged maps of the picture moved by SHIFT pixels each way, moved back."""
    size = one.shape[2]
    padded = np.pad(one, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    moved = np.concatenate([padded[:, :, y : y + size, x : x + size] for y, x in MOVES])
    made = cam.explain(loaded, moved, method, [class_], layer, on_step=on_step).raw[:, 0]
    found = []
    for (y, x), other in zip(MOVES, cam.enlarged(made, (size, size))):
        back = np.roll(other, (y - SHIFT, x - SHIFT), (0, 1))
        inner = slice(SHIFT, size - SHIFT)  # what came in at an edge was never in the picture
        found.append(rank_correlation(large[inner, inner], back[inner, inner]))
    return float(np.mean(found))


def agreement(
    loaded: Loaded,
    one: np.ndarray,
    class_: int,
    method: str,
    layer: str,
    raw: np.ndarray,
    on_step: OnStep | None = None,
) -> float:
    """Median rank correlation of a map with those of the other quick methods; nan where there are none.

    Methods that come to the very same map, as Grad-CAM does to CAM's before a linear head, are no second opinion.
    """
    found, asked = [], others(method)
    count = Passes(on_step, len(asked))
    for other in asked:
        with count.part(1):
            try:
                theirs = cam.explain(loaded, one, other, [class_], layer).raw[0, 0]
            except Problem:  # CAM, where the head is not linear or the layer not the last
                continue
        if not proportional(raw, theirs):
            found.append(rank_correlation(raw, theirs))
    return float(np.median(found)) if found else float("nan")


def proportional(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two maps are the same up to a positive factor."""
    a, b = one.ravel().astype(float), other.ravel().astype(float)
    lengths = np.sqrt((a @ a) * (b @ b))
    return bool(lengths) and a @ b / lengths > 1 - 1e-6
