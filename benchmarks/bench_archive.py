"""The archive from its queries' start until a million records that wait in Kafka are in bronze, once each.

A real broker; the archive's own queries in a session of this process, from its first batch's begin to its last batch's
end. Beside it the same topic read by the same session into nothing: what of the time is Kafka's and Spark's.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from benchmarks.backlog import raw, send, views
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from deploy import servers
from deploy.ports import on_free_ports
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import COORDINATES
from lambda_arch.tables import BRONZE
from streaming.archive import archive
from streaming.source import raw_records

EVENTS, ROUNDS, SEED = 1_000_000, 3, 20160101
PATIENCE_SECONDS, POLL_SECONDS = 900.0, 0.2


def rows(ground: Ground) -> list[Row]:
    """Records a second into bronze, and into nothing."""
    jars = ground.config.paths.var / "jars"
    with (
        TemporaryDirectory(dir=Path(ground.config.paths.lake).parent) as folder,
        servers.running(on_free_ports(ground.config, Path(folder) / "var"), ["kafka"], jars) as config,
    ):
        send(config, config.kafka.topics.events, raw(views(SEED, EVENTS)))
        found = [_round(ground.spark, config, f"{folder}/{number}") for number in range(ROUNDS)]
    archived, dropped = zip(*found, strict=True)
    size = f"{EVENTS:,} views, {ground.config.kafka.partitions} partitions, {ground.config.spark.master}"
    return [
        at_least(30_000, "archive", [EVENTS / seconds for seconds in archived], "events/s", size),
        reported("archive, read into nothing", [EVENTS / seconds for seconds in dropped], "events/s", "the same topic"),
    ]


def _round(spark: SparkSession, config: Config, folder: str) -> tuple[float, float]:
    """Seconds into a lake of its own, and into nothing."""
    paths = config.paths.model_copy(update={"lake": f"{folder}/lake", "checkpoints": f"{folder}/checkpoints"})
    own = config.model_copy(update={"paths": paths})
    return _archived(spark, own), _dropped(spark, own)


def _archived(spark: SparkSession, config: Config) -> float:
    lake = Lake(spark, config.paths.lake, "benchmarks")
    queries = archive(lake, config)
    try:
        taken = _seconds(next(query for query in queries if query.name == f"archive-{config.kafka.topics.events}"))
    finally:
        for query in queries:
            query.stop()
    kept = lake.read(BRONZE)
    once = kept.select(*COORDINATES).distinct().count()
    if not kept.count() == once == EVENTS:
        raise ValueError(f"bronze has {kept.count()} rows of {once} records, {EVENTS} were sent")
    return taken


def _dropped(spark: SparkSession, config: Config) -> float:
    topic = raw_records(spark, config.kafka, config.kafka.topics.events)
    writer = topic.writeStream.format("noop").option("checkpointLocation", f"{config.paths.checkpoints}/dropped")
    query = writer.start()
    try:
        return _seconds(query)
    finally:
        query.stop()


def _seconds(query: StreamingQuery) -> float:
    """From the first batch's begin to the end of the one with which everything sent was read."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(batch.numInputRows for batch in _batches(query)) < EVENTS:
        if not query.isActive or time.monotonic() > deadline:
            raise RuntimeError(f"query {query.name} has not read everything: {query.exception() or query.status}")
        time.sleep(POLL_SECONDS)
    first, last = _batches(query)[0], _batches(query)[-1]
    return (_begin(last) + timedelta(milliseconds=last.batchDuration) - _begin(first)).total_seconds()


def _batches(query: StreamingQuery) -> list[Any]:
    """What was reported of the batches that had input."""
    return [batch for batch in query.recentProgress if batch.numInputRows]


def _begin(batch: Any) -> datetime:
    return datetime.fromisoformat(batch.timestamp)
