"""The papers behind the models that a page shows: one quiet button, whose cards are made when it is open."""

from collections.abc import Iterable

import streamlit as st

from explorer import papers
from explorer.papers import Paper
from explorer.text import t


def button(models: Iterable[str], key: str = "papers") -> None:
    """A button that opens the cards of the papers behind these models, names in MODELS; nothing where none has one.

    key: of the button; a page with several gives each its own
    """
    found = {paper.key: paper for model in models for paper in papers.of_model(model)}
    if not found:
        return
    # One label for one paper and for many: Streamlit takes a button of another name for another, closed one.
    place = st.popover(t("Papers"), icon=":material/article:", type="tertiary", key=key, on_change="rerun")
    if not place.open:
        return
    with place:
        if len(found) == 1:
            card(*found.values())
            return
        for tab, paper in zip(st.tabs([paper.short for paper in found.values()]), found.values()):
            with tab:
                card(paper)


def card(paper: Paper) -> None:
    """One paper on a card: where it stands, aim, idea, result, keywords, and how our net differs."""
    known = (
        f"[arXiv {paper.arxiv}]({paper.link})"
        if paper.arxiv
        else f"[{paper.link.partition('//')[2]}]({paper.link})"
    )
    venue = "" if paper.arxiv and paper.venue == "arXiv" else f"{paper.venue} · "
    points = "\n".join(f"- {point}" for point in paper.say("idea"))
    st.markdown(
        f"**{paper.title}**  \n{paper.authors}  \n:small[{paper.date} · {venue}{known}]\n\n"
        f"**{t('Aim')}**  \n{paper.say('aim')}\n\n"
        f"**{t('Idea')}**\n\n{points}\n\n"
        f"**{t('Its own result')}**  \n{paper.say('result')}\n\n"
        f"**{t('Here')}**  \n{paper.say('here')}\n\n"
        + " ".join(f":gray-badge[{word}]" for word in paper.say("keywords"))
    )
