"""Train a generator against a discriminator (Goodfellow et al. 2014, arXiv 1406.2661).

    python -m explorer train --model dcgan --data cifar10 --epochs 60 --seed 0

A step shows the discriminator one batch of real and one of drawn pictures; every `d_steps`-th step the generator
learns too. What is kept is a moving average of the generator, with BatchNorm statistics of its own.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from explorer import models
from explorer.data import ImageSet
from explorer.data.augment import generator
from explorer.models.dcgan import Discriminator
from explorer.training.carrying import about, check_same, follow, fresh_statistics
from explorer.training.feed import Feed, torch_generator
from explorer.training.recipes import AdversarialRecipe, check_batch, check_sizes
from explorer.training.watching import MOST, Distance, grid, pictures


@dataclass
class Adversarial:
    """A GAN in training; `model` is the generator, `critic` the discriminator. See loop.Task."""

    fabric: Fabric
    model_name: str
    recipe: AdversarialRecipe
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
        with torch.random.fork_rng():
            torch.manual_seed(self.seed + 1)
            self.critic = Discriminator(self.classes, recipe.width, recipe.conditional, recipe.spectral)
        self.critic = self.critic.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).to(device).requires_grad_(False).eval()
        betas = (recipe.beta1, recipe.beta2)
        # Fused, it goes over the weights once a step. Where float16 is scaled, that would hide the gradients' norm.
        fused = device.type == "cpu"
        self.forward, self.optimizer = self.fabric.setup(
            self.model, torch.optim.Adam(self.model.parameters(), recipe.lr, betas, fused=fused)
        )
        self.judge, self.judge_optimizer = self.fabric.setup(
            self.critic,
            torch.optim.Adam(self.critic.parameters(), recipe.lr * recipe.lr_ratio, betas, fused=fused),
        )
        for module in self.judge.modules():
            if isinstance(module, nn.parallel.DistributedDataParallel):
                # It is asked twice before it learns: BatchNorm's buffers must not be overwritten in between, or the
                # backward pass refuses. They decide nothing while it is in training mode, which it always is.
                module.broadcast_buffers = False
        self.distance = Distance(self.held) if self.held is not None and len(self.held) > 1 else None

    def step(self, step: int, rate: float | None = None) -> dict[str, torch.Tensor]:
        """One step of the discriminator and, every `d_steps`, one of the generator.

        Returns both losses ("loss" is the generator's), the discriminator's share of right answers and both gradient
        norms; in between, the generator's are those of its last step.
        rate: this learning rate instead of the recipe's, and no averaging of weights (see lr_range).
        """
        recipe, rng = self.recipe, self.feed.rng(step)
        now = recipe.rate(step, self.total_steps, self.steps_per_epoch) if rate is None else rate
        for optimizer, factor in ((self.optimizer, 1.0), (self.judge_optimizer, recipe.lr_ratio)):
            for group in optimizer.param_groups:
                group["lr"] = now * factor
        self.forward.train(), self.judge.train()
        found = self._critic_step(step, rng)
        if (step + 1) % recipe.d_steps == 0 or not hasattr(self, "last"):
            self.last = self._generator_step(rng)
            if rate is None:
                follow(self.average, self.model, recipe.decay, step // recipe.d_steps)
        return self.last | found

    def _drawn(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Codes (B, latent) and labels (B,) to draw."""
        device = self.fabric.device
        z = torch.randn(count, self.model.latent, generator=torch_generator(rng, device), device=device)
        return z, torch.from_numpy(rng.integers(0, self.classes, count)).to(device)

    def _critic_step(self, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        real, labels = self.feed.signed(step, rng)
        z, wanted = self._drawn(len(real), rng)
        with torch.no_grad():
            drawn = self.forward(z, wanted)
        if self.recipe.spectral:
            # No picture sees another there: one pass, and the weights are divided by their norms once.
            both = self.judge(torch.cat([real, drawn]), torch.cat([labels, wanted])).float()
            on_real, on_drawn = both.chunk(2)
        else:
            on_real, on_drawn = self.judge(real, labels).float(), self.judge(drawn, wanted).float()
        if self.recipe.gan_loss == "hinge":
            loss = F.relu(1 - on_real).mean() + F.relu(1 + on_drawn).mean()
        else:
            loss = F.softplus(-on_real).mean() + F.softplus(on_drawn).mean()
        self.judge_optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self._gradient_norm(self.judge, self.judge_optimizer)
        self.judge_optimizer.step()
        right = ((on_real > 0).float().mean() + (on_drawn < 0).float().mean()) / 2
        return {"d_loss": loss.detach(), "d_accuracy": right.detach(), "d_gradient_norm": norm}

    def _generator_step(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        count = self.recipe.batch // self.fabric.world_size
        z, wanted = self._drawn(count, rng)
        # Only the generator learns here. The bare discriminator, not Fabric's wrapper: between processes nothing of it
        # is to be summed.
        self.critic.requires_grad_(False)
        drawn = self.forward(z, wanted)
        with self.fabric.autocast():
            answer = self.critic(drawn, wanted).float()
        loss = -answer.mean() if self.recipe.gan_loss == "hinge" else F.softplus(-answer).mean()
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self._gradient_norm(self.forward, self.optimizer)
        self.optimizer.step()
        self.critic.requires_grad_(True)
        return {"loss": loss.detach(), "gradient_norm": norm}

    def _gradient_norm(self, net: Any, optimizer: Any) -> torch.Tensor:
        """Of the gradients as they are, also where float16 scales them; nothing is clipped."""
        norm = self.fabric.clip_gradients(net, optimizer, max_norm=float("inf"), error_if_nonfinite=False)
        return norm.detach()

    @torch.no_grad()
    def take_statistics(self) -> None:
        """Give the averaged generator BatchNorm statistics of its own: those of the moving weights do not fit it."""
        if not self.recipe.decay:
            return
        rng = generator(self.seed, 6)
        with fresh_statistics(self.average), self.fabric.autocast():
            for _ in range(16):
                self.average(*self._drawn(64, rng))

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """A grid of always the same seeds, and where pictures are held out the KID to them (see watching.Distance) of
        as many drawn ones. The first MOST seeds come along drawn, however few are held out: an FID needs that many.

        drawn: (pictures uint8 (MOST, 3, H, W), the labels that they were drawn for, int64 (MOST,), -1 for none)
        """
        self.take_statistics()
        found: dict[str, Any] = {"grid": grid(self.average, self.classes)}
        if self.distance:
            labels = torch.arange(MOST) % self.classes
            parts = [pictures(self.average, part, first=k * 250) for k, part in enumerate(labels.split(250))]
            drawn, none = np.concatenate(parts), np.full(MOST, -1)
            found["drawn"] = drawn, labels.numpy() if self.model.conditional else none
            found["kid"] = self.distance(drawn[: len(self.held)])
        return found

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: plain tensors and numbers only."""
        return {
            "model": self.model.state_dict(),
            "critic": self.critic.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "judge_optimizer": self.judge_optimizer.state_dict(),
            "last": getattr(self, "last", {}),
            "about": about(self),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()` of a run with the same model, seed and recipe; Problem otherwise."""
        check_same(state["about"], self)
        for part in ("model", "critic", "average", "optimizer", "judge_optimizer"):
            getattr(self, part).load_state_dict(state[part])
        if state["last"]:
            self.last = state["last"]
