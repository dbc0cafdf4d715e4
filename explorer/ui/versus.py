"""Two checkpoints on the same pictures: what the second one fixes, what it breaks, and whether that is chance."""

import numpy as np
import streamlit as st

from explorer.analysis.classification import ORDERS
from explorer.analysis.comparison import Comparison, compare
from explorer.text import Problem, t
from explorer.ui import cache, widgets
from explorer.ui.cells import class_filter, matrix_key, take_cell
from explorer.ui.evidence import Scores, drawn, halves, kept, scores, show_pictures
from explorer.views import matrix


def versus(found: Scores) -> None:
    """Compare the page's checkpoint with a second one on the same split and views."""
    p = found.predictions
    known = cache.cards("classifier")
    others = [name for name, card in known.items() if name != found.name and card.data == p.data]
    if not others:
        widgets.empty_state(t("There is no second checkpoint for {data} to compare with.", data=p.data))
        return
    widgets.wrong_kind("against")
    second = widgets.select(t("Compared with"), {name: name for name in others}, key="against")
    other = scores(second, p.split, p.views, found.calibrated)
    if other.predictions.fingerprint != p.fingerprint or other.classes != found.classes:
        raise Problem("{a} and {b} were not evaluated on the same pictures.", a=found.name, b=second)
    result = kept(
        ("compare", found.key, other.key),
        lambda: compare(found.labels, found.predicted, other.predicted, len(found.classes)),
    )
    numbers(result, found, other)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = widgets.select(t("Order"), {k: t(words) for k, (_, words) in ORDERS.items()}, key="order")
        kinds = {
            "broken": t("broken, {n}", n=f"{len(result.broken):,}"),
            "fixed": t("fixed, {n}", n=f"{len(result.fixed):,}"),
            "both": t("both wrong, {n}", n=f"{len(result.both_wrong):,}"),
        }
        kind = widgets.select(t("Pictures"), kinds, key="kind", default="fixed", kind="segmented")
    left, right = halves([3, 2])
    with right:
        true, said = class_filter(found.classes)
        # shown with the probabilities of the model that is wrong
        shown = other if kind == "broken" else found
        inside = {"fixed": result.fixed, "broken": result.broken, "both": result.both_wrong}[kind]
        keep = np.ones(len(inside), bool)
        if true is not None:
            keep &= found.labels[inside] == true
        if said is not None:
            keep &= shown.predicted[inside] == said
        st.caption(t("Below each picture: what {name} says.", name=shown.name))
        show_pictures(shown, inside[keep], key="cell")
    with left:
        spec = drawn(
            ("difference", found.key, other.key, order),
            lambda: matrix.difference_matrix(
                result,
                found.classes,
                ORDERS[order][0](found.report.confusion),
                (found.name, second),
                found.source,
            ),
        )
        key = matrix_key("difference")
        names = [None if k is None else found.classes[k] for k in (true, said)]
        widgets.chart(
            matrix.framed(spec, *names), key=key, on_select=lambda: take_cell(key),
            alt=t("Difference of two confusion matrices. {title}", title=" ".join(spec["title"]["text"])),
        )  # fmt: skip
        st.caption(t("{b} minus {a}. Red: more pictures than before, blue: fewer. More is good on the diagonal only.",
                     a=found.name, b=second))  # fmt: skip


def numbers(result: Comparison, found: Scores, other: Scores) -> None:
    """Both accuracies, their difference, and McNemar's test in words."""
    with st.grid(3, min_column_width=260 if widgets.large_type() else 170):
        st.metric(found.name, f"{100 * result.accuracy_a:.2f} %", border=True)
        st.metric(other.name, f"{100 * result.accuracy_b:.2f} %", border=True,
                  delta=t("{d} points", d=f"{100 * (result.accuracy_b - result.accuracy_a):+.2f}"))  # fmt: skip
        st.metric(t("McNemar's test, p"), _p(result.test.exact), border=True,
                  help=t("Exact binomial test on the pictures that exactly one model gets right. Mid-p: {mid}; "
                         "chi-squared with continuity correction: {chi2}, p = {chi2_p}.", mid=_p(result.test.mid),
                         chi2=f"{result.test.chi2:.2f}", chi2_p=_p(result.test.chi2_p)))  # fmt: skip
    values = {
        "fixed": f"{len(result.fixed):,}",
        "broken": f"{len(result.broken):,}",
        "p": _p(result.test.exact),
    }
    if result.test.exact < 0.05:
        st.markdown(
            t("{fixed} fixed against {broken} broken: chance alone would rarely do that (p = {p}).", **values)
        )
    else:
        st.markdown(
            t("{fixed} fixed against {broken} broken: chance alone could do that (p = {p}).", **values)
        )


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
