"""The entry: `streamlit run app.py`, or `make run`. Wiring only: what runs before the first visitor, and /readyz."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from explorer import reach
from explorer.ui import incoming, ready, widgets

log = logging.getLogger("explorer")


def _others_can_reach(address: str | None) -> bool:
    """Whether a server on this address can be reached from other machines (no address: it listens everywhere)."""
    try:
        return not ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return address != "localhost"


# Read by reach.allow: whoever reaches this server may look, predict, explain and draw a little, nothing more.
if _others_can_reach(st.config.get_option("server.address")):
    if os.environ.get("EXPLORER_TOKEN"):
        os.environ["EXPLORER_ASK_TOKEN"] = "1"
    else:
        os.environ["EXPLORER_PUBLIC"] = "1"
if reach.public_mode():
    # More is refused before all of it has come.
    st.config.set_option("server.maxUploadSize", incoming.PUBLIC_MB)


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Warm up beside the server, so that /readyz can say how far it is; visitors before that wait for the imports."""
    warming = asyncio.create_task(asyncio.to_thread(ready.warm_up))
    yield
    warming.cancel()
    with suppress(asyncio.CancelledError):
        await warming


async def readyz(request: Request) -> JSONResponse:
    """200 with what is ready, 503 with the reason before that or when the checkpoints cannot be read."""
    state = await asyncio.to_thread(ready.state)
    return JSONResponse(state, status_code=200 if state["ready"] else 503)


def on_script_error(error: Exception) -> bool:
    """Instead of a traceback: one sentence with an error id that is in the log as well."""
    widgets.report_error(error)
    return True


app = st.App(
    Path(__file__).parent / "explorer/ui/shell.py",
    lifespan=lifespan,
    routes=[Route("/readyz", readyz)],
    on_script_error=on_script_error,
)
