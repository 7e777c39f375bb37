"""uvicorn's connection, with plain questions answered where they come in.

ASGI's layers between a connection and an answer are ten, and each handles the request and both parts of the reply. What
of them a plain question needs, the guard, the time taken and the headers, is done here once.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, cast

from fastapi import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serving.access.headers import completed
from serving.one_write import OneWrite

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


class Questions(Protocol):
    """Who knows which requests need none of the layers."""

    def asked(self, scope: Scope) -> Awaitable[Response | None] | None:
        """The reply in the making; None, at once or in the end, for what has to go the usual way."""


class Straight(OneWrite):
    """A connection that asks `questions` first; whatever those do not answer goes to the app."""

    questions: Questions | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        answering = None
        if self.questions and app is self.app and not cycle.waiting_for_100_continue:
            answering = self.questions.asked(cast(Scope, cycle.scope))
        if answering is None:
            super()._start_asgi_task(cycle, app)
            return
        task = self.loop.create_task(self._answer(cycle, app, answering))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(
        self, cycle: RequestResponseCycle, app: ASGI3Application, answering: Awaitable[Response | None]
    ) -> None:
        reply = await answering
        if reply is None or self.flow.write_paused:
            await cycle.run_asgi(app)
        elif not cycle.disconnected:
            self._send(cycle, reply)

    def _send(self, cycle: RequestResponseCycle, reply: Response) -> None:
        headers: list[Any] = [*self.server_state.default_headers, *completed(reply.raw_headers)]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[reply.status_code], *lines, b"\r\n", reply.body]))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
