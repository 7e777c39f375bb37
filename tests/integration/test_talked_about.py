"""Titles that rise or fall, against a real store: both layers, replays, flips, silence, and never more than a few."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from store_server import emptied

from lambda_arch.clock import DAY, HOUR, MINUTE, parse_rfc3339, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import TRENDING_KEY
from lambda_arch.models import Models
from lambda_arch.posts import UNASSIGNED, Post
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Layer, Prediction, encode
from lambda_arch.store import Store
from lambda_arch.talked_about import KEPT, note_trending, trending
from lambda_arch.trending import Trends
from streaming.apply import Applier

pytestmark = pytest.mark.servers
DATABASE, LIMIT, TOP_N, COUNT = 13, 5, 3, 10
DAYS = 10


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store of the test's own."""
    with emptied(f"{store_url.removesuffix('/0')}/{DATABASE}") as store:
        yield store


@pytest.fixture
def serving(store: Store, small_models: Models) -> Store:
    """The store with a generation in service that knows of no post."""
    put(store, small_models, 1)
    return store


def put(store: Store, models: Models, generation: int, *said: Prediction) -> None:
    """Make a generation current that says so of titles."""
    horizon = models.horizon + generation
    store.publish(generation, [(record.entity, {"sentiment": encode(record)}) for record in said])
    store.put_models(msgspec.structs.replace(models, generation=generation), FidelityTable(generation, {}))
    note_trending(store, said)
    store.flip(generation, horizon)


def posts_of(title: str, first: int, times: Sequence[int]) -> list[Post]:
    numbers = range(first, first + len(times))
    return [
        Post("posts", 0, number, f"p{number}", number, title, time, "good")
        for number, time in zip(numbers, times, strict=True)
    ]


def talk(horizon: int) -> list[Post]:
    """About `a`, far more in the last hour than usual; about `b`, far less; about `c` and about no title, as always."""
    now = horizon + DAYS * DAY
    daily = [horizon + HOUR + day * DAY for day in range(DAYS)]
    often = [horizon + n * HOUR for n in range(2, (DAYS - 1) * 24)]
    found = [
        *posts_of("a", 0, [*daily, *(now - n * MINUTE for n in range(30))]),
        *posts_of("b", 1000, [*often, now]),
        *posts_of("c", 2000, daily),
        *posts_of(UNASSIGNED, 3000, [*daily, *(now - n * MINUTE for n in range(30))]),
    ]
    # As a partition has them, by offset, whatever the times.
    return [msgspec.structs.replace(post, offset=number) for number, post in enumerate(found)]


def applied(store: Store, posts: Sequence[Post], size: int = 10_000) -> None:
    applier = Applier(store, LIMIT, TOP_N)
    for start in range(0, len(posts), size):
        applier.apply_records(posts[start : start + size])


def listed(found: Trends) -> tuple[list[str], list[str]]:
    return [title.title_id for title in found.rising], [title.title_id for title in found.falling]


def said(title: str, evidence: int, direction: str, at: int, generation: int, layer: Layer = "batch") -> Prediction:
    """A record of sentiment with a pace."""
    score = {"rising": 5.0, "falling": -5.0}.get(direction, 0.0)
    pace = {"direction": direction, "posts": 1, "usual": 2.5, "score": score}
    return Prediction(
        use_case="sentiment", entity=f"t:{title}", value={"pace": pace}, layer=layer, model="m",
        model_version=1, as_of=rfc3339(at), evidence=evidence, generation=generation, written_at=rfc3339(at),
    )  # fmt: skip


def test_who_rises_and_who_falls_is_found_with_the_figures_of_the_record(serving: Store, small_models: Models) -> None:
    applied(serving, talk(small_models.horizon))
    found = trending(serving, 0, COUNT)
    assert listed(found) == (["a"], ["b"])
    [rising] = found.rising
    assert (rising.layer, rising.generation, rising.posts) == ("speed", 1, 31)
    assert rising.usual == pytest.approx(1, abs=0.2)
    assert rising.score > 5
    assert rising.as_of == rfc3339(small_models.horizon + DAYS * DAY)


def test_the_serving_layer_reads_the_same(serving: Store, small_models: Models) -> None:
    applied(serving, talk(small_models.horizon))

    async def asked() -> Trends:
        store = AsyncStore(url_of(serving))
        try:
            return await store.trending(0, COUNT)
        finally:
            await store.close()

    assert asyncio.run(asked()) == trending(serving, 0, COUNT)


def url_of(store: Store) -> str:
    at = store.redis.connection_pool.connection_kwargs
    return f"redis://{at['host']}:{at['port']}/{at['db']}"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_whatever_the_batches_and_again_the_same_are_found(serving: Store, small_models: Models, size: int) -> None:
    posts = talk(small_models.horizon)
    applied(serving, posts, size)
    once = trending(serving, 0, COUNT)
    assert listed(once) == (["a"], ["b"])
    applied(serving, posts[20:], size)
    assert trending(serving, 0, COUNT) == once


