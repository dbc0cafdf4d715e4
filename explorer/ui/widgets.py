"""The parts that pages are put together from. Every picture and chart takes a sentence for those who cannot see it."""

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st
from PIL import Image
from streamlit.errors import StreamlitPageNotFoundError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.jobs import PROJECT
from explorer.text import Missing, Problem, t
from explorer.ui import cache
from explorer.ui.picker import Item, picture_strip
from explorer.views import pictures
from explorer.views.figure import GREY

__all__ = [
    "chart", "checkpoint_picker", "download", "empty_state", "from_url", "gallery", "heading", "large_type",
    "page_link", "picture", "plain", "plotly", "problems", "report_error", "select", "slider", "strip", "to_url",
    "toggle", "with_table", "wrong_kind",
]  # fmt: skip

log = logging.getLogger("explorer")

PER_PAGE = 12  # pictures of a gallery shown at once
Picture = Image.Image | np.ndarray | str  # PIL, uint8 (3, H, W), or a data URI


def heading(title: str, sentence: str) -> None:
    """The top of a page: its title and one sentence of what one is looking at."""
    st.title(title, anchor=False)
    st.markdown(sentence)


def plain(words: str) -> str:
    """Text that somebody else wrote, with every sign that Markdown would act on made harmless."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", words)


# --- what goes wrong ---------------------------------------------------------------------------------------------


def report_error(error: BaseException) -> str:
    """Log an unexpected error with its traceback under a new id, show one sentence with that id, return the id."""
    error_id = secrets.token_hex(4)
    log.error("error %s", error_id, exc_info=error)
    st.error(
        t(
            "Something went wrong here, and it is not your doing. The log has it under error id {id}.",
            id=error_id,
        ),
        icon=":material/error:",
    )
    return error_id


@contextmanager
def problems() -> Iterator[None]:
    """Around a part of a page: a Problem becomes its sentence, anything else an error id; the rest goes on."""
    try:
        yield
    except Missing as missing:
        st.info(str(missing), icon=":material/download:")
    except Problem as problem:
        st.error(str(problem), icon=":material/warning:")
    except Exception as error:
        report_error(error)


def empty_state(sentence: str) -> None:
    """What is missing and what to do, in one sentence."""
    with st.container(border=True):
        st.markdown(sentence)


# --- the address --------------------------------------------------------------------------------------------------


def from_url(key: str, allowed: Iterable[str], default: str | None = None) -> str | None:
    """A value that no widget is bound to, from the address: one of `allowed`, else the default. Addresses are typed
    by strangers, so nothing else gets through."""
    value = st.query_params.get(key)
    return value if value in set(allowed) else default


def to_url(key: str, value: str | list[str] | None, first: str | list[str] | None = None) -> None:
    """Write such a value, or several, into the address, or take it out (None), so that the link shows the same view.

    first: what the page begins with, which needs no words. A link that says it all the same is left as it is: every
        change of the address is one more step for the browser's back button.
    """
    if st.query_params.get_all(key) == ([value] if isinstance(value, str) else value):
        return
    if value is None or value == first:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = value


def odd_address(odd: Sequence[str]) -> None:
    """Say which parameters of the address ask for something that does not exist, if any do."""
    if odd:
        st.info(
            t(
                "The address asks for something that is not here ({odd}); the default is shown.",
                odd=", ".join(odd),
            ),
            icon=":material/link_off:",
        )


def wrong_kind(key: str, kind: str = "classifier") -> None:
    """Say so when the address names a checkpoint that is there but of the other kind; the default is shown."""
    named = dict.fromkeys(st.query_params.get_all(key))
    known = cache.cards() if named else {}
    for name in named:
        if name in known:
            try:
                cache.card(name, kind)
            except Problem as problem:
                st.info(str(problem), icon=":material/link_off:")


def select(
    label: str,
    options: Mapping[str, str],
    key: str,
    default: str | None = None,
    kind: str = "selectbox",
    help: str | None = None,
    sticky: bool = False,
    bare: bool = False,
) -> str:
    """Choose one of `options` (id -> words on screen, translated); returns the id, which is also ?key=id.

    Streamlit's own binding would write the words into the address, and a link would not outlive a change of language.
    kind: "selectbox", "segmented" or "radio";  sticky: a choice stays when the address no longer names it;
    bare: no label above it (screen readers still have it).
    """
    first = default if default in options else next(iter(options))
    asked = st.query_params.get(key)
    known = _known()  # key -> the page and what its last run left there
    page = "" if sticky else _page()
    value = st.session_state.get(key)
    fresh = (page, asked) != known.get(key, (page, None))  # a visit, another page, a link, or the back button
    if value is None or fresh:
        value = asked if asked in options else value if sticky else first
    if (
        not isinstance(value, str) or value not in options
    ):  # a list: another page chooses several under this key
        value = first
    # The same key on another page is another widget: what the page before had is still read under the key, but the
    # new widget begins with its own first value unless one is set in this very run.
    if fresh or st.session_state.get(key) != value:
        st.session_state[key] = value
    shared = {
        "format_func": options.__getitem__,
        "key": key,
        "help": help,
        "label_visibility": "collapsed" if bare else "visible",
    }
    if kind == "segmented":
        chosen = st.segmented_control(label, list(options), required=True, **shared)
    elif kind == "radio":
        chosen = st.radio(label, list(options), horizontal=True, **shared)
    else:
        chosen = st.selectbox(label, list(options), **shared)
    chosen = chosen if chosen in options else first
    to_url(key, chosen, first)
    known[key] = page, st.query_params.get(key)
    return chosen


def forget(key: str) -> bool:
    """Forget a control that is not drawn; whether there was one before."""
    return _known().pop(key, None) is not None


def _known() -> dict[str, Any]:
    """What the session knows of the controls in the address; one entry of its state, for each costs every widget."""
    if "in the address" not in st.session_state:
        st.session_state["in the address"] = {}
    return st.session_state["in the address"]


def _page() -> str:
    """The page that runs, "" outside of any."""
    context = get_script_run_ctx()
    return "" if context is None else context.page_script_hash


def _came_back() -> bool:
    """Whether this run came by the browser's back or forward button."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


