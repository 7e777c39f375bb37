"""uvicorn's connection, with the replies of one turn of the event loop written together, each whole.

uvloop writes at once, so that uvicorn's two writes are two system calls and two packets for each reply. And who reads
replies one by one falls asleep in between: to be woken costs both sides more than to read does.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HELD = 65_536  # bytes


class OneWrite(HttpToolsProtocol):
    """A connection whose replies are held back until the event loop's next turn."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is open."""
        super().connection_made(cast(asyncio.Transport, Held(transport)))


class Held:
    """What uvicorn asks of a transport; what is written waits until the event loop's next turn, or is much."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self.is_closing, self.abort, self.get_extra_info = (
            transport.is_closing,
            transport.abort,
            transport.get_extra_info,
        )
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > MOST_HELD:  # a stream must learn in time that its reader is behind
            self._flush()

    def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():  # meanwhile the client may have gone
            self._transport.write(b"".join(held))
