"""The cheapest page there is, torch loaded and collected as in the real app: the measure of the others."""

import gc

import streamlit as st
import torch  # noqa: F401  (its half million objects are what a run of the garbage collector costs)

gc.collect()
gc.freeze()
app = st.App("page.py")
