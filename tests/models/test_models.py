"""Laws for every classifier of MODELS, and a planted fault that each of them must catch. What draws: see
test_generators.py."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import models
from explorer.models import CLASSIFIERS, GENERATORS, MODELS, ModelSpec, fastnet, lenet
from explorer.text import Problem

PARAMETERS = {  # for ten classes, buffers left out; a new model writes its own line here
    "lenet": 62_006,
    "fastnet": 1_972_802,
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "drn-c-26": 20_616_794,
    "drn-d-22": 15_883_962,
    "drn-c-26-published": 20_618_714,
    "drn-d-22-published": 15_885_882,
}
LARGE = {"resnet34", "resnet50", "resnet101", "drn-c-26"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in CLASSIFIERS]


pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


# The laws: each returns what is wrong, so that the planted faults below can ask for it.


def faults_of_shape(model: nn.Module, classes: int = 10) -> list[str]:
    """features (B, C, h, w) with h, w of at least 4; embed (B, D); forward (B, classes); all finite."""
    model.eval()
    x = pictures()
    with torch.no_grad():
        maps, vectors, logits = model.features(x), model.embed(x), model(x)
    found = []
    if maps.dim() != 4 or min(maps.shape[2:]) < 4 or len(maps) != 4:
        found.append(f"features {tuple(maps.shape)}")
    if vectors.dim() != 2 or len(vectors) != 4:
        found.append(f"embed {tuple(vectors.shape)}")
    if logits.shape != (4, classes):
        found.append(f"logits {tuple(logits.shape)}")
    if not all(torch.isfinite(each).all() for each in (maps, vectors, logits)):
        found.append("not finite")
    return found


def faults_of_gradient(model: nn.Module, spec: ModelSpec) -> list[str]:
    """Trainable parameters without a non-zero gradient after one step (zero-initialised branches need that one)."""
    x, labels = pictures(8), torch.arange(8)
    if spec.init:
        spec.init(model, x)
    model.train()
    for rate in (0.1, 0.0):
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]


def faults_of_pooling(model: nn.Module, declared: bool) -> list[str]:
    """logits = head(embed) always, and = head(mean of the last map) exactly when that is declared."""
    model.eval()
    x = pictures()
    head = model.head
    with torch.no_grad():
        pooled, logits, vectors = model.features(x).mean((2, 3)), model(x), model.embed(x)
        fits = pooled.shape[1] == head.in_features
        holds = fits and torch.allclose(head(pooled), logits, atol=1e-5)
    found = []
    if holds != declared:
        found.append(f"pooled-linear is {holds}, declared {declared}")
    if not torch.allclose(head(vectors), logits, atol=1e-5):
        found.append("the head does not see what embed gives")
    return found


def faults_of_seed(build) -> list[str]:
    """The weights follow from the seed alone, and the global random numbers are left as they were."""
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = build(seed=5).state_dict()
    found = [] if torch.equal(torch.get_rng_state(), before) else ["the global generator moved"]
    torch.rand(17)
    second, third = build(seed=5).state_dict(), build(seed=6).state_dict()
    if any(not torch.equal(first[key], second[key]) for key in first):
        found.append("another model from the same seed")
    if all(torch.equal(first[key], third[key]) for key in first):
        found.append("the same model from another seed")
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [10, 3])
def test_shapes(name: str, classes: int) -> None:
    assert faults_of_shape(models.build(name, classes, seed=0), classes) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_trainable_parameter_receives_a_gradient(name: str) -> None:
    assert faults_of_gradient(models.build(name, 10, seed=0), MODELS[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_pooled_linear_holds_exactly_where_it_is_declared(name: str) -> None:
    assert faults_of_pooling(models.build(name, 10, seed=0), MODELS[name].pooled_linear) == []


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_parameters_are_as_many_as_written_down(name: str) -> None:
    with torch.device("meta"):
        assert models.parameter_count(MODELS[name].build(10)) == PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_follow_from_the_seed_alone(name: str) -> None:
    assert faults_of_seed(lambda seed: models.build(name, 10, seed=seed)) == []


@pytest.mark.parametrize("name", NAMES)
def test_convolutions_lie_channels_last(name: str) -> None:
    kernels = [
        p for p in models.build(name, 10, seed=0).parameters() if p.dim() == 4 and min(p.shape[1:]) > 1
    ]
    assert kernels and all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_every_entry_says_what_it_is() -> None:
    for spec in CLASSIFIERS.values():
        assert spec.task == "classifier" and spec.paper and spec.stem and spec.layers
        assert spec.precision in ("conv", "depthwise")
    assert set(PARAMETERS) == set(CLASSIFIERS)
    assert MODELS == CLASSIFIERS | GENERATORS and not CLASSIFIERS.keys() & GENERATORS.keys()


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(Problem, match=r"Unknown model 'vgg'; known: lenet, fastnet, resnet18"):
        models.build("vgg", 10)


# The planted faults


class Small(nn.Module):
    """Pooled-linear and sound; each fault below spoils one thing."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.Linear(8, classes)

    def features(self, x):
        return self.conv(x).relu()

    def embed(self, x):
        return self.features(x).mean((2, 3))

    def forward(self, x):
        return self.head(self.embed(x))


