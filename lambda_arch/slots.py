"""Which slot of a cluster a key is in: CRC-16 of its hash tag (Redis Cluster specification)."""

from __future__ import annotations

from binascii import crc_hqx

SLOTS = 16384


def slot_of(key: str | bytes | int) -> int:
    """The slot of a key: of what stands in its first braces, where anything does."""
    name = key if isinstance(key, bytes) else str(key).encode()
    _, opened, rest = name.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return crc_hqx(tag if opened and closed and tag else name, 0) % SLOTS
