"""Who is in a segment and who is about to leave, as both layers say together, however many they are.

The night's list is read piece by piece, each with both layers' records in one round trip, and each user is answered
for like anybody who is asked about. Then come those whom the speed layer notes and the list lacks: that is told by
their batch record, so that nobody is on both walks and nothing needs to be remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from msgspec import structs

from lambda_arch.audience import CHURN, PIECE, SHARDS, Lists, segment_list
from lambda_arch.list_reads import ListReads
from lambda_arch.records import UseCase
from lambda_arch.store import StoreError
from serving.answers import Answer, Answers, View

TURN = 32  # users answered for before others have their turn


class Moment(msgspec.Struct, frozen=True):
    """What a whole walk is answered by: one generation, one clock, one set of models; and the generation's lists."""

    view: View
    lists: Lists

    @property
    def generation(self) -> int:
        """The generation."""
        return self.view.generations.current


class Walk(msgspec.Struct, frozen=True):
    """A walk over a list: of a use case, down to `lowest`; `belongs` tells of a record's value whether its user does.

    `low` and `high` bound the speed layer's notes of those who may belong. With `segment` only its members do.
    """

    use_case: UseCase
    name: str
    belongs: Callable[[dict[str, Any]], bool]
    low: float
    high: float
    lowest: float = 0.0
    segment: int | None = None

    @property
    def use_cases(self) -> tuple[UseCase, ...]:
        """What must be answered to tell who belongs; the walk's own first."""
        return (self.use_case,) if self.segment is None else (self.use_case, "segment")

    def has(self, answers: Sequence[Answer]) -> bool:
        """Whether somebody of whom that is answered belongs."""
        first, *of_segment = answers
        if first.layer == "fallback" or not self.belongs(first.value):
            return False
        return all(is_in(answer, self.segment) for answer in of_segment)


def members_of(segment: int) -> Walk:
    """The walk over a segment."""
    return Walk("segment", segment_list(segment), lambda value: value.get("segment") == segment, segment, segment)


def at_risk_from(cutoff: float, segment: int | None = None) -> Walk:
    """The walk over those about to leave, of a segment or of all."""

    def belongs(value: dict[str, Any]) -> bool:
        return (value.get("probability") or 0.0) >= cutoff

    return Walk("churn", CHURN, belongs, -1.0, -cutoff, cutoff, segment)


def is_in(answer: Answer, segment: int | None) -> bool:
    """Whether an answer of segment puts its user into that one; a default puts nobody anywhere."""
    return answer.layer != "fallback" and bool(answer.value["segment"] == segment)


class Audience:
    """Walks over lists of users."""

    def __init__(self, answers: Answers, reads: ListReads) -> None:
        self._answers, self.reads = answers, reads

    async def moment(self) -> Moment:
        """Now; raises StoreError where the store is away or there are no lists."""
        view = await self._answers.view("u:", ("segment",))
        if view.away or not view.generations.current:
            raise StoreError("the store does not answer, or no generation was published: see /ready")
        return Moment(view, await self.reads.lists(view.generations.current))

    async def walk(self, moment: Moment, walk: Walk) -> AsyncIterator[list[Answer]]:
        """The answers of those who belong, piece by piece."""
        for number in range(moment.lists.of(walk.name).pieces):
            piece = await self.reads.piece(moment.generation, walk.name, number)
            users = piece.users[: _reach(piece.probabilities, walk.lowest)]
            yield await self._belonging(moment, walk, users, listed=True)
            if len(users) < len(piece.users):
                break
        for shard in range(SHARDS):
            noted = [user for user, _ in await self.reads.said(walk.use_case, shard, walk.low, walk.high)]
            for start in range(0, len(noted), PIECE):
                yield await self._belonging(moment, walk, noted[start : start + PIECE], listed=False)

    async def answers(
        self, moment: Moment, users: Sequence[str], use_cases: Sequence[UseCase]
    ) -> list[tuple[View, list[Answer]]]:
        """What is answered for users, with what was read; others have their turn now and then.

        By everybody's policy, whatever arms of experiments they are in: a list is one list.
        """
        found, policies = [], [(use_case, self._answers.everybodys(use_case)) for use_case in use_cases]
        records = await self.reads.records(users, use_cases, moment.generation) if users else []
        for number, (user, stored) in enumerate(zip(users, records, strict=True)):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            view = structs.replace(moment.view, entity=f"u:{user}", stored=stored)
            found.append((view, [self._answers.answer_of(view, *by) for by in policies]))
        return found

    async def _belonging(self, moment: Moment, walk: Walk, users: Sequence[str], listed: bool) -> list[Answer]:
        return [
            told[0]
            for view, told in await self.answers(moment, users, walk.use_cases)
            if walk.has(told) and _is_listed(view.stored[walk.use_case][0], walk) == listed
        ]


class _Stored(msgspec.Struct):
    value: dict[str, Any]


_stored = msgspec.json.Decoder(_Stored)


def _is_listed(batch: bytes | None, walk: Walk) -> bool:
    """Whether the night has put a user on the list, by its record; one that cannot be read may have."""
    try:
        return batch is not None and walk.belongs(_stored.decode(batch).value)
    except msgspec.MsgspecError:
        return True


def _reach(probabilities: Sequence[float], lowest: float) -> int | None:
    """How many of a piece are at least so likely; None for all, as in a list without probabilities."""
    if not probabilities or probabilities[-1] >= lowest:
        return None
    return sum(probability >= lowest for probability in probabilities)


def _audience(request: Request) -> Audience:
    audience: Audience = request.app.state.audience
    return audience


AtAudience = Annotated[Audience, Depends(_audience)]
