"""Statistics of features that several processes (torchrun) hold a share of each: added up they are those of all."""

import numpy as np

from explorer.analysis.fid import Statistics
from explorer.analysis.together import join


def mine(count: int, rank: int, world: int) -> np.ndarray:
    """The indices below `count` that process `rank` of `world` takes: rank, rank + world, …, int64, ascending."""
    return np.arange(rank, count, world)


def add_up(own: Statistics) -> Statistics:
    """The sum of all processes' statistics, in every process: n exactly, the sums up to rounding. Alone: `own`."""
    if join()[1] == 1:
        return own
    import torch
    from torch import distributed

    parts = [torch.tensor(own.n), torch.from_numpy(own.total.copy()), torch.from_numpy(own.outer.copy())]
    for part in parts:  # int64 and float64
        distributed.all_reduce(part)
    return Statistics(int(parts[0]), parts[1].numpy(), parts[2].numpy())
