"""The section "What FID sees": how many pictures, which faults, whose convention, how many milliseconds."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer import checkpoints, data, jobs, reach
from explorer.analysis import fid, perturbing, protocols, samplers, sampling
from explorer.checkpoints import Card, fid_of
from explorer.data import inception
from explorer.files import read_json
from explorer.text import Problem, t
from explorer.ui import cache, generating, offers, progress, widgets
from explorer.ui.evidence import dark
from explorer.ui.generating import Scene
from explorer.views import scores

SIZES = (500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000, 50_000)
_tables = cache.Kept(64)


def fid_sees(scene: Scene) -> None:
    """All of the section."""
    fault = widgets.from_url("fault", perturbing.PERTURBATIONS, next(iter(perturbing.PERTURBATIONS)))
    spec = perturbing.PERTURBATIONS[fault]
    odd = generating.note_odd(
        {
            "of": generating.spelt(SIZES),
            "fault": perturbing.PERTURBATIONS,
            "seen": [f"{strength:g}" for strength in spec.steps],
        },
        {"strength": (spec.low, spec.high)},
    )
    if "strength" in odd:  # said once
        widgets.to_url("strength", None)
    offered: list[str] = []  # what is got by a button already: a second one would follow the same job
    _over_n(scene, offered)
    _faults(offered)
    _protocols(scene, offered)
    _samplers(scene, offered)


def stored(card: Card, file: str) -> dict[str, Any]:
    """What a JSON file beside a checkpoint's weights holds: "rows" and what these rest on; empty where it is not there
    or of other weights."""
    path = checkpoints.root() / card.name / file
    try:
        found = _tables.get((card.name, card.sha256, file, path.stat().st_mtime_ns), lambda: read_json(path))
    except OSError:
        return {}
    whole = found.get("rows") and found.get("checkpoint_sha256", card.sha256) == card.sha256
    return found if whole else {}


def _over_n(scene: Scene, offered: list[str]) -> None:
    st.subheader(t("How many pictures"), anchor=False)
    curves = {
        name: [(int(n), float(value)) for n, value in card.metrics["samples"]["fid_curve"]]
        for name, card in scene.cards.items()
        if card.metrics.get("samples", {}).get("fid_curve")
    }
    if not curves:
        _missing(["score", next(iter(scene.cards)), "--store"], scene.data, offered)
        return
    st.markdown(_bias_words(curves))
    n = generating.count_of(t("Pictures"), SIZES, key="of", first=5000)
    scored = scene.cards[next(iter(curves))].metrics["samples"]  # all alike: one data set, one way to score
    reference = fid_of(scored)[1:]
    widgets.chart(
        scores.over_n(curves, n, dark(), reference), key="fid over n",
        alt=t("FID over the number of pictures for {names}", names=", ".join(curves)),
    )  # fmt: skip
    st.table(pa.table(scores.limits(curves, reference)), border="horizontal", hide_index=True)
    rows = [
        {"checkpoint": name, "n": n, "fid": value} for name, curve in curves.items() for n, value in curve
    ]
    _download(rows, "fid-over-n")


def _bias_words(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """What few pictures do to FID, as far as these curves show it."""
    shown = [name for name, curve in curves.items() if scores.biased(curve)]
    if len(shown) == len(curves):
        return t(
            "FID comes out too high when few pictures are drawn, by about c / N. So a number without its N says "
            "nothing, and numbers of different N do not compare."
        )
    if not shown:
        return t(
            "Where few pictures are drawn, FID can come out too high, by about c / N. On these pictures no bias is "
            "seen: the c of the fitted lines is no larger than its error."
        )
    return t(
        "Where few pictures are drawn, FID can come out too high, by about c / N. Here that is seen of {names}; of the "
        "others no bias is seen: the c of the fitted line is no larger than its error.",
        names=widgets.plain(", ".join(shown)),
    )


def table_of_faults() -> dict[str, Any]:
    """The shipped measurements of benchmarks/what_fid_sees.py: "rows" as analysis.perturbing.rows gives them, and what
    these rest on; {} without."""
    path = Path(perturbing.__file__).with_suffix(".json")
    try:
        return _tables.get(("faults", path.stat().st_mtime_ns), lambda: read_json(path))
    except OSError:
        return {}


def _faults(offered: list[str]) -> None:
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
    measured = jobs.all_of(f"perturb {kind} ") if not reach.public_mode() else []
    done = [job for job in measured if job.state == "done"]
    live = (jobs.result(_asked(done).id) if done else None) or None
    rows = perturbing.of_kind(table_of_faults().get("rows", []), kind)
    if len(rows) < 2:  # the untouched set alone is of every fault
        rows = []
        widgets.empty_state(t("Not measured yet: `python benchmarks/what_fid_sees.py --write`"))
    if rows or live:
        _charts(kind, spec, rows, live)
    if reach.public_mode():
        return
    lacking = _lacking("cifar10")
    if lacking:
        widgets.empty_state(t("To measure another strength, get {name} first.", name=lacking))
        _get(lacking, offered)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            strength = _strength(kind, spec)
            # No callback: its arguments would be those of the run before, and a typed strength comes with the click.
            clicked = st.button(
                t("Measure it"), key="measure", icon=":material/straighten:",
                help=t("1,000 pictures through Inception: some minutes on a CPU. The first time also the 5,000 real "
                       "ones that they are compared with: ten minutes more."),
            )  # fmt: skip
        if clicked:
            with widgets.problems():
                _measure(kind, strength)
            measured = jobs.all_of(f"perturb {kind} ")
    for job in measured:
        if job.live:
            st.caption(
                t("Being measured: {fault} {strength}", fault=t(spec.title), strength=job.key.split(" ")[-1])
            )
            progress.follow(job.id)
        elif st.query_params.get("job") == job.id:  # whoever asked for it is told how it ended
            progress.ended(job)


def _asked(found: Sequence[jobs.JobStatus]) -> jobs.JobStatus:
    """Of some jobs that which the address names, else the newest that anybody asked for."""
    named = [job for job in found if job.id == st.query_params.get("job")]
    return (named or found)[-1]


def _strength(kind: str, spec: perturbing.Perturbation) -> float:
    """The control of how strong the fault is to be, ?strength= in the address; each fault has a range of its own, and
    so a widget of its own."""
    own, first, asked = f"strength {kind}", float(spec.strengths[1]), st.query_params.get("strength")
    low, high = float(spec.low), float(spec.high)
    before = st.session_state.get("strength in the address", (kind, None))
    if asked == before[1] and kind != before[0]:  # another fault was chosen: the address is of the one before
        st.session_state[own] = first
    elif asked != before[1] or own not in st.session_state:  # a link, a visit; no number was taken out above
        st.session_state[own] = min(max(float(asked), low), high) if asked else first
    step, spelt = (1.0, "%.0f") if spec.whole else (None, None)
    words = t("Another strength ({unit})", unit=t(spec.unit))
    found = st.number_input(words, low, high, step=step, format=spelt, key=own)
    if spec.whole:
        found = float(math.floor(found + 0.5))  # as the browser rounds what it shows
    widgets.to_url("strength", f"{found:g}", f"{first:g}")
    st.session_state["strength in the address"] = kind, st.query_params.get("strength")
    return found


def _charts(
    kind: str, spec: perturbing.Perturbation, rows: list[dict[str, Any]], live: dict[str, Any] | None
) -> None:
    """FID, KID, precision and recall over the strength, and what is seen of them; rows: of the fault, none where only
    `live` is there."""
    at = None
    if rows:
        st.markdown(f"**{widgets.plain(scores.fault_words(rows))}**")
        strengths = {f"{row['strength']:g}": f"{row['strength']:g}" for row in rows}
        at = float(
            widgets.select(t("Look at ({unit})", unit=t(spec.unit)), strengths, "seen", kind="segmented")
        )
        row = next(row for row in rows if row["strength"] == at)
        st.markdown(widgets.plain(scores.strength_words(row, t(spec.title))))
    with st.grid(2, min_column_width=300):
        for measure, chart in scores.faults(rows, t(spec.unit), live, dark(), spec.factor, at).items():
            seen = ", ".join(f"{row['strength']:g} → {row[measure]:.3g}" for row in chart["data"]["values"])
            seen += f"; {scores.live_words(live, t(spec.title), measure)}" if live else ""
            alt = t("{fault}, {unit}: {value}", fault=t(spec.title), unit=t(spec.unit),
                    value=f"{t(scores.MEASURES[measure])} {seen}")  # fmt: skip
            widgets.chart(chart, key=f"fault {kind} {measure}", alt=alt)
    source = scores.fault_source((rows or [live])[0])
    source += f" · {scores.live_words(live, t(spec.title))}" if live else ""
    st.caption(widgets.plain(source))
    if rows:
        _rests_on("", table_of_faults())
    told = [row | {"measured": "before"} for row in rows]
    _download(told + ([live | {"measured": "here"}] if live else []), f"fid-{kind}")


def _measure(kind: str, strength: float) -> None:
    """Submit the job and put its id into the address; Problem as jobs.submit."""
    words = ["perturb", kind, f"{strength:g}"]
    st.query_params["job"] = jobs.submit(words, "perturb", " ".join(words), device="cpu")


def _examples(kind: str, spec: perturbing.Perturbation) -> None:
    """A sheet picture at every stored strength; of faults of a set, some of its pictures at the greatest."""
    title, unit, most = t(spec.title), t(spec.unit), f"{spec.strengths[-1]:g}"

    def make() -> list[tuple[np.ndarray, str]]:
        sheet = cache.images("cifar10-sheet")
        if spec.apply:
            picture = sheet.images[18:19]
            return [
                (
                    spec.apply(picture, strength, np.random.default_rng(1))[0] if strength else picture[0],
                    f"{strength:g}",
                )
                for strength in spec.steps
            ]
        places = perturbing.chosen(sheet.labels, kind, spec.strengths[-1], 10)
        return [(sheet.images[place], sheet.classes[sheet.labels[place]]) for place in places]

    found = _tables.get(("examples", kind), make)
    if spec.apply:
        alts = [t("{fault}, {unit}: {value}", fault=title, unit=unit, value=words) for _, words in found]
    else:
        of = t("{fault}, {unit}: {value}", fault=title, unit=unit, value=most)
        alts = [f"{words} ({of})" for _, words in found]
        st.caption(t("Ten pictures of such a set. {fault}", fault=of))
    widgets.strip([image for image, _ in found], alts, [words for _, words in found], factor=3)


def _protocols(scene: Scene, offered: list[str]) -> None:
    st.subheader(t("Whose convention"), anchor=False)
    st.markdown(
        t(
            "The same 5,000 pictures of the same net: the reference and the resize alone move the number. A bare FID "
            "can mean any of these."
        )
    )
    measured = {name: stored(card, protocols.FILE) for name, card in scene.cards.items()}
    found = [
        {"checkpoint": name} | row
        for name, of in measured.items()
        for row in of.get("rows", [])
        if row["protocol"] in protocols.PROTOCOLS
    ]
    if found:
        _conventions(found)
    for name, of in measured.items():
        if of.get("left_out"):
            st.caption(widgets.plain(f"{name}: {protocols.left_out_words(of['left_out'])}"))
        if of:
            _rests_on(name, of)
    if found:
        _download(found, "fid-protocols")
    missing = [name for name, of in measured.items() if not of]
    if missing:  # one after the other: each takes the whole processor
        _missing(["protocols", missing[-1]], scene.data, offered)


def _conventions(found: list[dict[str, Any]]) -> None:
    """What FID the same pictures have under each convention, a column a checkpoint, and how far these lie apart."""
    of: dict[str, list[float]] = {}
    for row in found:
        of.setdefault(row["checkpoint"], []).append(row["fid"])
    told = "; ".join(
        t("{name}: FID {a} to {b}", name=name, a=f"{min(values):.1f}", b=f"{max(values):.1f}")
        for name, values in of.items()
    )
    st.markdown(f"**{widgets.plain(t('The same pictures, by convention: {told}', told=told))}**")
    conventions = list(dict.fromkeys((row["protocol"], row["m"]) for row in found))
    columns = {t("compared with"): [], t("Resize"): []} | {name: [] for name in of}
    for protocol, m in conventions:
        said = {
            row["checkpoint"]: row["fid"] for row in found if (row["protocol"], row["m"]) == (protocol, m)
        }
        cells = [f"**{said[name]:.2f}**" if name in said else "–" for name in of]
        for column, cell in zip(columns.values(), (*protocols.words(protocol, m), *cells)):
            column.append(cell)
    st.table(pa.table(columns), border="horizontal", hide_index=True)
    if any(min(row["n"], row["m"]) < fid.ENOUGH for row in found):
        st.caption(t(fid.FEW))


def _samplers(scene: Scene, offered: list[str]) -> None:
    st.subheader(t("How many milliseconds"), anchor=False)
    diffusion = {name: card for name, card in scene.cards.items() if card.task == "diffusion"}
    if not diffusion:
        st.caption(t("Only diffusion models can be drawn with in several ways; none is chosen above."))
        return
    for name, card in diffusion.items():
        found = stored(card, samplers.FILE)
        if found:
            rows = found["rows"]
            widgets.chart(
                scores.time_against_fid(rows, dark()), key=f"samplers {name}",
                alt=t("FID against milliseconds for the samplers of {name}", name=name),
            )  # fmt: skip
            _rests_on(name, found)
            _download(rows, f"{name}-samplers")
        else:
            _missing(["samplers", name], card.data, offered)


def _rests_on(name: str, found: dict[str, Any]) -> None:
    """What stored rows rest on, of a checkpoint where there is a name; files from before that was stored say less."""
    words, n = [name] if name else [], found["rows"][0]["n"]
    if "checkpoint_sha256" in found:
        words.append(t("weights {sha}", sha=found["checkpoint_sha256"][:12]))
    if "first_seed" in found:
        first = found["first_seed"]
        words.append(t("seeds {first} to {last}", first=first, last=first + n - 1))
    guided = name in (known := cache.cards("generator")) and known[name].conditional
    if "steps" in found:
        words.append(sampling.words(found, guided))
    elif guided and (guidance := _guidance(found["rows"])):
        words.append(t("guidance {w}", w=guidance))
    if "reference_fingerprint" in found:
        words.append(f"{found['reference']} {found['reference_fingerprint'][:12]}")
    if "test_fingerprint" in found:
        words.append(f"{found['reference'].partition(':')[0]}:test {found['test_fingerprint'][:12]}")
    if "seed" in found:
        words.append(t("seed {seed}", seed=found["seed"]))
    if "device" in found:
        words.append(found["device"])
    st.caption(widgets.plain(" · ".join(words)))


def _guidance(rows: Sequence[Mapping[str, Any]]) -> str:
    """The guidance that all rows have, else each row's; empty where none has any."""
    each = {f"{row['sampler']} {row['steps']}": f"{row['guidance']:g}" for row in rows if "guidance" in row}
    if len({*each.values()}) < 2:
        return "".join({*each.values()})
    return ", ".join(f"{w} ({way})" for way, w in each.items())


