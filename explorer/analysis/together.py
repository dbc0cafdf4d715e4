"""One piece of work, shared by the processes that torchrun started: each takes every world-th item.

torchrun --standalone --nproc_per_node 2 -m -- explorer sample cifar10-ddpm --n 5000 --out pictures.npz
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from explorer.analysis.fid import Statistics
from explorer.text import Problem


def join() -> tuple[int, int]:
    """(rank, number of processes), the group joined; (0, 1) when there is only this one."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return 0, 1
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    if not distributed.is_initialized():
        distributed.init_process_group("gloo")  # what is gathered lies in the machine's memory
    return distributed.get_rank(), world


def check_shares(count: int) -> None:
    """Problem, in every process, when there are fewer than `count` items for each to have one."""
    _, world = join()
    if count < world:
        raise Problem("{n} pictures cannot be shared by {world} processes.", n=count, world=world)


def each(make: Callable[[], Any]) -> list[Any]:
    """What `make` gives in every process, in their order, in all of them; or the first one's Problem, in all."""
    _, world = join()
    if world == 1:
        return [make()]
    from torch import distributed

    boxes: list[Any] = [None] * world
    distributed.all_gather_object(boxes, _boxed(make))
    return [_opened(box) for box in boxes]


def gathered(part: np.ndarray) -> np.ndarray:
    """The rows of all processes in their first order, row k of process r being row k * world + r: the same array in
    every process."""
    _, world = join()
    if world == 1:
        return part
    from torch import distributed

    parts: list[np.ndarray] = [part] * world
    distributed.all_gather_object(parts, part)
    whole = np.empty((sum(map(len, parts)), *part.shape[1:]), part.dtype)
    for k, rows in enumerate(parts):
        whole[k::world] = rows
    return whole


def added(own: Statistics) -> Statistics:
    """The sum of all processes' statistics, in every process: n exactly, the sums up to rounding. Alone: `own`."""
    if join()[1] == 1:
        return own
    import torch
    from torch import distributed

    parts = [torch.tensor(own.n), torch.from_numpy(own.total.copy()), torch.from_numpy(own.outer.copy())]
    for part in parts:  # int64 and float64
        distributed.all_reduce(part)
    return Statistics(int(parts[0]), parts[1].numpy(), parts[2].numpy())


def of_first(make: Callable[[], Any]) -> Any:
    """What `make` gives in the first process, in all of them, or its Problem: what is read from disk or written there
    must not look different to each."""
    rank, world = join()
    if world == 1:
        return make()
    from torch import distributed

    box = _boxed(make) if rank == 0 else [None, None]
    distributed.broadcast_object_list(box)
    return _opened(box)


def _boxed(make: Callable[[], Any]) -> list[Any]:
    """[what it gives, None], or [None, its Problem in parts]: a Problem with fields cannot be pickled whole."""
    try:
        return [make(), None]
    except Problem as problem:
        return [None, (type(problem), problem.template, problem.values)]


def _opened(box: list[Any]) -> Any:
    found, wrong = box
    if wrong:
        kind, template, values = wrong
        raise kind(template, **values)
    return found
