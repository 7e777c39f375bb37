"""The queries that fill the lake, from Kafka to silver; none needs gate, scorers or store.

events, posts -> bronze    each record once, as it came
bronze -> silver           as the night does it; or `quarantine` with the reason
quarantine -> quarantine   what the gate has rejected, by its source coordinates
"""

from __future__ import annotations

import time

import structlog
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from lambda_arch.config import Archive, Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import COORDINATES
from lambda_arch.silver import settle_topics
from lambda_arch.tables import BRONZE, EVENTS, POSTS, QUARANTINE
from streaming.gate import as_rejects
from streaming.source import raw_records, rejected_records

MINUTE_SECONDS = 60
FILLED = (BRONZE, EVENTS, POSTS, QUARANTINE)

log = structlog.get_logger("archive")


def archive(lake: Lake, config: Config) -> list[StreamingQuery]:
    """The queries, running; without one for silver where the night alone is to fill it."""
    lake.create(*FILLED)
    topics = (config.kafka.topics.events, config.kafka.topics.posts)
    silver = [_kept_silver(lake, config)] if config.archive.silver_seconds else []
    return [*(_appended(lake, config, topic) for topic in topics), _kept_rejects(lake, config), *silver]


class Compaction:
    """Puts the small files of the tables together, every so many minutes."""

    def __init__(self, lake: Lake, settings: Archive) -> None:
        self._lake, self._settings = lake, settings
        self._seconds = settings.compact_minutes * MINUTE_SECONDS
        self._due = time.monotonic() + self._seconds

    def when_due(self) -> None:
        """Do it if it is time; a process that is killed meanwhile leaves the tables as they were."""
        if not self._seconds or time.monotonic() < self._due:
            return
        for table in FILLED:
            small, large = self._lake.compact(table, self._settings.compact_mib)
            if small:
                log.info("compacted", table=table.name, files=small, became=large)
        self._due = time.monotonic() + self._seconds


def _appended(lake: Lake, config: Config, topic: str) -> StreamingQuery:
    return (
        raw_records(lake.spark, config.kafka, topic)
        .writeStream.format("delta")
        .option("checkpointLocation", f"{config.paths.checkpoints}/archive-{topic}")
        .trigger(processingTime=f"{config.archive.trigger_seconds} seconds")
        .queryName(f"archive-{topic}")
        .start(lake.path(BRONZE))
    )


def _kept_silver(lake: Lake, config: Config) -> StreamingQuery:
    """Bronze -> silver, by ids: where the night was quicker, nothing is added."""

    def keep(batch: DataFrame, _: int) -> None:
        settle_topics(lake, batch, config)

    return (
        lake.stream(BRONZE)
        .writeStream.foreachBatch(keep)
        .option("checkpointLocation", f"{config.paths.checkpoints}/archive-silver")
        .trigger(processingTime=f"{config.archive.silver_seconds} seconds")
        .queryName("archive-silver")
        .start()
    )


def _kept_rejects(lake: Lake, config: Config) -> StreamingQuery:
    """Topic `quarantine` -> the lake's, by source coordinates: where another was quicker, nothing is added."""

    def keep(batch: DataFrame, _: int) -> None:
        lake.insert_new(batch.transform(as_rejects()), QUARANTINE, *COORDINATES)

    return (
        rejected_records(lake.spark, config.kafka)
        .writeStream.foreachBatch(keep)
        .option("checkpointLocation", f"{config.paths.checkpoints}/archive-quarantine")
        .trigger(processingTime=f"{config.archive.trigger_seconds} seconds")
        .queryName("archive-quarantine")
        .start()
    )
