"""The serving layer's reads of the store, for an event loop: all that is asked in one tick is one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import hiredis

from lambda_arch.addresses import address_of
from lambda_arch.agreement import Agreement, decode_agreement
from lambda_arch.fidelity import FidelityTable, decode_fidelity
from lambda_arch.gathered import Asked, Reading, batches
from lambda_arch.keys import (
    CLOCK_KEY,
    GENERATION_KEY,
    LIVING_KEY,
    NUMBERS_KEY,
    TRENDING_KEY,
    Generations,
    agreement_key,
    fidelity_key,
    generation_key,
    generations_of,
    model_key,
)
from lambda_arch.link import Command
from lambda_arch.model_bytes import decode_in_pieces
from lambda_arch.models import Models
from lambda_arch.nodes import servers_at
from lambda_arch.records import UseCase
from lambda_arch.store import StoreError
from lambda_arch.trending import Trends, trends

PROBE_SECONDS, BULK_SECONDS = 0.1, 30.0
_FAULTS = (hiredis.ReplyError, OSError)
Told = TypeVar("Told")
_POINTER: tuple[Command, ...] = (("HGETALL", GENERATION_KEY), ("GET", CLOCK_KEY))


class AsyncStore:
    """The serving layer's reads, for an event loop; raises StoreError where the store is away.

    While it is away nobody waits for it: whoever asks is told at once, until a probe finds it again.
    """

    def __init__(self, url: str) -> None:
        self._address = address_of(url)
        self._servers = servers_at(self._address)
        self._bulk = servers_at(self._address, BULK_SECONDS)  # records do not queue behind megabytes of models
        self._expected = 0
        self._gathered: list[Asked] = []
        self._looking: asyncio.Task[tuple[Generations, int]] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._away = ""

    async def close(self) -> None:
        """Close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self._servers.close(), self._bulk.close(), return_exceptions=True)

    async def pointer(self) -> tuple[Generations, int]:
        """The generations and the event clock, in one round trip for all who ask in one tick of the event loop."""
        if self._looking is None:
            self._looking = self._begin(self._look())
        return await asyncio.shield(self._looking)  # who goes away must not end what others wait for

    async def read(self, entity: str, use_cases: Sequence[UseCase]) -> Reading:
        """Pointer, clock and an entity's records in one round trip; a second one only after a flip."""
        [reading] = await self.read_many([entity], use_cases)
        return reading

    async def read_many(
        self, entities: Sequence[str], use_cases: Sequence[UseCase], exposures: bool = False
    ) -> list[Reading]:
        """The same of many entities, all of one moment; and what they were shown lately, if that is asked for.

        Whatever is asked in one tick of the event loop travels together, with pointer and clock once.
        """
        if not self._gathered:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._send)
        asked = Asked(tuple(entities), tuple(use_cases), self._loop.create_future(), exposures)
        self._gathered.append(asked)
        return await asked.answer

    async def of_generation(
        self, entities: Sequence[str], generation: int, use_cases: Sequence[UseCase]
    ) -> list[dict[UseCase, bytes | None]]:
        """What a generation says of entities, by use case, in one round trip; nothing is asked for no entities."""
        asked: list[Command] = [("HMGET", generation_key(entity, generation), *use_cases) for entity in entities]
        found = await self.bulk(asked) if asked else []
        return [dict(zip(use_cases, records, strict=True)) for records in found]

    async def trending(self, since: int, count: int) -> Trends:
        """At most so many titles of each direction that had a post since then (microseconds), in two round trips."""
        [listed] = _sound(await self._ask([("ZREVRANGEBYSCORE", TRENDING_KEY, "+inf", str(since))]), self._refused)
        readings = await self.read_many([entity.decode() for entity in listed], ("sentiment",))
        pairs = [reading.records["sentiment"] for reading in readings]
        return trends(pairs, readings[0].generations if readings else Generations(), count)

    async def models(self, generation: int) -> Models | None:
        """A generation's models, or None where they are gone; raises UnknownSchemaError."""
        stored = (await self.bulk([("GET", model_key(generation))]))[0]
        return await asyncio.to_thread(decode_in_pieces, stored) if stored else None

    async def fidelity(self, generation: int) -> FidelityTable | None:
        """A generation's fidelity table, or None; raises UnknownSchemaError."""
        stored = (await self.bulk([("GET", fidelity_key(generation))]))[0]
        return decode_fidelity(stored) if stored else None

    async def living(self) -> list[bytes]:
        """What each living scorer, and query of the speed layer, told of itself last (JSON), by key."""
        (keys,) = _sound(await self._ask([("ZRANGE", LIVING_KEY, "0", "-1")]), self._refused)
        told = await self._ask([("GET", key) for key in sorted(keys)]) if keys else []
        return [one for one in _sound(told, self._refused) if one]

    async def agreements(self, most: int) -> list[Agreement]:
        """How the newest generations agree with what the speed layer said before each, the newest first."""
        [numbers] = _sound(await self._ask([("HKEYS", NUMBERS_KEY)]), self._refused)
        newest = sorted(map(int, numbers), reverse=True)[:most]
        asked: list[Command] = [("GET", agreement_key(number)) for number in newest]
        stored = _sound(await self._ask(asked), self._refused) if asked else []
        return [decode_agreement(found) for found in stored if found]

    async def told(self, key: str) -> bytes | None:
        """What was last reported under a key, EXPERIMENTS_KEY or HIT_RATES_KEY (JSON), or None."""
        stored: bytes | None = (await self.bulk([("GET", key)]))[0]
        return stored

    async def bulk(self, commands: Sequence[Command]) -> list[Any]:
        """Answers to commands whose size is nobody's to wait behind, in one round trip of their own connection."""
        try:
            answers = await self._bulk.ask(commands)
        except OSError as error:
            raise self._refused(error) from None
        return _sound(answers, self._refused)

    async def _look(self) -> tuple[Generations, int]:
        self._looking = None  # who asks from now on wants to know how it is after now
        return _pointer_of(_sound(await self._ask(_POINTER), self._refused))

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        for batch in batches(gathered):
            self._begin(self._read(batch))

    async def _read(self, asked: list[Asked]) -> None:
        """Answer all that was asked; what was read of another generation than the current one is read again."""
        try:
            while not await self._answered(asked):
                asked = [one for one in asked if not one.answer.done()]
        except Exception as error:
            for one in asked:
                one.refuse(error)

    async def _answered(self, asked: list[Asked]) -> bool:
        """One round trip; false where the generation that was read is not current: then nobody was answered."""
        expected = self._expected
        commands = [command for one in asked for command in one.commands(expected)]
        answers = await self._ask([*_POINTER, *commands])
        generations, clock = _pointer_of(_sound(answers[:2], self._refused))
        self._expected = generations.current
        if generations.current != expected:
            return False
        begin = 2
        for one in asked:
            end = begin + one.width * len(one.entities)
            try:
                one.tell(generations, clock, _sound(answers[begin:end], self._refused))
            except StoreError as error:  # of one reader's entities: the others have their answers
                one.refuse(error)
            begin = end
        return True

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        if self._away:
            raise StoreError(self._away)
        try:
            return await self._servers.ask(commands)
        except OSError as error:
            refused = self._refused(error)
            if not self._away:
                self._begin(self._probe())
            self._away = str(refused)
            raise refused from None

    async def _probe(self) -> None:
        while self._away:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                _sound(await self._servers.ask(_POINTER), self._refused)
            except (OSError, StoreError):
                continue
            self._away = ""

    def _begin(self, doing: Coroutine[Any, Any, Told]) -> asyncio.Task[Told]:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _refused(self, error: object) -> StoreError:
        cause = str(error).rstrip(".")
        remedy = "start it with `lambda-arch up`, or correct store.url"
        return StoreError(f"the store at {self._address} does not answer: {cause}; {remedy}")


def _sound(answers: list[Any], refused: Any) -> list[Any]:
    """The answers; the first fault among them is raised."""
    for answer in answers:
        if isinstance(answer, _FAULTS):
            raise refused(answer)
    return answers


def _pointer_of(answers: list[Any]) -> tuple[Generations, int]:
    stored, clock, *_ = answers
    # The protocol's second version has a hash as a list.
    return generations_of(dict(zip(stored[::2], stored[1::2], strict=True))), int(clock or 0)
