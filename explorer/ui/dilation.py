"""Dilated kernels on the page Explain: what was found in the published DRN at 32x32, and a kernel to try it with."""

import streamlit as st

from explorer import reported
from explorer.analysis import dead_weights
from explorer.text import t
from explorer.ui import widgets
from explorer.ui.evidence import dark, drawn, halves, kept
from explorer.views import dilation as views
from explorer.views.pictures import data_uri

NETS = {"drn-d-22": "DRN-D-22", "drn-c-26": "DRN-C-26"}
SIDES, KERNELS, STRIDES = (4, 8, 16, 32), (1, 3, 5, 7), (1, 2)
DILATION = (1, 8, 4)  # least, most, default
PLACE = 2  # where the kernel stands at first, counted from 1
LEVEL_6 = {
    "side": 4,
    "kernel": 3,
    "stride": 1,
    "dilation": DILATION[2],
    "tap_row": PLACE,
    "tap_column": PLACE,
}
CHOSEN = ("side", "kernel", "stride")  # these are chosen from a list, the others slide


def section() -> None:
    """What was found, beside a kernel on a map that shows why; below, how far a cell sees."""
    left, right = halves([1, 1])
    with left:
        finding()
    with right:
        size, kernel, stride, dilation = workbench()
    spec = drawn(
        ("field growth", size, kernel, dilation, stride, dark()),
        lambda: views.growth_chart(size, kernel, dilation, stride, dark()),
    )
    widgets.chart(
        spec, key="field growth", alt=t("Receptive field. {title}", title=" ".join(spec["title"]["text"]))
    )
    st.caption(
        t(
            "Receptive field after n layers = 1 + the sum over the layers of (kernel − 1) · dilation · the strides of "
            "all layers before it. What of it lies beyond the map is padding."
        )
    )


def finding() -> None:
    """The share of weights that never receive a gradient in the published form, and what was reported for it."""
    net = widgets.select(t("Net"), NETS, key="drn", kind="segmented")
    published, fixed = dead_weights.declared(f"{net}-published"), dead_weights.declared(net)
    spec = drawn(("dead weights", net, dark()), lambda: views.dead_chart(NETS[net], published, fixed, dark()))
    dead, count = views.shares(published)
    st.markdown(
        t(
            "The published form of {model} is made for 224 pixels. Of 32 pixels its strides leave a map of 4x4, and "
            "there a kernel of level 6, dilated by 4, reads padding with all but its middle: 8 of its 9 elements never "
            "learn. That is **{dead} of {count} million weights**. Without the stride of level 2 the map is 8x8, and "
            "every weight learns.",
            model=NETS[net], dead=f"{dead / 1e6:.2f}", count=f"{count / 1e6:.2f}",
        )
    )  # fmt: skip
    widgets.chart(
        spec, key="dead weights", alt=t("Weights by level. {title}", title=" ".join(spec["title"]["text"]))
    )
    st.markdown("\n".join(f"- {_reported(each)}" for each in sorted(NETS, key=lambda each: each != net)))
    st.caption(
        t(
            "It is easily missed: nothing fails, and the rest of the net learns around it. How much accuracy it costs "
            "only a training of both forms can tell; both are on the Train page."
        )
    )


def _reported(net: str) -> str:
    figure = reported.figure(f"accuracy.{net.replace('-', '_')}")
    return t(
        "Reported for {model}: {value} {unit} ({source}); {why}.",
        model=NETS[net], value=figure.value, unit=t(figure.unit), source=t(figure.source),
        why=f"{t(reported.COMPARABLE[figure.comparable])}: {t(figure.why)}",
    )  # fmt: skip


def workbench() -> tuple[int, int, int, int]:
    """A kernel on a map, both to be chosen: (size of the map, kernel, stride, dilation)."""
    with st.container(horizontal=True):
        size = _chosen(t("Map"), key="side", numbers=SIDES, words="{n}x{n}")
        kernel = _chosen(t("Kernel"), key="kernel", numbers=KERNELS, words="{n}x{n}")
        stride = _chosen(t("Stride"), key="stride", numbers=STRIDES, words="{n}")
    dilation = st.slider(t("Dilation"), *DILATION, key="dilation", bind="query-params")
    count = views.output_size(size, stride)
    down, across = st.columns(2)
    with down:
        row = _place(t("Row of the output"), key="tap_row", count=count)
    with across:
        column = _place(t("Column of the output"), key="tap_column", count=count)
    settings = size, kernel, dilation, stride
    never, n = int(views.dead_taps(*settings).sum()), kernel * kernel
    if never:
        words = t("{dead} of {n} taps read only padding, wherever the kernel stands", dead=never, n=n)
    elif n == 1:
        words = t("The only tap reads the map wherever the kernel stands")
    else:
        words = t("All {n} taps read the map somewhere: every weight receives a gradient", n=n)
    inside = sum(on for *_, on in views.taps(*settings, row, column))
    here = t(
        "Kernel at row {row}, column {column}: {inside} of {n} taps on the map, {outside} on padding",
        row=row + 1, column=column + 1, inside=inside, n=n, outside=n - inside,
    )  # fmt: skip
    st.markdown(f"**{words}**  \n{here}")
    image = kept(("taps", *settings, row, column, dark()), lambda: _picture(*settings, row, column))
    alt = t(
        "A map of {size}x{size} cells under a {kernel}x{kernel} kernel with dilation {dilation}. {here}. {words}.",
        size=size, kernel=kernel, dilation=dilation, here=here, words=words,
    )  # fmt: skip
    widgets.picture(image[0], alt=alt, width=image[1])
    st.caption(t("■ on the map · ▣ the middle · □ on padding here · ☒ on padding wherever the kernel stands"))
    _preset(settings, row, column, never)
    return size, kernel, stride, dilation


def _picture(*settings: int) -> tuple[str, int]:
    """The picture as a data: address, and how wide it is shown."""
    image = views.taps_picture(*settings, dark())
    return data_uri(image), image.width // views.SHARP


def _chosen(label: str, key: str, numbers: tuple[int, ...], words: str) -> int:
    options = {str(n): words.format(n=n) for n in numbers}
    return int(widgets.select(label, options, key=key, default=str(LEVEL_6[key]), kind="segmented"))


def _place(label: str, key: str, count: int) -> int:
    """A row or column of the output, counted from 0. A smaller output than before moves the kernel to its edge."""
    value = st.session_state.get(key)
    if isinstance(value, int) and value > count:
        st.session_state[key] = count
    return st.slider(label, 1, count, PLACE, key=key, bind="query-params") - 1


def _preset(settings: tuple[int, int, int, int], row: int, column: int, never: int) -> None:
    """The one button that leads on: to a map on which all taps live, or back to level 6 as published."""
    now = dict(
        zip(("side", "kernel", "dilation", "stride"), settings), tap_row=row + 1, tap_column=column + 1
    )
    larger = next((n for n in SIDES if n > settings[0] and not views.dead_taps(n, *settings[1:]).any()), None)
    if never and larger:
        st.button(
            t("Take a map of {size}x{size}: they come alive", size=larger), key="larger map", type="primary",
            icon=":material/open_in_full:", on_click=_set, kwargs={"side": larger},
        )  # fmt: skip
    elif now != LEVEL_6:
        words = t("Back to level 6 as published, on 4x4")
        st.button(words, key="level 6", icon=":material/undo:", on_click=_set, kwargs=LEVEL_6)


def _set(**values: int) -> None:
    for key, value in values.items():
        st.session_state[key] = str(value) if key in CHOSEN else value
        if key in CHOSEN:
            widgets.to_url(key, None if value == LEVEL_6[key] else str(value))
