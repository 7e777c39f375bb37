"""The API's very server, with a constant of an answer's size: `… BODY_FILE`.

It is asked where the quickest of our answers are made: server, timing, guard and headers are those of every answer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.config import load_config
from serving.app import create_app
from serving.replies import Encoded
from serving.routes.direct import Direct
from serving.server import by_uvicorn


class Constant:
    """ASGI middleware that answers everything by the same bytes."""

    def __init__(self, app: ASGIApp, body: bytes) -> None:
        self._app, self._body = app, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; only what is no request is handed on."""
        answer = Encoded(self._body) if scope["type"] == "http" else self._app
        await answer(scope, receive, send)


if __name__ == "__main__":
    config = load_config()
    app = create_app(config)
    constant = Middleware(Constant, body=Path(sys.argv[1]).read_bytes())
    app.user_middleware = [constant if cast(object, one.cls) is Direct else one for one in app.user_middleware]
    by_uvicorn(app, config.serving)
