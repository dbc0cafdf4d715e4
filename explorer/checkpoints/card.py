"""config.json: the card of a checkpoint, and README.md, the same for people."""

import contextlib
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


# The scores of a generator as README.md says them, words and value: filled with what the card holds under "samples"
# (see `_flat`); a row of which something was not measured is left out.
SCORES = {
    "FID-infinity: the FID of endlessly many drawn pictures, fitted": "{fid_infinity:.2f}",
    "standard error of that fit": "{fid_infinity_error:.2f}",
    "Inception Score, {n:,} drawn pictures": "{inception_score:.2f}",
    "KID, mean and deviation of subsets of {kid_size:,} pictures": "{kid:.5f} ± {kid_std:.5f}",
    "precision in Inception features, k = 3, against {compared_with:,} {pictures}": "{precision:.3f}",
    "recall in Inception features, k = 3, against {compared_with:,} {pictures}": "{recall:.3f}",
    "density in Inception features, k = 5, against {compared_with:,} {pictures}": "{density:.3f}",
    "coverage in Inception features, k = 5, against {compared_with:,} {pictures}": "{coverage:.3f}",
    "drawn as asked, as {judge} sees {judged_n:,} drawn pictures": "{judged_class_accuracy:.1%}",
    "classes drawn, in effect (2 to the entropy), of {judged_classes_expected:.1f}": "{judged_classes_in_effect:.2f}",
    "distance of the class counts from the expected ones, in standard deviations of chance": "{judged_surprise:.1f}",
    "median distance to the nearest of {near_n_train:,} training pictures, over that of {near_n_test:,} test ones": (
        "{near_nearest_ratio:.2f}"
    ),
    "nearer to a training picture than 99 % of the test pictures": "{near_nearest_close:.2%}",
    "with a near-duplicate among the {near_n:,} drawn pictures": "{near_duplicate_rate:.2%}",
    "right on {accuracy_score_n:,} test pictures, a classifier trained on drawn pictures only": (
        "{accuracy_score_accuracy:.2%}"
    ),
    "against, with {accuracy_score_real_trained_on:,} real pictures instead of {accuracy_score_trained_on:,} drawn": (
        "{accuracy_score_real:.2%}"
    ),
    "milliseconds a picture, {device}": "{milliseconds:.2f}",
    "drawn by": "{sampler}, {steps} steps{guided}",
    "drawn pictures": "{n:,}",
}


@dataclass(frozen=True)
class Card:
    """config.json: what the weights are, how they came about, and what they reached.

    mean, std: of the training data, in 0..1;  size: side of the input in pixels;  sha256: of model.safetensors
    recipe: every setting of the training; of a scored generator or a published classifier also "changed", the names of
        those that are not as in the recipe it is named after
    metrics: {"test": {"accuracy": 0..1, "n": pictures, ...}, "held-out": ...},
        of a generator {"samples": {"n": pictures, "fid": ..., "fid_n": of how many, "reference": "cifar10:train",
        "reference_n": of how many, ...}}
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

    @property
    def conditional(self) -> bool:
        """Whether a generator is told the class."""
        return self.model != "ddpm-published" and bool(self.model_args.get("conditional", True))

    @property
    def guidable(self) -> bool:
        """Whether a diffusion model learnt to draw with the class and without it, so that it can be guided."""
        return self.conditional and self.recipe.get("label_drop") != 0


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
        and all(
            isinstance(found.get(key, 0), (int, float))
            for found in results
            for key in ("accuracy", "fid", "guidance")
        )
        and all(
            isinstance(found.get(key, 0), int)
            for found in results
            for key in ("n", "fid_n", "reference_n", "steps")
        )
        and all(isinstance(found.get(key, ""), str) for found in results for key in ("reference", "sampler")),
    }
    return next((name for name, holds in fine.items() if not holds), "")


def fid_of(samples: dict[str, Any]) -> tuple[int, int, str]:
    """What a card's FID is an FID of: (drawn pictures, pictures in the reference, "train"). Without these three a
    number says nothing, and with others it does not compare.

    samples: metrics["samples"] of a generator's card, its reference "cifar10:train"
    """
    return samples.get("fid_n", 0), samples.get("reference_n", 0), samples.get("reference", "").split(":")[-1]


def readme(card: Card) -> str:
    """The card for people, with Hugging Face's metadata block (model-index) at its head."""
    draws = card.task != "classifier"
    tag = "unconditional-image-generation" if draws else "image-classification"
    metric, results = _drawn(card) if draws else _told_apart(card)
    lines = ["---", "library_name: pytorch", "license: apache-2.0", f"pipeline_tag: {tag}"]
    if metric:
        lines += [
            "model-index:",
            f"- name: {card.name}",
            "  results:",
            f"  - task: {{type: {tag}}}",
            f"    dataset: {{name: {card.data}, type: {card.data}, split: {'train' if draws else 'test'}}}",
            "    metrics:",
            f"    - {metric}",
        ]
    lines += ["---", "", f"# {card.name}", "", card.purpose, ""]
    facts = {
        "model": f"{card.model}, {card.parameters:,} parameters, stored as {card.storage_dtype}",
        "data": f"{card.data}, fingerprint `{card.data_fingerprint[:16]}`",
        "classes": ", ".join(card.classes),
    }
    if draws:
        facts["output"] = f"{card.size}x{card.size} RGB, (x + 1) * 127.5 rounded"
    else:
        facts["input"] = f"{card.size}x{card.size} RGB, (x / 255 - {card.mean}) / {card.std}"
    facts |= {"seed": str(card.seed), "training": f"{card.minutes:.1f} minutes"}
    if not draws:
        fitted = card.calibrated_on or "-"
        facts["calibration"] = (
            f"temperature {card.temperature:.3f}, threshold {card.threshold:.3f} ({fitted})"
        )
    facts["weights"] = f"sha256 `{card.sha256}`, {card.bytes:,} bytes"
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    if results:
        lines += ["", "## Results", "", *results]
    lines += ["", "## Recipe", "", "```json", json.dumps(card.recipe, indent=1), "```", ""]
    return "\n".join(lines)


