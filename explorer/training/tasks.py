"""TASKS: what trains a model of each task."""

from typing import Any

from lightning_fabric import Fabric

from explorer import models
from explorer.data import ImageSet
from explorer.training.adversarial import Adversarial
from explorer.training.diffusion import Diffusion
from explorer.training.loop import Task
from explorer.training.settings import Settings
from explorer.training.supervised import Supervised
from explorer.training.variational import Variational

TASKS: dict[str, Any] = {
    "classifier": Supervised,
    "vae": Variational,
    "gan": Adversarial,
    "diffusion": Diffusion,
}


def make_task(
    fabric: Fabric, model: str, recipe: Settings, seed: int, train: ImageSet, held: ImageSet | None = None
) -> Task:
    """Net, optimiser and pictures on their device, ready for `loop.fit`."""
    return TASKS[models.spec(model).task](fabric, model, recipe, seed, train, held)
