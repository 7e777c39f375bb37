"""Raw records -> silver, or quarantine with the reason: one way for the broker's records and for files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lambda_arch.config import Config, Events
from lambda_arch.lake import BRONZE, EVENTS, POSTS, QUARANTINE, Lake, Table
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import RAW, Transform, conform

Kind = Literal["events", "posts"]
COORDINATES = ("topic", "partition", "offset")


@dataclass(frozen=True)
class Counts:
    """Records by what became of them: received == valid + rejected; `new` of the valid were not in silver yet."""

    received: int = 0
    valid: int = 0
    rejected: int = 0
    new: int = 0


def settle(lake: Lake, raw: DataFrame, kind: Kind, settings: Events) -> Counts:
    """Write raw records (schema RAW) to silver or quarantine and answer how many went where. Twice is once."""
    check = {"events": checked_events, "posts": checked_posts}[kind]
    table, key = {"events": (EVENTS, "event_id"), "posts": (POSTS, "post_id")}[kind]
    checked = raw.transform(conform(RAW)).transform(check(settings)).transform(dated()).persist()
    try:
        return settled(lake, checked, table, key)
    finally:
        checked.unpersist()


def settled(lake: Lake, checked: DataFrame, table: Table, key: str) -> Counts:
    """Write checked records (of raw records, with `record` and `reason`) to the table or to quarantine."""
    lake.create(table, QUARANTINE)
    received, rejected = checked.agg(F.count("*"), F.count("reason")).collect()[0]
    valid, new = received - rejected, 0
    if rejected:
        lake.insert_new(checked.transform(rejects()), QUARANTINE, *COORDINATES)
    if valid:
        accepted = checked.where(F.col("reason").isNull()).transform(first_by(key))
        new = lake.insert_new(accepted.transform(conform(table.schema)), table, key)
    return Counts(received, valid, rejected, new)


def conform_bronze(lake: Lake, config: Config) -> Counts:
    """Settle what bronze has received since the last call; a checkpoint remembers how far. Raises on failure."""
    if not lake.exists(BRONZE):
        return Counts()
    kinds: dict[Kind, str] = {"events": config.kafka.topics.events, "posts": config.kafka.topics.posts}
    counts: list[Counts] = []

    def write(batch: DataFrame, _: int) -> None:
        for kind, topic in kinds.items():
            counts.append(settle(lake, batch.where(F.col("topic") == topic), kind, config.events))

    stream = lake.stream(BRONZE).writeStream.foreachBatch(write).trigger(availableNow=True)
    stream.option("checkpointLocation", f"{config.paths.checkpoints}/conform").start().awaitTermination()
    return _total(counts)


def first_by(key: str) -> Transform:
    """One row per key: the first by its coordinates, for the same id again is the same event."""
    order = Window.partitionBy(key).orderBy(*COORDINATES)
    return lambda rows: rows.withColumn("nth", F.row_number().over(order)).where(F.col("nth") == 1).drop("nth")


def rejects() -> Transform:
    """Checked records -> those with a reason, as quarantine keeps them: bytes untouched."""
    value = F.col("record").alias("value")
    columns = ("reason", *COORDINATES, "timestamp", "key", value)
    return lambda checked: (
        checked.where(F.col("reason").isNotNull()).select(*columns).transform(conform(QUARANTINE.schema))
    )


def dated() -> Transform:
    """With the UTC date of the event time, by which silver's files are skipped."""
    return lambda rows: rows.withColumn("event_date", F.to_date("event_time"))


def _total(counts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(getattr(part, field.name) for part in counts) for field in fields(Counts)))
