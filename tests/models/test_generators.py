"""Laws for every model of MODELS that draws, and a planted fault that each of them must catch."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from explorer import models
from explorer.models import GENERATORS
from explorer.models.pixels import as_pixels, as_signed

PARAMETERS = {
    "vae": 3_175_683,
    "dcgan": 1_076_995,
    "ddpm": 6_779_532,
    "ddpm-published": 35_746_307,
}  # for ten classes; a new model: its own line
SMALL = {
    "vae": {"width": 16, "latent": 8},
    "dcgan": {"width": 16},
    "ddpm": {"widths": (16, 32)},
    "ddpm-published": {"channels": (32, 32, 32, 32)},
}
QUICK = {"ddpm": {"steps": 4}, "ddpm-published": {"steps": 2}}  # options of `sample`
CLASSES = 10

pytestmark = pytest.mark.usefixtures("one_thread")


def small(name: str, **changes: object) -> nn.Module:
    """A narrow one in eval mode, its weights moved so far that nothing which starts at zero is zero any more."""
    net = models.build(name, CLASSES, seed=0, **(SMALL[name] | changes)).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.05)
    return net


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def labels_of(seeds: Sequence[int]) -> torch.Tensor:
    return torch.tensor(seeds) % CLASSES


# The laws: each returns what is wrong, so that the planted faults below can ask for it.


def faults_of_pictures(net: nn.Module, **options: object) -> list[str]:
    """float32 (B, 3, 32, 32), finite, from -1 to 1, without a gradient, no two alike; on_step is told all steps."""
    told: list[tuple[int, int, tuple[int, ...]]] = []
    seeds = [3, 4, 5]
    found = net.sample(
        generators(seeds),
        labels_of(seeds),
        on_step=lambda k, n, x, guess: told.append((k, n, tuple(x.shape), tuple(guess.shape))),
        **options,
    )
    faults = []
    if found.dtype != torch.float32 or found.shape != (3, 3, 32, 32) or found.requires_grad:
        return [f"{found.dtype}, {tuple(found.shape)}, with gradient: {found.requires_grad}"]
    if not found.isfinite().all() or found.abs().max() > 1:
        faults.append(f"from {found.min():.3g} to {found.max():.3g}")
    if min((found[i] - found[j]).abs().max() for i, j in ((0, 1), (0, 2), (1, 2))) < 1 / 255:
        faults.append("two pictures are the same")
    steps = options.get("steps", 1)
    if told != [(k + 1, steps, (3, 3, 32, 32), (3, 3, 32, 32)) for k in range(steps)]:
        faults.append(f"on_step was told {told}")
    return faults


def faults_of_seed(net: nn.Module, **options: object) -> list[str]:
    """A picture is its seed's: bit by bit the same again, another one of another seed, whatever is drawn beside it;
    torch's global generator is neither read nor moved."""
    before = torch.get_rng_state()
    first = net.sample(generators([1, 2, 3]), labels_of([1, 2, 3]), **options)
    faults = [] if torch.equal(before, torch.get_rng_state()) else ["the global generator moved"]
    torch.manual_seed(int(torch.randint(2**30, ())))
    again = net.sample(generators([1, 2, 3]), labels_of([1, 2, 3]), **options)
    beside = net.sample(generators([4, 2, 3]), labels_of([1, 2, 3]), **options)
    if not torch.equal(first, again):
        faults.append("another picture of the same seed")
    if (as_pixels(first[:1]) == as_pixels(beside[:1])).all():
        faults.append("the same picture of another seed")
    if apart(first[1:], beside[1:]) != (0, 0.0):
        faults.append("a picture depends on those beside it")
    return faults


def apart(a: torch.Tensor, b: torch.Tensor) -> tuple[int, float]:
    """(the largest difference in levels, the share of pixels that differ) of two sets as bytes."""
    off = np.abs(as_pixels(a).astype(int) - as_pixels(b).astype(int))
    return int(off.max()), float((off.max(1) > 0).mean())


