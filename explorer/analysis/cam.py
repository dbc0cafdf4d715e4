"""Class activation maps: where in a picture is the evidence for a class, and against it?

    maps = explain(loaded, pictures, "cam")          # every class, at the last map

CAM_METHODS holds the methods, each a short function over one `Captured` forward pass: add one there, and commands,
pages and laws take it up. Maps are raw: float32, signed, in the units of the method, at the layer's own resolution.
`relu`, `scaled` and `enlarged` make of them what is drawn. Nothing outlives a call: no hook, no mode, no gradient.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from explorer import models
from explorer.analysis.layers import hooked, map_of, module_of
from explorer.analysis.passes import OnStep
from explorer.checkpoints import Loaded
from explorer.data.augment import normalize
from explorer.text import N_, Problem

MASKED = 64  # pictures a forward when channels are masked one by one


@dataclass
class Captured:
    """One forward pass, with the map of a layer held fast; the methods see nothing else of the net.

    x: normalised pictures (B, 3, H, W);  activations: the layer's map (B, C, h, w), without a gradient
    logits: (B, K), a function of `leaf`, a copy of the map that takes gradients
    weight, bias: of the linear layer (K, C) and (K,) when the logits are its image of the map's mean, else None
    module: the layer;  on_step: called as on_step(done, total) by methods of many forwards; what it raises ends them
    """

    model: nn.Module
    module: nn.Module
    x: torch.Tensor
    activations: torch.Tensor
    logits: torch.Tensor
    leaf: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    on_step: OnStep

    def gradients(self, classes: Sequence[int]) -> torch.Tensor:
        """d logit / d map for each class: (B, k, C, h, w). Pictures of a batch do not mix: their logits are summed."""
        last = len(classes) - 1
        found = [
            torch.autograd.grad(self.logits[:, k].sum(), self.leaf, retain_graph=n < last)[0]
            for n, k in enumerate(classes)
        ]
        return torch.stack(found, 1)


Method = Callable[[Captured, Sequence[int]], torch.Tensor]


@dataclass(frozen=True)
class MethodSpec:
    """maps: (captured, classes) -> (B, k, h, w);  title: on screen;  paper: who proposed it

    words: one sentence on what it does;  gradients: whether it needs them
    forwards: forward passes for a map of C channels, beyond the first;  blind: the map is the same for every class
    """

    maps: Method
    title: str
    paper: str
    words: str
    gradients: bool = True
    forwards: Callable[[int], int] = field(default=lambda channels: 0)
    blind: bool = False


def cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """The class's weights over the channels; its mean over the cells plus the bias is the logit."""
    if captured.weight is None:
        raise Problem(
            "CAM needs a net whose logits are linear in the mean of its last map, and that map as the layer. "
            "Choose the last layer of another net, or another method: Grad-CAM works everywhere."
        )
    return torch.einsum("kc,bchw->bkhw", captured.weight[list(classes)], captured.activations)


def grad_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Channels weighted by the mean of their gradient."""
    return _weighted(captured.gradients(classes).mean((3, 4)), captured.activations)


def grad_cam_plus_plus(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Channels weighted by their positive gradients, each cell's share by equation 19 of the paper, in float64.

    The factor exp(logit), common to all weights of a class, is left out.
    """
    g = captured.gradients(classes).double()
    a = captured.activations.double()
    below = 2 * g**2 + a.sum((2, 3))[:, None, :, None, None] * g**3
    alpha = torch.where(below == 0, 0.0, g**2 / torch.where(below == 0, 1.0, below))
    return _weighted((alpha * g.relu()).sum((3, 4)), a).float()


def xgrad_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Channels weighted by their gradient, averaged with the activations as weights; channels of sum 0 do not count."""
    a = captured.activations
    sums = a.sum((2, 3))[:, None]
    weighted = (captured.gradients(classes) * a[:, None]).sum((3, 4))
    return _weighted(torch.where(sums == 0, 0.0, weighted / torch.where(sums == 0, 1.0, sums)), a)


def layer_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Every cell of every channel weighted by its own positive gradient."""
    return (captured.gradients(classes).relu() * captured.activations[:, None]).sum(2)


