"""Train a diffusion model: noise of a random level on each picture, and the net says what it was (Ho et al. 2020).

python -m explorer train --model ddpm --data cifar10 --epochs 12 --seed 0
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from explorer import models
from explorer.data import ImageSet, spread
from explorer.data.augment import generator
from explorer.models.ddpm import ALPHAS, TIMES
from explorer.models.pixels import as_signed
from explorer.training.carrying import about, check_same, follow
from explorer.training.feed import Feed, torch_generator
from explorer.training.recipes import DiffusionRecipe, check_batch, check_sizes
from explorer.training.watching import grid

MOST_SNR = 5.0  # Hang et al. 2023
SPAN = 9  # a moving average over a ninth of the steps, where the recipe's decay would forget sooner
WATCHED = 2000  # held-out pictures that an evaluation looks at


@dataclass
class Diffusion:
    """A diffusion model in training; the pictures' labels are the classes it learns to draw. See loop.Task."""

    fabric: Fabric
    model_name: str
    recipe: DiffusionRecipe
    seed: int
    train: ImageSet
    held: ImageSet | None = None

    def __post_init__(self) -> None:
        recipe, device = self.recipe, self.fabric.device
        check_batch(recipe, len(self.train), self.fabric.world_size)
        check_sizes(recipe, self.model_name)
        self.feed = Feed(self.fabric, self.train, recipe.batch, self.seed, recipe.flip)
        self.steps_per_epoch = self.feed.steps_per_epoch
        self.total_steps = max(1, round(recipe.epochs * self.steps_per_epoch))
        self.decay = max(recipe.decay, 1 - SPAN / self.total_steps)
        self.classes = len(self.train.classes)
        self.alphas = ALPHAS[recipe.betas]().float().to(device)
        self.model = models.build(self.model_name, self.classes, seed=self.seed, **recipe.model_args())
        self.average = copy.deepcopy(self.model).to(device).requires_grad_(False).eval()
        if recipe.compile:
            self.model.compile()
        optimizer = torch.optim.AdamW(
            self.model.parameters(), recipe.lr, (recipe.beta1, recipe.beta2), weight_decay=recipe.weight_decay
        )
        self.forward, self.optimizer = self.fabric.setup(self.model, optimizer)

    def step(self, step: int, rate: float | None = None) -> dict[str, torch.Tensor]:
        """One optimiser step; returns the weighted loss, and the gradient's norm before clipping.

        rate: this learning rate instead of the recipe's, and no averaging of weights (see lr_range).
        """
        recipe, rng = self.recipe, self.feed.rng(step)
        now = recipe.rate(step, self.total_steps, self.steps_per_epoch) if rate is None else rate
        for group in self.optimizer.param_groups:
            group["lr"] = now
        pictures, labels = self.feed.signed(step, rng)
        hidden = torch.from_numpy(rng.random(len(labels)) < recipe.label_drop).to(labels.device)
        labels = labels.masked_fill(hidden, self.classes)
        self.forward.train()
        loss = self._loss(self.forward, pictures, labels, _levels(len(labels), rng), rng)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(  # of the gradients as they are, also where float16 scales them
            self.forward, self.optimizer, max_norm=recipe.clip or float("inf"), error_if_nonfinite=False
        )
        self.optimizer.step()
        if rate is None:
            follow(self.average, self.model, self.decay, step)
        return {"loss": loss.detach(), "gradient_norm": norm.detach()}

    def _loss(
        self,
        net: Any,
        pictures: torch.Tensor,
        labels: torch.Tensor,
        levels: np.ndarray,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """The mean weighted square error of what the net says of noisy pictures."""
        device = pictures.device
        t = torch.from_numpy(levels).to(device)
        noise = torch.randn(pictures.shape, generator=torch_generator(rng, device), device=device)
        share = self.alphas[t][:, None, None, None]  # of the picture in the variance
        signal, spoilt = share.sqrt(), (1 - share).sqrt()
        noisy = (signal * pictures + spoilt * noise).contiguous(memory_format=torch.channels_last)
        said = net(noisy, t, labels).float()
        is_v = self.recipe.prediction == "v"
        target = signal * noise - spoilt * pictures if is_v else noise
        error = (said - target).square().mean((1, 2, 3))
        return (error * self._weight(t, is_v)).mean()

    def _weight(self, t: torch.Tensor, is_v: bool) -> torch.Tensor:
        """How much each level counts (B,): v's error is (SNR + 1) times, the noise's SNR times that of the picture."""
        if self.recipe.weighting == "none":
            return torch.ones_like(self.alphas[t])
        snr = self.alphas[t] / (1 - self.alphas[t])
        return snr.clamp(max=MOST_SNR) / (snr + 1 if is_v else snr)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """A grid of always the same seeds, and the loss on held-out pictures with always the same noise where there are
        any; both of the averaged weights."""
        self.average.eval()
        with self.fabric.autocast():
            found: dict[str, Any] = {"grid": grid(self.average, self.classes, steps=20)}
        if self.held is None or not len(self.held):
            return found
        some = spread(len(self.held), min(len(self.held), WATCHED))
        images, labels = self.held.images[some], self.held.labels[some]
        rng, sums = generator(self.seed, 5), 0.0
        for start in range(0, len(some), 250):
            pixels = torch.from_numpy(images[start : start + 250].copy()).to(self.fabric.device)
            these = torch.from_numpy(labels[start : start + 250].copy()).to(self.fabric.device)
            with self.fabric.autocast():
                loss = self._loss(self.average, as_signed(pixels), these, _levels(len(these), rng), rng)
            sums += float(loss) * len(these)
        return found | {"loss": sums / len(some)}

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
        for part in ("model", "average", "optimizer"):
            getattr(self, part).load_state_dict(state[part])

    def take_statistics(self) -> None:
        """Nothing to do: there is no BatchNorm."""


def _levels(count: int, rng: np.random.Generator) -> np.ndarray:
    """A noise level for each of `count` pictures, int64: one from every `count`-th part of the range, so that the loss
    of a batch depends less on luck."""
    return ((np.arange(count) + rng.random(count)) / count * TIMES).astype(np.int64).clip(max=TIMES - 1)
