"""The frame, the caches and the widgets that pages share; with app.py and pages/, the only Streamlit."""
