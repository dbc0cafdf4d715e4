"""What a talk shows of models that draw: the same seeds through each, how they learn and collapse, how noise clears."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer import checkpoints
from explorer.analysis import claims, gan_theory, sampling, trajectory
from explorer.checkpoints import EVALUATION, Card
from explorer.data import samples
from explorer.data.picture import to_input
from explorer.files import read_json
from explorer.reported import NAMES
from explorer.runs import over_time, scoring
from explorer.story import stored
from explorer.story.canvas import Canvas, Figure, card_of, named, on_slide, one_of, read, title_of, within
from explorer.story.charts import table
from explorer.text import Missing, Problem, t
from explorer.views import gan_game as games
from explorer.views import gan_theory as theory
from explorer.views import scores
from explorer.views.figure import percentage

SHORT = {"fid_5k_train50k": "FID-5k", "milliseconds": "ms"}  # measures of claims
SIDE = 32  # pixels of a drawn picture
MEAN, WIDE = (-5.0, 5.0), (0.2, 4.0)  # of p_g, as far as the page's sliders go


def _pixels(path: Path) -> np.ndarray:
    """A stored grid, uint8 (rows, columns, 3, SIDE, SIDE); Problem when it cannot be read."""
    try:
        with Image.open(path) as image:
            whole = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # PIL's own are of these kinds
        raise Problem("{path} cannot be read: {error}", path=path.name, error=type(error).__name__) from error
    high, wide = whole.shape[0] // SIDE, whole.shape[1] // SIDE
    tiles = whole[: high * SIDE, : wide * SIDE].reshape(high, SIDE, wide, SIDE, 3)
    return tiles.transpose(0, 2, 4, 1, 3)


def same_seeds(options: Mapping[str, Any]) -> Figure:
    """The first pictures of the stored grid of some checkpoints: a column a class, one to three rows each. Of several
    that are asked for, those without one are left out while there are two to compare."""
    asked = read(options, checkpoints=["cifar10-vae", "cifar10-dcgan", "cifar10-ddpm"])
    names, known = asked["checkpoints"][:4], [entry.name for entry in checkpoints.catalogue() if entry.card]
    there = [name for name in names if name in known and (checkpoints.root() / name / scoring.GRID).is_file()]
    cards = [card_of(name, "generator") for name in (there if len(there) > 1 else names)]
    grids = {}
    for card in cards:
        path = checkpoints.root() / card.name / scoring.GRID
        if not path.is_file():
            raise Missing(
                "No drawn pictures of {name} are stored: python -m explorer score {name} --store",
                name=card.name,
            )
        grids[card.name] = _pixels(path)
    rows, step = min(3, 6 // len(cards)), 80
    canvas, left = Canvas(asked["dark"]), 290
    for k, name in enumerate(cards[0].classes[:10]):
        canvas.quiet(left + step * k + 38, 18, name, 13, anchor="ma")
    for nth, card in enumerate(cards):
        top = 44 + nth * (rows * step + 12)
        canvas.words(20, top + 24, NAMES.get(card.model, card.model), 24, bold=True)
        canvas.quiet(20, top + 56, card.name, 15)
        if not card.conditional:
            canvas.quiet(20, top + 78, t("it is told no class"), 15)
        for row in range(min(rows, len(grids[card.name]))):
            for k, tile in enumerate(grids[card.name][row][:10]):
                canvas.pixels(left + step * k, top + step * row, tile, 2.5)
    drawn = [f"{named(card)}: {how(card)}" if how(card) else named(card) for card in cards]
    about = t("n = {n} each, seeds 0 to {last}, not chosen", n=10 * rows, last=10 * rows - 1)
    return Figure(
        image=canvas.image,
        evidence=" · ".join([about, *drawn]),
        alt=t("Pictures of the same seeds, drawn by {names}; a column for each of {classes}",
              names=", ".join(grids), classes=", ".join(cards[0].classes[:10])),
    )  # fmt: skip


def how(card: Card) -> str:
    """Sampler, steps and guidance that a diffusion model's stored pictures were drawn with; "" for other models."""
    if card.task != "diffusion":
        return ""
    return sampling.words(sampling.stored_options(card), card.conditional)


