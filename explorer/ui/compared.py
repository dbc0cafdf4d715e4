"""The section "Side by side": the same seeds and classes through every model, what each scores, what the slides say."""

import csv
import io
import json
import shlex

import numpy as np
import pyarrow as pa
import streamlit as st
from PIL import Image

from explorer import checkpoints
from explorer.analysis import claims, fid, judge
from explorer.checkpoints import Card, fid_of
from explorer.text import N_, language, t
from explorer.ui import cache, drawn, generating, overview, widgets
from explorer.ui.generating import Scene
from explorer.ui.picker import Item, picture_strip
from explorer.views import pictures

GRID = "grid.png"
NONE = "–"  # where nothing was measured
ROWS = 10  # of a stored grid
_grids = cache.Kept(32)
# What each kind of model is, in which the slides see its strength, and in which its weakness.
KINDS = {
    "vae": (
        N_("An encoder turns a picture into a code, a decoder turns codes back into pictures."),
        N_("It learns steadily, keeps labels, and has a code for every picture."),
        N_("Its pictures are blurred: too poor for augmentation, the slides find."),
    ),
    "gan": (
        N_("A generator learns from a discriminator that tries to tell its pictures from real ones."),
        N_("One step from code to picture: the fastest, and sharp."),
        N_("The two must keep pace: mode collapse, and no sign in the loss of how good it is."),
    ),
    "diffusion": (
        N_("A net learns to take noise away, and draws by doing so step by step."),
        N_("It learns steadily and draws the most diverse and clearest pictures, the slides find."),
        N_("Many steps for a picture: the slowest."),
    ),
}

# What of ours speaks of that strength, and of that weakness: keys of `measures`.
MEASURED = {
    "vae": (("labels", "speed"), ("sharp", "diverse")),
    "gan": (("speed", "sharp"), ("repeats", "diverse")),
    "diffusion": (("sharp", "diverse"), ("speed",)),
}


def compared(scene: Scene) -> None:
    """All of the section."""
    generating.note_odd({}, {"row": (1, ROWS)}, drawn.odd())
    _pictures(scene)
    _scores(scene)
    _reported(scene)
    _verdicts(scene)
    _kinds(scene)


def stored_tiles(card: Card) -> np.ndarray | None:
    """The pictures of a checkpoint's stored grid, uint8 (rows, columns, 3, 32, 32); None without one. With K classes
    the picture in row r and column c has seed K r + c."""
    path = checkpoints.root() / card.name / checkpoints.EVALUATION / GRID

    def read() -> np.ndarray:
        with Image.open(path) as image:
            whole = np.asarray(image.convert("RGB"))
        high, wide = whole.shape[0] // 32, whole.shape[1] // 32
        return whole[: 32 * high, : 32 * wide].reshape(high, 32, wide, 32, 3).transpose(0, 2, 4, 1, 3)

    try:
        return _grids.get((card.name, card.sha256, path.stat().st_mtime_ns), read)
    except (OSError, ValueError, SyntaxError):  # PIL's own are of these kinds
        return None


def _pictures(scene: Scene) -> None:
    """A row of pictures a model, seed by seed below each other; the one that is clicked, large."""
    row = st.slider(t("Row of seeds"), 1, ROWS, 1, key="row", bind="query-params") - 1
    shown = drawn.linked()
    for card in scene.cards.values():
        tiles = stored_tiles(card)
        told = "" if card.conditional else f" · {t('it is told no class')}"
        st.markdown(f"**{card.name}** · {t(overview.TASKS[card.task])}{told}")
        if tiles is None or row >= len(tiles):
            st.caption(
                t("No pictures are stored for it: python -m explorer score {name} --store", name=card.name)
            )
            continue
        first = row * len(card.classes)
        items = tuple(_item(card, tile, first + k) for k, tile in enumerate(tiles[row]))
        chosen = str(shown.seed) if shown and shown.card.name == card.name else None
        picture_strip("", items, chosen, f"drawn {card.name}", lambda seed, name=card.name: _show(name, seed),
                      "strip wrap small")  # fmt: skip
    names = next(iter(scene.cards.values())).classes  # all of one data set
    first, shown_names = row * len(names), names[:10]
    st.caption(
        t(
            "Seeds {first} to {last}, one a column, the same for every model; columns: {classes}. Click a picture to "
            "follow it.",
            first=first, last=first + len(shown_names) - 1, classes=", ".join(map(widgets.plain, shown_names)),
        )
    )  # fmt: skip
    if shown:
        one(shown)


