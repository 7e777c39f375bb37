"""The API, running in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp
from store_server import free_port

from lambda_arch.config import Config
from serving.access.connections import bounded
from serving.app import create_app


@contextmanager
def served(config: Config, around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[httpx.Client]:
    """A client of the API, which has nothing in memory yet and ends with the block; `around` may wrap the app."""
    port, app = free_port(), create_app(config)
    # What is wrapped is asked for all: nothing may be answered before it.
    http = bounded(config.serving.access, app.state.plain if around(app) is app else None)
    api = uvicorn.Server(uvicorn.Config(around(app), port=port, ws="none", log_level="warning", http=http))
    thread = threading.Thread(target=api.run)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait_for(lambda: api.started)
            yield client
    finally:  # a test that fails must not leave a thread for which Python waits for ever
        api.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; fails where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
