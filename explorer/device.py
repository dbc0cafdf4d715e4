"""The one place that knows about devices: which one, in which precision, with how many threads."""

import os
import platform
import subprocess
from pathlib import Path

import torch

from explorer.text import Problem, t

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose(name: str = "auto") -> torch.device:
    """The device to use; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises Problem when the name is unknown or this machine has no such device.
    """
    if name not in DEVICES:
        raise Problem("Unknown device {name}; known: {known}.", name=repr(name), known=", ".join(DEVICES))
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if has[kind])
    if not has[name]:
        raise Problem("This machine has no {name} device; use --device auto or cpu.", name=name)
    return torch.device(name)


def precision(kind: str, device: torch.device) -> torch.dtype:
    """The type in which a model's matrix products run; weights, BatchNorm and losses stay in float32.

    kind: "conv" (ordinary convolutions) or "depthwise". Measured on CPU: bfloat16 is 1.7x faster for ResNet-50, but
    2.7x slower for EfficientNet-B0, whose depthwise convolutions have no bfloat16 kernel. Without bfloat16
    instructions (AVX-512 BF16, AMX, ARM's BF16) the CPU would emulate it: float32 then.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and kind == "conv" and _cpu_has_bf16():
        return torch.bfloat16
    return torch.float32


def _cpu_has_bf16() -> bool:
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    if check and check():
        return True
    try:  # Linux on ARM; of Apple's processors nothing is known here
        return platform.machine() == "aarch64" and " bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def set_threads(count: int | None = None) -> int:
    """Set the threads of one operation and return the number in use.

    count None: EXPLORER_THREADS, else what torch chose (OMP_NUM_THREADS, else one for every core).
    """
    asked = os.environ.get("EXPLORER_THREADS", "")
    if count is None and asked:
        if not asked.isdecimal() or not 1 <= int(asked) <= 1024:
            raise Problem(
                "EXPLORER_THREADS is {value}; expected a whole number from 1 on.", value=repr(asked[:80])
            )
        count = int(asked)
    if count is not None:
        torch.set_num_threads(count)
    return torch.get_num_threads()


def describe(device: torch.device) -> str:
    """The device in words for the screen, for example "CPU, 2 threads" or "NVIDIA A100"; see `identity`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple MPS"
    return t("CPU, {n} threads", n=torch.get_num_threads())


def identity(device: torch.device) -> str:
    """What measured times belong to, the same in every language: "AMD EPYC 7B13, 2 threads" or "NVIDIA A100"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{_processor()}, MPS"
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    """The processor's model, or at least its kind, such as "aarch64"."""
    try:
        if platform.system() == "Darwin":
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            named = subprocess.run(asked, capture_output=True, text=True, timeout=10).stdout.strip()
        else:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            named = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, ValueError, StopIteration, subprocess.SubprocessError):  # not every system says it
        named = ""
    return named or platform.processor() or platform.machine()


def memory(device: torch.device) -> tuple[int, int]:
    """Bytes in use and bytes in all, of the device's own memory (of the machine's for CPU and MPS)."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free, total
    import psutil

    found = psutil.virtual_memory()
    return found.total - found.available, found.total