def _told_apart(card: Card) -> tuple[str, list[str]]:
    """A classifier's metric for the model-index, "" without, and its table of results, empty without any."""
    test = card.metrics.get("test", {})
    metric = ""
    if "accuracy" in test:
        name = f"accuracy, test, n = {test['n']}, plain"
        metric = f"{{type: accuracy, value: {test['accuracy']:.4f}, name: '{name}'}}"
    lines = []
    for split, found in card.metrics.items():
        for key, how in (
            ("accuracy", "plain"),
            ("accuracy_2_views", "2 views"),
            ("accuracy_6_views", "6 views"),
        ):
            if key in found:
                lines.append(f"| {split} | {found['n']:,} | {found[key]:.4f} | {how} |")
    lines += _voted(card.metrics.get("retrieval", {}))
    return metric, _table("split | n | accuracy | how", lines)


def _voted(found: dict[str, Any]) -> list[str]:
    """What the nearest training pictures vote for, by each metric, with 95 % intervals (analysis.retrieval_study)."""
    return [
        f"| test | {found['n']:,} | {found[f'{metric}_accuracy']:.4f} ({found[f'{metric}_low']:.4f} to "
        f"{found[f'{metric}_high']:.4f}) | {found['k']} nearest by {name}, {found['layer']} |"
        for metric, name in (("cosine", "cosine similarity"), ("euclidean", "Euclidean distance"))
        if f"{metric}_low" in found
    ]


def _drawn(card: Card) -> tuple[str, list[str]]:
    """The same of a generator: its scores in words, the FID first; of its training what was held out."""
    samples, metric, lines = card.metrics.get("samples", {}), "", []
    n, m, reference = fid_of(samples)
    pictures = {"train": "training pictures", "test": "test pictures"}.get(
        reference, f"pictures of {reference}"
    )
    if "fid" in samples:
        name = f"FID, {n:,} drawn against {m:,} {pictures}"
        metric = f"{{type: fid, value: {samples['fid']:.4f}, name: '{name}'}}"
        lines.append(f"| {name} | {samples['fid']:.2f} |")
    guided = f", guidance {samples['guidance']:g}" if card.conditional and "guidance" in samples else ""
    said = _flat(samples) | {"pictures": pictures, "guided": guided}
    for words, value in SCORES.items():
        with contextlib.suppress(KeyError, TypeError, ValueError):  # not measured, or by another version
            lines.append(f"| {words.format_map(said)} | {value.format_map(said)} |")
    for part, found in card.metrics.items():
        if part != "samples":
            n = f", n = {found['n']:,}" if "n" in found else ""
            numbers = {key: value for key, value in _flat(found).items() if isinstance(value, float)}
            lines += [
                f"| {key.replace('_', ' ')}, {part}{n} | {value:.4g} |" for key, value in numbers.items()
            ]
    return metric, _table("what | value", lines)


def _table(heads: str, lines: list[str]) -> list[str]:
    """Rows of Markdown under their heads; nothing where there are none."""
    return [f"| {heads} |", f"|{'---|' * (heads.count('|') + 1)}", *lines] if lines else []


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """What a dictionary holds and what those in it hold, these under both names: {"near": {"n": 5}}: near_n."""
    flat = {}
    for key, value in found.items():
        flat |= {f"{key}_{of}": one for of, one in value.items()} if isinstance(value, dict) else {key: value}
    return flat
