"""What FID sees: real pictures, spoilt in one way at a time, and what FID, KID, precision and recall make of it.

Every set has the same number of pictures of CIFAR-10's test split and is compared with the same training pictures, so
that only the fault differs. The untouched set stands at strength 0 (of repeats at 1, once each): what is measured there
is the bias of so few pictures.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from explorer.analysis import scores
from explorer.analysis.inception import Extractor
from explorer.data import ImageSet
from explorer.data.inception import VERSION
from explorer.text import N_, Problem

COUNT = 1_000
SEED = 0
Step = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Perturbation:
    """title, unit: on screen;  strengths: of the stored table, rising;  low, high: what can be asked for
    apply: (pictures uint8 (N, 3, H, W), strength, rng) -> the same shape; None where pictures are chosen, not changed
    none: the strength that spoils nothing;  whole: strengths are whole numbers, others are rounded
    factor: strengths are factors, shown on a logarithmic axis
    """

    title: str
    unit: str
    strengths: tuple[float, ...]
    low: float
    high: float
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray] | None = None
    none: float = 0
    whole: bool = False
    factor: bool = False

    @property
    def steps(self) -> tuple[float, ...]:
        """All strengths of the stored table, the untouched set's first."""
        return (self.none, *self.strengths)


def blur(images: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian of `sigma` pixels."""
    return _each(images, lambda image: image.filter(ImageFilter.GaussianBlur(sigma)))


def noise(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of `deviation` levels out of 255 on every value, rounded and cut off."""
    return (images + rng.normal(0, deviation, images.shape)).round().clip(0, 255).astype(np.uint8)


def jpeg(images: np.ndarray, loss: float, rng: np.random.Generator) -> np.ndarray:
    """Squeezed by JPEG and back; loss = 100 - quality."""

    def squeezed(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=round(100 - loss))
        return Image.open(buffer)

    return _each(images, squeezed)


def shrink(images: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Made `pixels` smaller a side and enlarged again, both bilinear: what a careless pipeline does."""

    def there_and_back(image: Image.Image) -> Image.Image:
        side = max(1, image.width - round(pixels))
        return image.resize((side, side), Image.Resampling.BILINEAR).resize(
            image.size, Image.Resampling.BILINEAR
        )

    return _each(images, there_and_back)


def _each(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    changed = [
        np.asarray(change(Image.fromarray(image)).convert("RGB")) for image in images.transpose(0, 2, 3, 1)
    ]
    return np.stack(changed).transpose(0, 3, 1, 2)


PERTURBATIONS: dict[str, Perturbation] = {
    "blur": Perturbation(N_("Blur"), N_("sigma in pixels"), (0.4, 0.6, 0.8, 1.2), 0, 4, blur),
    "noise": Perturbation(N_("Noise"), N_("deviation in levels of 255"), (4, 8, 16, 32), 0, 128, noise),
    "jpeg": Perturbation(N_("JPEG"), N_("100 - quality"), (5, 25, 50, 75), 0, 99, jpeg, whole=True),
    "shrink": Perturbation(
        N_("Shrunk and enlarged"), N_("pixels fewer a side"), (4, 8, 12, 16), 0, 28, shrink, whole=True
    ),
    "classes": Perturbation(N_("Classes left out"), N_("classes of ten"), (1, 3, 5, 9), 0, 9, whole=True),
    "repeats": Perturbation(
        N_("Pictures repeated"),
        N_("times each"),
        (2, 5, 20, 100),
        1,
        1000,
        none=1,
        whole=True,
        factor=True,
    ),
}


@dataclass(frozen=True)
class Seen:
    """What the scores make of `n` pictures spoilt by `kind` with `strength`: FID against `reference_n` real ones, the
    others against `compared_with` of these.

    few: whether either is so few that the FID must be shown with the sentence fid.FEW
    """

    kind: str
    strength: float
    n: int
    reference_n: int
    compared_with: int
    fid: float
    kid: float
    precision: float
    recall: float
    density: float
    coverage: float
    few: bool


def chosen(
    labels: np.ndarray, kind: str, strength: float, count: int = COUNT, seed: int = SEED
) -> np.ndarray:
    """Which pictures make the set, int64 (count,): a seeded choice, without some classes, or few of them repeated.

    Raises Problem when `labels` (N,) are too few for that, so that it can be asked before any longer work.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    if kind == "classes":
        order = order[labels[order] >= round(strength)]
    needed = max(1, round(count / max(strength, 1))) if kind == "repeats" else count
    if len(order) < needed:
        raise Problem(
            "There are {n} pictures to choose from, {count} are needed.", n=len(order), count=needed
        )
    return np.resize(order[:needed], count)


def spoilt(
    pictures: ImageSet, kind: str, strength: float, count: int = COUNT, seed: int = SEED
) -> np.ndarray:
    """The set, uint8 (count, 3, H, W). Raises Problem for an unknown kind and a strength out of range."""
    strength = check(kind, strength)
    spec = PERTURBATIONS[kind]
    images = pictures.images[chosen(pictures.labels, kind, strength, count, seed)]
    if spec.apply is None or strength == spec.none:
        return images
    return spec.apply(images, strength, np.random.default_rng([seed, 1]))


def check(kind: str, strength: float) -> float:
    """The strength as it is applied; Problem for an unknown kind and a strength out of its range."""
    if kind not in PERTURBATIONS:
        raise Problem(
            "Unknown fault {name}; known: {known}.", name=repr(kind[:80]), known=", ".join(PERTURBATIONS)
        )
    spec = PERTURBATIONS[kind]
    if not spec.low <= strength <= spec.high:
        raise Problem(
            "{name} of {value}; it must lie between {low} and {high}.",
            name=kind, value=strength, low=spec.low, high=spec.high,
        )  # fmt: skip
    return float(round(strength)) if spec.whole else strength


def seen(
    pictures: ImageSet,
    kind: str,
    strength: float,
    target: scores.Against,
    extractor: Extractor,
    on_step: Step | None = None,
    count: int = COUNT,
) -> Seen:
    """One row of the table."""
    strength = check(kind, strength)
    found = scores.score(spoilt(pictures, kind, strength, count), target, extractor, on_step)
    kept = {key: found[key] for key in ("fid", "kid", "precision", "recall", "density", "coverage")}
    return Seen(kind, strength, count, target.n, found["compared_with"], **kept, few=found["fid_few"])


def evidence(pictures: ImageSet, target: scores.Against, device: str) -> dict[str, Any]:
    """What all rows rest on, as it is stored beside them.

    pictures: the split that is spoilt;  device: as device.identity names it
    """
    return {
        "device": device,
        "seed": SEED,
        "features": VERSION,
        "reference": f"{target.name}:{target.split}",
        "reference_fingerprint": target.fingerprint[:16],
        "test_fingerprint": pictures.fingerprint[:16],
    }


def rows(found: list[Seen]) -> list[dict[str, Any]]:
    """As they are stored and shown."""
    return [asdict(row) for row in found]


def of_kind(table: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The rows of one fault, from the untouched set on, which the table has once: at the strength that spoils nothing.

    table: as `rows` gives it
    """
    none = PERTURBATIONS[kind].none
    untouched = [row | {"kind": kind, "strength": none} for row in table if row["strength"] == 0]
    return untouched + [row for row in table if row["kind"] == kind and row["strength"] != 0]
