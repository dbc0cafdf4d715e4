"""Model Explorer: train or load image models and see them.

The rooms, and the one law: data goes left to right, and a room imports only rooms to its left (tests/test_rooms.py).

    text, device, reported -> data -> models -> checkpoints -> analysis -> training -> runs -> jobs -> views
        -> story -> cli | ui -> pages

    text         sentences in English and Korean, errors that carry their template
    device       the one place that chooses device, precision and thread counts
    reported     the figures that the course slides report, with their comparability
    papers       the papers behind the models, as cards
    files, process, reporter, turns   writing in one step; is that process still ours; a job about itself; its turn
    reach        what strangers may do on a public server
    data         DATASETS: named sets of 32x32 pictures; decoding of any picture; augmentation
    models       MODELS: one paper, one file
    checkpoints  weights + config + card + manifest in a folder; never a pickled class (foreign: a .pt from elsewhere)
    analysis     arrays in, plain dataclasses out
    training     RECIPES and the one loop, a generator that writes no file
    runs         drives the loop and owns the run folder
    jobs         starts `python -m explorer ...` as a detached child and follows it; doctor, console stand beside it
    views        dataclass -> Vega-Lite dict, Plotly figure or PIL image; no Streamlit, no torch
    story        talks: their files, a figure for each step, slides, the whole as one HTML file
    cli | ui     the commands | what the Streamlit pages share
"""
