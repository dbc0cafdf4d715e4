"""The seam to Lightning Fabric: one process, or several under torchrun or SLURM, with the same loop.

    torchrun --standalone --nproc_per_node 2 -m -- explorer train --model fastnet --data cifar10 --run NAME

The two dashes keep torchrun from taking `--run` for an abbreviation of an option of its own.
"""

import os
import warnings

import torch
from lightning_fabric import Fabric

from explorer import models
from explorer.device import choose, precision, set_threads
from explorer.reach import allow

_PRECISION = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed", torch.float32: "32-true"}


def make_fabric(model: str, device: str = "auto") -> Fabric:
    """A started Fabric for training `model`, in the precision that is fastest for it on the device.

    Under torchrun it joins the other processes (DDP; gloo on CPU, NCCL on CUDA), one device each.
    """
    allow("train")  # whatever trains comes by here: runs, probes, range tests
    where = choose(device)
    set_threads()
    world = int(os.environ.get("WORLD_SIZE", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about more devices than are asked for
        fabric = Fabric(
            accelerator=where.type,
            devices=int(os.environ.get("LOCAL_WORLD_SIZE", 1)),
            num_nodes=max(1, world // int(os.environ.get("LOCAL_WORLD_SIZE", 1))),
            strategy="ddp" if world > 1 else "auto",
            precision=_PRECISION[precision(models.spec(model).precision, where)],
        )
        fabric.launch()
    return fabric
