"""The game of a GAN on the line, where all of it can be computed.

Goodfellow et al. 2014, "Generative Adversarial Nets", section 4: against a generator that draws from p_g the best
discriminator is D*(x) = p_data(x) / (p_data(x) + p_g(x)), and with it the game is worth
V(G, D*) = -log 4 + 2 JSD(p_data, p_g), which is least, -log 4, exactly where p_g = p_data. Everything in nats.
"""

import math
from dataclasses import dataclass

import numpy as np

LEAST = -math.log(4)  # the value of the game when both densities are one
REACH = 10  # the grid goes so many widths beyond the outermost means: what lies further is below 1e-22
FINE = 16  # points of the grid in the least width; the trapezoid rule is exact to rounding from 2 on


@dataclass(frozen=True)
class Density:
    """A mixture of normals on the line, all tuples of one length; the weights sum to 1."""

    means: tuple[float, ...]
    widths: tuple[float, ...]  # standard deviations, above 0
    weights: tuple[float, ...] = (1.0,)

    def log(self, x: np.ndarray) -> np.ndarray:
        """The logarithm of the density at each x, finite also where the density itself is no longer above 0."""
        parts = [
            math.log(weight / (width * math.sqrt(2 * math.pi))) - ((x - mean) / width) ** 2 / 2
            for mean, width, weight in zip(self.means, self.widths, self.weights)
        ]
        return np.logaddexp.reduce(parts, axis=0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The density at each x."""
        return np.exp(self.log(x))

    def near(self, mean: float, reach: float) -> float:
        """The share of it that lies within `reach` of `mean`."""
        return sum(
            weight * (_below((mean + reach - m) / width) - _below((mean - reach - m) / width))
            for m, width, weight in zip(self.means, self.widths, self.weights)
        )


def hills(apart: float) -> Density:
    """p_data of the panel: two equal hills whose tops are `apart`; below 2.4 they run into each other."""
    return Density((-apart / 2, apart / 2), (0.6, 0.6), (0.5, 0.5))


DATA = hills(4.0)


@dataclass(frozen=True)
class Game:
    """Both densities on a grid and what the best discriminator makes of them; arrays of one length.

    value: V(G, D*), from -log 4 to 0;  divergence: JSD(p_data, p_g), from 0 to log 2
    """

    x: np.ndarray
    data: np.ndarray
    generated: np.ndarray
    discriminator: np.ndarray
    value: float
    divergence: float


def play(generated: Density, data: Density = DATA) -> Game:
    """The game of a generator that draws from `generated` against its best discriminator, by quadrature on a grid."""
    x = _grid(data, generated)
    log_data, log_generated = data.log(x), generated.log(x)
    log_both = np.logaddexp(log_data, log_generated)
    p_data, p_g = np.exp(log_data), np.exp(log_generated)
    # log D* and log (1 - D*) stay finite where D* itself is 0 or 1 in float64, and there p vanishes.
    value = np.trapezoid(p_data * (log_data - log_both) + p_g * (log_generated - log_both), x)
    log_middle = log_both - math.log(2)
    divergence = np.trapezoid(p_data * (log_data - log_middle) + p_g * (log_generated - log_middle), x) / 2
    return Game(x, p_data, p_g, np.exp(log_data - log_both), float(value), float(divergence))


def _grid(*densities: Density) -> np.ndarray:
    pairs = [pair for each in densities for pair in zip(each.means, each.widths)]
    low = min(mean - REACH * width for mean, width in pairs)
    high = max(mean + REACH * width for mean, width in pairs)
    return np.linspace(low, high, 1 + math.ceil((high - low) * FINE / min(width for _, width in pairs)))


def _below(z: float) -> float:
    """The share of a standard normal below z."""
    return (1 + math.erf(z / math.sqrt(2))) / 2