def faults_of_batch(net: nn.Module, count: int = 64, **options: object) -> list[str]:
    """At most one level in at most 0.1 % of the pixels by batches of 1, 7 and 64; nothing at all by the same size."""
    seeds = list(range(count))

    def drawn(batch: int) -> torch.Tensor:
        parts = [seeds[start : start + batch] for start in range(0, count, batch)]
        return torch.cat([net.sample(generators(part), labels_of(part), **options) for part in parts])

    whole = drawn(64)
    faults = [] if torch.equal(whole, drawn(64)) else ["not the same at the same size"]
    for batch in (1, 7):
        levels, share = apart(whole, drawn(batch))
        if levels > 1 or share > 0.001:
            faults.append(f"by {batch}: {levels} levels, {share:.2%}")
    return faults


def faults_of_labels(net: nn.Module, conditional: bool, **options: object) -> list[str]:
    """With labels another picture for another one, and only for that one; without them the label does nothing."""
    seeds = [1, 2]
    zeros = net.sample(generators(seeds), torch.tensor([0, 0]), **options)
    mixed = net.sample(generators(seeds), torch.tensor([0, 7]), **options)
    faults = [] if apart(zeros[:1], mixed[:1]) == (0, 0.0) else ["the label of another picture matters"]
    matters = apart(zeros[1:], mixed[1:])[0] > 0
    if matters != conditional:
        faults.append("the label " + ("matters" if matters else "does nothing"))
    return faults


Outputs = Callable[[nn.Module, int], tuple[torch.Tensor, ...]]


def outputs_of_vae(net: nn.Module, count: int) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(0)
    x, noise = torch.randn(count, 3, 32, 32, generator=rng), torch.randn(count, net.latent, generator=rng)
    return net(x, torch.arange(count), noise)


def outputs_of_dcgan(net: nn.Module, count: int) -> tuple[torch.Tensor, ...]:
    return (
        net(torch.randn(count, net.latent, generator=torch.Generator().manual_seed(0)), torch.arange(count)),
    )


def outputs_of_ddpm(net: nn.Module, count: int) -> tuple[torch.Tensor, ...]:
    x = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return (net(x, torch.arange(count) * 100, torch.arange(count)),)


OUTPUTS: dict[str, Outputs] = {
    "vae": outputs_of_vae,
    "dcgan": outputs_of_dcgan,
    "ddpm": outputs_of_ddpm,
    "ddpm-published": outputs_of_ddpm,
}


def faults_of_gradient(net: nn.Module, outputs: Outputs) -> list[str]:
    """Parameters without a gradient after two steps: what starts at zero needs one each to let it through."""
    net.train()
    for rate in (0.1, 0.1, 0.0):
        net.zero_grad(set_to_none=True)
        sum((each - 0.3).square().mean() for each in outputs(net, 8)).backward()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
    return [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize("name", GENERATORS)
def test_pictures(name: str) -> None:
    assert faults_of_pictures(small(name), **QUICK.get(name, {})) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_a_picture_is_its_seeds(name: str) -> None:
    assert faults_of_seed(small(name), **QUICK.get(name, {})) == []


@pytest.mark.parametrize("sampler", ["dpm", "ddpm"])
def test_a_picture_is_its_seeds_by_every_sampler(sampler: str) -> None:
    assert faults_of_seed(small("ddpm"), sampler=sampler, steps=3) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_the_batch_makes_no_difference(name: str) -> None:
    assert faults_of_batch(small(name), **QUICK.get(name, {})) == []


@pytest.mark.parametrize("sampler", ["dpm", "ddpm"])
def test_the_batch_makes_no_difference_by_any_sampler(sampler: str) -> None:
    assert faults_of_batch(small("ddpm"), 14, sampler=sampler, steps=3, guidance=1.5) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_the_label_decides_what_is_drawn(name: str) -> None:
    net = small(name)
    assert faults_of_labels(net, net.conditional, **QUICK.get(name, {})) == []


def test_the_label_does_nothing_where_none_was_learnt() -> None:
    for name in ("dcgan", "ddpm"):
        plain, quick = small(name, conditional=False), QUICK.get(name, {})
        assert faults_of_labels(plain, False, **quick) == []
        asked = plain.sample(generators([1]), torch.tensor([3]), **quick)
        assert torch.equal(asked, plain.sample(generators([1]), **quick))
    assert faults_of_labels(small("ddpm"), False, steps=4, guidance=0.0) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_every_parameter_receives_a_gradient(name: str) -> None:
    assert faults_of_gradient(models.build(name, CLASSES, seed=0, **SMALL[name]), OUTPUTS[name]) == []


@pytest.mark.parametrize("name", ["dcgan", "ddpm"])
def test_what_is_told_no_class_has_no_parameter_for_it(name: str) -> None:
    net = models.build(name, CLASSES, seed=0, **SMALL[name], conditional=False)
    assert faults_of_gradient(net, OUTPUTS[name]) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_the_parameters_are_as_many_as_written_down(name: str) -> None:
    with torch.device("meta"):
        assert models.parameter_count(GENERATORS[name].build(CLASSES)) == PARAMETERS[name]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_weights_follow_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = models.build(name, CLASSES, seed=5, **SMALL[name]).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(17)
    second, third = (models.build(name, CLASSES, seed=seed, **SMALL[name]).state_dict() for seed in (5, 6))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], third[key]) for key in first)


