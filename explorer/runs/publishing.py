"""From a run to a shipped checkpoint: stored small, calibrated, tested."""

import dataclasses
import io
import os
import secrets
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints, files
from explorer.checkpoints import Card
from explorer.data import load, spread, valid_name
from explorer.reach import allow
from explorer.runs import over_time, scoring
from explorer.runs.folder import folder_of, result
from explorer.runs.making import pictures
from explorer.text import N_

LEARNED_FROM = (
    5000  # training pictures for the class means: of two such samples they agree to a cosine of 0.999
)


PREDICTING = N_("Predicting")


def publish(
    name: str,
    checkpoint: str,
    purpose: str = "",
    storage_dtype: str = "float16",
    on_step: scoring.Step | None = None,
) -> Card:
    """Turn a run's result into checkpoints/CHECKPOINT: stored small, calibrated on its held-out pictures, tested; of a
    generator 5,000 pictures are drawn and scored instead.

    What is calibrated, tested and stored are the weights as they lie on disk, after rounding. The test split is read
    once; plain, 2-view and 6-view predictions are stored beside the weights. Until all this is done, a checkpoint that
    had the name before stays in its place. on_step: (done, of how many, what: an English sentence for t())
    """
    allow("publish")
    source = checkpoints.load(result(name))
    config = files.read_json(folder_of(name) / "config.json")
    target = checkpoints.root() / valid_name(checkpoint, "checkpoint")
    card = dataclasses.replace(source.card, metrics={}, storage_dtype=storage_dtype, purpose=purpose)
    files.sweep(checkpoints.root())
    stage = checkpoints.root() / f"{files.TEMPORARY}{secrets.token_hex(8)}"

    def told(done: int, total: int, what: str = PREDICTING) -> None:
        os.utime(stage)  # it may take an hour: nobody is to sweep it away meanwhile
        if on_step:
            on_step(done, total, what)

    try:
        checkpoints.save(stage / checkpoint, source.model, card)
        if card.task == "classifier":
            card, extra = _examined(stage / checkpoint, config, told)
        else:
            loaded = checkpoints.load(stage / checkpoint)
            card, extra = scoring.examined(loaded, told)
            extra |= over_time.grids(name) | over_time.measured(name, loaded, told)
        checkpoints.update(stage / checkpoint, card, extra)
        with files.writing(target):
            checkpoints.move(stage / checkpoint, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return card


def zipped(name: str) -> bytes:
    """A run's result as a ZIP of a folder in Hugging Face layout: weights, config, README with the card, manifest."""
    allow("export")
    found = checkpoints.load(result(name), "cpu")
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / name
        checkpoints.save(stage, found.model, found.card)
        with zipfile.ZipFile(buffer, "w") as archive:  # weights do not get smaller by packing
            for path in sorted(stage.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def _examined(folder: Path, config: dict[str, Any], on_step) -> tuple[Card, dict[str, bytes]]:
    """The card of a checkpoint with its calibration and test results; class means and predictions as files."""
    from explorer.analysis import novelty, predict
    from explorer.analysis.calibration import calibrate

    loaded = checkpoints.load(folder)
    card, extra = loaded.card, {}
    train, held = pictures(config)
    if held is not None:
        found = predict.predict_set(loaded, held, on_step=on_step)
        fitted = calibrate(found.logits, found.labels)
        some = spread(len(train), LEARNED_FROM)
        means = novelty.class_means(
            predict.embeddings(loaded, train.images[some]), train.labels[some], len(card.classes)
        )
        extra[checkpoints.CLASS_MEANS] = _npy(means)
        alike = novelty.similarity(predict.embeddings(loaded, held.images), means)
        card = dataclasses.replace(
            card,
            temperature=fitted.temperature,
            threshold=novelty.threshold_for(alike),
            calibrated_on=f"{held.name}, held-out, n = {len(held)}, fingerprint {held.fingerprint[:16]}",
            metrics={"held-out": {"accuracy": _accuracy(found), "n": len(held)}},
        )
    test = load(config["data"], "test")
    scores = {"n": len(test), "data_fingerprint": test.fingerprint}
    mirrors = (
        config["recipe"]["flip"] != "none"
    )  # a mirrored 3 is no digit: views only where training flipped too
    views = checkpoints.VIEWS if mirrors else (1,)
    for found in predict.predict_set_by_views(loaded, test, views, on_step):
        scores["accuracy" if found.views == 1 else f"accuracy_{found.views}_views"] = _accuracy(found)
        extra[checkpoints.prediction_file("test", found.views)] = predict.packed(found)
    recipe = card.recipe | {"changed": scoring.changed(card.recipe)}
    return dataclasses.replace(card, metrics=card.metrics | {"test": scores}, recipe=recipe), extra


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _accuracy(found: Any) -> float:
    return float((found.predicted == found.labels).mean())
