"""Does a map deserve belief? Four tests, each with its figure; none of them needs to know the true class.

gap        Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the pixels that the map calls important are
           taken away first, or brought back first; a faithful map makes the probability fall, or rise, sooner than
           random maps do. Objects stand in the middle of CIFAR's pictures, so a centred blob is the rival to beat.
head       With a randomised head (Adebayo et al. 2018, arXiv 1810.03292) the map must become another one.
shift      Two pixels further the map must move along.
agreement  The other methods should rank the cells alike.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.analysis import cam
from explorer.checkpoints import Loaded
from explorer.data.augment import normalize
from explorer.text import N_, Problem

STEPS, RANDOM, HEADS, SHIFT = 32, 20, 5, 2
FILLS = {"mean": N_("the training mean"), "blur": N_("a blurred picture")}
GAP_SHARE, HEAD_LIMIT, SHIFT_LIMIT, AGREEMENT_LIMIT = 0.95, 0.3, 0.7, 0.5


@dataclass(frozen=True)
class Curves:
    """Probability of the class while pixels go (deletion) and come (insertion): float64 (N, STEPS + 1) each.

    Column s: after s of STEPS equal shares of the pixels, the most important first.
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_auc(self) -> np.ndarray:
        """(N,), in [0, 1]; low is faithful."""
        return _auc(self.deletion)

    @property
    def insertion_auc(self) -> np.ndarray:
        """(N,), in [0, 1]; high is faithful."""
        return _auc(self.insertion)

    @property
    def gap(self) -> np.ndarray:
        """Insertion minus deletion (N,), in [-1, 1]; high is faithful, 0 is what no knowledge gives."""
        return self.insertion_auc - self.deletion_auc


def _auc(curve: np.ndarray) -> np.ndarray:
    return np.trapezoid(curve, axis=1) / (curve.shape[1] - 1)


