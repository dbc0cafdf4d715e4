"""Two nets and their game: how trainings of GANs went at stored moments, and what they draw. Plain Vega-Lite.

A net's rows are those of evaluation/over_time.json, one a moment; what a row lacks is not drawn.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.analysis import fid
from explorer.text import N_, t
from explorer.views import style
from explorer.views.figure import title, wrapped
from explorer.views.measures import percent
from explorer.views.rows import Rows, numbers
from explorer.views.scores import cautioned

SHAPES = ("circle", "square")  # of the points of the nets: colour is never the only sign
AXIS = 52  # pixels that the numbers left of every small chart take, so that the charts stand above each other


@dataclass(frozen=True)
class Measure:
    """What is drawn over the moments.

    share: it stays in 0..1;  chance: a level that means something
    """

    label: str
    show: Callable[[float], str]
    share: bool = True
    chance: float | None = None


MEASURES = {
    "fid": Measure(N_("FID"), "{:.1f}".format, share=False),
    "duplicate_rate": Measure(N_("Near-duplicates among what is drawn"), percent),
    "entropy_share": Measure(N_("Entropy of the classes (100 %: even)"), percent),
    "d_accuracy": Measure(N_("The discriminator is right"), percent, chance=0.5),
}


def moments_of(rows: object) -> list[dict]:
    """The rows that say after how many pictures they were taken, in that order: a file may hold anything."""
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    seen = numbers([row.get("images") for row in rows])
    kept = [k for k in np.argsort(seen, kind="stable") if seen[k] >= 1]
    return [{**rows[k], "images": int(seen[k])} for k in kept]


def nearest(rows: Rows, at: float) -> int:
    """The place of the row nearest to `at` pictures seen, both as on a logarithmic axis."""
    return min(range(len(rows)), key=lambda k: abs(math.log(rows[k]["images"] / at)))


def stack(nets: Mapping[str, Rows], at: float, dark: bool = False) -> dict[str, dict]:
    """The charts of every measure that a row has, to stand above each other: the legend on the first, the axis of all
    below the last. The first also says why an FID is missing where one is."""
    there = [what for what in MEASURES if over_time(nets, what, at)]
    charts = {what: over_time(nets, what, at, dark, what == there[0], what == there[-1]) for what in there}
    if there:
        charts[there[0]]["title"]["subtitle"] += [
            line for each in unscored(nets) for line in wrapped(each, 60)
        ]
    return charts


def unscored(nets: Mapping[str, Rows]) -> list[str]:
    """A sentence for each net that has no FID at some moment, on why that is so."""
    said = []
    for name, rows in nets.items():
        lacking = [row for row in rows if math.isnan(numbers([row.get("fid")])[0])]
        kept = numbers([row.get("n") for row in lacking])
        if lacking and (kept < fid.LEAST).all():
            said.append(t("{name}: no FID of {n} pictures a moment; it needs at least {least}.",
                          name=name, n=f"{kept.max():.0f}", least=fid.LEAST))  # fmt: skip
        elif lacking:
            said.append(t("{name}: no FID yet: python -m explorer runs moments RUN {name}", name=name))
    return said


def over_time(
    nets: Mapping[str, Rows], what: str, at: float, dark: bool = False, first: bool = True, last: bool = True
) -> dict | None:
    """One of MEASURES of each net over the pictures it had seen, a rule at the moment; None where no row has it.

    nets: name -> rows as `moments_of` gives them;  at: pictures seen;  first: with the legend;  last: with the axis
    """
    measure = MEASURES[what]
    columns = {name: numbers([row.get(what) for row in rows]) for name, rows in nets.items()}
    points = [
        {"images": row["images"], "value": float(value), "net": name, "said": measure.show(value)}
        for name, rows in nets.items()
        for row, value in zip(rows, columns[name])
        if math.isfinite(value)
    ]
    if not points:
        return None
    now = {name: columns[name][nearest(rows, at)] for name, rows in nets.items() if rows}
    said = " · ".join(
        f"{name} {measure.show(value) if math.isfinite(value) else '–'}" for name, value in now.items()
    )
    sizes = _sizes(nets) if what == "fid" else []
    if sizes:
        said = cautioned(said, *min(sizes, key=min))
    seen = [row["images"] for rows in nets.values() for row in rows]
    x = {
        "type": "quantitative", "title": t("pictures seen in the training") if last else None,
        "scale": {"type": "log", "domain": [min(seen) / 1.15, max(seen) * 1.15], "nice": False},
        "axis": {"format": "~s", "labels": last, "ticks": last, "labelBound": True, "grid": False},
    }  # fmt: skip
    y = {
        "type": "quantitative", "title": None,
        "scale": {"domain": [0, 1]} if measure.share else {"zero": True},
        "axis": {
            "tickCount": 3, "minExtent": AXIS, "maxExtent": AXIS, **({"format": ".0%"} if measure.share else {}),
        },
    }  # fmt: skip
    colour, shape = _keys(nets, dark, first)
    levels = [] if measure.chance is None else [rule("y", "level", measure.chance, y, style.MUTED)]
    return {
        "title": title(_label(what, nets), said),
        "width": "container",
        "height": 90,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": points},
        "layer": [
            *levels,
            rule("x", "moment", float(at), x, style.CHOSEN),
            {
                "mark": {"type": "line", "strokeWidth": 2.5, "tooltip": None},
                "encoding": {"x": {"field": "images", **x}, "y": {"field": "value", **y}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "x": {"field": "images", **x}, "y": {"field": "value", **y}, "color": colour, "shape": shape,
                    "tooltip": [
                        {"field": "net", "title": t("checkpoint")},
                        {"field": "images", "title": t("pictures seen"), "format": ","},
                        {"field": "said", "title": _label(what, nets)},
                    ],
                },
            },
        ],
    }  # fmt: skip


def rule(channel: str, name: str, value: float, scale: dict, colour: str) -> dict:
    """A dashed line across the chart at a value of x or y."""
    return {
        "data": {"values": [{name: value}]},
        "mark": {"type": "rule", "color": colour, "strokeDash": [5, 4], "strokeWidth": 2, "tooltip": None},
        "encoding": {channel: {"field": name, **scale}},
    }


def _keys(nets: Iterable[str], dark: bool, legend: bool) -> tuple[dict, dict]:
    """The colours and the marks of the nets; legend: shown above the chart."""
    names = list(nets)
    colours = [style.WRONG, style.ACCENT_ON_DARK if dark else style.ACCENT][: len(names)]
    key = {"title": None, "orient": "top", "labelLimit": 320, "symbolOpacity": 1} if legend else None
    shared = {"field": "net", "type": "nominal", "sort": names, "legend": key}
    return (
        {**shared, "scale": {"domain": names, "range": colours}},
        {**shared, "scale": {"domain": names, "range": list(SHAPES[: len(names)])}},
    )


def _label(what: str, nets: Mapping[str, Rows]) -> str:
    """What a measure is called; an FID with its N, with all of them where they differ."""
    if what == "fid" and (sizes := _sizes(nets)):
        return " / ".join(fid.label(n, m, "train") for n, m in sizes)
    return t(MEASURES[what].label)


def _sizes(nets: Mapping[str, Rows]) -> list[tuple[int, int]]:
    """The pairs (drawn pictures, training pictures) that the nets' FIDs are of."""
    pairs = [(row.get("fid_n"), row.get("reference_n")) for rows in nets.values() for row in rows]
    return list(dict.fromkeys(pair for pair in pairs if all(isinstance(n, int) for n in pair)))