def _item(card: Card, tile: np.ndarray, seed: int) -> Item:
    words = drawn.Drawn(card, seed).words
    return Item(str(seed), pictures.thumbnail_uri(tile, 2), "", words, words)


def _show(name: str, seed: str) -> None:
    widgets.to_url(drawn.KEY, f"{name}/{seed}")


def one(of: drawn.Drawn) -> None:
    """One drawn picture, large, with the pages that it leads to."""
    with st.container(border=True), widgets.problems():
        left, right = st.columns([1, 3], vertical_alignment="center")
        with left:
            widgets.picture(drawn.pixels(of), of.words, factor=6)
        with right:
            st.markdown(f"**{widgets.plain(of.words)}**")
            drawn.links(of)
            st.code(command(of), language="bash")


def command(of: drawn.Drawn) -> str:
    """What draws the same picture in a terminal."""
    words = ["sample", of.card.name, "--n", "1", "--seed", str(of.seed)]
    words += [] if of.wanted is None else ["--class", of.card.classes[of.wanted]]
    for key, value in of.options:
        words += [f"--{key}", f"{value:g}" if isinstance(value, float) else str(value)]
    return f"python -m explorer {shlex.join(words)} --out picture.npz"


def _scores(scene: Scene) -> None:
    """A row a model: what its 5,000 stored pictures score."""
    st.subheader(t("What the scores say"), anchor=False)
    cards = list(scene.cards.values())
    key = ("scores", language(), *((card.name, card.sha256, str(card.metrics)) for card in cards))
    made = cache.in_session(key, lambda: pa.table(score_table(cards)))
    # In two, so that neither has to be scrolled sideways, which no key can do: how good, and at what price.
    for columns in (made.column_names[:9], [made.column_names[0], *made.column_names[9:]]):
        st.table(made.select(columns), border="horizontal", hide_index=True)
    _downloads(cards)
    few = [card.name for card in cards if card.metrics.get("samples", {}).get("fid_few")]
    if few:
        st.caption(f"{', '.join(few)}: {t(fid.FEW)}")
    if any(card.data == "digits" for card in cards):
        # Precision of real test digits 0.88, with a noise of 3 of 255 levels 0.33; of 500 that digits-dcgan drew 0.03,
        # with their cells made even 0.72.
        st.caption(
            t(
                "The digits are pictures of 8x8 even cells. Drawn cells are not quite even, which hardly anyone sees "
                "and Inception does: FID, KID, precision, recall and coverage speak of that before they speak of "
                "shapes. Our classifier looks at 8x8 grey cells: go by its columns."
            )
        )
    st.caption(
        t(
            "Nearest-train ratio: the median distance to the nearest training picture over that of unseen real "
            "pictures, in our classifier's features. 1: as far as those; near 0: copies. Near-duplicates: the share "
            "with another drawn picture as near as one real picture in a thousand has. Precision and recall: in "
            "Inception features, k = 3; coverage: k = 5."
        )
    )
    with st.expander(t("What the numbers rest on")):
        for line in overview.evidence(cards):
            st.markdown(line)


def _downloads(cards: list[Card]) -> None:
    """The scores whole, as the cards have them, and the stored grids."""
    with st.container(horizontal=True):
        scores = {card.name: card.metrics.get("samples", {}) for card in cards}
        widgets.download("JSON", lambda: json.dumps(scores, indent=1), "scores.json", "application/json")
        widgets.download("CSV", lambda: as_csv(cards), "scores.csv", "text/csv")
        for card in cards:
            path = checkpoints.root() / card.name / checkpoints.EVALUATION / GRID
            if path.is_file():
                widgets.download(f"PNG, {card.name}", path.read_bytes, f"{card.name}.png", "image/png")


