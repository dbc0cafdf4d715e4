"""Three vectors in the plane, small enough to see why cosine and Euclidean distance can disagree."""

import math
from dataclasses import dataclass

from explorer.text import Problem


@dataclass(frozen=True)
class Arrow:
    """A vector from the origin. angle: degrees from the x axis;  length: at least 0"""

    angle: float
    length: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.angle) and math.isfinite(self.length) and self.length >= 0):
            raise Problem(
                "An arrow needs a finite angle and a length of at least 0, got {angle} and {length}.",
                angle=self.angle,
                length=self.length,
            )

    @property
    def tip(self) -> tuple[float, float]:
        """Where it ends, as (x, y)."""
        turned = math.radians(self.angle)
        return self.length * math.cos(turned), self.length * math.sin(turned)

    @property
    def unit(self) -> "Arrow":
        """The same direction with length 1; a vector of length 0 has no direction and stays."""
        return Arrow(self.angle, 1.0) if self.length else self


def cosine(a: Arrow, b: Arrow) -> float:
    """The cosine of the angle between two arrows, in [-1, 1]; 0 with an arrow of length 0, as in a search."""
    return math.cos(math.radians(a.angle - b.angle)) if a.length and b.length else 0.0


def distance(a: Arrow, b: Arrow) -> float:
    """The Euclidean distance of two tips, at least 0."""
    return math.dist(a.tip, b.tip)


def between(a: Arrow, b: Arrow) -> float:
    """The angle between two arrows in degrees, in [0, 180]."""
    return abs((a.angle - b.angle + 180) % 360 - 180)
