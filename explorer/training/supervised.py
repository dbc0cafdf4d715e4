"""Train a classifier on labelled pictures: an optimiser, a schedule, label smoothing, an average of the weights.

    python -m explorer train --model fastnet --data cifar10 --epochs 12 --seed 0

What is random is a function of the seed and of where the run stands, never of what ran before: the order of the
pictures of (seed, epoch), the augmentation and any dropout of (seed, step). That is what makes a
resumed run the unbroken one.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from explorer import models
from explorer.analysis.ranking import auc_macro
from explorer.data import ImageSet, spread
from explorer.data.augment import generator, normalize
from explorer.text import Hopeless
from explorer.training.batches import prepare
from explorer.training.carrying import about, check_same, fresh_statistics
from explorer.training.feed import Feed
from explorer.training.optimizers import make_optimizer
from explorer.training.recipes import Recipe, check_batch, check_sizes
from explorer.training.small_maps import replace_convolutions

LOOKAHEAD_EVERY = 5
STATISTICS_FROM = 1024  # training pictures
MOST_CONFUSED = 100  # classes up to which an evaluation keeps its confusion matrix


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
        check_sizes(recipe, self.model_name)
        self.feed = Feed(self.fabric, self.train, recipe.batch, self.seed)
        self.images = self.feed.images
        self.steps_per_epoch = self.feed.steps_per_epoch
        self.total_steps = max(1, round(recipe.epochs * self.steps_per_epoch))
        self.model = models.build(self.model_name, len(self.train.classes), seed=self.seed)
        if self.spec.init:
            some = torch.from_numpy(spread(len(self.train), 5000))
            self.spec.init(self.model, self._normalized(self.images[some].cpu()))
        if device.type == "cpu":
            replace_convolutions(self.model)
        self.average = copy.deepcopy(self.model).to(device).requires_grad_(False).eval()
        self.forward, self.optimizer = self.fabric.setup(self.model, make_optimizer(self.model, recipe))

    def _normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        return normalize(pixels, self.train.mean, self.train.std)

    def _batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """This process's share of the step's pictures as the net sees them, and their targets: see `prepare`."""
        train, feed, chosen = self.train, self.feed, self.feed.chosen(step)
        return prepare(
            feed.images[chosen],
            feed.labels[chosen],
            len(train.classes),
            self.recipe,
            train.mean,
            train.std,
            feed.rng(step),
            feed.coins[chosen] ^ bool(step // self.steps_per_epoch % 2),
        )

    def step(self, step: int, rate: float | None = None) -> dict[str, torch.Tensor]:
        """One optimiser step; returns loss (mean, with label smoothing) and accuracy of the batch as tensors.

        With mixup or CutMix, right is who names the class of the larger share.
        rate: this learning rate instead of the recipe's, and no averaging of weights (see lr_range).
        """
        recipe = self.recipe
        torch.manual_seed(int(generator(self.seed, 4, step).integers(2**62)))  # dropout and the like
        now = recipe.rate(step, self.total_steps, self.steps_per_epoch) if rate is None else rate
        for group in self.optimizer.param_groups:
            group["lr"] = now * group["factor"]
            if group["freezes"] and step >= recipe.frozen_after * self.steps_per_epoch:
                group["lr"] = 0.0
        images, targets = self._batch(step)
        side = recipe.side(step, self.total_steps, images.shape[2])
        if side != images.shape[2]:
            images = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
            images = images.contiguous(memory_format=torch.channels_last)
        self.forward.train()
        logits = self.forward(images)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        if rate is None:
            self._follow(step)
        labels = targets if targets.dim() == 1 else targets.argmax(1)
        return {"loss": loss.detach(), "accuracy": (logits.argmax(1) == labels).float().mean()}

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the averaged weights; BatchNorm's statistics are copied ("ema": at the ends of epochs they are its own)
        or averaged with them ("lookahead")."""
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
        if last or done % self.steps_per_epoch == 0:
            self.take_statistics()

    @torch.no_grad()
    def take_statistics(self) -> None:
        """Give a moving average BatchNorm statistics of its own, from training pictures as they are; before it is kept.

        Those of the moving weights do not fit them while the rate is high: 84.0 against 81.1 % on held-out pictures in
        the middle of training a ResNet-18 on CIFAR-10.
        """
        if self.recipe.average != "ema":
            return
        some = torch.from_numpy(spread(len(self.train), STATISTICS_FROM)).to(self.images.device)
        with fresh_statistics(self.average), self.fabric.autocast():
            for chosen in some.chunk(-(-len(some) // 256)):
                x = self._normalized(self.images[chosen]).contiguous(memory_format=torch.channels_last)
                self.average(x)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """How good the averaged weights are on the held-out pictures, in training precision; {} without any.

        loss, accuracy;  auc: mean one-vs-rest ROC AUC, absent where no class has both sides
        confusion: counts as lists of whole numbers, [true][predicted], absent with more than 100 classes
        """
        if self.held is None or not len(self.held):
            return {}
        self.average.eval()
        found = []
        for start in range(0, len(self.held), 500):
            pixels = torch.from_numpy(self.held.images[start : start + 500].copy()).to(self.fabric.device)
            with self.fabric.autocast():
                x = self._normalized(pixels).contiguous(memory_format=torch.channels_last)
                found.append(self.average(x).float().cpu())
        return _scores(torch.cat(found), torch.from_numpy(self.held.labels.copy()))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: plain tensors and numbers only."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "about": about(self),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()` of a run with the same model, seed and recipe; Problem otherwise."""
        check_same(state["about"], self)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def _scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """What `evaluate` returns, from logits (N, K) and labels (N,) on the CPU."""
    classes, said = logits.shape[1], logits.argmax(1)
    found: dict[str, Any] = {
        "accuracy": (said == labels).double().mean().item(),
        "loss": F.cross_entropy(logits, labels).item(),
    }
    if classes > 1 and math.isfinite(found["loss"]):
        auc = auc_macro(labels.numpy(), logits.double().softmax(1).numpy())
        found |= {} if math.isnan(auc) else {"auc": auc}
    if classes <= MOST_CONFUSED:
        counts = torch.bincount(labels * classes + said, minlength=classes**2)
        found["confusion"] = counts.view(classes, classes).tolist()
    return found


def check_finite(value: float, step: int) -> None:
    """Hopeless when a loss is not a number any more, with what to do."""
    if not math.isfinite(value):
        raise Hopeless(
            "The loss is not finite at step {step}: lower the learning rate and start again.", step=step
        )
