"""What pictures are compared by: vectors from a layer of a net, from the encoder of one, or from no net at all.

    vectors = features(loaded, pictures, "pooled")          # float32 (N, D)

LAYERS holds the choices; a new one is a function and a line there, and commands, pages and laws take it up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.analysis import predict
from explorer.analysis.hog import hog
from explorer.analysis.predict import BATCH
from explorer.checkpoints import Card, Loaded
from explorer.text import N_, Problem

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Layer:
    """title, words: for the screen;  task: of the model that it needs, None for none
    make: (loaded, uint8 pictures (N, 3, H, W), on_step) -> float32 (N, D)"""

    title: str
    words: str
    task: str | None
    make: Callable[[Loaded, np.ndarray, OnStep | None], np.ndarray]


def _pooled(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    return predict.embeddings(loaded, images, on_step=on_step)


def _max(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    model = loaded.model
    return predict.forwards(
        loaded, images, lambda x: model.features(x).amax((2, 3)), model.head.in_features, on_step=on_step
    )


def _before(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    from explorer.analysis.before import before

    model = loaded.model
    return predict.forwards(
        loaded, images, lambda x: before(model, x), model.head.in_features, on_step=on_step
    )


def _logits(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    return predict.logits(loaded, images, on_step=on_step)


def _pixels(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    return _in_batches(
        images, lambda part: part.reshape(len(part), -1).astype(np.float32) / np.float32(255), on_step
    )


def _hog(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    return _in_batches(images, hog, on_step)


def _code(loaded: Loaded, images: np.ndarray, on_step: OnStep | None) -> np.ndarray:
    import torch

    from explorer.models.pixels import as_signed

    def mean(part: np.ndarray) -> np.ndarray:
        with loaded.lock, torch.inference_mode():
            pixels = as_signed(torch.from_numpy(np.ascontiguousarray(part)).to(loaded.device))
            return loaded.model.encode(pixels, None)[0].float().cpu().numpy()

    return _in_batches(images, mean, on_step)


def _in_batches(
    images: np.ndarray, make: Callable[[np.ndarray], np.ndarray], on_step: OnStep | None
) -> np.ndarray:
    found = []
    for start in range(0, len(images), BATCH):
        found.append(make(np.array(images[start : start + BATCH])))
        if on_step:
            on_step(min(start + BATCH, len(images)), len(images))
    return np.concatenate(found)


LAYERS: dict[str, Layer] = {
    "pooled": Layer(
        N_("pooled, after the last activation"),
        N_("The mean of the last map, which the linear head sees: the net's own summary of a picture."),
        "classifier",
        _pooled,
    ),
    "max": Layer(
        N_("max-pooled, last map"),
        N_("The largest value of each channel of the last map: whether something is there, not how much."),
        "classifier",
        _max,
    ),
    "before": Layer(
        N_("pooled, before the last activation"),
        N_(
            "The same before the last activation (ReLU, in some nets GELU): what speaks against a channel counts too."
        ),
        "classifier",
        _before,
    ),
    "logits": Layer(
        N_("logits"),
        N_("One number a class: pictures are alike when the net says the same of them."),
        "classifier",
        _logits,
    ),
    "code": Layer(
        N_("latent code of the VAE"),
        N_("The mean of the code that the encoder gives a picture, over all classes it could be told."),
        "vae",
        _code,
    ),
    "pixels": Layer(
        N_("pixels"),
        N_("The 3,072 numbers of the picture itself, 0 to 1: colours at places, no net."),
        None,
        _pixels,
    ),
    "hog": Layer(
        N_("HOG, edges without a net"),
        N_("Directions of edges in cells of 8x8 pixels (Dalal and Triggs 2005), no net."),
        None,
        _hog,
    ),
}


def layers_of(of: Card) -> list[str]:
    """The layers that a checkpoint offers, its own first, by its card (or what else has a `task`, as a ModelSpec)."""
    return [name for name, layer in LAYERS.items() if layer.task in (None, of.task)]


def check_layer(of: Card, layer: str) -> Layer:
    """The entry of a layer; Problem that lists what the checkpoint offers when it does not offer this one."""
    if layer not in layers_of(of):
        raise Problem(
            "{name} has no features {layer}; it offers: {known}.",
            name=of.name, layer=repr(layer[:80]), known=", ".join(layers_of(of)),
        )  # fmt: skip
    return LAYERS[layer]


def features(
    loaded: Loaded, images: np.ndarray, layer: str = "pooled", on_step: OnStep | None = None
) -> np.ndarray:
    """float32 (N, D) of uint8 (N, 3, 32, 32) pictures, N >= 1; on_step(done, total) after every batch.

    Raises Problem for a layer that the checkpoint does not offer, other pictures, and features that are not finite.
    """
    make = check_layer(loaded.card, layer).make
    predict.check_pictures(images, loaded.card.size)
    if not len(images):
        raise Problem("Expected at least {least} pictures, got {n}.", least=1, n=0)
    found = make(loaded, images, on_step)
    if not np.isfinite(found).all():
        raise Problem("The features hold values that are not finite numbers.")
    return found
