"""One set of drawn pictures, one net, several FIDs: what a bare number can mean.

The reference (all training pictures, 5,000 of them, 5,000 test pictures) and the resize are conventions. Papers and
tools choose differently and often do not say, so numbers that look comparable are not.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from explorer.analysis import examination, fid, sampling, scores, together
from explorer.analysis.inception import Extractor
from explorer.checkpoints import EVALUATION, Loaded
from explorer.data import ImageSet
from explorer.data.inception import VERSION
from explorer.device import identity
from explorer.text import N_, t

FILE = f"{EVALUATION}/protocols.json"
Step = Callable[[int, int, str], None]  # (done, of how many, what: an English sentence for t())
# id -> (what it is compared with, which resize), for `words`; a small data set has fewer than 5,000
PROTOCOLS = {
    "train": (N_("all training pictures"), N_("TensorFlow 1's resize")),
    "train5k": (N_("{m} training pictures"), N_("TensorFlow 1's resize")),
    "test5k": (N_("{m} test pictures"), N_("TensorFlow 1's resize")),
    "half": (N_("{m} training pictures"), N_("half-pixel resize (torch's)")),
}
LEFT_OUT = N_("Left out, as FID needs at least {least} pictures on either side: {what}.")


@dataclass(frozen=True)
class Row:
    """The FID of n drawn pictures under one of PROTOCOLS, against m real ones.

    few: whether either is so few that the FID must be shown with the sentence fid.FEW
    """

    protocol: str
    fid: float
    n: int
    m: int
    few: bool


def words(protocol: str, m: int) -> tuple[str, str]:
    """(what it is compared with, which resize), of one of PROTOCOLS with m real pictures."""
    what, resize = PROTOCOLS[protocol]
    return t(what, m=f"{m:,}"), t(resize)


def left_out(test: ImageSet) -> dict[str, int]:
    """{protocol: its number of real pictures} of those for which there are fewer than an FID needs."""
    m = len(scores.sample_of(test))
    return {"test5k": m} if m < fid.LEAST else {}


def left_out_words(found: dict[str, int]) -> str:
    """A sentence that names what `left_out` gave."""
    return t(LEFT_OUT, least=fid.LEAST, what=", ".join(words(key, m)[0] for key, m in found.items()))


def rows(
    loaded: Loaded,
    train: ImageSet,
    test: ImageSet,
    device: str,
    on_step: Step | None = None,
    count: int = examination.COUNT,
) -> list[Row]:
    """Draw as for the stored scores, and compare in every way but those of `left_out`; with 5,000 pictures half an hour
    on a CPU. Under torchrun every process takes its share. Problem for fewer than 500 pictures drawn or to train on."""
    fid.check_count(count, len(train))
    rank, world = together.join()
    together.check_shares(count)
    options = sampling.options_for(loaded)
    usual, half = Extractor(device), Extractor(device, half_pixel=True)
    target = scores.against(train, usual, on_step)

    def told(done: int, total: int) -> None:
        if on_step:
            on_step(done, total, examination.DRAWING)

    def statistics(extractor: Extractor, pictures: np.ndarray) -> fid.Statistics:
        return fid.statistics(together.gathered(extractor.features(pictures[rank::world], on_step)))

    drawn = sampling.draw(loaded, np.arange(count)[rank::world], on_step=told, **options)
    images = sampling.whole(drawn).images
    of_usual = statistics(usual, images)
    sides = {"train": (of_usual, target.statistics), "train5k": (of_usual, fid.statistics(target.features))}
    if "test5k" not in left_out(test):
        sides["test5k"] = of_usual, statistics(usual, test.images[scores.sample_of(test)])
    sides["half"] = statistics(half, images), statistics(half, train.images[scores.sample_of(train)])
    found = {key: fid.fid(*pair) for key, pair in sides.items()}
    return [Row(key, each.value, each.n, each.m, each.few) for key, each in found.items()]


def evidence(loaded: Loaded, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """What all rows rest on, as it is stored beside them: how it was drawn, with what it was compared, `left_out`."""
    return {
        "checkpoint_sha256": loaded.card.sha256,
        "device": identity(loaded.device),
        "first_seed": 0,
        "batch": sampling.BATCH,
        **sampling.options_for(loaded),
        "features": VERSION,
        "reference": f"{train.name}:{train.split}",
        "reference_fingerprint": train.fingerprint[:16],
        "test_fingerprint": test.fingerprint[:16],
        "left_out": left_out(test),
    }


def packed(found: list[Row], about: dict[str, Any]) -> bytes:
    """The rows as a checkpoint keeps them; `about`: what `evidence` gives."""
    return (json.dumps(about | {"rows": [asdict(row) for row in found]}, indent=1) + "\n").encode()