@pytest.mark.parametrize("name", GENERATORS)
def test_convolutions_lie_channels_last(name: str) -> None:
    net = models.build(name, CLASSES, seed=0, **SMALL[name])
    kernels = [p for p in net.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    assert kernels and all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_every_entry_says_what_it_is() -> None:
    for name, spec in GENERATORS.items():
        assert spec.task in ("vae", "gan", "diffusion") and spec.paper and spec.stem
        assert not spec.pooled_linear and not spec.layers, f"{name}: nothing to look into for a class"
    assert set(PARAMETERS) == set(SMALL) == set(OUTPUTS) == set(GENERATORS)


# Bytes and back


def test_every_byte_comes_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(12).view(1, 3, 32, 32)
    signed = as_signed(pixels)
    assert signed.dtype == torch.float32 and (signed.min(), signed.max()) == (-1, 1)
    assert signed.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(as_pixels(signed), pixels.numpy()) and as_pixels(signed).flags.c_contiguous


def test_what_lies_outside_is_cut_off_and_what_lies_between_is_rounded() -> None:
    """Truncated, the second would be 253; wrapped around, the last two would be 254 and 2."""
    signed = torch.tensor([-1.01, 2 * 253.9 / 255 - 1, 1.004, 1.02, -9.0, 9.0]).view(1, 1, 1, 6)
    assert as_pixels(signed).ravel().tolist() == [0, 254, 255, 255, 0, 255]


# The planted faults


class Toy(nn.Module):
    """A generator of one layer, and sound; each fault below spoils one thing."""

    latent, conditional = 4, True

    def __init__(self):
        super().__init__()
        self.told, self.exit = nn.Embedding(CLASSES, 4), nn.Linear(4, 3 * 32 * 32)

    def noise(self, seeds: Sequence[torch.Generator]) -> torch.Tensor:
        return torch.stack([torch.randn(4, generator=each) for each in seeds])

    def forward(self, z, labels):
        return torch.tanh(self.exit(z + self.told(labels))).view(-1, 3, 32, 32)

    @torch.no_grad()
    def sample(self, seeds, labels, on_step=None):
        pictures = self(self.noise(seeds), labels)
        if on_step:
            on_step(1, 1, pictures, pictures)
        return pictures


def outputs_of_toy(net: nn.Module, count: int) -> tuple[torch.Tensor, ...]:
    return (net(torch.ones(count, 4), torch.arange(count)),)


def test_the_laws_pass_a_sound_model() -> None:
    torch.manual_seed(0)
    toy = Toy()
    assert (
        faults_of_pictures(toy)
        == faults_of_seed(toy)
        == faults_of_batch(toy)
        == faults_of_labels(toy, True)
        == []
    )
    assert faults_of_gradient(toy, outputs_of_toy) == []


def drawn_wrong(change: Callable[[torch.Tensor], torch.Tensor]) -> Toy:
    class Fault(Toy):
        def forward(self, z, labels):
            return change(super().forward(z, labels))

    return Fault()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda x: 1.5 * x, "from -1.5"), (lambda x: x / 0 * 0, "from nan"), (lambda x: x * 0, "two pictures"),
        (lambda x: x.double(), "float64"), (lambda x: x[:, :1], "(3, 1, 32, 32)"),
    ],
)  # fmt: skip
def test_pictures_that_are_none_are_caught(change: Callable, found: str) -> None:
    torch.manual_seed(0)
    net = drawn_wrong(change)
    with torch.no_grad():
        net.exit.weight.mul_(20)  # well into both ends
    assert any(found in fault for fault in faults_of_pictures(net))


