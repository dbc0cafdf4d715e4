"""The nets: MODELS says how to build each one and what it is good for. A new one is a file and a line here.

Every classifier offers `features(x)` (the last map), `embed(x)` (the pooled vector), `head` (Linear, from that vector
to the logits) and `forward(x)` (logits); x is float (B, 3, 32, 32), normalised with the mean and standard deviation of
the data that the checkpoint names.

Every generator offers `sample(generators, labels, ..., on_step)`: a picture for each CPU generator, of the class in
`labels`, as float32 (B, 3, 32, 32) from -1 to 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from explorer.models import dcgan, ddpm, drn, fastnet, lenet, resnet, vae
from explorer.text import N_, Problem


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a net before it is built.

    build: number of classes -> module, freshly initialised from torch's global generator
    stem: how it takes 32x32 pictures;  precision: "conv" or "depthwise" (see device.precision)
    layers: names of the modules that one looks into, in order; the last makes the map that `features` returns
    pooled_linear: logits = Linear(mean of the last map), so that a class activation map is exact
    dead: beginning of a weight's name -> share of its elements without a gradient at 32x32 (see analysis.dead_weights)
    weights: where its weights come from, (repository, revision): such a net is not trained here, only drawn with
    init: called once before training with (model, normalised float training pictures (N, 3, 32, 32))
    """

    build: Callable[..., nn.Module]
    task: str
    paper: str
    stem: str
    layers: tuple[str, ...] = ()
    precision: str = "conv"
    pooled_linear: bool = True
    weights: tuple[str, str] | None = None
    init: Callable[[nn.Module, torch.Tensor], None] | None = None
    dead: Mapping[str, float] = field(default_factory=dict)


_RESNET = {
    "task": "classifier",
    "paper": "He et al. 2015, arXiv 1512.03385",
    "stem": N_("3x3 stride 1, no max-pool: the last map is 4x4"),
    "layers": ("conv1", "layer1", "layer2", "layer3", "layer4"),
}
_DRN = {
    "task": "classifier",
    "paper": "Yu et al. 2017, arXiv 1705.09914",
    "layers": ("entry", *(f"level{k}" for k in range(1, 9))),
}
_FIXED = {"stem": N_("3x3, no stride in level 2: the last map is 8x8")}
_PUBLISHED = {
    "stem": N_("7x7, strides as for 224 pixels: the last map is 4x4"),
    "dead": {f"level6.{block}.conv{k}.": 8 / 9 for block in (0, 1) for k in (1, 2)},
}
MODELS: dict[str, ModelSpec] = {
    "lenet": ModelSpec(
        lenet.LeNet,
        task="classifier",
        paper="LeCun et al. 1998",
        stem=N_("5x5 without padding, two max-pools: the last map is 5x5"),
        layers=("conv1", "conv2", "pool"),
        dead={"fc1.": 0.06, "fc2.": 0.18, "head.": 0.10},  # units that are asleep at the start
        pooled_linear=False,
    ),
    "fastnet": ModelSpec(
        fastnet.fastnet,
        task="classifier",
        paper="after Jordan 2024, arXiv 2404.00498",
        stem=N_("frozen 2x2 whitening, three max-pools: the last map is 4x4"),
        layers=("whiten", "groups.0", "groups.1", "groups.2"),
        init=fastnet.init_whitening,
    ),
    "resnet18": ModelSpec(resnet.resnet18, **_RESNET),
    "resnet34": ModelSpec(resnet.resnet34, **_RESNET),
    "resnet50": ModelSpec(resnet.resnet50, **_RESNET),
    "resnet101": ModelSpec(resnet.resnet101, **_RESNET),
    "drn-c-26": ModelSpec(drn.drn_c_26, **_DRN, **_FIXED),
    "drn-d-22": ModelSpec(drn.drn_d_22, **_DRN, **_FIXED),
    "drn-c-26-published": ModelSpec(drn.drn_c_26_published, **_DRN, **_PUBLISHED),
    "drn-d-22-published": ModelSpec(drn.drn_d_22_published, **_DRN, **_PUBLISHED),
    "vae": ModelSpec(
        vae.VAE,
        task="vae",
        paper="Kingma and Welling 2014, arXiv 1312.6114",
        stem=N_("three strided convolutions down to 4x4, a code, and back"),
        pooled_linear=False,
    ),
    "dcgan": ModelSpec(
        dcgan.DCGAN,
        task="gan",
        paper="Radford et al. 2016, arXiv 1511.06434",
        stem=N_("transposed convolutions from 4x4 to 32x32"),
        pooled_linear=False,
    ),
    "ddpm": ModelSpec(
        ddpm.DDPM,
        task="diffusion",
        paper="Ho et al. 2020, arXiv 2006.11239",
        stem=N_("2x2 patches: a U-Net at 16x16 and 8x8, attention at 8x8"),
        pooled_linear=False,
    ),
    "ddpm-published": ModelSpec(
        ddpm.Published,
        task="diffusion",
        paper="Ho et al. 2020, arXiv 2006.11239",
        stem=N_("the paper's U-Net at full size, weights from elsewhere"),
        pooled_linear=False,
        weights=("google/ddpm-cifar10-32", "267b167dc01f0e4e61923ea244e8b988f84deb80"),
    ),
}
CLASSIFIERS = {name: spec for name, spec in MODELS.items() if spec.task == "classifier"}
GENERATORS = {name: spec for name, spec in MODELS.items() if spec.task != "classifier"}


def spec(name: str) -> ModelSpec:
    """The entry of a model; Problem that lists the known ones otherwise."""
    if name not in MODELS:
        raise Problem(
            "Unknown model {name}; known: {known}.", name=repr(str(name)[:80]), known=", ".join(MODELS)
        )
    return MODELS[name]


def build(name: str, classes: int, seed: int | None = None, **args: object) -> nn.Module:
    """A fresh net in training mode, channels last; with a seed its initial weights depend on nothing else."""
    found = spec(name)
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return found.build(classes, **args).to(memory_format=torch.channels_last)


def parameter_count(model: nn.Module) -> int:
    """The number of learnt values, frozen ones included, buffers left out."""
    return sum(parameter.numel() for parameter in model.parameters())
