"""Chance that is the same on every machine and in every run."""

from __future__ import annotations

import hashlib

_BITS = 53


def chance(purpose: str, key: object) -> float:
    """A number in [0, 1), even over keys and independent over purposes."""
    digest = hashlib.blake2b(f"{purpose}:{key}".encode(), digest_size=8).digest()
    return float((int.from_bytes(digest, "big") >> (64 - _BITS)) / 2**_BITS)


def smallest(purpose: str, keys: list[str], count: int) -> list[str]:
    """`count` of the keys, by chance, in the order given."""
    chosen = set(sorted(keys, key=lambda key: chance(purpose, key))[:count])
    return [key for key in keys if key in chosen]
