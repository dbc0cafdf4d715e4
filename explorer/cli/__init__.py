"""The commands: the main numbers of every page, as lines in a terminal.

python -m explorer --help
"""

import os
import sys

import typer

from explorer.cli import (
    comparing,
    data,
    explaining,
    generating,
    jobs,
    retrieving,
    scoring,
    studying,
    telling,
    training,
)
from explorer.cli.apps import app
from explorer.console import fail
from explorer.text import set_language

__all__ = [
    "app",
    "comparing",
    "data",
    "explaining",
    "generating",
    "jobs",
    "main",
    "retrieving",
    "scoring",
    "studying",
    "telling",
    "training",
]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    set_language(os.environ.get("EXPLORER_LANG", "en"))
    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="python -m explorer", standalone_mode=False
        )
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        usage = getattr(error, "ctx", None)
        hint = f"\n{usage.get_usage()}" if usage is not None else ""
        return fail(error.format_message() + hint, "--json" in arguments, error.exit_code)
    return code if isinstance(code, int) else 0
