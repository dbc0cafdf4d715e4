import streamlit as st

st.title("An empty page")
