"""Three arrows in the plane, as Vega-Lite: which of two the third is nearer to, by angle and by distance."""

import math

from explorer.analysis.plane import Arrow, between, cosine, distance
from explorer.text import t
from explorer.views import style

SAME = 1e-9  # nearer by less is a tie
ROOM = 1.15  # the window over the longest arrow
NARROW = 14  # degrees that a printed angle needs
# for light and dark ground; words are written in them too
COLOURS = {"X": ("#BF4A0B", style.CHOSEN), "Y": ("#096289", "#5BB8E0"), "Z": ("#882255", "#CB6A98")}


def nearer(x: Arrow, y: Arrow, z: Arrow) -> dict[str, str | None]:
    """Which of Y and Z each metric calls nearer to X: "cosine" and "euclidean" -> "Y", "Z" or None for a tie."""
    by_angle, by_distance = cosine(x, y) - cosine(x, z), distance(x, z) - distance(x, y)
    return {
        metric: None if abs(gap) < SAME else "Y" if gap > 0 else "Z"
        for metric, gap in (("cosine", by_angle), ("euclidean", by_distance))
    }


def verdict(x: Arrow, y: Arrow, z: Arrow) -> str:
    """What is seen, as a sentence."""
    said = nearer(x, y, z)
    one, other = said["cosine"], said["euclidean"]
    if one is None and other is None:
        return t("A tie: for both metrics Y and Z are equally near to X")
    if one is None:
        return t("For cosine Y and Z are equally near to X, Euclidean calls {name} nearer", name=other)
    if other is None:
        return t("For Euclidean Y and Z are equally near to X, cosine calls {name} nearer", name=one)
    if one == other:
        return t("Both metrics call {name} nearer to X", name=one)
    return t("Cosine calls {one} nearer to X, Euclidean calls {other} nearer", one=one, other=other)


def _distance(name: str, x: Arrow, arrow: Arrow, gap: float) -> dict:
    """The line between two tips, and where its length is printed: beside its middle, away from the origin."""
    (ax, ay), (bx, by) = x.tip, arrow.tip
    mx, my, length = (ax + bx) / 2, (ay + by) / 2, math.hypot(bx - ax, by - ay) or 1.0
    nx, ny = (by - ay) / length, (ax - bx) / length
    if nx * mx + ny * my < 0:
        nx, ny = -nx, -ny
    return {
        "name": name, "x": ax, "y": ay, "x2": bx, "y2": by, "middle x": mx + gap * nx, "middle y": my + gap * ny,
        "words": f"{distance(x, arrow):.2f}",
    }  # fmt: skip


def plane_chart(x: Arrow, y: Arrow, z: Arrow, dark: bool = False) -> dict:
    """The arrows from the origin, the angles from X as arcs, the distances from X as dashed lines; a square."""
    named = {"X": x, "Y": y, "Z": z}
    reach = ROOM * max(1.0, *(arrow.length for arrow in named.values()))
    low = [min(0.0, *(arrow.tip[k] for arrow in named.values())) for k in (0, 1)]
    high = [max(0.0, *(arrow.tip[k] for arrow in named.values())) for k in (0, 1)]
    side = max(reach * 0.6, high[0] - low[0], high[1] - low[1]) * ROOM
    window = [[(a + b - side) / 2, (a + b + side) / 2] for a, b in zip(low, high)]
    tips = [
        {
            "name": name,
            "x": tip[0],
            "y": tip[1],
            "words": t(
                "{name}: {angle}°, length {length}",
                name=name,
                angle=f"{arrow.angle:g}",
                length=f"{arrow.length:g}",
            ),
        }
        for name, arrow in named.items()
        for tip in [arrow.tip]
    ]
    lines = [_distance(name, x, arrow, 0.05 * side) for name, arrow in (("Y", y), ("Z", z))]
    arcs, labels = [], []
    for name, arrow, radius in (("Y", y, 0.2 * side), ("Z", z, 0.3 * side)):
        if not (x.length and arrow.length):
            continue  # no direction, no angle
        turn = (arrow.angle - x.angle + 180) % 360 - 180
        places = [math.radians(x.angle + turn * k / 24) for k in range(25)]
        arcs += [
            {"name": name, "k": k, "x": radius * math.cos(a), "y": radius * math.sin(a)}
            for k, a in enumerate(places)
        ]
        # in a narrow angle there is no room: then behind X
        middle = places[12] if abs(turn) > NARROW else math.radians(x.angle - math.copysign(9, turn))
        labels.append(
            {"name": name, "x": 1.14 * radius * math.cos(middle), "y": 1.14 * radius * math.sin(middle),
             "words": f"{between(x, arrow):.0f}°"}
        )  # fmt: skip
    colour = {
        "field": "name",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(COLOURS), "range": [pair[dark] for pair in COLOURS.values()]},
    }
    axis = {
        "grid": True,
        "gridOpacity": 0.4,
        "title": None,
        "labels": False,
        "ticks": False,
        "domain": False,
        "tickCount": 8,
    }
    across, up = (
        {"type": "quantitative", "scale": {"domain": window[k], "nice": False, "zero": False}, "axis": axis}
        for k in (0, 1)
    )

    def at(mark: dict, rows: list[dict], **more: dict) -> dict:
        places = {"x": {"field": "x", **across}, "y": {"field": "y", **up}}
        return {
            "data": {"values": rows},
            "mark": {"tooltip": None, **mark},
            "encoding": {**places, "color": colour, **more},
        }

    origin = [{**tip, "x2": 0.0, "y2": 0.0} for tip in tips]
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    words = {"text": {"field": "words"}}
    return {
        # no title: the page would take its height off the square
        "width": 340,
        "height": 340,
        "layer": [
            at({"type": "line", "strokeWidth": 2}, arcs, order={"field": "k", "type": "quantitative"}),
            at({"type": "rule", "strokeDash": [6, 5], "strokeWidth": 2}, lines, **ends),
            at({"type": "rule", "strokeWidth": 4}, origin, **ends),
            at({"type": "point", "filled": True, "size": 110, "opacity": 1}, tips, tooltip=words["text"]),
            at(
                {"type": "text", "fontSize": 18, "fontWeight": "bold", "dx": 12, "dy": -12},
                tips,
                text={"field": "name"},
            ),
            at({"type": "text", "fontSize": 14}, labels, **words),
            at(
                {"type": "text", "fontSize": 14},
                [{**line, "x": line["middle x"], "y": line["middle y"]} for line in lines],
                **words,
            ),
        ],
    }
