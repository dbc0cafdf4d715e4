"""How sure a model is and what that is worth: calibration, ROC and precision-recall on the Evaluate page."""

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.calibration import BINS, Reliability, reliability
from explorer.analysis.ranking import curves as curves_of
from explorer.text import t
from explorer.ui import widgets
from explorer.ui.evidence import Scores, dark, drawn, halves, kept, show_pictures
from explorer.views import classification as charts
from explorer.views import curves as lines


def calibration(found: Scores) -> None:
    """How sure against how often right; a bin opens to its pictures."""
    bins = kept(("reliability", found.key), lambda: reliability(found.labels, found.probabilities))
    known = {str(k): b for k, b in enumerate(bins.bins) if b.n}
    worst = max(known, key=lambda k: known[k].n * abs(known[k].accuracy - known[k].confidence))
    options = {k: charts.bin_label(b.low, b.high) for k, b in known.items()}
    left, right = halves([3, 2])
    with right:
        chosen = widgets.select(t("Bin: highest probability"), options, key="bin", default=worst)
        only = st.toggle(t("Only mistakes"), key="wrong", bind="query-params")
        b = known[chosen]
        st.markdown(
            t("{n} pictures: on average {sure} sure, {right} right",
              n=f"{b.n:,}", sure=f"{100 * b.confidence:.1f} %", right=f"{100 * b.accuracy:.1f} %")
        )  # fmt: skip
        wrong = found.labels[b.members] != found.predicted[b.members]
        inside = b.members[wrong] if only else b.members[np.argsort(~wrong, kind="stable")]  # mistakes first
        show_pictures(found, inside, key="cell")
    with left:
        spec = drawn(("reliability", found.key), lambda: charts.reliability_diagram(bins, found.source))
        key = f"reliability {chosen}"
        widgets.chart(
            charts.framed_bin(spec, int(chosen)), key=key, on_select=lambda: take_bin(key, worst),
            alt=t("Reliability diagram. {title}", title=" ".join(spec["title"]["text"])),
        )  # fmt: skip
        st.caption(
            t("On the dashed line a model is right as often as it is sure. Red: surer than right. "
              "Pale blue: right more often than sure. ECE is the mean gap over {k} bins.", k=BINS)
        )  # fmt: skip
        bin_table(bins)


def take_bin(key: str, default: str) -> None:
    """A click on a bin goes into its select, and so into the address."""
    number = (st.session_state[key].selection.get("bin") or [{}])[0].get("bin")
    st.session_state["bin"] = default if number is None else str(number)
    st.session_state.pop("cell_page", None)


def bin_table(bins: Reliability) -> None:
    """The diagram in numbers."""
    fields = [
        t("highest probability"),
        t("pictures"),
        t("mean probability"),
        t("share that is right"),
        t("gap"),
    ]
    rows = [
        (charts.bin_label(b.low, b.high), b.n, b.confidence, b.accuracy, b.accuracy - b.confidence)
        for b in bins.bins
        if b.n
    ]
    form = {field: st.column_config.NumberColumn(format="%.4f") for field in fields[2:]}
    with st.expander(t("In numbers")):
        st.dataframe(pd.DataFrame(rows, columns=fields), hide_index=True, column_config=form,
                     alt=t("Reliability per bin in numbers"))  # fmt: skip


def curves(found: Scores) -> None:
    """One class against the rest: ROC and precision-recall."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = {"roc": t("ROC"), "pr": t("Precision and recall")}
        kind = widgets.select(t("Curve"), kinds, key="curve", kind="segmented")
        corner = st.toggle(
            t("Corner only"),
            value=True,
            key="corner",
            bind="query-params",
            help=t("Good models differ only near the corner."),
        )
    each = kept(("curves", found.key), lambda: curves_of(found.labels, found.probabilities))
    draw = lines.roc if kind == "roc" else lines.precision_recall
    figure = drawn(
        (kind, found.key, corner, dark()), lambda: draw(each, found.classes, found.source, dark(), corner)
    )
    alt = t("ROC curve of every class") if kind == "roc" else t("Precision-recall curve of every class")
    widgets.plotly(figure, key=f"{kind} {corner}", alt=alt)
    st.caption(t("One class against the rest. Click a name to hide its curve, double-click to see it alone."))
    fields = [t("class"), t("ROC AUC"), t("average precision"), t("pictures")]
    table = pd.DataFrame([(n, c.auc, c.ap, c.support) for n, c in zip(found.classes, each)], columns=fields)
    form = {field: st.column_config.NumberColumn(format="%.5f") for field in fields[1:3]}
    st.dataframe(table, hide_index=True, column_config=form, width="content", height="content",
                 alt=t("Areas under the curves per class"))  # fmt: skip
