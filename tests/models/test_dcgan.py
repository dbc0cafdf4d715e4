"""The two nets of a GAN: spectral norm, the label in both, and what the plain form has instead."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import models
from explorer.models.dcgan import DCGAN, LATENT, SPREAD, ClassNorm, Discriminator

pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES, WIDTH = 10, 16


def judge(**settings: bool) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(CLASSES, WIDTH, **settings)


def pictures(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def weighted(net: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding))
    }


def largest(weight: torch.Tensor) -> float:
    """The largest singular value of a kernel (out, in, h, w) seen as a matrix (out, in x h x w)."""
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1).double(), 2))


# The discriminator


def test_spectral_norm_holds_every_weight_at_one() -> None:
    net = judge()
    with torch.no_grad():
        for module in weighted(net).values():  # far from 1 at first
            module.parametrizations.weight.original.mul_(30)
        for _ in range(60):  # a forward is a step of the power iteration
            net(pictures(), torch.arange(4))
    net.eval()
    found = {name: largest(module.weight) for name, module in weighted(net).items()}
    assert set(found) == {"convs.0", "convs.1", "convs.2", "head", "told"}
    assert found == {name: pytest.approx(1, abs=0.02) for name in found}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_without_spectral_norm_no_weight_is_held() -> None:
    net = judge(spectral=False)
    sizes = {name: largest(module.weight) for name, module in weighted(net).items()}
    assert not any(size == pytest.approx(1, abs=0.02) for size in sizes.values())
    with torch.no_grad():
        net(pictures(), torch.arange(4))
    assert sizes == {name: largest(module.weight) for name, module in weighted(net).items()}


@pytest.mark.parametrize("spectral", [True, False])
def test_another_label_adds_the_projection_of_what_was_seen(spectral: bool) -> None:
    """Miyato and Koyama 2018: f(x) + <told(y), sum over the map of x>."""
    net, x = judge(spectral=spectral).eval(), pictures()
    with torch.no_grad():
        seen = x
        for conv, norm in zip(net.convs, net.norms):
            seen = F.leaky_relu(norm(conv(seen)), 0.2)
        pooled = seen.sum((2, 3))
        a, b = torch.tensor([0, 1, 2, 3]), torch.tensor([9, 9, 2, 4])
        apart = net(x, a) - net(x, b)
        expected = ((net.told.weight[a] - net.told.weight[b]) * pooled).sum(1)
        bare = net.head(seen.flatten(1))[:, 0]
        assert torch.allclose(net(x, a) - bare, (net.told.weight[a] * pooled).sum(1), atol=1e-6)
    assert torch.allclose(apart, expected, atol=1e-6) and apart[2] == 0 and apart[0].abs() > 1e-4


def test_the_plain_discriminator_has_batchnorm_and_no_label() -> None:
    net = judge(spectral=False, conditional=False)
    assert net.told is None and sum(isinstance(module, nn.BatchNorm2d) for module in net.modules()) == 2
    assert isinstance(net.norms[0], nn.Identity)  # Radford et al.: none at the discriminator's input
    with torch.no_grad():
        net.eval()
        assert torch.equal(net(pictures()), net(pictures(), torch.arange(4)))
    assert net(pictures()).shape == (4,)


def test_the_first_weights_are_the_papers() -> None:
    """A normal distribution with deviation 0.02; biases 0."""
    net = judge(spectral=False)
    for name, module in weighted(net).items():
        if name != "told":
            assert module.weight.std().item() == pytest.approx(SPREAD, rel=0.1), name
            assert module.bias is None or not module.bias.any()
    drawn = models.build("dcgan", CLASSES, seed=0, width=WIDTH)
    for module in drawn.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(SPREAD, rel=0.1)


# The generator


def test_the_generator_is_of_strided_transposed_convolutions_batchnorm_and_tanh() -> None:
    net = models.build("dcgan", CLASSES, seed=0, width=WIDTH).eval()
    convs = [module for module in net.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [
        (LATENT, 4 * WIDTH), (4 * WIDTH, 2 * WIDTH), (2 * WIDTH, WIDTH), (WIDTH, 3),
    ]  # fmt: skip
    assert not any(isinstance(module, (nn.Linear, nn.MaxPool2d, nn.Upsample)) for module in net.modules())
    with torch.no_grad():
        net.exit.bias.fill_(50)
        assert (net(torch.zeros(2, LATENT), torch.tensor([0, 1])) == 1).all()


def test_a_norm_with_labels_is_scaled_and_shifted_by_each_pictures_own() -> None:
    norm, x = ClassNorm(5, 3), torch.randn(4, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        norm.scale.weight.copy_(torch.arange(15.0).view(3, 5))
        norm.shift.weight.copy_(torch.arange(15.0).view(3, 5) - 7)
        labels = torch.tensor([2, 0, 1, 2])
        found = norm(x, labels)
        plain = F.batch_norm(x, None, None, training=True)
    for k, label in enumerate(labels):
        for c in range(5):
            assert torch.allclose(found[k, c], plain[k, c] * (5 * label + c) + (5 * label + c - 7), atol=1e-4)


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, 2, 0])])
def test_a_norm_without_labels_is_a_plain_one(labels: torch.Tensor | None) -> None:
    norm, x = ClassNorm(5, 0), torch.randn(4, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    assert norm.scale is None and norm.norm.affine
    with torch.no_grad():
        expected = F.batch_norm(x, None, None, norm.norm.weight, norm.norm.bias, training=True)
        assert torch.allclose(norm(x, labels), expected, atol=1e-6)


def test_only_a_generator_with_labels_keeps_some_for_them() -> None:
    plain, told = (DCGAN(CLASSES, WIDTH, conditional=given).state_dict() for given in (False, True))
    assert {key for key in told if "scale" in key or "shift" in key} and not any(
        "scale" in key for key in plain
    )
    assert (DCGAN(CLASSES, WIDTH).conditional, DCGAN(CLASSES, WIDTH, conditional=False).conditional) == (
        True,
        False,
    )
