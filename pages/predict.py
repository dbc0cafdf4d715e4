"""Drop in a picture, or several, and see what one to four models say, side by side."""

import streamlit as st

from explorer.analysis.answer import Answer
from explorer.data import samples
from explorer.data.picture import square
from explorer.text import t
from explorer.ui import cache, drawn, nearest, papers, predicting, uploads, widgets
from explorer.views import prediction

widgets.heading(
    t("What is in this picture?"),
    t("Drop a picture in: each model says which of its classes it sees, how sure it is, and when none fits."),
)
known = cache.cards("classifier")
predicting.note_odd_address(cache.cards())

left, right = st.columns(2, gap="large")
with left:
    brought = uploads.drop_zone()
with right, st.container():
    names = widgets.checkpoint_picker(t("Models, up to four"), key="model", multiple=True)
    chosen = [known[name] for name in names]
    predicting.class_names(chosen)
    papers.button(card.model for card in chosen)
pictures, of = brought, None if brought else drawn.linked()
if not brought:
    sample = uploads.sample_gallery(chosen=None if of else "", on_pick=drawn.forget)
    pictures = {f"sample {sample}": samples.sample(sample)}
if of:
    pictures = {f"{drawn.KEY} {of.address}": drawn.picture(of)}

keys, place = list(pictures), 0
if len(keys) > 1:
    overview = st.container()
    numbers = {str(n + 1): str(n + 1) for n in range(len(keys))}
    place = int(widgets.select(t("Look closer at picture"), numbers, key="shown", kind="segmented")) - 1
key, picture = keys[place], pictures[keys[place]]
uploads.take((key, picture) if brought else None)

# One model stands beside the picture; several stand side by side below it.
looking, beside = st.columns([5, 7], gap="large")
answers = beside if len(chosen) == 1 else st.container()
with looking:
    shown = st.container()
with looking if len(chosen) == 1 else beside:
    squash = predicting.crop_controls(picture)
    with st.container(horizontal=True):
        flip = st.toggle(
            t("Average with mirror image"), key="flip", bind="query-params",
            help=t("Every picture is asked twice, also mirrored. Not for digits: a mirrored 3 is no 3."),
        )  # fmt: skip
        invert = widgets.toggle(
            t("Swap light and dark"), key="invert",
            help=t("For dark ink on light paper: the digits models learnt light strokes on a dark ground."),
        )  # fmt: skip
        scan = st.toggle(
            t("Scan"), key="scan", bind="query-params",
            help=t("Asks the first model about some fifty windows of this picture and frames the surest."),
        )  # fmt: skip
    offer = st.container() if scan else None
views = 2 if flip else 1

where = predicting.crop_place()
boxes = {k: None if squash else square(p.image.size, *where) for k, p in pictures.items()}
said: dict[str, list[Answer]] = {}
with answers:
    together = st.container() if len(chosen) > 1 else None
    side_by_side = (
        st.grid(2 if len(chosen) == 4 else len(chosen), min_column_width=250) if together else answers
    )
    with side_by_side:
        for card in chosen:
            with st.container(border=True), widgets.problems():
                inputs = predicting.model_inputs(card, pictures, boxes, invert)
                said[card.name] = predicting.ask(card, inputs, views)
                predicting.show_answer(card.name, said[card.name][place], inputs[place], views)
                predicting.explain_link(card.name, keys[place], squash, invert)
                nearest.nearest(card, keys[place], pictures[keys[place]], boxes[keys[place]], invert)
    if together:
        with together:
            predicting.show_agreement({name: found[place] for name, found in said.items()})

best = None
if scan and said:
    with offer, widgets.problems():
        first = next(card for card in chosen if card.name in said)
        found = predicting.scan(first, key, picture, views, invert)
        best = predicting.offer_best(first.name, found, said[first.name][place])
with shown:
    predicting.show_picture(key, picture, boxes[key], best)
if len(keys) > 1:
    with overview:
        predicting.show_overview(pictures, said)


def rows() -> list[dict]:
    """Every class of every picture and model, for the files to download."""
    return [
        row
        for name, found in said.items()
        for k, one in zip(keys, found)
        for row in prediction.records(
            pictures[k].name, name, known[name].sha256, one, boxes[k] or "all", views
        )
    ]


predicting.downloads(
    rows, {"views": views, "squash": squash, "light and dark swapped": invert, "checkpoints": list(said)}
)
