"""How a request may come in: how large all before its body may be, how long it may take, and how long a reply may.

Of uvicorn, which bounds the idle time between requests and nothing else: a client that never ends its headers, or never
reads, has a connection and its memory for good. (RFC 9110, sections 15.5.9 and 15.5.15; RFC 6585, section 5.)
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from lambda_arch.policies import Access
from serving.access.headers import ALWAYS
from serving.problems import problem
from serving.straight import Questions, Straight

LONGEST_ADDRESS = 65_535  # bytes; httptools reads no more


class BoundedRequests(Straight):
    """Ends a connection on which a request does not begin whole in time, begins too large, or nobody reads.

    Nothing is timed of a request whose head comes in one piece, as nearly every one does.
    """

    access: Access

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head, self._is_new = False, False
        self._first, self._taken, self._read = 0, 0, 0
        self._refusal = (400, "this is no request of HTTP/1.1")
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A first request is due."""
        super().connection_made(transport)
        self._late = self.loop.call_later(self.access.head_seconds, self._is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        super().connection_lost(exc)
        self._came()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Go on with a request, and see whether its head is whole."""
        self._is_new, self._read = False, len(data)
        super().data_received(data)
        if not self._is_awaited():
            if self._late:
                self._came()
            return
        if self._is_new:
            self._first, self._taken = len(data), 0
        self._taken += len(data)
        # The first piece may be the end of another request's body for the most part.
        if self._in_head and self._taken - self._first > self.access.max_head_bytes:
            self._refusal = self._too_large()
            self.send_400_response("")
        self._late = self._late or self.loop.call_later(self.access.head_seconds, self._is_late)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._is_new, self._taken = True, True, 0

    def on_headers_complete(self) -> None:
        """A head is whole; what is raised here the parser makes an error of its own."""
        if len(self.url) > LONGEST_ADDRESS:
            self._refusal = (414, f"an address has at most {LONGEST_ADDRESS} bytes")
            raise ValueError(self._refusal)
        most = self.access.max_head_bytes
        if self._taken + self._read > most and sum(len(name) + len(value) for name, value in self.headers) > most:
            self._refusal = self._too_large()
            raise ValueError(self._refusal)
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, as a problem document."""
        status, told = self._refusal
        if self._may_be_told():
            reply = problem(status, told)
            headers = [*reply.raw_headers, (b"connection", b"close"), *ALWAYS]
            lines = [b": ".join(header) + b"\r\n" for header in headers]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", bytes(reply.body)]))
        self.transport.close()

    def pause_writing(self) -> None:
        """The reader is behind."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.access.reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader reads on."""
        super().resume_writing()
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def _is_awaited(self) -> bool:
        """Whether a request is due: none has begun since the last was answered, or it is not whole before its body."""
        return self._in_head or self.cycle is None or self.cycle.response_complete

    def _came(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        self._late = None
        if self._in_head and not self.transport.is_closing():
            seconds = f"{self.access.head_seconds:g} s (serving.access.head_seconds)"
            self._refusal = (408, f"the request's headers were not whole within {seconds}")
            self.send_400_response("")
        else:
            self.transport.close()

    def _too_large(self) -> tuple[int, str]:
        return 431, f"headers may have {self.access.max_head_bytes} bytes together (serving.access.max_head_bytes)"

    def _may_be_told(self) -> bool:
        """Whether no other reply is on its way, in whose middle the refusal would stand."""
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)


def bounded(access: Access, questions: Questions | None) -> type[BoundedRequests]:
    """The protocol with these bounds, and who is asked first; uvicorn makes one of it for each connection."""
    return type("Bounded", (BoundedRequests,), {"access": access, "questions": questions})
