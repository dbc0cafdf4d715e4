"""Histograms of oriented gradients (Dalal and Triggs 2005): which edges a picture has, and where. No net is needed.

A cell of 8x8 pixels counts its gradients by direction, without sign, in nine bins of 20 degrees; blocks of 2x2 cells,
which overlap, are brought to length 1, cut at 0.2 and brought to length 1 again. A pixel's gradient is that of the
colour that changes most.
"""

import numpy as np

CELL, BLOCK, BINS = 8, 2, 9  # pixels, cells, directions
CUT, EPS = 0.2, 1e-5


def hog(images: np.ndarray) -> np.ndarray:
    """float32 (N, 324) of uint8 (N, 3, 32, 32): 3x3 blocks of 2x2 cells of nine directions. One flat colour gives 0."""
    x = images.astype(np.float64)
    down, across = np.zeros_like(x), np.zeros_like(x)
    down[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    across[:, :, :, 1:-1] = x[:, :, :, 2:] - x[:, :, :, :-2]
    strongest = np.hypot(down, across).argmax(1)[:, None]  # (N, 1, H, W), the first of equal ones
    down, across = (np.take_along_axis(part, strongest, 1)[:, 0] for part in (down, across))
    angle = np.rad2deg(np.arctan2(down, across)) % 180
    return _blocks(_cells(np.hypot(down, across), (angle * BINS / 180).astype(np.int64))).astype(np.float32)


def _cells(magnitude: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(N, h, w, BINS): mean magnitude of each direction in each cell, from (N, H, W) both."""
    n, height, width = magnitude.shape
    tiles = (n, height // CELL, CELL, width // CELL, CELL)
    parts = [np.where(direction == k, magnitude, 0).reshape(tiles).sum((2, 4)) / CELL**2 for k in range(BINS)]
    return np.stack(parts, -1)


def _blocks(cells: np.ndarray) -> np.ndarray:
    """(N, …): the blocks row by row, each of its cells row by row, of length 1 but for EPS."""
    n, height, width, _ = cells.shape
    rows, columns = height - BLOCK + 1, width - BLOCK + 1
    shifted = [
        cells[:, r : r + rows, c : c + columns] for r in range(BLOCK) for c in range(BLOCK)
    ]  # (N, rows, columns, BINS) each
    blocks = np.concatenate(shifted, -1)
    blocks = _unit(np.minimum(_unit(blocks), CUT))
    return blocks.reshape(n, -1)


def _unit(blocks: np.ndarray) -> np.ndarray:
    return blocks / np.sqrt((blocks * blocks).sum(-1, keepdims=True) + EPS**2)
