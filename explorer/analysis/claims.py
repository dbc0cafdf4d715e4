"""What the course slides say of DCGAN against DDPM, held against the stored scores of two checkpoints.

A claim holds when no figure that speaks of it is worse and one is better by more than a tie, fails when none is better
and one is worse, and is mixed otherwise. The same claim may hold for one pair of checkpoints and fail for another:
recipes decide, not only models. Milliseconds of different machines decide nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from explorer.checkpoints import Card
from explorer.reported import NAMES, follows
from explorer.text import N_, t

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
# Pictures that the slides' nets saw: their epochs times 50,000.
SEEN = {"dcgan": 10_000_000, "ddpm": 2_500_000}
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
            slides = follows_slides(card)
            best = found[card.model].get(slides)
            if best is None or _fid(card) < _fid(best):
                found[card.model][slides] = card
    order = [(True, True), (False, False), (True, False), (False, True)]
    return [
        (found["dcgan"][a], found["ddpm"][b], a and b)
        for a, b in order
        if a in found["dcgan"] and b in found["ddpm"]
    ]


def follows_slides(card: Card) -> bool:
    """Whether a checkpoint was trained by the slides' recipe for its model."""
    return follows(card.recipe, f"slides_{card.model}")


def trained(dcgan: Card, ddpm: Card, same_recipe: bool) -> str:
    """How a pair was trained, in words: by which recipes, and how many pictures each net saw."""
    how = t("both in the slides' recipe") if same_recipe else t("recipes as their cards say")
    seen = [_seen(card) for card in (dcgan, ddpm) if isinstance(card.recipe.get("images_seen"), int)]
    return f"{how}: {', '.join(seen)}" if seen else how


def _seen(card: Card) -> str:
    count, whole = f"{card.recipe['images_seen']:,}", f"{SEEN[card.model]:,}"
    if follows_slides(card):
        return f"{card.name} {t('after {n} of their {whole} pictures', n=count, whole=whole)}"
    return f"{card.name} {t('after {n} pictures', n=count)}"


def absent(found: list[tuple[Card, Card, bool]]) -> str:
    """What is to be said before `pairs` of which none follows the slides on both sides; "" where one does, and where
    there is no pair."""
    if not found or any(same for *_, same in found):
        return ""
    follow = {card.model for pair in found for card in pair[:2] if follows_slides(card)}
    return t(
        "The pair in the slides' recipe is not here: no scored checkpoint of {models} follows it.",
        models=", ".join(NAMES[model] for model in SEEN if model not in follow),
    )


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
