"""Checkpoints that were never trained, with made-up predictions: for tests of what stands on top of them."""

import dataclasses
from pathlib import Path

import numpy as np

from explorer import checkpoints, data, models
from explorer.analysis.predict import Predictions, packed
from explorer.data import cifar10, sheet


def logits_of(labels: np.ndarray, seed: int, lead: float) -> np.ndarray:
    """float32 (N, 10): noise, the true class ahead by `lead`, and 3s that look a lot like 5s."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), 10))
    logits[np.arange(len(labels)), labels] += lead
    logits[labels == 3, 5] += 2
    return (1.5 * logits).astype(np.float32)


def made_up_checkpoints(root: Path) -> Path:
    """digits-a and digits-b on the digits' test split, cifar10-a on 1,000 pictures a class that are not here."""
    digits = data.load("digits", "test")
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 1000))
    labels[sheet.test_indices()] = sheet.load("test").labels
    cases = [
        ("digits-a", "digits", digits.classes, digits.labels, digits.fingerprint, 1, 3.5),
        ("digits-b", "digits", digits.classes, digits.labels, digits.fingerprint, 2, 3.0),
        ("cifar10-a", "cifar10", cifar10.CLASSES, labels, "0" * 64, 3, 3.5),
    ]
    for name, source, classes, truth, fingerprint, seed, lead in cases:
        card = checkpoints.Card(
            name=name, model="lenet", data=source, classes=classes, mean=(0.5,) * 3, std=(0.25,) * 3,
            data_fingerprint=fingerprint, temperature=0.8, threshold=0.5, purpose="A test.",
            metrics={"test": {"accuracy": 0.9, "n": len(truth), "accuracy_6_views": 0.95}},
        )  # fmt: skip
        card = checkpoints.save(root / name, models.build("lenet", 10), card)
        for views in (1, 6):
            found = Predictions(
                logits_of(truth, seed, lead + 0.1 * views),
                truth,
                classes,
                source,
                "test",
                views,
                fingerprint,
                card.sha256,
            )
            checkpoints.update(root / name, card, {checkpoints.prediction_file("test", views): packed(found)})
    return root


def made_up_generator(root: Path, name: str = "digits-vae", **changes: object) -> checkpoints.Card:
    """A small VAE of the digits that was never trained; changes: of its card."""
    digits = data.load("digits", "test")
    card = checkpoints.Card(
        name=name, model="vae", task="vae", data="digits", classes=digits.classes, mean=digits.mean, std=digits.std,
        data_fingerprint=digits.fingerprint, model_args={"width": 16, "latent": 4}, purpose="A test.",
    )  # fmt: skip
    card = dataclasses.replace(card, **changes)
    return checkpoints.save(root / name, models.build(card.model, 10, seed=0, **card.model_args), card)


SCORES = {  # what a card keeps of 5,000 drawn pictures, in part
    "n": 5000, "milliseconds": 1.5, "sampler": "dpm", "steps": 20, "fid": 41.234, "fid_n": 5000, "fid_few": False,
    "reference": "cifar10:train", "reference_n": 50_000, "kid": 0.031,
    "precision": 0.61, "fid_infinity": None, "accuracy_score": {"accuracy": 0.62, "n": 10_000}, "counts": [1, 2],
}  # fmt: skip


def damaged_cifar10(root: Path, count: int = 1) -> None:
    """Files below `root` (EXPLORER_DATA) that look like CIFAR-10 until somebody reads them: `count` black pictures."""
    (root / "cifar10").mkdir(exist_ok=True)
    for split in cifar10.COUNT:
        np.save(root / "cifar10" / f"{split}-images.npy", np.zeros((count, 32, 32, 3), np.uint8))
        np.save(root / "cifar10" / f"{split}-labels.npy", np.zeros(count, np.int64))
