"""Runs that nobody trained: their folders as a training would leave them, in a moment."""

import io
from typing import Any

import numpy as np
from PIL import Image

from explorer import data, files, runs
from explorer.runs import folder as folders
from explorer.training import recipe_class

EVALUATED, EACH = 4, 30  # times, and steps from one to the next
KID = 0.0123  # at the second


def made_up_run(name: str, model: str, state: str = "done", epochs: float = 4, **options: Any) -> str:
    """A run on the digits with metrics of every measure that its steps log, an evaluation at the end of each quarter
    (of a GAN the second is the best), and for what draws a grid of scans that come out of the noise."""
    runs.create(model, "digits", name=name, epochs=epochs, device="cpu", **options)
    folder, config = runs.folder_of(name), runs.config_of(name)
    kind, total = recipe_class(model), EVALUATED * EACH
    draws = kind.task != "classifier"
    rng = np.random.default_rng(len(name))
    folders.append(folder, {"attempt": 1, "step": 0, "resumed": True})
    for step in range(EACH // 3, total + 1, EACH // 3):
        share = step / total
        values = {
            "loss": 2 - share, "accuracy": share, "d_loss": 1.2 - share / 3, "d_accuracy": 0.5 + share / 4,
            "gradient_norm": 3 - share, "d_gradient_norm": 1 + share, "reconstruction": -2000 - 900 * share,
            "kl": 20 + 5 * share,
        }  # fmt: skip
        row = {
            "attempt": 1, "step": step, "epoch": epochs * share, **{key: values[key] for key in kind.measures},
            "lr": config["recipe"]["lr"], "images_per_second": 800.0, "time": 1.7e9 + step,
        }  # fmt: skip
        if kind.task == "vae":
            row["loss"] = values["reconstruction"] + values["kl"]
        if step % EACH == 0:
            at = step // EACH
            if kind.task == "classifier":
                row |= {"held_out_accuracy": 0.5 + 0.1 * at}
            if kind.task == "gan":
                row |= {"held_out_kid": (0.3, KID, 0.02, 0.05)[at - 1]}
            else:
                row |= {"held_out_loss": row["loss"] + (at - 2) ** 2}
            if draws:
                files.write_bytes(
                    folder / "grids" / f"{folders.step_name(step)}.png", scans(at / EVALUATED, rng)
                )
        folders.append(folder, row)
    classes = data.load("digits", "train").classes
    files.write_json(folder / "card.json", {"classes": list(classes)})
    held = {"judged": row.get(f"held_out_{kind.judged_by[0]}")} | ({} if draws else {"held_out": 0.9})
    said = {"state": state, "step": total, "total": total, "epoch": epochs}
    files.write_json(folder / "state.json", said | held)
    return name


def scans(share: float, rng: np.random.Generator) -> bytes:
    """Five rows of the ten digits as PNG, of which noise leaves this share."""
    train = data.load("digits", "train")
    picked = [np.flatnonzero(train.labels == k)[row] for row in range(5) for k in range(10)]
    noise = rng.integers(0, 256, (50, 3, 32, 32))
    images = (share * train.images[picked] + (1 - share) * noise).astype(np.uint8)
    rows = [np.concatenate(list(images[k : k + 10]), 2) for k in range(0, 50, 10)]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows, 1).transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()
