"""The groups that commands belong to."""

from typing import Annotated

import typer

app = typer.Typer(
    help="Train or load image models, and see what they say, why, and how often they are wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets: what is here, get one, add your own.", no_args_is_help=True)
runs_app = typer.Typer(help="Trainings: list them, look at one, continue one.", no_args_is_help=True)
jobs_app = typer.Typer(help="What runs in the background: start, look, stop.", no_args_is_help=True)
story_app = typer.Typer(
    help="Talks: list and check them, take one along as pictures or as a file.", no_args_is_help=True
)
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")
app.add_typer(jobs_app, name="jobs")
app.add_typer(story_app, name="story")
Name = Annotated[str, typer.Argument(help="The name of a checkpoint; `checkpoints` lists them.")]
