"""Titles that are talked about more or less than usual for themselves, by the records of both layers."""

from __future__ import annotations

from enum import StrEnum

from lambda_arch.clock import HOUR, rfc3339
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.trending import Trending
from serving.answers import Answers
from serving.replies import Reply


class Heading(StrEnum):
    """Which way."""

    RISING = "rising"
    FALLING = "falling"


class TrendingTitle(Reply):
    """A title out of its usual: posts of its last day, how many are usual, by how many standard errors they differ."""

    title_id: str
    name: str | None
    direction: Heading
    posts: int
    usual: float
    score: float
    as_of: str
    layer: str
    generation: int


class TrendingReply(Reply):
    """Titles with a post since then: those that rise, then those that fall, the most unusual of each first."""

    since: str
    titles: list[TrendingTitle]


class Talk:
    """What is talked about, of one store."""

    def __init__(self, store: AsyncStore, answers: Answers) -> None:
        self._store, self._answers = store, answers

    async def of_late(self, hours: float, count: int, heading: Heading | None) -> TrendingReply:
        """At most `count` titles of each direction with a post in the last hours by the configured clock.

        Raises StoreError where the store is away.
        """
        view = await self._answers.view("t:", ("sentiment",))
        since = max(0, view.now - round(hours * HOUR))
        found = await self._store.trending(since, count)
        chosen = {Heading.RISING: found.rising, Heading.FALLING: found.falling}
        titles = [
            _named(one, direction, view.models())
            for direction, listed in chosen.items()
            if heading in (None, direction)
            for one in listed
        ]
        return TrendingReply(since=rfc3339(since), titles=titles)


def _named(one: Trending, direction: Heading, models: Models) -> TrendingTitle:
    return TrendingTitle(
        title_id=one.title_id, name=models.name(one.title_id), direction=direction, posts=one.posts, usual=one.usual,
        score=one.score, as_of=one.as_of, layer=one.layer, generation=one.generation,
    )  # fmt: skip