def curves(
    loaded: Loaded,
    images: np.ndarray,
    maps: np.ndarray,
    classes: np.ndarray | Sequence[int],
    fill: str = "mean",
    steps: int = STEPS,
    batch: int = 512,
) -> Curves:
    """Deletion and insertion of uint8 pictures (N, 3, S, S) by maps (N, S, S); classes (N,): whose probability.

    Pixels of equal value go in reading order. fill: what stands for a pixel that is not there, a key of FILLS.
    """
    if fill not in FILLS:
        raise Problem("Unknown fill {name}; known: {known}.", name=repr(fill), known=", ".join(FILLS))
    if maps.shape != (len(images), *images.shape[2:]) or not np.isfinite(maps).all():
        raise Problem(
            "Expected finite maps of shape {expected}, got {shape}.",
            expected=(len(images), *images.shape[2:]), shape=maps.shape,
        )  # fmt: skip
    chosen = torch.as_tensor(np.asarray(classes), dtype=torch.int64)
    known = len(loaded.card.classes)
    if chosen.shape != (len(images),) or ((chosen < 0) | (chosen >= known)).any():
        raise Problem(
            "Expected {n} classes between 0 and {last}, got {classes}.",
            n=len(images), last=known - 1, classes=str(chosen.tolist())[:80],
        )  # fmt: skip
    size = images.shape[2] * images.shape[3]
    rank = torch.from_numpy(
        np.argsort(np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable"), axis=1)
    )
    found = np.zeros((2, len(images), steps + 1))
    with loaded.lock, torch.inference_mode():
        for start in range(0, len(images), max(1, batch // (2 * (steps + 1)))):
            part = slice(start, min(start + max(1, batch // (2 * (steps + 1))), len(images)))
            pixels = torch.from_numpy(images[part].copy()).to(loaded.device)
            x = normalize(pixels, loaded.card.mean, loaded.card.std)
            empty = torch.zeros_like(x) if fill == "mean" else _blurred(x)
            gone = torch.stack([rank[part] < round(size * s / steps) for s in range(steps + 1)], 1)
            gone = gone.reshape(len(x), steps + 1, 1, *x.shape[2:]).to(x.device)
            both = torch.stack(
                [torch.where(gone, empty[:, None], x[:, None]), torch.where(gone, x[:, None], empty[:, None])]
            )
            logits = loaded.model(both.flatten(0, 2).contiguous(memory_format=torch.channels_last))
            p = logits.double().softmax(1).unflatten(0, both.shape[:3]).cpu()
            found[:, part] = p.gather(3, chosen[None, part, None, None].expand(2, -1, steps + 1, 1))[..., 0]
    return Curves(*found)


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """A Gaussian blur of sigma 5 pixels: x (B, 3, H, W), the border reflected."""
    from torchvision.transforms.functional import gaussian_blur

    return gaussian_blur(x, [21, 21], [5.0, 5.0])


def random_maps(count: int, cells: tuple[int, int], size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Uniform noise on a grid of `cells`, enlarged as the real maps are: float32 (count, *size)."""
    rng = np.random.default_rng(seed)
    return cam.enlarged(rng.random((count, *cells), dtype=np.float32), size)


def blob(size: tuple[int, int]) -> np.ndarray:
    """A Gaussian in the middle, a quarter of the picture wide: float32 (height, width), 1 at its top."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    return np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * 0.5**2))


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
    loaded: Loaded, image: np.ndarray, class_: int, cells: tuple[int, int], fill: str = "mean", seed: int = 0
) -> tuple[np.ndarray, float]:
    """Gaps of RANDOM random maps on a grid of `cells`, float64 (RANDOM,), and of the centred blob: what to beat.

    image: uint8 (3, S, S). About 1,400 forward passes; they depend on no method, so callers may keep them.
    """
    size = image.shape[1:]
    guesses = np.concatenate([random_maps(RANDOM, cells, size, seed), blob(size)[None]])
    found = curves(
        loaded, np.repeat(image[None], len(guesses), 0), guesses, [class_] * len(guesses), fill
    ).gap
    return found[:RANDOM], float(found[RANDOM])


def trust(
    loaded: Loaded,
    image: np.ndarray,
    class_: int,
    method: str,
    layer: str | None = None,
    fill: str = "mean",
    against: tuple[np.ndarray, float] | None = None,
) -> Trust:
    """The four tests of a method's map of one picture, uint8 (3, S, S), for a class, by its index.

    against: what `rivals` found, if it is known already. Methods of many forwards take ten times a map's time.
    """
    one = image[None]
    found = cam.explain(loaded, one, method, [class_], layer)
    raw, size = found.raw[0, 0], image.shape[1:]
    large = cam.enlarged(raw, size)
    against = against or rivals(loaded, image, class_, raw.shape, fill)
    drawn = curves(loaded, one, large[None], [class_], fill)
    return Trust(
        gap=float(drawn.gap[0]),
        random=float(np.quantile(against[0], GAP_SHARE)),
        centre=against[1],
        head=head_correlation(loaded, one, class_, method, found.layer, raw),
        shift=shift_stability(loaded, one, class_, method, found.layer, large),
        agreement=agreement(loaded, one, class_, method, found.layer, raw),
        curves=drawn,
    )


def head_correlation(
    loaded: Loaded, one: np.ndarray, class_: int, method: str, layer: str, raw: np.ndarray, seed: int = 0
) -> float:
    """Mean |rank correlation| of a map with those of HEADS randomly initialised heads; 1 for a method that is blind."""
    with loaded.lock:
        twin = Loaded(loaded.card, copy.deepcopy(loaded.model), loaded.device, loaded.dtype)
    found = []
    for k in range(HEADS):
        with torch.random.fork_rng():
            torch.manual_seed(seed + k)
            twin.model.head.reset_parameters()
        other = cam.explain(twin, one, method, [class_], layer).raw[0, 0]
        found.append(abs(rank_correlation(raw, other)))
    return float(np.mean(found))


def shift_stability(
    loaded: Loaded, one: np.ndarray, class_: int, method: str, layer: str, large: np.ndarray
) -> float:
    """Mean rank correlation with the enlarged maps of the picture moved by SHIFT pixels each way, moved back."""
    size = one.shape[2]
    padded = np.pad(one, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    places = [(0, SHIFT), (2 * SHIFT, SHIFT), (SHIFT, 0), (SHIFT, 2 * SHIFT)]
    moved = np.concatenate([padded[:, :, y : y + size, x : x + size] for y, x in places])
    maps = cam.enlarged(cam.explain(loaded, moved, method, [class_], layer).raw[:, 0], (size, size))
    found = []
    for (y, x), other in zip(places, maps):
        back = np.roll(other, (y - SHIFT, x - SHIFT), (0, 1))
        inner = slice(SHIFT, size - SHIFT)  # what came in at an edge was never in the picture
        found.append(rank_correlation(large[inner, inner], back[inner, inner]))
    return float(np.mean(found))


def agreement(
    loaded: Loaded, one: np.ndarray, class_: int, method: str, layer: str, raw: np.ndarray
) -> float:
    """Median rank correlation of a map with those of the other quick methods; nan where there are none.

    Methods that come to the very same map, as Grad-CAM does to CAM's before a linear head, are no second opinion.
    """
    found = []
    for other, spec in cam.CAM_METHODS.items():
        if other == method or spec.forwards(1):
            continue
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
