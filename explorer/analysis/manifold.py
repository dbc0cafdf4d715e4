"""Are the generated pictures real, and are all real ones reached? Precision and recall, density and coverage.

Around each picture of a set lies a ball that reaches to its k-th neighbour in that set. Precision: the share of
generated pictures in some ball of a real one; recall: the share of real ones in some ball of a generated one
(Kynkäänniemi et al. 2019, arXiv 1904.06991; k = 3 as in torch-fidelity). Density counts in how many balls of real ones
a generated picture lies, over k; coverage is the share of real pictures whose ball holds a generated one (Naeem et al.
2020, arXiv 2002.09797, k = 5). These two use balls around real pictures only, so a few strange generated ones do not
lift them.

The *generated* set comes first. Swapped, precision and recall change places: a model that always draws the same picture
would get recall 1 and precision 0 (torch-fidelity had it so until 0.4).
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_pair
from explorer.analysis.distances import blocks, nearest

K, K_COVERAGE = 3, 5
TIE = 1e-9  # a distance that equals a radius counts as inside for precision and recall, as outside for the other two


@dataclass(frozen=True)
class Manifold:
    """Of n generated against m real pictures; higher is better for all.

    precision, recall, coverage: 0..1;  density: 0 and up, 1 where both sets are alike
    """

    precision: float
    recall: float
    density: float
    coverage: float
    n: int
    m: int
    k: int
    k_coverage: int


def manifold(generated: np.ndarray, real: np.ndarray, k: int = K, k_coverage: int = K_COVERAGE) -> Manifold:
    """All four of features (N, D) and (M, D). Raises Problem when a set has no more than k pictures, or k_coverage."""
    generated, real = check_pair(generated, real, least=max(k, k_coverage) + 1)
    n, m = len(generated), len(real)
    near, _ = nearest(real, real, max(k, k_coverage), within=True)
    around_real = near[:, k - 1] ** 2 * (1 + TIE)
    around_real_coverage = near[:, k_coverage - 1] ** 2 * (1 - TIE)
    around_generated = nearest(generated, generated, k, within=True)[0][:, -1] ** 2 * (1 + TIE)
    precise, recalled = np.zeros(n, bool), np.zeros(m, bool)
    closest, dense = np.full(m, np.inf), 0
    for rows, columns, squared in blocks(generated, real):
        precise[rows] |= (squared <= around_real[columns]).any(1)
        recalled[columns] |= (squared <= around_generated[rows, None]).any(0)
        dense += int((squared < around_real_coverage[columns]).sum())
        closest[columns] = np.minimum(closest[columns], squared.min(0))
    return Manifold(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=dense / (k_coverage * n),
        coverage=float((closest < around_real_coverage).mean()),
        n=n,
        m=m,
        k=k,
        k_coverage=k_coverage,
    )
