"""Reads that are asked for in one tick of an event loop, gathered to travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from lambda_arch.keys import Generations, exposures_key, generation_key, speed_key
from lambda_arch.link import Command
from lambda_arch.records import UseCase

BATCH = 256  # entities of one round trip, unless a single reader asks for more


class Reading(msgspec.Struct, frozen=True):
    """What one look at the store saw: the pointer, the event clock and per use case the (batch, speed) bytes.

    `exposures` is the entity's hash of them (lambda_arch/exposures.py), where it was asked for.
    """

    generations: Generations
    clock: int
    records: dict[UseCase, tuple[bytes | None, bytes | None]]
    exposures: Sequence[bytes] = ()


class Asked(NamedTuple):
    """What one reader wants and waits for; one that has gone away is told nothing."""

    entities: tuple[str, ...]
    use_cases: tuple[UseCase, ...]
    answer: asyncio.Future[list[Reading]]
    exposures: bool = False

    @property
    def width(self) -> int:
        """How many commands each entity takes."""
        return 3 if self.exposures else 2

    def commands(self, generation: int) -> Iterator[Command]:
        """What to ask the store: both hashes of each entity, and that of its exposures."""
        for entity in self.entities:
            yield ("HMGET", generation_key(entity, generation), *self.use_cases)
            yield ("HMGET", speed_key(entity), *self.use_cases)
            if self.exposures:
                yield ("HGETALL", exposures_key(entity))

    def tell(self, generations: Generations, clock: int, hashes: list[Any]) -> None:
        """Answer by what the store said to the commands."""
        if self.answer.done():
            return
        both = zip(hashes[:: self.width], hashes[1 :: self.width], strict=True)
        found = [dict(zip(self.use_cases, zip(*pair, strict=True), strict=True)) for pair in both]
        exposures = hashes[2::3] if self.exposures else [()] * len(found)
        self.answer.set_result(
            [Reading(generations, clock, records, shown) for records, shown in zip(found, exposures, strict=True)]
        )

    def refuse(self, error: Exception) -> None:
        """Answer by an error."""
        if not self.answer.done():
            self.answer.set_exception(error)


def batches(gathered: Iterable[Asked]) -> Iterator[list[Asked]]:
    """The same in their order, no batch of more than BATCH entities unless one reader alone asks for more."""
    batch: list[Asked] = []
    size = 0
    for asked in gathered:
        if batch and size + len(asked.entities) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(asked)
        size += len(asked.entities)
    if batch:
        yield batch
