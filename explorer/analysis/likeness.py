"""Is one picture a copy of another? Its thumbnail says perhaps, its edges say yes.

Edges, because a calm sea is like every other calm sea pixel by pixel and not edge by edge: differences of neighbouring
pixels take out what all photographs share, that near pixels are alike (Field 1987). Their correlation r does not see
brightness or contrast, and is looked for over small shifts and the mirror image.
"""

import numpy as np

SHIFT = 2  # pixels to every side that a copy may have moved
CELL = 4  # pixels of a side that become one of the thumbnail
BLOCK = 500  # pictures at once: 12 MB of edges
FLAT = 0.25  # mean square of the differences, in grey levels, below which there are no edges to compare


def thumbnails(images: np.ndarray) -> np.ndarray:
    """float32 (N, 3 (S / CELL)^2) of uint8 (N, 3, S, S): means of cells less the picture's own mean, of length 1.

    A picture of one colour gives 0.
    """
    n, channels, height, width = images.shape
    found = np.empty((n, channels * (height // CELL) * (width // CELL)), np.float32)
    for top in range(0, n, BLOCK):
        part = np.asarray(images[top : top + BLOCK], np.float32)[
            ..., : height // CELL * CELL, : width // CELL * CELL
        ]
        cells = part.reshape(len(part), channels, height // CELL, CELL, width // CELL, CELL).mean((3, 5))
        cells = cells.reshape(len(part), -1)
        cells -= cells.mean(1, keepdims=True)
        found[top : top + BLOCK] = cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-3)
    return found


def likeness(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far P pairs of pictures (P, 3, S, S) are from being copies: distance float64 (P,) in [0, 2], and the best
    way to lay them over each other, mirrored bool (P,) and shift int64 (P, 2), as `Pairs` has it."""
    best = np.full(len(x), -np.inf)
    mirrored, shift = np.zeros(len(x), bool), np.zeros((len(x), 2), np.int64)
    there = _edges(y)
    for mirror in (False, True):
        here = _edges(x[..., ::-1] if mirror else x)
        for down in range(-SHIFT, SHIFT + 1):
            for right in range(-SHIFT, SHIFT + 1):
                r = _correlation(here, there, down, right)
                better = r > best
                best[better], mirrored[better], shift[better] = r[better], mirror, (down, right)
    return np.clip(1 - best, 0, 2), mirrored, shift


Edges = tuple[np.ndarray, np.ndarray]


def _edges(images: np.ndarray) -> Edges:
    """Differences of pixels across from each other (Roberts 1963), which a mirror swaps, and sums of their squares.

    float32 (P, H, 6 W), H = W = S - 1, the six numbers of a place side by side: long rows are multiplied fast
    float64 (P, H + 1, W + 1): of all places above and to the left, so that any window's sum is four of them
    """
    x = np.asarray(images, np.float32).transpose(0, 2, 3, 1)
    edges = np.concatenate([x[:, 1:, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, 1:]], 3)
    squares = np.einsum("phwc,phwc->phw", edges, edges).cumsum(1, dtype=np.float64).cumsum(2)
    return edges.reshape(*edges.shape[:2], -1), np.pad(squares, ((0, 0), (1, 0), (1, 0)))


def _correlation(x: Edges, y: Edges, down: int, right: int) -> np.ndarray:
    """float64 (P,) in [-1, 1] of the edges of P pairs where they overlap when the second's lie `down` rows and `right`
    columns on; 0 where either has next to none."""
    height, width = (size - 1 for size in x[1].shape[1:])
    rows, columns = height - abs(down), width - abs(right)
    (part_x, square_x), (part_y, square_y) = (
        _window(edges, max(sign * down, 0), max(sign * right, 0), rows, columns)
        for edges, sign in ((x, -1), (y, 1))
    )
    together = np.einsum("phk,phk->p", part_x, part_y).astype(np.float64)
    enough = np.minimum(square_x, square_y) > FLAT * part_x[0].size
    return np.divide(together, np.sqrt(square_x * square_y), out=np.zeros(len(together)), where=enough)


def _window(edges: Edges, top: int, left: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The edges (P, rows, 6 columns) of a window, and the sum of their squares (P,)."""
    values, sums = edges
    bottom, right = top + rows, left + columns
    six = values.shape[2] // (sums.shape[2] - 1)
    square = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
    return values[:, top:bottom, six * left : six * right], square