def as_csv(cards: list[Card]) -> str:
    """The columns of `score_table`, a line a checkpoint."""
    columns = score_table(cards)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell.replace("**", "") for cell in row] for row in zip(*columns.values()))
    return out.getvalue()


def _alarm(of: dict) -> str:
    """What is wrong with a generator that the alarm speaks of: repetition, or classes that our classifier misses."""
    return t("collapsed") if of["near"]["duplicate_rate"] > judge.REPEATED else t("few classes seen")


def score_table(cards: list[Card]) -> dict[str, list[str]]:
    """Columns of words, a row a checkpoint; a dash where nothing was measured."""
    heads = {
        t("Model"): lambda card, of: f"**{card.name}**" + (f" · {_alarm(of)}" if of.get("collapsed") else ""),
        t("FID, lower is better"): lambda card, of: f"**{of['fid']:.1f}**",
        t("measured as"): lambda card, of: of["fid"] and fid.label(*fid_of(of)),
        t("Nearest-train ratio"): lambda card, of: f"{of['near']['nearest_ratio']:.2f}",
        t("Near-duplicates"): lambda card, of: overview.percent(of["near"]["duplicate_rate"]),
        t("KID x 1000"): lambda card, of: f"{1000 * of['kid']:.1f}",
        t("Precision"): lambda card, of: f"{of['precision']:.2f}",
        t("Recall"): lambda card, of: f"{of['recall']:.2f}",
        t("Coverage"): lambda card, of: f"{of['coverage']:.2f}",
        t("Drawn as asked"): lambda card, of: f"{100 * of['judged']['class_accuracy']:.0f} %",
        t("ms a picture"): lambda card, of: f"{of['milliseconds']:.1f}",
        t("Weights"): lambda card, of: f"{card.parameters / 1e6:.1f} M",
        t("Pictures seen"): lambda card, of: f"{card.recipe['images_seen']:,}",
    }  # fmt: skip
    return {head: [_told(make, card) for card in cards] for head, make in heads.items()}


def _told(make, card: Card) -> str:
    try:
        return make(card, card.metrics.get("samples", {}))
    except (KeyError, TypeError, ValueError):  # not measured, or by an earlier version
        return NONE


def _reported(scene: Scene) -> None:
    """The slides' FID beside ours."""
    if scene.data != "cifar10":
        return
    st.subheader(t("Reported, and measured here"), anchor=False)
    cards = list(cache.cards("generator").values())
    key = ("reported fid", language(), *((card.name, card.sha256, str(card.metrics)) for card in cards))
    st.table(
        cache.in_session(key, lambda: pa.table(overview.reported_table("fid", cards))), border="horizontal"
    )
    for line in overview.comparability("fid"):
        st.caption(line)


def _verdicts(scene: Scene) -> None:
    """What the slides claim of DCGAN and DDPM, pair by pair of checkpoints."""
    if scene.data != "cifar10":
        return
    st.subheader(t("The slides' three claims"), anchor=False)
    lines = verdict_lines(list(cache.cards("generator").values()))
    for line in lines:
        st.markdown(line)
    if not lines:
        widgets.empty_state(
            t("No DCGAN and DDPM of CIFAR-10 are both scored: python -m explorer score cifar10-ddpm --store")
        )


