"""Pages of those about to leave, ranked by the probability that is answered, whichever layer answers.

The night's list and the speed layer's notes are both in the order of their own probability. Merged, everybody is met
once at each layer's probability, and counts where the layer that answers for them has placed them: a page is exact
without putting everybody in order.
"""

from __future__ import annotations

import asyncio
import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import msgspec

from lambda_arch.audience import CHURN, SHARDS
from lambda_arch.records import UseCase
from serving.answers import Answer
from serving.audience import Audience, Moment, is_in

TAKEN = 100  # notes of a shard, and merged entries, read at a time
MOST = 20_000  # entries looked at for one page; a page that ends so has a cursor and may be short


class Place(NamedTuple):
    """A place in the ranking: minus the probability, the user, and the layer that says so."""

    score: float
    user: str
    layer: str


START = Place(-2.0, "", "")


class CursorError(ValueError):
    """A cursor is none that was given out."""


class Asked(msgspec.Struct, frozen=True):
    """What page: so many, from the cutoff on, after a place, some passed over; of a segment or of all."""

    count: int
    cutoff: float
    after: Place = START
    offset: int = 0
    segment: int | None = None

    @property
    def use_cases(self) -> tuple[UseCase, ...]:
        """What must be answered of each to tell who is on the page."""
        return ("churn",) if self.segment is None else ("churn", "segment")

    def has(self, answers: Sequence[Answer]) -> bool:
        """Whether a user of whom that is answered is in the ranking; a note may be of what was said before."""
        if answers[0].value["probability"] < self.cutoff:
            return False
        return self.segment is None or is_in(answers[1], self.segment)


class Page(msgspec.Struct, frozen=True):
    """Answers of churn in the order of the ranking; `after` is where the next page goes on, None where none is."""

    answers: list[Answer]
    after: Place | None


async def page(audience: Audience, moment: Moment, asked: Asked) -> Page:
    """The page; raises StoreError where the store is away."""
    found: list[Answer] = []
    seen: set[str] = set()
    wanted, looked = asked.offset + asked.count, 0
    async for places in _together(merged(_sources(audience, moment, asked))):
        for place, answers in await _ranked(audience, moment, asked, places):
            if answers and answers[0].entity not in seen:
                seen.add(answers[0].entity)
                found.append(answers[0])
            if len(found) == wanted:
                return Page(found[asked.offset :], place)
        looked += len(places)
        if looked >= MOST:
            return Page(found[asked.offset :], places[-1])
    return Page(found[asked.offset :], None)


def cursor_of(place: Place) -> str:
    """A place as it goes out."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def place_of(given: str) -> Place:
    """The place of a cursor; raises CursorError."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(given.encode("ascii")), type=Place)
    except (ValueError, msgspec.MsgspecError):
        raise CursorError("want one that a page before gave") from None


async def merged(sources: Sequence[AsyncIterator[Place]]) -> AsyncIterator[Place]:
    """Places of several ordered sources, in order."""
    first = await asyncio.gather(*(_next(source) for source in sources))
    heap = [(place, number) for number, place in enumerate(first) if place]
    heapq.heapify(heap)
    while heap:
        place, number = heap[0]
        yield place
        following = await _next(sources[number])
        if following:
            heapq.heapreplace(heap, (following, number))
        else:
            heapq.heappop(heap)


async def _ranked(
    audience: Audience, moment: Moment, asked: Asked, places: Sequence[Place]
) -> list[tuple[Place, list[Answer] | None]]:
    """Each place with its user's answers, None where they are not placed there."""
    told = await audience.answers(moment, [place.user for place in places], asked.use_cases)
    return [
        (place, answers if answers[0].layer == place.layer and asked.has(answers) else None)
        for place, (_, answers) in zip(places, told, strict=True)
    ]


def _sources(audience: Audience, moment: Moment, asked: Asked) -> list[AsyncIterator[Place]]:
    noted = [_noted(audience, asked, shard) for shard in range(SHARDS)]
    return [_of_the_night(audience, moment, asked), *noted]


async def _of_the_night(audience: Audience, moment: Moment, asked: Asked) -> AsyncIterator[Place]:
    lists = moment.lists
    for number in range(lists.first(CHURN, -asked.after.score), lists.of(CHURN).pieces):
        piece = await audience.reads.piece(moment.generation, CHURN, number)
        for user, probability in zip(piece.users, piece.probabilities, strict=True):
            place = Place(-probability, user, "batch")
            if probability < asked.cutoff:
                return
            if place > asked.after:
                yield place


async def _noted(audience: Audience, asked: Asked, shard: int) -> AsyncIterator[Place]:
    start, low = 0, max(-1.0, asked.after.score)
    while True:
        found = await audience.reads.said(CHURN, shard, low, -asked.cutoff, (start, TAKEN))
        for user, score in found:
            place = Place(score, user, "speed")
            if place > asked.after:
                yield place
        start += len(found)
        if len(found) < TAKEN:
            return


async def _together(places: AsyncIterator[Place]) -> AsyncIterator[list[Place]]:
    """The same, TAKEN at a time."""
    some: list[Place] = []
    async for place in places:
        some.append(place)
        if len(some) == TAKEN:
            yield some
            some = []
    if some:
        yield some


async def _next(source: AsyncIterator[Place]) -> Place | None:
    return await anext(source, None)