def test_what_a_writer_that_died_had_not_noted_is_noted_when_its_records_come_again(
    serving: Store, small_models: Models
) -> None:
    posts = talk(small_models.horizon)
    applied(serving, posts)
    serving.redis.delete(TRENDING_KEY)
    assert listed(trending(serving, 0, COUNT)) == ([], [])
    applied(serving, posts)
    assert listed(trending(serving, 0, COUNT)) == (["a"], ["b"])


def test_a_title_that_is_as_usual_again_is_dropped(serving: Store, small_models: Models) -> None:
    posts = talk(small_models.horizon)
    applied(serving, posts)
    later = [small_models.horizon + (DAYS + 20) * DAY + n * HOUR for n in range(3)]
    applied(serving, [msgspec.structs.replace(post, offset=post.offset + 9000) for post in posts_of("a", 9000, later)])
    assert listed(trending(serving, 0, COUNT)) == ([], ["b"])


def test_whoever_was_silent_since_is_left_out(serving: Store, small_models: Models) -> None:
    applied(serving, talk(small_models.horizon))
    newest = small_models.horizon + DAYS * DAY
    assert listed(trending(serving, newest, COUNT)) == (["a"], ["b"])
    assert listed(trending(serving, newest + 1, COUNT)) == ([], [])


def test_a_night_s_titles_are_found_and_those_that_the_stream_knows_more_of_by_the_stream(
    store: Store, small_models: Models
) -> None:
    at = small_models.horizon
    put(store, small_models, 1, said("x", 9, "rising", at, 1), said("y", 9, "falling", at, 1))
    assert listed(trending(store, 0, COUNT)) == (["x"], ["y"])
    steady = said("x", 10, "steady", at, 1, "speed")
    store.commit([Commit("t:x", 0, 1, b"", [steady])])
    assert listed(trending(store, 0, COUNT)) == ([], ["y"])


def test_after_a_flip_the_new_night_counts_and_after_a_rollback_the_old_one(store: Store, small_models: Models) -> None:
    at = small_models.horizon
    put(store, small_models, 1, said("x", 9, "rising", at, 1))
    put(store, small_models, 2, said("x", 12, "falling", at + 1, 2), said("z", 12, "rising", at + 1, 2))
    assert listed(trending(store, 0, COUNT)) == (["z"], ["x"])
    store.roll_back(store.generations())
    assert listed(trending(store, 0, COUNT)) == (["x"], [])


def test_what_a_withdrawn_generation_had_the_stream_say_is_out_at_once(store: Store, small_models: Models) -> None:
    at = small_models.horizon
    put(store, small_models, 1)
    put(store, small_models, 2)
    rising = said("x", 9, "rising", at, 2, "speed")
    store.commit([Commit("t:x", 0, 2, b"", [rising])])
    note_trending(store, [rising])
    assert listed(trending(store, 0, COUNT)) == (["x"], [])
    store.roll_back(store.generations())
    assert listed(trending(store, 0, COUNT)) == ([], [])


def test_of_many_the_newest_are_kept_in_whatever_order_and_however_often_they_are_noted(store: Store) -> None:
    begin = parse_rfc3339("2016-01-01T00:00:00Z")
    records = [said(f"many-{n:04}", 1, "rising", begin + n, 1) for n in range(KEPT + 100)]
    again = [*records, *random.Random(7).sample(records, 300)]
    random.Random(8).shuffle(again)
    for start in range(0, len(again), 50):
        note_trending(store, again[start : start + 50])
    kept = [entity.decode() for entity in store.redis.zrange(TRENDING_KEY, 0, -1)]
    assert kept == [f"t:many-{n:04}" for n in range(100, KEPT + 100)]
    assert 0 < store.redis.ttl(TRENDING_KEY) <= store.ttl


def test_an_older_record_that_is_noted_late_takes_no_title_back(store: Store) -> None:
    begin = parse_rfc3339("2016-01-01T00:00:00Z")
    note_trending(store, [said("x", 2, "falling", begin + DAY, 1)])
    note_trending(store, [said("x", 1, "rising", begin, 1)])
    assert store.redis.zscore(TRENDING_KEY, "t:x") == begin + DAY


def test_a_record_that_cannot_be_read_says_nothing(store: Store, small_models: Models) -> None:
    put(store, small_models, 1, said("x", 1, "rising", small_models.horizon, 1))
    store.redis.hset("la:{t:x}:s", "sentiment", b'{"schema": 99}')
    assert listed(trending(store, 0, COUNT)) == (["x"], [])
    store.redis.hset("la:{t:x}:g:1", "sentiment", b"no json")
    assert listed(trending(store, 0, COUNT)) == ([], [])


def test_of_many_that_stand_out_the_furthest_from_their_usual_are_told(store: Store, small_models: Models) -> None:
    records = [said(f"x{n}", 1, "rising", small_models.horizon, 1) for n in range(5)]
    scored = [
        msgspec.structs.replace(record, value={"pace": {**record.value["pace"], "score": 3.0 + n}})
        for n, record in enumerate(records)
    ]
    put(store, small_models, 1, *scored)
    assert listed(trending(store, 0, 2)) == (["x4", "x3"], [])
