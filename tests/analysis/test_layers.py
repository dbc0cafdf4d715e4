"""The layers that one looks into, and what part of the picture a cell sees: derived on paper, and by gradients."""

import pytest
import torch
from torch import nn

from explorer import models
from explorer.analysis import layers
from explorer.analysis.layers import Field
from explorer.models import CLASSIFIERS, MODELS, ModelSpec
from explorer.text import Problem

SMALL = {"lenet", "fastnet", "resnet18"}
NAMES = [pytest.param(name, marks=[] if name in SMALL else [pytest.mark.slow]) for name in CLASSIFIERS]


pytestmark = pytest.mark.usefixtures("one_thread")


# Layers


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_make_maps_and_the_last_is_what_features_gives(name: str) -> None:
    net = models.build(name, 10, seed=0).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = layers.layers(net, name)
    assert tuple(each.name for each in found) == MODELS[name].layers and len(found) >= 3
    for each in found:
        made = layers.map_of(net, each.name, x)
        assert made.shape == (2, *each.shape) and min(each.shape[1:]) >= 4, each
    sides = [each.shape[1] for each in found]
    assert sides == sorted(sides, reverse=True), "not in the order of the forward pass"
    with torch.no_grad():
        assert torch.equal(made, net.features(x))


def test_a_layer_that_is_not_there_or_makes_no_map_is_one_sentence() -> None:
    net = models.build("lenet", 10, seed=0).eval()
    x = torch.zeros(1, 3, 32, 32)
    with pytest.raises(Problem, match=r"no layer 'conv9'; known are: conv1, conv2, pool, fc1"):
        layers.map_of(net, "conv9", x)
    with pytest.raises(Problem, match=r"no layer ''"):
        layers.module_of(net, "")
    with pytest.raises(Problem, match=r"'fc1' makes no map; choose a convolution or a block"):
        layers.map_of(net, "fc1", x)
    assert not any(module._forward_hooks for module in net.modules())


def test_a_hook_is_gone_after_its_block_even_when_that_raises() -> None:
    module = nn.Identity()
    with pytest.raises(ZeroDivisionError), layers.hooked(module, lambda output: output + 1):
        assert module(torch.zeros(1)) == 1
        raise ZeroDivisionError
    assert module(torch.zeros(1)) == 0 and not module._forward_hooks


# Receptive fields on paper: a chain of (kernel, stride, padding on the left, dilation)

Link = tuple[int, int, int, int]
THREE, POOL = (3, 1, 1, 1), (2, 2, 0, 1)


def field_of(chain: list[Link]) -> Field:
    stride, first, last = 1, 0, 0
    for kernel, step, padding, dilation in chain:
        first -= padding * stride
        last += ((kernel - 1) * dilation - padding) * stride
        stride *= step
    return Field(stride, first, last)


def dilated(by: int, count: int) -> list[Link]:
    return [(3, 1, by, by)] * count


def striding(count: int) -> list[Link]:
    """The first of `count` 3x3 convolutions has stride 2."""
    return [(3, 2, 1, 1), *[THREE] * (count - 1)]


LENET = [(5, 1, 0, 1), POOL, (5, 1, 0, 1), POOL]
FASTNET = [(2, 1, 0, 1), *[THREE, POOL, THREE] * 3]
RESNET18 = [*[THREE] * 5, *striding(4), *striding(4), *striding(4)]
DRN_D_22 = [*[THREE] * 3, *striding(4), *striding(4), *dilated(2, 4), *dilated(4, 4), *dilated(2, 1), THREE]
BY_HAND = [
    ("lenet", "conv1", LENET[:1], 5, 1),
    ("lenet", "conv2", LENET[:3], 14, 2),
    ("lenet", "pool", LENET, 16, 4),
    ("fastnet", "whiten", FASTNET[:1], 2, 1),
    ("fastnet", "groups.0", FASTNET[:4], 9, 2),
    ("fastnet", "groups.1", FASTNET[:7], 23, 4),
    ("fastnet", "groups.2", FASTNET, 51, 8),
    ("resnet18", "conv1", RESNET18[:1], 3, 1),
    ("resnet18", "layer1", RESNET18[:5], 11, 1),
    ("resnet18", "layer2", RESNET18[:9], 25, 2),
    ("resnet18", "layer3", RESNET18[:13], 53, 4),
    ("resnet18", "layer4", RESNET18, 109, 8),
    ("drn-d-22", "level4", DRN_D_22[:11], 49, 4),
    ("drn-d-22", "level6", DRN_D_22[:19], 241, 4),
    ("drn-d-22", "level8", DRN_D_22, 265, 4),
]


