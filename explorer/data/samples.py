"""Pictures to try when none is at hand: photographs, test pictures, scans, drawings. None is downloaded.

`SAMPLES` maps an id to its title and its maker; a new sample is one line in `_ALL`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from explorer.data import cifar10, load, sheet
from explorer.data.imageset import ImageSet
from explorer.data.picture import Picture
from explorer.text import N_, Problem


@dataclass(frozen=True)
class Sample:
    """title: an English sentence for t(); make: gives the RGB picture; source: where it is from, for t()."""

    title: str
    make: Callable[[], Image.Image]
    source: str


def _photograph(name: str) -> Image.Image:
    from sklearn.datasets import load_sample_image  # slow to import, and only two samples need it

    return Image.fromarray(load_sample_image(name))


def _of_set(name: str, label: int, nth: int = 0) -> Image.Image:
    """The nth picture of a class in a test split."""
    images: ImageSet = load(name, "test")
    index = np.flatnonzero(images.labels == label)[nth]
    return Image.fromarray(np.ascontiguousarray(images.images[index].transpose(1, 2, 0)))


def _ship() -> Image.Image:
    """A cargo ship in flat colours."""
    image = Image.new("RGB", (480, 360), "#BFD9EA")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 235, 480, 360), fill="#2F5F86")
    draw.polygon([(60, 215), (425, 215), (385, 270), (95, 270)], fill="#7A2E2E")
    draw.rectangle((330, 130, 385, 215), fill="#F2EFE6")
    draw.rectangle((345, 95, 370, 130), fill="#C2452D")
    for i, colour in enumerate(("#3E7D4F", "#C98B2B", "#44617F", "#8C3B4A", "#3E7D4F")):
        draw.rectangle((92 + 46 * i, 172, 134 + 46 * i, 214), fill=colour)
    for x in range(0, 480, 40):
        draw.arc((x, 288, x + 40, 306), 180, 360, fill="#6C97B8", width=4)
    return image.filter(ImageFilter.GaussianBlur(1))


def _aeroplane() -> Image.Image:
    """An airliner from the side against the sky."""
    image = Image.linear_gradient("L").resize((480, 360)).convert("RGB")
    image = Image.blend(image, Image.new("RGB", image.size, "#6FA8DC"), 0.8)
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 150, 430, 205), fill="#F4F4F2")
    draw.polygon([(60, 170), (40, 85), (80, 85), (135, 160)], fill="#2B4C7E")
    draw.polygon([(215, 185), (165, 285), (205, 285), (300, 190)], fill="#D5D8DC")
    draw.polygon([(230, 160), (195, 100), (225, 100), (290, 158)], fill="#C3C7CC")
    for x in range(150, 385, 22):
        draw.rectangle((x, 168, x + 9, 178), fill="#44586E")
    return image.filter(ImageFilter.GaussianBlur(1))


def _seven() -> Image.Image:
    """A seven in dark ink on light paper: to the digits model, inside out."""
    image = Image.new("RGB", (240, 240), "#F7F3E8")
    ImageDraw.Draw(image).line([(65, 60), (170, 60), (105, 190)], fill="#22252B", width=26, joint="curve")
    return image.filter(ImageFilter.GaussianBlur(2))


def _noise() -> Image.Image:
    """Static, in which there is nothing to see."""
    grain = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return Image.fromarray(grain).resize((320, 240), Image.Resampling.NEAREST)


_SHEET, _SCAN = N_("A test picture of CIFAR-10"), N_("A scan from scikit-learn's digits, test split")
_DRAWN = N_("Drawn by a few lines of this program")
# For each class a picture of the sheet that is recognised at a glance: its place among those of its class.
_PICKED = (10, 9, 2, 3, 5, 46, 3, 4, 18, 20)

_ORDER = (
    "cat ship flower drawn-ship noise scan-3 drawn-7 airplane temple drawn-airplane"  # first in the strip
)

_ALL: dict[str, Sample] = {
    name: Sample(name, partial(_of_set, "cifar10-sheet", label, nth), _SHEET)
    for label, (name, nth) in enumerate(zip(cifar10.CLASSES, _PICKED))
} | {
    "drawn-ship": Sample(N_("ship, drawn"), _ship, _DRAWN),
    "drawn-airplane": Sample(N_("airplane, drawn"), _aeroplane, _DRAWN),
    "flower": Sample(
        N_("flower"), partial(_photograph, "flower.jpg"), N_("Photograph by vultilion, CC BY 2.0")
    ),
    "temple": Sample(
        N_("temple"), partial(_photograph, "china.jpg"), N_("Photograph by danielbuechele, CC BY 2.0")
    ),
    "noise": Sample(N_("noise"), _noise, _DRAWN),
    "scan-3": Sample(N_("scanned 3"), partial(_of_set, "digits", 3), _SCAN),
    "scan-8": Sample(N_("scanned 8"), partial(_of_set, "digits", 8), _SCAN),
    "drawn-7": Sample(N_("7, drawn"), _seven, _DRAWN),
}
SAMPLES = {name: _ALL[name] for name in [*_ORDER.split(), *_ALL]}


def origin(name: str) -> tuple[str, str, int] | None:
    """(data set, split, index) of a sample that is a picture of a data set; None for the others."""
    make = SAMPLES[name].make
    if not isinstance(make, partial) or make.func is not _of_set:
        return None
    data, label, nth = (*make.args, 0)[:3]
    index = int(np.flatnonzero(load(data, "test").labels == label)[nth])
    if data == "cifar10-sheet":
        return "cifar10", "test", int(sheet.test_indices()[index])
    return data, "test", index


@lru_cache(maxsize=len(SAMPLES))
def sample(name: str) -> Picture:
    """A sample by its id, kept once made; Problem that lists the known ones otherwise."""
    if name not in SAMPLES:
        raise Problem(
            "Unknown sample {name}; known: {known}.", name=repr(name[:80]), known=", ".join(SAMPLES)
        )
    image = SAMPLES[name].make()
    return Picture(image, name, image.size)
