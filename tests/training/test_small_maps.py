"""The matrix products against torch's own convolution: values, gradients, and a whole net's training step."""

import copy

import pytest
import torch
import torch.nn.functional as F

from explorer import models
from explorer.training import small_maps


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(4, 4), (8, 8), (3, 5), (7, 4), (1, 1)])
def test_it_is_a_convolution_and_so_are_its_gradients(stride, size):
    torch.manual_seed(0)
    x = torch.randn(3, 5, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    expected, found = (
        F.conv2d(x, weight, stride=stride, padding=1),
        small_maps.Conv3x3.apply(x, weight, stride),
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    grad = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, weight), grad),
        torch.autograd.grad(expected, (x, weight), grad),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_only_what_fits_is_replaced_and_the_weights_stay_the_same_objects():
    model = models.build("resnet18", 10, seed=0)
    before = dict(model.named_parameters())
    kernels = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)}
    small_maps.replace_convolutions(model)
    assert list(model.state_dict()) == list(models.build("resnet18", 10, seed=0).state_dict())
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    for name, conv in kernels.items():
        replaced = isinstance(model.get_submodule(name), small_maps.SmallMapConv2d)
        assert replaced == (conv.kernel_size == (3, 3)), name


def test_what_does_not_fit_stays():
    odd = [
        torch.nn.Conv2d(4, 4, 3, padding=1),  # a bias
        torch.nn.Conv2d(4, 4, 3, bias=False),  # no padding
        torch.nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False),
        torch.nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        torch.nn.Conv2d(4, 4, 3, padding=1, stride=(1, 2), bias=False),
        torch.nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", bias=False),
        torch.nn.Conv2d(4, 4, 5, padding=2, bias=False),
    ]
    model = torch.nn.Sequential(*odd)
    small_maps.replace_convolutions(model)
    assert list(model) == odd


def test_a_net_learns_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch):
    """In bfloat16 the gradients of both differ from float32's by as much."""
    torch.manual_seed(0)
    x, labels = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
    calls = []
    apply = small_maps.Conv3x3.apply
    monkeypatch.setattr(small_maps.Conv3x3, "apply", lambda *args: calls.append(args) or apply(*args))

    def gradient(model: torch.nn.Module, half: bool) -> torch.Tensor:
        model = copy.deepcopy(model)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = F.cross_entropy(model(x).float(), labels)
        loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    model = models.build("resnet18", 10, seed=0)
    exact, usual = gradient(model, half=False), gradient(model, half=True)
    small_maps.replace_convolutions(model)
    torch.testing.assert_close(gradient(model, half=False), exact)
    assert not calls, "in float32 torch's own is used"
    ours = gradient(model, half=True)
    assert len(calls) == 4  # the convolutions that make a 4x4 map
    assert (ours - exact).norm() < 1.2 * (usual - exact).norm()
