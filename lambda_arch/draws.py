"""Drawing by hash: the same entity has the same luck in every process and at every time, and other luck elsewhere."""

from __future__ import annotations

from hashlib import blake2b

_SPAN = 1 << 64


def draw(entity: str, salt: str) -> float:
    """A number in [0, 1), even over entities, and of two salts independent of each other."""
    # The salt's length goes first, so that no pair of texts reads as another pair.
    text = f"{len(salt)}:{salt}{entity}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / _SPAN
