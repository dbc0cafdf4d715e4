"""A plain GAN beside a healthy one while they learned: grids, curves and classes at any moment that was kept."""

import json
from collections.abc import Collection, Container
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from explorer import checkpoints
from explorer.analysis import judge
from explorer.files import read_json
from explorer.runs import over_time
from explorer.text import Problem, t
from explorer.ui import cache, generating, grids, overview, widgets
from explorer.ui.evidence import dark
from explorer.ui.game import said
from explorer.ui.generating import Scene
from explorer.views import gan_game as views
from explorer.views import pictures

PLAIN = {"digits": "dcgan-collapse"}  # the recipe of the plain form for a data set; the course's elsewhere

_tables, _pictures = cache.Kept(16), cache.Kept(64)


def plain_and_healthy(scene: Scene) -> None:
    st.subheader(t("The plain DCGAN beside the healthy one"), anchor=False)
    plain, healthy = _nets(scene).values()
    if not plain:
        _nothing_yet(_data(scene))
        return
    st.markdown(
        t("Both drew the same seeds while they learned. Move to any moment to see what they drew then.")
        if healthy
        else t("It drew the same seeds while it learned. Move to any moment to see what it drew then.")
    )
    names = [_one_of(t("Plain"), plain, "plain", scene.cards)]
    if healthy:
        names.append(_one_of(t("Healthy"), healthy, "healthy", scene.cards))
    else:
        data = widgets.plain(_data(scene))
        st.caption(t("No other GAN of {data} has stored moments: it stands alone.", data=data))
    _over_time({name: _moments(name) for name in names})


def there(scene: Scene) -> dict[str, Collection[str]]:
    """What the address may ask for here, key by key."""
    nets = _nets(scene)
    pair = [widgets.from_url(key, names, _first(names, scene.cards)) for key, names in nets.items() if names]
    moments = {row["images"] for name in pair for row in _moments(name)} if nets["plain"] else set()
    moments.add(st.session_state.get("moment in the address"))  # of another pair, chosen on the page
    return {**nets, "moment": generating.spelt(moments - {None})}


def _data(scene: Scene) -> str:
    """The data set: all generators are of one."""
    return next((card.data for card in scene.cards.values()), "cifar10")


def _nets(scene: Scene) -> dict[str, list[str]]:
    """The GANs of the data set that have moments, those that are told no class first."""
    found = {
        name: not card.conditional
        for name, card in cache.cards("generator").items()
        if card.task == "gan" and card.data == _data(scene) and _moments(name)
    }
    return {
        key: [name for name in found if found[name] is which]
        for key, which in (("plain", True), ("healthy", False))
    }


def _nothing_yet(data: str) -> None:
    recipe, run = PLAIN.get(data, "dcgan-slides"), f"{data}-dcgan-plain"
    words = t(
        "No plain DCGAN with stored moments is here for {data}. In a terminal:", data=widgets.plain(data)
    )
    widgets.empty_state(words)
    train = f"python -m explorer train --model dcgan --data {data} --recipe {recipe} --run {run}"
    st.code(f"{train}\npython -m explorer runs publish {run} {run}", language="bash")


def _one_of(label: str, names: list[str], key: str, chosen: Container[str]) -> str:
    """The only one, or one to be chosen, at first one that the page is about."""
    if len(names) == 1:
        return names[0]
    return widgets.select(label, {name: name for name in names}, key=key, default=_first(names, chosen))


def _first(names: list[str], chosen: Container[str]) -> str:
    return next((name for name in names if name in chosen), names[0])


def _moments(name: str) -> list[dict]:
    """What a checkpoint keeps of the moments of its training; only when they were where it has no more than their
    grids; [] without any."""
    path = checkpoints.root() / name / over_time.FILE
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        batch = cache.card(name, "generator").recipe.get("batch")
        rows = [{"step": step, "images": step * batch} for step in sorted(_grids_of(name))] if batch else []
        return views.moments_of(rows)
    return _tables.get((str(path), stamp), lambda: views.moments_of(read_json(path).get("rows")))


