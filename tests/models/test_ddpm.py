"""The diffusion model: its schedule, its samplers beside diffusers' pipelines and the papers' formulas, guidance."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from explorer import models
from explorer.models import ddpm
from explorer.models.ddpm import (
    ALPHAS,
    BETAS,
    DDPM,
    LINEAR,
    SAMPLERS,
    TIMES,
    Published,
    cosine_alphas,
    make_scheduler,
)
from explorer.text import Problem

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.usefixtures("one_thread")


def tiny(prediction: str = "v") -> DDPM:
    """Narrow, in eval mode, with weights that say something: a fresh one says 0."""
    net = models.build("ddpm", 10, seed=0, widths=(16, 32), prediction=prediction).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.05)
    return net


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def noise(*seeds: int) -> torch.Tensor:
    return torch.stack([torch.randn(3, 32, 32, generator=each) for each in generators(*seeds)])


# The levels


def test_the_schedule_is_the_one_that_diffusers_calls_squaredcos_cap_v2() -> None:
    ours = cosine_alphas()
    theirs = diffusers.DDPMScheduler(
        num_train_timesteps=TIMES, beta_schedule="squaredcos_cap_v2"
    ).alphas_cumprod
    assert ours.dtype == torch.float64 and ours.shape == (TIMES,)
    assert torch.allclose(ours, theirs.double(), rtol=2e-4, atol=1e-9)  # theirs is a product in float32
    assert (ours.diff() < 0).all() and 0.9999 < ours[0] < 1 and 0 < ours[-1] < 1e-8


def test_the_schedule_by_hand() -> None:
    """Half of the levels' squared cosine (Nichol and Dhariwal 2021, equation 17), before the cap at the very end."""
    at = [math.cos((level / TIMES + 0.008) / 1.008 * math.pi / 2) ** 2 for level in (0, 1, 250, 500, 900)]
    found = cosine_alphas()[[0, 249, 499, 899]]
    assert found.tolist() == pytest.approx([each / at[0] for each in at[1:]], rel=1e-9)


def test_the_linear_schedule_is_the_papers() -> None:
    """Ho et al. 2020, section 4: steps of noise from 1e-4 to 0.02; 6e-3 of the signal is left at the end."""
    ours = ALPHAS["linear"]()
    theirs = diffusers.DDPMScheduler(num_train_timesteps=TIMES, **BETAS["linear"]).alphas_cumprod
    assert ours.dtype == torch.float64 and torch.allclose(ours, theirs.double(), rtol=1e-3)
    assert ours[0] == 1 - 1e-4 and float(ours[-1].sqrt()) == pytest.approx(6.35e-3, rel=0.01)
    assert ALPHAS.keys() == BETAS.keys() and DDPM(10, (16, 32), betas="linear").betas is LINEAR


STEPS = (
    1,
    2,
    7,
    20,
    25,
    50,
    61,
    100,
    103,
    201,
    333,
    769,
    995,
    999,
    1000,
)  # 61, 103 …: where diffusers makes one more


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_begins_at_the_noisiest_level_and_goes_down_in_as_many_steps(sampler: str) -> None:
    for steps in STEPS:
        levels = make_scheduler(sampler, steps, "v").timesteps.tolist()
        assert len(levels) == steps and levels[0] == 999, (steps, len(levels), levels[:2])
        assert levels == sorted(set(levels), reverse=True) and levels[-1] >= 0, (steps, levels[-3:])
        gaps = np.abs(np.diff([*levels, -1]) + TIMES / steps)
        assert gaps.max() <= 1, f"{steps}: not evenly spread"


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_that_cannot_be_are_one_sentence(steps: int) -> None:
    with pytest.raises(Problem, match=f"A sampler takes 1 to 1000 steps, not {steps}"):
        tiny().sample(generators(0), torch.tensor([0]), steps=steps)


def test_an_unknown_sampler_lists_the_known_ones() -> None:
    with pytest.raises(Problem, match=r"Unknown sampler 'euler'; known: ddim, dpm, ddpm\."):
        tiny().sample(generators(0), torch.tensor([0]), sampler="euler")


# Beside diffusers' pipelines and the papers' formulas


def as_unet(net: DDPM) -> nn.Module:
    """Our net without a label, as a UNet2DModel looks to a pipeline."""

    class Wrapped(diffusers.ModelMixin, diffusers.ConfigMixin):
        config_name = "config.json"

        @diffusers.configuration_utils.register_to_config
        def __init__(self, sample_size: int = 32, in_channels: int = 3):
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> SimpleNamespace:
            times = torch.as_tensor(t).expand(len(x))
            return SimpleNamespace(sample=net(x, times, torch.full((len(x),), net.classes)))

    return Wrapped()


