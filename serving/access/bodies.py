"""How large a body may be, and how long it may take to come: counted, for a length may be missing."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lambda_arch.policies import Access
from serving.problems import problem


class BodyError(HTTPException):
    """A body is too large or too slow. Of this type, for the framework passes it on where it reads the body."""


class LimitedBody:
    """ASGI middleware: 413 for a body of more bytes, 408 for one that is not whole in time."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._most, self._seconds = app, access.max_body_bytes, access.body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on a body within the bounds."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced(scope) > self._most:
            await problem(413, self._too_large(), {"Connection": "close"})(scope, receive, send)
        else:
            await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        taken, whole, deadline = 0, False, 0.0

        async def counted() -> Message:
            nonlocal taken, whole, deadline
            if whole:  # what comes now is that the client went away, whenever that is
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self._seconds
            message = await self._in_time(receive, deadline)
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > self._most:
                raise BodyError(413, self._too_large(), {"Connection": "close"})
            return message

        return counted

    async def _in_time(self, receive: Receive, deadline: float) -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            told = f"the body was not whole within {self._seconds:g} s (serving.access.body_seconds)"
            raise BodyError(408, told, {"Connection": "close"}) from None

    def _too_large(self) -> str:
        return f"a body may have {self._most} bytes (serving.access.max_body_bytes): send it in parts"


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
