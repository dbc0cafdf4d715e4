"""The section "What FID sees": how many pictures, which faults, whose convention, how many milliseconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer import checkpoints, data, jobs, reach
from explorer.analysis import perturbing, protocols, samplers
from explorer.checkpoints import Card
from explorer.files import read_json
from explorer.text import Problem, t
from explorer.ui import cache, generating, progress, widgets
from explorer.ui.evidence import dark
from explorer.ui.generating import Scene
from explorer.views import scores

SIZES = (500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000, 50_000)
_tables = cache.Kept(64)


def fid_sees(scene: Scene) -> None:
    """All of the section."""
    generating.note_odd({"of": {f"{size:,}" for size in SIZES}, "fault": perturbing.PERTURBATIONS})
    _over_n(scene)
    _faults()
    _protocols(scene)
    _samplers(scene)


def stored(card: Card, file: str) -> list[dict[str, Any]]:
    """The rows of a JSON file beside a checkpoint's weights; empty where it is not there or of other weights."""
    path = checkpoints.root() / card.name / file
    try:
        found = _tables.get((card.name, card.sha256, file, path.stat().st_mtime_ns), lambda: read_json(path))
    except OSError:
        return []
    return found.get("rows", []) if found.get("checkpoint_sha256", card.sha256) == card.sha256 else []


def _over_n(scene: Scene) -> None:
    st.subheader(t("How many pictures"), anchor=False)
    curves = {
        name: [(int(n), float(value)) for n, value in card.metrics["samples"]["fid_curve"]]
        for name, card in scene.cards.items()
        if card.metrics.get("samples", {}).get("fid_curve")
    }
    if not curves:
        widgets.empty_state(
            t(
                "No scores are stored for these models: `python -m explorer score {name} --store`",
                name=next(iter(scene.cards)),
            )
        )
        return
    st.markdown(
        t(
            "FID comes out too high when few pictures are drawn, by about c / N. So a number without its N says "
            "nothing, and numbers of different N do not compare."
        )
    )
    n = st.select_slider(
        t("Pictures"), SIZES, 5000, key="of", bind="query-params", format_func=lambda size: f"{size:,}"
    )
    widgets.chart(
        scores.over_n(curves, n, dark()), key="fid over n",
        alt=t("FID over the number of pictures for {names}", names=", ".join(curves)),
    )  # fmt: skip


def table_of_faults() -> list[dict[str, Any]]:
    """The shipped measurements of benchmarks/what_fid_sees.py, as analysis.perturbing.rows gives them; [] without."""
    return _tables.get("faults", lambda: read_json(Path(perturbing.__file__).with_suffix(".json"))).get(
        "rows", []
    )


def _faults() -> None:
    st.subheader(t("Which faults"), anchor=False)
    st.markdown(
        t(
            "Real test pictures, spoilt in one way: what do FID, KID, precision and recall make of it? Where nothing "
            "is spoilt, FID is not 0: so few pictures have a bias."
        )
    )
    kinds = {kind: t(spec.title) for kind, spec in perturbing.PERTURBATIONS.items()}
    kind = widgets.select(t("Fault"), kinds, key="fault", kind="segmented", bare=True)
    spec = perturbing.PERTURBATIONS[kind]
    _examples(kind, spec)
    rows = [row for row in table_of_faults() if row["kind"] == kind or row["strength"] == 0]
    if not rows:
        widgets.empty_state(t("Not measured yet: `python benchmarks/what_fid_sees.py --write`"))
        return
    job = jobs.latest(f"perturb {kind}") if not reach.public_mode() else None
    live = jobs.result(job.id) if job and job.state == "done" else None
    widgets.chart(
        scores.faults(rows, t(spec.unit), live or None, dark()), key=f"fault {kind}",
        alt=t("FID, KID, precision and recall over {fault}", fault=t(spec.title)),
    )  # fmt: skip
    if reach.public_mode():
        return
    if job and job.live:
        progress.follow(job.id)
        return
    if job:
        progress.ended(job)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        strength = st.number_input(
            t("Another strength ({unit})", unit=t(spec.unit)), float(spec.low), float(spec.high),
            float(spec.strengths[1]), key=f"strength {kind}",
        )  # fmt: skip
        st.button(
            t("Measure it"), on_click=_measure, args=(kind, float(strength)), key="measure",
            icon=":material/straighten:",
            disabled=not data.available("cifar10"),
            help=t("1,000 pictures through Inception: some minutes on a CPU"),
        )  # fmt: skip
    problem = st.session_state.pop("fault problem", None)
    if problem:
        st.error(str(problem), icon=":material/warning:")


def _measure(kind: str, strength: float) -> None:
    try:
        jobs.submit(["perturb", kind, f"{strength:g}"], "perturb", f"perturb {kind}")
    except Problem as problem:
        st.session_state["fault problem"] = problem


def _examples(kind: str, spec: perturbing.Perturbation) -> None:
    """A sheet picture at every stored strength; of faults of a set, some of its pictures."""

    def make() -> list[tuple[np.ndarray, str]]:
        sheet = cache.images("cifar10-sheet")
        if spec.apply:
            picture = sheet.images[18:19]
            return [
                (
                    spec.apply(picture, strength, np.random.default_rng(1))[0] if strength else picture[0],
                    f"{strength:g}",
                )
                for strength in (0, *spec.strengths)
            ]
        places = perturbing.chosen(sheet.labels, kind, spec.strengths[-1], 10)
        return [(sheet.images[place], sheet.classes[sheet.labels[place]]) for place in places]

    found = _tables.get(("examples", kind), make)
    alts = [
        t("{fault}, {unit}: {value}", fault=t(spec.title), unit=t(spec.unit), value=words)
        for _, words in found
    ]
    widgets.strip([image for image, _ in found], alts, [words for _, words in found], factor=3)


def _protocols(scene: Scene) -> None:
    st.subheader(t("Whose convention"), anchor=False)
    st.markdown(
        t(
            "The same 5,000 pictures of the same net: the reference and the resize alone move the number. A bare FID "
            "can mean any of these."
        )
    )
    rows = [
        (
            f"**{name}**",
            *map(t, protocols.PROTOCOLS[row["protocol"]]),
            f"{row['m']:,}",
            f"**{row['fid']:.2f}**",
        )
        for name, card in scene.cards.items()
        for row in stored(card, protocols.FILE)
        if row["protocol"] in protocols.PROTOCOLS
    ]
    if not rows:
        _missing("protocols", scene)
        return
    heads = (t("Model"), t("compared with"), t("Resize"), "m", "FID")
    st.table(
        pa.table({head: [row[k] for row in rows] for k, head in enumerate(heads)}),
        border="horizontal",
        hide_index=True,
    )


def _samplers(scene: Scene) -> None:
    st.subheader(t("How many milliseconds"), anchor=False)
    diffusion = {name: card for name, card in scene.cards.items() if card.task == "diffusion"}
    if not diffusion:
        st.caption(t("Only diffusion models can be drawn with in several ways; none is chosen above."))
        return
    for name, card in diffusion.items():
        rows = stored(card, samplers.FILE)
        if rows:
            widgets.chart(
                scores.time_against_fid(rows, dark()), key=f"samplers {name}",
                alt=t("FID against milliseconds for the samplers of {name}", name=name),
            )  # fmt: skip
        else:
            _missing("samplers", Scene({name: card}))


def _missing(command: str, scene: Scene) -> None:
    widgets.empty_state(
        t(
            "Not measured yet: `python -m explorer {command} {name}`",
            command=command,
            name=next(reversed(scene.cards)),
        )
    )
