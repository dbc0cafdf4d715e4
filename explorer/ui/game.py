"""The game of a GAN on the line, where all of it can be computed: two densities, the best discriminator, the value."""

import streamlit as st

from explorer.analysis import gan_theory
from explorer.text import t
from explorer.ui import generating, widgets
from explorer.ui.evidence import dark
from explorer.views.gan_theory import game_chart

MEAN, WIDTH = (-5.0, 5.0, 2.0, 0.1), (0.2, 4.0, 0.6, 0.1)  # of p_g: least, most, default, step
HILLS = (2.4, 8.0, 4.0, 0.1)  # of p_data: how far apart they stand


def said(spec: dict) -> str:
    """A chart's title and subtitle, for those who cannot see it."""
    return ": ".join(" ".join(spec["title"][part]) for part in ("text", "subtitle"))


@st.fragment
def game() -> None:
    """The game of the GAN paper on the line, against the best discriminator."""
    with widgets.problems():
        generating.note_odd({}, {"hills": HILLS[:2]})
        st.subheader(t("The game in theory"), anchor=False)
        st.markdown(t("The data are two hills on the line, the generator draws from one normal of yours, and against "
                      "it plays the best discriminator there is (Goodfellow et al. 2014)."))  # fmt: skip
        st.latex(r"D^*(x) = \frac{p_\text{data}(x)}{p_\text{data}(x) + p_g(x)}")
        st.latex(r"V(G, D^*) = -\log 4 + 2\,\mathrm{JSD}(p_\text{data}, p_g)")
        meet = st.toggle(t("Let p_g be the same two hills"), key="meet", bind="query-params")
        far, left, right = st.columns(3)
        with far:
            data = gan_theory.hills(
                st.slider(t("Distance of the two hills"), *HILLS, key="hills", bind="query-params")
            )
        with left:
            mean = st.slider(t("Mean of p_g"), *MEAN, key="mean", bind="query-params", disabled=meet)
        with right:
            width = st.slider(t("Width of p_g"), *WIDTH, key="width", bind="query-params", disabled=meet)
        generated = data if meet else gan_theory.Density((mean,), (width,))
        played = gan_theory.play(generated, data)
        tiles = {
            t("Value of the game"): played.value,
            t("Its least, −log 4"): gan_theory.LEAST,
            t("JSD in nats, at most log 2 = 0.693"): played.divergence,
        }
        with st.grid(3, min_column_width=200):
            for label, value in tiles.items():
                st.metric(label, f"{value:.3f}".replace("-", "−"), border=True, height="stretch")
        spec = game_chart(played, generated, dark(), data)
        widgets.chart(spec, key="game", alt=said(spec))
        st.caption(t("In theory the collapse loses: on one hill the value stays above its least. In practice two nets "
                     "take turns in small steps, and the generator runs to whatever fools the discriminator of the "
                     "moment."))  # fmt: skip
