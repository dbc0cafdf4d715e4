"""A denoising diffusion model: a U-Net that is shown a noisy picture and the noise's level (Ho et al. 2020, arXiv
2006.11239; Nichol and Dhariwal 2021, arXiv 2102.09672, for the cosine schedule and the scale-shift norm).

The net works on 2x2 patches (pixel-unshuffle: 3x32x32 becomes 12x16x16), so that no convolution runs at full size: on
a CPU it trains two to three times as fast as the usual layout. It predicts v (Salimans and Ho 2022, arXiv 2202.00512)
or the noise itself. The label's embedding is added to the time's; label `classes` means "any" and is what some
pictures are trained with, so that both predictions can be mixed (Ho and Salimans 2022, arXiv 2207.12598).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from explorer.text import Problem

TIMES = 1000  # levels of noise
GROUPS = 16
# Diffusers' names. The cosine one leaves hardly any signal at its noisiest levels. There a picture follows from v as
# well as anywhere; one that follows from the noise has the noise's error times 20,000. So the linear one, which ends
# sooner, suits nets that say the noise, as the paper's does.
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
LINEAR = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
BETAS = {"cosine": COSINE, "linear": LINEAR}
SAMPLERS = ("ddim", "dpm", "ddpm")


def cosine_alphas() -> torch.Tensor:
    """The cosine schedule's share of signal variance at each level, float64 (TIMES,), falling from 1 to nearly 0."""
    levels = torch.arange(TIMES + 1, dtype=torch.float64) / TIMES
    ideal = torch.cos((levels + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - ideal[1:] / ideal[:-1]).clamp(max=0.999)
    return torch.cumprod(1 - betas, 0)


def linear_alphas() -> torch.Tensor:
    """The same of the paper's schedule, whose steps of noise rise linearly: from 0.9999 to 4e-5."""
    betas = torch.linspace(LINEAR["beta_start"], LINEAR["beta_end"], TIMES, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0)


ALPHAS: dict[str, Callable[[], torch.Tensor]] = {"cosine": cosine_alphas, "linear": linear_alphas}


def time_features(t: torch.Tensor, width: int) -> torch.Tensor:
    """Sines and cosines of the level at `width` / 2 frequencies: (B,) -> float32 (B, width)."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


def make_scheduler(sampler: str, steps: int, prediction: str, betas: Mapping[str, Any] = COSINE) -> Any:
    """A scheduler of diffusers, its `steps` levels set, the noisiest first.

    "ddim": deterministic (Song et al. 2021, arXiv 2010.02502), which is DPM-Solver++ of first order;  "dpm": that of
    second order (Lu et al. 2022, arXiv 2211.01095);  "ddpm": ancestral, with fresh noise at every step
    All begin at level 999 ("trailing": diffusers' own default begins lower and leaves a grey cast) and keep the guessed
    picture within -1..1. Not diffusers' DDIMScheduler: it goes down by 1000 // steps whatever the next level is,
    and so leaves noise behind where the steps do not divide 1,000.
    """
    import diffusers

    if sampler not in SAMPLERS:
        raise Problem(
            "Unknown sampler {name}; known: {known}.", name=repr(sampler[:80]), known=", ".join(SAMPLERS)
        )
    if not 1 <= steps <= TIMES:
        raise Problem("A sampler takes 1 to {most} steps, not {steps}.", most=TIMES, steps=steps)
    shared = {
        "num_train_timesteps": TIMES,
        "prediction_type": {"v": "v_prediction", "eps": "epsilon"}[prediction],
        "timestep_spacing": "trailing",
    } | betas
    if sampler == "ddpm":
        made = diffusers.DDPMScheduler(clip_sample=True, **shared)
    else:
        order = {"ddim": 1, "dpm": 2}[sampler]
        made = diffusers.DPMSolverMultistepScheduler(
            solver_order=order, thresholding=True, sample_max_value=1.0, **shared
        )
    made.set_timesteps(steps)
    if len(made.timesteps) > steps:  # for 61, 103 … steps diffusers makes one more, the level -1: noise again
        levels = made.timesteps[:steps]
        if sampler != "ddpm":
            made.set_timesteps(timesteps=levels.tolist())
        made.timesteps = levels
    return made


class Block(nn.Module):
    """norm, SiLU, conv, norm scaled and shifted by the condition, SiLU, conv, around a skip: (B, inputs, H, W) ->
    (B, outputs, H, W). The last convolution starts at zero, so that a fresh block does nothing."""

    def __init__(self, inputs: int, outputs: int, condition: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.condition = nn.Linear(condition, 2 * outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.condition(condition)[:, :, None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention between the places of a map, in heads of 64 channels: (B, C, H, W) -> the same."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = max(1, width // 64)
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, width, height, wide = x.shape
        places = self.norm(x).permute(0, 2, 3, 1).reshape(count, height * wide, width)
        parts = self.qkv(places).view(count, height * wide, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        # 64 places are few: two plain products are twice as fast on a CPU as the fused kernel's backward.
        weights = (q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(3)
        seen = (weights @ v).transpose(1, 2).reshape(count, height * wide, width)
        return x + self.out(seen).view(count, height, wide, width).permute(0, 3, 1, 2)


class Denoiser(nn.Module):
    """What draws with a net that is shown (noisy pictures, their levels, their labels) and says v or the noise.

    classes: the number that stands for "any" label;  prediction: "v" or "eps";  betas: the schedule in diffusers' words
    """

    classes: int
    prediction: str
    betas: Mapping[str, Any] = COSINE
    conditional = True

    def codes(self, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """What each CPU generator's picture begins with, pure noise: float32 (B, 3, 32, 32)."""
        return torch.stack([torch.randn(3, 32, 32, generator=each) for each in generators])

    def sample(
        self, generators: Sequence[torch.Generator], labels: torch.Tensor | None = None, **options: Any
    ) -> torch.Tensor:
        """Draw a picture for each CPU generator, with the options of `draw`: float32 (B, 3, 32, 32) in -1..1.

        A picture's noise comes from its generator alone, whatever else is in the batch.
        """
        return self.draw(self.codes(generators), labels, generators=generators, **options)

    @torch.no_grad()
    def draw(
        self,
        x: torch.Tensor,
        labels: torch.Tensor | None = None,
        sampler: str = "dpm",
        steps: int = 20,
        guidance: float = 1.0,
        on_step: Callable[[int, int, torch.Tensor, torch.Tensor], None] | None = None,
        generators: Sequence[torch.Generator] = (),
        first: int = 0,
    ) -> torch.Tensor:
        """Pictures from noise x (B, 3, 32, 32): float32 of the same shape in -1..1.

        labels: int64 (B,) classes, None for any;  guidance: w in u + w (c - u), with the prediction c for the label and
        u for "any": 1 = c alone, 0 = u alone;  generators: of "ddpm", whose steps take fresh noise
        first: steps that are left out; x is then as noisy as at level make_scheduler(…).timesteps[first]
        on_step: told (steps done, steps, the noisy pictures, the guess of the pictures) after each
        """
        device = next(self.parameters()).device
        scheduler = make_scheduler(sampler, steps, self.prediction, self.betas)
        if first and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        x = x.to(device)
        anything = torch.full((len(x),), self.classes, device=device)
        labels = anything if labels is None else labels.to(device)
        both = guidance not in (0, 1) and bool((labels != anything).any())
        for k, t in enumerate(scheduler.timesteps[first:], start=first):
            x = x.contiguous(memory_format=torch.channels_last)
            times = torch.full((len(x) * (1 + both),), int(t), device=device)
            if both:
                said = self(torch.cat([x, x]), times, torch.cat([labels, anything])).float()
                c, u = said.chunk(2)
                said = u + guidance * (c - u)
            else:
                said = self(x, times, labels if guidance else anything).float()
            noise = {"generator": list(generators)} if sampler == "ddpm" else {}
            guess = self.guessed(x, said, scheduler.alphas_cumprod[int(t)]) if on_step else None
            x = scheduler.step(said, t, x, **noise).prev_sample
            if on_step:
                on_step(k + 1, steps, x, guess)
        return x.clamp(-1, 1)

    def guessed(self, x: torch.Tensor, said: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """The picture without noise, by what was said of x, cut off at -1 and 1; share: of signal in the variance."""
        signal, spoilt = share.sqrt().to(x.device), (1 - share).sqrt().to(x.device)
        picture = signal * x - spoilt * said if self.prediction == "v" else (x - spoilt * said) / signal
        return picture.clamp(-1, 1)


class DDPM(Denoiser):
    """widths: channels at 16x16 and at 8x8, multiples of 16;  blocks: a level on the way down (one more on the way up)
    prediction: what the net was trained to say, "v" or "eps";  betas: on which schedule of noise, of BETAS
    attention at 8x8 only
    conditional: whether it is told the class; else it has no embedding of labels and does not look at them
    """

    def __init__(
        self,
        classes: int,
        widths: tuple[int, int] = (96, 192),
        blocks: int = 1,
        prediction: str = "v",
        conditional: bool = True,
        betas: str = "cosine",
    ):
        super().__init__()
        self.classes, self.prediction, self.conditional = classes, prediction, conditional
        self.betas = BETAS[betas]
        fine, coarse = widths
        condition = 4 * fine
        self.time = nn.Sequential(nn.Linear(fine, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.label = nn.Embedding(classes + 1, condition) if conditional else None
        self.entry = nn.Conv2d(12, fine, 3, padding=1)
        self.down_fine = nn.ModuleList(Block(fine, fine, condition) for _ in range(blocks))
        self.down = nn.Conv2d(fine, fine, 3, stride=2, padding=1)
        self.down_coarse = nn.ModuleList(
            Block(fine if k == 0 else coarse, coarse, condition) for k in range(blocks)
        )
        self.down_attention = nn.ModuleList(Attention(coarse) for _ in range(blocks))
        self.middle1, self.attention = Block(coarse, coarse, condition), Attention(coarse)
        self.middle2 = Block(coarse, coarse, condition)
        met = [coarse] * blocks + [fine]  # what the way up meets again, from the bottom
        self.up_coarse = nn.ModuleList(Block(coarse + other, coarse, condition) for other in met)
        self.up_attention = nn.ModuleList(Attention(coarse) for _ in met)
        self.up = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.up_fine = nn.ModuleList(
            Block((coarse if k == 0 else fine) + fine, fine, condition) for k in range(blocks + 1)
        )
        self.norm = nn.GroupNorm(GROUPS, fine)
        self.exit = nn.Conv2d(fine, 12, 3, padding=1)
        nn.init.zeros_(self.exit.weight)
        nn.init.zeros_(self.exit.bias)

    def forward(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The prediction of v or of the noise: x float (B, 3, H, W), data in -1..1 plus noise, H and W multiples of 4;
        t int64 (B,), 0 (hardly any noise) to 999;  labels int64 (B,), `classes` for "any"."""
        c = self.time(time_features(t, self.time[0].in_features))
        c = F.silu(c + self.label(labels) if self.label else c)
        h = self.entry(F.pixel_unshuffle(x, 2))
        met = [h]
        for block in self.down_fine:
            h = block(h, c)
            met.append(h)
        h = self.down(h)
        met.append(h)
        for block, attention in zip(self.down_coarse, self.down_attention):
            h = attention(block(h, c))
            met.append(h)
        h = self.middle2(self.attention(self.middle1(h, c)), c)
        for block, attention in zip(self.up_coarse, self.up_attention):
            h = attention(block(torch.cat([h, met.pop()], 1), c))
        h = self.up(F.interpolate(h, scale_factor=2, mode="nearest"))
        for block in self.up_fine:
            h = block(torch.cat([h, met.pop()], 1), c)
        return F.pixel_shuffle(self.exit(F.silu(self.norm(h))), 2)


class Published(Denoiser):
    """The paper's own U-Net at full size, as diffusers builds it: it says the noise, on the paper's linear schedule,
    and knows no classes. Its weights come from elsewhere (see MODELS); here it only draws.

    channels: at 32x32, 16x16, 8x8 and 4x4, multiples of 32
    """

    conditional = False
    prediction = "eps"
    betas = LINEAR

    def __init__(self, classes: int, channels: tuple[int, ...] = (128, 256, 256, 256)):
        super().__init__()
        import diffusers

        self.classes = classes
        self.net = diffusers.UNet2DModel(
            sample_size=32,
            block_out_channels=tuple(channels),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=None,
            downsample_padding=0,
            flip_sin_to_cos=False,
            freq_shift=1,
            norm_eps=1e-6,
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The noise in x, as `DDPM.forward` takes it; labels are not looked at."""
        return self.net(x, t).sample
