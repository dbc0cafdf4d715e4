"""The section "Draw": pictures drawn now, as a job that can be followed and stopped, into the session's gallery."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer import jobs, reach
from explorer.analysis import sampling
from explorer.checkpoints import Card
from explorer.data.drawn import read_drawn
from explorer.text import Problem, t
from explorer.ui import cache, compared, drawn, generating, progress, widgets
from explorer.ui.generating import Scene
from explorer.ui.picker import Item, picture_strip
from explorer.views import pictures

COUNTS = (16, 32, 64)
KEPT = 8  # jobs of a session's gallery
GALLERY = "drawn in this session"
_read = cache.Kept(64)
_askers: dict[str, set[str]] = {}  # of live jobs: the sessions that asked; equal drawings are one job


def drawing(scene: Scene) -> None:
    """The controls, the job that is under way, and what was drawn in this session."""
    st.markdown(
        t(
            "The same seed is the same picture, today and on every page. Drawing goes on when the page is closed."
        )
    )
    asked = _controls(scene)
    # No callback: its arguments would be those of the run before, and a number that is typed comes with the click.
    if st.button(t("Draw"), type="primary", key="draw", icon=":material/brush:"):
        with widgets.problems():
            _start(asked)
    shown = drawn.linked()
    if shown:
        compared.one(shown)
    gallery = _gallery()
    there = [job_id for job_id in gallery if _found(job_id)]
    for job_id in there:
        with widgets.problems():
            _one(job_id)
    if len(there) < len(gallery):
        st.caption(
            t(
                "Drawings of this session that are no longer kept: {n}. The same controls draw the same pictures "
                "again.",
                n=len(gallery) - len(there),
            )
        )


def _controls(scene: Scene) -> list[str]:
    """What is to be drawn: the words of the command."""
    counts = [str(n) for n in (COUNTS[:1] if reach.public_mode() else COUNTS)]
    most = drawn.most_steps()
    there = [job_id for job_id in st.query_params.get_all("job") if _found(job_id)]
    asked = widgets.from_url("draw_with", scene.cards, next(iter(scene.cards)))
    generating.note_odd_controls(
        scene.cards[asked], most, {"draw_with": scene.cards, "n": counts, "job": there},
        odd=drawn.odd(),
    )  # fmt: skip
    left, middle, right = st.columns(3)
    with left:
        name = widgets.select(t("Model"), {name: name for name in scene.cards}, key="draw_with")
        card = scene.cards[name]
        count = widgets.select(t("Pictures"), {n: n for n in counts}, key="n", kind="segmented")
    with middle:
        wanted = None
        if card.conditional:
            wanted = generating.class_of(t("Class"), "class", card, t("all in turn"))
        else:
            generating.no_class("class")
        seed = generating.seed(t("First seed"), "seed", 0)
    words = ["sample", name, "--n", count, "--seed", str(seed)]
    words += [] if wanted is None else ["--class", card.classes[wanted]]
    with right:
        if card.task != "diffusion":
            st.caption(t("One step from code to picture: there is nothing more to choose."))
            return words
        for key, value in generating.diffusion(card, most).items():
            words += [f"--{key}", f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def _start(words: list[str]) -> None:
    """Submit the job and put it first in the gallery; Problem as jobs.submit.

    The gallery is changed in place, and before the address: where that or the session's state is written to, the run of
    a visitor who has clicked again ends, and the job would be known to nobody.
    """
    gallery: list[str] = st.session_state.setdefault(GALLERY, [])
    job_id = jobs.submit(words, "draw")
    gallery[:] = [job_id, *(each for each in gallery if each != job_id)][:KEPT]
    _askers.setdefault(job_id, set()).add(_session())
    for other in list(_askers):
        if other != job_id and not ((found := _found(other)) and found.live):
            _askers.pop(other, None)
    st.query_params["job"] = job_id


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


def _elsewhere(job_id: str) -> bool:
    """Whether another session waits for the same drawing. Strangers who have gone may come back: phones fall asleep."""
    others = _askers.get(job_id, set()) - {_session()}
    return any(reach.public_mode() or get_instance().is_active_session(other) for other in others)


def _gallery() -> list[str]:
    """The session's jobs, the newest first, with the one that the address names; some may be forgotten."""
    found = list(st.session_state.get(GALLERY, []))
    asked = st.query_params.get("job")
    named = _found(asked) if asked else None
    if asked and not (named and named.kind == "draw"):  # one of another section, or none
        widgets.to_url("job", None)
    elif asked and asked not in found:
        found = [asked, *found]
    st.session_state[GALLERY] = found[:KEPT]
    return found[:KEPT]