def histogram(
    counts: Mapping[str, Sequence[float]], classes: Sequence[str], dark: bool = False
) -> dict | None:
    """What each net draws, as shares of the classes; a line where all would be even. The title is on the first net.

    counts: name -> pictures of each class; a net whose counts are none is left out. None without any
    """
    found = {name: numbers(each) for name, each in counts.items() if isinstance(each, list | tuple)}
    sound = [
        name for name, each in found.items() if len(each) == len(classes) and each.sum() > 0 <= each.min()
    ]
    found = {name: found[name] for name in sound}
    if not found:
        return None
    name, first = next(iter(found.items()))
    missing = int((first == 0).sum())
    fields = {
        "name": name, "n": len(classes), "top": classes[int(first.argmax())],
        "share": percent(first.max() / first.sum()),
    }  # fmt: skip
    if missing:
        words = t("{name} leaves {k} of {n} classes out; {share} of it is “{top}”", k=missing, **fields)
    else:
        words = t("{name} draws all {n} classes; {share} of it is “{top}”", **fields)
    rows = [
        {"class": label, "net": net, "share": float(count / each.sum()), "count": int(count)}
        for net, each in found.items()
        for label, count in zip(classes, each)
    ]
    colour, _ = _keys(counts, dark, True)
    axis = {"format": ".0%", "tickCount": 4}
    y = {"type": "quantitative", "title": t("share of the pictures"), "axis": axis}
    drawn = " · ".join(f"{net}: n = {int(each.sum()):,}" for net, each in found.items())
    return {
        "title": title(words, t("{drawn} · as our own classifier sees them", drawn=drawn)),
        "width": "container",
        "height": 190,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "x": {
                        "field": "class", "type": "nominal", "sort": list(classes), "title": None,
                        "axis": {"labelAngle": -35, "ticks": False},
                    },
                    "xOffset": {"field": "net", "type": "nominal", "sort": list(counts)},
                    "y": {"field": "share", **y},
                    "color": colour,
                    "tooltip": [
                        {"field": "net", "title": t("checkpoint")},
                        {"field": "class", "title": t("class")},
                        {"field": "count", "title": t("pictures"), "format": ","},
                        {"field": "share", "title": t("share"), "format": ".1%"},
                    ],
                },
            },
            rule("y", "even", 1 / len(classes), y, style.MUTED),
        ],
    }  # fmt: skip
