"""Train a variational autoencoder: pictures through a narrow code and back, the code kept close to a normal one.

    python -m explorer train --model vae --data cifar10 --epochs 40 --seed 0

The error is weighed by the variance that fits the batch best (Rybkin et al. 2021, arXiv 2006.13202), so that nothing
has to be tuned by hand; `kl` = 1 is then the variational bound.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from explorer import models
from explorer.data import ImageSet, spread
from explorer.data.augment import generator
from explorer.models.pixels import as_signed
from explorer.training.carrying import about, check_same, follow, fresh_statistics
from explorer.training.feed import Feed, torch_generator
from explorer.training.recipes import VariationalRecipe, check_batch, check_sizes
from explorer.training.watching import grid

WATCHED = 2000  # held-out pictures that an evaluation looks at


@dataclass
class Variational:
    """A VAE in training. See loop.Task."""

    fabric: Fabric
    model_name: str
    recipe: VariationalRecipe
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
        self.classes = len(self.train.classes)
        self.model = models.build(self.model_name, self.classes, seed=self.seed, **recipe.model_args())
        self.average = copy.deepcopy(self.model).to(device).requires_grad_(False).eval()
        self.forward, self.optimizer = self.fabric.setup(
            self.model, torch.optim.Adam(self.model.parameters(), recipe.lr)
        )

    def step(self, step: int, rate: float | None = None) -> dict[str, torch.Tensor]:
        """One optimiser step; returns the loss (nats per picture, up to a constant), its two parts and the gradient's
        norm before clipping.

        rate: this learning rate instead of the recipe's, and no averaging of weights (see lr_range).
        """
        recipe, rng = self.recipe, self.feed.rng(step)
        now = recipe.rate(step, self.total_steps, self.steps_per_epoch) if rate is None else rate
        for group in self.optimizer.param_groups:
            group["lr"] = now
        pictures, labels = self.feed.signed(step, rng)
        self.forward.train()
        error, kl = self._parts(self.forward, pictures, labels, rng)
        loss = error + recipe.kl * kl
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(  # of the gradients as they are, also where float16 scales them
            self.forward, self.optimizer, max_norm=recipe.clip or float("inf"), error_if_nonfinite=False
        )
        self.optimizer.step()
        if rate is None:
            follow(self.average, self.model, recipe.decay, step)
        parts = {"loss": loss, "reconstruction": error, "kl": kl, "gradient_norm": norm}
        return {key: value.detach() for key, value in parts.items()}

    def _parts(
        self, net: Any, pictures: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, KL divergence), nats per picture: D / 2 * log(mean square error) for D numbers."""
        device = pictures.device
        noise = torch.randn(
            len(pictures), self.model.latent, generator=torch_generator(rng, device), device=device
        )
        again, mean, logvar = net(pictures, labels, noise)
        again, mean, logvar = again.float(), mean.float(), logvar.float()
        size = math.prod(pictures.shape[1:])
        error = size / 2 * (again - pictures).square().mean().log()
        kl = (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean() / 2
        return error, kl

    @torch.no_grad()
    def take_statistics(self) -> None:
        """Give the averaged net BatchNorm statistics of its own, from training pictures as they are."""
        if not self.recipe.decay:
            return
        rng = generator(self.seed, 6)
        some = torch.from_numpy(spread(len(self.train), 1024)).to(self.fabric.device)
        with fresh_statistics(self.average), self.fabric.autocast():
            for chosen in some.chunk(-(-len(some) // 128)):
                self._parts(self.average, as_signed(self.feed.images[chosen]), self.feed.labels[chosen], rng)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """A grid of always the same seeds, and the loss of held-out pictures where there are any."""
        self.take_statistics()
        found: dict[str, Any] = {"grid": grid(self.average, self.classes)}
        if self.held is None or not len(self.held):
            return found
        some = spread(len(self.held), min(len(self.held), WATCHED))
        images, labels = self.held.images[some], self.held.labels[some]
        rng, sums = generator(self.seed, 5), 0.0
        for start in range(0, len(some), 250):
            pixels = torch.from_numpy(images[start : start + 250].copy()).to(self.fabric.device)
            these = torch.from_numpy(labels[start : start + 250].copy()).to(self.fabric.device)
            with self.fabric.autocast():
                error, kl = self._parts(self.average, as_signed(pixels), these, rng)
            sums += float(error + self.recipe.kl * kl) * len(these)
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
