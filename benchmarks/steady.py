"""A server asked steadily over several connections, and how long each answer took.

An answer's time counts from the moment at which it was to be asked: one that is late keeps the next ones waiting, and
they are late as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

CONNECTIONS, EVERY_SECONDS = 8, 0.04  # of each connection


class Answered(NamedTuple):
    """When an answer was to be asked, by the event loop's clock, how many seconds it took, and what it was."""

    due: float
    seconds: float
    body: bytes


@asynccontextmanager
async def asking(port: int, path: Callable[[], str]) -> AsyncIterator[list[Answered]]:
    """Ask until the block ends, each time what `path` says; the list grows meanwhile.

    Raises RuntimeError where an answer is an error.
    """
    found: list[Answered] = []
    shift = EVERY_SECONDS / CONNECTIONS
    tasks = [asyncio.create_task(_ask(port, path, number * shift, found)) for number in range(CONNECTIONS)]
    try:
        yield found
        if ended := next((task for task in tasks if task.done()), None):
            ended.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(port: int, path: Callable[[], str], after: float, found: list[Answered]) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = loop.time() + after
    try:
        while True:
            await asyncio.sleep(due - loop.time())
            writer.write(f"GET {path()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            body = await _body(reader)
            found.append(Answered(due, loop.time() - due, body))
            due += EVERY_SECONDS
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader) -> bytes:
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in headers if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if status.split()[1] != b"200":
        raise RuntimeError(f"an answer is an error: {body.decode()}")
    return body
