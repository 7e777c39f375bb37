"""Whether an address can be read: percent-encoded bytes that are no UTF-8 would be taken for another id."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import problem

_BEYOND_ASCII = re.compile(rb"%[89A-Fa-f]")
UNREADABLE = "the address has percent-encoded bytes that are no UTF-8 (RFC 3629)"


class ReadableAddress:
    """ASGI middleware: 400 for an address whose path or query is no UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, or refuse."""
        readable = scope["type"] != "http" or is_readable(scope["raw_path"], scope["query_string"])
        await (self._app if readable else problem(400, UNREADABLE))(scope, receive, send)


def is_readable(*parts: bytes) -> bool:
    """Whether parts of an address are UTF-8, percent-encoded or not."""
    try:
        for part in parts:
            if _BEYOND_ASCII.search(part):
                unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return False
    return True
