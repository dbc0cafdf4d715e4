"""The section "Two metrics": three arrows to move, where cosine and Euclidean disagree at first, as on the slide."""

import streamlit as st

from explorer.analysis.plane import Arrow, between, cosine, distance
from explorer.text import t
from explorer.ui import duel, generating, widgets
from explorer.ui.evidence import dark
from explorer.ui.retrieving import Scene
from explorer.views.plane import nearer, plane_chart, verdict

ANGLE, LENGTH = (0.0, 90.0, 1.0), (0.2, 6.0, 0.1)  # least, most, step
FIRST = {"x": (30.0, 2.5), "y": (38.0, 5.4), "z": (72.0, 2.1)}  # X nearer to Y by cosine, to Z by distance
NUMBERS = {f"angle_{name}": ANGLE[:2] for name in FIRST} | {f"length_{name}": LENGTH[:2] for name in FIRST}


def first(scene: Scene) -> None:
    """The arrows, and the way to a real picture where it matters."""
    plane()
    duel.striking(scene)


@st.fragment
def plane() -> None:
    """The arrows, their sliders, and what both metrics say."""
    with widgets.problems():
        generating.note_odd({"unit": ("true", "false")}, NUMBERS)
        above = st.container()
        left, right = st.columns([5, 7], gap="large")
        with left:
            arrows = {name: _arrow(name) for name in FIRST}
            unit = st.toggle(t("Bring all to length 1"), key="unit", bind="query-params",
                             help=t("Normalise: on the circle of radius 1 both metrics always give one order."),
                             )  # fmt: skip
        if unit:
            arrows = {name: arrow.unit for name, arrow in arrows.items()}
        x, y, z = (arrows[name] for name in "xyz")
        asked = t("Which picture is most like X? **Cosine** looks only at the direction of a feature vector, "
                  "**Euclidean** distance also at its length.")  # fmt: skip
        if set(nearer(x, y, z).values()) == {"Y", "Z"}:
            asked += " " + t("Here they disagree; move the arrows.")
        above.markdown(asked)
        with left:
            st.table(
                {
                    t("from X"): ["Y", "Z"],
                    t("angle"): [f"{between(x, other):.0f}°" for other in (y, z)],
                    t("cosine"): [f"{cosine(x, other):.3f}".replace("-", "−") for other in (y, z)],
                    t("Euclidean"): [f"{distance(x, other):.2f}" for other in (y, z)],
                },
                border="horizontal", hide_index=True, alt=t("Angle, cosine and distance from X to Y and to Z"),
            )  # fmt: skip
            st.caption(
                t("On unit vectors the squared distance is 2 − 2 cos: the same order, from two formulas.")
            )
        with right:
            words = verdict(x, y, z)
            st.markdown(f"**{words}**")
            widgets.chart(plane_chart(x, y, z, dark()), key="plane", alt=words, width="content")
            st.caption(t("arcs: the angle from X; dashed: the distance from X"))


def _arrow(name: str) -> Arrow:
    angle, length = FIRST[name]
    one, other = st.columns(2)
    with one:
        angle = st.slider(t("Angle of {name}", name=name.upper()), *ANGLE[:2], angle, ANGLE[2], format="%d°",
                          key=f"angle_{name}", bind="query-params")  # fmt: skip
    with other:
        length = st.slider(t("Length of {name}", name=name.upper()), *LENGTH[:2], length, LENGTH[2], format="%.1f",
                           key=f"length_{name}", bind="query-params")  # fmt: skip
    return Arrow(angle, length)
