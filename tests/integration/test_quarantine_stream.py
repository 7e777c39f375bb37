"""Rejected records of a running stream: into the lake, fixed, sent again, and counted once by everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from pyspark.sql import SparkSession
from speed_stack import accounted, events, messages, size, source, speed_config, speed_stack, until
from store_content import counts

from batch.conform import conform_bronze
from deploy import servers
from lambda_arch.clock import HOUR, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.keys import speed_key
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.schemas import COORDINATES
from lambda_arch.states import Counts, decode_state
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE, EVENTS, QUARANTINE
from lambda_arch.tiles import MILLION, Tile, merge_tiles
from streaming.produce import Record, produce
from streaming.rejects import Selection
from streaming.resending import Request, Trial, replay

pytestmark = [pytest.mark.servers, pytest.mark.spark]
VALID, PERCENT, HOPELESS, NAMELESS = 100, 20, 3, 5


class Stack(NamedTuple):
    """A running stream, and its lake."""

    config: Config
    store: Store
    lake: Lake
    horizon: int


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, small_models: Models, spark: SparkSession) -> Iterator[Stack]:
    config = speed_config(tmp_path_factory.mktemp("quarantine") / "var")
    with speed_stack(config, ["kafka", "store", "archive", "gate", "scorer"], small_models) as store:
        yield Stack(config, store, Lake(spark, config.paths.lake, "test"), small_models.horizon)


def views(stack: Stack, name: str, count: int, **changes: Any) -> list[Record]:
    """Views of one user each, an hour after the horizon."""
    view = {"event_type": "view", "title_id": "a", "event_time": rfc3339(stack.horizon + HOUR), "value": 0.5}
    rows = [{**view, "event_id": f"{name}-{nth}", "user_id": f"{name}-{nth}", **changes} for nth in range(count)]
    rows = [{field: value for field, value in row.items() if value is not None} for row in rows]
    return [Record("events", row["user_id"].encode(), json.dumps(row).encode()) for row in rows]


def send(stack: Stack, records: list[Record]) -> None:
    produce(stack.config.kafka.bootstrap, records, None, stack.config.kafka.topics)


def again(stack: Stack, reason: str, **fix: str) -> Any:
    request = Request(Selection(reason=reason, topic="events"), fix, wall_now())
    return replay(stack.lake, request, stack.config, None)


def watched(stack: Stack, user: str) -> int:
    state = decode_state(stack.store.redis.hget(speed_key(f"u:{user}"), "state"), Tile)
    return merge_tiles(state.tiles.values(), 10).watched


def in_lake(stack: Stack) -> list[tuple[Any, ...]]:
    lake = stack.lake
    return (
        [tuple(row) for row in lake.read(QUARANTINE).select(*COORDINATES).collect()] if lake.exists(QUARANTINE) else []
    )


def test_what_was_rejected_comes_back_once(stack: Stack) -> None:
    config, store, lake, _ = stack
    sent = [
        *events(3, VALID, stack.horizon),
        *views(stack, "percent", PERCENT, value=50),
        *views(stack, "hopeless", HOPELESS, value=5000),
        *views(stack, "nameless", NAMELESS, event_id=None),
    ]
    send(stack, sent)
    total, rejected = len(sent), PERCENT + HOPELESS + NAMELESS
    until(lambda: accounted(config, store) == total, 240.0, lambda: (counts(store), total))
    until(lambda: len(in_lake(stack)) == rejected)
    topic = [source(message) for message in messages(config, config.kafka.topics.quarantine)]
    assert sorted(in_lake(stack)) == sorted(topic)

    done = again(stack, "out_of_range:value", value="value / 100")
    assert (done.trial, done.sent) == (Trial(PERCENT, {"out_of_range:value": HOPELESS}), PERCENT)
    done = again(stack, "missing_field:event_id", event_id="coordinates")
    assert (done.trial, done.sent) == (Trial(NAMELESS), NAMELESS)
    total += PERCENT + NAMELESS
    until(lambda: accounted(config, store) == total, 240.0, lambda: (counts(store), total))
    assert [watched(stack, user) for user in ("percent-0", "nameless-0")] == [MILLION // 2, MILLION // 2]
    assert size(config, config.kafka.topics.quarantine) == rejected

    # Again, with whatever fix: what was sent is marked. The producer's own correction has the id of the fixed record.
    assert again(stack, "out_of_range:value", value="value / 100").sent == 0
    assert again(stack, "missing_field:event_id", event_id="uuid()").sent == 0
    before = counts(store)
    send(stack, views(stack, "percent", PERCENT, value=0.9))
    total += PERCENT
    until(lambda: accounted(config, store) == total, 240.0, lambda: (counts(store), total))
    assert counts(store) == before + Counts(duplicates=PERCENT)
    assert watched(stack, "percent-0") == MILLION // 2

    # The night finds in bronze what the stream has found.
    until(lambda: lake.read(BRONZE).count() == total)
    servers.stop(config, ["archive"])
    rows = lake.read(QUARANTINE).orderBy(*COORDINATES).collect()
    settled = conform_bronze(lake, config)
    assert (settled.received, settled.rejected) == (total, rejected)
    assert lake.read(QUARANTINE).orderBy(*COORDINATES).collect() == rows
    assert {(row.reason, row.replayed_at is None) for row in rows} == {
        ("out_of_range:value", False), ("out_of_range:value", True), ("missing_field:event_id", False),
    }  # fmt: skip
    of_fixed = lake.read(EVENTS).where("user_id LIKE 'percent-%' OR user_id LIKE 'nameless-%'").collect()
    assert sorted((row.user_id, row.value) for row in of_fixed) == sorted(
        [(f"percent-{nth}", 0.5) for nth in range(PERCENT)] + [(f"nameless-{nth}", 0.5) for nth in range(NAMELESS)]
    )
