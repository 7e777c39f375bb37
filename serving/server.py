"""The servers that the API runs on: uvicorn in this process, or granian with a worker of its own."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces, Loops
from starlette.types import ASGIApp

from lambda_arch.config import load_config
from lambda_arch.policies import Serving
from serving.app import create_app

# A thread that loads models lets the event loop go on after this long; Python's 5 ms would be a pause in answers.
SWITCH_SECONDS = 0.0005


def by_uvicorn(app: ASGIApp, settings: Serving) -> None:
    """Serve in this process; requests are counted by /metrics, not logged."""
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app, host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws="none", access_log=False
    )


def by_granian(settings: Serving) -> None:
    """Serve in a worker process, which reads the settings anew."""
    Granian(
        "serving.server:configured_app", settings.host, settings.port, interface=Interfaces.ASGI, loop=Loops.uvloop,
        factory=True, websockets=False,
    ).serve()  # fmt: skip


def configured_app() -> FastAPI:
    """The API as the settings of this process have it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return create_app(load_config())
