"""Train a classifier on labelled pictures: SGD with Nesterov momentum, label smoothing, an average of the weights.

    python -m explorer train --model fastnet --data cifar10 --epochs 12 --seed 0

What is random is a function of the seed and of where the run stands, never of what ran before: the order of the
pictures of (seed, epoch), the augmentation and any dropout of (seed, step). That is what makes a
resumed run the unbroken one.
"""

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from explorer import models
from explorer.data import ImageSet, spread
from explorer.data.augment import Augment, augment, cutout, flip_coins, generator, normalize
from explorer.text import Problem
from explorer.training.recipes import Recipe, check_batch
from explorer.training.small_maps import replace_convolutions

LOOKAHEAD_EVERY = 5


@dataclass
class Supervised:
    """A classifier in training. `step(n)` does step n; `state` and `load_state` carry everything that a resume needs.

    fabric: device, precision and processes;  train: pictures to learn from;  held: pictures to choose on, or None
    """

    fabric: Fabric
    model_name: str
    recipe: Recipe
    seed: int
    train: ImageSet
    held: ImageSet | None = None

    def __post_init__(self) -> None:
        recipe, device = self.recipe, self.fabric.device
        check_batch(recipe, len(self.train), self.fabric.world_size)
        self.spec = models.spec(self.model_name)
        self.steps_per_epoch = len(self.train) // recipe.batch
        self.total_steps = max(1, round(recipe.epochs * self.steps_per_epoch))
        # Bytes lie as (N, H, W, 3): a batch gathered from them is channels last without another copy.
        self.images = (
            torch.from_numpy(self.train.images.transpose(0, 2, 3, 1).copy()).permute(0, 3, 1, 2).to(device)
        )
        self.labels = torch.from_numpy(self.train.labels.copy()).to(device)
        self.coins = torch.from_numpy(flip_coins(self.seed, len(self.train))).to(device)
        self.how = Augment(recipe.flip, recipe.shift, recipe.cutout)
        self.order: tuple[int, torch.Tensor] | None = None

        self.model = models.build(self.model_name, len(self.train.classes), seed=self.seed)
        if self.spec.init:
            some = torch.from_numpy(spread(len(self.train), 5000))
            self.spec.init(self.model, self._normalized(self.images[some].cpu()))
        if device.type == "cpu":
            replace_convolutions(self.model)
        self.average = copy.deepcopy(self.model).to(device).requires_grad_(False).eval()
        self.groups = _parameter_groups(self.model, recipe)
        optimizer = torch.optim.SGD(
            self.groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0
        )
        self.forward, self.optimizer = self.fabric.setup(self.model, optimizer)

    def _normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        return normalize(pixels, self.train.mean, self.train.std)

    def _batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """This process's share of the step's pictures, augmented and normalised, and their labels."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self.order is None or self.order[0] != epoch:
            permutation = generator(self.seed, 1, epoch).permutation(len(self.train))
            self.order = epoch, torch.from_numpy(permutation).to(self.images.device)
        size, rank, world = self.recipe.batch, self.fabric.global_rank, self.fabric.world_size
        chosen = self.order[1][position * size : (position + 1) * size][rank::world]
        rng = generator(self.seed, 3, step, rank)
        flipped = self.coins[chosen] ^ bool(epoch % 2)
        images = self._normalized(augment(self.images[chosen], self.how, rng, flipped))
        if self.recipe.cutout:
            images = cutout(images, self.recipe.cutout, rng)
        return images.contiguous(memory_format=torch.channels_last), self.labels[chosen]

    def step(self, step: int) -> dict[str, torch.Tensor]:
        """One optimiser step; returns loss (mean, with label smoothing) and accuracy of the batch as tensors."""
        recipe = self.recipe
        torch.manual_seed(int(generator(self.seed, 4, step).integers(2**62)))  # dropout and the like
        rate = recipe.rate(step, self.total_steps, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
            if group["freezes"] and step >= recipe.frozen_after * self.steps_per_epoch:
                group["lr"] = 0.0
        images, labels = self._batch(step)
        self.forward.train()
        logits = self.forward(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        self._follow(step)
        return {"loss": loss.detach(), "accuracy": (logits.argmax(1) == labels).float().mean()}

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the averaged weights; BatchNorm's statistics are copied ("ema") or averaged with them ("lookahead")."""
        recipe, done = self.recipe, step + 1
        last = done == self.total_steps
        if recipe.average == "lookahead":
            if done % LOOKAHEAD_EVERY and not last:
                return
            decay = 0.95**LOOKAHEAD_EVERY * (done / self.total_steps) ** 3
        elif recipe.average == "ema":
            decay = min(recipe.decay, (1 + done) / (10 + done))
        else:
            decay = 0.0
        ours, theirs = self.average.state_dict(), self.model.state_dict()
        averaged = [key for key, value in theirs.items() if value.is_floating_point()]
        if recipe.average == "ema":
            parameters = dict(self.model.named_parameters())
            averaged = [key for key in averaged if key in parameters]
        torch._foreach_lerp_([ours[key] for key in averaged], [theirs[key] for key in averaged], 1 - decay)
        for key in theirs.keys() - set(averaged):
            ours[key].copy_(theirs[key])
        if recipe.average == "lookahead":
            for key in averaged:
                theirs[key].copy_(ours[key])

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy of the averaged weights on the held-out pictures, in training precision; {} without any."""
        if self.held is None or not len(self.held):
            return {}
        right = loss = 0.0
        self.average.eval()
        for start in range(0, len(self.held), 500):
            pixels = torch.from_numpy(self.held.images[start : start + 500].copy()).to(self.fabric.device)
            labels = torch.from_numpy(self.held.labels[start : start + 500].copy()).to(self.fabric.device)
            with self.fabric.autocast():
                x = self._normalized(pixels).contiguous(memory_format=torch.channels_last)
                logits = self.average(x)
            right += (logits.argmax(1) == labels).sum().item()
            loss += F.cross_entropy(logits.float(), labels, reduction="sum").item()
        return {"accuracy": right / len(self.held), "loss": loss / len(self.held)}

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: plain tensors and numbers only."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "about": {"model": self.model_name, "seed": self.seed, "recipe": dataclasses.asdict(self.recipe)},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()` of a run with the same model, seed and recipe; Problem otherwise."""
        ours = self.state()["about"]
        if state["about"] != ours:
            raise Problem(
                "The saved state is of another run: {theirs}; this one is {ours}.",
                theirs=state["about"],
                ours=ours,
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def _parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Kernels and matrices with weight decay, the rest without; BatchNorm's biases at `norm_lr` times the rate."""
    norms = {
        id(p) for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters(recurse=False)
    }
    groups: dict[str, list[nn.Parameter]] = {"decayed": [], "plain": [], "norm": [], "whiten": []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("whiten"):
            groups["whiten"].append(parameter)
        elif id(parameter) in norms:
            groups["norm"].append(parameter)
        else:
            groups["decayed" if parameter.dim() > 1 else "plain"].append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": recipe.weight_decay if kind == "decayed" else 0.0,
            "factor": recipe.norm_lr if kind == "norm" else 1.0,
            "freezes": kind == "whiten",
        }
        for kind, parameters in groups.items()
        if parameters
    ]


def check_finite(value: float, step: int) -> None:
    """Problem when a loss is not a number any more, with what to do."""
    if not math.isfinite(value):
        raise Problem(
            "The loss is not finite at step {step}: lower the learning rate and start again.", step=step
        )
