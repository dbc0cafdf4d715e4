"""Class activation maps: laws for every entry of CAM_METHODS with planted faults, and the other implementations."""

import contextlib
import copy
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import checkpoints, data, models
from explorer.analysis import cam, faithfulness, predict
from explorer.analysis.cam import CAM_METHODS, Captured, MethodSpec
from explorer.checkpoints import Card, Loaded
from explorer.data.augment import normalize
from explorer.models import MODELS, ModelSpec
from explorer.text import Problem

CLASSES = tuple("abcdefghij")
LARGE = {"resnet34", "resnet50", "resnet101", "drn-c-26", "drn-c-26-published"}
LINEAR = [
    pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
    for name in MODELS
    if MODELS[name].pooled_linear
]
QUICK = [name for name, spec in CAM_METHODS.items() if not spec.forwards(1)]


pytestmark = pytest.mark.usefixtures("one_thread")


class Toy(nn.Module):
    """Two convolutions, 16 channels of 8x8, pooled-linear: small enough for the methods of many forwards."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(16, classes)

    def features(self, x):
        return self.last(self.norm(self.first(x)).relu())

    def embed(self, x):
        return self.features(x).mean((2, 3))

    def forward(self, x):
        return self.head(self.embed(x))


def known_as(name: str, net: nn.Module, monkeypatch: pytest.MonkeyPatch, *layers: str, **fields) -> Loaded:
    """The net under a name of its own in MODELS."""
    spec = ModelSpec(type(net), "classifier", "-", "-", layers=layers, **fields)
    monkeypatch.setitem(MODELS, name, spec)
    return wrapped(name, net)


def wrapped(name: str, net: nn.Module) -> Loaded:
    card = Card("net", name, "toy", CLASSES, (0.5,) * 3, (0.25,) * 3, "f")
    return Loaded(card, net.eval(), torch.device("cpu"), torch.float32)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Toy()
        nn.init.normal_(net.head.weight, std=30)  # so sharp that Score-CAM's softmax chooses
        net.last[0].weight.data *= 4
    return known_as("toy", net, monkeypatch, "first", "last")


@pytest.fixture(scope="module")
def digits() -> tuple[Loaded, np.ndarray]:
    return checkpoints.load("digits-fastnet", "cpu"), data.load("digits", "test").images


@pytest.fixture(scope="module")
def cifar() -> tuple[Loaded, np.ndarray]:
    return checkpoints.load("cifar10-resnet18", "cpu"), data.load("cifar10-sheet", "test").images


def pictures(n: int = 3) -> np.ndarray:
    """Noise, and a flat picture at the end."""
    made = np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    made[-1] = 0
    return made


def normalised(loaded: Loaded, images: np.ndarray) -> torch.Tensor:
    return normalize(torch.from_numpy(images.copy()), loaded.card.mean, loaded.card.std)


# The laws: each returns what is wrong, so that the planted faults below can ask for it.


def faults_of_form(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """float32 (N, k, h, w), finite, the same when asked again, a class's map wherever it stands among the classes."""
    found = cam.explain(loaded, images, method, [0, 2, 1])
    again = cam.explain(loaded, images, method, [1, 0])
    with torch.no_grad():
        cells = loaded.model.features(normalised(loaded, images)).shape[2:]
    faults = []
    if found.raw.shape != (len(images), 3, *cells) or found.raw.dtype != np.float32:
        faults.append(f"{found.raw.dtype} {found.raw.shape}")
    elif not np.isfinite(found.raw).all():
        faults.append("not finite")
    elif np.abs(found.raw[:, [2, 0]] - again.raw).max() > 1e-5 * np.abs(again.raw).max():
        faults.append("another map when asked again")
    if not np.allclose(found.logits, predict.logits(loaded, images), 1e-4, 1e-4):
        faults.append("other logits than those of a plain forward pass")
    return faults


