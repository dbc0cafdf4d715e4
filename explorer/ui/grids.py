"""What a generator drew while it learned, always of the same seeds: any moment large, and first, best, newest side by
side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from explorer import runs
from explorer.files import read_json
from explorer.text import N_, Problem, t
from explorer.training import recipe_class
from explorer.ui import cache, widgets
from explorer.views import pictures
from explorer.views.rows import epoch_words

ROWS = 5  # of every grid, see training.watching; a column for each class up to ten
WIDEST = {False: 640, True: 960}  # pixels of the large grid, at a whole multiple, by large type
LOWEST = {"kid": N_("lowest KID"), "loss": N_("lowest loss")}  # by what the best grid was best

_pictures = cache.Kept(64)


def steps_of(name: str) -> list[int]:
    """The steps after which the run drew, ascending."""
    found = (path.stem.removeprefix("step-") for path in (runs.folder_of(name) / "grids").glob("step-*.png"))
    return sorted(int(step) for step in found if step.isdecimal())


def best_step(rows: Sequence[Mapping[str, Any]], model: str) -> int | None:
    """The step at which what the model is judged by on held-out pictures was best; None before the first."""
    measure, more_is_better = recipe_class(model).judged_by
    there = [(row.get(f"held_out_{measure}"), row["step"]) for row in rows]
    there = [pair for pair in there if pair[0] is not None]
    return (max if more_is_better else min)(there, key=lambda pair: pair[0])[1] if there else None


def show(name: str, others: Sequence[str], rows: Sequence[Mapping[str, Any]], config: dict[str, Any]) -> None:
    """The run's pictures; nothing before the first. others: runs whose newest stand beside them."""
    steps = steps_of(name)
    if not steps:
        return
    epochs = rows[-1]["epoch"] / max(rows[-1]["step"], 1)  # a step
    step = _chosen(steps, epochs, name)
    _large(name, step, epoch_words(step * epochs), config)
    beside = _beside(name, steps, rows, epochs, config["model"])
    for other in others:
        drawn = steps_of(other)
        if drawn:
            beside.append((other, drawn[-1], other))
    if len(beside) < 2:
        return
    with st.grid(3, min_column_width=320):  # ten pictures as they are
        for run, at, words in beside:
            with st.container():
                st.image(_picture(run, at)[0], caption=widgets.plain(words), output_format="PNG",
                         alt=t("Drawn pictures: {what}", what=words))  # fmt: skip


def _chosen(steps: list[int], epochs: float, name: str) -> int:
    """The step to look at: the newest, unless the address or the slider names another; epochs: a step."""
    asked = widgets.from_url("grid", [str(step) for step in steps])
    # A key for each number of grids: while the run goes on the slider grows, and stays where it was put.
    key = f"grid {name} {len(steps)}"
    if key not in st.session_state or st.session_state.get("grid in the address") != asked:  # a visit, a link
        st.session_state[key] = int(asked) if asked else steps[-1]
    step = st.session_state[key]
    if len(steps) > 1:
        step = st.select_slider(
            t("Pictures after epoch"), steps, key=key, format_func=lambda each: epoch_words(each * epochs),
            help=t("Always the same seeds, so that only the net changes"),
        )  # fmt: skip
    widgets.to_url("grid", str(step), str(steps[-1]))
    st.session_state["grid in the address"] = widgets.from_url("grid", [str(step) for step in steps])
    return step


def _large(name: str, step: int, epoch: str, config: dict[str, Any]) -> None:
    """One grid, and what its columns are."""
    png, columns = _picture(name, step, WIDEST[widgets.large_type()])
    last = ROWS * columns - 1
    words = t("{name} after epoch {epoch}, seeds 0 to {last}", name=name, epoch=epoch, last=last)
    classes = read_json(runs.folder_of(name) / "card.json").get("classes", ())[:columns]
    if config["recipe"].get("conditional") is False:
        words += " · " + t("it is told no class")
    elif len(classes) == columns:
        words += " · " + t("columns: {classes}", classes=", ".join(classes))
    st.image(png, caption=widgets.plain(words), output_format="PNG",
             alt=t("{n} drawn pictures: {what}", n=last + 1, what=words))  # fmt: skip


def _beside(
    name: str, steps: list[int], rows: Sequence[Mapping[str, Any]], epochs: float, model: str
) -> list[tuple[str, int, str]]:
    """First, best and newest as (run, step, words); what is two of these stands once."""
    best, found = best_step(rows, model), {steps[0]: [t("first")]}
    if best in steps:
        found.setdefault(best, []).append(t(LOWEST[recipe_class(model).judged_by[0]]))
    found.setdefault(steps[-1], []).append(t("newest"))
    return [
        (name, step, t("{what}: epoch {epoch}", what=", ".join(words), epoch=epoch_words(step * epochs)))
        for step, words in sorted(found.items())
    ]


def _picture(name: str, step: int, room: int = 0) -> tuple[bytes, int]:
    """(PNG, columns) of a stored grid, as many times as large as fits into `room` pixels, at most four times."""
    path = runs.folder_of(name) / "grids" / f"{runs.folder.step_name(step)}.png"

    def make() -> tuple[bytes, int]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        high, wide = pixels.shape[1:]
        return pictures.png(pictures.enlarge(pixels, max(1, min(4, room // wide)))), max(
            1, wide * ROWS // high
        )

    try:
        return _pictures.get((str(path), path.stat().st_mtime_ns, room), make)
    except (OSError, ValueError, SyntaxError) as error:  # PIL's own are of these kinds
        raise Problem("The pictures after step {step} cannot be read.", step=step) from error
