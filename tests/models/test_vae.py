"""The variational autoencoder: its code, the two parts of its loss, and that both halves hear the label."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from explorer import models
from explorer.models.vae import VAE
from explorer.training.variational import Variational

pytestmark = pytest.mark.usefixtures("one_thread")


def small() -> VAE:
    return models.build("vae", 10, seed=0, width=16, latent=8).eval()


def pictures(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def parts(net: nn.Module, x: torch.Tensor, latent: int, seed: int = 0) -> tuple[float, float]:
    """The two parts of the loss that a training would see: (reconstruction, KL)."""
    task = SimpleNamespace(model=SimpleNamespace(latent=latent))
    labels = torch.arange(len(x)) % 10
    with torch.no_grad():
        error, kl = Variational._parts(task, net, x, labels, np.random.default_rng(seed))
    return float(error), float(kl)


def test_the_divergence_is_what_draws_from_the_code_say() -> None:
    """KL(q || N(0, 1)) in closed form, against the mean of log q(z) - log p(z) over 200,000 draws z from q."""
    rng = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(3, 5, generator=rng), torch.randn(3, 5, generator=rng)
    _, closed = parts(lambda x, labels, noise: (x * 0.9, mean, logvar), pictures(3), 5)
    z = mean + (logvar / 2).exp() * torch.randn(200_000, 3, 5, generator=rng)
    q = torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(z)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    assert closed == pytest.approx((q - p).sum(2).mean().item(), rel=0.01)
    _, none = parts(lambda x, labels, noise: (x * 0.9, 0 * mean, 0 * logvar), pictures(3), 5)
    assert none == 0


def test_the_error_is_the_likelihood_under_the_best_variance() -> None:
    """Rybkin et al. 2021: -log p of a normal distribution, its variance the mean square error, without what is the same
    for every net: D / 2 (log 2 pi + 1) for D numbers."""
    x = pictures()
    again = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    error, _ = parts(lambda x, labels, noise: (again, torch.zeros(4, 2), torch.zeros(4, 2)), x, 2)
    size, off = x[0].numel(), (again - x).double()

    def surprise(variance: float) -> float:
        density = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), math.sqrt(variance))
        return -density.log_prob(off).sum().item() / len(x)

    best = off.square().mean().item()
    assert error + size / 2 * (math.log(2 * math.pi) + 1) == pytest.approx(surprise(best), rel=1e-5)
    assert surprise(best) < min(surprise(0.8 * best), surprise(1.25 * best))


def test_a_picture_becomes_a_code_and_a_code_becomes_a_picture() -> None:
    net, x, labels = small(), pictures(), torch.arange(4)
    with torch.no_grad():
        mean, logvar = net.encode(x, labels)
        assert mean.shape == logvar.shape == (4, 8) and mean.dtype == torch.float32
        noise = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
        again, mean_too, logvar_too = net(x, labels, noise)
        assert torch.equal(mean, mean_too) and torch.equal(logvar, logvar_too)
        assert torch.equal(again, net.decode(mean + noise * torch.exp(logvar / 2), labels))
        assert torch.equal(net(x, labels, 0 * noise)[0], net.decode(mean, labels))
    assert again.shape == x.shape and again.dtype == torch.float32 and again.abs().max() <= 1
    assert again.std(0).max() > 0, "every code gives the same picture"


def test_what_is_drawn_is_what_the_decoder_makes_of_the_seeds_noise() -> None:
    net = small()
    seeds = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    z = torch.stack([torch.randn(8, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6)])
    with torch.no_grad():
        assert torch.equal(net.sample(seeds, torch.tensor([3, 4])), net.decode(z, torch.tensor([3, 4])))


def test_both_halves_hear_the_label() -> None:
    net, x = small(), pictures(1)
    zero, one = torch.tensor([0]), torch.tensor([1])
    with torch.no_grad():
        assert not torch.allclose(net.encode(x, zero)[0], net.encode(x, one)[0], atol=1e-4)
        z = torch.ones(1, 8)
        assert not torch.allclose(net.decode(z, zero), net.decode(z, one), atol=1e-4)


def test_a_deviation_that_would_overflow_is_held() -> None:
    net = small()
    with torch.no_grad():
        net.code.bias[8:] = torch.tensor([1e4, -1e4] * 4)
        mean, logvar = net.encode(pictures(), torch.arange(4))
        assert logvar.min() == -12 and logvar.max() == 6
        assert net(pictures(), torch.arange(4), torch.ones(4, 8))[0].isfinite().all()
    assert mean.isfinite().all()
