"""The figures that the course slides and notes report, with what is known about how comparable each is."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from explorer.text import N_, Problem

COMPARABLE = {"yes": N_("comparable"), "partly": N_("partly comparable"), "no": N_("not comparable")}
SAME_RECIPE = {  # a recipe of reported.toml -> ours with its settings
    "slides_classifiers": "slides",
    "slides_dcgan": "dcgan-slides",
    "slides_ddpm": "ddpm-slides",
}
# What a net of reported.toml, or of MODELS, is called.
NAMES = {
    "fastnet": "fastnet",
    "lenet": "LeNet",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34", "resnet50": "ResNet-50", "resnet101": "ResNet-101", "drn_c_26": "DRN-C-26",
    "drn_d_22": "DRN-D-22", "efficientnet_b0": "EfficientNet-B0", "efficientnet_at_224": "EfficientNet, 224 px",
    "vae": "VAE", "dcgan": "DCGAN", "ddpm": "DDPM", "ddpm-published": "DDPM, as published",
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One entry of reported.toml.

    key: "kind.what", for example "accuracy.resnet18";  value: a number, a list, or a table of either;
    recipe: a name in `recipes()` or words;  comparable: "yes", "partly" or "no";  why: one sentence on that
    """

    key: str
    value: float | list | dict
    unit: str
    source: str
    recipe: str
    comparable: str
    why: str

    @property
    def kind(self) -> str:
        """What is measured: "accuracy", "fid", "table" …"""
        return self.key.partition(".")[0]

    @property
    def what(self) -> str:
        """What it is measured on, for example the name of a model."""
        return self.key.partition(".")[2]

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each reported number as (name, words): one row for a number, one per entry for a table."""
        if isinstance(self.value, dict):
            yield from ((name, _words(value)) for name, value in self.value.items())
        elif isinstance(self.value, list):
            yield from (("", str(value)) for value in self.value)
        else:
            yield "", _words(self.value)


def _words(value: float | str | list) -> str:
    return " · ".join(map(str, value)) if isinstance(value, list) else str(value)


def follows(recipe: Mapping[str, Any], key: str) -> bool:
    """Whether the recipe of a card is that of reported.toml under `key`, with no setting changed but the number of
    epochs and what does not matter; a card that does not say what was changed (see runs.scoring.changed) does not
    count."""
    return recipe.get("name") == SAME_RECIPE.get(key, "-") and recipe.get("changed") == []


@cache
def _file() -> dict:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def figures() -> dict[str, Figure]:
    """Every reported figure, by key, in the order of the file."""
    return {entry["key"]: Figure(**entry) for entry in _file()["figure"]}


def figure(key: str) -> Figure:
    """The reported figure with this key; Problem that lists the known keys otherwise."""
    if key not in figures():
        raise Problem(
            "Unknown reported figure {key}; known: {known}.", key=repr(key), known=", ".join(figures())
        )
    return figures()[key]


def recipes() -> dict[str, str]:
    """The reported training recipes in words, by name."""
    return _file()["recipes"]
