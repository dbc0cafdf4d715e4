"""What is taken for what: the confusion matrix of the Evaluate page, whose cells open to pictures, and the mistakes."""

import numpy as np
import streamlit as st

from explorer.analysis.classification import ORDERS, members, top_confusions
from explorer.text import t
from explorer.ui import widgets
from explorer.ui.evidence import Scores, drawn, halves, kept, show_pictures
from explorer.views import matrix


def class_filter(classes: tuple[str, ...]) -> tuple[int | None, int | None]:
    """The keyboard's way to a cell: two selects, bound to the address; None stands for any class."""
    options = {"": t("any class"), **{name: name for name in classes}}
    with st.container(horizontal=True):
        true = widgets.select(t("True class"), options, key="true", default="")
        said = widgets.select(t("Predicted class"), options, key="predicted", default="")
    return (classes.index(true) if true else None, classes.index(said) if said else None)


def take_cell(key: str) -> None:
    """A click on a matrix goes where the two selects keep their values, and so into the address."""
    cell = (st.session_state[key].selection.get("cell") or [{}])[0]
    st.session_state["true"], st.session_state["predicted"] = cell.get("true", ""), cell.get("predicted", "")
    st.session_state.pop("cell_page", None)


def matrix_key(name: str) -> str:
    """A chart's key that changes with what is chosen, so that a click on any cell is always news."""
    return f"{name} {st.session_state.get('true', '')}>{st.session_state.get('predicted', '')}"


def confusion(found: Scores) -> None:
    """What is taken for what; a cell opens to its pictures."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = widgets.select(t("Order"), {k: t(words) for k, (_, words) in ORDERS.items()}, key="order")
        numbers = {"percent": t("percent"), "counts": t("counts")}
        percent = widgets.select(t("Numbers"), numbers, key="numbers", kind="segmented") == "percent"
        diagonal = st.toggle(t("Diagonal"), value=True, key="diagonal", bind="query-params")
    counts = found.report.confusion
    left, right = halves([3, 2])
    with right:
        true, said = class_filter(found.classes)
    top = top_confusions(counts, 1)
    if true is None and said is None and top:
        true, said = top[0].true, top[0].predicted
    spec = drawn(
        ("confusion", found.key, order, percent, diagonal),
        lambda: matrix.confusion_matrix(
            counts, found.classes, ORDERS[order][0](counts), found.source, percent, diagonal
        ),
    )
    with left:
        names = [None if k is None else found.classes[k] for k in (true, said)]
        key = matrix_key("matrix")
        widgets.chart(
            matrix.framed(spec, *names), key=key, on_select=lambda: take_cell(key),
            alt=t("Confusion matrix. {title}", title=" ".join(spec["title"]["text"])),
        )  # fmt: skip
    with right:
        inside = inside_cell(found, true, said)
        st.markdown(f"**{in_words(found, true, said, len(inside))}**")
        show_pictures(found, inside, key="cell")
        plain_test = (found.predictions.split, found.predictions.views) == ("test", 1)  # what Explain counts
        if plain_test and true is not None and said is not None and len(inside):
            asked = {"true": found.classes[true], "predicted": found.classes[said]}
            asked |= {"part": "data", "look": "cell", "model": found.name}
            words = t("Where does the model look in these?")
            widgets.page_link("explain", words, "center_focus_strong", asked)


def inside_cell(found: Scores, true: int | None, said: int | None) -> np.ndarray:
    """Indices of the pictures in a cell, the surest prediction first."""
    return kept(
        ("members", found.key, true, said), lambda: members(found.labels, found.probabilities, true, said)
    )


def in_words(found: Scores, true: int | None, said: int | None, n: int) -> str:
    """What the pictures of a cell, a row or a column have in common."""
    support = found.report.n if true is None else found.report.rows[true].support
    values = {"n": f"{n:,}", "of": f"{support:,}"}
    if true is not None:
        values["true"] = widgets.plain(found.classes[true])
    if said is not None:
        values["said"] = widgets.plain(found.classes[said])
    if true is None and said is None:
        return t("{n} mistakes in {of} pictures", **values)
    if said is None:
        return t("“{true}” is taken for something else: {n} of {of}", **values)
    if true is None:
        return t("Something else is taken for “{said}”: {n} pictures", **values)
    if true == said:
        return t("“{true}” is recognised: {n} of {of}", **values)
    return t("“{true}” is taken for “{said}”: {n} of {of}", **values)


def mistakes(found: Scores) -> None:
    """Wrong, and surest of it: model, label or picture at fault?"""
    wrong = inside_cell(found, None, None)
    sure = int((found.probabilities[wrong].max(1) > 0.9).sum()) if len(wrong) else 0
    st.markdown(
        t("{n} mistakes, the surest first; {k} of them with more than 90 %. Below each: what was said, what it is.",
          n=f"{len(wrong):,}", k=f"{sure:,}")
    )  # fmt: skip
    show_pictures(found, wrong, key="cell")
