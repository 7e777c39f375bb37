"""Bronze once more into the store: nothing on top of a live one, the same store out of an empty one, never a gap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from archived import ARRIVED, BROKEN, EVENTS, POSTS, Row, empty_store, put_generation, records, streamed
from store_content import content, counts

from lambda_arch.clock import DAY, micros
from lambda_arch.config import Config
from lambda_arch.keys import speed_key
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.schemas import RAW
from lambda_arch.store import Store, StoreError
from lambda_arch.tables import BRONZE
from streaming.replay import ReplayError, replay

pytestmark = [pytest.mark.servers, pytest.mark.spark]
DATABASE = 8


@pytest.fixture
def rows(small_models: Models) -> list[Row]:
    return records(small_models.horizon)


@pytest.fixture
def full(lake: Lake, rows: list[Row]) -> Lake:
    """A lake whose bronze has the records."""
    lake.create(BRONZE)
    lake.append(lake.spark.createDataFrame(rows, RAW), BRONZE)
    return lake


@pytest.fixture
def live(config: Config, store_url: str, small_models: Models) -> Iterator[tuple[Config, Store]]:
    """The store of the stream."""
    found = empty_store(config, store_url, DATABASE)
    put_generation(found[1], small_models)
    yield found
    found[1].redis.flushdb()


@pytest.fixture
def other(config: Config, store_url: str, small_models: Models) -> Iterator[tuple[Config, Store]]:
    """Another one, of the same generation."""
    found = empty_store(config, store_url, DATABASE + 1)
    put_generation(found[1], small_models)
    yield found
    found[1].redis.flushdb()


def dumped(store: Store) -> dict[bytes, dict[bytes, bytes]]:
    return {key: store.redis.hgetall(key) for key in store.redis.keys("la:{*}:s")}


def at(second: float) -> int:
    return micros(ARRIVED + timedelta(seconds=second))


def test_an_empty_store_becomes_what_the_stream_made(
    full: Lake, rows: list[Row], live: tuple[Config, Store], other: tuple[Config, Store]
) -> None:
    streamed(full.spark, *live, rows)
    config, store = other
    done = replay(full, store, config)
    assert content(store) == content(live[1])
    total = counts(store)
    assert done.records == total.applied + total.duplicates + total.late == EVENTS + POSTS - BROKEN
    assert min(total.applied, total.duplicates, total.late) > 0
    assert store.event_now() == live[1].event_now()


@pytest.mark.parametrize("span", [(None, None), (0.0, 36.0), (11.0, 12.5), (30.0, None), (None, 5.0)])
def test_any_span_on_top_of_a_live_store_changes_nothing(
    full: Lake, rows: list[Row], live: tuple[Config, Store], span: tuple[float | None, float | None]
) -> None:
    config, store = live
    streamed(full.spark, config, store, rows)
    before = dumped(store)
    done = replay(full, store, config, *(None if end is None else at(end) for end in span))
    assert done.records > 0
    assert (done.written, dumped(store)) == (0, before)


def test_a_stream_that_is_behind_loses_nothing_to_a_replay(
    full: Lake, rows: list[Row], live: tuple[Config, Store], other: tuple[Config, Store]
) -> None:
    streamed(full.spark, *other, rows)
    config, store = live
    streamed(full.spark, config, store, rows[:100])
    before = dumped(store)
    with pytest.raises(ReplayError, match=r"lacks records that were received before --from, such as .*: leave --from"):
        replay(full, store, config, at(15.0))
    assert dumped(store) == before
    replay(full, store, config, at(10.0), at(20.0))
    streamed(full.spark, config, store, rows[100:])
    assert content(store) == content(other[1])


def test_a_late_stamp_of_a_producer_leaves_no_gap(
    lake: Lake, rows: list[Row], live: tuple[Config, Store], other: tuple[Config, Store]
) -> None:
    late = [(*row[:3], row[3] + timedelta(hours=number % 2), *row[4:]) for number, row in enumerate(rows)]
    lake.create(BRONZE)
    lake.append(lake.spark.createDataFrame(late, RAW), BRONZE)
    streamed(lake.spark, *other, late)
    config, store = live
    done = replay(lake, store, config, None, at(1800.0))
    assert 0 < done.records < 10
    replay(lake, store, config)
    assert content(store) == content(other[1])


@pytest.mark.parametrize(("use_case", "of"), [("sentiment", "t:"), ("churn", "u:")])
def test_a_use_case_is_replayed_by_what_it_is_made_of(
    full: Lake, rows: list[Row], live: tuple[Config, Store], other: tuple[Config, Store], use_case: Any, of: str
) -> None:
    streamed(full.spark, *other, rows)
    config, store = live
    replay(full, store, config, use_case=use_case)
    assert content(store) == {entity: said for entity, said in content(other[1]).items() if entity.startswith(of)}


def test_what_arrived_before_any_tile_is_not_looked_at(full: Lake, live: tuple[Config, Store]) -> None:
    config, store = live
    store.flip(3, micros(ARRIVED) + DAY)
    store.flip(4, micros(ARRIVED) + 2 * DAY)
    assert replay(full, store, config).records == 0
    assert not store.redis.exists(speed_key("u:user-1"))


def test_a_store_without_a_generation_is_refused(full: Lake, live: tuple[Config, Store]) -> None:
    config, store = live
    store.redis.flushdb()
    with pytest.raises(StoreError, match="publish one with `lambda-arch night`"):
        replay(full, store, config)


def test_a_store_that_goes_away_is_one_line(full: Lake, live: tuple[Config, Store]) -> None:
    config, store = live
    away = config.model_copy(update={"store": config.store.model_copy(update={"url": "redis://127.0.0.1:1/0"})})
    with pytest.raises(StoreError, match=r"replay stopped after 0 records: .*; run it again"):
        replay(full, store, away)


def test_a_lake_without_an_archive_is_named(lake: Lake, live: tuple[Config, Store]) -> None:
    with pytest.raises(ReplayError, match="has no bronze/kafka: nothing was archived"):
        replay(lake, live[1], live[0])
