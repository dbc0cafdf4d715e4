"""Two sessions that draw at the same moment get the pictures that each seed gives alone, bit for bit."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer import data, jobs
from explorer.analysis import trajectory
from explorer.data.drawn import read_drawn
from explorer.ui import anew, between, cache, drawn
from tests.analysis.test_sampling import TINY, made

ROOT = Path(__file__).resolve().parents[2]
Way = Callable[[int], list[np.ndarray]]  # a seed -> what a session is shown of it


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for model in TINY:
        made(root, model)
    return root


@pytest.fixture(autouse=True)
def surroundings(shelf: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Nothing is kept but the models, so that every look draws; each is one object for all."""
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(shelf))
    for module, name in ((drawn, "_pictures"), (between, "_strips"), (anew, "_made")):
        monkeypatch.setattr(module, name, cache.Kept(0))


def ways(model: str) -> dict[str, Way]:
    """What the page does with a generator, by the functions that it calls."""
    loaded = cache.model(f"tiny-{model}", "generator")
    assert cache.model(f"tiny-{model}", "generator") is loaded, "one object for all sessions"
    card, picture = loaded.card, np.ascontiguousarray(data.load("digits", "test").images[0])

    def one(*options: object) -> Way:
        named = tuple(zip(("sampler", "steps", "guidance"), options))
        return lambda seed: [drawn.pixels(drawn.Drawn(card, seed, None, named))]

    found: dict[str, Way] = {
        "strip": lambda seed: list(between._strip(card, (seed, seed + 1), 3, between._along)),
    }
    if model != "ddpm":
        found |= {
            "picture": one(),
            "sum": lambda seed: list(between._strip(card, (seed, 1, 2), 3, between._summed)),
        }
    if model == "vae":
        found["from its code"] = lambda seed: [anew._reconstructed(card, picture, seed % 10, False)]
    if model == "ddpm":

        def way(seed: int) -> list[np.ndarray]:
            seen = trajectory.trajectory(
                loaded, range(seed, seed + 4), None, sampler="dpm", steps=3, guidance=1.0
            )
            return [*seen.noisy, *seen.guesses]

        found |= {
            "picture": one("dpm", 3, 2.0),
            "noise at every step": one("ddpm", 3, 1.0),
            "trajectory": way,
            "from noise": lambda seed: list(
                anew._reimagined(card, picture, 0.1 + seed % 4 / 5, seed % 10, False)
            ),
        }
    return found


def differing(known: dict[str, Way], rounds: int) -> list[tuple[str, int]]:
    """Which pictures, by way and seed, two sessions at once were shown otherwise than one alone is.

    In every round the two begin at the same moment, with seeds of their own, by the same way or by different ones.
    """
    names, seeds = list(known), iter(range(10, 10_000))
    asked = [
        ((names[k % len(names)], next(seeds)), (names[(k + k // len(names)) % len(names)], next(seeds)))
        for k in range(rounds)
    ]
    alone = {each: known[each[0]](each[1]) for pair in asked for each in pair}
    barrier = threading.Barrier(2, timeout=120)

    def session(place: int) -> list[tuple[str, int]]:
        other = []
        for pair in asked:
            name, seed = pair[place]
            barrier.wait()
            try:
                shown = known[name](seed)
            except BaseException:
                barrier.abort()
                raise
            same = len(shown) == len(alone[name, seed]) and all(map(np.array_equal, shown, alone[name, seed]))
            other += [] if same else [(name, seed)]
        return other

    with ThreadPoolExecutor(2) as pool:
        return [each for found in pool.map(session, range(2)) for each in found]


@pytest.mark.parametrize("model", TINY)
def test_two_sessions_at_once_get_the_pictures_of_their_seeds(model: str) -> None:
    known = ways(model)
    assert len({image.tobytes() for seed in range(5) for image in known["picture"](seed)}) == 5
    assert differing(known, 4 * len(known)) == []


# That this would notice if it were otherwise


def remembering(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """A net that puts down what it was asked for, and takes it up again a moment later."""
    draw = model.draw

    def later(x: torch.Tensor, *rest: object, **options: object) -> torch.Tensor:
        model.asked = x
        time.sleep(0.002)
        return draw(model.asked, *rest, **options)

    monkeypatch.setattr(model, "draw", later, raising=False)


def test_a_net_that_remembers_is_safe_behind_its_lock_and_seen_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known, loaded = {"picture": ways("vae")["picture"]}, cache.model("tiny-vae", "generator")
    remembering(loaded.model, monkeypatch)
    assert differing(known, 12) == []
    monkeypatch.setattr(loaded, "lock", contextlib.nullcontext())
    assert differing(known, 12) != []


@pytest.mark.parametrize("model", ["dcgan", "ddpm"])
def test_one_generator_for_all_sessions_would_be_seen(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known, shared = ways(model), torch.Generator()

    class Shared:
        def manual_seed(self, seed: int) -> torch.Generator:
            shared.manual_seed(seed)
            time.sleep(0.002)  # time for the other session to come in between
            return shared

    monkeypatch.setattr(torch, "Generator", Shared)
    assert differing({"picture": known["picture"]}, 12) != []


# Jobs


@pytest.mark.slow
def test_two_jobs_at_once_draw_what_each_draws_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def submitted(seed: int) -> str:
        app = AppTest.from_file(str(ROOT / "pages/generate.py"), default_timeout=300)
        asked = {
            "part": "draw",
            "draw_with": "tiny-ddpm",
            "sampler": "ddpm",
            "steps": "100",
            "seed": str(seed),
        }
        for key, value in asked.items():
            app.query_params[key] = value
        app.run()
        app.button(key="draw").click().run()
        assert not app.exception and not app.error
        return app.session_state["drawn in this session"][0]

    def pictures(job_id: str) -> np.ndarray:
        done = jobs.wait(job_id, 600)
        assert done.state == "done", jobs.logs(job_id, 30)
        return read_drawn(Path(jobs.result(job_id)["path"]))[0]

    both = [submitted(seed) for seed in (7, 1007)]
    assert len({*both}) == 2 and all(jobs.status(job_id).live for job_id in both), "at the same time"
    together = [pictures(job_id) for job_id in both]
    alone = [pictures(submitted(seed)) for seed in (7, 1007)]
    assert all(map(np.array_equal, together, alone))
    assert not np.array_equal(*together)
