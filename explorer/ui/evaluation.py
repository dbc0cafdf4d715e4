"""The numbers of the Evaluate page: headline, report per class, downloads."""

import csv
import io
import json

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.calibration import ece, softmax
from explorer.analysis.classification import METRICS, wilson
from explorer.analysis.ranking import auc_macro
from explorer.checkpoints import Card
from explorer.text import N_, t
from explorer.ui import widgets
from explorer.ui.evidence import SHORT, VIEWS, Scores, dark, drawn, halves, kept
from explorer.views import classification as charts

COLUMNS = {"recall": N_("Recall"), "precision": N_("Precision"), "f1": N_("F1")}


def headline(found: Scores, card: Card) -> None:
    """The four numbers that matter, and what they rest on."""
    p = found.predictions
    right = int((found.labels == found.predicted).sum())
    low, high = wilson(right, found.report.n)
    with st.grid(4, min_column_width=260 if widgets.large_type() else 170):
        st.metric(
            f"{t('Accuracy')}, {p.split}, {t(SHORT[p.views])}", f"{100 * found.report.accuracy:.2f} %",
            border=True, height="stretch", delta=f"95 %: {100 * low:.1f}–{100 * high:.1f}",
            delta_color="off", delta_arrow="off",
            help=t("With Wilson's 95 % interval for {n} pictures", n=f"{found.report.n:,}"),
        )  # fmt: skip
        wrong = found.report.n - right
        st.metric(t("Mistakes"), f"{wrong:,}", border=True, height="stretch",
                  delta=t("of {n} pictures", n=f"{found.report.n:,}"),
                  delta_color="off", delta_arrow="off")  # fmt: skip
        worst = min(found.report.rows, key=lambda row: row.recall)
        st.metric(t("Macro F1"), f"{found.report.macro.f1:.4f}", border=True, height="stretch",
                  help=t("Lowest recall: {name}, {r}", name=widgets.plain(worst.name), r=f"{worst.recall:.4f}"),
                  delta=t("hardest: {name}", name=widgets.plain(worst.name)),
                  delta_color="off", delta_arrow="off")  # fmt: skip
        gap, before = kept(
            ("ece", found.key),
            lambda: [ece(found.labels, p) for p in (found.probabilities, softmax(found.predictions.logits))],
        )
        st.metric(t("Calibration error"), f"{gap:.4f}", border=True, height="stretch",
                  delta=t("as trained: {e}", e=f"{before:.4f}"), delta_color="off", delta_arrow="off",
                  help=t(METRICS["ece"].sentence))  # fmt: skip
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
    left, right = halves([1, 1])
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
    values = kept(
        ("metrics", found.key),
        lambda: {name: m.fn(found.labels, found.probabilities) for name, m in METRICS.items()},
    )
    st.dataframe(
        pd.DataFrame(
            [
                (
                    t(m.label),
                    values[name],
                    t("higher") if m.higher else t("lower"),
                    t(m.sentence),
                )
                for name, m in METRICS.items()
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


def downloads(found: Scores) -> None:
    """All of it as files, offered once asked for: most reruns need no download buttons."""
    p = found.predictions
    stem = f"{found.name}-{p.split}-{p.views}"
    place = st.popover(t("Download"), icon=":material/download:", key="downloads", on_change="rerun")
    if not place.open:
        return
    with place:
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