def _found(job_id: str) -> jobs.JobStatus | None:
    """How a job stands, None without one."""
    try:
        return jobs.status(job_id)
    except Problem:  # forgotten, or typed by a stranger
        return None


def _one(job_id: str) -> None:
    """A job: how far it is, how it ended, or its pictures."""
    found = jobs.status(job_id)
    if found.live:
        progress.follow(job_id, _elsewhere)
        return
    if found.state != "done":
        progress.ended(found)
        return
    how, images, labels = _result(job_id)
    card = cache.cards("generator").get(how["checkpoint"])
    if card and card.sha256 != how.get("sha256"):  # a click would draw another picture
        card = None
    st.subheader(_words(how, card), anchor=False)
    if card is None:
        st.caption(
            t("Drawn with earlier weights, which are no longer here: these pictures lead to no other page.")
        )
    seeds = [how["seed"] + k for k in range(len(images))]
    names = [card.classes[label] if card and label >= 0 else "" for label in labels]
    items = tuple(
        Item(str(seed), pictures.thumbnail_uri(image, 2), name, alt, alt)
        for seed, image, name in zip(seeds, images, names)
        for alt in [t("{name}, seed {seed} {true}", name=how["checkpoint"], seed=seed, true=name).strip()]
    )
    picture_strip(
        "", items, None, f"drawn by {job_id}", lambda seed: _follow(card, how, int(seed)), "strip wrap small"
    )
    with st.container(horizontal=True):
        _downloads(job_id, how, images, labels, seeds)


def _follow(card: Card | None, how: dict[str, Any], seed: int) -> None:
    if card is not None:
        options = tuple((key, how[key]) for key in ("sampler", "steps", "guidance") if key in how)
        widgets.to_url(drawn.KEY, drawn.Drawn(card, seed, how["class"], options).address)


def _result(job_id: str) -> tuple[dict[str, Any], np.ndarray, list[int]]:
    """(how, uint8 (N, 3, H, W), labels, -1 for none) of a job that is done; read once."""

    def read() -> tuple[dict[str, Any], np.ndarray, list[int]]:
        how = jobs.result(job_id)
        images, labels = read_drawn(Path(how["path"]))
        return how, images, [-1] * len(images) if labels is None else [int(label) for label in labels]

    return _read.get(job_id, read)


def _words(how: dict[str, Any], card: Card | None) -> str:
    words = [
        how["checkpoint"],
        t("seeds {first} to {last}", first=how["seed"], last=how["seed"] + how["n"] - 1),
    ]
    if "steps" in how:
        words.append(sampling.words(how, card is None or card.conditional))
    return " · ".join([*words, t("{ms} ms a picture", ms=f"{how['milliseconds']:.1f}")])


def _downloads(
    job_id: str, how: dict[str, Any], images: np.ndarray, labels: list[int], seeds: list[int]
) -> None:
    """The pictures as a PNG grid and as the NPZ that `score` reads, their seeds and classes as a table, and how."""
    name = f"{how['checkpoint']}-{how['seed']}-{job_id[-6:]}"
    about = {key: value for key, value in how.items() if key != "path"}  # a path of this machine helps nobody

    def table() -> str:
        out = io.StringIO()
        rows = csv.writer(out)
        rows.writerow(["seed", "class"])
        rows.writerows(zip(seeds, labels))
        return out.getvalue()

    widgets.download("PNG", lambda: pictures.png(pictures.grid(images, 8)), f"{name}.png", "image/png")
    widgets.download("NPZ", lambda: Path(how["path"]).read_bytes(), f"{name}.npz", "application/octet-stream")
    widgets.download("CSV", table, f"{name}.csv", "text/csv")
    widgets.download("JSON", lambda: json.dumps(about, indent=1), f"{name}.json", "application/json")