# --- controls that several pages have ------------------------------------------------------------------------------
#
# Streamlit's own binding takes a parameter out of a link to another page, and out of the address on the way back, where
# the page that one leaves has bound it too. What several pages have under one key is therefore put there by hand.


def _begin(key: str, arriving: Any, keep: Callable[[Any], Any]) -> None:
    """Set what a control begins this run with.

    arriving: its value on a visit of the page, and after the browser's back button. In any other run the address may be
        older than the control, which has been moved since, so that the control counts.
    keep: what of the control's value can stay; None: nothing of it, so `arriving`
    """
    known, page, value = _known(), _page(), st.session_state.get(key)
    stays = known.get(key) == page and not _came_back()
    begin = keep(value) if stays else None
    begin = arriving if begin is None else begin
    if not stays or value != begin:  # on another page it is another widget, even where the value is the same
        st.session_state[key] = begin
    known[key] = page


def slider(label: str, least: int, most: int, first: int, key: str, disabled: bool = False) -> int:
    """A slider over whole numbers, which is also ?key=number; without that a page begins with `first`."""
    asked = from_url(key, map(str, range(least, most + 1)), str(first))
    _begin(key, int(asked), lambda left: left if isinstance(left, int) and least <= left <= most else None)
    number = st.slider(label, least, most, key=key, disabled=disabled)
    to_url(key, str(number), str(first))
    return number


def toggle(label: str, key: str, help: str | None = None) -> bool:
    """A toggle, which is also ?key=true; without that a page begins with it off."""
    asked = from_url(key, ("true", "false"))
    _begin(key, asked == "true", lambda left: left if isinstance(left, bool) else None)
    on = st.toggle(label, key=key, help=help)
    to_url(key, str(on).lower(), "false")
    return on


