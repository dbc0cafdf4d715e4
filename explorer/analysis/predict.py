"""Run a classifier over pictures: the one function through which every forward goes, and its stored results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explorer import checkpoints
from explorer.analysis.calibration import softmax
from explorer.checkpoints import Loaded
from explorer.data import ImageSet
from explorer.text import Problem

BATCH = 250  # pictures a forward


@dataclass(frozen=True)
class Predictions:
    """Logits of one checkpoint on one split.

    logits: float32 (N, K), averaged over the views;  labels: int64 (N,);  fingerprint: of the pictures
    """

    logits: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    data: str
    split: str
    views: int
    fingerprint: str
    checkpoint_sha256: str

    @property
    def predicted(self) -> np.ndarray:
        """The class with the highest logit, int64 (N,)."""
        return self.logits.argmax(1)

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """softmax(logits / temperature), float32 (N, K)."""
        return softmax(self.logits, temperature)

    def __len__(self) -> int:
        return len(self.labels)


def _shifted(x):
    """The picture moved by one pixel along each diagonal of the picture, the border reflected: two of (B, 3, H, W)."""
    import torch.nn.functional as F

    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    height, width = x.shape[2:]
    return padded[:, :, :height, :width], padded[:, :, 2 : 2 + height, 2 : 2 + width]


def averaged(model: Callable, x, views: int):
    """Logits, or whatever rows `model` makes, averaged over views of normalised x (B, 3, H, W).

    1: the picture; 2: it and its mirror image; 6: these (weight 1/2) and those of two diagonal shifts by one pixel
    (weight 1/4 each), as in airbench.
    """
    return _each(model, x, views)[views]


def _each(model: Callable, x, most: int) -> dict:
    """`averaged` over 1, 2 and 6 views, as far as `most`, in as many forwards as the last one needs."""
    found = {1: model(x)}
    if most >= 2:
        found[2] = (found[1] + model(x.flip(3))) / 2
    if most >= 6:
        moved = [(model(shifted) + model(shifted.flip(3))) / 2 for shifted in _shifted(x)]
        found[6] = found[2] / 2 + sum(moved) / 4
    return found


def logits(
    loaded: Loaded,
    images: np.ndarray,
    views: int = 1,
    batch: int = BATCH,
    on_step: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """float32 (N, K) logits of uint8 (N, 3, 32, 32) pictures.

    Takes the model's lock batch by batch, so that many sessions share one model and a long pass lets short ones in.
    on_step(done, total) is called after every batch.
    """
    return logits_by_views(loaded, images, (views,), batch, on_step)[views]


def logits_by_views(
    loaded: Loaded,
    images: np.ndarray,
    views: Sequence[int] = checkpoints.VIEWS,
    batch: int = BATCH,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[int, np.ndarray]:
    """`logits` for several numbers of views at once, which costs no more than the largest alone."""
    import torch

    _check(*views)

    def run(x):
        found = _each(loaded.model, x, max(views))
        return torch.cat([found[each] for each in views], 1)

    together = forwards(loaded, images, run, len(views) * len(loaded.card.classes), batch, on_step)
    return dict(zip(views, np.split(together, len(views), axis=1), strict=True))


def _check(*views: int) -> None:
    for each in views:
        if each not in checkpoints.VIEWS:
            raise Problem("{views} views are not offered; use one of {known}.", views=each, known="1, 2, 6")


def embeddings(
    loaded: Loaded,
    images: np.ndarray,
    views: int = 1,
    batch: int = BATCH,
    on_step: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """float32 (N, C): the pooled vectors that the linear head sees, averaged over the views, of uint8 (N, 3, 32, 32)
    pictures. `head` makes of them what `logits` gives, because the mean of linear images is the image of the mean."""
    _check(views)
    model = loaded.model
    return forwards(
        loaded, images, lambda x: averaged(model.embed, x, views), model.head.in_features, batch, on_step
    )


def head(loaded: Loaded, vectors: np.ndarray) -> np.ndarray:
    """float32 (N, K) logits of embeddings (N, C)."""
    import torch

    with loaded.lock, torch.inference_mode():
        return loaded.model.head(torch.from_numpy(vectors).to(loaded.device)).float().cpu().numpy()


def check_pictures(images: np.ndarray, size: int) -> None:
    """Problem unless the pictures are uint8 (N, 3, size, size)."""
    expected = (3, size, size)
    if images.dtype != np.uint8 or images.shape[1:] != expected:
        raise Problem(
            "Expected pictures as uint8 of shape (N, {expected}), got {dtype} of shape {shape}.",
            expected=", ".join(map(str, expected)),
            dtype=images.dtype,
            shape=images.shape,
        )


def forwards(
    loaded: Loaded,
    images: np.ndarray,
    run: Callable,
    width: int,
    batch: int = BATCH,
    on_step: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """float32 (N, width): what `run` makes of normalised x (B, 3, H, W), batch by batch under the model's lock."""
    import torch

    from explorer.data.augment import normalize

    check_pictures(images, loaded.card.size)
    found = []
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(np.array(images[start : start + batch])).to(loaded.device)
        with loaded.lock, torch.inference_mode():
            x = normalize(pixels, loaded.card.mean, loaded.card.std).contiguous(
                memory_format=torch.channels_last
            )
            found.append(run(x).float().cpu().numpy())
        if on_step:
            on_step(min(start + batch, len(images)), len(images))
    return np.concatenate(found) if found else np.zeros((0, width), np.float32)


def predict_set(
    loaded: Loaded, image_set: ImageSet, views: int = 1, on_step: Callable[[int, int], None] | None = None
) -> Predictions:
    """Predictions of a checkpoint on a whole split; Problem when its classes are not the checkpoint's."""
    return predict_set_by_views(loaded, image_set, (views,), on_step)[0]


def predict_set_by_views(
    loaded: Loaded,
    image_set: ImageSet,
    views: Sequence[int] = checkpoints.VIEWS,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Predictions]:
    """`predict_set` for several numbers of views at once, which costs no more than the largest alone."""
    if image_set.classes != loaded.card.classes:
        raise Problem(
            "{name} was trained for the classes {own}; {data} has {other}.",
            name=loaded.card.name,
            own=", ".join(loaded.card.classes[:12]),
            data=image_set.name,
            other=", ".join(image_set.classes[:12]),
        )
    found = logits_by_views(loaded, image_set.images, views, on_step=on_step)
    return [
        Predictions(
            logits=found[each],
            labels=image_set.labels,
            classes=image_set.classes,
            data=image_set.name,
            split=image_set.split,
            views=each,
            fingerprint=image_set.fingerprint,
            checkpoint_sha256=loaded.card.sha256,
        )
        for each in views
    ]


def stored(name: str, split: str = "test", views: int = 1) -> Predictions:
    """The predictions kept beside a checkpoint; Missing when there are none."""
    found = checkpoints.read_predictions(name, split, views)
    classes = checkpoints.read_card(name).classes
    return Predictions(
        logits=found["logits"],
        labels=found["labels"],
        classes=classes,
        data=found["data"],
        split=found["split"],
        views=found["views"],
        fingerprint=found["fingerprint"],
        checkpoint_sha256=found["sha256"],
    )


def packed(predictions: Predictions) -> bytes:
    """The bytes under which `stored` finds these predictions again."""
    return checkpoints.pack_predictions(
        predictions.logits,
        predictions.labels,
        data=predictions.data,
        split=predictions.split,
        views=predictions.views,
        fingerprint=predictions.fingerprint,
        sha256=predictions.checkpoint_sha256,
    )