def test_the_laws_pass_a_sound_model() -> None:
    assert faults_of_shape(Small()) == [] and faults_of_pooling(Small(), True) == []
    assert faults_of_gradient(Small(), MODELS["lenet"]) == []


def test_a_map_of_one_pixel_is_caught() -> None:
    class Fault(Small):
        def features(self, x):
            return super().features(x).mean((2, 3), keepdim=True)

    assert faults_of_shape(Fault()) == ["features (4, 8, 1, 1)"]


def test_a_head_for_other_classes_is_caught() -> None:
    assert faults_of_shape(Small(7)) == ["logits (4, 7)"]


def test_a_parameter_that_is_never_used_is_caught() -> None:
    class Fault(Small):
        def __init__(self):
            super().__init__()
            self.forgotten = nn.Linear(2, 2)

    assert faults_of_gradient(Fault(), MODELS["lenet"]) == ["forgotten.weight", "forgotten.bias"]


def test_a_branch_that_is_cut_off_is_caught() -> None:
    class Fault(Small):
        def features(self, x):
            return super().features(x).detach()

    assert faults_of_gradient(Fault(), MODELS["lenet"]) == ["conv.weight", "conv.bias"]


def test_max_pooling_is_caught_where_averaging_is_declared() -> None:
    class Fault(Small):
        def embed(self, x):
            return self.features(x).amax((2, 3))

    assert faults_of_pooling(Fault(), True) == ["pooled-linear is False, declared True"]
    assert faults_of_pooling(Small(), False) == ["pooled-linear is True, declared False"]


def test_a_scaled_logit_is_caught() -> None:
    class Fault(Small):
        def forward(self, x):
            return self.head(self.embed(x)) / 9

    assert len(faults_of_pooling(Fault(), True)) == 2


def test_a_build_that_uses_the_global_generator_is_caught() -> None:
    def careless(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return Small()

    def ignorant(seed: int) -> nn.Module:
        return Small()

    assert faults_of_seed(careless) == ["the global generator moved"]
    assert "another model from the same seed" in faults_of_seed(ignorant)


# What is special about fastnet


def test_the_whitening_layer_whitens() -> None:
    """Patches of the pictures it was made from come out uncorrelated, with deviation 1, and as pairs of signs."""
    rng = torch.Generator().manual_seed(1)
    images = F.avg_pool2d(torch.randn(400, 3, 34, 34, generator=rng), 3, 1).mul(3)  # neighbours are alike
    net = models.build("fastnet", 10, seed=0)
    fastnet.init_whitening(net, images, eps=0.0)
    assert net.whiten.weight.requires_grad is False and not net.whiten.bias.any()
    with torch.no_grad():
        out = net.whiten(images).permute(1, 0, 2, 3).flatten(1)  # (24, patches)
    assert torch.allclose(out[:12], -out[12:])
    second_moments = out[:12] @ out[:12].T / out.shape[1]
    assert torch.allclose(second_moments, torch.eye(12), atol=1e-3)


def test_the_whitening_does_not_depend_on_anything_but_the_pictures() -> None:
    nets = [models.build("fastnet", 10, seed=seed) for seed in (0, 1)]
    for net in nets:
        fastnet.init_whitening(net, pictures(64))
    assert torch.equal(nets[0].whiten.weight, nets[1].whiten.weight)


def test_fastnets_convolutions_start_as_the_identity_on_what_they_receive() -> None:
    group = fastnet.Group(24, 64)
    x = pictures().repeat(1, 8, 1, 1)
    with torch.no_grad():
        assert torch.allclose(group.conv1(x)[:, :24], x, atol=1e-6)


def test_nothing_a_dead_pixel_can_do_makes_a_flat_picture_not_finite() -> None:
    """A set of flat pictures has no variance at all: the whitening must survive it."""
    net = models.build("fastnet", 10, seed=0)
    fastnet.init_whitening(net, torch.zeros(8, 3, 32, 32))
    net.eval()
    with torch.no_grad():
        assert torch.isfinite(net(pictures())).all()


def test_lenet_is_the_published_size() -> None:
    assert models.parameter_count(lenet.LeNet(10)) == 61_706 + 6 * 5 * 5 * 2  # two more input channels


def test_a_spec_is_frozen() -> None:
    assert replace(MODELS["lenet"], task="x").task == "x"
    with pytest.raises(AttributeError):
        MODELS["lenet"].task = "x"