@st.fragment
def _over_time(nets: dict[str, list[dict]]) -> None:
    """Grids, curves and classes at a moment; nets: name -> rows, the plain one first."""
    with widgets.problems():  # a fragment runs without the page around it
        moments = sorted({row["images"] for rows in nets.values() for row in rows})
        at = generating.count_of(
            t("Pictures seen in the training"), moments, key="moment", first=moments[-1],
            own=f"moment {' '.join(nets)}", help=t("Of each net the moment nearest to it is shown"),
        )  # fmt: skip
        now = {name: rows[views.nearest(rows, at)] for name, rows in nets.items()}
        with st.grid(2, min_column_width=320):
            for name, row in now.items():
                with st.container():
                    _drawn(name, row)
        charts = views.stack(nets, at, dark())
        for what, spec in charts.items():
            widgets.chart(spec, key=f"moments {what}", alt=said(spec))
        classes = cache.card(next(iter(nets)), "generator").classes
        counts = {name: row.get("class_counts") for name, row in now.items()}
        spec = views.histogram(counts, classes, dark())
        if spec:
            widgets.chart(spec, key="moments classes", alt=said(spec))
        if charts:
            st.caption(t("The orange line is the moment. Its numbers are of the pictures that were kept of it; the "
                         "discriminator's share is the mean since the moment before."))  # fmt: skip
            rows = [{"net": name, **row} for name, found in nets.items() for row in found]
            widgets.download("JSON", lambda: json.dumps(rows, indent=1), "over-time.json", "application/json")
        else:
            st.caption(t("Of these nets the pictures of each moment are stored, and no scores of them."))


def _drawn(name: str, row: dict) -> None:
    """The stored grid of a net that is nearest to a moment."""
    card = cache.card(name, "generator")
    words = t("{name}, {n} pictures seen", name=name, n=f"{row['images']:,}")
    repeats = row.get("duplicate_rate")
    if isinstance(repeats, (int, float)) and repeats > judge.REPEATED:
        words += " · " + t("near-duplicates {share}", share=overview.percent(repeats))
    elif row.get("collapsed") is True:
        words += " · " + t("few classes seen")
    steps, step = _grids_of(name), row.get("step")
    if not steps or not isinstance(step, int):
        st.caption(f"{widgets.plain(words)}  \n{t('No pictures of this moment are stored.')}")
        return
    path = steps[min(steps, key=lambda each: abs(each - step))]
    if not card.conditional:
        words += " · " + t("it is told no class")
    elif len(card.classes) <= 10:
        words += " · " + t("rows: {classes}", classes=", ".join(card.classes))
    picture(path, words, 3 if widgets.large_type() else 2, turned=True)


def _grids_of(name: str) -> dict[int, Path]:
    """The stored grids of a net by the step that they were drawn after."""
    drawn = (checkpoints.root() / name / checkpoints.EVALUATION / "grids").glob("step-*.png")
    return {int(digits): path for path in drawn if (digits := path.stem.removeprefix("step-")).isdecimal()}


def picture(path: Path, words: str, factor: int, turned: bool = False) -> None:
    """A stored grid, every pixel a square of `factor`; turned: a row for each class, which leaves room for two."""

    def make() -> bytes:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)  # (3, 5 s, K s)
        side = pixels.shape[1] // grids.ROWS
        if turned and side and not (pixels.shape[1] % grids.ROWS or pixels.shape[2] % side):
            tiles = pixels.reshape(3, grids.ROWS, side, -1, side).transpose(0, 3, 2, 1, 4)
            pixels = tiles.reshape(3, -1, grids.ROWS * side)  # (3, K s, 5 s)
        return pictures.png(pictures.enlarge(pixels, factor))

    try:
        png = _pictures.get((str(path), path.stat().st_mtime_ns, factor, turned), make)
    except (OSError, ValueError, SyntaxError) as error:  # PIL's own are of these kinds
        raise Problem("{path} cannot be read: {error}", path=path.name, error=type(error).__name__) from error
    alt = t("Drawn pictures: {what}", what=words)
    st.image(png, caption=widgets.plain(words), output_format="PNG", alt=alt)
