"""One set of pictures under four conventions: each is the FID that its name says, and only the named thing differs."""

import json

import numpy as np
import pytest

from explorer import data
from explorer.analysis import fid, protocols, sampling, scores
from tests.analysis.test_sampling import made
from tests.analysis.test_scores import WIDE, Small


class Either(Small):
    """Features of its own for the other resize."""

    def __init__(self, device: str = "cpu", half_pixel: bool = False):
        super().__init__()
        if half_pixel:
            self.matrix = self.matrix[::-1]


def test_every_protocol_is_what_its_name_says(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "WIDTH", WIDE)
    monkeypatch.setattr(scores, "SAMPLE", 600)
    monkeypatch.setattr(protocols, "Extractor", Either)
    digits, loaded = data.load("digits", "train"), made(tmp_path, "vae")
    train, test = digits.take(np.arange(800)), digits.take(np.arange(800, 1438))
    found = {row.protocol: row for row in protocols.rows(loaded, train, test, "cpu", count=500)}
    assert list(found) == list(protocols.PROTOCOLS)
    assert [(row.n, row.m) for row in found.values()] == [(500, 800), (500, 600), (500, 600), (500, 600)]
    images = sampling.draw(loaded, np.arange(500)).images
    sides = {
        "train": (Either(), train.images),
        "train5k": (Either(), train.images[scores.sample_of(train)]),
        "test5k": (Either(), test.images[scores.sample_of(test)]),
        "half": (Either(half_pixel=True), train.images[scores.sample_of(train)]),
    }
    for key, (extractor, real) in sides.items():
        a, b = (fid.statistics(extractor.features(part)) for part in (images, real))
        assert found[key].fid == pytest.approx(fid.fid(a, b).value, rel=1e-6), key
    assert len({round(row.fid, 6) for row in found.values()}) == 4
    kept = json.loads(protocols.packed(list(found.values()), {"device": "CPU"}))
    assert protocols.words("test5k", 600) == ("600 test pictures", "TensorFlow 1's resize")
    assert protocols.left_out(test) == {} and protocols.left_out(test.take(np.arange(499))) == {"test5k": 499}
    assert kept["device"] == "CPU" and [row["protocol"] for row in kept["rows"]] == list(protocols.PROTOCOLS)
