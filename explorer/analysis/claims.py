"""What the course slides say of DCGAN against DDPM, held against the stored scores of two checkpoints.

A claim holds when no figure that speaks of it is worse and one is better by more than a tie, fails when none is better
and one is worse, and is mixed otherwise. The same claim may hold for one pair of checkpoints and fail for another:
recipes decide, not only models. Milliseconds of different machines decide nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from explorer.checkpoints import Card
from explorer.text import N_

WORDS = {
    "holds": N_("holds here"),
    "fails": N_("does not hold here"),
    "mixed": N_("holds in part"),
    "equal": N_("no difference here"),
    "apart": N_("measured on different machines, so not to be said"),
}
LABELS = {  # of the measures, on screen
    "recall": N_("recall"),
    "coverage": N_("coverage"),
    "precision": N_("precision"),
    "fid_5k_train50k": N_("FID-5k against 50k train"),
    "milliseconds": N_("ms a picture"),
}
TIE = 0.02  # relative difference up to which two figures count as equal


@dataclass(frozen=True)
class Claim:
    """text: as the slides say it;  winner: the model it favours;  measures: name -> whether more is better"""

    text: str
    winner: str
    measures: dict[str, bool]


CLAIMS: dict[str, Claim] = {
    "diverse": Claim(N_("DDPM learnt more diverse pictures"), "ddpm", {"recall": True, "coverage": True}),
    "sharper": Claim(
        N_("DDPM's pictures are cleaner and sharper"), "ddpm", {"precision": True, "fid_5k_train50k": False}
    ),
    "faster": Claim(N_("DCGAN generates faster"), "dcgan", {"milliseconds": False}),
}


@dataclass(frozen=True)
class Verdict:
    """verdict: of WORDS;  figures: measure -> (favoured model's, the other's)"""

    claim: str
    verdict: str
    dcgan: str
    ddpm: str
    same_recipe: bool
    figures: dict[str, tuple[float, float]]


def pairs(cards: Iterable[Card]) -> list[tuple[Card, Card, bool]]:
    """(DCGAN, DDPM, whether both follow the slides' recipe) of scored checkpoints on CIFAR-10.

    The slides' pair first, then ours, then pairs of which one side follows the slides.
    """
    found: dict[str, dict[bool, Card]] = {"dcgan": {}, "ddpm": {}}
    for card in cards:
        if (
            card.model in found
            and card.data == "cifar10"
            and "fid_5k_train50k" in card.metrics.get("samples", {})
        ):
            slides = card.recipe.get("name") == f"{card.model}-slides"
            best = found[card.model].get(slides)
            if best is None or _fid(card) < _fid(best):
                found[card.model][slides] = card
    order = [(True, True), (False, False), (True, False), (False, True)]
    return [
        (found["dcgan"][a], found["ddpm"][b], a and b)
        for a, b in order
        if a in found["dcgan"] and b in found["ddpm"]
    ]


def _fid(card: Card) -> float:
    return card.metrics["samples"]["fid_5k_train50k"]


def verdicts(dcgan: Card, ddpm: Card, same_recipe: bool) -> list[Verdict]:
    """The three claims, judged by the stored scores of a pair; a claim without a figure on both sides is left out."""
    found = []
    for key, claim in CLAIMS.items():
        favoured, other = (ddpm, dcgan) if claim.winner == "ddpm" else (dcgan, ddpm)
        ours, theirs = favoured.metrics["samples"], other.metrics["samples"]
        figures = {
            name: (ours[name], theirs[name]) for name in claim.measures if name in ours and name in theirs
        }
        if figures:
            better = [_better(*pair, more=claim.measures[name]) for name, pair in figures.items()]
            apart = "milliseconds" in figures and ours.get("device") != theirs.get("device")
            said = "apart" if apart else _verdict(better)
            found.append(Verdict(key, said, dcgan.name, ddpm.name, same_recipe, figures))
    return found


def _better(ours: float, theirs: float, more: bool) -> int:
    """1 better, -1 worse, 0 a tie."""
    if abs(ours - theirs) <= TIE * max(abs(ours), abs(theirs)):
        return 0
    return 1 if (ours > theirs) == more else -1


def _verdict(better: list[int]) -> str:
    if not any(better):
        return "equal"
    if min(better) >= 0:
        return "holds"
    return "fails" if max(better) <= 0 else "mixed"