def checkpoint_picker(
    label: str,
    key: str,
    kind: str = "classifier",
    multiple: bool = False,
    max: int = 4,
    first: Sequence[str] = (),
) -> Any:
    """Choose a checkpoint of a kind, or up to `max` of them (`multiple`), which is also ?key=name, once for each. Where
    the address names none, a page begins with what was chosen last under the key, on whichever page.

    first: names to begin with, of which those that are there are taken; without any the first checkpoint of all
    Returns a name, or a list of names (at least one). Without any: says what to do, and stops the page.
    """
    names = list(cache.cards(kind))
    if not names:
        empty_state(t("There is no checkpoint for this yet. Train one: python -m explorer train --help"))
        st.stop()
    most = max if multiple else 1

    def there(wanted: Iterable[str]) -> list[str]:
        return [name for name in dict.fromkeys(wanted) if name in names][:most]

    begin = there(first) or names[:1]
    known, own = _known(), f"chosen last under {key}"
    last = () if _came_back() else known.get(own, ())
    arriving = there(st.query_params.get_all(key)) or there(last) or begin

    def stays(left: Any) -> list[str] | None:
        if left == []:  # emptied by hand, to choose anew
            return left
        return (there(left) or None) if isinstance(left, list) else None

    if multiple:
        _begin(key, arriving, stays)
        chosen = there(st.multiselect(label, names, max_selections=max, key=key)) or begin
    else:
        _begin(key, arriving[0], lambda left: left if left in names else None)
        chosen = there([st.selectbox(label, names, key=key)]) or begin
    known[own] = () if chosen == begin else chosen
    to_url(key, chosen, begin)
    return chosen if multiple else chosen[0]


def page_link(page: str, label: str, icon: str, query: Mapping[str, str]) -> None:
    """A link to another page that opens it as `query` says; nothing where the page runs without its frame."""
    with suppress(StreamlitPageNotFoundError):
        st.page_link(
            PROJECT / "pages" / f"{page}.py", label=label, icon=f":material/{icon}:", query_params=query
        )


# --- pictures and charts ------------------------------------------------------------------------------------------


def picture(
    image: Picture, alt: str, caption: str | None = None, width: int | str = "content", factor: int = 4
) -> None:
    """One picture; a uint8 (3, H, W) array is enlarged `factor` times without blurring. `alt` says what it shows."""
    if isinstance(image, np.ndarray):
        width = (
            image.shape[-1] * factor if width == "content" else width
        )  # else a long caption would stretch it
        image = pictures.thumbnail_uri(image, factor)
    elif isinstance(image, Image.Image) and max(image.size) <= 512:
        width = image.width if width == "content" else width
        image = pictures.data_uri(
            image
        )  # small pictures travel with the page: no request each, always as lossless PNG
    st.image(image, caption=caption, width=width, alt=alt)


def strip(
    images: Sequence[np.ndarray], alts: Sequence[str], captions: Sequence[str] | None = None, factor: int = 2
) -> None:
    """Small pictures of one size, uint8 (3, H, W), side by side: one message to the browser, however many."""
    if images:
        margin = 6 if captions else 0
        st.image(
            [pictures.thumbnail_uri(image, factor, margin) for image in images],
            caption=list(captions) if captions else None,
            alt=list(alts),
            width=images[0].shape[-1] * factor + 2 * margin,
        )


def strip_download(images: Sequence[np.ndarray], name: str) -> None:
    """A button that saves the pictures of a `strip`, in one row, as a PNG of that name."""
    download("PNG", lambda: pictures.png(pictures.grid(np.stack(images), len(images))), name, "image/png")


