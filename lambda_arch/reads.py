"""The serving layer's reads of the store, for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff

from lambda_arch.fidelity import FidelityTable, decode_fidelity
from lambda_arch.keys import (
    CLOCK_KEY,
    GENERATION_KEY,
    Generations,
    fidelity_key,
    generation_key,
    generations_of,
    model_key,
    speed_key,
)
from lambda_arch.model_bytes import decode_models
from lambda_arch.models import Models
from lambda_arch.records import UseCase
from lambda_arch.store import STORE_ERRORS, StoreError

CONNECTIONS = 32  # of one serving process


class Reading(msgspec.Struct, frozen=True):
    """What one look at the store saw: the pointer, the event clock and per use case the (batch, speed) bytes."""

    generations: Generations
    clock: int
    records: dict[UseCase, tuple[bytes | None, bytes | None]]


class AsyncStore:
    """The serving layer's reads, for an event loop; raises StoreError where the store is away."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._where = f"{parts.hostname}:{parts.port}" if parts.hostname else parts.path  # no password in messages
        # One retry finds a restarted store; more would make a caller wait for one that is gone.
        retry = redis.asyncio.retry.Retry(NoBackoff(), 1)
        # A burst waits for a connection of a few; the plain pool would refuse the hundred-and-first request.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=5, socket_connect_timeout=1, socket_timeout=2, retry=retry
        )
        self.redis: Any = redis.asyncio.Redis.from_pool(pool)
        self._expected = 0

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    async def pointer(self) -> tuple[Generations, int]:
        """The generations and the event clock, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.hgetall(GENERATION_KEY)
        pipe.get(CLOCK_KEY)
        generations, clock = await self._answer(pipe.execute())
        return generations_of(generations), int(clock or 0)

    async def read(self, entity: str, use_cases: Sequence[UseCase]) -> Reading:
        """Pointer, clock and an entity's records in one round trip; a second one only after a flip."""
        [reading] = await self.read_many([entity], use_cases)
        return reading

    async def read_many(self, entities: Sequence[str], use_cases: Sequence[UseCase]) -> list[Reading]:
        """The same of many entities, all of one moment, in one round trip; a second one only after a flip."""
        while True:
            expected = self._expected
            pipe = self.redis.pipeline(transaction=False)
            pipe.hgetall(GENERATION_KEY)
            pipe.get(CLOCK_KEY)
            for entity in entities:
                pipe.hmget(generation_key(entity, expected), *use_cases)
                pipe.hmget(speed_key(entity), *use_cases)
            stored, clock, *hashes = await self._answer(pipe.execute())
            generations = generations_of(stored)
            if generations.current == expected:
                pairs = [zip(*both, strict=True) for both in zip(hashes[::2], hashes[1::2], strict=True)]
                found = [dict(zip(use_cases, of_entity, strict=True)) for of_entity in pairs]
                return [Reading(generations, int(clock or 0), records) for records in found]
            self._expected = generations.current

    async def models(self, generation: int) -> Models | None:
        """A generation's models, or None where they are gone; raises UnknownSchemaError."""
        stored = await self._answer(self.redis.get(model_key(generation)))
        return await asyncio.to_thread(decode_models, stored) if stored else None

    async def fidelity(self, generation: int) -> FidelityTable | None:
        """A generation's fidelity table, or None; raises UnknownSchemaError."""
        stored = await self._answer(self.redis.get(fidelity_key(generation)))
        return decode_fidelity(stored) if stored else None

    async def _answer(self, asked: Awaitable[Any]) -> Any:
        try:
            return await asked
        except STORE_ERRORS as error:
            cause = str(error).rstrip(".")
            remedy = "start it with `lambda-arch up`, or correct store.url"
            raise StoreError(f"the store at {self._where} does not answer: {cause}; {remedy}") from None
