"""How often a classifier is wrong, and where: every number opens to the pictures behind it."""

import streamlit as st

from explorer import data
from explorer.text import N_, Missing, t
from explorer.ui import cache, cells, certainty, evaluation, evidence, papers, versus, widgets

# id in the address -> (what stands on the switch, what it draws)
TABS = {
    "confusion": (N_("Confusion matrix"), cells.confusion),
    "classes": (N_("Per class"), evaluation.per_class),
    "calibration": (N_("Calibration"), certainty.calibration),
    "curves": (N_("ROC and PR"), certainty.curves),
    "mistakes": (N_("Surest mistakes"), cells.mistakes),
    "versus": (N_("Two models"), versus.versus),
}

widgets.heading(
    t("Evaluate"), t("How often a model is wrong, and where. Every number opens to the pictures behind it.")
)

widgets.wrong_kind("checkpoint")
choosing = st.container(horizontal=True, vertical_alignment="bottom")
with choosing:
    name = widgets.checkpoint_picker(t("Checkpoint"), key="checkpoint")
    card = cache.card(name)
    splits = data.spec(card.data).splits if card.data in data.names() else ("test",)
    split = widgets.select(t("Split"), {s: s for s in splits}, key="split", default="test")
    views = int(
        widgets.select(
            t("Views"), {str(n): t(words) for n, words in evidence.VIEWS.items()}, key="views", default="1",
            help=t("The model sees each picture this often, mirrored or shifted, and its scores are averaged."),
        )
    )  # fmt: skip
    calibrated = st.toggle(
        t("Calibrated"), value=True, key="calibrated", bind="query-params",
        help=t("Logits are divided by a temperature fitted on held-out pictures. The order of classes stays."),
    )  # fmt: skip

try:
    found = evidence.scores(name, split, views, calibrated)
except Missing as missing:
    st.info(str(missing), icon=":material/download:")
    evidence.offer(card.data)
    st.stop()
evaluation.headline(found, card)

# One control, of which one section runs: st.tabs would send a place for each to the browser, at every rerun.
tab = widgets.select(
    t("Section"), {tab: t(words) for tab, (words, _) in TABS.items()}, key="tab", kind="segmented", bare=True
)
with widgets.problems():
    TABS[tab][1](found)
with choosing:
    second = cache.cards("classifier").get(st.session_state.get("against")) if tab == "versus" else None
    papers.button(one.model for one in (card, second) if one)

evaluation.downloads(found)
