"""Raw records -> silver, or quarantine with the reason: one way for the broker's records and for files.

Whoever writes does it by what a record is known by, its id or its coordinates, and what is there stays: archive, night
and ingestion may settle the same records, at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lambda_arch.config import Config, Events
from lambda_arch.lake import Lake
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import COORDINATES, MARKS, RAW, Transform, conform, with_nulls
from lambda_arch.tables import EVENTS, POSTS, QUARANTINE, Table

Kind = Literal["events", "posts"]
SILVER: dict[Kind, tuple[Table, str]] = {"events": (EVENTS, "event_id"), "posts": (POSTS, "post_id")}


@dataclass(frozen=True)
class Counts:
    """Records by what became of them: received == valid + rejected; `new` of the valid were not in silver yet."""

    received: int = 0
    valid: int = 0
    rejected: int = 0
    new: int = 0


def checked_records(kind: Kind, settings: Events) -> Transform:
    """Raw records -> their columns, those of silver's table, and `reason` (null: valid)."""
    check = {"events": checked_events, "posts": checked_posts}[kind](settings)
    return lambda raw: raw.transform(check).withColumn("event_date", F.to_date("event_time"))


def settle(lake: Lake, raw: DataFrame, kind: Kind, settings: Events) -> Counts:
    """Write raw records (schema RAW) to silver or quarantine and answer how many went where. Twice is once.

    The tables are there.
    """
    table, key = SILVER[kind]
    checked = raw.transform(conform(RAW)).transform(checked_records(kind, settings)).persist()
    try:
        received, rejected = checked.agg(F.count("*"), F.count("reason")).collect()[0]
        if rejected:
            quarantine(lake, checked)
        accepted = checked.transform(first_by(key)).transform(conform(table.schema))
        new = lake.insert_new(accepted, table, key) if received > rejected else 0
        return Counts(received, received - rejected, rejected, new)
    finally:
        checked.unpersist()


def settle_topics(lake: Lake, raw: DataFrame, config: Config) -> list[Counts]:
    """`settle` for the raw records of each of the broker's topics; those of others are left."""
    kinds: dict[Kind, str] = {"events": config.kafka.topics.events, "posts": config.kafka.topics.posts}
    return [settle(lake, raw.where(F.col("topic") == topic), kind, config.events) for kind, topic in kinds.items()]


def quarantine(lake: Lake, checked: DataFrame) -> None:
    """Keep the checked records that have a reason. Twice is once."""
    lake.insert_new(checked.transform(rejects()), QUARANTINE, *COORDINATES)


def first_by(key: str) -> Transform:
    """Of checked records the valid, one per key: the first by its coordinates, for the same id again is the same."""
    order = Window.partitionBy(key).orderBy(*COORDINATES)
    nth = F.row_number().over(order)
    return lambda rows: rows.where(F.col("reason").isNull()).withColumn("nth", nth).where("nth = 1").drop("nth")


def rejects() -> Transform:
    """Checked records -> those with a reason, as quarantine keeps them: bytes untouched."""

    def kept(checked: DataFrame) -> DataFrame:
        rows = checked.where(F.col("reason").isNotNull()).drop("value").withColumnRenamed("record", "value")
        return rows.transform(with_nulls(QUARANTINE.schema, ("file", *MARKS))).transform(conform(QUARANTINE.schema))

    return kept
