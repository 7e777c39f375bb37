"""A file of rows that is read while it is written: of any length, one piece in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Generic, TypeVar, cast

from audience_client.connections import UnreachableError

R = TypeVar("R")
_AT_ONCE = 65536  # bytes


class Rows(Generic[R]):
    """The rows as they come, all of one generation. Read to the end or close it (`with`): it holds a connection.

    Raises UnreachableError where the file breaks off: one that ends is whole.
    """

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self.generation = int(response.headers["Generation"])
        self._connection, self._response, self._lines = connection, response, _lines(response)

    def __iter__(self) -> Iterator[R]:
        """These rows."""
        return self

    def __next__(self) -> R:
        """The next row."""
        try:
            return cast(R, json.loads(next(self._lines)))
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise UnreachableError(f"the file broke off: {type(error).__name__}: {error}") from error
        except StopIteration:
            self.close()
            raise

    def close(self) -> None:
        """Read no more."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Rows[R]:
        """These rows."""
        return self

    def __exit__(self, *_: object) -> None:
        """Read no more."""
        self.close()


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    rest = b""
    while piece := response.read1(_AT_ONCE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
