"""Many entities and use cases in one question: what each is told alone, read in as few round trips as may be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from lambda_arch.records import TITLE_USE_CASES, UseCase
from serving.answers import Answer
from serving.desk import Desk
from serving.replies import told
from serving.rules.wish import Wish

MOST, MAX_TITLES = 1000, 100
SLICE = 128  # entities that are read and answered for at once: others wait no longer
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_UserUseCase = Literal["recommend", "segment", "churn"]


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question about users and titles; `n` titles at most are recommended to each."""

    users: list[_Id] = []
    titles: list[_Id] = []
    use_cases: tuple[_UserUseCase, ...] = ("recommend", "segment", "churn")
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_TITLES)] = 10


class BatchBody(BaseModel):
    """Users and titles, together 1 to 1,000, and what of users is asked."""

    model_config = ConfigDict(extra="forbid")

    users: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field([], max_length=MOST)
    titles: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field([], max_length=MOST)
    use_cases: list[_UserUseCase] = ["recommend", "segment", "churn"]
    n: int = Field(10, ge=1, le=MAX_TITLES)


class BatchError(ValueError):
    """A question that cannot be answered; the message says why."""


_decoder = msgspec.json.Decoder(Batch)


def batch_of(body: bytes) -> Batch:
    """The question of a request's body; raises BatchError."""
    try:
        batch = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BatchError(f"body: {error}") from None
    count = len(batch.users) + len(batch.titles)
    if not 1 <= count <= MOST:
        raise BatchError(f"users and titles: want 1 to {MOST:,} together, have {count:,}: ask in several requests")
    return batch


async def answers_to(desk: Desk, batch: Batch) -> list[Answer]:
    """The answers, each counted: of users in their order, each with its use cases in theirs, then of titles."""
    use_cases = tuple(dict.fromkeys(batch.use_cases))
    found: list[Answer] = []
    for some in _slices(batch.users):
        found += await _of_users(desk, some, use_cases, Wish(n=batch.n))
    for some in _slices(batch.titles):
        found += [told for [told] in await _records(desk, [f"t:{title}" for title in some], TITLE_USE_CASES)]
    return found


async def _of_users(desk: Desk, users: Sequence[str], use_cases: Sequence[UseCase], wish: Wish) -> list[Answer]:
    """What is asked of users; all of it is read in one tick of the event loop, and so in one round trip."""
    others: list[UseCase] = [use_case for use_case in use_cases if use_case != "recommend"]
    wished = users if "recommend" in use_cases else []
    lists, records = await asyncio.gather(
        desk.recommended_to(wished, wish),
        _records(desk, [f"u:{user}" for user in users], others),
    )
    by_case = [dict(zip(others, answers, strict=True)) for answers in records]
    for known, answer in zip(by_case, lists, strict=False):
        known["recommend"] = told(answer)
    return [known[use_case] for known in by_case for use_case in use_cases]


async def _records(desk: Desk, entities: Sequence[str], use_cases: Sequence[UseCase]) -> list[list[Answer]]:
    """What is answered of each entity and use case, counted."""
    views = await desk.answers.views(entities, use_cases) if use_cases else []
    answers = [[(view, desk.answers.answer_of(view, use_case)) for use_case in use_cases] for view in views]
    for view, answer in (one for each in answers for one in each):
        desk.note(view, answer)
    return [[told(answer) for _, answer in each] for each in answers] or [[] for _ in entities]


def _slices(entities: Sequence[str]) -> Iterator[Sequence[str]]:
    """The same, SLICE at a time: between them others have their turn."""
    for start in range(0, len(entities), SLICE):
        yield entities[start : start + SLICE]