def test_pictures_with_a_gradient_and_steps_that_nobody_is_told_are_caught() -> None:
    class Fault(Toy):
        def sample(self, seeds, labels, on_step=None):
            return self(self.noise(seeds), labels)

    class Silent(Toy):
        def sample(self, seeds, labels, on_step=None):
            return super().sample(seeds, labels)

    assert "with gradient: True" in faults_of_pictures(Fault())[0]
    assert faults_of_pictures(Silent()) == ["on_step was told []"]


def test_noise_from_elsewhere_is_caught() -> None:
    class Global(Toy):
        def noise(self, seeds):
            return torch.randn(len(seeds), 4)

    class OneForAll(Toy):
        def noise(self, seeds):
            return torch.randn(len(seeds), 4, generator=seeds[0])

    class Deaf(Toy):
        def noise(self, seeds):
            return torch.randn(len(seeds), 4, generator=torch.Generator().manual_seed(0))

    torch.manual_seed(0)
    found = faults_of_seed(Global())
    assert {"the global generator moved", "another picture of the same seed"} <= set(found)
    assert faults_of_seed(OneForAll()) == ["a picture depends on those beside it"]
    assert faults_of_seed(Deaf()) == ["the same picture of another seed"]
    assert len(faults_of_batch(OneForAll())) == 2


def test_a_picture_that_depends_on_its_batch_is_caught() -> None:
    class Fault(Toy):
        def forward(self, z, labels):
            z = z - z.mean(0)  # as BatchNorm does that was left in training mode
            return super().forward(z, labels)

    torch.manual_seed(0)
    assert faults_of_seed(Fault()) == ["a picture depends on those beside it"]
    assert [fault.split(":")[0] for fault in faults_of_batch(Fault())] == ["by 1", "by 7"]


def test_a_batch_that_is_not_the_same_again_is_caught() -> None:
    class Fault(Toy):
        drawn = 0

        def forward(self, z, labels):
            self.drawn += 1
            return super().forward(z + 1e-3 * self.drawn, labels)

    assert faults_of_batch(Fault())[0] == "not the same at the same size"


def test_labels_that_are_not_heard_or_heard_too_often_are_caught() -> None:
    class Deaf(Toy):
        def forward(self, z, labels):
            return super().forward(z, labels * 0)

    class Common(Toy):
        def forward(self, z, labels):
            return super().forward(z, labels.sum().expand(len(labels)))

    torch.manual_seed(0)
    assert faults_of_labels(Deaf(), True) == ["the label does nothing"]
    assert faults_of_labels(Common(), True) == ["the label of another picture matters"]
    assert faults_of_labels(Toy(), False) == ["the label matters"]


def test_a_parameter_that_learns_nothing_is_caught() -> None:
    class Fault(Toy):
        def __init__(self):
            super().__init__()
            self.forgotten = nn.Linear(2, 2)

        def forward(self, z, labels):
            return torch.tanh(self.exit(z + self.told(labels).detach())).view(-1, 3, 32, 32)

    assert faults_of_gradient(Fault(), outputs_of_toy) == [
        "told.weight",
        "forgotten.weight",
        "forgotten.bias",
    ]
