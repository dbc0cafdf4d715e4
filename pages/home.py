"""What can be asked here, which checkpoints there are, and what was reported beside what was measured here."""

from pathlib import Path

import streamlit as st

from explorer.text import N_, t
from explorer.ui import cache, overview, papers, widgets

PAGES = Path(__file__).parent
# A question, the page that answers it, and how.
QUESTIONS = [
    (
        N_("What is in my picture?"),
        "predict",
        N_("Drop one in. Up to four models answer side by side, with calibrated probabilities."),
    ),
    (
        N_("Does it know when it does not know?"),
        "predict",
        N_("Show it something that is none of its classes: it should say so, and not guess."),
    ),
    (
        N_("How often is it wrong, and where?"),
        "evaluate",
        N_("A confusion matrix, a report per class and curves. Every cell opens to its pictures."),
    ),
    (
        N_("Which of two models is better?"),
        "evaluate",
        N_("What one puts right and the other breaks, and whether chance would explain it."),
    ),
    (
        N_("Where does it look?"),
        "explain",
        N_("Every class on one scale, over your picture: evidence for it and against it, in nine ways."),
    ),
    (
        N_("Can I believe such a map?"),
        "explain",
        N_("Four tests for every map, each with its figure, and a rival that knows nothing."),
    ),
    (
        N_("How does a model learn?"),
        "train",
        N_("Train one and watch: curves, a confusion matrix that grows; stop, resume, change a setting."),
    ),
    (
        N_("Which settings matter?"),
        "train",
        N_("A sweep over two of them as a map, and a test that finds the learning rate."),
    ),
    (
        N_("What does a model draw out of noise?"),
        "generate",
        N_("One seed through a VAE, a GAN and a diffusion model, side by side, live, and step by step."),
    ),
    (
        N_("What is an FID worth?"),
        "generate",
        N_(
            "What it makes of few pictures, of spoilt ones and of another convention, and of a GAN that fails."
        ),
    ),
    (
        N_("Which pictures are alike?"),
        "retrieve",
        N_("One picture, its neighbours by cosine and by Euclidean distance, and where the two disagree."),
    ),
    (
        N_("Is the test set in the training set?"),
        "retrieve",
        N_("Pictures that are there twice, what they do to a score, odd ones, and a map of them all."),
    ),
    (
        N_("How would I tell this to a class?"),
        "story",
        N_(
            "A talk whose every step is live, with notes, a room for followers, slides and a report to print."
        ),
    ),
    (
        N_("Am I better than the model?"),
        "story",
        N_("Ten pictures of 32 by 32 pixels: you guess, then the model does."),
    ),
]
ANSWERS = {
    "predict": N_("Predict a picture"),
    "evaluate": N_("Evaluate a model"),
    "explain": N_("Explain a prediction"),
    "train": N_("Train a classifier"),
    "generate": N_("Draw pictures"),
    "retrieve": N_("Find alike pictures"),
    "story": N_("Tell a story"),
}


def notes(lines: list[str]) -> None:
    """Lines below a table, in small type."""
    st.markdown("  \n".join(f":small[{line}]" for line in lines))


widgets.heading(
    "Model Explorer",
    t("Train or load a model, drop in a picture, and see what it says, why, and how often it is wrong."),
)

classes, samples = overview.one_of_each_class()
widgets.strip(samples, alts=[t("A CIFAR-10 test picture of class {name}", name=name) for name in classes])
st.caption(" · ".join(classes))

st.subheader(t("What you can ask here"), anchor=False)
with st.grid("auto", min_column_width=320):
    for question, page, how in QUESTIONS:
        with st.container(border=True, height="stretch"):
            st.markdown(f"**{t(question)}**  \n{t(how)}")
            if (PAGES / f"{page}.py").is_file():
                st.page_link(PAGES / f"{page}.py", label=t(ANSWERS[page]), icon=":material/arrow_forward:")

cards = list(cache.cards().values())
words = overview.overview(cards)

st.subheader(t("The models that are here"), anchor=False)
if words.classifiers:
    table, purposes = words.classifiers
    st.table(table, border="horizontal", hide_index=True,
             alt=t("The checkpoints: data, accuracy on the test set and size"))  # fmt: skip
    notes(purposes)
if words.generators:
    table, purposes = words.generators
    st.markdown(f"**{t('Models that draw')}**")
    st.table(table, border="horizontal", hide_index=True,
             alt=t("The models that draw: data, FID of their pictures and size"))  # fmt: skip
    notes(purposes)
if cards:
    papers.button(card.model for card in cards)
    evidence = st.expander(
        t("What these numbers rest on"), icon=":material/fact_check:", key="evidence", on_change="rerun"
    )
    if evidence.open:
        with evidence:
            notes(words.evidence)
else:
    widgets.empty_state(
        t("There is no checkpoint yet. Train one: `python -m explorer train --model fastnet --data digits`")
    )
for entry in cache.entries():
    if not entry.card:
        st.warning(
            widgets.plain(
                t("Checkpoint {name} cannot be used: {problem}", name=entry.name, problem=str(entry.problem))
            ),
            icon=":material/warning:",
        )

st.subheader(t("What was reported, and what we reach"), anchor=False)
st.markdown(t("Figures from course slides and notes, beside the same recipe run here and beside our own recipe. "
              "An empty place means that it has not been run."))  # fmt: skip
for unit, table, comparability in words.beside_ours:
    st.markdown(f"**{unit}**")
    st.table(table, border="horizontal", hide_index=True, alt=unit)
    notes(comparability)
more = st.expander(
    t("Everything else that was reported"), icon=":material/menu_book:", key="more", on_change="rerun"
)
if more.open:
    with more:
        for about, comparable, table in words.others:
            st.markdown(f"**{about}**  \n{comparable}")
            st.table(table, border="horizontal", hide_index=True, width="content", alt=about)
