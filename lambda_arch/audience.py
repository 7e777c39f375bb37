"""Who is in a segment and who is about to leave: the night's lists in pieces, and what the speed layer says since.

Lists say where to look, not what is so: whoever reads them asks the records of both layers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar
from zlib import crc32

import msgspec

from lambda_arch.keys import piece_key, said_key
from lambda_arch.records import Prediction, UnknownSchemaError

SCHEMA = 1
PIECE = 1000  # users of one piece: what a reader holds of a list at once
SHARDS = 16  # of what the speed layer says, so that a cluster shares it and a reader takes it in parts
CHURN = "churn"
_SCORES = {"churn": ("probability", -1), "segment": ("segment", 1)}  # what of a value is noted, times what
NOTED = tuple(_SCORES)  # use cases


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A part of a list: user ids, and in the list of churn the probability of each."""

    users: list[str]
    probabilities: list[float] = []
    schema: int = SCHEMA


class Listed(msgspec.Struct, frozen=True):
    """A list: how many it has, in how many pieces, and in the list of churn each piece's lowest probability."""

    members: int
    pieces: int
    lowest: list[float] = []


class Lists(msgspec.Struct, frozen=True):
    """A generation's lists by name: `churn`, the likeliest to cancel first, and `segment:S`, by user id."""

    generation: int
    lists: dict[str, Listed] = {}
    schema: int = SCHEMA

    def of(self, name: str) -> Listed:
        """A list; an empty one where nobody is on it."""
        return self.lists.get(name, Listed(0, 0))

    def first(self, name: str, probability: float) -> int:
        """The first piece that can have somebody of at most the probability."""
        return bisect_left(self.of(name).lowest, -probability, key=lambda lowest: -lowest)

    def piece_keys(self) -> list[str]:
        """The keys of all pieces."""
        return [
            piece_key(self.generation, name, number)
            for name, listed in self.lists.items()
            for number in range(listed.pieces)
        ]


_pieces = msgspec.msgpack.Decoder(Piece)
Versioned = TypeVar("Versioned", Lists, Piece)


def segment_list(segment: int) -> str:
    """The name of a segment's list."""
    return f"segment:{segment}"


def decode_lists(stored: bytes) -> Lists:
    """The lists of stored JSON; raises UnknownSchemaError."""
    return _known(msgspec.json.decode(stored, type=Lists))


def decode_piece(stored: bytes) -> Piece:
    """The piece of stored msgpack; raises UnknownSchemaError."""
    return _known(_pieces.decode(stored))


def notes(records: Iterable[Prediction]) -> dict[str, dict[str, float]]:
    """What the speed layer notes of its records, by key: of each user minus the probability, or the segment.

    Minus, because the store orders users of one score by id, and ascending.
    """
    found: dict[str, dict[str, float]] = {}
    for record in records:
        name, sign = _SCORES.get(record.use_case, ("", 0))
        if name in record.value:
            key = said_key(record.use_case, shard_of(record.entity))
            found.setdefault(key, {})[record.entity[2:]] = sign * record.value[name]
    return found


def shard_of(entity: str) -> int:
    """Where the speed layer notes an entity."""
    return crc32(entity.encode()) % SHARDS


def _known(found: Versioned) -> Versioned:
    if found.schema != SCHEMA:
        raise UnknownSchemaError(f"lists of schema {found.schema}, this release reads {SCHEMA}: upgrade first")
    return found
