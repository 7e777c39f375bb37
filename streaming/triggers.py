"""How the queries stand: what each trigger read and where its time went, on a log line and in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import structlog
from pyspark.sql.streaming.query import StreamingQuery

from lambda_arch.scorers import put_query
from lambda_arch.store import STORE_ERRORS, Store

TELL_SECONDS = 5.0
APPLIED = "applied"  # the name under which a query that applies counts what became of records

log = structlog.get_logger("query")


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """A query's last trigger: rows read, `milliseconds` by step as Spark names them, and what became of the rows.

    Of a query that applies, `counts` has the sums of pipeline.COUNTED, and `state_bytes_mean`, `delay_ms_mean` of them.
    `lag` is by topic and partition (`events/0`): records that were there and not read. `at` is RFC 3339.
    """

    query: str
    batch: int
    at: str
    rows: int
    per_second: float
    milliseconds: dict[str, int]
    lag: dict[str, int]
    counts: dict[str, int]


def trigger_of(progress: Mapping[str, Any]) -> Trigger:
    """What Spark's progress of a query says."""
    observed = progress.get("observedMetrics", {}).get(APPLIED, {})
    return Trigger(
        query=progress["name"],
        batch=progress["batchId"],
        at=progress["timestamp"],
        rows=progress.get("numInputRows") or 0,
        per_second=round(progress.get("processedRowsPerSecond") or 0.0, 1),
        milliseconds=dict(progress.get("durationMs", {})),
        lag={name: count for source in progress["sources"] for name, count in _lag(source).items()},
        counts=_with_means({name: count or 0 for name, count in observed.items()}),
    )


class Triggers:
    """Tells of each query's trigger once on the log and to `hear`, and where there is a store again and again there."""

    def __init__(
        self,
        store: Store | None,
        clock: Callable[[], float] = time.monotonic,
        hear: Callable[[Trigger], object] = lambda _: None,
    ) -> None:
        self._store, self._clock, self._hear, self._next = store, clock, hear, 0.0
        self._told: dict[str, tuple[int, str]] = {}

    def tell(self, queries: Iterable[StreamingQuery]) -> None:
        """Tell how they stand, if it is time; a store that is away is told another time."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + TELL_SECONDS
        for query in queries:
            # Asked for once: each time the JVM writes all of it as JSON.
            if (progress := query.lastProgress) is not None:
                self._tell(trigger_of(json.loads(progress.json)))

    def _tell(self, trigger: Trigger) -> None:
        if self._told.get(trigger.query) != (trigger.batch, trigger.at):
            log.info("trigger", **msgspec.to_builtins(trigger))
            self._hear(trigger)
        self._told[trigger.query] = trigger.batch, trigger.at
        if self._store is not None:
            try:
                put_query(self._store, trigger.query, msgspec.json.encode(trigger))
            except STORE_ERRORS as error:
                log.warning("store away, not reported", error=str(error))


def _with_means(counts: dict[str, int]) -> dict[str, int]:
    """The sums, and the means of those that say little by themselves."""
    means = {
        f"{name}_mean": round(counts[name] / counts[over])
        for name, over in (("state_bytes", "written"), ("delay_ms", "records"))
        if counts.get(name) is not None and counts.get(over)
    }
    return counts | means


def _lag(source: Mapping[str, Any]) -> dict[str, int]:
    read, there = _offsets(source.get("endOffset")), _offsets(source.get("latestOffset"))
    return {name: max(0, there[name] - offset) for name, offset in read.items() if name in there}


def _offsets(said: Any) -> dict[str, int]:
    """Of a Kafka source: the next offset of each partition; of another, or where Spark says none, nothing."""
    topics = json.loads(said) if isinstance(said, str) else said
    by_topic = topics.items() if isinstance(topics, dict) else ()
    known = [(topic, found) for topic, found in by_topic if isinstance(found, dict)]
    return {f"{topic}/{number}": offset for topic, found in known for number, offset in found.items()}