def theirs_for(sampler: str, prediction: str, betas=ddpm.COSINE):
    """diffusers' own scheduler of this name."""
    kind = {"ddim": diffusers.DDIMScheduler, "ddpm": diffusers.DDPMScheduler}[sampler]
    said = {"v": "v_prediction", "eps": "epsilon"}[prediction]
    return kind(
        num_train_timesteps=TIMES,
        prediction_type=said,
        timestep_spacing="trailing",
        clip_sample=True,
        **betas,
    )


@pytest.mark.parametrize("prediction", ["v", "eps"])
@pytest.mark.parametrize(("sampler", "steps"), [("ddim", 5), ("ddim", 8), ("ddim", 20), ("ddpm", 5)])
def test_the_loop_is_that_of_diffusers_pipeline(sampler: str, steps: int, prediction: str) -> None:
    net = tiny(prediction)
    kind = {"ddim": diffusers.DDIMPipeline, "ddpm": diffusers.DDPMPipeline}[sampler]
    pipeline = kind(as_unet(net), theirs_for(sampler, prediction))
    pipeline.set_progress_bar_config(disable=True)
    more = {"use_clipped_model_output": True} if sampler == "ddim" else {}
    theirs = pipeline(
        batch_size=2, generator=generators(7, 8), num_inference_steps=steps, output_type="np", **more
    ).images
    ours = net.sample(generators(7, 8), None, sampler=sampler, steps=steps)
    assert np.abs(theirs.transpose(0, 3, 1, 2) - (ours.numpy() / 2 + 0.5)).max() < 1e-4
    assert ours.std() > 0.1


def test_the_papers_own_net_draws_as_diffusers_pipeline_does() -> None:
    """On the paper's schedule, with another net: nothing of it is ours but the loop."""
    net = models.build("ddpm-published", 10, seed=0, channels=(32, 32, 32, 32)).eval()
    scheduler = theirs_for("ddim", "eps", Published.betas)
    linear = torch.linspace(1e-4, 0.02, TIMES, dtype=torch.float64)
    assert torch.allclose(scheduler.alphas_cumprod.double(), (1 - linear).cumprod(0), rtol=1e-3)
    pipeline = diffusers.DDIMPipeline(net.net, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        batch_size=2, generator=generators(7, 8), num_inference_steps=4, output_type="np",
        use_clipped_model_output=True,
    ).images  # fmt: skip
    ours = net.sample(generators(7, 8), torch.tensor([1, 2]), sampler="ddim", steps=4)
    assert np.abs(theirs.transpose(0, 3, 1, 2) - (ours.numpy() / 2 + 0.5)).max() < 1e-4 and ours.std() > 0.1


