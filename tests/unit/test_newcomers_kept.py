"""How new titles are kept in memory: read once for many askers, of the models asked for, and while nobody can read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from lambda_arch.models import Models
from lambda_arch.new_title_reads import Doing, NewTitleReads, Sighting
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.store import StoreError
from serving import newcomers
from serving.newcomers import Newcomers, Premieres


class Reads(NewTitleReads):
    """Answers after a turn of the loop, counts how often it was asked, and may be away."""

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    async def sightings(self, since: int) -> dict[str, list[Sighting]]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise StoreError("away")
        return {f"new {since}": [Sighting("u", since + self.asked)]}

    async def doings(self, viewers: Sequence[str], generation: int) -> Mapping[str, Doing]:
        return dict.fromkeys(viewers, (None, None))


def models(generation: int) -> Models:
    model = RecommendModel("als", generation, ["a"], np.ones((1, 2), dtype=np.float32), FoldIn(1.0, 1.0), [0])
    return Models(generation=generation, horizon=generation, recommend=model)


def titles(found: Sequence[Newcomers]) -> list[list[str]]:
    return [one.titles for one in found]


def test_many_who_ask_at_once_are_told_of_one_read_and_each_of_their_own_generation() -> None:
    async def ask(premieres: Premieres) -> list[Newcomers]:
        old, new = models(1), models(2)
        return await asyncio.gather(*(premieres.of(of) for of in (old, old, new, new)))

    reads = Reads()
    found = asyncio.run(ask(Premieres(reads, 10)))
    assert titles(found) == [["new 1"], ["new 1"], ["new 2"], ["new 2"]]
    assert reads.asked == 2


def test_while_the_store_is_away_it_is_what_was_known_and_of_another_generation_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask(reads: Reads, premieres: Premieres) -> list[Newcomers]:
        known = models(1)
        found = [await premieres.of(known)]
        reads.away = True
        found += [await premieres.of(known), await premieres.of(models(2))]
        reads.away = False
        return [*found, await premieres.of(models(3))]

    monkeypatch.setattr(newcomers, "STALE_SECONDS", -1.0)
    reads = Reads()
    assert titles(asyncio.run(ask(reads, Premieres(reads, 10)))) == [["new 1"], ["new 1"], [], ["new 3"]]


def test_what_is_a_little_old_is_told_at_once_and_made_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(premieres: Premieres) -> list[Newcomers]:
        known = models(1)
        found = [await premieres.of(known), await premieres.of(known)]
        await asyncio.sleep(0.05)
        return [*found, await premieres.of(known)]

    monkeypatch.setattr(newcomers, "REFRESH_SECONDS", -1.0)
    first, again, later = asyncio.run(ask(Premieres(Reads(), 10)))
    assert again is first
    assert later is not first
