"""`python -m explorer doctor`: how fast is this machine, and does its device compute what the CPU does?"""

import importlib.metadata
import os
import platform
import time
from dataclasses import asdict, dataclass

import torch
from torch.nn import functional

from explorer import device as devices
from explorer import models
from explorer.data import available, names

PACKAGES = (
    "torch",
    "torchvision",
    "streamlit",
    "lightning-fabric",
    "safetensors",
    "diffusers",
    "numpy",
    "pillow",
)
MODEL, BATCH = "resnet18", 32
TOLERANCE = {  # the largest relative differences (logits, change of the weights) that are mere rounding
    "float32": (0.005, 0.05),
    "bfloat16": (0.05, 0.3),
    "float16": (0.05, 0.3),
}


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    memory: (used, total) bytes of the device;  precision: what `device.precision` chooses for convolutions
    speed: pictures a second through resnet18, {type: {"forward", "step"}}; a step is forward, backward, update
    parity: length of the difference to float32 on the CPU over the length of that, per type: of logits
        ("forward") and of what one step changes in the weights ("step")
    healthy: all of these are rounding (TOLERANCE)
    """

    versions: dict[str, str]
    system: str
    device: str
    threads: int
    memory: tuple[int, int]
    precision: str
    speed: dict[str, dict[str, float]]
    parity: dict[str, dict[str, float]]
    data: dict[str, bool]
    healthy: bool

    def line(self) -> str:
        """Everything that helps to understand a report of trouble, in one line to paste."""
        parts = [f"{name} {version}" for name, version in self.versions.items()]
        speed = ", ".join(f"{name} {of['forward']:.0f}/{of['step']:.0f}" for name, of in self.speed.items())
        parity = ", ".join(f"{name} {of['forward']:.0e}/{of['step']:.0e}" for name, of in self.parity.items())
        memory = f"{self.memory[0] / 1e9:.1f}/{self.memory[1] / 1e9:.1f} GB"
        verdict = "healthy" if self.healthy else "NOT HEALTHY"
        return (
            f"model-explorer {verdict} | {self.system} | {' '.join(parts)} | {self.device} | {memory} | "
            f"{self.precision} | {MODEL} img/s forward/step: {speed} | off by forward/step: {parity}"
        )

    def as_dict(self) -> dict:
        """The same, ready for JSON, with the line."""
        return asdict(self) | {"line": self.line()}


def examine(device: str = "auto", seconds: float = 0.5) -> Diagnosis:
    """Measure; about `seconds` for each of the four speeds. Raises Problem when there is no such device."""
    chosen = devices.choose(device)
    devices.set_threads()
    preferred = devices.precision("conv", chosen)
    kinds = list(dict.fromkeys([torch.float32, preferred]))  # each once
    parity = _parity(chosen, kinds)
    off = [(of["forward"], of["step"], *TOLERANCE[name]) for name, of in parity.items()]
    return Diagnosis(
        versions={"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        system=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        device=devices.describe(chosen),
        threads=torch.get_num_threads(),
        memory=devices.memory(chosen),
        precision=_name(preferred),
        speed={_name(kind): _speed(chosen, kind, seconds) for kind in kinds},
        parity=parity,
        data={name: available(name) for name in names()},
        healthy=all(forward <= most_f and step <= most_s for forward, step, most_f, most_s in off),
    )


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _version(package: str) -> str:
    if package == "torch":
        return torch.__version__  # tells the build (cpu, cu130 ...) too
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _batch(device: torch.device, count: int = BATCH) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 32, 32, generator=generator).to(device, memory_format=torch.channels_last)
    return images, (torch.arange(count) % 10).to(device)


def _speed(device: torch.device, kind: torch.dtype, seconds: float) -> dict[str, float]:
    """Pictures a second: {"forward": …, "step": …}."""
    model = models.build(MODEL, 10, seed=0).to(device)
    images, labels = _batch(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True)

    def forward() -> None:
        with torch.inference_mode(), _cast(device, kind):
            model(images)

    def step() -> None:
        _step(model, optimiser, images, labels, kind)

    model.eval()
    found = {"forward": _rate(forward, device, seconds)}
    model.train()
    return found | {"step": _rate(step, device, seconds)}


def _rate(work, device: torch.device, seconds: float) -> float:
    work()  # the first call also compiles and allocates
    done, begun = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begun < seconds:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        done += 1
    return done * BATCH / (time.perf_counter() - begun)


def _cast(device: torch.device, kind: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, kind, enabled=kind != torch.float32)


def _step(model, optimiser, images, labels, kind: torch.dtype) -> float:
    """One training step in place; its loss."""
    optimiser.zero_grad()
    with _cast(images.device, kind):
        loss = functional.cross_entropy(model(images).float(), labels)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _parity(device: torch.device, kinds: list[torch.dtype]) -> dict[str, dict[str, float]]:
    """How far the device is, in each type, from float32 on the CPU: logits, change by a step."""
    logits, change = _outcome(torch.device("cpu"), torch.float32)
    found = {}
    for kind in kinds:
        other_logits, other_change = _outcome(device, kind)
        found[_name(kind)] = {
            "forward": float((other_logits - logits).norm() / logits.norm()),
            "step": float((other_change - change).norm() / change.norm()),
        }
    return found


def _outcome(device: torch.device, kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, 10) of one batch, and what one step changes in all weights, as one vector; both on CPU."""
    model = models.build(MODEL, 10, seed=0).to(device).train()
    before = _weights(model)
    images, labels = _batch(device)
    with torch.no_grad(), _cast(device, kind):
        logits = model(images).float().cpu()
    _step(model, torch.optim.SGD(model.parameters(), lr=0.01), images, labels, kind)
    return logits, _weights(model) - before


def _weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().float().cpu().reshape(-1) for value in model.parameters()])
