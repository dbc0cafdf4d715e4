"""One piece of work, shared by the processes that torchrun or SLURM started: each takes every world-th item.

torchrun --standalone --nproc_per_node 2 -m -- explorer sample cifar10-ddpm --n 5000 --out pictures.npz
"""

import os

import numpy as np


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