# --- what is not there ------------------------------------------------------------------------------------------------


def _missing(words: Sequence[str], of: str, offered: list[str]) -> None:
    """The button that starts the command `words`, whose result is not there; before it, that which gets what the
    command needs to measure pictures like those of the data set `of`."""
    command = f"python -m explorer {' '.join(words)}"
    lacking = None if reach.public_mode() else _lacking(of)
    if lacking:
        widgets.empty_state(
            t("Not measured yet: get {name} first, for `{command}`.", name=lacking, command=command)
        )
        _get(lacking, offered)
        return
    hopeless = None if reach.public_mode() else _hopeless(of)
    if hopeless:
        st.caption(widgets.plain(t("Not measured, and it cannot be: {reason}", reason=hopeless)))
        return
    _told(" ".join(words))
    offers.offer(
        words,
        t("Not measured yet; on a CPU it takes half an hour or more: `{command}`", command=command),
        t("Measure {name}", name=words[1]),
        t("Not measured yet. This server is public: only its owner can do that (`{command}`).", command=command),
        "straighten", words[0] + " " + words[1],
    )  # fmt: skip


def _lacking(of: str) -> str | None:
    """What `data get` has to bring before pictures like those of the data set `of` can be measured."""
    if of == "cifar10" and not data.available(of):
        return of
    return None if inception.available() else "inception"


def _hopeless(of: str) -> str | None:
    """Why no FID can be had against the training pictures of the data set `of`, in a sentence."""
    try:
        n = len(cache.images(of, "train"))
        fid.check_count(n, n)
    except Problem as problem:
        return str(problem)
    return None


def _told(key: str) -> None:
    """To whoever asked for it: why the job of that key kept nothing of what it measured."""
    job = jobs.latest(key) if not reach.public_mode() else None
    if job and job.state == "done" and st.query_params.get("job") == job.id:
        for sentence in jobs.result(job.id).get("without", []):
            st.warning(widgets.plain(sentence), icon=":material/warning:")


def _get(name: str, offered: list[str]) -> None:
    """The button that gets what is lacking, unless there is one above."""
    if not offered:
        progress.get_data_button(name)
    offered.append(name)


def _download(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """The rows of a table or chart as a file."""

    def table() -> str:
        out = io.StringIO()
        file = csv.DictWriter(out, list(rows[0]), extrasaction="ignore")
        file.writeheader()
        file.writerows(rows)
        return out.getvalue()

    widgets.download("CSV", table, f"{name}.csv", "text/csv")