def over_training(options: Mapping[str, Any]) -> Figure:
    """What one checkpoint drew while it learned, the same seeds at four moments. checkpoint: with stored grids"""
    asked = read(options, checkpoint="cifar10-dcgan")
    card = card_of(asked["checkpoint"], "generator")
    paths = sorted((checkpoints.root() / card.name / EVALUATION / "grids").glob("step-*.png"))
    if not paths:
        raise Missing("{name} has no pictures of its training stored.", name=card.name)
    chosen = [paths[k] for k in sorted({round(k * (len(paths) - 1) / 3) for k in range(4)})]
    canvas, seen = Canvas(asked["dark"]), []
    for k, path in enumerate(chosen):
        tiles = _pixels(path)[:4, :10]
        images = int(path.stem.removeprefix("step-")) * int(card.recipe.get("batch", 1))
        seen.append(f"{images:,}")
        left, top = 20 + 545 * (k % 2), 20 + 276 * (k // 2)
        canvas.words(left, top, t("{n} pictures seen", n=f"{images:,}"), 20, bold=True)
        for row, line in enumerate(tiles):
            for column, tile in enumerate(line):
                canvas.pixels(left + 52 * column, top + 34 + 52 * row, tile, 1.5)
    classes = t("it is told no class")
    if card.conditional:
        classes = t("columns: {classes}", classes=", ".join(card.classes[:10]))
    # The hash is that of one moment, which need not be among those shown.
    rests = t("drawn during the training of {name}; its weights are those after {n} pictures",
              name=named(card), n=f"{card.recipe['images_seen']:,}")  # fmt: skip
    return Figure(
        image=canvas.image,
        evidence=" · ".join([t("n = {n} at each moment, the same seeds, not chosen", n=40), rests, classes]),
        alt=t("Pictures that {name} drew after it had seen {seen} pictures, always of the same seeds",
              name=card.name, seen=", ".join(seen)),
    )  # fmt: skip


def collapse(options: Mapping[str, Any]) -> Figure:
    """How trainings of GANs went at stored moments. checkpoints: up to two, the plain one first;  measure: of
    views.gan_game.MEASURES"""
    asked = read(options, checkpoints=["cifar10-dcgan-plain"], measure="duplicate_rate")
    measure = one_of("measure", asked["measure"], games.MEASURES)
    nets, cards = {}, []
    for name in asked["checkpoints"][:2]:
        card = card_of(name, "generator")
        rows = games.moments_of(read_json(checkpoints.root() / card.name / over_time.FILE).get("rows"))
        if not rows:
            raise Missing("{name} has no scores of its training stored.", name=card.name)
        nets[card.name] = rows
        cards.append(card)
    last = max(row["images"] for rows in nets.values() for row in rows)
    spec = games.over_time(nets, measure, last, asked["dark"])
    if spec is None:
        raise Missing("{name} has no scores of its training stored.", name=cards[0].name)
    said = " ".join(spec["title"]["subtitle"])
    chart = on_slide(spec, f"{' '.join(spec['title']['text'])}: {said}")
    moments = t("n = {n} moments", n=" / ".join(str(len(rows)) for rows in nets.values()))
    return Figure(chart, evidence=" · ".join([moments, *map(named, cards)]), alt=title_of(chart))


def gan_game(options: Mapping[str, Any]) -> Figure:
    """The game of the GAN paper on a line: p_g a normal against data of two hills. meet: p_g is the data"""
    asked = read(options, mean=2.0, width=0.6, meet=False)
    mean, width = within("mean", asked["mean"], *MEAN), within("width", asked["width"], *WIDE)
    generated = gan_theory.DATA if asked["meet"] else gan_theory.Density((mean,), (width,))
    played = gan_theory.play(generated)
    chart = on_slide(theory.game_chart(played, generated, asked["dark"]))
    evidence = t("computed on n = {n} points of the line · JSD {jsd} of at most 0.693 nats · least value {least}",
                 n=f"{len(played.x):,}", jsd=f"{played.divergence:.3f}",
                 least=f"{gan_theory.LEAST:.3f}".replace("-", "−"))  # fmt: skip
    return Figure(chart, evidence=evidence, alt=title_of(chart))


def denoising(options: Mapping[str, Any]) -> Figure:
    """Five seeds from noise to picture, a column a step; shipped, because drawing them takes some seconds."""
    asked = read(options, checkpoint="cifar10-ddpm")
    card = card_of(asked["checkpoint"], "generator")
    found = stored.way(card)
    last, shown, canvas = len(found["noisy"]) - 1, 10, Canvas(asked["dark"])
    for k in range(shown):
        # evenly in steps, more of them late, where one sees something
        at = round(last * (k / (shown - 1)) ** 0.75)
        x = 110 + 99 * k
        signal = percentage(float(found["signal"][at])) if at < last else "100"
        canvas.words(x + 46, 14, t("step {n}", n=at), 16, bold=True, anchor="ma")
        canvas.quiet(x + 46, 36, t("{p} % signal", p=signal), 13, anchor="ma")
        for row, tile in enumerate(found["noisy"][at]):
            canvas.pixels(x - 1, 60 + 99 * row, tile, 3)
    for row, label in enumerate(found["labels"]):
        canvas.words(96, 108 + 99 * row, card.classes[label] if label >= 0 else "", 15, anchor="rm")
    seeds = ", ".join(map(str, found["seeds"].tolist()))
    return Figure(
        image=canvas.image,
        evidence=t("n = {n}: seeds {seeds}, not chosen · {name} · {how}", n=len(found["seeds"]), seeds=seeds,
                   name=named(card), how=how(card)),
        alt=t("Five pictures on their way from noise to picture in {n} steps", n=last),
    )  # fmt: skip


def noise(options: Mapping[str, Any]) -> Figure:
    """A picture under ever more of the same noise: what a diffusion model learns to take away. sample: of CIFAR-10"""
    asked = read(options, sample="dog")
    picture = to_input(samples.sample(one_of("sample", asked["sample"], samples.SAMPLES)).image)
    share = _cosine()
    levels, canvas = (0, 200, 400, 500, 600, 700, 800, 999), Canvas(asked["dark"])
    for k, level in enumerate(levels):
        spoilt = trajectory.noised(picture, level, share)
        x, y = 24 + 268 * (k % 4), 16 + 276 * (k // 4)
        canvas.words(x, y, t("level {level}", level=level), 17, bold=True)
        canvas.quiet(x + 248, y, t("{p} % signal", p=percentage(float(share[level]))), 16, anchor="ra")
        canvas.pixels(x, y + 26, ((spoilt + 1) * 127.5).round().clip(0, 255).astype(np.uint8), 7.5)
    return Figure(
        image=canvas.image,
        evidence=t(
            "n = 1: the sample “{what}” · the cosine schedule, 1,000 levels · computed", what=asked["sample"]
        ),
        alt=t("One picture at eight levels of noise, from none to nothing else"),
    )


def _cosine() -> np.ndarray:
    from explorer.models.ddpm import cosine_alphas

    return cosine_alphas().numpy()


def fid_of_few(options: Mapping[str, Any]) -> Figure:
    """What FID makes of few pictures: stored on subsets of 5,000, with the line through them. n: pictures looked at"""
    asked = read(options, checkpoints=["cifar10-dcgan", "cifar10-ddpm"], n=1000)
    cards = [card_of(name, "generator") for name in asked["checkpoints"][:3]]
    curves = {
        card.name: [(int(n), float(value)) for n, value in card.metrics["samples"]["fid_curve"]]
        for card in cards if card.metrics.get("samples", {}).get("fid_curve")
    }  # fmt: skip
    if not curves:
        raise Missing(
            "No scores are stored for these models: `python -m explorer score {name} --store`",
            name=cards[0].name,
        )
    chart = on_slide(scores.over_n(curves, int(within("n", asked["n"], 100, 50_000)), asked["dark"]))
    of = next(card.metrics["samples"] for card in cards if card.name in curves)
    evidence = [t("n = {n} drawn pictures", n=f"{of.get('fid_n', 0):,}"),
                t("points: measured on subsets; line: limit + c / N, fitted"),
                t("against {m} training pictures", m=f"{of.get('reference_n', 0):,}"),
                *(named(card) for card in cards if card.name in curves)]  # fmt: skip
    return Figure(chart, evidence=" · ".join(evidence), alt=title_of(chart))


def verdicts(options: Mapping[str, Any]) -> Figure:
    """The slides' three claims on DCGAN and DDPM beside what the stored scores of a pair say."""
    asked = read(options)
    cards = [entry.card for entry in checkpoints.catalogue() if entry.card]
    pairs = claims.pairs(cards)
    if not pairs:
        raise Missing(
            "No DCGAN and DDPM of CIFAR-10 are both scored: python -m explorer score cifar10-ddpm --store"
        )
    dcgan, ddpm, same = pairs[0]
    found = claims.verdicts(dcgan, ddpm, same)
    rows = []
    for each in found:
        both = [(SHORT.get(name, name), *pair) for name, pair in each.figures.items()]
        figures = ", ".join(f"{name} {ours:.3g}\u00a0:\u00a0{theirs:.3g}" for name, ours, theirs in both)
        rows.append((t(claims.CLAIMS[each.claim].text), t(claims.WORDS[each.verdict]), figures))
    heads = (t("claimed"), t("here"), t("figures, the favoured model first"))
    holds = sum(each.verdict == "holds" for each in found)
    sentence = t("{k} of {n} claims hold for these two checkpoints", k=holds, n=len(found))
    chart = on_slide(table(rows, (0.4, 0.22, 0.38), heads, asked["dark"]), sentence)
    n = dcgan.metrics["samples"].get("n", 0)
    how = [claims.trained(dcgan, ddpm, same), claims.absent(pairs)]
    evidence = " · ".join(
        [t("n = {n} drawn pictures each", n=f"{n:,}"), named(dcgan), named(ddpm), *filter(None, how)]
    )
    said = "; ".join(f"{a}: {b} ({c})" for a, b, c in rows)
    return Figure(chart, evidence=evidence, alt=f"{sentence}. {said}", rows=(heads, *rows))
