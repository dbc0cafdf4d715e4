"""Trained models on disk: weights, config, card and manifest in one folder, in Hugging Face's layout.

    checkpoints/NAME/   model.safetensors   the weights (float16 where that is enough, statistics in float32)
                        config.json         the card: everything that must be known to build the model and to trust it
                        README.md           the same for people, with Hugging Face's model-index
                        MANIFEST.json       size and sha256 of each file
                        class_means.npy     directions of the classes' features, for "none of my classes fits"
                        evaluation/         stored predictions, test-1-views.npz and so on; stored maps, test-maps.npz

No file names a Python class: the model is built through MODELS. Loading verifies the hashes first, because a
safetensors file with one flipped byte loads without a word. What needs no torch here does not import it.
"""

from explorer.checkpoints.card import Card, fid_of, readme
from explorer.checkpoints.manifest import CONFIG, MANIFEST, README, WEIGHTS, verify
from explorer.checkpoints.maps import maps_file, pack_maps, read_maps
from explorer.checkpoints.predictions import (
    EVALUATION,
    VIEWS,
    pack_predictions,
    prediction_file,
    read_predictions,
)
from explorer.checkpoints.registry import (
    OURS,
    Entry,
    catalogue,
    check_kind,
    folder_of,
    kind_of,
    read_card,
    root,
)
from explorer.checkpoints.weights import (
    CLASS_MEANS,
    LARGEST,
    STORAGE,
    Loaded,
    add,
    fill,
    load,
    move,
    save,
    update,
)

__all__ = [
    "CLASS_MEANS", "CONFIG", "EVALUATION", "LARGEST", "MANIFEST", "OURS", "README", "STORAGE", "VIEWS", "WEIGHTS",
    "Card", "Entry", "Loaded", "add", "catalogue", "check_kind", "fid_of", "fill", "folder_of", "kind_of", "load",
    "maps_file", "move", "pack_maps", "pack_predictions", "prediction_file", "read_card", "read_maps",
    "read_predictions", "readme", "root", "save", "update", "verify",
]  # fmt: skip