@pytest.mark.parametrize(("name", "layer", "chain", "size", "stride"), BY_HAND)
def test_a_field_is_what_the_kernels_on_its_way_add_up_to(name, layer, chain, size, stride) -> None:
    found = layers.receptive_fields(name)[layer]
    assert found == field_of(chain)
    assert (found.size, found.stride) == (size, stride)


@pytest.mark.parametrize("name", NAMES)
def test_fields_grow_from_layer_to_layer(name: str) -> None:
    found = layers.receptive_fields(name)
    assert tuple(found) == MODELS[name].layers
    sizes, strides = [each.size for each in found.values()], [each.stride for each in found.values()]
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes) and strides == sorted(strides)


# Receptive fields by gradients


def opened(name: str) -> nn.Module:
    """A fresh net whose kernels reach as far as they can: one that starts as the identity hides its field."""
    net = models.build(name, 10, seed=0).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
    return net


def faults_of_field(net: nn.Module, layer: str, field: Field, size: int = 32) -> list[str]:
    """Where a gradient reaches outside of a cell's box, and where a box is larger than what gradients reach."""
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    kept: list[torch.Tensor] = []
    with layers.hooked(net.get_submodule(layer), kept.append):
        net(x)
    made, faults = kept[-1], []
    last = made.shape[2] - 1
    for row, column in [(0, 0), (last // 2, last // 2), (last, last // 2), (1, last)]:
        (gradient,) = torch.autograd.grad(made[:, :, row, column].sum(), x, retain_graph=True)
        reached = gradient.abs().sum((0, 1)) > 0
        left, top, right, bottom = field.box(row, column, size)
        rows, columns = (reached.any(k).nonzero().ravel() for k in (1, 0))
        found = (columns.min().item(), rows.min().item(), columns.max().item() + 1, rows.max().item() + 1)
        inside = torch.zeros_like(reached)
        inside[top:bottom, left:right] = True
        if (reached & ~inside).any():
            faults.append(f"a gradient outside of {row}, {column}")
        elif found != (left, top, right, bottom):
            faults.append(f"nothing reaches the edge of {row}, {column}: {found}")
    return faults


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_the_whole_box_and_nothing_outside(name: str) -> None:
    net = opened(name)
    for layer, field in layers.receptive_fields(name).items():
        assert faults_of_field(net, layer, field) == [], layer


@pytest.mark.slow
def test_a_gradient_reaches_the_whole_box_where_it_fits_into_the_picture() -> None:
    net = opened("resnet18")
    assert faults_of_field(net, "layer4", layers.receptive_fields("resnet18")["layer4"], 160) == []


@pytest.mark.parametrize(("by", "fault"), [(-1, "a gradient outside"), (1, "nothing reaches the edge")])
def test_a_field_that_is_a_pixel_too_small_or_too_large_is_caught(by: int, fault: str) -> None:
    net = opened("lenet")
    field = layers.receptive_fields("lenet")["conv2"]
    wrong = Field(field.stride, field.first, field.last + by)
    assert any(each.startswith(fault) for each in faults_of_field(net, "conv2", wrong))


def test_a_box_ends_where_the_picture_ends() -> None:
    field = Field(stride=4, first=-3, last=8)
    assert field.size == 12
    assert field.box(0, 7, 32) == (25, 0, 32, 9)  # left, top, right, bottom
    assert field.box(2, 3, 32) == (9, 5, 21, 17)
    assert Field(8, -54, 54).box(1, 2, 32) == (0, 0, 32, 32)


def test_a_cell_that_sees_everything_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Everywhere(nn.Module):
        def __init__(self, classes: int):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def features(self, x):
            return self.conv(x - x.mean((2, 3), keepdim=True))

    spec = ModelSpec(Everywhere, "classifier", "-", "-", layers=("conv",))
    monkeypatch.setitem(MODELS, "everywhere", spec)
    monkeypatch.setattr(layers, "LARGEST_FIELD", 512)
    with pytest.raises(Problem, match="everywhere: a cell sees more than 512 pixels"):
        layers.receptive_fields("everywhere")
