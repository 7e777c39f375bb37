"""New models are made ready for lists under rules while the old ones still answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.store import Store
from serving.answers import Answers
from serving.rules.book import Book
from serving.rules.shelves import Shelves

pytestmark = pytest.mark.servers
DATABASE = 11


@pytest.fixture
def store(store_url: str, small_models: Models) -> Iterator[Store]:
    """Two generations of one horizon, neither current."""
    store = Store(f"{store_url.removesuffix('/0')}/{DATABASE}", 1)
    store.redis.flushdb()
    for number in (1, 2):
        store.put_models(msgspec.structs.replace(small_models, generation=number), FidelityTable(number, {}))
    yield store
    store.redis.flushdb()
    store.redis.close()


def test_models_are_in_use_once_they_are_prepared_and_the_old_ones_answer_until_then(
    store: Store, store_url: str, config: Config, small_models: Models
) -> None:
    async def flipped() -> list[tuple[int, int]]:
        answers = Answers(AsyncStore(f"{store_url.removesuffix('/0')}/{DATABASE}"), config)
        prepared: list[tuple[int, int]] = []

        async def prepare(models: Models) -> None:
            asked, _ = await answers.in_service()
            prepared.append((models.generation, asked.generation))

        for number in (1, 2):
            store.flip(number, small_models.horizon)
            assert await answers.unready() == []
            assert answers.models().generation == number
            answers.before_use(prepare)
        await answers.close()
        return prepared

    assert asyncio.run(flipped()) == [(2, 1)]


def test_a_prepared_shelf_is_had_without_waiting_and_the_one_before_until_then(small_models: Models) -> None:
    old, new, book = small_models, msgspec.structs.replace(small_models, generation=3), Book()

    async def made() -> None:
        shelves = Shelves()
        await shelves.prepare(new, book)  # nobody has needed one yet: nothing is made
        first = await shelves.of(old, book)
        await shelves.prepare(new, book)
        assert await shelves.of(old, book) is first
        with pytest.raises(StopIteration) as had:
            shelves.of(new, book).send(None)
        assert had.value.value.models is new
        assert (await shelves.of(new, Book())).models is new  # made anew, for other rules

    asyncio.run(made())
