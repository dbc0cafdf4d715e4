"""The parts of the Evaluate page: each takes the scores of one checkpoint and draws one answer."""

import csv
import io
import json

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.calibration import Reliability, ece, reliability, softmax
from explorer.analysis.classification import METRICS, ORDERS, members, top_confusions, wilson
from explorer.analysis.ranking import auc_macro
from explorer.analysis.ranking import curves as curves_of
from explorer.checkpoints import Card
from explorer.text import N_, t
from explorer.ui import widgets
from explorer.ui.evidence import VIEWS, Scores, drawn, show_pictures
from explorer.views import classification as charts
from explorer.views import curves as lines
from explorer.views import matrix

COLUMNS = {"recall": N_("Recall"), "precision": N_("Precision"), "f1": N_("F1")}


def dark() -> bool:
    """Whether the visitor's theme is dark, as far as is known."""
    return st.context.theme.type == "dark"


def headline(found: Scores, card: Card) -> None:
    """The four numbers that matter, and what they rest on."""
    right = int((found.labels == found.predicted).sum())
    low, high = wilson(right, found.report.n)
    with st.grid(4, min_column_width=170):
        st.metric(
            t("Accuracy"), f"{100 * found.report.accuracy:.2f} %", border=True, height="stretch",
            delta=t("95 %: {low} to {high}", low=f"{100 * low:.2f}", high=f"{100 * high:.2f}"),
            delta_color="off", delta_arrow="off",
            help=t("With Wilson's 95 % interval for {n} pictures", n=f"{found.report.n:,}"),
        )  # fmt: skip
        wrong = found.report.n - right
        st.metric(t("Mistakes"), f"{wrong:,}", border=True, height="stretch",
                  delta=t("of {n} pictures", n=f"{found.report.n:,}"),
                  delta_color="off", delta_arrow="off")  # fmt: skip
        worst = min(found.report.rows, key=lambda row: row.recall)
        st.metric(t("Macro F1"), f"{found.report.macro.f1:.4f}", border=True, height="stretch",
                  help=t("Lowest recall: {name}, {r}", name=worst.name, r=f"{worst.recall:.4f}"),
                  delta=t("hardest: {name}", name=worst.name),
                  delta_color="off", delta_arrow="off")  # fmt: skip
        gap, before = (ece(found.labels, p) for p in (found.probabilities, softmax(found.predictions.logits)))
        st.metric(t("Calibration error"), f"{gap:.4f}", border=True, height="stretch",
                  delta=t("as trained: {e}", e=f"{before:.4f}"), delta_color="off", delta_arrow="off",
                  help=t(METRICS["ece"].sentence))  # fmt: skip
    p = found.predictions
    other = card.metrics.get(p.split, {})
    known = [
        f"{t(VIEWS[n])}: {100 * other[field]:.2f} %"
        for n, field in ((1, "accuracy"), (2, "accuracy_2_views"), (6, "accuracy_6_views"))
        if n != p.views and isinstance(other.get(field), float)
    ]
    rest = t(
        "weights sha256 `{sha}`, data fingerprint `{data}`",
        sha=p.checkpoint_sha256[:12],
        data=p.fingerprint[:12],
    )
    st.caption(" · ".join([found.source, *known, rest]))


# --- confusion matrix ---------------------------------------------------------------------------------------------


def class_filter(classes: tuple[str, ...]) -> tuple[int | None, int | None]:
    """The keyboard's way to a cell: two selects, bound to the address; None stands for any class."""
    options = {"": t("any class"), **{name: name for name in classes}}
    left, right = st.columns(2)
    with left:
        true = widgets.select(t("True class"), options, key="true", default="")
    with right:
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
    left, right = st.columns([3, 2], gap="medium")
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
        inside = members(found.labels, found.probabilities, true, said)
        st.markdown(f"**{in_words(found, true, said, len(inside))}**")
        show_pictures(found, inside, key="cell")


def in_words(found: Scores, true: int | None, said: int | None, n: int) -> str:
    """What the pictures of a cell, a row or a column have in common."""
    support = found.report.n if true is None else found.report.rows[true].support
    values = {"n": f"{n:,}", "of": f"{support:,}"}
    if true is not None:
        values["true"] = found.classes[true]
    if said is not None:
        values["said"] = found.classes[said]
    if true is None and said is None:
        return t("{n} mistakes in {of} pictures", **values)
    if said is None:
        return t("“{true}” is taken for something else: {n} of {of}", **values)
    if true is None:
        return t("Something else is taken for “{said}”: {n} pictures", **values)
    if true == said:
        return t("“{true}” is recognised: {n} of {of}", **values)
    return t("“{true}” is taken for “{said}”: {n} of {of}", **values)


# --- per class ----------------------------------------------------------------------------------------------------


