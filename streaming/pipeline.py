"""The speed layer's queries, from Kafka to their sinks.

realtime:    events, posts -> gate -> topic `gated` | topic `quarantine`; scorers take it from `gated`
microbatch:  events, posts -> gate -> apply, in one stage without a shuffle

`archive` has those that fill the lake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from lambda_arch.clock import MILLI, wall_now
from lambda_arch.config import Config
from lambda_arch.schemas import ArrowFunction, Transform
from lambda_arch.store import Store
from streaming.announcer import Announcer
from streaming.apply import Applier, decode_gated
from streaming.ended import ended
from streaming.gate import gated_events, gated_posts
from streaming.outcome import Applied
from streaming.quarantine import LARGEST_BYTES, Quarantine
from streaming.source import raw_records
from streaming.triggers import APPLIED, Triggers

POLL_SECONDS = 0.5
COLUMNS = ("topic", "key", "value", "headers")
COUNTED = (
    "quarantined", "records", "written", "conflicts", "refused", "applied", "duplicates", "late",
    "state_bytes", "delay_ms",
)  # fmt: skip


def realtime(spark: SparkSession, config: Config) -> list[StreamingQuery]:
    """One real-time-mode query per topic: a record is in `gated` milliseconds after it is in Kafka."""
    trigger = f"{config.speed.batch_seconds} seconds"
    return [
        gated.writeStream.format("kafka")
        .option("kafka.bootstrap.servers", config.kafka.bootstrap)
        .option("kafka.linger.ms", "1")
        .option("kafka.max.request.size", str(LARGEST_BYTES))
        .option("kafka.max.in.flight.requests.per.connection", "5")
        .option("checkpointLocation", f"{config.paths.checkpoints}/realtime-{topic}")
        .outputMode("update")
        .trigger(realTime=trigger)  # type: ignore[call-overload]  # newer than the stubs
        .queryName(f"gate-{topic}")
        .start()
        for topic, gated in _gated(spark, config)
    ]


def microbatch(spark: SparkSession, config: Config) -> list[StreamingQuery]:
    """One micro-batch query per topic that applies what it gated."""
    return [
        gated.mapInArrow(applied(config), ", ".join(f"{name} bigint" for name in COUNTED))
        .observe(APPLIED, *(F.sum(name).alias(name) for name in COUNTED))
        .writeStream.format("noop")
        .option("checkpointLocation", f"{config.paths.checkpoints}/microbatch-{topic}")
        .queryName(f"speed-{topic}")
        .start()
        for topic, gated in _gated(spark, config)
    ]


def run_queries(
    queries: Sequence[StreamingQuery],
    stopped: threading.Event,
    triggers: Triggers,
    meanwhile: Callable[[float], object] | None = None,
) -> None:
    """Until stopped, tell of triggers and do something else for so many seconds, or wait; then stop the queries.

    Raises QueryEndedError where a query ended by itself.
    """
    spend = meanwhile or stopped.wait
    while not stopped.is_set():
        spend(POLL_SECONDS)
        triggers.tell(queries)
        for query in queries:
            if not query.isActive:
                raise ended(query.name, str(query.exception()))
    for query in queries:
        query.stop()


def applied(config: Config) -> ArrowFunction:
    """Gated rows -> the store, on the executors; one row per Arrow batch: how many records it had, and what of them."""

    settings, topics = config.model_dump_json(), config.kafka.topics

    def apply_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        applier, announcer, quarantine = _workers(settings)
        for batch in batches:
            rows = [tuple(row[name] for name in COLUMNS) for row in batch.to_pylist()]
            records = [decode_gated(value) for topic, _, value, _ in rows if topic == topics.gated]
            done = applier.apply_records(records)
            announcer.announce([*done.predictions, *done.repeated])
            quarantine.send((key, value, headers) for topic, key, value, headers in rows if topic == topics.quarantine)
            delay = sum(wall_now() - record.event_time for record in records) // MILLI
            yield pa.RecordBatch.from_pydict(counted(done, len(rows), delay))
        quarantine.flush()
        announcer.flush()

    return apply_batches


def counted(done: Applied, rows: int, delay: int) -> dict[str, list[int]]:
    """The columns COUNTED of a batch of so many rows, gated and rejected ones; `delay` from events' times to now."""
    counts = done.counts
    of_calls = (done.records, done.written, done.conflicts, done.refused)
    values = (rows - done.records, *of_calls, counts.applied, counts.duplicates, counts.late, sum(done.sizes), delay)
    return {name: [value] for name, value in zip(COUNTED, values, strict=True)}


@cache
def _workers(settings: str) -> tuple[Applier, Announcer, Quarantine]:
    """An executor's connections and models, made once per Python worker and configuration."""
    config = Config.model_validate_json(settings)
    store = Store(config.store.url, config.store.ttl_days)
    topics = config.kafka.topics
    return (
        Applier(store, config.features.history_limit, config.batch.top_n),
        Announcer(config.kafka.bootstrap, topics.predictions),
        Quarantine(config.kafka.bootstrap, topics.quarantine),
    )


def _gated(spark: SparkSession, config: Config) -> list[tuple[str, DataFrame]]:
    topics = config.kafka.topics
    gates: dict[str, Transform] = {
        topics.events: gated_events(config.events, topics),
        topics.posts: gated_posts(config.events, topics),
    }
    return [(topic, raw_records(spark, config.kafka, topic).transform(gate)) for topic, gate in gates.items()]
