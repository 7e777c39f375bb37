"""Entities' hashes to the store as bytes of its protocol (RESP2): made by whole columns, one send per batch."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from lambda_arch.store import CONNECT_SECONDS, StoreError, refused

ANSWER_SECONDS, CHUNK = 60.0, 1 << 20
COMMANDS = 3  # of one entity: DEL, HSET, EXPIRE


def replacing(keys: pa.Array, fields: Mapping[str, pa.Array], ttl: int) -> pa.Array:
    """The commands that replace each key's hash by its fields, those that are null left out; `ttl` in seconds.

    One binary per entity, so that their concatenation, the array's own buffer, is what goes over the wire.
    """
    key = _bulk(keys.cast(pa.binary()))
    count = pa.array([2] * len(keys), pa.int64())
    parts = []
    for name, values in fields.items():
        values = values.cast(pa.binary())
        end = pc.if_else(values.is_valid(), pa.scalar(b"\r\n", pa.binary()), pa.scalar(b"", pa.binary()))
        parts += [_joined(_text(name) + b"$", _length(values), b"\r\n"), values, end]
        count = pc.add(count, pc.multiply(pc.cast(values.is_valid(), pa.int64()), 2))
    head = _joined(b"*", pc.cast(pc.cast(count, pa.string()), pa.binary()), b"\r\n$4\r\nHSET\r\n")
    expiry = _text(str(ttl))
    return _joined(b"*2\r\n$3\r\nDEL\r\n", key, head, key, *parts, b"*3\r\n$6\r\nEXPIRE\r\n", key, expiry, absent=b"")


def _text(value: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value.encode()), value.encode())


def _bulk(values: pa.Array) -> pa.Array:
    return _joined(b"$", _length(values), b"\r\n", values, b"\r\n")


def _length(values: pa.Array) -> pa.Array:
    return pc.cast(pc.cast(pc.binary_length(values), pa.string()), pa.binary())


def _joined(*parts: pa.Array | bytes, absent: bytes | None = None) -> pa.Array:
    """The parts one after another; null where one is null, unless `absent` stands for those."""
    how = {} if absent is None else {"null_handling": "replace", "null_replacement": absent}
    nothing = pa.scalar(b"", pa.binary())
    scalars = [pa.scalar(part, pa.binary()) if isinstance(part, bytes) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, nothing, **how)


class Wire:
    """A connection to a store at `redis://`; raises StoreError where the store refuses or is away."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            address = (parts.hostname or "127.0.0.1", parts.port or 6379)
            self._socket = socket.create_connection(address, CONNECT_SECONDS)
        except OSError as error:
            raise StoreError(f"store does not answer: {error}; start it with `lambda-arch up`") from None
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            if parts.password:
                self._ask("AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password))
            self._ask("SELECT", parts.path.strip("/") or "0")
        except StoreError:
            self.close()
            raise

    @staticmethod
    def speaks(url: str) -> bool:
        """Whether a store at the address can be written to in this way: no TLS, no options, no Unix socket."""
        parts = urlsplit(url)
        return parts.scheme == "redis" and not parts.query

    def write(self, commands: pa.Array, at_once: bool) -> int:
        """Send the commands of `replacing`; answers how many entities the store has replaced.

        `at_once` makes a transaction of them, three times as slow: for hashes that are being read.
        """
        count = COMMANDS * len(commands)
        before, after = (_MULTI, _EXEC) if at_once else (b"", b"")
        try:
            for piece in (before, _content(commands), after):
                self._socket.sendall(piece)
            self._receive(*(count + 2, count) if at_once else (count, 0))
        except OSError as error:
            raise StoreError(f"store went away while it was written to: {error}; run the night again") from None
        return len(commands)

    def there(self, keys: pa.Array) -> int:
        """How many of the keys the store has."""
        key = _content(_bulk(keys.cast(pa.binary())))
        self._socket.sendall(b"*%d\r\n$6\r\nEXISTS\r\n" % (1 + len(keys)))
        self._socket.sendall(key)
        return int(self._receive(1, 0)[1:])

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self, lines: int, more: int) -> bytearray:
        """So many answers, each a line, and `more` if none of them is an error."""
        answers, got, wanted = bytearray(), 0, lines
        while got < wanted:
            chunk = self._socket.recv(CHUNK)
            if not chunk:
                raise ConnectionError("connection closed")
            answers += chunk
            got += chunk.count(b"\n")
            if wanted == lines <= got and not _errors(answers):
                wanted = lines + more
        if errors := _errors(answers):
            raise StoreError(refused(errors[0]))
        return answers

    def _ask(self, *words: str) -> None:
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(map(_text, words)))
        if errors := _errors(self._socket.recv(CHUNK)):
            raise StoreError(refused(errors[0]))


_MULTI, _EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


def _content(values: pa.Array) -> memoryview:
    """The values one after another, as they lie in memory."""
    _, offsets, content = values.buffers()
    bounds = memoryview(offsets).cast("i")
    return memoryview(content)[bounds[values.offset] : bounds[values.offset + len(values)]]


def _errors(answers: bytes | bytearray) -> list[str]:
    """Lines that are errors, without their sign."""
    if b"\n-" not in answers and not answers.startswith(b"-"):
        return []
    return [line[1:].decode() for line in answers.split(b"\r\n") if line.startswith(b"-")]
