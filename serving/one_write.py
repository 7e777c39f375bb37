"""uvicorn's connection, with head and body of a reply in one write.

uvloop writes at once, so that uvicorn's two writes are two system calls and two packets for each reply: a fifth of the
time that a constant takes.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWrite(HttpToolsProtocol):
    """A connection whose replies are held back until they are whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is open."""
        super().connection_made(cast(asyncio.Transport, Held(transport)))


class Held:
    """What uvicorn asks of a transport; of two writes the first waits for the second.

    It waits at the longest until the event loop's next turn, so that a stream is as quick as ever.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held = transport, b""
        self._loop = asyncio.get_running_loop()
        self.is_closing, self.abort, self.get_extra_info = (
            transport.is_closing,
            transport.abort,
            transport.get_extra_info,
        )
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send, with what waits, or wait for more."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        else:
            self._held = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():  # meanwhile the client may have gone
            self._transport.write(held)