def gallery(
    items: Sequence[tuple[Picture, str, str]],
    key: str,
    columns: int | str = "auto",
    on_pick: Callable[[int], None] | None = None,
    hint: str = "",
) -> None:
    """Pictures with captions, as (picture, caption, alt), at most PER_PAGE at once with pages below.

    Arrays of one size, with columns "auto", are drawn as one `strip`, which costs the server a tenth.
    on_pick: makes each picture, then a uint8 (3, H, W) array, a button that calls this with its place in `items` before
        the page runs again; captions are plain text then, and `hint` says what a click does
    """
    pages = -(-len(items) // PER_PAGE)
    shown = st.session_state.get(f"{key}_page", 1) if pages > 1 else 1
    shown = min(shown, pages) if isinstance(shown, int) else 1
    place = st.container() if pages > 1 else nullcontext()  # the pictures stand above their page numbers
    if pages > 1:
        shown = st.pagination(pages, key=f"{key}_page", bind="query-params")
    here = items[(shown - 1) * PER_PAGE : shown * PER_PAGE]
    with place:
        if on_pick:
            first = (shown - 1) * PER_PAGE
            tiles = tuple(
                Item(str(first + n), pictures.thumbnail_uri(image), caption, alt, hint)
                for n, (image, caption, alt) in enumerate(here)
            )
            picture_strip("", tiles, None, f"{key} tiles", lambda n: on_pick(int(n)), "strip wrap large")
        elif columns == "auto" and all(isinstance(image, np.ndarray) for image, _, _ in here):
            strip(*([item[k] for item in here] for k in (0, 2, 1)), factor=4)
        else:
            with st.grid(columns, min_column_width=130):
                for image, caption, alt in here:
                    with st.container():
                        picture(image, alt, caption)
    if pages > 1:
        st.caption(t("{shown} of {n} pictures", shown=len(here), n=len(items)))


def large_type() -> bool:
    """Whether the session has asked for large type."""
    return bool(st.session_state.get("large"))


def chart(spec: dict, key: str, alt: str, on_select: Any = None, width: str = "stretch") -> Any:
    """A Vega-Lite chart from `explorer.views`. on_select: "rerun" or a callback makes it clickable.

    width: "stretch", or "content" for a chart whose two sides belong together
    Returns what is selected when it is clickable. Type in a chart grows with the large-type switch.
    """
    return st.vega_lite_chart(
        None,
        with_table(_legible(_larger(spec) if large_type() else spec)),
        key=key,
        alt=alt,
        on_select=on_select or "ignore",
        width=width,
    )


def with_table(spec: dict) -> dict:
    """The same chart with its rows as an Arrow table: Streamlit would go through pandas, at ten times the cost."""
    rows = spec.get("data", {}).get("values") if isinstance(spec.get("data"), dict) else None
    if not isinstance(rows, list) or not rows or any(row.keys() != rows[0].keys() for row in rows):
        return spec
    try:
        return {**spec, "data": {**spec["data"], "values": pa.Table.from_pylist(rows)}}
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column of mixed kinds
        return spec


def _legible(spec: dict) -> dict:
    """The chart with labels that can be read: Streamlit writes them on light ground at 3.6:1."""
    grey, config = {"labelColor": GREY, "titleColor": GREY}, spec.get("config", {})
    return {**spec, "config": config | {part: grey | config.get(part, {}) for part in ("axis", "legend")}}


def _larger(spec: dict) -> dict:
    config = dict(spec.get("config", {}))
    for part, size in {"axis": 16, "legend": 16, "header": 16}.items():
        config[part] = {"labelFontSize": size, "titleFontSize": size + 2, **config.get(part, {})}
    config["title"] = {"fontSize": 22, "subtitleFontSize": 18, **config.get("title", {})}
    config["text"] = {"fontSize": 16, **config.get("text", {})}
    return {**spec, "config": config}


def plotly(figure: Any, key: str, alt: str) -> None:
    """A Plotly figure from `explorer.views`, as wide as its place."""
    if large_type():
        figure = type(figure)(figure).update_layout(font_size=18)
    st.plotly_chart(figure, key=key, alt=alt, width="stretch", config={"displaylogo": False})


def download(label: str, data: Any, name: str, mime: str) -> None:
    """A button that saves `data` (text, bytes, or a function that makes them when asked) under a file name."""
    st.download_button(
        label,
        data,
        file_name=name,
        mime=mime,
        on_click="ignore",
        icon=":material/download:",
        key=f"download: {name}",
    )