def per_class(found: Scores) -> None:
    """Precision, recall, F1 and support as bars and as a table, and all other numbers."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        column = widgets.select(
            t("Bars"), {k: t(words) for k, words in COLUMNS.items()}, key="column", kind="segmented"
        )
        orders = {"classes": t("class order"), "low": t("lowest first"), "high": t("highest first")}
        order = widgets.select(t("Order"), orders, key="bars")
    first = {"classes": None, "low": False, "high": True}[order]
    spec = drawn(
        ("bars", found.key, column, order, dark()),
        lambda: charts.class_bars(found.report, column, t(COLUMNS[column]), first, found.source, dark()),
    )
    left, right = st.columns([1, 1], gap="medium")
    with left:
        widgets.chart(spec, key="bars chart", alt=" ".join(spec["title"]["text"]))
    with right:
        report_table(list(found.report.rows), "report", t("Report per class; click a column to sort by it"))
        report_table([found.report.macro, found.report.weighted], "averages", t("Macro and weighted average"))
        st.caption(
            t("Macro: every class counts the same. Weighted: a class counts as often as it has pictures. "
              "Equal to scikit-learn's classification_report.")
        )  # fmt: skip
    st.markdown(f"**{t('All numbers')}**")
    st.dataframe(
        pd.DataFrame(
            [
                (
                    t(m.label),
                    m.fn(found.labels, found.probabilities),
                    t("higher") if m.higher else t("lower"),
                    t(m.sentence),
                )
                for m in METRICS.values()
            ],
            columns=[t("number"), t("value"), t("better is"), t("what it says")],
        ),
        hide_index=True,
        column_config={t("value"): st.column_config.NumberColumn(format="%.4f")},
        alt=t("All numbers with what they say"),
    )


def report_table(rows: list, key: str, alt: str) -> None:
    """Rows of the report as a sortable table."""
    names = {"macro avg": t("macro average"), "weighted avg": t("weighted average")}
    fields = [t("class"), t("Precision"), t("Recall"), t("F1"), t("pictures")]
    frame = pd.DataFrame(
        [(names.get(r.name, r.name), r.precision, r.recall, r.f1, r.support) for r in rows], columns=fields
    )
    form = {field: st.column_config.NumberColumn(format="%.4f") for field in fields[1:4]}
    st.dataframe(frame, hide_index=True, column_config=form, key=f"{key} table", alt=alt, height="content")


# --- calibration --------------------------------------------------------------------------------------------------


def calibration(found: Scores) -> None:
    """How sure against how often right; a bin opens to its pictures."""
    bins = reliability(found.labels, found.probabilities)
    known = {str(k): b for k, b in enumerate(bins.bins) if b.n}
    worst = max(known, key=lambda k: known[k].n * abs(known[k].accuracy - known[k].confidence))
    options = {k: charts.bin_label(b.low, b.high) for k, b in known.items()}
    left, right = st.columns([3, 2], gap="medium")
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
              "Pale blue: right more often than sure. ECE is the mean gap over {k} bins.", k=15)
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


# --- curves, mistakes ---------------------------------------------------------------------------------------------


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
    each = curves_of(found.labels, found.probabilities)
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


def mistakes(found: Scores) -> None:
    """Wrong, and surest of it: model, label or picture at fault?"""
    wrong = members(found.labels, found.probabilities, None, None)
    sure = int((found.probabilities[wrong].max(1) > 0.9).sum()) if len(wrong) else 0
    st.markdown(
        t("{n} mistakes, the surest first; {k} of them with more than 90 %. Below each: what was said, what it is.",
          n=f"{len(wrong):,}", k=f"{sure:,}")
    )  # fmt: skip
    show_pictures(found, wrong, key="cell")


# --- downloads ----------------------------------------------------------------------------------------------------


def downloads(found: Scores) -> None:
    """All of it as files."""
    p = found.predictions
    stem = f"{found.name}-{p.split}-{p.views}"
    with st.container(horizontal=True):
        widgets.download(t("Report, JSON"), lambda: as_json(found), f"{stem}.json", "application/json")
        widgets.download(t("Predictions, CSV"), lambda: as_csv(found), f"{stem}.csv", "text/csv")


def as_json(found: Scores) -> str:
    """Every number of the page with what it rests on, as one JSON object."""
    p = found.predictions
    about = {
        "checkpoint": found.name, "checkpoint_sha256": p.checkpoint_sha256, "data": p.data, "split": p.split,
        "data_fingerprint": p.fingerprint, "views": p.views, "temperature": found.temperature,
        "wilson_95": wilson(int(np.trace(found.report.confusion)), found.report.n),
        "ece": ece(found.labels, found.probabilities), "auc_macro": auc_macro(found.labels, found.probabilities),
    }  # fmt: skip
    return json.dumps({**about, **found.report.as_dict()}, indent=1, ensure_ascii=False)


def as_csv(found: Scores) -> str:
    """One line per picture: index, true and predicted class, the probability of every class."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["index", "true", "predicted", *(f"p_{name}" for name in found.classes)])
    for i, (true, said, p) in enumerate(zip(found.labels, found.predicted, found.probabilities)):
        table.writerow([i, found.classes[true], found.classes[said], *(f"{x:.6g}" for x in p)])
    return out.getvalue()
