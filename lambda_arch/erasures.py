"""Who was erased, and until when: the registry that everything which writes about people consults.

A person is known in it by the SHA-256 of the id alone. What happened until the erasure's moment is erased, whenever it
arrives; what happens after it is a new person's. The moment is the configured clock's, or the person's newest event
where that is later. The store has the registry for the stream and the night, topic `erasures` (compacted) so that a
lost store keeps it, and the lake's table once a night has been.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure: whose, until which moment (microseconds), and when (RFC 3339) which key asked for it."""

    person: str
    moment: int
    asked_at: str
    asked_by: str | None = None


_decoder = msgspec.json.Decoder(Erasure)


def person_of(user_id: str) -> str:
    """What the registry knows a user by."""
    return sha256(user_id.encode()).hexdigest()


def encode_erasure(erasure: Erasure) -> bytes:
    """As store and topic have it."""
    return msgspec.json.encode(erasure)


def decode_erasure(stored: bytes) -> Erasure:
    """The erasure of stored JSON; raises msgspec's errors for what is none."""
    return _decoder.decode(stored)


def latest(erasures: Iterable[Erasure]) -> dict[str, Erasure]:
    """Of each person the erasure of the latest moment."""
    found: dict[str, Erasure] = {}
    for erasure in sorted(erasures, key=lambda erasure: erasure.moment):
        found[erasure.person] = erasure
    return found


def erased_until(stored: bytes | None) -> int:
    """The moment of a stored erasure; 0 where there is none."""
    return decode_erasure(stored).moment if stored else 0