def verdict_lines(cards: list[Card]) -> list[str]:
    """A heading a pair and a line a claim, in Markdown, after a line that says so where no pair follows the slides'
    recipe; empty without a pair that is scored."""
    pairs = claims.pairs(cards)
    lines = [claims.absent(pairs)] if claims.absent(pairs) else []
    for dcgan, ddpm, same in pairs:
        lines.append(f"**{dcgan.name}** / **{ddpm.name}** · {claims.trained(dcgan, ddpm, same)}")
        for found in claims.verdicts(dcgan, ddpm, same):
            claim = claims.CLAIMS[found.claim]
            figures = ", ".join(
                f"{t(claims.LABELS[name])} {a:.3g} : {b:.3g}" for name, (a, b) in found.figures.items()
            )
            favoured = overview.NAMES[claim.winner]
            verdict, first = t(claims.WORDS[found.verdict]), t("{name} first", name=favoured)
            lines.append(f"- {t(claim.text)}: **{verdict}** ({first}: {figures})")
    return lines


def _kinds(scene: Scene) -> None:
    """What each kind is, its strength and weakness as the slides have it, and beside each what we measured."""
    st.subheader(t("Three ways to learn to draw"), anchor=False)
    with st.grid(3, min_column_width=260):
        for card in scene.cards.values():
            what, *claims_made = KINDS[card.task]
            heads = t("Strength, as the slides see it"), t("Weakness, as the slides see it")
            with st.container(border=True):
                st.markdown(f"**{overview.NAMES.get(card.model, card.model)}** ({card.name})  \n{t(what)}")
                for head, claim, keys in zip(heads, claims_made, MEASURED[card.task]):
                    st.markdown(f"**{head}**  \n{words_beside(card, claim, keys)}")
                st.markdown(f"**{t('As training data, measured here')}**  \n{as_training_data(card)}")


def measures(card: Card) -> dict[str, str]:
    """The figures that speak of strength and weakness, in words; without those that were not measured."""
    made = {
        "speed": lambda of: t("{ms} ms a picture", ms=_two_digits(of["milliseconds"])),
        "sharp": lambda of: t("precision {p}", p=f"{of['precision']:.2f}"),
        "diverse": lambda of: t("recall {r}, coverage {c}", r=f"{of['recall']:.2f}", c=f"{of['coverage']:.2f}"),
        "labels": lambda of: t("{share} drawn as asked", share=overview.percent(of["judged"]["class_accuracy"])),
        "repeats": lambda of: t("near-duplicates {share}", share=overview.percent(of["near"]["duplicate_rate"])),
    }  # fmt: skip
    return {
        key: words
        for key, make in made.items()
        if (words := _told(lambda _, of, m=make: m(of), card)) != NONE
    }


def _two_digits(value: float) -> str:
    """147.2 -> "147", 0.271 -> "0.27"."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def words_beside(card: Card, claim: str, keys: tuple[str, ...]) -> str:
    """What the slides say, and behind it what was measured of it here, in Markdown."""
    found = measures(card)
    ours = ", ".join(found[key] for key in keys if key in found)
    return f"{t(claim)}  \n*{t('Here: {figures}.', figures=ours)}*" if ours else t(claim)


def as_training_data(card: Card) -> str:
    """The classification accuracy score in words."""
    score = card.metrics.get("samples", {}).get("accuracy_score")
    if not score:
        return NONE
    words = _accuracy_words(score)
    return f"{words[:1].upper()}{words[1:]}."


def _accuracy_words(score: dict) -> str:
    """What a classifier learnt from drawn pictures, beside what it learns from real ones where that was measured."""
    share, n = overview.percent(score["accuracy"]), f"{score['n']:,}"
    if "real" not in score:  # of an earlier version
        return t(
            "a classifier that saw only its pictures is right on {share} of {n} real ones", share=share, n=n
        )
    real, count = overview.percent(score["real"]), f"{score['real_trained_on']:,}"
    if score["real_trained_on"] == score["trained_on"]:
        return t(
            "a classifier that saw only {k} of its pictures is right on {share} of {n} real ones, against {real} "
            "with as many real pictures",
            k=count, share=share, n=n, real=real,
        )  # fmt: skip
    return t(
        "a classifier that saw only {k} of its pictures is right on {share} of {n} real ones, against {real} "
        "with {count} real pictures",
        k=f"{score['trained_on']:,}", share=share, n=n, real=real, count=count,
    )  # fmt: skip
