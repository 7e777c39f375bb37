"""One connection of an event loop to a server of the store: commands are pipelined, answers come in their order.

The Redis client's own asyncio pipelines cost an await for every answer; here an answer costs what its parsing does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from lambda_arch.addresses import Address

CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 2.0
Command = tuple[str | bytes | int, ...]
_packed: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # typed for one word alone


class Link(asyncio.Protocol):
    """An open connection; whatever ends it fails all that wait for answers with a ConnectionError.

    It ends where an answer takes longer than `patience` seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[int, list[Any], asyncio.Future[list[Any]]]] = deque()
        self._transport: Any = None
        self._reason = "connection closed"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = transport

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands at once; the future has an answer for each, errors as `hiredis.ReplyError` among them."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        self._waiting.append((len(commands), [], future))
        self._transport.write(b"".join([_packed(command) for command in commands]))
        timer = loop.call_later(self._patience, self._give_up)
        future.add_done_callback(lambda _: timer.cancel())
        return future

    def data_received(self, data: bytes) -> None:
        """Answers have come: whoever has all of theirs is told."""
        self._reader.feed(data)
        try:
            while self._waiting and (answer := self._reader.gets()) is not False:
                self._take(answer)
        except hiredis.ProtocolError as error:
            self.close(f"what answers is no store: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended: nobody waits in vain."""
        reason = str(error) if error else self._reason
        self._transport.close()
        while self._waiting:
            _, _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(ConnectionError(reason))

    def close(self, reason: str = "connection closed") -> None:
        """End it at once."""
        self._reason = reason
        self._transport.abort()

    def _take(self, answer: Any) -> None:
        count, answers, future = self._waiting[0]
        answers.append(answer)
        if len(answers) == count:
            self._waiting.popleft()
            if not future.done():
                future.set_result(answers)

    def _give_up(self) -> None:
        self.close(f"no answer within {self._patience:g} seconds")


async def connected(address: Address, patience: float) -> Link:
    """An open connection with the address' user and database, that waits so many seconds for an answer.

    Raises OSError; what the server refuses is a ConnectionRefusedError.
    """
    loop, link = asyncio.get_running_loop(), Link(patience)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if address.path:
                await loop.create_unix_connection(lambda: link, address.path, ssl=address.context())
            else:
                await loop.create_connection(lambda: link, address.host, address.port, ssl=address.context())
            greeting = _greeting(address)
            answers = await link.ask(greeting) if greeting else []
    except TimeoutError:
        raise ConnectionError(f"no connection within {CONNECT_SECONDS:g} seconds") from None
    if refusals := [answer for answer in answers if isinstance(answer, hiredis.ReplyError)]:
        link.close()
        raise ConnectionRefusedError(str(refusals[0]))
    return link


def _greeting(address: Address) -> list[Command]:
    greeting: list[Command] = []
    if address.password:
        greeting.append(("AUTH", *([address.username] if address.username else []), address.password))
    if address.database and not address.cluster:
        greeting.append(("SELECT", address.database))
    return greeting
