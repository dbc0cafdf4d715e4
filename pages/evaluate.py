"""How often a classifier is wrong, and where: every number opens to the pictures behind it."""

import streamlit as st

from explorer import data
from explorer.text import N_, Missing, t
from explorer.ui import cache, cells, certainty, evaluation, evidence, versus, widgets

# id in the address -> (what stands on the tab, what it draws)
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

with st.container(horizontal=True, vertical_alignment="bottom"):
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

labels = {tab: t(words) for tab, (words, _) in TABS.items()}
asked = widgets.from_url("tab", TABS, "confusion")
key = f"tabs {asked}"


def remember() -> None:
    """Write the open tab into the address by its id, which outlives a change of language."""
    chosen = next((tab for tab, words in labels.items() if words == st.session_state.get(key)), "confusion")
    widgets.to_url("tab", None if chosen == "confusion" else chosen)


for (_, draw), place in zip(
    TABS.values(), st.tabs(list(labels.values()), default=labels[asked], key=key, on_change=remember)
):
    if place.open:
        with place, widgets.problems():
            draw(found)

evaluation.downloads(found)
