"""What Spark's progress of a query says, and when it is told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from redis import ConnectionError as StoreAway
from structlog.testing import capture_logs

from streaming.metrics import QueryMetrics
from streaming.triggers import TELL_SECONDS, Trigger, Triggers, trigger_of

PROGRESS: dict[str, Any] = {
    "name": "speed-events", "batchId": 7, "timestamp": "2016-01-02T03:04:05.678Z", "numInputRows": 40,
    "processedRowsPerSecond": 123.456, "durationMs": {"addBatch": 90, "triggerExecution": 120},
    "sources": [{"endOffset": {"events": {"0": 10, "1": 30}}, "latestOffset": {"events": {"0": 10, "1": 33}}}],
    "observedMetrics": {"applied": {"records": 40, "late": None}},
}  # fmt: skip
TRIGGER = Trigger(
    query="speed-events", batch=7, at="2016-01-02T03:04:05.678Z", rows=40, per_second=123.5,
    milliseconds={"addBatch": 90, "triggerExecution": 120}, lag={"events/0": 0, "events/1": 3},
    counts={"records": 40, "late": 0},
)  # fmt: skip


def test_a_trigger_has_rows_lag_by_partition_counts_and_where_the_time_went() -> None:
    assert trigger_of(PROGRESS) == TRIGGER


def test_offsets_may_be_json_in_json() -> None:
    [source] = PROGRESS["sources"]
    told = {**PROGRESS, "sources": [{name: json.dumps(offsets) for name, offsets in source.items()}]}
    assert trigger_of(told).lag == TRIGGER.lag


@pytest.mark.parametrize("missing", ["durationMs", "processedRowsPerSecond", "numInputRows", "observedMetrics"])
def test_what_spark_leaves_out_is_naught(missing: str) -> None:
    assert trigger_of({name: value for name, value in PROGRESS.items() if name != missing}).query == "speed-events"


DELTA = {"sourceVersion": 1, "reservoirId": "a-table", "reservoirVersion": 3, "index": -1, "isStartingVersion": False}


@pytest.mark.parametrize("offsets", [None, DELTA, json.dumps(DELTA), "null", "7"])
def test_a_source_without_partitions_has_no_lag(offsets: Any) -> None:
    assert trigger_of({**PROGRESS, "sources": [{"endOffset": offsets, "latestOffset": offsets}]}).lag == {}


class Query:
    """A query with the progress that a test sets; None before the first trigger."""

    def __init__(self, progress: dict[str, Any] | None) -> None:
        self.progress = progress

    @property
    def lastProgress(self) -> Query | None:  # Spark's name
        return self if self.progress else None

    @property
    def json(self) -> str:
        return json.dumps(self.progress)


class Redis:
    """What was set, unless it is away."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes]] = []
        self.away = False

    @property
    def redis(self) -> Redis:
        return self

    def set(self, key: str, value: bytes, ex: int) -> None:
        assert ex > TELL_SECONDS, "a query that lives is not forgotten between two tellings"
        if self.away:
            raise StoreAway("gone")
        self.stored.append((key, value))

    def pipeline(self, transaction: bool) -> Redis:
        return self

    def zadd(self, key: str, living: dict[str, int]) -> None: ...

    def zremrangebyscore(self, key: str, least: str, most: int) -> None: ...

    def execute(self) -> None: ...


def told(triggers: Triggers, *queries: Query) -> list[str]:
    with capture_logs() as lines:
        triggers.tell(queries)  # type: ignore[arg-type]
    return [line["event"] for line in lines]


def test_a_trigger_is_logged_once_and_kept_in_the_store_as_long_as_its_query_lives() -> None:
    now, store, query = [0.0], Redis(), Query(PROGRESS)
    triggers = Triggers(store, lambda: now[0])  # type: ignore[arg-type]
    assert told(triggers, query, Query(None)) == ["trigger"]
    assert told(triggers, query) == [], "it is not time yet"
    now[0] += TELL_SECONDS
    assert told(triggers, query) == []
    assert [msgspec.json.decode(value, type=Trigger) for _, value in store.stored] == [TRIGGER, TRIGGER]
    now[0] += TELL_SECONDS
    query.progress = {**PROGRESS, "batchId": 8}
    assert told(triggers, query) == ["trigger"]


def test_a_store_that_is_away_is_said_and_does_not_stop_the_queries() -> None:
    store = Redis()
    store.away = True
    assert told(Triggers(store, lambda: 0.0), Query(PROGRESS)) == ["trigger", "store away, not reported"]  # type: ignore[arg-type]


def test_without_a_store_there_is_the_log() -> None:
    assert told(Triggers(None, lambda: 0.0), Query(PROGRESS)) == ["trigger"]


def test_of_what_was_applied_the_mean_state_and_delay_are_told_beside_the_sums() -> None:
    applied = {"records": 40, "written": 8, "state_bytes": 4000, "delay_ms": 100}
    told = trigger_of({**PROGRESS, "observedMetrics": {"applied": applied}})
    assert told.counts == {**applied, "state_bytes_mean": 500, "delay_ms_mean": 2}


def test_where_nothing_was_written_there_is_no_mean() -> None:
    applied = {"records": 0, "written": 0, "state_bytes": 0, "delay_ms": 0}
    assert trigger_of({**PROGRESS, "observedMetrics": {"applied": applied}}).counts == applied


def test_prometheus_is_told_each_query_s_last_trigger() -> None:
    metrics = QueryMetrics()
    told = Triggers(None, hear=lambda trigger: metrics.last.update({trigger.query: trigger}))
    told.tell([Query(PROGRESS)])  # type: ignore[list-item]
    lines = generate_latest(metrics.registry).decode()
    for line in (
        'rows{query="speed-events"} 40.0', 'lag{partition="events/1",query="speed-events"} 3.0',
        'milliseconds{query="speed-events",step="addBatch"} 90.0', 'counts{query="speed-events",what="records"} 40.0',
    ):  # fmt: skip
        assert f"lambda_arch_query_{line}" in lines
