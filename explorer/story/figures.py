"""FIGURES: everything that a step of a talk can show, each a short function of the step's options.

They are made of what the pages are made of: stored predictions and scores, explorer.analysis, explorer.views. None
needs a data set that has to be got first, or more than a second.
"""

from collections.abc import Callable, Mapping
from typing import Any

from explorer.story import classifier_figures as classifier
from explorer.story import evaluation_figures as evaluation
from explorer.story import generator_figures as generator
from explorer.story import reported_figures as beside
from explorer.story import retrieval_figures as retrieval
from explorer.story.canvas import Figure, card_of
from explorer.story.steps import Step
from explorer.text import Missing, Problem, t

__all__ = ["FIGURES", "Figure", "as_reported", "figure", "shown"]

FIGURES: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
    "classes": classifier.classes,
    "accuracy": beside.accuracy,
    "answer": classifier.answer,
    "cam": classifier.cam,
    "contest": classifier.contest,
    "taps": classifier.taps,
    "field": classifier.field,
    "dead-weights": classifier.dead_weights,
    "confusion": evaluation.confusion,
    "per-class": evaluation.per_class,
    "calibration": evaluation.calibration,
    "mistakes": evaluation.mistakes,
    "same-seeds": generator.same_seeds,
    "over-training": generator.over_training,
    "collapse": generator.collapse,
    "gan-game": generator.gan_game,
    "denoising": generator.denoising,
    "noise": generator.noise,
    "fid": beside.fid,
    "fid-of-few": generator.fid_of_few,
    "verdicts": generator.verdicts,
    "arrows": retrieval.arrows,
    "duel": retrieval.duel,
    "knn": retrieval.knn,
    "leaks": retrieval.leaks,
}


def figure(step: Step, dark: bool = False) -> Figure:
    """What a step shows; of a step that names no figure, what was reported.

    Missing with one sentence when a checkpoint in step.needs, a stored result or data is not here, Problem for a figure
    or an option that there is not.
    """
    for name in step.needs:
        card_of(name)
    if not step.figure:
        return as_reported(step, dark)
    if step.figure not in FIGURES:
        raise Problem(
            "Unknown figure {name}; known: {known}.", name=repr(step.figure[:40]), known=", ".join(FIGURES)
        )
    return FIGURES[step.figure]({"dark": True, **step.options} if dark else step.options)


def as_reported(step: Step, dark: bool = False) -> Figure:
    """The reported figures that a step names, as a chart, with source and comparability; Missing when it names none."""
    if not step.reported:
        raise Missing("Nothing was reported for this step.")
    return beside.reported_figure(step.reported, dark)


def shown(step: Step, dark: bool = False) -> tuple[Figure | None, str]:
    """(figure, what has to be said of it): that the reported one stands in for what is not here, or why there is none.

    A Problem of a figure is no error here: the rest can be told.
    """
    if not step.figure and not step.reported:
        return None, ""
    try:
        said = t("This is what was reported; it has not been run here yet.") if not step.figure else ""
        return figure(step, dark), said
    except Problem as problem:
        why = str(problem)
    try:
        return as_reported(step, dark), t("What was reported stands here instead: {missing}", missing=why)
    except Problem:
        return None, why
