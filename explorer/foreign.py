"""Bring the weights of a .pt file from elsewhere into the registry. A pickle can run code: never without a word.

python -m explorer import resnet18.pt --model resnet18 --data cifar10 --name my-resnet18 --trust
"""

import hashlib
from pathlib import Path
from typing import Any

from explorer import checkpoints, data, models
from explorer.checkpoints import Card
from explorer.reach import allow
from explorer.text import Missing, Problem

PREFIXES = ("module.", "_orig_mod.", "model.")  # of DistributedDataParallel, torch.compile, Lightning
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "ema")


def import_pt(path: Path, model: str, data_name: str, name: str, trust: bool = False) -> Card:
    """Read a .pt file (weights only), check it against MODELS and save it as checkpoint `name`; return its card.

    data_name: the data set whose classes, mean and standard deviation the weights were trained with
    Raises Problem without `trust`, when the file holds anything but weights, when it does not fit the model (saying
    what differs), when the name is taken, and for a model that draws: whether it predicts v or the noise, say, is not
    in its weights, and wrongly asked it draws nonsense without a word.
    """
    allow("import")
    data.valid_name(name, "checkpoint")
    if not trust:
        raise Problem(
            "{path} is a pickle, and such a file can attack the program that opens it. If you know who made it, "
            "say so with --trust; safer still is a safetensors file.",
            path=path,
        )
    if (checkpoints.root() / name).exists():
        raise Problem("There is a checkpoint {name} already; choose another name.", name=name)
    if models.spec(model).task != "classifier":
        raise Problem(
            "{model} draws pictures, and its weights do not say how it was trained; these can be imported: {known}.",
            model=model,
            known=", ".join(models.CLASSIFIERS),
        )
    spec, pictures = data.spec(data_name), _some_pictures(data_name)
    net = models.build(model, len(spec.classes))
    state, digest = _read(path)
    checkpoints.fill(net, _unwrapped(state, set(net.state_dict())), path.name)
    card = Card(
        name=name,
        model=model,
        data=data_name,
        classes=spec.classes,
        mean=pictures.mean,
        std=pictures.std,
        data_fingerprint="",
        recipe={"imported": path.name, "sha256": digest},
        purpose=f"Imported from {path.name} (sha256 {digest[:16]}); how it was trained is not known here.",
    )
    return checkpoints.save(checkpoints.root() / name, net, card)


def import_published(model: str, name: str = "") -> Card:
    """Get the weights that MODELS names for a net from the Hugging Face Hub, and save them as checkpoint `name`.

    The revision is pinned and only safetensors are read: no code comes with them. Raises Problem, one sentence, where
    there is no network, where that revision holds no safetensors, and when the weights do not fit the net.
    """
    allow("import")
    spec = models.spec(model)
    name = data.valid_name(name or model, "checkpoint")
    if not spec.weights:
        known = ", ".join(key for key, each in models.MODELS.items() if each.weights)
        raise Problem("{model} is trained here, there is nothing to get; these come from elsewhere: {known}.",
                      model=model, known=known)  # fmt: skip
    if (checkpoints.root() / name).exists():
        raise Problem("There is a checkpoint {name} already; choose another name.", name=name)
    repository, revision = spec.weights
    net, pictures = models.build(model, 10), _some_pictures("cifar10")
    checkpoints.fill(
        net, {f"net.{key}": value for key, value in _from_hub(repository, revision).items()}, repository
    )
    card = Card(
        name=name,
        model=model,
        task=spec.task,
        data="cifar10",
        classes=pictures.classes,
        mean=pictures.mean,
        std=pictures.std,
        data_fingerprint="",
        recipe={"imported": repository, "revision": revision},
        purpose=f"The paper's own DDPM of CIFAR-10, from {repository} at {revision[:12]}.",
    )
    return checkpoints.save(checkpoints.root() / name, net, card)


def _from_hub(repository: str, revision: str) -> dict[str, Any]:
    """The tensors of a UNet2DModel on the Hugging Face Hub by their present names."""
    import diffusers

    try:
        net = diffusers.UNet2DModel.from_pretrained(repository, revision=revision, use_safetensors=True)
    except (
        Exception
    ) as error:  # no network, no such file, a server's answer: the Hub's library has many kinds
        raise Problem(
            "The weights of {name} (revision {revision}, safetensors only) could not be got: {error}",
            name=repository,
            revision=revision[:12],
            error=str(error).strip().partition("\n")[0][:200] or type(error).__name__,
        ) from error
    return net.state_dict()


def _some_pictures(name: str) -> data.ImageSet:
    """A split that knows the mean and standard deviation; CIFAR-10's sheet stands in while CIFAR-10 is absent."""
    try:
        return data.load(name, "test")
    except Missing:
        if name != "cifar10":
            raise
        return data.load("cifar10-sheet", "test")


def _read(path: Path) -> tuple[Any, str]:
    """What the file holds, and its sha256; only tensors and plain containers are unpickled."""
    import torch

    if not path.is_file():
        raise Problem("{file} does not exist.", file=path)
    if path.stat().st_size > checkpoints.LARGEST:
        raise Problem(
            "{name} has {found} bytes; at most {limit} are read.",
            name=path.name,
            found=path.stat().st_size,
            limit=checkpoints.LARGEST,
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return torch.load(path, map_location="cpu", weights_only=True), digest
    except Exception as error:  # whatever a file that is no pickle makes the unpickler stumble over
        raise Problem(
            "{name} is not read: it holds more than weights, or it is damaged ({error}).",
            name=path.name,
            error=str(error).strip().partition("\n")[0][:160],
        ) from error


def _unwrapped(state: Any, wanted: set[str]) -> dict[str, Any]:
    """The tensors by name, out of the usual wrappings and without the usual prefixes."""
    import torch

    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise Problem(
            "Expected a dictionary of tensors (a state_dict), got {kind}.", kind=type(state).__name__
        )
    for prefix in PREFIXES:
        if not wanted & state.keys() and all(str(key).startswith(prefix) for key in state):
            state = {str(key).removeprefix(prefix): value for key, value in state.items()}
    return {str(key): value for key, value in state.items()}
