"""The serving layer's reads of lists of users, in pieces, of one generation however often readers are flipped."""

from __future__ import annotations

from collections.abc import Sequence

from lambda_arch.audience import Lists, Piece, decode_lists, decode_piece
from lambda_arch.keys import GENERATION_KEY, audience_key, generation_key, piece_key, said_key, speed_key
from lambda_arch.link import Command
from lambda_arch.reads import AsyncStore
from lambda_arch.records import UseCase
from lambda_arch.store import StoreError

Pairs = dict[UseCase, tuple[bytes | None, bytes | None]]


class ListReads:
    """Reads of lists and of the records of those on them; raises StoreError where the store is away.

    They travel beside the connection on which single answers are waited for.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def lists(self, generation: int) -> Lists:
        """What lists a generation has; raises StoreError where it has none, UnknownSchemaError."""
        [stored] = await self._store.bulk([("GET", audience_key(generation))])
        if stored is None:
            raise StoreError(f"generation {generation} has no lists of users: the next night writes them")
        return decode_lists(stored)

    async def piece(self, generation: int, name: str, number: int) -> Piece:
        """A piece of a list; raises StoreError where it is gone."""
        [stored] = await self._store.bulk([("GET", piece_key(generation, name, number))])
        if stored is None:
            raise StoreError(f"piece {number} of {name} of generation {generation} is gone: ask again")
        return decode_piece(stored)

    async def said(
        self, use_case: str, shard: int, low: float, high: float, part: tuple[int, int] | None = None
    ) -> list[tuple[str, float]]:
        """Users whom the speed layer notes with a score from low to high, and the score; of them a (start, count)."""
        limit = ("LIMIT", *part) if part else ()
        asked = ("ZRANGEBYSCORE", said_key(use_case, shard), str(low), str(high), "WITHSCORES", *limit)
        [found] = await self._store.bulk([asked])
        return [(user.decode(), float(score)) for user, score in zip(found[::2], found[1::2], strict=True)]

    async def records(self, users: Sequence[str], use_cases: Sequence[UseCase], generation: int) -> list[Pairs]:
        """Both layers' records of users, the batch layer's of that generation, in one round trip.

        Raises StoreError where the generation was retired meanwhile: its records are going.
        """
        commands: list[Command] = []
        for user in users:
            commands.append(("HMGET", generation_key(f"u:{user}", generation), *use_cases))
            commands.append(("HMGET", speed_key(f"u:{user}"), *use_cases))
        *hashes, kept = await self._store.bulk([*commands, ("HMGET", GENERATION_KEY, "current", "previous")])
        if str(generation).encode() not in kept:
            raise StoreError(f"generation {generation} was retired: ask again")
        both = zip(hashes[::2], hashes[1::2], strict=True)
        return [dict(zip(use_cases, zip(*pair, strict=True), strict=True)) for pair in both]