def hires_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Every cell of every channel weighted by its own gradient, of either sign."""
    return (captured.gradients(classes) * captured.activations[:, None]).sum(2)


def eigen_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """The first principal component of the map, not centred, as published; its sign makes the sum positive."""
    cells = captured.activations.flatten(2)  # (B, C, h w)
    _, _, right = torch.linalg.svd(cells.transpose(1, 2).double(), full_matrices=False)
    found = torch.einsum("bcn,bc->bn", cells.double(), right[:, 0])
    found = found * torch.where(found.sum(1, keepdim=True) < 0, -1, 1)
    found = found.unflatten(1, captured.activations.shape[2:]).float()
    return found[:, None].repeat(1, len(classes), 1, 1)


def score_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Channels weighted by the logit of the picture seen through them: softmax over the channels."""
    a = captured.activations

    def seen(picture: int, channels: slice) -> torch.Tensor:
        masks = enlarged(scaled(a[picture, channels]), captured.x.shape[2:])
        return captured.model(captured.x[picture] * masks[:, None])

    return _weighted(_through_channels(captured, seen, classes).softmax(2), a)


def ablation_cam(captured: Captured, classes: Sequence[int]) -> torch.Tensor:
    """Channels weighted by how much of the logit is lost without them.

    The paper divides the loss by the logit, here by its size: a channel that helps a class whose logit is negative
    counts for it, not against it.
    """
    a = captured.activations

    def without(picture: int, channels: slice) -> torch.Tensor:
        count = len(range(*channels.indices(a.shape[1])))
        cut = a[picture].expand(count, -1, -1, -1).clone()
        cut[range(count), range(*channels.indices(a.shape[1]))] = 0
        with hooked(captured.module, lambda output: cut):
            return captured.model(captured.x[picture].expand(count, -1, -1, -1))

    kept = captured.logits.detach()[:, list(classes), None]
    lost = kept - _through_channels(captured, without, classes)
    return _weighted(lost / kept.abs().clamp_min(torch.finfo(kept.dtype).tiny), a)


