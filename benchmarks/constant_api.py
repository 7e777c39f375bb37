"""The API's very server, with a constant of an answer's size: `… BODY_FILE`.

It is asked where the quickest of our answers are made: server, timing, guard and headers are those of every answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastapi import Response
from starlette.types import Scope

from lambda_arch.config import load_config
from serving.app import create_app
from serving.replies import Encoded
from serving.server import by_uvicorn


class Constant:
    """Answers everything by the same bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def asked(self, scope: Scope) -> Response:
        """The answer."""
        return Encoded(self._body)


if __name__ == "__main__":
    config = load_config()
    app = create_app(config)
    app.state.plain = Constant(Path(sys.argv[1]).read_bytes())
    by_uvicorn(app, config.serving)
