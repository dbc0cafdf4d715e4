"""config.json: the card of a checkpoint, and README.md, the same for people."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

from explorer.checkpoints.manifest import CONFIG, read_json
from explorer.data import valid_name
from explorer.text import Problem

SCHEMA = 1  # of the card; raise it when an older program could not read a new one


@dataclass(frozen=True)
class Card:
    """config.json: what the weights are, how they came about, and what they reached.

    mean, std: of the training data, in 0..1;  size: side of the input in pixels;  sha256: of model.safetensors
    recipe: every setting of the training;  metrics: {"test": {"accuracy": 0..1, "n": pictures, ...}, "held-out": ...}
    temperature: logits are divided by it before the softmax;  threshold: the similarity with the nearest class mean
        (a cosine) below which none of the classes fits well; both fitted on held-out pictures (`calibrated_on`)
    minutes: wall time of the training;  purpose: one sentence on what the checkpoint is for
    """

    name: str
    model: str
    data: str
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    data_fingerprint: str
    task: str = "classifier"
    model_args: dict[str, Any] = field(default_factory=dict)
    size: int = 32
    parameters: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    storage_dtype: str = "float32"
    sha256: str = ""
    bytes: int = 0
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    temperature: float = 1.0
    threshold: float = 0.0
    calibrated_on: str = ""
    purpose: str = ""
    created: str = ""
    minutes: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


def read(folder: Path) -> Card:
    """The card in a folder; Problem when it is not one."""
    try:
        valid_name(folder.name, "checkpoint")
        found = read_json(folder / CONFIG)
        known = {f.name for f in dataclasses.fields(Card)}
        values = {key: value for key, value in found.items() if key in known}
        for key in ("classes", "mean", "std"):
            values[key] = tuple(values[key])
        card = Card(**values)
        wrong = _out_of_range(card)
        if wrong:
            raise ValueError(f"{wrong} is {str(getattr(card, wrong))[:80]}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Problem(
            "{name}: {file} is not a model's card: {error}", name=folder.name, file=CONFIG, error=error
        ) from error
    return dataclasses.replace(card, name=folder.name)


def _out_of_range(card: Card) -> str:
    """The first field of a card whose value cannot be; "" when all can."""
    for each in dataclasses.fields(Card):
        kind = get_origin(each.type) or each.type
        if not isinstance(getattr(card, each.name), (int, float) if kind is float else kind):
            return each.name
    finite = [number for number in (*card.mean, *card.std) if isinstance(number, (int, float))]
    results = card.metrics.values()
    fine = {
        "schema": 1 <= card.schema <= SCHEMA,
        "classes": 2 <= len(card.classes) <= 100_000 and all(isinstance(name, str) for name in card.classes),
        "mean": len(card.mean) == 3 and len(finite) == len(card.mean) + len(card.std),
        "std": len(card.std) == 3 and all(map(math.isfinite, finite)) and min(card.std) > 0,
        "size": 1 <= card.size <= 4096,
        "temperature": 0 < card.temperature < math.inf,
        "threshold": -1 <= card.threshold <= 1,
        "metrics": all(isinstance(found, dict) for found in results)
        and all(isinstance(found.get("accuracy", 0), (int, float)) for found in results)
        and all(isinstance(found.get("n", 0), int) for found in results),
    }
    return next((name for name, holds in fine.items() if not holds), "")


def readme(card: Card) -> str:
    """The card for people, with Hugging Face's metadata block (model-index) at its head."""
    test = card.metrics.get("test", {})
    lines = ["---", "library_name: pytorch", "license: apache-2.0", "pipeline_tag: image-classification"]
    if "accuracy" in test:
        lines += [
            "model-index:",
            f"- name: {card.name}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {card.data}, type: {card.data}, split: test}}",
            "    metrics:",
            f"    - {{type: accuracy, value: {test['accuracy']:.4f}, name: 'accuracy, test, n = {test['n']}, plain'}}",
        ]
    lines += ["---", "", f"# {card.name}", "", card.purpose, ""]
    fitted = card.calibrated_on or "-"
    facts = {
        "model": f"{card.model}, {card.parameters:,} parameters, stored as {card.storage_dtype}",
        "data": f"{card.data}, fingerprint `{card.data_fingerprint[:16]}`",
        "classes": ", ".join(card.classes),
        "input": f"{card.size}x{card.size} RGB, (x / 255 - {card.mean}) / {card.std}",
        "seed": str(card.seed),
        "training": f"{card.minutes:.1f} minutes",
        "calibration": f"temperature {card.temperature:.3f}, threshold {card.threshold:.3f} ({fitted})",
        "weights": f"sha256 `{card.sha256}`, {card.bytes:,} bytes",
    }
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += ["", "## Results", "", "| split | n | accuracy | how |", "|---|---|---|---|"]
    for split, found in card.metrics.items():
        for key, how in (
            ("accuracy", "plain"),
            ("accuracy_2_views", "2 views"),
            ("accuracy_6_views", "6 views"),
        ):
            if key in found:
                lines.append(f"| {split} | {found['n']:,} | {found[key]:.4f} | {how} |")
    lines += ["", "## Recipe", "", "```json", json.dumps(card.recipe, indent=1), "```", ""]
    return "\n".join(lines)