def _weighted(weights: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
    """Channel weights (B, k, C) over activations (B, C, h, w) -> (B, k, h, w)."""
    return torch.einsum("bkc,bchw->bkhw", weights, activations)


def _through_channels(
    captured: Captured, run: Callable[[int, slice], torch.Tensor], classes: Sequence[int]
) -> torch.Tensor:
    """The classes' logits of run(picture, channels), for all channels: (B, k, C)."""
    count, channels = captured.activations.shape[:2]
    found = captured.activations.new_empty(count, channels, len(classes))
    for picture in range(count):
        for start in range(0, channels, MASKED):
            some = slice(start, min(start + MASKED, channels))
            with torch.no_grad():
                found[picture, some] = run(picture, some)[:, list(classes)].float()
            captured.on_step(picture * channels + some.stop, count * channels)
    return found.transpose(1, 2)


CAM_METHODS: dict[str, MethodSpec] = {
    "cam": MethodSpec(
        cam, "CAM", "Zhou et al. 2016, arXiv 1512.04150",
        N_("the weights of the last layer over its channels; adds up to the logit"), gradients=False,
    ),
    "grad-cam": MethodSpec(
        grad_cam, "Grad-CAM", "Selvaraju et al. 2017, arXiv 1610.02391",
        N_("each channel weighted by the mean of its gradient"),
    ),
    "grad-cam++": MethodSpec(
        grad_cam_plus_plus, "Grad-CAM++", "Chattopadhay et al. 2018, arXiv 1710.11063",
        N_("each channel weighted by its positive gradients, cell by cell"),
    ),
    "xgrad-cam": MethodSpec(
        xgrad_cam, "XGrad-CAM", "Fu et al. 2020, arXiv 2008.02312",
        N_("each channel weighted by its gradient where it is active"),
    ),
    "layer-cam": MethodSpec(
        layer_cam, "Layer-CAM", "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
        N_("each cell weighted by its own positive gradient"),
    ),
    "hires-cam": MethodSpec(
        hires_cam, "HiResCAM", "Draelos and Carin 2020, arXiv 2011.08891",
        N_("each cell weighted by its own gradient"),
    ),
    "eigen-cam": MethodSpec(
        eigen_cam, "Eigen-CAM", "Muhammad and Yeasin 2020, arXiv 2008.00299",
        N_("the first principal component of the map; knows no classes"), gradients=False, blind=True,
    ),
    "score-cam": MethodSpec(
        score_cam, "Score-CAM", "Wang et al. 2020, arXiv 1910.01279",
        N_("each channel weighted by the score of the picture seen through it"), gradients=False,
        forwards=lambda channels: channels,
    ),
    "ablation-cam": MethodSpec(
        ablation_cam, "Ablation-CAM", "Desai and Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360",
        N_("each channel weighted by what is lost without it"), gradients=False,
        forwards=lambda channels: channels,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Maps:
    """Maps of N pictures for some classes.

    raw: float32 (N, k, h, w), signed, before any scaling;  logits: float32 (N, K), of all classes
    classes: which k of the K;  bias: float32 (k,) where mean(raw) + bias = logit holds ("cam" only), else None
    """

    raw: np.ndarray
    logits: np.ndarray
    classes: tuple[int, ...]
    method: str
    layer: str
    bias: np.ndarray | None = None


def explain(
    loaded: Loaded,
    images: np.ndarray,
    method: str = "cam",
    classes: Sequence[int] | None = None,
    layer: str | None = None,
    flip: bool = False,
    on_step: OnStep | None = None,
) -> Maps:
    """Maps of uint8 pictures (N, 3, S, S); the model's lock is held meanwhile.

    classes: indices, all by default;  layer: a module's name, by default the last map
    flip: average with the map of the mirrored picture, mirrored back
    on_step(done, total): forward passes of methods that need many; what it raises ends the work
    Raises Problem for an unknown method, class or layer, a layer whose map is 1x1, pictures of another shape.
    """
    card = loaded.card
    expected = (3, card.size, card.size)
    if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
        raise Problem(
            "Expected pictures as uint8 of shape (N, {expected}), got {dtype} of shape {shape}.",
            expected=", ".join(map(str, expected)), dtype=images.dtype, shape=images.shape,
        )  # fmt: skip
    chosen = tuple(range(len(card.classes))) if classes is None else tuple(int(k) for k in classes)
    if not chosen or any(not 0 <= k < len(card.classes) for k in chosen):
        raise Problem(
            "Classes {classes} were asked for; this model has 0 to {last}.",
            classes=", ".join(map(str, chosen)) or "-", last=len(card.classes) - 1,
        )  # fmt: skip
    layer = layer or last_layer(card.model)
    x = normalize(torch.from_numpy(images.copy()).to(loaded.device), card.mean, card.std)
    x = x.contiguous(memory_format=torch.channels_last)
    with loaded.lock:
        steps = [on_step] if on_step is None or not flip else [_half(on_step, 0), _half(on_step, 1)]
        raw, logits = maps(loaded.model, card.model, x, method, chosen, layer, steps[0])
        if flip:
            other, _ = maps(loaded.model, card.model, x.flip(3), method, chosen, layer, steps[-1])
            raw = (raw + other.flip(3)) / 2
        bias = loaded.model.head.bias if method == "cam" else None
        bias = None if bias is None else bias.detach()[list(chosen)].float().cpu().numpy()
    return Maps(raw.cpu().numpy(), logits.cpu().numpy(), chosen, method, layer, bias)


def _half(on_step: OnStep, nth: int) -> OnStep:
    """The progress of the first (0) or the second (1) of two equal parts, told as that of the whole."""
    return lambda done, total: on_step(nth * total + done, 2 * total)


def last_layer(model: str) -> str:
    """The layer before pooling, by MODELS."""
    return models.spec(model).layers[-1]


def maps(
    model: nn.Module,
    name: str,
    x: torch.Tensor,
    method: str,
    classes: Sequence[int],
    layer: str,
    on_step: OnStep | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw maps (B, k, h, w) and logits (B, K) of normalised x (B, 3, H, W); the caller holds the model's lock."""
    spec = method_spec(method)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        captured = _capture(model, name, x, layer, spec.gradients, on_step or (lambda done, total: None))
        return spec.maps(captured, classes).float(), captured.logits.detach().float()
    finally:
        for module, training in modes:
            module.training = training


def method_spec(method: str) -> MethodSpec:
    """The entry of a method; Problem that lists the known ones otherwise."""
    if method not in CAM_METHODS:
        raise Problem(
            "Unknown method {name}; known: {known}.",
            name=repr(str(method)[:80]), known=", ".join(CAM_METHODS),
        )  # fmt: skip
    return CAM_METHODS[method]


def _capture(
    model: nn.Module, name: str, x: torch.Tensor, layer: str, gradients: bool, on_step: OnStep
) -> Captured:
    kept: dict[str, Any] = {}

    def take(output: Any) -> Any:
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            raise Problem("Layer {layer} makes no map; choose a convolution or a block.", layer=repr(layer))
        # A copy: what follows may change the map in place.
        kept["map"] = output.detach().clone()
        if not gradients:
            return None
        torch.set_grad_enabled(True)  # from here on; what lies before the layer needs no graph
        kept["leaf"] = kept["map"].requires_grad_()
        return kept["leaf"].clone()

    module = module_of(model, layer)
    with torch.no_grad(), hooked(module, take):
        logits = model(x)
    if "map" not in kept:
        raise Problem("Layer {layer} is not used in a forward pass.", layer=repr(layer))
    activations = kept["map"].detach()
    if min(activations.shape[2:]) < 2:
        raise Problem(
            "The map of layer {layer} is {height}x{width}: there is no place in it. Choose an earlier layer, "
            "or a net that keeps a larger map of pictures this small.",
            layer=repr(layer), height=activations.shape[2], width=activations.shape[3],
        )  # fmt: skip
    spec = models.spec(name)
    linear = spec.pooled_linear and layer == spec.layers[-1]
    return Captured(
        model, module, x, activations, logits, kept.get("leaf"),
        model.head.weight.detach() if linear else None, model.head.bias.detach() if linear else None, on_step,
    )  # fmt: skip


def passes(loaded: Loaded, method: str, layer: str, pictures: int = 1) -> int:
    """How many forward passes the maps of so many pictures take; Problem for an unknown method or layer."""
    spec, size = method_spec(method), loaded.card.size
    x = torch.zeros(1, 3, size, size, device=loaded.device)
    with loaded.lock:
        channels = map_of(loaded.model, layer, x).shape[1]
    return pictures * (1 + spec.forwards(channels))


def estimate(loaded: Loaded, method: str, layer: str, pictures: int = 1) -> float:
    """Seconds that the maps of so many pictures will take here, from one forward of a few pictures."""
    x = torch.zeros(16, 3, loaded.card.size, loaded.card.size, device=loaded.device)
    with loaded.lock, torch.no_grad():
        count = passes(loaded, method, layer, pictures)
        begun = time.perf_counter()
        loaded.model(x)
        each = (time.perf_counter() - begun) / len(x)
    return count * each


def of_classes(found: Maps, classes: Sequence[int]) -> Maps:
    """The same maps for some of their classes only."""
    places = [found.classes.index(k) for k in classes]
    bias = None if found.bias is None else found.bias[places]
    return replace(found, raw=found.raw[:, places], classes=tuple(classes), bias=bias)


def relu(raw: np.ndarray) -> np.ndarray:
    """Only the evidence for a class: negative cells are 0."""
    return np.maximum(raw, 0)


def scaled(raw: Any) -> Any:
    """Each map (..., h, w), tensor or array, from 0 to 1 by its own least and greatest value; a flat one is 0.

    It shows where, and hides how much: print the greatest value beside it.
    """
    tensor = torch.as_tensor(raw)
    low, high = tensor.amin((-2, -1), keepdim=True), tensor.amax((-2, -1), keepdim=True)
    made = torch.where(high > low, (tensor - low) / torch.where(high > low, high - low, 1), 0)
    return made if isinstance(raw, torch.Tensor) else made.numpy()


def enlarged(raw: Any, size: tuple[int, int]) -> Any:
    """Maps (..., h, w), tensor or array, brought to `size`: bilinear between the centres of the cells.

    The one choice of this project (torch's align_corners=False, as in pytorch-grad-cam's final maps).
    """
    tensor = torch.as_tensor(raw)
    flat = tensor.reshape(-1, 1, *tensor.shape[-2:])
    made = F.interpolate(flat, size=tuple(size), mode="bilinear", align_corners=False)
    made = made.reshape(*tensor.shape[:-2], *size)
    return made if isinstance(raw, torch.Tensor) else made.numpy()


def adds_up(found: Maps) -> float:
    """The largest difference between mean(raw) + bias and the logit; nan where the method makes no such claim."""
    if found.bias is None:
        return math.nan
    sums = found.raw.mean((2, 3), dtype=np.float64) + found.bias
    return float(np.abs(sums - found.logits[:, list(found.classes)]).max())