def said_by(net: DDPM, x: torch.Tensor, level: int, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the net makes of noisy pictures in float64: (the picture, the noise), nothing cut off."""
    share = cosine_alphas()[level]
    signal, spoilt = share.sqrt(), (1 - share).sqrt()
    with torch.no_grad():
        out = net(x.float(), torch.full((len(x),), level), torch.full((len(x),), label)).double()
    if net.prediction == "eps":
        return (x - spoilt * out) / signal, out
    return signal * x - spoilt * out, signal * out + spoilt * x


def levels_of(steps: int) -> list[int]:
    return [round(TIMES - k * TIMES / steps) - 1 for k in range(steps)]


def share_at(level: int) -> torch.Tensor:
    return cosine_alphas()[level] if level >= 0 else torch.ones((), dtype=torch.float64)


def ddim_by_hand(net: DDPM, x: torch.Tensor, steps: int, label: int) -> torch.Tensor:
    """Song et al. 2021, equation 12 with sigma = 0; x float64. The picture is cut off at -1 and 1, and the noise is
    what is then left of x, as in Dhariwal and Nichol's code."""
    levels = levels_of(steps)
    for level, following in zip(levels, [*levels[1:], -1]):
        picture = said_by(net, x, level, label)[0].clamp(-1, 1)
        now, share = share_at(level), share_at(following)
        of_noise = (x - now.sqrt() * picture) / (1 - now).sqrt()
        x = share.sqrt() * picture + (1 - share).sqrt() * of_noise
    return x.clamp(-1, 1)


def dpm_by_hand(net: DDPM, x: torch.Tensor, steps: int, label: int) -> torch.Tensor:
    """Lu et al. 2022 (DPM-Solver++), algorithm 2: second order in log(signal / noise), at both ends first order."""
    levels, before = levels_of(steps), None
    ends = [*levels[1:], -1]

    def half_log_snr(level: int) -> torch.Tensor:
        share = share_at(level)
        return (share / (1 - share)).log() / 2

    for k, (level, following) in enumerate(zip(levels, ends)):
        picture = said_by(net, x, level, label)[0].clamp(-1, 1)
        if following < 0:
            return picture
        now, then = share_at(level), share_at(following)
        h = half_log_snr(following) - half_log_snr(level)
        mixed = picture
        if k > 0:
            r = (half_log_snr(level) - half_log_snr(levels[k - 1])) / h
            mixed = (1 + 1 / (2 * r)) * picture - 1 / (2 * r) * before
        x = ((1 - then) / (1 - now)).sqrt() * x - then.sqrt() * torch.expm1(-h) * mixed
        before = picture
    return x


@pytest.mark.parametrize("label", [3, 10])
@pytest.mark.parametrize(
    ("sampler", "by_hand", "steps"),
    [("ddim", ddim_by_hand, 1), ("ddim", ddim_by_hand, 10), ("dpm", dpm_by_hand, 1), ("dpm", dpm_by_hand, 10),
     ("dpm", dpm_by_hand, 20)],
)  # fmt: skip
def test_the_samplers_are_the_formulas_of_their_papers(sampler: str, by_hand, steps: int, label: int) -> None:
    net = tiny()
    ours = net.sample(generators(1, 2), torch.tensor([label, label]), sampler=sampler, steps=steps)
    assert (ours.double() - by_hand(net, noise(1, 2).double(), steps, label)).abs().max() < 2e-3


def test_the_ancestral_sampler_is_the_formula_of_its_paper() -> None:
    """Ho et al. 2020, equations 6 and 7, over the levels that are used; each picture's noise from its own generator."""
    net, steps = tiny(), 6
    sources, levels = generators(1, 2), levels_of(6)
    x = torch.stack([torch.randn(3, 32, 32, generator=each) for each in sources]).double()
    for level, following in zip(levels, [*levels[1:], -1]):
        picture = said_by(net, x, level, 10)[0].clamp(-1, 1)
        now, then = share_at(level), share_at(following)
        kept = now / then  # 1 - beta of this step
        x = (then.sqrt() * (1 - kept) * picture + kept.sqrt() * (1 - then) * x) / (1 - now)
        fresh = torch.stack([torch.randn(3, 32, 32, generator=each) for each in sources]).double()
        x = x + ((1 - then) / (1 - now) * (1 - kept)).sqrt() * fresh
    ours = net.sample(generators(1, 2), None, sampler="ddpm", steps=steps)
    assert (ours.double() - x.clamp(-1, 1)).abs().max() < 2e-3


# A net that knows the answer


class Oracle(DDPM):
    """Says what a perfect net would if there were one picture in the world, or errs by so much everywhere."""

    def __init__(self, picture: torch.Tensor, prediction: str, betas: str = "cosine", error: float = 0.0):
        super().__init__(10, (16, 32), prediction=prediction, betas=betas)
        self.picture, self.alphas, self.error = picture.double(), ALPHAS[betas](), error

    def forward(self, x, t, labels):
        share = self.alphas[t][:, None, None, None]
        signal, spoilt = share.sqrt(), (1 - share).sqrt()
        of_noise = (x.double() - signal * self.picture) / spoilt
        said = of_noise if self.prediction == "eps" else signal * of_noise - spoilt * self.picture
        return said.float() + self.error


@pytest.mark.parametrize("prediction", ["v", "eps"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 7, 20, 61, 100])
def test_every_sampler_finds_the_only_picture_there_is(sampler: str, prediction: str, steps: int) -> None:
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(5)) * 1.8 - 0.9
    found = Oracle(picture, prediction).sample(
        generators(1, 2), torch.tensor([0, 1]), sampler=sampler, steps=steps
    )
    # From pure noise in one step the noise must be divided by 5e-5: float32 has fewer digits than that.
    near = 0.03 if steps == 1 and prediction == "eps" else 1e-3
    assert (found - picture).abs().max() < near