def faults_of_classes(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """Two classes have two maps, not the same up to a factor; a blind method has one for all."""
    raw = cam.explain(loaded, images, method, [0, 1, 2]).raw
    same = [faithfulness.proportional(one[a], one[b]) for one in raw[:2] for a, b in ((0, 1), (0, 2), (1, 2))]
    if CAM_METHODS[method].blind:
        return [] if all(same) else ["declared blind, and knows the classes"]
    return ["the same map for two classes"] if any(same) else []


def faults_of_batch(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """A picture's map does not depend on the pictures beside it."""
    together = cam.explain(loaded, images, method, [0, 1]).raw
    alone = np.concatenate([cam.explain(loaded, one[None], method, [0, 1]).raw for one in images])
    apart = np.abs(together - alone).max()
    return [] if apart <= 1e-5 * np.abs(alone).max() else ["depends on the other pictures of its batch"]


def faults_of_flip(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """The mean of the picture's map and its mirror image's, so that the mirror image's is the mirrored one."""
    plain, mirrored = (cam.explain(loaded, each, method, [0, 1]).raw for each in (images, images[..., ::-1]))
    both = cam.explain(loaded, images, method, [0, 1], flip=True).raw
    expected = (plain + mirrored[..., ::-1]) / 2
    return [] if np.allclose(both, expected, atol=1e-6 * np.abs(plain).max()) else ["flip is not the mean"]


def faults_of_head(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """With another head the cells rank otherwise, on the mean over the pictures; not where the method is blind."""
    found = []
    for one in images[:2]:
        made = cam.explain(loaded, one[None], method, [1])
        found.append(faithfulness.head_correlation(loaded, one[None], 1, method, made.layer, made.raw[0, 0]))
    if CAM_METHODS[method].blind:
        return [] if min(found) > 1 - 1e-9 else ["declared blind, and knows the head"]
    return [] if np.mean(found) < 0.95 else ["the map survives a random head"]


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state_of(model: nn.Module) -> dict[str, object]:
    """All that a call could leave behind, as plain values."""
    found: dict[str, object] = {"grad mode": torch.is_grad_enabled()}
    for name, module in model.named_modules():
        found[f"hooks of {name}"] = [list(getattr(module, kind)) for kind in HOOKS]
        found[f"mode of {name}"] = module.training
    for name, parameter in model.named_parameters():
        found[f"requires_grad of {name}"] = parameter.requires_grad
        found[f"gradient of {name}"] = None if parameter.grad is None else parameter.grad.numpy().tobytes()
    return found | {f"value of {name}": v.numpy().tobytes() for name, v in model.state_dict().items()}


class Stopped(Exception):
    pass


def stop(done: int, total: int) -> None:
    raise Stopped


def faults_of_traces(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """What a call leaves on the model: in either mode, frozen or not, with gradients or none, or when it is stopped."""
    faults = set()
    for training, frozen, stopped in [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]:
        twin = wrapped(loaded.card.model, copy.deepcopy(loaded.model))
        twin.model.train(bool(training)).requires_grad_(not frozen)
        if training and not frozen:
            for parameter in twin.model.parameters():
                parameter.grad = torch.ones_like(parameter)
        before = state_of(twin.model)
        with contextlib.suppress(Stopped):
            cam.explain(twin, images[:1], method, [0, 1], on_step=stop if stopped else None)
        after = state_of(twin.model)
        faults |= {key for key in before if before[key] != after[key]}
        with ThreadPoolExecutor(1) as pool:  # the lock is re-entrant: only another thread can tell
            if not pool.submit(twin.lock.acquire, blocking=False).result():
                faults.add("the lock is held")
    return sorted(faults)


def faults_of_steps(method: str, loaded: Loaded, images: np.ndarray) -> list[str]:
    """As many forwards as declared, on_step counts them to the end, and what it raises ends them at once."""
    channels = loaded.model.head.in_features
    wanted, seen, steps = CAM_METHODS[method].forwards(channels), [], []
    handle = loaded.model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        cam.explain(loaded, images, method, [0, 1], on_step=lambda *step: steps.append(step))
        faults = [] if sum(seen) == len(images) * (1 + wanted) else [f"{sum(seen)} forwards"]
        if wanted and ([done for done, _ in steps] != sorted({done for done, _ in steps}) or not steps):
            faults.append("the steps do not rise")
        elif wanted and {(steps[-1][0], total) for _, total in steps} != {(len(images) * wanted,) * 2}:
            faults.append("the steps do not end at the total")
        elif steps and not wanted:
            faults.append("steps where there are none")
        seen.clear()
        if wanted:
            with pytest.raises(Stopped):
                cam.explain(loaded, images, method, [0, 1], on_step=stop)
            if sum(seen) > 1 + len(images) + cam.MASKED:
                faults.append("goes on after it was stopped")
    finally:
        handle.remove()
    return faults


LAWS = [
    faults_of_form,
    faults_of_classes,
    faults_of_batch,
    faults_of_flip,
    faults_of_head,
    faults_of_traces,
    faults_of_steps,
]
Law = Callable[[str, Loaded, np.ndarray], list[str]]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("method", CAM_METHODS)
def test_every_method_keeps_the_law(method: str, law: Law, toy: Loaded) -> None:
    assert law(method, toy, pictures()) == []


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("method", QUICK)
def test_every_quick_method_keeps_the_law_on_a_trained_net(method: str, law: Law, digits) -> None:
    loaded, images = digits
    assert law(method, loaded, images[:3]) == []


@pytest.mark.parametrize("method", CAM_METHODS)
def test_every_method_says_what_it_is(method: str) -> None:
    spec = CAM_METHODS[method]
    assert spec.title and spec.paper and spec.words
    assert spec.forwards(64) in (0, 64)


# The planted faults


def planted(monkeypatch: pytest.MonkeyPatch, maps: cam.Method, **fields) -> str:
    monkeypatch.setitem(CAM_METHODS, "planted", MethodSpec(maps, "Planted", "-", "-", **fields))
    return "planted"


def one_map_for_all(captured: Captured, classes) -> torch.Tensor:
    return cam.grad_cam(captured, [0] * len(classes))


def scaled_by_the_batch(captured: Captured, classes) -> torch.Tensor:
    raw = cam.grad_cam(captured, classes)
    return raw - raw.mean(0, keepdim=True)


def with_a_hook_left(captured: Captured, classes) -> torch.Tensor:
    captured.module.register_forward_hook(lambda module, inputs, output: None)
    return cam.grad_cam(captured, classes)


def by_backward(captured: Captured, classes) -> torch.Tensor:
    captured.logits.sum().backward(retain_graph=True)
    return cam.grad_cam(captured, classes)


def that_thaws_the_net(captured: Captured, classes) -> torch.Tensor:
    captured.model.requires_grad_(True)
    return cam.grad_cam(captured, classes)


def with_noise(captured: Captured, classes) -> torch.Tensor:
    raw = cam.grad_cam(captured, classes)
    return raw + torch.rand_like(raw)


def not_finite(captured: Captured, classes) -> torch.Tensor:
    raw = cam.grad_cam(captured, classes)
    return torch.where(raw > raw.mean(), raw, torch.nan)


def without_its_classes(captured: Captured, classes) -> torch.Tensor:
    return captured.activations[:, :1]


def by_channel_number(captured: Captured, classes) -> torch.Tensor:
    return captured.activations[:, list(classes)]


PLANTED = [
    (faults_of_classes, one_map_for_all, "the same map for two classes"),
    (faults_of_batch, scaled_by_the_batch, "depends on the other pictures of its batch"),
    (faults_of_traces, with_a_hook_left, "hooks of last"),
    (faults_of_traces, by_backward, "gradient of head.weight"),
    (faults_of_traces, that_thaws_the_net, "requires_grad of first.weight"),
    (faults_of_form, with_noise, "another map when asked again"),
    (faults_of_form, not_finite, "not finite"),
    (faults_of_form, without_its_classes, "float32 (3, 1, 8, 8)"),
    (faults_of_head, by_channel_number, "the map survives a random head"),
]


@pytest.mark.parametrize(("law", "maps", "fault"), PLANTED, ids=lambda each: getattr(each, "__name__", None))
def test_a_planted_fault_is_caught(law: Law, maps: cam.Method, fault: str, toy, monkeypatch) -> None:
    assert fault in law(planted(monkeypatch, maps), toy, pictures())


def test_a_flip_that_is_not_mirrored_back_is_caught(toy: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = cam.explain

    def crooked(loaded, images, *given, flip=False):
        found = straight(loaded, images, *given)
        if flip:
            found.raw[:] = (found.raw + straight(loaded, images[..., ::-1], *given).raw) / 2
        return found

    monkeypatch.setattr(cam, "explain", crooked)
    assert faults_of_flip("cam", toy, pictures()) == ["flip is not the mean"]


def test_blindness_that_is_not_declared_and_sight_that_is_denied_are_caught(toy, monkeypatch) -> None:
    seeing = planted(monkeypatch, cam.grad_cam, blind=True)
    assert faults_of_classes(seeing, toy, pictures()) == ["declared blind, and knows the classes"]
    assert faults_of_head(seeing, toy, pictures()) == ["declared blind, and knows the head"]
    blind = planted(monkeypatch, cam.eigen_cam)
    assert faults_of_classes(blind, toy, pictures()) == ["the same map for two classes"]
    assert faults_of_head(blind, toy, pictures()) == ["the map survives a random head"]


def test_forwards_that_are_not_declared_and_steps_that_go_wrong_are_caught(toy, monkeypatch) -> None:
    def silent(captured: Captured, classes) -> torch.Tensor:
        captured.on_step = lambda done, total: None
        return cam.score_cam(captured, classes)

    hidden = planted(monkeypatch, cam.score_cam)
    assert faults_of_steps(hidden, toy, pictures()) == [f"{3 * 17} forwards", "steps where there are none"]
    promised = planted(monkeypatch, cam.cam, gradients=False)
    assert faults_of_steps(promised, toy, pictures()) == []
    unheard = planted(monkeypatch, silent, gradients=False, forwards=lambda channels: channels)
    with pytest.raises(pytest.fail.Exception):  # nothing hears that it should stop
        faults_of_steps(unheard, toy, pictures())


# The other implementations


def difference_from_captum(loaded: Loaded, images: np.ndarray, layer: str, class_: int) -> float:
    """Of raw Grad-CAM maps after ReLU, relative to the greatest value where that is above 1."""
    from captum.attr import LayerGradCam

    theirs = LayerGradCam(loaded.model, loaded.model.get_submodule(layer)).attribute(
        normalised(loaded, images), target=class_, relu_attributions=True
    )
    ours = cam.relu(cam.explain(loaded, images, "grad-cam", [class_], layer).raw)
    return float(np.abs(ours - theirs.detach().numpy()).max() / max(1, np.abs(ours).max()))


def difference_from_grad_cam(
    method: str, loaded: Loaded, images: np.ndarray, layer: str, class_: int
) -> float:
    """Of final maps as large as the picture."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {"grad-cam": "GradCAM", "xgrad-cam": "XGradCAM", "layer-cam": "LayerCAM"}
    net = copy.deepcopy(loaded.model).requires_grad_(True)  # it fails on a frozen one
    with getattr(pytorch_grad_cam, kinds[method])(model=net, target_layers=[net.get_submodule(layer)]) as run:
        theirs = run(
            input_tensor=normalised(loaded, images), targets=[ClassifierOutputTarget(class_)] * len(images)
        )
    raw = cam.explain(loaded, images, method, [class_], layer).raw[:, 0]
    ours = cam.scaled(cam.enlarged(cam.scaled(cam.relu(raw)), (32, 32)))
    return float(np.abs(ours - theirs).max())


def difference_from_torchcam(loaded: Loaded, images: np.ndarray, layer: str, class_: int) -> float:
    """Of Score-CAM's raw maps after ReLU, each scaled."""
    from torchcam.methods import ScoreCAM

    net = copy.deepcopy(loaded.model)
    with ScoreCAM(net, layer, input_shape=(3, 32, 32)) as run, torch.no_grad():
        scores = net(normalised(loaded, images))
        theirs = run(class_idx=class_, scores=scores, normalized=False)[0].numpy()
    ours = cam.relu(cam.explain(loaded, images, "score-cam", [class_], layer).raw[:, 0])
    assert ours.max() > 0
    return float(np.abs(cam.scaled(ours) - cam.scaled(cam.relu(theirs))).max())


def equation_19(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Grad-CAM++ as the paper writes it, cell by cell: activations and gradients float64 (C, h, w) -> (h, w)."""
    made = np.zeros(a.shape[1:])
    for channel, gradient in zip(a, g):
        weight, total = 0.0, channel.sum()
        for slope in gradient.ravel():
            below = 2 * slope**2 + total * slope**3
            weight += slope**2 / below * max(slope, 0.0) if below else 0.0
        made += weight * channel
    return made


def difference_from_equation_19(
    loaded: Loaded, images: np.ndarray, class_: int, method: str = "grad-cam++"
) -> float:
    """At the last map, where the gradient is known without autograd: the head's weight over the number of cells."""
    ours = cam.explain(loaded, images, method, [class_]).raw[:, 0]
    with torch.no_grad():
        maps = loaded.model.features(normalised(loaded, images)).double().numpy()
    weights = loaded.model.head.weight[class_].detach().double().numpy()
    worst = 0.0
    for a, found in zip(maps, ours):
        gradients = np.broadcast_to(weights[:, None, None] / a[0].size, a.shape)
        worst = max(worst, np.abs(found - equation_19(a, gradients)).max())
    return float(worst)


def difference_from_equation_19_inside(loaded: Loaded, image: np.ndarray, class_: int) -> float:
    """The same at fastnet's second group, where gradients differ from cell to cell; relative to the greatest value."""
    net = loaded.model
    x = normalised(loaded, image[None])
    with torch.no_grad():
        a = net.groups[:2](F.gelu(net.whiten(F.pad(x, (0, 1, 0, 1), mode="replicate"))))
    g = torch.func.grad(lambda a: net.head(net.groups[2](a).mean((2, 3)))[0, class_])(a)
    expected = equation_19(a[0].double().numpy(), g[0].double().numpy())
    found = cam.explain(loaded, image[None], "grad-cam++", [class_], "groups.1").raw[0, 0]
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_grad_cam_is_captums(layer: str, cifar) -> None:
    loaded, images = cifar
    for class_ in (0, 3):
        assert difference_from_captum(loaded, images[:4], layer, class_) <= 1e-6


@pytest.mark.parametrize("layer", ["groups.2", "groups.1"])
def test_grad_cam_is_captums_on_digits(layer: str, digits) -> None:
    loaded, images = digits
    assert difference_from_captum(loaded, images[:8], layer, 3) <= 1e-6


@pytest.mark.parametrize("method", ["grad-cam", "xgrad-cam", "layer-cam"])
def test_final_maps_are_those_of_pytorch_grad_cam(method: str, cifar, digits) -> None:
    loaded, images = cifar
    for class_ in (0, 3):
        assert difference_from_grad_cam(method, loaded, images[:4], "layer4", class_) <= 1e-5
    assert difference_from_grad_cam(method, loaded, images[:4], "layer3", 5) <= 1e-5
    loaded, images = digits
    assert difference_from_grad_cam(method, loaded, images[:8], "groups.2", 3) <= 1e-5


def test_score_cam_is_torchcams(digits) -> None:
    loaded, images = digits
    for class_ in predict.logits(loaded, images[:1])[0].argsort()[-2:]:
        assert difference_from_torchcam(loaded, images[:1], "groups.2", int(class_)) <= 2e-3


def test_grad_cam_plus_plus_is_equation_19_of_the_paper(cifar, digits) -> None:
    loaded, images = cifar
    for class_ in (0, 3):
        assert difference_from_equation_19(loaded, images[:3], class_) <= 1e-6
    loaded, images = digits
    assert difference_from_equation_19(loaded, images[:3], 7) <= 1e-6
    assert difference_from_equation_19_inside(loaded, images[0], 7) <= 1e-6


def test_a_division_in_place_on_a_copy_is_caught(cifar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask makes a copy: what is divided there in place is thrown away, and the weights are g² relu(g)."""

    def undivided(captured: Captured, classes) -> torch.Tensor:
        g, a = captured.gradients(classes).double(), captured.activations.double()
        alpha, below = g**2, 2 * g**2 + a.sum((2, 3))[:, None, :, None, None] * g**3
        alpha[below != 0].div_(below[below != 0])
        return cam._weighted((alpha * g.relu()).sum((3, 4)), a).float()

    loaded, images = cifar
    method = planted(monkeypatch, undivided)
    assert difference_from_equation_19(loaded, images[:1], 3, method) > 1e-3


# The map that adds up


@pytest.mark.parametrize("name", LINEAR)
def test_cam_adds_up_to_the_logit_on_every_net_that_declares_it(name: str) -> None:
    found = cam.explain(wrapped(name, models.build(name, 10, seed=0)), pictures(), "cam")
    assert cam.adds_up(found) <= 1e-5 * max(1, np.abs(found.logits).max())
    assert found.raw.shape[:2] == (3, 10) and found.bias.shape == (10,)


def test_cam_adds_up_to_the_logit_on_trained_nets(cifar, digits) -> None:
    for loaded, images in (cifar, digits):
        assert cam.adds_up(cam.explain(loaded, images[:8], "cam")) <= 1e-5
        assert cam.adds_up(cam.explain(loaded, images[:2], "cam", [7, 2])) <= 1e-5


def test_a_map_that_does_not_add_up_is_told(digits) -> None:
    loaded, images = digits
    found = cam.explain(loaded, images[:2], "cam")
    found.raw[1, 4, 2, 2] += 1.6
    assert cam.adds_up(found) == pytest.approx(0.1, abs=1e-4)  # 1.6 on one of 16 cells
    assert math.isnan(cam.adds_up(cam.explain(loaded, images[:1], "grad-cam")))


def test_grad_cam_times_the_number_of_cells_is_cam(cifar, digits) -> None:
    for loaded, images in (cifar, digits):
        exact, gradient = (cam.explain(loaded, images[:4], method).raw for method in ("cam", "grad-cam"))
        assert np.abs(gradient * exact[0, 0].size - exact).max() <= 1e-5


# Two threads, one model


def alone_and_beside(loaded: Loaded, images: np.ndarray, works: list[Callable]) -> None:
    """Each work, 200 times alone and then with the other beside it, must give the same to the last bit."""
    expected = [[work(one[None]) for one in images] for work in works]

    def repeat(work: Callable) -> list[np.ndarray]:
        return [work(images[k % len(images)][None]) for k in range(200)]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(repeat, works))
    for known, many in zip(expected, found):
        wrong = sum(not np.array_equal(each, known[k % len(images)]) for k, each in enumerate(many))
        assert wrong == 0, f"{wrong} of {len(many)} differ"


def test_two_threads_make_the_maps_that_one_makes(digits) -> None:
    loaded, images = digits
    alone_and_beside(
        loaded,
        images[:10],
        [
            lambda x, method=method: cam.explain(loaded, x, method, [3]).raw
            for method in ("grad-cam", "layer-cam")
        ],
    )


@pytest.mark.parametrize("method", ["cam", "grad-cam"])
def test_maps_and_plain_forwards_do_not_disturb_each_other(method: str, digits) -> None:
    loaded, images = digits
    alone_and_beside(
        loaded,
        images[:10],
        [lambda x: cam.explain(loaded, x, method, [3]).raw, lambda x: predict.logits(loaded, x)],
    )


# Layers


def test_a_layer_is_chosen_by_its_name(toy: Loaded) -> None:
    found = cam.explain(toy, pictures(), "grad-cam", [1], "first")
    assert found.layer == "first" and found.raw.shape == (3, 1, 16, 16)
    last = cam.explain(toy, pictures(), "grad-cam", [1])
    assert last.layer == "last" and last.raw.shape == (3, 1, 8, 8)
    inner = cam.explain(toy, pictures(), "grad-cam", [1], "last.1")
    assert np.array_equal(inner.raw, last.raw)


@pytest.mark.parametrize("method", [name for name in CAM_METHODS if name != "cam"])
def test_what_follows_in_place_does_not_change_the_map(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Following(Toy):
        def __init__(self, inplace: bool):
            super().__init__()
            self.then = nn.ReLU(inplace=inplace)

        def features(self, x):
            return self.last(self.then(self.first(x)))

    nets = Following(True), Following(False)
    nets[1].load_state_dict(nets[0].state_dict())
    raw = [
        cam.explain(known_as(f"following-{k}", net, monkeypatch, "first", "last"), pictures(2), method,
                    [0, 1], "first").raw
        for k, net in enumerate(nets)
    ]  # fmt: skip
    assert np.array_equal(*raw)


def test_cam_is_refused_where_it_would_not_add_up(toy: Loaded) -> None:
    with pytest.raises(Problem, match=r"linear in the mean .* Grad-CAM works everywhere"):
        cam.explain(toy, pictures(), "cam", layer="first")
    lenet = wrapped("lenet", models.build("lenet", 10, seed=0))
    with pytest.raises(Problem, match=r"linear in the mean .* Grad-CAM works everywhere"):
        cam.explain(lenet, pictures(), "cam")
    assert cam.explain(lenet, pictures(), "grad-cam").raw.shape == (3, 10, 5, 5)


@pytest.mark.parametrize("method", CAM_METHODS)
def test_a_map_of_one_cell_is_refused_with_a_way_out(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Striding(Toy):
        def features(self, x):
            return F.adaptive_avg_pool2d(super().features(x), 1)

        def __init__(self):
            super().__init__()
            self.end = nn.Identity()

        def embed(self, x):
            return self.end(self.features(x)).flatten(1)

    net = known_as("striding", Striding(), monkeypatch, "last", "end")
    with pytest.raises(Problem, match=r"layer 'end' is 1x1: .* Choose an earlier layer, or a net"):
        cam.explain(net, pictures(), method)


def test_what_is_not_there_is_refused_in_one_sentence(toy: Loaded) -> None:
    toy.model.spare = nn.Conv2d(3, 3, 1)
    cases = [
        ({"method": "magic"}, r"Unknown method 'magic'; known: cam, grad-cam"),
        ({"layer": "layer9"}, r"no layer 'layer9'; known are: first, norm, last, head"),
        ({"layer": "head"}, r"'head' makes no map; choose a convolution or a block"),
        ({"layer": "spare"}, r"'spare' is not used in a forward pass"),
        ({"classes": [99]}, r"Classes 99 were asked for; this model has 0 to 9"),
        ({"classes": [0, -1]}, r"Classes 0, -1 were asked for"),
        ({"classes": []}, r"Classes - were asked for"),
    ]
    for asked, words in cases:
        with pytest.raises(Problem, match=words):
            cam.explain(toy, pictures(), **{"method": "grad-cam", **asked})
        assert not any(getattr(module, kind) for module in toy.model.modules() for kind in HOOKS)
    wrong = [pictures().astype(np.float32), pictures()[0], pictures()[:0], pictures()[..., :16]]
    for images in wrong:
        with pytest.raises(Problem, match=r"Expected pictures as uint8 of shape \(N, 3, 32, 32\), got"):
            cam.explain(toy, images, "cam")


def test_a_net_that_is_partly_in_training_mode_stays_so(toy: Loaded) -> None:
    """As while fine-tuning with norms held fast: each module has its own mode."""
    toy.model.train()
    toy.model.norm.eval()
    before = state_of(toy.model)
    cam.explain(toy, pictures(), "grad-cam", [0])
    after = state_of(toy.model)
    assert [key for key in before if before[key] != after[key]] == []


# What is drawn


def test_negative_evidence_is_cut_off_and_nothing_else() -> None:
    assert cam.relu(np.array([-2.0, 0.0, 3.0])).tolist() == [0, 0, 3]


def test_scaling_goes_from_0_to_1_map_by_map_and_a_flat_map_is_0() -> None:
    raw = np.array([[[2, 4], [6, 10]], [[7, 7], [7, 7]], [[0, 0], [0, 0]]], np.float32)
    expected = [[[0, 0.25], [0.5, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert cam.scaled(raw).tolist() == expected and cam.scaled(raw).dtype == np.float32
    assert torch.equal(cam.scaled(torch.from_numpy(raw)), torch.tensor(expected))


def test_enlarging_is_bilinear_between_the_centres_of_the_cells() -> None:
    raw = np.array([[0, 1], [0, 1]], np.float32)
    assert cam.enlarged(raw, (2, 4)).tolist() == [[0, 0.25, 0.75, 1]] * 2
    assert cam.enlarged(torch.from_numpy(raw)[None], (4, 4)).shape == (1, 4, 4)
    noise = np.random.default_rng(0).random((2, 3, 4, 4), dtype=np.float32)
    expected = F.interpolate(torch.from_numpy(noise), size=(32, 32), mode="bilinear", align_corners=False)
    assert np.array_equal(cam.enlarged(noise, (32, 32)), expected.numpy())


def test_the_time_is_estimated_before_the_work(toy: Loaded) -> None:
    before = state_of(toy.model)
    for method in CAM_METHODS:
        assert 0 < cam.estimate(toy, method, "last", 3) < 60
    assert state_of(toy.model) == before
    with pytest.raises(Problem, match="Unknown method 'magic'"):
        cam.estimate(toy, "magic", "last")
