"""The servers that the API runs on: uvicorn in this process, or granian with a worker of its own."""

from __future__ import annotations

import gc
import sys

import uvicorn
from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces, Loops

from lambda_arch.config import load_config
from lambda_arch.policies import Serving
from serving.access.connections import bounded
from serving.app import create_app

# A thread that loads models lets the event loop go on after this long; Python's 5 ms would be a pause in answers.
SWITCH_SECONDS = 0.0005
GARBAGE = 10_000  # values


def by_uvicorn(app: FastAPI, settings: Serving) -> None:
    """Serve in this process; requests are counted by /metrics, not logged."""
    settle()
    uvicorn.run(
        app, host=settings.host, port=settings.port, loop="uvloop", http=bounded(settings.access, app.state.plain),
        ws="none", access_log=False, server_header=False,
    )  # fmt: skip


def settle() -> None:
    """Set Python up for a process that answers: threads give way soon, and what was imported is not looked at again.

    An answer makes hundreds of short-lived values and hardly a cycle: a search for cycles after every 700 of them is
    work without a find.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def by_granian(settings: Serving) -> None:
    """Serve in a worker process, which reads the settings anew."""
    Granian(
        "serving.server:configured_app", settings.host, settings.port, interface=Interfaces.ASGI, loop=Loops.uvloop,
        factory=True, websockets=False,
    ).serve()  # fmt: skip


def configured_app() -> FastAPI:
    """The API as the settings of this process have it."""
    settle()
    return create_app(load_config())