def test_an_error_of_the_noise_outgrows_the_picture_on_the_cosine_schedule_and_not_on_the_papers() -> None:
    """Why a net that says the noise is trained on the linear one: at the noisiest level the cosine one divides its
    error by 5e-5, and what that makes of the first step is never taken for an error again."""

    class Means(Oracle):
        """Knows that pictures are of one colour each, from a normal distribution around 0, and errs by 0.001."""

        def forward(self, x, t, labels):
            share = self.alphas[t][:, None, None, None]
            seen, rest = x.double().mean((1, 2, 3), keepdim=True), (1 - share) / (3 * 32 * 32)
            colour = share.sqrt() * 0.3**2 / (share * 0.3**2 + rest) * seen
            return ((x.double() - share.sqrt() * colour) / (1 - share).sqrt() + 0.001).float()

    colour = {}
    for betas in BETAS:
        net = Means(torch.zeros(3, 32, 32), "eps", betas)
        colour[betas] = float(net.sample(generators(*range(200)), None, sampler="ddim", steps=20).mean())
    assert abs(colour["linear"]) < 0.1 < 0.5 < abs(colour["cosine"]), colour


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finds_it_on_the_papers_schedule_too(sampler: str) -> None:
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(5)) * 1.8 - 0.9
    found = Oracle(picture, "eps", "linear").sample(generators(1, 2), None, sampler=sampler, steps=20)
    assert (found - picture).abs().max() < 1e-3


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_a_normal_distribution_comes_out_whatever_the_number_of_steps(sampler: str) -> None:
    """With the exact answer of a net that learnt N(0, 1/4²), more steps only come nearer to that spread. diffusers'
    DDIMScheduler gives 0.28 in 150 steps and 0.43 in 600: it takes steps to levels that are not the next one."""
    alphas, found = cosine_alphas().float(), {}
    for steps in (5, 10, 20, 50, 61, 100, 150, 300, 600, 1000):
        scheduler = make_scheduler(sampler, steps, "v")
        x = torch.randn(2000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        for t in scheduler.timesteps:
            share = alphas[int(t)]
            picture = share.sqrt() / 16 / (share / 16 + 1 - share) * x
            of_noise = (x - share.sqrt() * picture) / (1 - share).sqrt()
            x = scheduler.step(share.sqrt() * of_noise - (1 - share).sqrt() * picture, t, x).prev_sample
        found[steps] = float(x.std())
    spreads = list(found.values())
    assert all(b > a - 2e-4 for a, b in pairwise(spreads)), found
    assert spreads[-1] == pytest.approx(0.25, abs=2e-3), found


@pytest.mark.parametrize("prediction", ["v", "eps"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_wild_predictions_stay_within_a_picture(sampler: str, prediction: str) -> None:
    """The guessed picture is cut off at -1 and 1 at every step, and the last step is that guess."""
    for steps in (1, 4, 20):
        scheduler = make_scheduler(sampler, steps, prediction)
        rng = torch.Generator().manual_seed(0)
        x = torch.randn(2, 3, 32, 32, generator=rng)
        for t in scheduler.timesteps:
            said = 30 * torch.randn(2, 3, 32, 32, generator=rng)
            more = {"generator": rng} if sampler == "ddpm" else {}
            x = scheduler.step(said, t, x, **more).prev_sample
        assert x.isfinite().all() and x.abs().max() <= 1 + 1e-4, (steps, x.abs().max())


@pytest.mark.parametrize("prediction", ["v", "eps"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_guess_after_the_last_step_is_the_picture_and_an_oracle_guesses_it_at_once(
    sampler: str, prediction: str
) -> None:
    told = []
    net = tiny(prediction)
    found = net.sample(
        generators(1, 2),
        torch.tensor([3, 4]),
        sampler=sampler,
        steps=6,
        on_step=lambda *all_: told.append(all_),
    )
    assert len(told) == 6 and (told[-1][3] - found).abs().max() < 1e-4
    assert (told[0][3] - found).abs().max() > 0.1, "the first guess is another one"
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(5)) * 1.8 - 0.9
    told.clear()
    Oracle(picture, prediction).sample(
        generators(1), torch.tensor([0]), sampler=sampler, steps=6, on_step=lambda *all_: told.append(all_)
    )
    assert all((guess - picture).abs().max() < 0.05 for _, _, _, guess in told[1:])
    assert [float((x - picture).abs().mean()) for _, _, x, _ in told] == sorted(
        (float((x - picture).abs().mean()) for _, _, x, _ in told), reverse=True
    ), "the noise only gets less"


def test_drawing_can_begin_in_the_middle() -> None:
    """From the noisy pictures after some steps DDIM, which remembers nothing, ends where it ended; DPM-Solver begins
    with a step of first order, and ends nearby."""
    net = tiny()
    told: list = []
    for sampler, near in (("ddim", 1e-4), ("dpm", 0.2)):
        told.clear()
        whole = net.sample(
            generators(1),
            torch.tensor([3]),
            sampler=sampler,
            steps=10,
            on_step=lambda *all_: told.append(all_),
        )
        again = net.draw(told[5][2], torch.tensor([3]), sampler=sampler, steps=10, first=6)
        assert (whole - again).abs().max() < near, sampler
        late = net.draw(told[5][2], torch.tensor([3]), sampler=sampler, steps=10, first=2)
        assert (whole - late).abs().max() > 10 * 1e-4, "first is not looked at"


# Guidance


def said_with(
    net: DDPM, monkeypatch: pytest.MonkeyPatch, labels: list[int] | None, guidance: float
) -> torch.Tensor:
    """What a sampler is told the net says, scaled down so that nothing is cut off."""
    fake = SimpleNamespace(
        timesteps=torch.tensor([500]),
        step=lambda said, t, x: SimpleNamespace(prev_sample=said / 100),
    )
    monkeypatch.setattr(ddpm, "make_scheduler", lambda *_: fake)
    told = None if labels is None else torch.tensor(labels)
    return 100 * net.sample(generators(1, 2), told, steps=1, guidance=guidance)


def test_guidance_is_a_line_through_what_is_said_without_and_with_the_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = tiny()
    x, times = noise(1, 2), torch.tensor([500, 500])
    with torch.no_grad():
        u, c = net(x, times, torch.tensor([10, 10])), net(x, times, torch.tensor([3, 4]))
    assert (u - c).abs().max() > 0.01
    for w in (0.0, 0.5, 1.0, 2.5):
        assert torch.allclose(said_with(net, monkeypatch, [3, 4], w), u + w * (c - u), atol=1e-4), w
    for w in (0.0, 1.0, 4.0):  # without a label there is nothing to guide by
        assert torch.allclose(said_with(net, monkeypatch, None, w), u, atol=1e-4), w
    mixed = said_with(net, monkeypatch, [3, 10], 2.5)  # "any" beside a class
    assert torch.allclose(mixed[0], (u + 2.5 * (c - u))[0], atol=1e-4) and torch.allclose(
        mixed[1], u[1], atol=1e-4
    )


@pytest.mark.parametrize(("guidance", "labels", "pictures"), [(0.0, [3, 4], 2), (1.0, [3, 4], 2), (1.5, [3, 4], 4),
                                                             (1.5, [10, 10], 2)])  # fmt: skip
def test_what_is_not_needed_is_not_computed(guidance: float, labels: list[int], pictures: int) -> None:
    net, seen = tiny(), []
    net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    net.sample(generators(1, 2), torch.tensor(labels), steps=2, guidance=guidance)
    assert seen == [pictures] * 2


# The net


@pytest.mark.parametrize("width", [16, 32, 48, 64, 80, 96, 128, 160, 1024])
def test_every_width_that_a_recipe_may_have_can_be_built_and_run(width: int) -> None:
    with torch.device("meta"):
        net = DDPM(10, (width, 2 * width))
        out = net(
            torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
        )
    assert out.shape == (2, 3, 32, 32)
    assert 2 * width % net.attention.heads == 0


def test_a_fresh_net_says_nothing_whatever_it_sees() -> None:
    net = models.build("ddpm", 10, seed=0, widths=(16, 32)).eval()
    with torch.no_grad():
        assert not net(noise(1, 2), torch.tensor([0, 999]), torch.tensor([0, 10])).any()


def test_the_level_and_the_label_and_every_pixel_matter() -> None:
    net, x = tiny(), noise(1)
    with torch.no_grad():
        first = net(x, torch.tensor([400]), torch.tensor([2]))
        assert not torch.allclose(first, net(x, torch.tensor([600]), torch.tensor([2])), atol=1e-3)
        assert not torch.allclose(first, net(x, torch.tensor([400]), torch.tensor([3])), atol=1e-3)
        moved = x.clone()
        moved[0, 0, 0, 0] += 1  # a corner is seen in the opposite one
        assert (net(moved, torch.tensor([400]), torch.tensor([2])) - first)[0, :, -1, -1].abs().max() > 0
