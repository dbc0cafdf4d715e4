"""Between noise and picture: what a diffusion model sees and guesses at each step, noise laid over any picture, and a
picture drawn anew from the middle of that way (SDEdit: Meng et al. 2022, arXiv 2108.01073).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.analysis import sampling
from explorer.text import Problem

if TYPE_CHECKING:
    from explorer.checkpoints import Loaded

MOST = 16  # pictures whose way is kept at once


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The way of N pictures in S steps.

    noisy: uint8 (S + 1, N, 3, 32, 32), pure noise first, the finished pictures last
    guesses: uint8 (S, N, 3, 32, 32), what the net took for the pictures when it saw noisy[k]
    levels: int64 (S,), the level of noise at each step, 999 first
    signal: float64 (S,), the share of signal in the variance at each
    """

    noisy: np.ndarray
    guesses: np.ndarray
    levels: np.ndarray
    signal: np.ndarray
    seeds: np.ndarray
    labels: np.ndarray
    how: dict[str, Any]


def schedule(loaded: "Loaded") -> np.ndarray:
    """The share of signal in the variance at each level of a diffusion model, float64 (1000,), falling."""
    from explorer.models.ddpm import make_scheduler

    _check(loaded)
    found = make_scheduler("ddim", 1, loaded.model.prediction, loaded.model.betas)
    return found.alphas_cumprod.double().numpy()


def trajectory(
    loaded: "Loaded",
    seeds: Sequence[int],
    wanted: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Trajectory:
    """The way of the pictures of at most 16 seeds; `options` as sampling.options_for gives them.

    Problem for what is no diffusion model, and as sampling.draw.
    """
    import torch

    from explorer.models.ddpm import make_scheduler
    from explorer.models.pixels import as_pixels

    _check(loaded)
    if len(seeds) > MOST:
        raise Problem(
            "The way of at most {most} pictures is kept at once, not of {n}.", most=MOST, n=len(seeds)
        )
    told: list[tuple[np.ndarray, np.ndarray]] = []
    drawn = sampling.draw(
        loaded, seeds, wanted, on_step=on_step,
        on_noise=lambda done, of, noisy, guess: told.append((noisy, guess)),
        **options,
    )  # fmt: skip
    begun = as_pixels(loaded.model.codes([torch.Generator().manual_seed(int(seed)) for seed in seeds]))
    options = sampling.DEFAULTS | options
    scheduler = make_scheduler(
        options["sampler"], options["steps"], loaded.model.prediction, loaded.model.betas
    )
    levels = scheduler.timesteps.numpy().astype(np.int64)
    return Trajectory(
        noisy=np.stack([begun, *(noisy for noisy, _ in told)]),
        guesses=np.stack([guess for _, guess in told]),
        levels=levels,
        signal=scheduler.alphas_cumprod.double().numpy()[levels],
        seeds=drawn.seeds,
        labels=drawn.labels,
        how=drawn.how,
    )


def noised(picture: np.ndarray, level: int, share: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture uint8 (3, H, W) with the noise of a level laid over it, float32 in the units of the net (-1..1 and
    noise): sqrt(share) times the picture plus sqrt(1 - share) times noise of `seed`, always the same noise.

    share: of signal in the variance at each level, as `schedule` gives it. Problem for a level outside of it.
    """
    import torch

    if not 0 <= level < len(share):
        raise Problem("Level {level}: the levels are 0 to {last}.", level=level, last=len(share) - 1)
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed)).numpy()
    signal, spoilt = np.sqrt(share[level]), np.sqrt(1 - share[level])
    return (signal * (picture / 127.5 - 1) + spoilt * noise).astype(np.float32)


def reimagined(
    loaded: "Loaded",
    picture: np.ndarray,
    amount: float,
    seed: int = 0,
    wanted: int | None = None,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """(the picture with noise laid over it, what the model makes of that): uint8 (3, 32, 32) each.

    picture: uint8 (3, 32, 32);  amount: share of the steps that are taken, above 0 (hardly changed) to 1 (drawn anew)
    options: as sampling.options_for gives them. Problem for what is no diffusion model or does not fit.
    """
    import torch

    from explorer.models.ddpm import make_scheduler
    from explorer.models.pixels import as_pixels

    _check(loaded)
    if picture.shape != (3, 32, 32) or picture.dtype != np.uint8:
        raise Problem(
            "Expected a picture as uint8 (3, 32, 32), got {kind} {shape}.",
            kind=picture.dtype,
            shape=picture.shape,
        )
    if not 0 < amount <= 1:
        raise Problem("The amount of noise is {value}; it must lie above 0 and up to 1.", value=amount)
    options = sampling.DEFAULTS | options
    net, steps = loaded.model, options["steps"]
    scheduler = make_scheduler(options["sampler"], steps, net.prediction, net.betas)
    first = min(round((1 - amount) * steps), steps - 1)
    level = int(scheduler.timesteps[first])
    noisy = torch.from_numpy(noised(picture, level, scheduler.alphas_cumprod.double().numpy(), seed))[None]
    labels = sampling.labels_for(loaded, np.array([seed]), wanted)
    told = torch.from_numpy(labels) if labels[0] >= 0 and wanted is not None else None
    rng = torch.Generator().manual_seed(seed + 1)  # of the ancestral sampler's own noise
    with loaded.lock, torch.inference_mode():
        found = net.draw(noisy, told, generators=[rng], first=first, **options)
    return as_pixels(noisy)[0], as_pixels(found)[0]


def _check(loaded: "Loaded") -> None:
    if loaded.card.task != "diffusion":
        raise Problem(
            "{name} draws in one step: it takes no way from noise to picture.", name=loaded.card.name
        )
