"""The API's very server, with a constant of an answer's size in front of everything else: `… BODY_FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.config import load_config
from serving.app import create_app
from serving.server import by_uvicorn


class Constant:
    """ASGI middleware that answers everything by the same bytes."""

    def __init__(self, app: ASGIApp, body: bytes) -> None:
        self._app, self._body = app, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; only what is no request is handed on."""
        answer = Response(self._body, media_type="application/json") if scope["type"] == "http" else self._app
        await answer(scope, receive, send)


if __name__ == "__main__":
    config = load_config()
    app = create_app(config)
    app.add_middleware(Constant, body=Path(sys.argv[1]).read_bytes())
    by_uvicorn(app, config.serving)
