"""What the tests of scores share: sets of made-up features, and the Inception weights, got as a person gets them."""

from pathlib import Path

import numpy as np
import pytest

from explorer.text import Problem


@pytest.fixture
def features():
    """`features(n, seed, shift)`: float32 (n, 48), uneven, correlated and never negative, as pooled maps are."""
    mix = np.random.default_rng(1).normal(size=(48, 48)) / 7

    def make(n: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
        found = np.random.default_rng([seed, 7]).gamma(0.6, 1.0, (n, 48))
        return np.abs(found + 0.3 * found @ mix + shift).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def inception():
    """The extractor with the real weights; ask for it in tests marked slow. What is missing is fetched."""
    from explorer.analysis.inception import Extractor
    from explorer.data import inception as source

    try:
        source.get_weights()
    except Problem as problem:
        pytest.skip(str(problem))
    return Extractor()


@pytest.fixture(scope="session")
def their_file(inception, tmp_path_factory) -> Path:
    """The same weights as a file that torch-fidelity reads."""
    import torch

    from explorer.data import inception as source

    tensors = source.weights()
    for layer in source.LAYERS:
        tensors[f"{layer}.bn.weight"] = torch.ones_like(tensors[f"{layer}.bn.bias"])
        tensors[f"{layer}.bn.num_batches_tracked"] = torch.tensor(0)
    tensors |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)} | {
        name: tensors[name] for name in source.FC if name in tensors
    }
    path = tmp_path_factory.mktemp("theirs") / "weights.pth"
    torch.save(tensors, path)
    return path
