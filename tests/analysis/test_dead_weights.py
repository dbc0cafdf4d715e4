"""Weights that never get a gradient: no net may have them, unless MODELS declares where and how many."""

import pytest
from torch import nn

from explorer import models
from explorer.analysis import dead_weights
from explorer.models import CLASSIFIERS, MODELS, ModelSpec
from explorer.text import Problem

SMALL = {"lenet", "fastnet", "resnet18"}
NAMES = [pytest.param(name, marks=[] if name in SMALL else [pytest.mark.slow]) for name in CLASSIFIERS]


pytestmark = pytest.mark.usefixtures("one_thread")


def faults_of_dead(shares: dict[str, float], declared: dict[str, float]) -> list[str]:
    """Below 1 % of each weight is dead; where a share is declared, that +1 % at most, and half of it at least."""
    found = []
    for name, share in shares.items():
        known = [dead for prefix, dead in declared.items() if name.startswith(prefix)]
        if not known and share >= 0.01:
            found.append(f"{name}: {share:.0%} dead")
        elif known and share > known[0] + 0.01:
            found.append(f"{name}: {share:.0%} dead, declared {known[0]:.0%}")
        elif known and share < known[0] / 2:
            found.append(f"{name}: only {share:.0%} dead, declared {known[0]:.0%}")
    unknown = [prefix for prefix in declared if not any(name.startswith(prefix) for name in shares)]
    return found + [f"{prefix}: declared, and no such weight" for prefix in unknown]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient_unless_declared(name: str) -> None:
    shares = dead_weights.dead_shares(models.build(name, 10, seed=0))
    assert len(shares) >= 4
    assert faults_of_dead(shares, dict(MODELS[name].dead)) == []


def test_eight_of_nine_weights_of_the_published_nets_level_6_never_learn() -> None:
    found = dead_weights.dead_by_layer("drn-d-22-published")
    dead, count = found["level6"]
    # Four 3x3 convolutions (256 and three times 512 channels into 512) and the shortcut's 1x1, which is alive.
    kernels, shortcut = 512 * (256 + 3 * 512) * 9, 512 * 256
    assert count == kernels + shortcut
    assert dead / kernels == pytest.approx(8 / 9, abs=0.01)
    assert all(dead <= 0.01 * count for layer, (dead, count) in found.items() if layer != "level6")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drn-d-22-published", "drn-d-22"])
def test_what_is_declared_is_what_the_gradients_say(name: str) -> None:
    assert dead_weights.declared(name) == dead_weights.dead_by_layer(name)


@pytest.mark.parametrize(
    ("name", "share"),
    [("drn-c-26-published", 0.356), ("drn-d-22-published", 0.462), ("drn-c-26", 0), ("drn-d-22", 0)],
)
def test_the_declared_share_of_a_dilated_net(name: str, share: float) -> None:
    found = dead_weights.declared(name)
    dead, count = (sum(column) for column in zip(*found.values()))
    assert dead / count == pytest.approx(share, abs=0.0005) and dead in (0, 7_340_032)
    assert list(found)[-2:] == ["level8", "head"] and found["level6"] == (dead, 8_388_608)


def test_what_is_declared_has_the_layers_and_sizes_that_are_measured() -> None:
    measured, found = dead_weights.dead_by_layer("lenet"), dead_weights.declared("lenet")
    assert {layer: count for layer, (_, count) in found.items()} == {
        layer: count for layer, (_, count) in measured.items()
    }
    assert {layer for layer, (dead, _) in found.items() if dead} == {"fc1", "fc2", "head"}
    with pytest.raises(Problem, match="Unknown model"):
        dead_weights.declared("nope")


@pytest.mark.parametrize("name", ["lenet", "fastnet"])
def test_the_layers_add_up_to_all_weights_that_learn(name: str) -> None:
    net = models.build(name, 10, seed=0)
    wanted = sum(p.numel() for p in net.parameters() if p.requires_grad and p.dim() > 1)
    sizes = {key: p.numel() for key, p in net.named_parameters()}
    found = dead_weights.dead_by_layer(name)
    assert sum(count for _, count in found.values()) == wanted
    shares = dead_weights.dead_shares(net)
    assert sum(dead for dead, _ in found.values()) == round(sum(s * sizes[k] for k, s in shares.items()))


def test_weights_outside_of_the_layers_stand_under_their_own_name() -> None:
    assert set(dead_weights.dead_by_layer("lenet")) == {"conv1", "conv2", "fc1", "fc2", "head"}


# The planted faults


class Branched(nn.Module):
    """A branch of its own that is dilated as far as the map is wide, or cut off; and a norm that starts at 0."""

    def __init__(self, dilation: int = 1, cut: bool = False, classes: int = 10):
        super().__init__()
        self.cut = cut
        self.stem = nn.Conv2d(3, 8, 3, stride=8, padding=1)  # 32x32 -> 4x4
        self.branch = nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm2d(8)
        nn.init.zeros_(self.norm.weight)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.branch(x.detach() if self.cut else x))
        return self.head((x + (y.detach() if self.cut else y)).relu().mean((2, 3)))


def test_a_branch_behind_a_norm_of_zero_is_not_taken_for_dead() -> None:
    assert faults_of_dead(dead_weights.dead_shares(Branched()), {}) == []


def test_a_kernel_that_sees_only_padding_is_caught() -> None:
    assert faults_of_dead(dead_weights.dead_shares(Branched(dilation=4)), {}) == ["branch.weight: 89% dead"]


def test_a_dead_branch_is_caught() -> None:
    assert faults_of_dead(dead_weights.dead_shares(Branched(cut=True)), {}) == ["branch.weight: 100% dead"]


def test_a_declaration_that_is_wrong_is_caught() -> None:
    shares = dead_weights.dead_shares(Branched(dilation=4))
    assert faults_of_dead(shares, {"branch.": 8 / 9}) == []
    assert faults_of_dead(shares, {"branch.": 0.5}) == ["branch.weight: 89% dead, declared 50%"]
    sound = dead_weights.dead_shares(Branched())
    assert faults_of_dead(sound, {"branch.": 8 / 9}) == ["branch.weight: only 0% dead, declared 89%"]
    assert faults_of_dead(sound, {"limb.": 0.1}) == ["limb.: declared, and no such weight"]


def test_frozen_weights_and_vectors_do_not_count() -> None:
    net = Branched(cut=True)
    net.branch.weight.requires_grad = False
    assert set(dead_weights.dead_shares(net)) == {"stem.weight", "head.weight"}


def test_larger_pictures_wake_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec(lambda classes: Branched(4), "classifier", "-", "-", layers=("stem", "branch"))
    monkeypatch.setitem(MODELS, "branched", spec)
    assert dead_weights.dead_by_layer("branched")["branch"] == (8 * 8 * 8, 8 * 8 * 9)
    assert dead_weights.dead_by_layer("branched", 64)["branch"][0] < 6
