"""A game against a model: ten pictures of 32x32 pixels, you say what each shows, and then so does the model."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer.analysis import answer
from explorer.analysis.answer import Answer
from explorer.analysis.classification import wilson
from explorer.analysis.comparison import mcnemar
from explorer.checkpoints import Card
from explorer.data import ImageSet, sheet
from explorer.text import t
from explorer.ui import cache, evidence, widgets
from explorer.views import prediction, style

ROUND = 10  # pictures of a game
MOST_SEED = 9_999
FIRST = "cifar10-fastnet"
PLAYED, FINISHED = "game against a model", "games that were finished"  # in the session
BLOG = "http://karpathy.github.io/2011/04/27/manually-classifying-cifar10/"


@dataclass(frozen=True)
class Table:
    """The ten pictures of a seed: `places` on the sheet `of`, and who plays against the visitor."""

    seed: int
    of: ImageSet
    places: np.ndarray
    card: Card

    @property
    def labels(self) -> np.ndarray:
        """int64 (10,), the true classes."""
        return self.of.labels[self.places]

    def answers(self) -> list[Answer]:
        """What the model says to the ten; asked for once the first guess is made, so that nothing is there before."""
        key = ("game", self.seed, self.card.sha256)
        pictures = self.of.images[self.places]
        return cache.in_session(key, lambda: answer.classify(cache.model(self.card.name), pictures))

    def said(self) -> np.ndarray:
        """int64 (10,), the classes that the model puts first."""
        return np.array([one.probabilities.argmax() for one in self.answers()])


def places_of(seed: int) -> np.ndarray:
    """Ten of the sheet's pictures, int64 (10,). No label and no model is asked: a class may come twice or not at all,
    so that nobody gains by counting classes off, and no picture is there because a model finds it hard or easy."""
    return np.random.default_rng(seed).choice(sheet.PER_CLASS * len(sheet.CLASSES), ROUND, replace=False)


@st.fragment
def beat() -> None:
    """The game, bound to ?seed=…&against=…; guesses stay in the session, and a reload begins anew."""
    widgets.heading(
        t("Beat the model"),
        t("Ten pictures of 32 by 32 pixels, enlarged. You say what each shows, and then the model does."),
    )
    with widgets.problems():
        _beat()


def _beat() -> None:
    images = cache.images("cifar10-sheet")
    known = {name: card for name, card in cache.cards("classifier").items() if card.classes == images.classes}
    if not known:
        widgets.empty_state(
            t("There is no checkpoint for this yet. Train one: python -m explorer train --help")
        )
        return
    seed = _seed(known)
    against = widgets.select(t("Your opponent"), {name: name for name in known}, key="against", default=FIRST)
    table = Table(seed, images, places_of(seed), known[against])
    game = st.session_state.get(PLAYED)
    if game is None or game["seed"] != seed:
        game = st.session_state[PLAYED] = {"seed": seed, "guesses": [], "shown": 0}
    guesses, shown = game["guesses"], game["shown"]
    _score(table, guesses)
    if shown == ROUND:
        _result(table, guesses)
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        # Nothing here may tell what it is: no name, no number of the picture in its data set.
        alt = t("Picture {n} of {all}", n=shown + 1, all=ROUND)
        widgets.picture(images.images[table.places[shown]], alt=alt, caption=alt, factor=8)
    with right:
        if shown < len(guesses):
            _reveal(table, guesses, shown)
        else:
            _ask(table, shown)


def _seed(known: dict[str, Card]) -> int:
    """The seed that the address names, else 0; says so when it names none, or a model that is not there."""
    seeds, names = st.query_params.get_all("seed"), st.query_params.get_all("against")
    fits = not seeds or (len(seeds) == 1 and bool(re.fullmatch(r"[0-9]{1,4}", seeds[0])))
    widgets.odd_address(
        [*(["seed"] if not fits else []), *(["against"] if not set(names) <= set(known) else [])]
    )
    return int(seeds[0]) if seeds and fits else 0


def _score(table: Table, guesses: Sequence[int]) -> None:
    """How it stands, and how far the game is."""
    done = len(guesses)
    mine = int((table.labels[:done] == guesses).sum())
    its = int((table.labels[:done] == table.said()[:done]).sum()) if done else 0
    score = t("You {mine} : {its} {model}", mine=mine, its=its, model=table.card.name)
    st.progress(done / ROUND, text=f"**{score}** · {t('{done} of {all} pictures', done=done, all=ROUND)}")


def _ask(table: Table, shown: int) -> None:
    st.markdown(f"**{t('What do you see?')}** {t('Click on it, or press its digit.')}")
    with st.grid(2, min_column_width=130):
        for k, name in enumerate(table.of.classes):
            st.button(
                name, key=f"guess {k}", on_click=_guess, args=(table.seed, shown, k),
                shortcut=str((k + 1) % 10) if k < 10 else None, width="stretch",
            )  # fmt: skip
    if not shown:
        st.caption(
            t("The ten are drawn at random out of 500 test pictures of CIFAR-10, and no model was asked which: a class "
              "may come twice or not at all. Their number stands in the address: who opens it plays the same ten.")
        )  # fmt: skip


def _guess(seed: int, shown: int, k: int) -> None:
    """Note a guess, once: a second click, or one that comes late, finds its picture guessed already."""
    game = st.session_state.get(PLAYED)
    if game and (game["seed"], len(game["guesses"]), game["shown"]) == (seed, shown, shown):
        game["guesses"].append(k)


def _next(seed: int, shown: int) -> None:
    game = st.session_state.get(PLAYED)
    if game and (game["seed"], game["shown"]) == (seed, shown) and len(game["guesses"]) > shown:
        game["shown"] += 1
        if game["shown"] == ROUND:  # what was known from a first game counts no second time
            st.session_state.setdefault(FINISHED, {}).setdefault(seed, tuple(game["guesses"]))


def _again(seed: int) -> None:
    other = secrets.randbelow(MOST_SEED)
    st.query_params["seed"] = str(other + (other >= seed))  # any but this one
    st.session_state.pop(PLAYED, None)


def _mark(right: bool) -> str:
    return f":green[{style.RIGHT_MARK}]" if right else f":red[{style.WRONG_MARK}]"


def _reveal(table: Table, guesses: Sequence[int], shown: int) -> None:
    """The truth of a picture, after the guess, beside what the model says."""
    classes, true, name = table.of.classes, table.labels[shown], table.card.name
    said = table.answers()[shown]
    best, p = said.top(1)[0]
    st.markdown(
        f"### {t('It is: {name}', name=classes[true])}\n"
        f"{_mark(guesses[shown] == true)} {t('You said {name}.', name=classes[guesses[shown]])}  \n"
        f"{_mark(best == classes[true])} "
        + t("{model} said {name}, {p}.", model=name, name=best, p=prediction.percent(p))
    )
    spec = prediction.bars(said, dark=evidence.dark(), large=widgets.large_type())
    widgets.chart(spec, key=f"said {shown}", alt=prediction.spoken(said, name))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("Next picture") if shown + 1 < ROUND else t("The result"), key="next picture", type="primary",
            on_click=_next, args=(table.seed, shown), shortcut="Enter",
        )  # fmt: skip
        link = {"model": name, "data": "cifar10", "index": str(sheet.test_indices()[table.places[shown]])}
        widgets.page_link("explain", t("Where does it see that?"), "center_focus_strong", link)


def _result(table: Table, guesses: Sequence[int]) -> None:
    """Both scores, what ten pictures are worth, and the ten."""
    labels, said, name, classes = table.labels, table.said(), table.card.name, table.of.classes
    mine, its = labels == guesses, labels == said
    ahead = int(mine.sum()) - int(its.sum())
    words = (
        t("You beat {model}.", model=name) if ahead > 0
        else t("{model} beat you.", model=name) if ahead < 0
        else t("A draw between you and {model}.", model=name)
    )  # fmt: skip
    st.subheader(words, anchor=False)
    st.markdown(
        t("Ten pictures say little: the 95 % interval (Wilson) of your rate is {mine}, of the model's {its}.",
          mine=_interval(mine), its=_interval(its)) + " " + _parted(mine, its)
    )  # fmt: skip
    _session(table)
    st.button(
        t("Again with other pictures"), key="again", type="primary", icon=":material/refresh:",
        on_click=_again, args=(table.seed,),
    )  # fmt: skip
    numbers = [str(n + 1) for n in range(ROUND)]
    alts = [
        t("Picture {n} of {all}: {name}", n=n + 1, all=ROUND, name=classes[k]) for n, k in enumerate(labels)
    ]
    widgets.strip([table.of.images[place] for place in table.places], alts, numbers)
    sure = [prediction.percent(one.top(1)[0][1]) for one in table.answers()]
    rows = {
        t("Picture"): numbers,
        t("True class"): [classes[k] for k in labels],
        t("You"): [f"{_mark(ok)} {classes[k]}" for k, ok in zip(guesses, mine)],
        name: [f"{_mark(ok)} {classes[k]}, {p}" for k, ok, p in zip(said, its, sure)],
    }
    st.table(pa.table(rows), border="horizontal", hide_index=True, width="content",
             alt=t("The ten pictures: what they show, what you said, what the model said"))  # fmt: skip
    test = table.card.metrics.get("test", {})
    reach = ""
    if "accuracy" in test:
        reach = t("{model} is right on {p} of all {n} test pictures.", model=name, n=f"{test['n']:,}",
                  p=prediction.percent(test["accuracy"]))  # fmt: skip
    st.caption(
        t("How good are people? The figure that is often cited, about 94 %, is one person's count on 400 pictures in a "
          "[blog post]({blog}) (Andrej Karpathy, 2011), not a study.", blog=BLOG) + " " + reach
    )  # fmt: skip


def _interval(right: np.ndarray) -> str:
    low, high = wilson(int(right.sum()), len(right))
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def _parted(mine: np.ndarray, its: np.ndarray) -> str:
    """On how many only one was right, and whether a coin would part them as far."""
    i, it = int((mine & ~its).sum()), int((its & ~mine).sum())
    if i + it == 0:
        return t("You were right and wrong on the same pictures.")
    p = mcnemar(i, it).exact
    return t(
        "You alone were right on {mine} of them, the model alone on {its}; a fair coin parts you as far or "
        "farther with {p} (McNemar, exact).",
        mine=i, its=it, p=f"p = {p:.2f}" if p >= 0.01 else "p < 0.01",
    )  # fmt: skip


def _session(table: Table) -> None:
    """All games of the session together, once there are two: more pictures say more."""
    finished = st.session_state.get(FINISHED, {})
    if len(finished) < 2:
        return
    games = [Table(seed, table.of, places_of(seed), table.card) for seed in finished]
    mine = np.concatenate([one.labels == finished[one.seed] for one in games])
    its = np.concatenate([one.labels == one.said() for one in games])
    st.markdown(
        t("All {games} games of this session, {n} pictures: you {mine} ({a}), {model} {its} ({b}).",
          games=len(games), n=len(mine), mine=int(mine.sum()), its=int(its.sum()), model=table.card.name,
          a=_interval(mine), b=_interval(its))
    )  # fmt: skip
