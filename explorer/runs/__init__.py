"""Runs: a training and its folder, which is the only truth about it.

    runs/NAME/  config.json     what was asked for: model, data, recipe, seed, device
                card.json       what is known by now, in the form of a checkpoint's card
                metrics.jsonl   a line about every second: attempt, step, loss, accuracy, held-out accuracy, rate
                state.json      how far it is, and how it ended
                process.json    who works on it;  heartbeat: touched while that process lives;  lock: held by it
                log.txt         one line for every event
                ckpt/step-…/    a checkpoint folder (see checkpoints) with train_state.pt beside the weights

The status is derived from these, never stored: a run that was killed is "interrupted", whatever its state file says.
"""

from explorer.runs.driving import drive, task_for, versions
from explorer.runs.folder import (
    FINISHED,
    RunStatus,
    config_of,
    folder_of,
    metrics,
    newest,
    recipe_of,
    result,
    root,
    saved,
    status,
    statuses,
)
from explorer.runs.keeping import delete, make_room
from explorer.runs.making import create, epochs_within, pictures, recipe_for
from explorer.runs.publishing import publish, zipped
from explorer.runs.scoring import store_scores
from explorer.runs.sweeping import cells, create_sweep, drive_sweep, sweeps

__all__ = [
    "FINISHED", "RunStatus", "cells", "config_of", "create", "create_sweep", "delete", "drive", "drive_sweep",
    "epochs_within", "folder_of", "make_room", "metrics", "newest", "pictures", "publish", "recipe_for", "recipe_of",
    "result", "root", "saved", "status", "statuses", "store_scores", "sweeps", "task_for", "versions", "zipped",
]  # fmt: skip
