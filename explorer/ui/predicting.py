"""The parts of the Predict page: where to look in a picture, what each model says, what they say together."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO

import numpy as np
import streamlit as st

from explorer.analysis import answer
from explorer.analysis.answer import Answer, Scan
from explorer.checkpoints import Card
from explorer.data import samples
from explorer.data.picture import Box, Picture, square, to_input
from explorer.text import N_, t
from explorer.ui import cache, drawn, widgets
from explorer.ui.uploads import MOST
from explorer.ui.widgets import plain
from explorer.views import prediction

SLIDERS = {
    "size": (10, 100, 100),
    "x": (0, 100, 50),
    "y": (0, 100, 50),
}  # key -> least, most, default, in percent
LONGEST = 440  # pixels of the picture on the page
FITS = {"crop": N_("Cut a square"), "squash": N_("Squash all of it")}


def note_odd_address(names: Iterable[str]) -> None:
    """Say so when the address asks for something that does not exist; the widgets show their defaults."""
    switch = ("true", "false")
    allowed = {
        "model": list(names),  # all checkpoints: those that draw have a sentence of their own
        "sample": samples.SAMPLES, "fit": FITS, "flip": switch, "invert": switch, "scan": switch, "camera": switch,
        "shown": [str(n + 1) for n in range(MOST)],
        **{key: [str(n) for n in range(least, most + 1)] for key, (least, most, _) in SLIDERS.items()},
    }  # fmt: skip
    odd = [key for key, known in allowed.items() if not set(st.query_params.get_all(key)) <= set(known)]
    odd += drawn.odd()
    if "sample" in odd:
        widgets.to_url("sample", None)
    widgets.odd_address(odd)
    widgets.wrong_kind("model")


def crop_place() -> tuple[int, int, int]:
    """Where the crop stands, as (x, y, size) in percent."""
    x, y, size = (st.session_state.get(key, SLIDERS[key][2]) for key in ("x", "y", "size"))
    return x, y, size


def crop_link() -> tuple[bool, tuple[int, int, int], bool]:
    """The crop that the address names, where its controls are not drawn: (whether everything is squashed, its place as
    `crop_place` has it, whether light and dark are swapped)."""
    x, y, size = (
        int(widgets.from_url(key, map(str, range(least, most + 1)), str(first)))
        for key in ("x", "y", "size")
        for least, most, first in [SLIDERS[key]]
    )
    squash = widgets.from_url("fit", FITS) == "squash"
    return squash, (x, y, size), widgets.from_url("invert", ("true",)) == "true"


def crop_controls(picture: Picture) -> bool:
    """The controls of the crop, which holds for all pictures; whether everything is squashed instead."""
    fits = {key: t(words) for key, words in FITS.items()}
    squash = widgets.select(t("Fit"), fits, key="fit", kind="segmented", bare=True) == "squash"
    width, height = picture.image.size
    widgets.slider(t("Size, % of the shorter side"), *SLIDERS["size"], key="size", disabled=squash)
    side = square(picture.image.size, *crop_place())[2]
    across, down = st.columns(2)
    with across:
        widgets.slider(t("Left to right, %"), *SLIDERS["x"], key="x", disabled=squash or side >= width)
    with down:
        widgets.slider(t("Top to bottom, %"), *SLIDERS["y"], key="y", disabled=squash or side >= height)
    return squash


@st.cache_data(max_entries=64, scope="session", show_spinner=False)
def _cut(key: str, box: Box | None, size: int, _picture: Picture) -> np.ndarray:
    return to_input(_picture.image, box, squash=box is None, size=size)


def model_inputs(card: Card, pictures: Mapping[str, Picture], boxes: Mapping, invert: bool) -> np.ndarray:
    """What a checkpoint receives, uint8 (N, 3, S, S); a box of None: all of that picture, squashed."""
    cut = np.stack([_cut(key, boxes[key], card.size, picture) for key, picture in pictures.items()])
    return 255 - cut if invert else cut


@st.cache_data(max_entries=256, scope="session", show_spinner=False)
def _asked(name: str, sha256: str, pixels: bytes, shape: tuple[int, ...], views: int) -> list[Answer]:
    return answer.classify(cache.model(name), np.frombuffer(pixels, np.uint8).reshape(shape), views)


def ask(card: Card, inputs: np.ndarray, views: int) -> list[Answer]:
    """What a checkpoint says to pictures, uint8 (N, 3, S, S); asked once a session for the same ones."""
    return _asked(card.name, card.sha256, inputs.tobytes(), inputs.shape, views)


@st.cache_data(max_entries=16, scope="session", show_spinner=False)
def _scanned(name: str, sha256: str, key: str, views: int, invert: bool, _picture: Picture) -> Scan:
    return answer.scan(cache.model(name), _picture.image, views, invert)


def scan(card: Card, key: str, picture: Picture, views: int, invert: bool) -> Scan:
    """A scan of a picture, once a session for the same picture and model."""
    with st.spinner(t("Looking through the windows …")):
        return _scanned(card.name, card.sha256, key, views, invert, picture)


def offer_best(name: str, found: Scan, now: Answer) -> Box:
    """Say what the best window of a scan shows, and offer it as the crop."""
    best = found.probabilities[found.best]
    seen = found.classes[int(best.argmax())]
    st.markdown(
        t(
            "**{model}** is surest in the dashed window: **{seen}**, {p}. In the crop as it is: {now}, {q}. "
            "{n} windows were asked in {ms} ms.",
            model=name, seen=plain(seen), p=prediction.percent(float(best.max())),
            now=plain(now.top(1)[0][0]), q=prediction.percent(now.top(1)[0][1]),
            n=len(found.boxes), ms=f"{found.milliseconds:.0f}",
        )
    )  # fmt: skip
    st.button(
        t("Use the dashed window"), key="use best", icon=":material/crop:", type="primary",
        on_click=_use_window, args=(found.places[found.best],),
    )  # fmt: skip
    st.caption(
        t("The surest of many looks is surer than a single look: read it as a place to look, not as proof.")
    )
    return found.boxes[found.best]


def _use_window(place: tuple[int, int, int]) -> None:
    st.session_state["x"], st.session_state["y"], st.session_state["size"] = place
    st.session_state["fit"] = "crop"
    widgets.to_url("fit", None)


@st.cache_data(max_entries=64, scope="session", show_spinner=False)
def _framed(key: str, box: Box | None, best: Box | None, longest: int, _picture: Picture) -> str:
    """The framed picture as a data: address: it travels with the page and is kept by its session only."""
    out = BytesIO()
    image = prediction.framed(_picture.image, box, best, longest)
    small = max(_picture.image.size) <= 64
    image.save(out, "PNG" if small else "JPEG", quality=88)
    return f"data:image/{'png' if small else 'jpeg'};base64,{b64encode(out.getvalue()).decode('ascii')}"


def show_picture(key: str, picture: Picture, box: Box | None, best: Box | None = None) -> None:
    """The picture with its crop framed, a line on what it is, and what was changed when it was read."""
    sample = samples.SAMPLES[picture.name] if key.startswith("sample ") else None
    name = t(sample.title) if sample else picture.name
    width, height = picture.size
    line = t("{name}, {width} x {height} pixels", name=plain(name), width=width, height=height)
    alt = (
        t("{name}; all of it goes to the models", name=name)
        if box is None
        else t("{name}; the framed square goes to the models", name=name)
    )
    caption = f"{line}. {t(sample.source)}." if sample else line
    st.image(_framed(key, box, best, LONGEST, picture), alt=alt, caption=caption)
    for notice in picture.notices:
        st.caption(f":material/info: {plain(str(notice))}")


def show_answer(name: str, said: Answer, received: np.ndarray, views: int) -> None:
    """What a model received, its verdict, its five likeliest classes."""
    best, p = said.top(1)[0]
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        size = len(received[0])
        alt = t("What {model} receives: {size} x {size} pixels, enlarged", model=name, size=size)
        widgets.picture(received, factor=max(1, 128 // size), alt=alt, caption=t("What it receives"))
        if said.fits:
            verdict = f"{plain(best)} {prediction.percent(p)}"
            line = ""
        else:
            verdict = t("None of my {n} classes fits well", n=len(said.classes))
            line = t(
                "Closest: {best}, {p}; likeness {similarity}, and 95 % of held-out pictures reach {threshold}.",
                best=plain(best), p=prediction.percent(p),
                similarity=f"{said.similarity:.2f}", threshold=f"{said.threshold:.2f}",
            )  # fmt: skip
        looks = t("plain and mirrored, averaged") if views == 2 else t("one look")
        spent = f"{said.milliseconds:.1f} ms, {looks}"
        if said.fits and said.similarity is not None:
            spent += ", " + t(
                "likeness {similarity} (line: {threshold})",
                similarity=f"{said.similarity:.2f}", threshold=f"{said.threshold:.2f}",
            )  # fmt: skip
        small = "  \n".join(f":small[:gray[{words}]]" for words in (line, spent) if words)
        st.container(width="stretch").markdown(f"**{name}**\n### {verdict}\n{small}")
    spec = prediction.bars(said, dark=st.context.theme.type == "dark", large=widgets.large_type())
    widgets.chart(spec, key=f"bars {name}", alt=prediction.spoken(said, name))


def explain_link(name: str, key: str, squash: bool, invert: bool) -> None:
    """The way to where in this picture the model sees what it says: the same picture, crop and model."""
    x, y, size = crop_place()
    asked = {"model": name, "x": x, "y": y, "size": size}
    asked = {word: str(value) for word, value in asked.items() if SLIDERS.get(word, (0, 0, -1))[2] != value}
    asked |= {"sample": key.removeprefix("sample ")} if key.startswith("sample ") else {}
    asked |= {drawn.KEY: key.removeprefix(f"{drawn.KEY} ")} if key.startswith(f"{drawn.KEY} ") else {}
    asked |= {"fit": "squash"} if squash else {}
    asked |= {"invert": "true"} if invert else {}
    widgets.page_link("explain", t("Where does it see that?"), "center_focus_strong", asked)


def show_agreement(said: Mapping[str, Answer]) -> None:
    """One sentence on how far the models agree; models with other classes are not compared."""
    groups: dict[tuple[str, ...], dict[str, Answer]] = {}
    for name, one in said.items():
        groups.setdefault(one.classes, {})[name] = one
    for together in groups.values():
        if len(together) < 2:
            continue
        answers, models = list(together.values()), ", ".join(together)
        found = answer.agreement(answers)
        share = f"{100 * found.overlap:.0f} %"
        if not any(one.fits for one in answers):
            st.info(
                t("{models} agree that none of their classes fits well.", models=models),
                icon=":material/help:",
            )
        elif found.agree:
            st.success(
                t(
                    "{models} agree on **{name}**; they share {share} of their probability.",
                    models=models, name=plain(found.votes[0][0]), share=share,
                ),
                icon=":material/done_all:",
            )  # fmt: skip
        else:
            listed = ", ".join(f"**{plain(name)}** ({count})" for name, count in found.votes)
            st.warning(
                t(
                    "{models} disagree: {listed}; they share {share} of their probability.",
                    models=models, listed=listed, share=share,
                ),
                icon=":material/call_split:",
            )  # fmt: skip


def show_overview(pictures: Mapping[str, Picture], said: Mapping[str, Sequence[Answer]]) -> None:
    """Every picture, numbered, with what each model takes it for."""
    with st.grid("auto", min_column_width=150):
        for n, (key, picture) in enumerate(pictures.items()):
            with st.container(border=True, gap="xsmall"):
                alt = t("Picture {n}: {name}", n=n + 1, name=picture.name)
                caption = f"{n + 1} · {plain(picture.name)}"
                st.image(_framed(key, None, None, 132, picture), alt=alt, caption=caption)
                for name, found in said.items():
                    st.caption(f"{name}  \n**{plain(prediction.verdict(found[n]))}**")


def downloads(rows: Callable[[], list[dict]], settings: dict) -> None:
    """The predictions of all pictures by all models as CSV and JSON, made when asked for."""
    with st.container(horizontal=True):
        widgets.download("CSV", lambda: prediction.to_csv(rows()), "predictions.csv", "text/csv")
        widgets.download(
            "JSON", lambda: prediction.to_json(rows(), settings), "predictions.json", "application/json"
        )


def class_names(cards: Sequence[Card]) -> None:
    """The classes that the chosen models know, each set once."""
    known: dict[tuple[str, ...], list[str]] = {}
    for card in cards:
        known.setdefault(card.classes, []).append(card.name)
    for classes, models in known.items():
        words = t(
            "{models} can tell {n} classes apart, and nothing else:", models=", ".join(models), n=len(classes)
        )
        st.markdown(words + "\n\n" + " ".join(f":gray-badge[{plain(name)}]" for name in classes))
