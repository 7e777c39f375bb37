"""HTTP connections that are kept, and what to do where there is no answer."""

from __future__ import annotations

import json
import selectors
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class ApiError(Exception):
    """A problem document (RFC 9457); `more` are members beyond its own, such as `records` of a refused hand-in."""

    def __init__(self, status: int, title: str, detail: str, more: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail, self.more = status, title, detail, more


class UnreachableError(ConnectionError):
    """There was no whole answer: no connection, none in time, or it broke off."""


class Question(NamedTuple):
    """A request; one that is `repeatable` has the same effect twice as once."""

    method: str
    target: str
    body: bytes | None = None
    repeatable: bool = True


class Connections:
    """Connections to one API. Threads may share them: each question has one to itself, then it is kept for another.

    `timeout` (seconds) is of each wait for the network; `patience` how long, in all, a question that may be repeated
    goes on where the service says when to come back (503 with Retry-After).
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float, patience: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {url!r}: want http://HOST:PORT or https://HOST")
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._headers, self._timeout, self._patience = dict(headers), timeout, patience
        self._idle: list[HTTPConnection] = []

    def ask(self, question: Question) -> bytes:
        """The body of the answer; raises ApiError, UnreachableError."""
        return self._read(question, *self.open(question))

    def open(self, question: Question) -> tuple[HTTPConnection, HTTPResponse]:
        """The answer as it begins, a success, and its connection; both are the caller's to close."""
        deadline = time.monotonic() + self._patience
        while True:
            connection, response = self._exchanged(question)
            if response.status < 400:
                return connection, response
            wait = _wait(response) if question.repeatable else None
            error = _error(response, self._read(question, connection, response))
            if wait is None or time.monotonic() + wait > deadline:
                raise error
            time.sleep(wait)

    def close(self) -> None:
        """Close what is kept; questions after that open anew."""
        while self._idle:
            self._idle.pop().close()

    def _exchanged(self, question: Question) -> tuple[HTTPConnection, HTTPResponse]:
        kept = self._kept()
        try:
            return _sent(kept or self._new(), question, self._headers, self._prefix)
        except (ConnectionError, HTTPException) as error:
            if kept is None or not question.repeatable:
                raise _unreachable(question, error) from error
        except OSError as error:
            raise _unreachable(question, error) from error
        # The service closed a connection that it thought idle, just when it was used.
        try:
            return _sent(self._new(), question, self._headers, self._prefix)
        except (OSError, HTTPException) as error:
            raise _unreachable(question, error) from error

    def _read(self, question: Question, connection: HTTPConnection, response: HTTPResponse) -> bytes:
        """The whole body; the connection is kept where it goes on."""
        try:
            with response:
                body = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise _unreachable(question, error) from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return body

    def _kept(self) -> HTTPConnection | None:
        with suppress(IndexError):  # another thread may have taken the last
            while True:
                connection = self._idle.pop()
                if not _is_over(connection):
                    return connection
                connection.close()
        return None

    def _new(self) -> HTTPConnection:
        if self._context:
            return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)
        return HTTPConnection(self._host, self._port, timeout=self._timeout)


def _sent(
    connection: HTTPConnection, question: Question, headers: Mapping[str, str], prefix: str
) -> tuple[HTTPConnection, HTTPResponse]:
    more = {} if question.body is None else {"Content-Type": "application/json"}
    try:
        # A service that refuses a body may close before all of it is sent: then its answer is there to be read.
        with suppress(BrokenPipeError):
            connection.request(question.method, prefix + question.target, question.body, {**headers, **more})
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _is_over(connection: HTTPConnection) -> bool:
    """Whether the other side has closed a connection on which nothing is awaited: then there is something to read."""
    if connection.sock is None:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _wait(response: HTTPResponse) -> float | None:
    told = response.headers.get("Retry-After", "")
    return float(told) if response.status == 503 and told.isdigit() else None


def _error(response: HTTPResponse, body: bytes) -> ApiError:
    """The problem of a reply; of what is none, as a proxy's page, its status."""
    try:
        told = json.loads(body)
        members = dict(told) if isinstance(told, dict) else {}
    except ValueError:
        members = {}
    title, detail = (str(members.pop(name, "")) for name in ("title", "detail"))
    more = {name: value for name, value in members.items() if name not in ("type", "status")}
    return ApiError(response.status, title or response.reason, detail or f"{len(body)} bytes of no problem", more)


def _unreachable(question: Question, error: Exception) -> UnreachableError:
    return UnreachableError(f"{question.method} {question.target}: {type(error).__name__}: {error}")
