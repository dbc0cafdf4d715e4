"""Dataclasses in, pictures out: plain Vega-Lite dicts, Plotly figures, PIL images. No Streamlit, no torch."""
